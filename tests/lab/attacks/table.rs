//! The attacks: what somebody sends who wants to run a script in another's browser, lead it astray, act in its
//! name, read files, or get in without paying. Each has a name and its bytes.

use super::judge::MARK;

/// What the attacks are made of.
pub(super) struct Prey<'a> {
    /// Host and port of the portal, and its URL.
    pub(super) host: &'a str,
    pub(super) origin: &'a str,
    /// A voucher that is good, and the token of the attacker's own device, and of another's.
    pub(super) code: &'a str,
    pub(super) token: &'a str,
    pub(super) other: &'a str,
}

pub(super) type Attack = (String, Vec<u8>);

const KIND: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Texts that are a script wherever they are not escaped.
const SCRIPTS: [&str; 10] = [
    "<script>zq7x()</script>",
    "\"><img src=x onerror=zq7x()>",
    "</textarea><svg onload=zq7x()>",
    "' autofocus onfocus=zq7x() x='",
    "\" autofocus onfocus=zq7x() x=\"",
    "javascript:zq7x()",
    "</title><style>@import'//zq7x.example'</style>",
    "<!--zq7x--><base href=//zq7x.example/>",
    "{{zq7x}}{% zq7x %}${zq7x}",
    "+ADw-script+AD4-zq7x()+ADw-/script+AD4-",
];
/// A host that is not ours, to a careless reader of URLs.
const ASTRAY: [&str; 8] = [
    "zq7x.example",
    "10.77.0.1:2080.zq7x.example",
    "10.77.0.1:2080@zq7x.example",
    "zq7x.example\\@10.77.0.1:2080",
    "zq7x.example#@10.77.0.1:2080",
    "zq7x.example/.10.77.0.1:2080",
    "zq7x@10.77.0.1:2080",
    "10.77.0.1:2080, zq7x.example",
];
const FILES: [&str; 12] = [
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%252e%252e/%252e%252e/etc/passwd",
    "/..%c0%af..%c0%afetc/passwd",
    "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/..\\..\\..\\etc\\passwd",
    "/..%5c..%5cetc%5cpasswd",
    "//etc/passwd",
    "/logo.svg%00/../../etc/passwd",
    "/captive-portal/api/../../../etc/passwd",
    "/?lang=../../../../etc/passwd",
];
/// What would be a command, a query or a format, if a guest's text ever came to one.
const COMMANDS: [&str; 6] = [
    "'; DROP TABLE vouchers; --",
    "$(touch /tmp/zq7x)",
    "`touch /tmp/zq7x`",
    "| touch /tmp/zq7x; nft flush ruleset",
    "%s%n%p{zq7x:?}",
    "1 OR 1=1 zq7x",
];

impl Prey<'_> {
    /// Those that would redeem the voucher come first: none of them is a guess, so none is held back as one.
    pub(super) fn attacks(&self) -> Vec<Attack> {
        let forged = [self.forged_origins(), self.forged_requests(), self.smuggled()];
        let others = [self.scripts(), self.redirects(), self.headers(), self.files(), self.commands()];
        [forged.concat(), others.concat()].concat()
    }

    fn get(&self, target: &str, headers: &str) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n", self.host).into()
    }

    fn form(&self, target: &str, headers: &str, body: &str) -> Vec<u8> {
        let (host, length) = (self.host, body.len());
        format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into()
    }

    /// Scripts in everything that is, or might be, shown again.
    fn scripts(&self) -> Vec<Attack> {
        let mut all = Vec::new();
        let mut add = |name: &str, bytes| all.push((format!("script in {name}"), bytes));
        for text in SCRIPTS {
            let escaped = escape(text);
            add(&format!("the code of a QR code: {text}"), self.get(&format!("/?code={escaped}"), ""));
            let fields = format!("code={escaped}&token={}", self.token);
            add(&format!("a code that is typed: {text}"), self.form("/login", KIND, &fields));
            add(&format!("the language: {text}"), self.get(&format!("/?lang={escaped}"), ""));
        }
        for text in SCRIPTS.iter().take(3) {
            let escaped = escape(text);
            for field in ["phone", "phone_last4", "pin", "otp", "move", "token", "zq7x"] {
                let fields = format!("code=1234&token={}&{field}={escaped}", self.token);
                add(&format!("the field {field}: {text}"), self.form("/login", KIND, &fields));
            }
            add(&format!("a path: {text}"), self.get(&format!("/{escaped}"), ""));
            add(&format!("the name of a field: {text}"), self.get(&format!("/?{escaped}=1"), ""));
            for header in ["User-Agent", "Referer", "Accept-Language", "Cookie", "X-Forwarded-Host", "Origin"]
            {
                let headers = format!("{header}: {text}\r\n");
                add(&format!("{header}: {text}"), self.get("/", &headers));
            }
            let (host, lone) = (format!("GET / HTTP/1.1\r\nHost: {text}\r\n\r\n"), text.replace(' ', "/"));
            add(&format!("Host: {text}"), host.into());
            add(&format!("a URL: {text}"), format!("GET http://{lone}/ HTTP/1.1\r\nHost: x\r\n\r\n").into());
            add(
                &format!("the method: {text}"),
                format!("{lone} / HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).into(),
            );
        }
        all
    }

    /// Ways to have a guest sent to a foreign place.
    fn redirects(&self) -> Vec<Attack> {
        let mut all = Vec::new();
        let mut add = |name: String, bytes: Vec<u8>| all.push((format!("astray by {name}"), bytes));
        for host in ASTRAY {
            add(format!("Host: {host}"), format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into());
            let url = format!("GET http://{host}/ HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
            add(format!("a URL: {host}"), url.into());
            add(format!("the language: {host}"), self.get(&format!("/?lang=//{}", escape(host)), ""));
        }
        for target in
            ["//zq7x.example/", "/\\zq7x.example/", "/%09/zq7x.example", "/.zq7x.example", "/%2fzq7x.example"]
        {
            add(format!("a path: {target}"), self.get(target, ""));
            // To port 80, where everything is a redirect.
            add(
                format!("a path of the gateway: {target}"),
                format!("GET {target} HTTP/1.1\r\nHost: wifi.lango\r\n\r\n").into(),
            );
        }
        for name in ["url", "next", "redirect", "dst", "userurl", "redir", "target", "continue"] {
            add(format!("the field {name}"), self.get(&format!("/?{name}=http://zq7x.example/"), ""));
        }
        for header in [
            "X-Forwarded-Host: zq7x.example",
            "X-Forwarded-Server: zq7x.example",
            "X-Host: zq7x.example",
            "Forwarded: host=zq7x.example;proto=https",
            "X-Original-URL: //zq7x.example/",
            "X-Rewrite-URL: //zq7x.example/",
            "X-Forwarded-Prefix: //zq7x.example",
            "Referer: http://zq7x.example/",
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: captive.apple.com\r\n{header}\r\n\r\n");
            add(header.to_owned(), request.into());
        }
        all
    }

    /// Forms that the guest did not send, each with a voucher that is good: by what they say of where they are from.
    fn forged_origins(&self) -> Vec<Attack> {
        let Self { token, other, origin, .. } = self;
        let code = format!("code={}", escape(self.code));
        let with = |token: &str| self.form("/login", KIND, &format!("{code}&token={token}"));
        let from = |origin: &str| {
            self.form("/login", &format!("{KIND}Origin: {origin}\r\n"), &format!("{code}&token={token}"))
        };
        let all = [
            ("no token", self.form("/login", KIND, &code)),
            ("an empty token", with("")),
            ("the token of another device", with(other)),
            ("a token that is cut", with(&token[1..])),
            ("a token with one digit more", with(&format!("{token}0"))),
            ("a token of zeros", with(&"0".repeat(64))),
            ("another's token first", with(&format!("{other}&token={token}"))),
            ("a token in the URL only", self.form(&format!("/login?token={token}"), KIND, &code)),
            ("a token in a cookie", self.form("/login", &format!("{KIND}Cookie: token={token}\r\n"), &code)),
            ("origin null", from("null")),
            ("a foreign origin", from("http://zq7x.example")),
            ("an origin that begins like ours", from(&format!("{origin}.zq7x.example"))),
            ("our origin as a user", from(&format!("{origin}@zq7x.example"))),
            ("our origin with another port", from("http://10.77.0.1:8080")),
            ("our origin with another scheme", from(&origin.replace("http", "ftp"))),
            ("our origin and another", from(&format!("{origin}\r\nOrigin: http://zq7x.example"))),
            ("a list of origins", from(&format!("{origin} http://zq7x.example"))),
            ("an empty origin", from("")),
        ];
        all.into_iter().map(|(name, bytes)| (format!("forged with {name}"), bytes)).collect()
    }

    /// As before: by requests that are no form of a page.
    fn forged_requests(&self) -> Vec<Attack> {
        let good = format!("code={}&token={}", escape(self.code), self.token);
        let of_kind = |kind: &str| self.form("/login", &format!("Content-Type: {kind}\r\n"), &good);
        let by = |method: &str| {
            let form = String::from_utf8(self.form("/login", KIND, &good)).unwrap();
            form.replacen("POST", method, 1).into_bytes()
        };
        let all = [
            ("GET", self.get(&format!("/login?{good}"), "")),
            ("GET of the page", self.get(&format!("/?{good}"), "")),
            ("HEAD", by("HEAD")),
            ("PUT", by("PUT")),
            ("PATCH", by("PATCH")),
            ("a method in a header", self.get(&format!("/login?{good}"), "X-HTTP-Method-Override: POST\r\n")),
            ("a method in a field", self.get(&format!("/login?_method=POST&{good}"), "")),
            ("plain text", of_kind("text/plain")),
            ("multipart", of_kind("multipart/form-data; boundary=zq7x")),
            ("JSON", of_kind("application/json")),
            ("two types", of_kind("text/plain\r\nContent-Type: application/x-www-form-urlencoded")),
            ("a path in another case", self.form("/LOGIN", KIND, &good)),
        ];
        all.into_iter().map(|(name, bytes)| (format!("forged by {name}"), bytes)).collect()
    }

    /// As before: hidden in what one reader takes for the body of another request.
    fn smuggled(&self) -> Vec<Attack> {
        let hidden = self.form("/login", KIND, &format!("code={}&token={}", escape(self.code), self.token));
        let behind = |headers: &str| {
            let head = format!("POST /terms HTTP/1.1\r\nHost: {}\r\n{headers}\r\n0\r\n\r\n", self.host);
            [head.as_bytes(), &hidden].concat()
        };
        let all = [
            ("CL and TE", behind("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
            ("two TE", behind("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n")),
            ("two CL", behind("Content-Length: 5\r\nContent-Length: 0\r\n")),
            ("chunks", behind("Transfer-Encoding: chunked\r\n")),
            ("a trailer", behind("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n")),
        ];
        all.into_iter().map(|(name, bytes)| (format!("smuggled behind {name}"), bytes)).collect()
    }

    /// Lines that would be headers of the answer, or an answer of its own.
    fn headers(&self) -> Vec<Attack> {
        let mut all = Vec::new();
        for end in ["%0d%0a", "%0a", "%0d", "%E5%98%8D%E5%98%8A", "%c4%8d%c4%8a", "%25%30%64%25%30%61"] {
            let line =
                format!("{end}X-{MARK}:%201{end}{end}<{MARK}>").replace('<', "%3C").replace('>', "%3E");
            let mut add =
                |name: &str, bytes: Vec<u8>| all.push((format!("header by {end} in {name}"), bytes));
            add("the code", self.get(&format!("/?code={line}"), ""));
            add(
                "the code, on the way to the portal",
                format!("GET /?code={line} HTTP/1.1\r\nHost: wifi.lango\r\n\r\n").into(),
            );
            add("the language", format!("GET /?lang=sw{line} HTTP/1.1\r\nHost: wifi.lango\r\n\r\n").into());
            add("the path", self.get(&format!("/{line}"), ""));
            add("a URL", format!("GET http://wifi.lango/{line} HTTP/1.1\r\nHost: x\r\n\r\n").into());
            add("a typed code", self.form("/login", KIND, &format!("code=1{line}&token={}", self.token)));
        }
        for bare in ["\r", "\0", "\x0b", "\x1b[31m"] {
            let text = format!("x{bare}X-{MARK}: 1");
            let host = format!("GET / HTTP/1.1\r\nHost: {text}\r\n\r\n");
            all.push((format!("header by {bare:?} in Host"), host.into()));
            all.push((
                format!("header by {bare:?} in User-Agent"),
                self.get("/", &format!("User-Agent: {text}\r\n")),
            ));
        }
        all
    }

    fn files(&self) -> Vec<Attack> {
        FILES.iter().map(|path| (format!("file {path}"), self.get(path, ""))).collect()
    }

    fn commands(&self) -> Vec<Attack> {
        let typed = |text: &&str| {
            let fields = format!("code={}&token={}", escape(text), self.token);
            (format!("command in a code: {text}"), self.form("/login", KIND, &fields))
        };
        let shown = |text: &&str| {
            (format!("command in a query: {text}"), self.get(&format!("/?fas={}", escape(text)), ""))
        };
        COMMANDS.iter().map(typed).chain(COMMANDS.iter().map(shown)).collect()
    }
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
