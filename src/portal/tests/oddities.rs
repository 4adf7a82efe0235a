//! What HTTP permits, or somebody hopes that it does, and browsers never do: a clean answer or a clean close.
//!
//! After each request another is hidden that would be seen as one more answer.

use super::*;

const KIND: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
/// Answers that are not to be: to what was a body, or came after the last request.
const HIDDEN: &str = "GET /terms HTTP/1.1\r\nHost: hidden.example\r\n\r\n";

/// What it is, the status of every answer to it, and its bytes.
type Case = (&'static str, &'static [u16], Vec<u8>);

/// All that comes back for `bytes` when nothing follows them, until the portal closes: the statuses.
async fn answers(lab: &Lab, bytes: &[u8]) -> Result<Vec<u16>, String> {
    let mut stream = lab.connect(GUEST).await;
    let mut heard = Vec::new();
    let exchange = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut heard).await
    };
    let ended = tokio::time::timeout(Duration::from_secs(4), exchange).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    match ended {
        Ok(Ok(_)) => Ok(statuses(&heard)),
        Ok(Err(error)) => Err(format!("{error} after {heard:.100}")),
        Err(_) => Err(format!("still open after {heard:.100}")),
    }
}

fn statuses(heard: &str) -> Vec<u16> {
    heard.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
}

/// Bodies whose length is told in a way that two readers could read differently.
fn lengths(own: &str) -> Vec<Case> {
    let of = |headers: &str, body: &str| {
        format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{KIND}{headers}\r\n{body}{HIDDEN}").into_bytes()
    };
    let chunks = "6\r\ncode=1\r\n0\r\n\r\n";
    let unclear = |what, headers: &str| (what, &[400][..], of(headers, chunks));
    vec![
        unclear("TE, then CL", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"),
        unclear("CL, then TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
        unclear("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        unclear("TE, then another", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        unclear("another TE first", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        unclear("chunked in chunks", "Transfer-Encoding: chunked, chunked\r\n"),
        unclear("gzip in chunks", "Transfer-Encoding: gzip, chunked\r\n"),
        unclear("TE that looks like it", "Transfer-Encoding: xchunked\r\n"),
        unclear("TE with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        unclear("TE in quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        unclear("empty TE", "Transfer-Encoding:\r\n"),
        unclear("folded TE", "Transfer-Encoding:\r\n chunked\r\n"),
        unclear("TE after a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        unclear("TE, space before colon", "Transfer-Encoding : chunked\r\n"),
        unclear("TE, tab before colon", "Transfer-Encoding\t: chunked\r\n"),
        unclear("TE, space before name", " Transfer-Encoding: chunked\r\n"),
        unclear("TE behind a bare CR", "A: b\rTransfer-Encoding: chunked\r\n"),
        unclear("TE behind a NUL", "A: b\0Transfer-Encoding: chunked\r\n"),
        unclear("the same CL twice", "Content-Length: 6\r\nContent-Length: 6\r\n"),
        unclear("a list of CL", "Content-Length: 6, 6\r\n"),
        unclear("two CL", "Content-Length: 6\r\nContent-Length: 0\r\n"),
        unclear("CL with a plus", "Content-Length: +6\r\n"),
        unclear("CL with a minus", "Content-Length: -6\r\n"),
        unclear("hexadecimal CL", "Content-Length: 0x6\r\n"),
        unclear("CL with a space", "Content-Length: 6 0\r\n"),
        unclear("CL with a comma", "Content-Length: 6,\r\n"),
        unclear("empty CL", "Content-Length:\r\n"),
        unclear("CL beyond 64 bits", "Content-Length: 18446744073709551622\r\n"),
        unclear("CL in other digits", "Content-Length: \u{0666}\r\n"),
        ("TE in another case, after a tab", &[403], of("Transfer-Encoding:\tCHUNKED\r\n", chunks)),
        ("TE with an underscore", &[403, 302], of("Transfer_Encoding: chunked\r\nContent-Length: 0\r\n", "")),
        (
            "TE in HTTP/1.0",
            &[400],
            format!(
                "POST /login HTTP/1.0\r\nHost: {own}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
            )
            .into_bytes(),
        ),
    ]
}

/// Bodies in chunks. Whatever follows one is not looked at.
fn chunks(own: &str) -> Vec<Case> {
    let of = |body: &str| {
        let head = format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{KIND}Transfer-Encoding: chunked\r\n\r\n");
        format!("{head}{body}{HIDDEN}").into_bytes()
    };
    let many = "1\r\nx\r\n".repeat(4000);
    vec![
        ("plain chunks", &[403], of("6\r\ncode=1\r\n0\r\n\r\n")),
        ("size in another case, zeros before it", &[403], of("00A\r\ncode=12345\r\n000\r\n\r\n")),
        ("an extension", &[403], of("6;a=\"b\";c\r\ncode=1\r\n0;d\r\n\r\n")),
        ("trailers", &[403], of("6\r\ncode=1\r\n0\r\nHost: x.example\r\nContent-Length: 9\r\n\r\n")),
        ("many small chunks", &[403], of(&format!("{many}0\r\n\r\n"))),
        ("one too many", &[413], of(&format!("{many}61\r\n{}\r\n0\r\n\r\n", "x".repeat(97)))),
        ("size too small", &[400], of("3\r\ncode=1\r\n0\r\n\r\n")),
        ("size too large", &[400], of("7\r\ncode=1\r\n0\r\n\r\n")),
        ("size beyond 64 bits", &[400], of("10000000000000006\r\ncode=1\r\n0\r\n\r\n")),
        ("size with a sign", &[400], of("+6\r\ncode=1\r\n0\r\n\r\n")),
        ("size with 0x", &[400], of("0x6\r\ncode=1\r\n0\r\n\r\n")),
        ("no size", &[400], of("\r\ncode=1\r\n0\r\n\r\n")),
        ("bare LF in an extension", &[400], of("6;a\ncode=1\r\n0\r\n\r\n")),
        ("endless extension", &[400], of(&format!("6;{}\r\ncode=1\r\n0\r\n\r\n", "x".repeat(40_000)))),
        ("endless trailers", &[400], of(&format!("6\r\ncode=1\r\n0\r\nA: {}\r\n\r\n", "x".repeat(40_000)))),
    ]
}

/// Where it is to go.
fn targets(own: &str) -> Vec<Case> {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {own}\r\n\r\n").into_bytes();
    vec![
        ("absolute, ours", &[200], get(&format!("http://{own}/terms"))),
        ("absolute, foreign", &[302], get("http://a.example/terms")),
        ("absolute, ours as user", &[302], get(&format!("http://{own}@a.example/terms"))),
        ("absolute, a user at ours", &[302], get(&format!("http://a.example@{own}/terms"))),
        (
            "absolute, foreign Host",
            &[200],
            format!("GET http://{own}/terms HTTP/1.1\r\nHost: a.example\r\n\r\n").into_bytes(),
        ),
        ("absolute, no Host", &[400], format!("GET http://{own}/terms HTTP/1.1\r\n\r\n").into_bytes()),
        ("absolute, no authority", &[400], get("http:///terms")),
        ("neither path nor URL", &[400], get("terms?")),
        ("authority, ours", &[404], format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n\r\n").into_bytes()),
        ("asterisk", &[404], format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n\r\n").into_bytes()),
        ("fragment", &[200], get("/terms#x")),
        (
            "path with bytes beyond ASCII",
            &[400],
            [b"GET /caf\xe9 HTTP/1.1\r\nHost: ".as_slice(), own.as_bytes(), b"\r\n\r\n"].concat(),
        ),
        ("dots, escaped", &[404], get("/%2e%2e/%2e%2e/etc/passwd")),
        ("slashes, escaped", &[404], get("/..%2f..%2fetc%2fpasswd")),
        ("twice escaped", &[404], get("/%252e%252e/etc/passwd")),
        ("overlong UTF-8", &[404], get("/%c0%ae%c0%ae/%c0%afetc/passwd")),
        ("NUL in the path", &[404], get("/terms%00.html")),
        ("dots that lead back", &[404], get("/x/../terms")),
        ("two slashes", &[404], get("//terms")),
        ("backslash", &[404], get("/\\terms")),
        ("parameter of a path", &[404], get("/terms;x=1")),
        ("another case", &[404], get("/TERMS")),
    ]
}

/// Whom it says it wants, and in which version of HTTP.
fn hosts_and_versions(own: &str) -> Vec<Case> {
    let host = |host: &str| format!("GET /terms HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let with = |headers: &str| format!("GET /terms HTTP/1.1\r\nHost: {own}\r\n{headers}\r\n").into_bytes();
    vec![
        ("Host in another case, with a dot", &[200], host(&own.replace("127.0.0.1", "WIFI.lango."))),
        ("Host with a user", &[302], host(&format!("x@{own}"))),
        ("Host with a list", &[302], host(&format!("{own}, {own}"))),
        ("Host with a path", &[302], host(&format!("{own}/x"))),
        ("Host with another port", &[302], host("127.0.0.1:1")),
        ("Host with a port beyond 16 bits", &[302], host("127.0.0.1:67616")),
        ("Host that is empty", &[302], host("")),
        ("Host that is no text", &[302], [b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n".as_slice()].concat()),
        ("HTTP/1.0 with Host", &[200], format!("GET /terms HTTP/1.0\r\nHost: {own}\r\n\r\n").into_bytes()),
        ("HTTP/1.0 without", &[302], b"GET /terms HTTP/1.0\r\n\r\n".to_vec()),
        (
            "HTTP/1.0, and one more",
            &[200],
            format!("GET /terms HTTP/1.0\r\nHost: {own}\r\n\r\n{HIDDEN}").into_bytes(),
        ),
        ("HTTP/0.9", &[400], b"GET /\r\n".to_vec()),
        ("HTTP/2", &[400], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        (
            "HTTP/2 by upgrade",
            &[200],
            with(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ),
        ),
        (
            "WebSocket",
            &[200],
            with(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
        ),
        ("TLS", &[400], client_hello()),
        ("bare LF", &[200], format!("GET /terms HTTP/1.1\nHost: {own}\n\n").into_bytes()),
        (
            "empty lines first",
            &[200],
            format!("\r\n\r\n\nGET /terms HTTP/1.1\r\nHost: {own}\r\n\r\n").into_bytes(),
        ),
        ("100 headers", &[200], with(&"a: b\r\n".repeat(99))),
        ("101 headers", &[413], with(&"a: b\r\n".repeat(100))),
        ("a header without a value", &[200], with("Accept-Language:\r\nUser-Agent:\r\nReferer:\r\n")),
        (
            "a header that is no text",
            &[200],
            [
                format!("GET /terms HTTP/1.1\r\nHost: {own}\r\nAccept-Language: ").as_bytes(),
                b"\xff\xfe\r\n\r\n",
            ]
            .concat(),
        ),
    ]
}

/// As OpenSSL begins, cut short.
fn client_hello() -> Vec<u8> {
    let random: Vec<u8> = (0..32).map(|byte| byte * 7 + 3).collect();
    let head = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03";
    [&head[..], &random, b"\x00\x00\x02\x13\x01\x01\x00"].concat()
}

/// Several requests in one go.
fn pipelines(own: &str, token: &str) -> Vec<Case> {
    let get = format!("GET /terms HTTP/1.1\r\nHost: {own}\r\n\r\n");
    let post = |headers: &str, body: &str| {
        let length = body.len();
        format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    let good = format!("code=spent&token={token}");
    vec![
        ("three pages", &[200, 200, 200], get.repeat(3).into_bytes()),
        ("a page, then a form", &[200, 403], format!("{get}{}", post(KIND, &good)).into_bytes()),
        ("a form, then a page", &[403], format!("{}{get}", post(KIND, &good)).into_bytes()),
        (
            "a probe, then a page",
            &[302],
            format!("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n{get}").into_bytes(),
        ),
        (
            "a page with a body, then a page",
            &[200, 200],
            format!(
                "GET /terms HTTP/1.1\r\nHost: {own}\r\nContent-Length: {}\r\n\r\n{HIDDEN}{get}",
                HIDDEN.len()
            )
            .into_bytes(),
        ),
    ]
}

/// Forms and heads of every size and kind; `token` is good.
fn forms(own: &str, token: &str) -> Vec<Case> {
    let post = |headers: &str, body: &str| {
        let length = body.len();
        format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    let form = |body: &str| post(KIND, body).into_bytes();
    let full = |size: usize| {
        let fields = format!("code=spent&token={token}&x=");
        form(&format!("{fields}{}", "y".repeat(size - fields.len())))
    };
    let good = format!("code=spent&token={token}");
    let head_of = |size: usize| {
        let head = format!("GET /terms HTTP/1.1\r\nHost: {own}\r\nA: \r\n\r\n");
        head.replace("A: ", &format!("A: {}", "x".repeat(size - head.len()))).into_bytes()
    };
    vec![
        ("a form of 4 KiB", &[403], full(4096)),
        ("a form of 4 KiB and 1", &[413], full(4097)),
        ("a head of 8 KiB", &[200], head_of(8192)),
        ("a head of 8 KiB and 1", &[413], head_of(8193)),
        (
            "a long query",
            &[200],
            format!("GET /?code={} HTTP/1.1\r\nHost: {own}\r\n\r\n", "9".repeat(7900)).into_bytes(),
        ),
        ("no type", &[403], post("", &good).into_bytes()),
        (
            "type with a parameter",
            &[403],
            post("Content-Type: Application/X-WWW-form-urlencoded; charset=utf-8\r\n", &good).into_bytes(),
        ),
        ("plain text", &[400], post("Content-Type: text/plain\r\n", &good).into_bytes()),
        ("type that is no text", &[400], post("Content-Type: \u{e9}\r\n", &good).into_bytes()),
        ("empty type", &[400], post("Content-Type:\r\n", &good).into_bytes()),
        ("no fields", &[403], form("&&&")),
        ("a thousand fields", &[403], form(&format!("{}{good}", "a&".repeat(1000)))),
        ("a bad token, then a good one", &[403], form(&format!("token=x&{good}"))),
        ("bytes that are no UTF-8", &[400], form(&format!("{good}&x=%ff%fe"))),
        ("overlong UTF-8", &[400], form(&format!("{good}&x=%c0%ae"))),
        ("half a surrogate", &[400], form(&format!("{good}&x=%ed%a0%80"))),
        ("an empty form", &[403], post(KIND, "").into_bytes()),
        (
            "a form without a length",
            &[403],
            format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{KIND}\r\n").into_bytes(),
        ),
        ("cut in the head", &[], b"GET / HT".to_vec()),
        ("cut in the form", &[400], form(&good).split_last().unwrap().1.to_vec()),
        ("nothing at all", &[], Vec::new()),
        ("asks to go on", &[100, 403], post(&format!("{KIND}Expect: 100-continue\r\n"), &good).into_bytes()),
        (
            "asks for something unheard of",
            &[403],
            post(&format!("{KIND}Expect: a-miracle\r\n"), &good).into_bytes(),
        ),
    ]
}

#[test]
fn each_gets_as_many_answers_as_there_are_requests_in_it_and_a_clean_end() {
    lab(|lab| async move {
        let (own, token) = (lab.own(), lab.token(GUEST).await);
        let cases = [
            lengths(&own),
            chunks(&own),
            targets(&own),
            hosts_and_versions(&own),
            pipelines(&own, &token),
            forms(&own, &token),
        ]
        .concat();
        assert!(cases.len() >= 110, "{}", cases.len());
        let mut wrong = Vec::new();
        for (what, expected, bytes) in &cases {
            let heard = answers(&lab, bytes).await;
            if heard.as_deref() != Ok(*expected) {
                wrong.push(format!("{what}: {heard:?} for {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "of {}: {wrong:#?}", cases.len());
        // Those who typed a code that is used up, with the good token of a form within its bounds.
        let calls = lab.calls();
        assert!(
            calls.iter().all(|call| call.contains("\"spent\"") || call.starts_with("answered")),
            "{calls:?}"
        );
    });
}

#[test]
fn the_origins_of_a_form_are_all_ours() {
    lab(|lab| async move {
        let (own, form) = (lab.own(), format!("code=spent&token={}", lab.token(GUEST).await));
        for (origins, page) in [
            (&[&*own][..], "This code is used up"),
            (&[&own, &own], "This code is used up"),
            (&[&own, "a.example"], "Please press the button once more"),
            (&["a.example", &own], "Please press the button once more"),
        ] {
            let headers: String =
                origins.iter().map(|origin| format!("Origin: http://{origin}\r\n")).collect();
            assert!(lab.post_as(GUEST, "/login", &headers, &form).await.body.contains(page), "{origins:?}");
        }
    });
}

#[test]
fn who_sends_byte_by_byte_is_answered() {
    lab(|lab| async move {
        let mut stream = lab.connect(GUEST).await;
        stream.set_nodelay(true).unwrap();
        for byte in format!("GET /terms HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own()).bytes() {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(one_response(&mut stream, false).await.unwrap().status, 200);
    });
}

/// A guest with a window as small as can be, who asks for page after page and reads none.
async fn never_reads(lab: &Lab, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1024).unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, from), 0).into()).unwrap();
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, lab.port).into()).await.unwrap();
    let pages = format!("GET /terms HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own()).repeat(2000);
    // What does not fit any more waits for the portal to read, which waits for the guest.
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(pages.as_bytes())).await;
    stream
}

#[test]
fn who_never_reads_is_cut_off_and_keeps_nobody_waiting() {
    lab(|lab| async move {
        let begin = lab.clock.now().boot;
        let deaf = tokio::join!(never_reads(&lab, 3), never_reads(&lab, 3), never_reads(&lab, 4));
        assert_eq!(lab.get("/").await.status, 200);
        for mut stream in <[_; 3]>::from(deaf) {
            let ended = async {
                // Still no page is read, only whether more can be asked for.
                while stream.write_all(b"GET ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(PATIENCE, ended).await.expect("an end");
        }
        let took = lab.clock.now().boot.since(begin).as_secs();
        assert!((15..=18).contains(&took), "{took}");
        assert_eq!(lab.get("/").await.status, 200);
    });
}

#[test]
fn who_hangs_up_in_the_midst_of_it_costs_nothing() {
    lab(|lab| async move {
        let page = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own());
        for cut in (1..=page.len()).rev().chain(1..=page.len()) {
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(&page.as_bytes()[..cut]).await.unwrap();
            // With a reset, and for some of them before the portal has even looked.
            if cut % 2 == 0 {
                tokio::task::yield_now().await;
            }
            stream.set_zero_linger().unwrap();
        }
        assert_eq!(lab.get("/").await.status, 200);
        assert!(lab.calls().is_empty());
    });
}
