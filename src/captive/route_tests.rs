//! Request shapes of real phones and of attackers, and what each is answered.

use super::super::site::Door;
use super::*;

const HERE: Here<'_> = Here {
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 1)),
    port: 2080,
    https_port: 2443,
    name: "wifi.lango",
    by: Door::Plain,
    to: Door::Plain,
};
const PORTAL: &str = "http://10.9.0.1:2080/";

fn head<'a>(method: &'a str, host: &'a str, target: &'a str) -> Head<'a> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    Head { method, authority: None, path, query, hosts: Hosts::One(host), accept_language: "" }
}

fn answered(head: &Head<'_>) -> Answer {
    answer(head, HERE, "en").0
}

fn portal(rest: &str) -> Answer {
    Answer::ToPortal(format!("{PORTAL}{rest}"))
}

#[test]
fn every_probe_is_sent_to_the_portal() {
    for (system, host, target) in [
        ("Android", "connectivitycheck.gstatic.com", "/generate_204"),
        ("Android, fallback", "www.google.com", "/gen_204"),
        ("Android, fallback", "play.googleapis.com", "/generate_204"),
        ("iOS, macOS", "captive.apple.com", "/hotspot-detect.html"),
        ("iOS, macOS", "www.apple.com", "/library/test/success.html"),
        ("iOS, old", "gsp1.apple.com", "/"),
        ("Windows", "www.msftconnecttest.com", "/connecttest.txt"),
        ("Windows, browser", "www.msftconnecttest.com", "/redirect"),
        ("Windows, old", "www.msftncsi.com", "/ncsi.txt"),
        ("Firefox", "detectportal.firefox.com", "/canonical.html"),
        ("Firefox", "detectportal.firefox.com", "/success.txt?ipv4"),
        ("Chrome", "www.gstatic.com", "/generate_204"),
        ("NetworkManager, GNOME", "nmcheck.gnome.org", "/check_network_status.txt"),
        ("NetworkManager, Debian", "network-test.debian.org", "/nm"),
        ("NetworkManager, Fedora", "fedoraproject.org", "/static/hotspot.txt"),
        ("NetworkManager, Ubuntu", "connectivity-check.ubuntu.com", "/"),
        ("ConnMan", "ipv4.connman.net", "/online/status.html"),
        ("ConnMan", "ipv6.connman.net", "/online/status.html"),
        ("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204"),
        ("Xiaomi", "connect.rom.miui.com", "/generate_204"),
        ("Kindle", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html"),
        ("Cloudflare", "cp.cloudflare.com", "/"),
        ("a browser", "example.com", "/login?code=1"),
        ("a browser, other port", "example.com:8080", "/status"),
        ("our name with a foreign port", "wifi.lango:8080", "/"),
        ("another gateway", "192.168.1.1", "/"),
        ("nonsense", "a b\t<script>", "/"),
        ("no host at all", "", "/"),
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", "CONNECT"] {
            assert_eq!(answered(&head(method, host, target)), portal(""), "{system} {method}");
        }
    }
    let missing = Head { hosts: Hosts::Missing, ..head("GET", "", "/generate_204") };
    assert_eq!(answered(&missing), portal(""), "HTTP/1.0");
}

#[test]
fn a_guest_who_types_our_name_is_sent_on_with_the_code_and_the_language() {
    for (host, target, rest) in [
        ("wifi.lango", "/", ""),
        ("wifi.lango", "/status", ""),
        ("10.9.0.1", "/?code=4821993705", "?code=4821993705"),
        ("WIFI.LANGO:80", "/?code=4821+9937-05", "?code=4821%209937-05"),
        ("wifi.lango.", "/q?x=1&code=AB%26c%3D1", "?code=AB%26c%3D1"),
        ("wifi.lango", "/?code=%0d%0aSet-Cookie:a", "?code=%0ASet-Cookie%3Aa"),
        ("wifi.lango", "/?code=%00", ""),
        ("wifi.lango", "/?code=%zz", ""),
        ("wifi.lango", "/?code=", ""),
        ("wifi.lango", "/?code=1&code=2", "?code=1"),
        ("wifi.lango", "/?lang=sw", "?lang=sw"),
        ("wifi.lango", "/?lang=sw&code=7", "?code=7&lang=sw"),
        ("wifi.lango", "/?lang=xx%22&code=7", "?code=7"),
        ("example.com", "/?code=7&lang=sw", ""),
    ] {
        assert_eq!(answered(&head("GET", host, target)), portal(rest), "{host} {target}");
    }
    let Answer::ToPortal(url) = answered(&head("GET", "wifi.lango", &format!("/?code={}", "9".repeat(7000))))
    else {
        panic!("no redirect")
    };
    assert!(url.len() < 1000, "{}", url.len());
}

#[test]
fn the_portal_s_own_paths() {
    let host = "10.9.0.1:2080";
    let get = Notice::WrongMethod { allow: "GET, HEAD" };
    let post = Notice::WrongMethod { allow: "POST" };
    for (method, target, expected) in [
        ("GET", "/", Answer::Show(Page::Welcome)),
        ("HEAD", "/", Answer::Show(Page::Welcome)),
        ("GET", "/?code=1", Answer::Show(Page::Welcome)),
        ("GET", "/status", Answer::Show(Page::Status)),
        ("GET", "/terms", Answer::Show(Page::Terms)),
        ("GET", "/privacy?lang=sw", Answer::Show(Page::Privacy)),
        ("GET", "/captive-portal/api", Answer::Show(Page::Api)),
        ("POST", "/login", Answer::Read(Form::Login)),
        ("POST", "/login?lang=sw", Answer::Read(Form::Login)),
        ("POST", "/logout", Answer::Read(Form::Logout)),
        ("POST", "/trial", Answer::Read(Form::Trial)),
        ("POST", "/forget", Answer::Read(Form::Forget)),
        ("GET", "/login", Answer::Refuse(post)),
        ("GET", "/logout", Answer::Refuse(post)),
        ("HEAD", "/trial", Answer::Refuse(post)),
        ("PUT", "/login", Answer::Refuse(post)),
        ("POST", "/", Answer::Refuse(get)),
        ("DELETE", "/status", Answer::Refuse(get)),
        ("get", "/", Answer::Refuse(get)),
        ("GET", "/Login", Answer::Refuse(Notice::NotFound)),
        ("GET", "/status/", Answer::Refuse(Notice::NotFound)),
        ("GET", "//", Answer::Refuse(Notice::NotFound)),
        ("GET", "/%73tatus", Answer::Refuse(Notice::NotFound)),
        ("GET", "/../etc/passwd", Answer::Refuse(Notice::NotFound)),
        ("OPTIONS", "*", Answer::Refuse(Notice::NotFound)),
        ("GET", "/?code=%", Answer::Refuse(Notice::Malformed)),
        ("GET", "/?%ff=1", Answer::Refuse(Notice::Malformed)),
        ("POST", "/login?x=%0", Answer::Refuse(Notice::Malformed)),
    ] {
        assert_eq!(answered(&head(method, host, target)), expected, "{method} {target}");
    }
}

#[test]
fn an_absolute_target_counts_instead_of_the_host() {
    let of = |authority, host| Head { authority: Some(authority), ..head("GET", host, "/status") };
    assert_eq!(answered(&of("example.com", "10.9.0.1:2080")), portal(""));
    assert_eq!(answered(&of("10.9.0.1:2080", "example.com")), Answer::Show(Page::Status));
    assert_eq!(answered(&of("evil@10.9.0.1:2080", "10.9.0.1:2080")), portal(""));
}

#[test]
fn two_hosts_are_malformed() {
    let two = Head { hosts: Hosts::Improper, ..head("GET", "", "/") };
    assert_eq!(answered(&two), Answer::Refuse(Notice::Malformed));
}

#[test]
fn the_switch_beats_the_header_and_is_carried_on() {
    let asked = |target, accept_language| {
        answer(&Head { accept_language, ..head("GET", "wifi.lango:2080", target) }, HERE, "en").1
    };
    for (target, accept, tag, chosen) in [
        ("/", "", "en", false),
        ("/", "sw-KE,en;q=0.1", "sw", false),
        ("/?lang=en", "sw", "en", true),
        ("/?lang=sw", "", "sw", true),
        ("/?lang=de", "sw", "sw", false),
    ] {
        let asked = asked(target, accept);
        assert_eq!((asked.language.tag, asked.chosen), (tag, chosen), "{target} {accept}");
    }
    assert_eq!(asked("/?code=%3Cb%3E%07%0A1", "").typed, "<b>\n1");
}

#[test]
fn only_our_own_pages_may_send_forms() {
    for (origin, ours) in [
        ("http://10.9.0.1:2080", true),
        ("http://wifi.lango:2080", true),
        ("http://WIFI.lango:2080", true),
        ("null", false),
        ("", false),
        ("https://10.9.0.1:2080", false),
        ("http://10.9.0.1", false),
        ("http://10.9.0.1:2080/", false),
        ("http://10.9.0.1:2080.evil.example", false),
        ("http://evil.example:2080", false),
        ("http://10.9.0.2:2080", false),
    ] {
        assert_eq!(origin_is_ours(origin, HERE), ours, "{origin}");
    }
}

#[test]
fn with_a_certificate_everything_that_is_looked_at_leads_to_https() {
    let here = Here { to: Door::Secure, ..HERE };
    let https = |rest: &str| Answer::ToPortal(format!("https://wifi.lango:2443/{rest}"));
    for (method, host, target, expected) in [
        ("GET", "captive.apple.com", "/hotspot-detect.html", https("")),
        ("GET", "10.9.0.1", "/?code=12&x=1", https("?code=12")),
        ("GET", "10.9.0.1:2080", "/", https("")),
        ("GET", "wifi.lango:2080", "/?code=12&lang=sw", https("?code=12&lang=sw")),
        ("HEAD", "wifi.lango:2080", "/status?lang=sw", https("status?lang=sw")),
        ("GET", "wifi.lango:2080", "/terms", https("terms")),
        ("GET", "wifi.lango:2080", "/privacy", https("privacy")),
        ("GET", "wifi.lango:2080", "/captive-portal/api", Answer::Show(Page::Api)),
        ("POST", "10.9.0.1:2080", "/login", Answer::Read(Form::Login)),
        ("POST", "10.9.0.1:2080", "/logout", Answer::Read(Form::Logout)),
        ("GET", "10.9.0.1:2080", "/nothing", Answer::Refuse(Notice::NotFound)),
        ("POST", "10.9.0.1:2080", "/", Answer::Refuse(Notice::WrongMethod { allow: "GET, HEAD" })),
    ] {
        assert_eq!(answer(&head(method, host, target), here, "en").0, expected, "{method} {host} {target}");
    }
    let secure = Here { by: Door::Secure, ..here };
    for (host, target, expected) in [
        ("wifi.lango:2443", "/", Answer::Show(Page::Welcome)),
        ("wifi.lango:2443", "/status", Answer::Show(Page::Status)),
        ("wifi.lango", "/?code=12", https("?code=12")),
        ("captive.apple.com", "/", https("")),
    ] {
        assert_eq!(answer(&head("GET", host, target), secure, "en").0, expected, "{host} {target}");
    }
}

#[test]
fn a_form_comes_from_a_page_of_the_same_door() {
    let secure = Here { by: Door::Secure, to: Door::Secure, ..HERE };
    for (origin, plain, over_tls) in [
        ("http://wifi.lango:2080", true, false),
        ("http://10.9.0.1:2080", true, false),
        ("https://wifi.lango:2443", false, true),
        ("https://10.9.0.1:2443", false, true),
        ("https://wifi.lango", false, false),
        ("https://wifi.lango:2080", false, false),
        ("http://wifi.lango:2443", false, false),
        ("https://wifi.lango.evil.example:2443", false, false),
        ("null", false, false),
    ] {
        assert_eq!(origin_is_ours(origin, HERE), plain, "{origin} on plain");
        assert_eq!(origin_is_ours(origin, secure), over_tls, "{origin} over TLS");
    }
}
