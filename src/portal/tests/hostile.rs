//! What no browser sends: it is refused, it costs nobody else anything, and the desk never hears of it.

use super::*;

/// Head and body of a form to `/login` with `headers` instead of the usual ones.
fn form(own: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST /login HTTP/1.1\r\nHost: {own}\r\n{headers}\r\n{body}").into_bytes()
}

/// What it is, the status it gets, and its bytes.
type Case = (&'static str, u16, Vec<u8>);

const KIND: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn bad_heads(own: &str) -> Vec<Case> {
    let get = |line: &str| format!("{line}\r\nHost: {own}\r\n\r\n").into_bytes();
    let first = |headers: &str| get(&format!("GET / HTTP/1.1\r\n{headers}"));
    vec![
        ("garbage", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no request line", 400, b"hello\r\n\r\n".to_vec()),
        ("no version", 400, get("GET /")),
        ("bad version", 400, get("GET / HTTP/9.9")),
        ("HTTP/2", 400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("lower case version", 400, get("GET / http/1.1")),
        ("two spaces", 400, get("GET  / HTTP/1.1")),
        ("space in target", 400, get("GET /a b HTTP/1.1")),
        ("control byte in target", 400, get("GET /\x01 HTTP/1.1")),
        ("bad method", 400, get("G@T / HTTP/1.1")),
        ("header without colon", 400, first("nonsense")),
        ("space before colon", 400, first("A : b")),
        ("folded header", 400, first("A: b\r\n c")),
        ("empty header name", 400, first(": b")),
        ("NUL in header", 400, first("A: \0")),
        ("bare CR in header", 400, first("A: b\rc")),
        ("no host", 400, b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("two hosts", 400, first("Host: a.example")),
        ("two equal hosts", 400, first(&format!("Host: {own}"))),
        ("bad escape in query", 400, get("GET /?code=%zz HTTP/1.1")),
        ("cut escape in query", 400, get("GET /?code=%4 HTTP/1.1")),
        ("NUL in query", 400, get("GET /?code=%00 HTTP/1.1")),
        ("no UTF-8 in query", 400, get("GET /?code=%ff HTTP/1.1")),
        ("path up", 404, get("GET /../../etc/passwd HTTP/1.1")),
        ("escaped path", 404, get("GET /%6cogin HTTP/1.1")),
        ("form by PUT", 405, get("PUT /login HTTP/1.1")),
        ("unknown method", 405, get("BREW /login HTTP/1.1")),
        ("too long a target", 413, get(&format!("GET /?x={} HTTP/1.1", "y".repeat(9000)))),
        ("too long a header", 413, first(&format!("A: {}", "y".repeat(9000)))),
        ("too many headers", 413, get(&format!("GET / HTTP/1.1{}", "\r\na: b".repeat(101)))),
        ("no end of line", 413, vec![b'x'; 9000]),
    ]
}

fn bad_forms(own: &str, good: &str) -> Vec<Case> {
    let of = |kind: &str, body: &str| form(own, &format!("{kind}Content-Length: {}\r\n", body.len()), body);
    let plain = |body: &str| of(KIND, body);
    let and = |rest: &str| plain(&format!("{good}&x={rest}"));
    let (_, token) = good.rsplit_once('=').unwrap();
    let by_get = format!("GET /login?{good} HTTP/1.1\r\nHost: {own}\r\n\r\n").into_bytes();
    vec![
        ("form by GET", 405, by_get),
        ("no body", 403, plain("")),
        ("no token", 403, plain("code=1")),
        ("empty token", 403, plain("code=1&token=")),
        ("long token", 403, plain(&format!("{good}0"))),
        ("token in the name", 403, plain(&format!("code=1&{token}=token"))),
        ("bad escape", 400, and("%zz")),
        ("cut escape", 400, and("%")),
        ("escaped NUL", 400, and("%00")),
        ("no UTF-8", 400, and("%c3%28")),
        ("bare space", 400, and("a b")),
        ("too large a form", 413, and(&"x".repeat(5000))),
        ("JSON", 400, of("Content-Type: application/json\r\n", good)),
        ("multipart", 400, of("Content-Type: multipart/form-data; boundary=x\r\n", good)),
        ("two types", 400, of(&KIND.repeat(2), good)),
    ]
}

/// Bodies that do not say clearly how long they are.
fn bad_lengths(own: &str, good: &str) -> Vec<Case> {
    let of = |headers: &str, body: &str| form(own, &format!("{KIND}{headers}\r\n"), body);
    let length = format!("Content-Length: {}", good.len());
    let (chunked, both) = ("Transfer-Encoding: chunked", "two ways to say how long");
    let large = format!("1388\r\n{}\r\n0\r\n\r\n", "x".repeat(5000));
    vec![
        ("claims too much", 413, of("Content-Length: 999999999", good)),
        ("negative length", 400, of("Content-Length: -1", good)),
        ("length with a plus", 400, of("Content-Length: +9", good)),
        ("length of letters", 400, of("Content-Length: ten", good)),
        ("length beyond 64 bits", 400, of("Content-Length: 99999999999999999999", good)),
        ("two lengths that differ", 400, of(&format!("{length}\r\nContent-Length: 0"), good)),
        ("unknown coding", 400, of("Transfer-Encoding: gzip", good)),
        ("chunked not last", 400, of("Transfer-Encoding: chunked, gzip", good)),
        ("bad chunk", 400, of(chunked, "zz\r\n")),
        ("too large in chunks", 413, of(chunked, &large)),
        (both, 400, of(&format!("{length}\r\n{chunked}"), good)),
        (both, 400, of(&format!("{chunked}\r\n{length}"), good)),
        (both, 400, of(&format!("{}\r\nA: b\r\n{}", chunked.to_lowercase(), length.to_lowercase()), good)),
    ]
}

#[test]
fn malformed_requests_are_refused_and_change_nothing() {
    lab(|lab| async move {
        let own = lab.own();
        let good = format!("code=1&token={}", lab.token(GUEST).await);
        let cases = [bad_heads(&own), bad_forms(&own, &good), bad_lengths(&own, &good)].concat();
        assert!(cases.len() >= 55, "{}", cases.len());
        for (what, status, bytes) in cases {
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(&bytes).await.unwrap();
            let heard = one_response(&mut stream, false).await.unwrap_or_else(|| panic!("{what}: no answer"));
            assert_eq!(heard.status, status, "{what}");
            assert!(heard.body.contains("<!doctype html>"), "{what}: a page as good as the others");
            assert_eq!(heard.header("cache-control"), Some("no-store"), "{what}");
        }
        assert!(lab.calls().is_empty(), "{:?}", lab.calls());
    });
}

#[test]
fn nothing_follows_a_request_with_two_lengths() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let hidden = format!("code=1&token={token}");
        let hidden = format!(
            "POST /login HTTP/1.1\r\nHost: {0}\r\nContent-Length: {1}\r\n\r\n{hidden}",
            lab.own(),
            hidden.len()
        );
        let first = form(&lab.own(), "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
        let mut stream = lab.connect(GUEST).await;
        stream.write_all(&[first, hidden.into_bytes()].concat()).await.unwrap();
        let heard = one_response(&mut stream, false).await.unwrap();
        assert_eq!((heard.status, heard.header("connection")), (400, Some("close")));
        assert!(is_closed(&mut stream).await);
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn a_good_request_before_a_bad_one_is_answered() {
    lab(|lab| async move {
        let good = format!("GET /terms HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own());
        let bad = form(&lab.own(), "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
        let mut stream = lab.connect(GUEST).await;
        stream.write_all(&[good.into_bytes(), bad].concat()).await.unwrap();
        assert_eq!(one_response(&mut stream, false).await.unwrap().status, 200);
        assert_eq!(one_response(&mut stream, false).await.unwrap().status, 400);
        assert!(is_closed(&mut stream).await);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_and_chunks_end_the_connection() {
    lab(|lab| async move {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own()).into_bytes();
        let mut stream = lab.connect(GUEST).await;
        stream.write_all(&[get("/terms"), get("/nowhere"), get("/privacy")].concat()).await.unwrap();
        for status in [200, 404, 200] {
            assert_eq!(one_response(&mut stream, false).await.unwrap().status, status);
        }
        let token = lab.token(GUEST).await;
        let body = format!("code=spent&token={token}");
        let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        stream.write_all(&form(&lab.own(), "Transfer-Encoding: chunked\r\n", &chunk)).await.unwrap();
        let heard = one_response(&mut stream, false).await.unwrap();
        assert_eq!((heard.status, heard.header("connection")), (403, Some("close")));
        assert!(heard.body.contains("This code is used up"));
        assert!(is_closed(&mut stream).await);
    });
}

#[test]
fn a_large_form_is_refused_before_it_is_sent() {
    lab(|lab| async move {
        let headers = "Expect: 100-continue\r\nContent-Length: 100000\r\n";
        let heard = lab.send(GUEST, form(&lab.own(), headers, "")).await;
        assert_eq!((heard.status, heard.header("connection")), (413, Some("close")));
    });
}

#[test]
fn a_response_to_an_unread_body_is_not_lost_by_a_reset() {
    lab(|lab| async move {
        for host in [lab.own(), "a.example".to_owned()] {
            let headers = "Content-Length: 50000\r\n";
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(&form(&host, headers, &"x".repeat(50_000))).await.unwrap();
            let mut heard = String::new();
            let end = stream.read_to_string(&mut heard).await;
            assert!(end.is_ok(), "{host} {end:?}");
            assert!(heard.starts_with("HTTP/1.1 413") || heard.starts_with("HTTP/1.1 302"), "{heard}");
        }
    });
}

#[test]
fn slow_heads_and_bodies_run_into_their_deadlines() {
    lab(|lab| async move {
        let (begin, own) = (lab.clock.now().boot, lab.own());
        let begun = |bytes: Vec<u8>| {
            let lab = &lab;
            async move {
                let mut stream = lab.connect(GUEST).await;
                stream.write_all(&bytes).await.unwrap();
                let heard = one_response(&mut stream, false).await;
                (heard.map(|heard| heard.status), lab.clock.now().boot.since(begin).as_secs())
            }
        };
        let dripping = async {
            let mut stream = lab.connect(GUEST).await;
            let mut sent = 0;
            while stream.write_all(b"G").await.is_ok() && sent < 200 {
                sent += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            lab.clock.now().boot.since(begin).as_secs()
        };
        let (silent, head, body, dripping) = tokio::join!(
            begun(Vec::new()),
            begun(b"GET / HTTP/1.1\r\nHost: ".to_vec()),
            begun(form(&own, "Content-Length: 50\r\n", "code=1")),
            dripping,
        );
        assert_eq!(silent, (None, 5), "nothing asked, nothing answered");
        assert_eq!(head, (Some(408), 5));
        assert_eq!(body, (Some(408), 15));
        assert!((5..=8).contains(&dripping), "{dripping}");
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn a_desk_hears_of_a_guest_who_went_away_without_the_answer() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let body = format!("code=silence&token={token}");
        let mut stream = lab.connect(GUEST).await;
        let headers = format!("Content-Length: {}\r\n", body.len());
        stream.write_all(&form(&lab.own(), &headers, &body)).await.unwrap();
        lab.until_calls(1).await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        assert_eq!(lab.until_calls(2).await[1], "answered 02:00:00:00:00:02");
    });
}

#[test]
fn one_device_holds_sixteen_connections_and_loses_its_oldest() {
    lab(|lab| async move {
        let mut held = Vec::new();
        for _ in 0..16 {
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(b"GET / HT").await.unwrap();
            held.push(stream);
        }
        let mut neighbour = lab.connect(GUEST + 1).await;
        neighbour.write_all(b"GET / HT").await.unwrap();
        assert_eq!(lab.get("/").await.status, 200, "the seventeenth is served");
        let mut scrap = [0];
        let oldest = tokio::time::timeout(Duration::from_secs(2), held[0].read(&mut scrap)).await;
        assert!(matches!(oldest, Ok(Ok(0) | Err(_))), "{oldest:?}");
        for stream in [&mut held[15], &mut neighbour] {
            stream.write_all(format!("TP/1.1\r\nHost: {}\r\n\r\n", lab.own()).as_bytes()).await.unwrap();
            assert_eq!(one_response(stream, false).await.unwrap().status, 200);
        }
    });
}

#[test]
fn two_thousand_slow_connections_of_many_devices_leave_the_page_quick() {
    raise_open_files();
    lab(|lab| async move {
        let mut held = Vec::new();
        for n in 0..2000u32 {
            let from = 3 + u8::try_from(n % 90).unwrap();
            let mut stream = lab.connect(from).await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: slow.exam").await.unwrap();
            held.push(stream);
        }
        let mut times = Vec::new();
        for _ in 0..100 {
            let begin = lab.clock.now().boot;
            assert_eq!(lab.get("/").await.status, 200);
            times.push(lab.clock.now().boot.since(begin).as_millis());
        }
        times.sort_unstable();
        assert!(times[98] < 100, "{times:?}");
    });
}

/// Both ends of all connections are in this process.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(65_536), most).unwrap();
}
