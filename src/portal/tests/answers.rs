//! What the contract promises, status by status.

use ring::digest::{SHA256, digest};

use super::*;
use crate::wire::enrolment::base64;

#[test]
fn a_probe_is_redirected_and_the_connection_closed() {
    lab(|lab| async move {
        for request in [
            "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n".to_owned(),
            "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(),
            "GET /canonical.html HTTP/1.0\r\n\r\n".to_owned(),
            "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(),
            "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            format!("GET http://a.example/ HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own()),
            "BREW /pot HTTP/1.1\r\nHost: wifi.lango\r\n\r\n".to_owned(),
            "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n".to_owned(),
        ] {
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let heard = one_response(&mut stream, request.starts_with("HEAD")).await.unwrap();
            assert_eq!(heard.status, 302, "{request}");
            let portal = format!("http://{}/", lab.own());
            assert_eq!(heard.header("location"), Some(portal.as_str()), "{request}");
            assert_eq!(heard.header("connection"), Some("close"));
            assert_eq!(heard.header("cache-control"), Some("no-store"));
            assert!(request.starts_with("HEAD") || heard.body.contains(&portal), "{request}");
            assert!(heard.body.len() < 200);
            assert!(is_closed(&mut stream).await, "{request}");
        }
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn on_ipv6_the_portal_s_address_is_one_too() {
    on("[::1]:0", None, |lab| async move {
        let request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        let mut stream = TcpStream::connect(("::1", lab.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let heard = one_response(&mut stream, false).await.unwrap();
        assert_eq!(heard.header("location"), Some(format!("http://[::1]:{}/", lab.port).as_str()));
        let own = format!("GET /terms HTTP/1.1\r\nHost: [::1]:{}\r\n\r\n", lab.port);
        let mut stream = TcpStream::connect(("::1", lab.port)).await.unwrap();
        stream.write_all(own.as_bytes()).await.unwrap();
        assert_eq!(one_response(&mut stream, false).await.unwrap().status, 200);
    });
}

#[test]
fn the_page_says_what_to_do_and_carries_the_headers_that_protect_it() {
    lab(|lab| async move {
        let heard = lab.get("/?code=48%3Cb%3E21").await;
        assert_eq!(heard.status, 200);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(heard.header(name), Some(value));
        }
        let policy = heard.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{part}");
        }
        assert_eq!(heard.header("set-cookie"), None);
        for part in [
            "<form method=\"post\" action=\"/login\">",
            "name=\"code\"",
            "48&#60;b&#62;21</textarea>",
            "Kariakoo &#60;Wi-Fi&#62;",
            "One hour",
            "500 TZS",
            "<small>1 hour online · valid for 1 day from first use · up to 4 Mbit/s</small>",
            "href=\"tel:+255700000000\"",
            "href=\"https://wa.me/255700000000?text=Hello.",
            "href=\"/terms\"",
            "href=\"/?lang=sw\"",
        ] {
            assert!(heard.body.contains(part), "{part}\n{}", heard.body);
        }
        assert!(!heard.body.contains("free</b>"));
        assert!(!policy.contains("unsafe"), "{policy}");
        for element in ["style", "script"] {
            let (_, rest) = heard.body.split_once(&format!("<{element}>")).unwrap();
            let (inside, after) = rest.split_once(&format!("</{element}>")).unwrap();
            let hash = base64(digest(&SHA256, inside.as_bytes()).as_ref());
            assert!(policy.contains(&format!("{element}-src 'sha256-{hash}'")), "{element}: {policy}");
            assert!(!after.contains(&format!("<{element}")), "one {element} only");
        }
    });
}

#[test]
fn every_page_names_its_language() {
    lab(|lab| async move {
        lab.put_online(|now| session(now, 100));
        for language in ["en", "sw"] {
            for path in ["/", "/status", "/terms", "/privacy", "/nowhere"] {
                let heard = lab.get(&format!("{path}?lang={language}")).await;
                assert!(heard.body.contains(&format!("<html lang=\"{language}\" dir=\"ltr\">")), "{path}");
                assert_eq!(heard.header("content-language"), Some(language));
            }
        }
    });
}

#[test]
fn the_guest_s_language_is_kept_through_forms() {
    lab(|lab| async move {
        let own = lab.own();
        let swahili = format!("GET / HTTP/1.1\r\nHost: {own}\r\nAccept-Language: sw-TZ\r\n\r\n");
        let heard = lab.send(GUEST, swahili).await;
        assert!(heard.body.contains("Ingia mtandaoni") && heard.body.contains("Saa 1"));
        assert!(heard.body.contains("action=\"/login\""), "the header will come again by itself");
        let chosen = lab.get("/?lang=sw").await;
        assert!(chosen.body.contains("action=\"/login?lang=sw\""));
        let token = chosen.token();
        let heard = lab.post("/login?lang=sw", &format!("code=wrong&token={token}")).await;
        assert!(heard.body.contains("Hatuitambui namba hii"));
        let heard = lab.post("/login?lang=sw", &format!("code=1&token={token}")).await;
        assert_eq!(heard.header("location"), Some("/status?lang=sw"));
    });
}

#[test]
fn a_right_code_leads_to_the_status_page_and_the_desk_hears_when_the_answer_is_out() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let mut stream = lab.connect(GUEST).await;
        let body = format!("code=+1%0d%0a&token={token}&phone_last4=1&pin=2&otp=3&phone=4");
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\nContent-Length: {}\r\n\r\n{body}",
            lab.own(),
            lab.own(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let heard = one_response(&mut stream, false).await.unwrap();
        assert_eq!((heard.status, heard.header("location")), (303, Some("/status")));
        assert_eq!(heard.header("cache-control"), Some("no-store"));
        assert!(is_closed(&mut stream).await);
        let login = "login 02:00:00:00:00:02 \"1\" Ask phone_last4=1 pin=2 phone=4 otp=3";
        assert_eq!(lab.until_calls(2).await, [login, "answered 02:00:00:00:00:02"]);
    });
}

#[test]
fn each_refusal_has_its_status_and_keeps_what_was_typed() {
    lab(|lab| async move {
        for (code, status, words, retry) in [
            ("nonsense", 403, "We do not know this code", None),
            ("spent", 403, "This code is used up", None),
            ("expired", 403, "This code has expired", None),
            ("revoked", 403, "This code was withdrawn", None),
            ("other-device", 403, "This code belongs to other devices", None),
            ("often", 429, "Please wait 10 seconds", Some("10")),
            ("full", 503, "The hotspot is full", Some("60")),
            ("disk", 503, "Please try again in a few seconds", Some("5")),
            ("no-plan", 503, "cannot be used right now", Some("60")),
        ] {
            let heard = lab.login(code).await;
            assert_eq!(heard.status, status, "{code}");
            assert!(heard.body.contains(words), "{code} {}", heard.body);
            assert_eq!(heard.header("retry-after"), retry, "{code}");
            assert!(heard.body.contains(&format!("{code}</textarea>")), "{code}");
            assert_eq!(heard.token().len(), 64, "{code}: it can be tried again at once");
            assert_eq!(heard.header("connection"), Some("close"));
        }
        assert_eq!(lab.until_calls(18).await.len(), 18, "each was answered");
    });
}

#[test]
fn a_code_in_use_can_be_moved() {
    lab(|lab| async move {
        let heard = lab.login("in-use").await;
        assert_eq!(heard.status, 409);
        let token = heard.token();
        for part in [
            "<form method=\"post\" action=\"/login\">",
            "name=\"code\" value=\"in-use\"",
            "name=\"move\" value=\"1\"",
        ] {
            assert!(heard.body.contains(part), "{part}");
        }
        let moved = lab.post("/login", &format!("code=in-use&token={token}&move=1")).await;
        assert_eq!(moved.status, 303);
        assert!(lab.calls().contains(&"login 02:00:00:00:00:02 \"in-use\" Agreed".to_owned()));
    });
}

#[test]
fn a_form_needs_the_token_of_its_device_and_no_foreign_origin() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let other = lab.token(GUEST + 1).await;
        let key = FormKey::new(&[7; 32]);
        let now = lab.clock.now().wall.as_secs();
        let stale = key.token(mac(GUEST), Wall::from_secs(now - 13 * 3600));
        let of_yesterday = key.token(mac(GUEST), Wall::from_secs(now - 11 * 3600));
        let port = lab.port;
        for path in ["/login", "/logout", "/forget", "/trial"] {
            for (token, origin) in [
                (String::new(), None),
                ("0".repeat(64), None),
                (stale.clone(), None),
                (other.clone(), None),
                (token.clone(), Some("null".to_owned())),
                (token.clone(), Some("http://evil.example".to_owned())),
                (token.clone(), Some(format!("https://127.0.0.1:{port}"))),
                (token.clone(), Some("http://127.0.0.1".to_owned())),
            ] {
                let header = origin.as_ref().map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
                let body = format!("code=77%2288&token={token}");
                let heard = lab.post_as(GUEST, path, &header, &body).await;
                assert_eq!(heard.status, 403, "{path} {token} {origin:?}");
                assert!(heard.body.contains("press the button once more"), "{path} {token} {origin:?}");
                assert!(heard.body.contains("77&#34;88</textarea>"), "{}", heard.body);
                let fresh = heard.token();
                assert!(key.accepts(&fresh, mac(GUEST), Wall::from_secs(now)));
            }
        }
        let two = format!("Origin: http://127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n");
        let body = format!("code=1&token={token}");
        assert_eq!(lab.post_as(GUEST, "/login", &two, &body).await.status, 403);
        assert!(lab.calls().is_empty(), "{:?}", lab.calls());
        for token in [token, of_yesterday] {
            let named = format!("Origin: http://wifi.lango:{port}\r\n");
            let heard = lab.post_as(GUEST, "/login", &named, &format!("code=1&token={token}")).await;
            assert_eq!(heard.status, 303);
        }
    });
}

#[test]
fn an_empty_code_asks_nobody() {
    lab(|lab| async move {
        for code in ["", "+", "%0d%0a"] {
            let heard = lab.login(code).await;
            assert_eq!(heard.status, 403);
            assert!(heard.body.contains("No code was typed"));
        }
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn the_first_of_two_values_counts() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let heard = lab.post("/login", &format!("code=1&code=spent&token={token}&token=x")).await;
        assert_eq!(heard.status, 303);
    });
}

#[test]
fn logout_and_forget_are_asked_of_the_desk_and_lead_to_the_start() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        for path in ["/logout", "/forget"] {
            let heard = lab.post(path, &format!("token={token}")).await;
            assert_eq!((heard.status, heard.header("location")), (303, Some("/")));
            assert_eq!(heard.header("connection"), Some("close"));
        }
        let calls = lab.until_calls(4).await;
        for asked in ["logout", "forget"] {
            assert_eq!(calls.iter().filter(|call| **call == format!("{asked} 02:00:00:00:00:02")).count(), 1);
        }
        assert_eq!(calls.iter().filter(|call| *call == "answered 02:00:00:00:00:02").count(), 2);
    });
}

#[test]
fn the_status_page_says_what_is_left_and_loads_itself_anew() {
    lab(|lab| async move {
        let offline = lab.get("/status").await;
        assert_eq!(offline.status, 200);
        assert!(offline.body.contains("This device is not online") && offline.body.contains("href=\"/\""));
        assert!(!offline.body.contains("http-equiv=\"refresh\""));

        lab.put_online(|now| session(now, 2400));
        let heard = lab.get("/status").await;
        assert_eq!(heard.status, 200);
        for part in [
            "<meta http-equiv=\"refresh\" content=\"300\">",
            "40 minutes left",
            "of 1 hour",
            "320 MB left",
            "of 500 MB",
            "value=\"64\"",
            "One hour",
            "1 of 2 online",
            "ends in 705",
            "<form method=\"post\" action=\"/logout\">",
        ] {
            assert!(heard.body.contains(part), "{part}\n{}", heard.body);
        }
        assert!(!heard.body.contains("almost over"));
        let swahili = lab.get("/status?lang=sw").await;
        assert!(swahili.body.contains("Umebakiwa na dakika 40") && swahili.body.contains("Saa 1"));

        lab.put_online(|now| session(now, 20));
        let heard = lab.get("/status").await;
        assert!(heard.body.contains("almost over"));
        let (_, rest) = heard.body.split_once("http-equiv=\"refresh\" content=\"").unwrap();
        let refresh: u64 = rest.split('"').next().unwrap().parse().unwrap();
        assert!((19..=21).contains(&refresh), "right after the end: {refresh}");

        lab.put_online(|now| session(now, 0));
        assert!(lab.get("/status").await.body.contains("This device is not online"), "over to the second");

        lab.put_online(|now| SessionView { ends: None, bytes_left: None, ..session(now, 1) });
        let heard = lab.get("/status").await;
        assert!(heard.body.contains("No time limit") && heard.body.contains("No data limit"));
    });
}

#[test]
fn the_start_page_of_a_device_that_is_online_says_so_and_takes_another_code() {
    lab(|lab| async move {
        lab.put_online(|now| session(now, 2400));
        let heard = lab.get("/").await;
        for part in ["You are online", "40 minutes left", "320 MB left", "name=\"code\"", "href=\"/status\""]
        {
            assert!(heard.body.contains(part), "{part}");
        }
        let another = lab.get_from(GUEST + 1, "/").await;
        assert!(!another.body.contains("See what is left"));
    });
}

#[test]
fn the_api_of_rfc_8908() {
    lab(|lab| async move {
        let portal = format!("http://{}/", lab.own());
        let json = |heard: &Heard| serde_json::from_str::<serde_json::Value>(&heard.body).unwrap();
        let heard = lab.get("/captive-portal/api").await;
        assert_eq!((heard.status, heard.header("content-type")), (200, Some("application/captive+json")));
        assert_eq!(heard.header("cache-control"), Some("no-store"));
        assert_eq!(json(&heard), serde_json::json!({"captive": true, "user-portal-url": portal}));

        lab.put_online(|now| session(now, 2400));
        let heard = json(&lab.get("/captive-portal/api").await);
        let seconds = heard["seconds-remaining"].as_u64().unwrap();
        assert!((2390..=2400).contains(&seconds), "{seconds}");
        assert_eq!(heard["captive"], false);
        assert_eq!(heard["bytes-remaining"], 320_000_000);
        assert_eq!(heard["can-extend-session"], true);

        lab.put_online(|now| SessionView { ends: None, bytes_left: None, ..session(now, 1) });
        let heard = json(&lab.get("/captive-portal/api").await);
        assert_eq!(heard.get("seconds-remaining"), None);
    });
}

#[test]
fn a_device_that_the_network_does_not_know_is_asked_to_come_back() {
    lab(|lab| async move {
        for path in ["/", "/status", "/captive-portal/api"] {
            let heard = lab.get_from(99, path).await;
            assert_eq!((heard.status, heard.header("retry-after")), (503, Some("5")), "{path}");
        }
        assert_eq!(lab.post_as(99, "/login", "", "code=1&token=x").await.status, 503);
        assert_eq!(lab.get_from(99, "/privacy").await.status, 200);
        let probe = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        assert_eq!(lab.send(99, probe).await.status, 302);
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn terms_and_privacy_name_who_is_responsible_and_how_long() {
    lab(|lab| async move {
        assert!(lab.get("/terms").await.body.contains("Kariakoo Ltd, info@example.net"));
        let privacy = lab.get("/privacy").await.body;
        for part in
            ["Kariakoo Ltd, info@example.net", "kept for 90 days", "after 30 minutes", "not encrypted"]
        {
            assert!(privacy.contains(part), "{part}");
        }
    });
}

#[test]
fn wrong_methods_and_unknown_paths_are_pages_too() {
    lab(|lab| async move {
        for (method, path, status, allow) in [
            ("GET", "/login", 405, Some("POST")),
            ("POST", "/", 405, Some("GET, HEAD")),
            ("DELETE", "/status", 405, Some("GET, HEAD")),
            ("GET", "/nowhere", 404, None),
            ("GET", "/?code=%zz", 400, None),
        ] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own());
            let heard = lab.send(GUEST, request).await;
            assert_eq!((heard.status, heard.header("allow")), (status, allow), "{method} {path}");
            assert!(heard.body.contains("Back to the start page"));
        }
        let head = lab.send(GUEST, format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own())).await;
        assert_eq!(head.status, 200);
    });
}

#[test]
fn a_desk_that_is_gone_is_a_failure_of_ours() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let heard = lab.post("/login", &format!("code=silence&token={token}")).await;
        assert_eq!((heard.status, heard.header("retry-after")), (503, Some("5")));
    });
}

#[test]
fn requests_of_one_page_share_a_connection() {
    lab(|lab| async move {
        let mut stream = lab.connect(GUEST).await;
        for path in ["/", "/terms", "/status"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", lab.own());
            stream.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(one_response(&mut stream, false).await.unwrap().status, 200);
        }
    });
}
