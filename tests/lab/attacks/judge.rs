//! Whether an attack got anywhere: judged by the raw bytes of the answers, and nothing else.

/// In every hostile text; lower case, for some of it goes through names of headers.
pub(super) const MARK: &str = "zq7x";

/// What the portal's answers may carry.
const HEADERS: [&str; 12] = [
    "allow",
    "cache-control",
    "connection",
    "content-language",
    "content-length",
    "content-security-policy",
    "content-type",
    "location",
    "referrer-policy",
    "retry-after",
    "x-content-type-options",
    "x-frame-options",
];
const STATUSES: [&str; 10] = ["200", "302", "400", "403", "404", "405", "408", "413", "429", "503"];

/// What is wrong with `answer`, all that came back, for a portal that is at `origin`.
pub(super) fn complaints(answer: &[u8], origin: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return if text.is_empty() { Vec::new() } else { vec![format!("no answer, but {text:.60}")] };
    };
    let mut found = heads(head, origin);
    if body.contains("HTTP/1.") {
        found.push("a second answer".to_owned());
    }
    if body.contains("root:") || body.contains("[package]") {
        found.push("a file".to_owned());
    }
    found.extend(markup(body, origin));
    found
}

fn heads(head: &str, origin: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !STATUSES.iter().any(|known| status.starts_with(&format!("HTTP/1.1 {known} "))) {
        found.push(format!("status {status}"));
    }
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        if !HEADERS.contains(&name) || value.contains(['\r', '\n', '\0']) {
            found.push(format!("header {line:?}"));
        }
        if name == "location" && !is_ours(value, origin) {
            found.push(format!("led to {value}"));
        }
    }
    found
}

/// Whether `url` is at the portal; a hostile text may be a value in its query, with nothing left of its meaning.
fn is_ours(url: &str, origin: &str) -> bool {
    let path = url.strip_prefix(origin).unwrap_or(url);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%=&".contains(c);
    matches!(path, "/" | "/status") && query.chars().all(plain)
}

/// What of the hostile text is markup, a script, a style or a place to go.
fn markup(body: &str, origin: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some((_, from)) = rest.split_once('<') {
        let (bare, quoted, after) = tag(from);
        if bare.contains(MARK) {
            found.push(format!("markup <{bare:.80}>"));
        }
        for (name, value) in quoted {
            let leads = matches!(name.as_str(), "href" | "src" | "action" | "formaction" | "content");
            let hostile = value.contains(MARK) && !value.starts_with(origin) && leads;
            if hostile || leads && value.trim_start().to_lowercase().starts_with("javascript:") {
                found.push(format!("{name}={value:.80}"));
            }
        }
        rest = after;
        for raw in ["script", "style"] {
            if bare.trim_start().to_lowercase().starts_with(raw) {
                let end = rest.find(&format!("</{raw}")).unwrap_or(rest.len());
                if rest[..end].contains(MARK) {
                    found.push(format!("in a {raw}"));
                }
                rest = &rest[end..];
            }
        }
    }
    found
}

/// From behind `<`: what is outside of quotes, names and values of attributes in quotes, and what follows.
fn tag(from: &str) -> (String, Vec<(String, String)>, &str) {
    let (mut bare, mut quoted, mut rest) = (String::new(), Vec::new(), from);
    loop {
        let Some(at) = rest.find(['>', '"', '\'']) else { return (bare + rest, quoted, "") };
        bare += &rest[..at];
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if sign == b'>' {
            return (bare, quoted, rest);
        }
        let end = rest.find(char::from(sign)).unwrap_or(rest.len());
        let name = bare.trim_end_matches('=').rsplit([' ', '\n']).next().unwrap_or_default();
        quoted.push((name.to_lowercase(), rest[..end].to_owned()));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
}

#[test]
fn a_successful_attack_is_seen() {
    let origin = "http://10.77.0.1:2080";
    let page = |head: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes();
    for (head, body) in [
        ("x-zq7x: 1", ""),
        ("set-cookie: a", ""),
        ("location: http://zq7x.example/", ""),
        ("location: //zq7x.example/", ""),
        ("location: /\\zq7x.example/", ""),
        ("location: http://10.77.0.1:2080.zq7x.example/", ""),
        ("location: http://10.77.0.1:2080/?code=<b>", ""),
        ("connection: close", "<p><zq7x>"),
        ("connection: close", "<script>zq7x()</script>"),
        ("connection: close", "<input value=\"\" onfocus=zq7x()>"),
        ("connection: close", "<input value='' onfocus='a' zq7x=''>"),
        ("connection: close", "<a href=\"//zq7x.example\">"),
        ("connection: close", "<a href=\" JavaScript:a\">"),
        ("connection: close", "<!-- zq7x -->"),
        ("connection: close", "<style>@import 'zq7x'</style>"),
        ("connection: close", "HTTP/1.1 200 OK"),
        ("connection: close", "root:x:0:0"),
    ] {
        assert!(!complaints(&page(head, body), origin).is_empty(), "{head} {body}");
    }
    let good = "<title>&#60;zq7x&#62;</title><input value=\"&#34;zq7x\"><textarea>zq7x</textarea><a href=\"/terms\">";
    assert_eq!(complaints(&page("location: http://10.77.0.1:2080/?code=%3Czq7x", good), origin), [""; 0]);
    assert!(!complaints(b"HTTP/1.1 303 See Other\r\nlocation: /status\r\n\r\n", origin).is_empty());
}
