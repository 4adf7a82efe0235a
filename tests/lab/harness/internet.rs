//! What the hosts by which phones try whether they are online answer, where they can be reached.
//!
//! Written down from the hosts themselves, apart from what a test takes the phones to expect.

/// Host, path, status line with its headers, and body.
const ANSWERS: &[(&str, &str, &str, &str)] = &[
    ("connectivitycheck.gstatic.com", "/generate_204", NO_CONTENT, ""),
    ("www.gstatic.com", "/generate_204", NO_CONTENT, ""),
    ("www.google.com", "/generate_204", NO_CONTENT, ""),
    ("www.google.com", "/gen_204", NO_CONTENT, ""),
    ("play.googleapis.com", "/generate_204", NO_CONTENT, ""),
    ("clients3.google.com", "/generate_204", NO_CONTENT, ""),
    ("connectivitycheck.platform.hicloud.com", "/generate_204", NO_CONTENT, ""),
    ("connect.rom.miui.com", "/generate_204", NO_CONTENT, ""),
    ("www.qualcomm.cn", "/generate_204", NO_CONTENT, ""),
    ("cp.cloudflare.com", "/generate_204", NO_CONTENT, ""),
    ("edge.msftncsi.com", "/captiveportal/generate_204", NO_CONTENT, ""),
    ("captive.apple.com", "/hotspot-detect.html", FINE, APPLE),
    ("www.apple.com", "/library/test/success.html", FINE, APPLE),
    ("gsp1.apple.com", "/", FINE, APPLE),
    ("www.appleiphonecell.com", "/", FINE, APPLE),
    ("www.itools.info", "/", FINE, APPLE),
    ("www.ibook.info", "/", FINE, APPLE),
    ("www.airport.us", "/", FINE, APPLE),
    ("www.thinkdifferent.us", "/", FINE, APPLE),
    ("www.msftconnecttest.com", "/connecttest.txt", FINE, "Microsoft Connect Test"),
    ("ipv6.msftconnecttest.com", "/connecttest.txt", FINE, "Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt", FINE, "Microsoft NCSI"),
    ("detectportal.firefox.com", "/canonical.html", FINE, FIREFOX),
    ("detectportal.firefox.com", "/success.txt", FINE, "success\n"),
    ("detectportal.firefox.com", "/success.txt?ipv4", FINE, "success\n"),
    ("detectportal.firefox.com", "/success.txt?ipv6", FINE, "success\n"),
    ("nmcheck.gnome.org", "/check_network_status.txt", NETWORK_MANAGER, "NetworkManager is online\n"),
    ("nmcheck.gnome.org", "/", FINE, "<title>NetworkManager</title>"),
    ("network-test.debian.org", "/nm", NETWORK_MANAGER, "NetworkManager is online\n"),
    ("fedoraproject.org", "/static/hotspot.txt", FINE, "OK"),
    ("connectivity-check.ubuntu.com", "/", "204 No Content\r\nX-NetworkManager-Status: online", ""),
    ("ping.archlinux.org", "/nm-check.txt", FINE, "NetworkManager is online\n"),
    ("conncheck.opensuse.org", "/", FINE, "NetworkManager is online\n"),
    ("ipv4.connman.net", "/online/status.html", CONNMAN, ""),
    ("ipv6.connman.net", "/online/status.html", CONNMAN, ""),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", FINE, KINDLE),
];

const FINE: &str = "200 OK";
const NO_CONTENT: &str = "204 No Content";
const NETWORK_MANAGER: &str = "200 OK\r\nX-NetworkManager-Status: online";
// Without a body: ConnMan 1.41 of Debian draws no conclusion from an answer that has one.
const CONNMAN: &str = "200 OK\r\nX-ConnMan-Status: online";
const APPLE: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n";
const FIREFOX: &str =
    "<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>";
const KINDLE: &str = "<html><head><title>Kindle Reachability Probe Page</title></head><body>81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>";

/// Every host of these, once.
pub(crate) fn hosts() -> Vec<&'static str> {
    let mut hosts: Vec<_> = ANSWERS.iter().map(|(host, ..)| *host).collect();
    hosts.dedup();
    hosts
}

/// What is answered to a request with this head; `None`: it is for none of these hosts.
pub(super) fn answer(head: &str) -> Option<String> {
    let path = head.split(' ').nth(1)?;
    let host = head.lines().find_map(|line| line.strip_prefix("Host: "))?;
    let (.., status, body) = ANSWERS.iter().find(|(of, at, ..)| *of == host && *at == path)?;
    let length =
        if status.starts_with("204") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    Some(format!("HTTP/1.1 {status}\r\n{length}\r\n{body}"))
}
