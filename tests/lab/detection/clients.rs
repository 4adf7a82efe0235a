//! The programs by which devices try whether they are online, as their sources and their makers describe them:
//! what each asks for, and what it makes of what it gets. Nothing here knows of the gateway.

use crate::harness::Response;

/// What a device believes of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It shows its user the way to a login page.
    Portal,
    Online,
    /// It shows nothing, and may leave the network.
    NoInternet,
}
use Verdict::{NoInternet, Online, Portal};

/// What a client does beside one request and looking at its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// It is online only if this host can be reached at port 443 too.
    Https(&'static str),
    /// It follows redirects, and judges what is at their end.
    Follows,
    /// Its user gets a browser with this URL, which has to lead to the portal as well.
    Opens(&'static str),
}

/// A client, and everything that one of its versions asks for; each has to do by itself.
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) agent: &'static str,
    pub(super) urls: &'static [&'static str],
    pub(super) judge: fn(&Response) -> Verdict,
    pub(super) beside: Beside,
}

pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "Android",
        agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36",
        urls: &[
            "http://connectivitycheck.gstatic.com/generate_204",
            "http://www.google.com/gen_204",
            "http://play.googleapis.com/generate_204",
            "http://clients3.google.com/generate_204",
        ],
        judge: android,
        beside: Beside::Https("www.google.com"),
    },
    Client {
        name: "Android of Huawei, Xiaomi, Qualcomm",
        agent: "Dalvik/2.1.0 (Linux; U; Android 12)",
        urls: &[
            "http://connectivitycheck.platform.hicloud.com/generate_204",
            "http://connect.rom.miui.com/generate_204",
            "http://www.qualcomm.cn/generate_204",
        ],
        judge: android,
        beside: Beside::Nothing,
    },
    Client {
        name: "iOS, iPadOS, macOS",
        agent: "CaptiveNetworkSupport-443.120.2 wispr",
        urls: &[
            "http://captive.apple.com/hotspot-detect.html",
            "http://www.apple.com/library/test/success.html",
            "http://gsp1.apple.com/",
            "http://www.appleiphonecell.com/",
            "http://www.itools.info/",
            "http://www.ibook.info/",
            "http://www.airport.us/",
            "http://www.thinkdifferent.us/",
        ],
        judge: |reply| by_body(reply, reply.body.contains("Success")),
        beside: Beside::Nothing,
    },
    Client {
        name: "Windows",
        agent: "Microsoft NCSI",
        urls: &[
            "http://www.msftconnecttest.com/connecttest.txt",
            "http://ipv6.msftconnecttest.com/connecttest.txt",
        ],
        judge: |reply| by_body(reply, reply.body == "Microsoft Connect Test"),
        beside: Beside::Opens("http://www.msftconnecttest.com/redirect"),
    },
    Client {
        name: "Windows before 10",
        agent: "Microsoft NCSI",
        urls: &["http://www.msftncsi.com/ncsi.txt"],
        judge: |reply| by_body(reply, reply.body == "Microsoft NCSI"),
        beside: Beside::Opens("http://www.msftncsi.com/redirect"),
    },
    Client {
        name: "Firefox",
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        urls: &["http://detectportal.firefox.com/canonical.html"],
        judge: |reply| {
            firefox(
                reply,
                "<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>",
            )
        },
        beside: Beside::Opens("http://detectportal.firefox.com/canonical.html"),
    },
    Client {
        name: "Firefox, connectivity and before 89",
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:78.0) Gecko/20100101 Firefox/78.0",
        urls: &[
            "http://detectportal.firefox.com/success.txt",
            "http://detectportal.firefox.com/success.txt?ipv4",
            "http://detectportal.firefox.com/success.txt?ipv6",
        ],
        judge: |reply| firefox(reply, "success\n"),
        beside: Beside::Nothing,
    },
    Client {
        name: "Chromium, Edge",
        agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        urls: &[
            "http://connectivitycheck.gstatic.com/generate_204",
            "http://www.gstatic.com/generate_204",
            "http://edge.msftncsi.com/captiveportal/generate_204",
        ],
        judge: chromium,
        beside: Beside::Nothing,
    },
    Client {
        name: "Cloudflare",
        agent: "WARP",
        urls: &["http://cp.cloudflare.com/generate_204"],
        judge: chromium,
        beside: Beside::Nothing,
    },
    Client {
        name: "NetworkManager",
        agent: "",
        urls: &[
            "http://nmcheck.gnome.org/check_network_status.txt",
            "http://network-test.debian.org/nm",
            "http://connectivity-check.ubuntu.com/",
            "http://ping.archlinux.org/nm-check.txt",
            "http://conncheck.opensuse.org/",
        ],
        judge: |reply| network_manager(reply, "NetworkManager is online"),
        beside: Beside::Nothing,
    },
    Client {
        name: "NetworkManager of Fedora",
        agent: "",
        urls: &["http://fedoraproject.org/static/hotspot.txt"],
        judge: |reply| network_manager(reply, "OK"),
        beside: Beside::Nothing,
    },
    Client {
        name: "ConnMan",
        agent: "ConnMan/1.41 wispr",
        urls: &["http://ipv4.connman.net/online/status.html", "http://ipv6.connman.net/online/status.html"],
        judge: |reply| match reply.status {
            200 if reply.header("X-ConnMan-Status").is_some() => Online,
            200 => Portal,
            _ => NoInternet,
        },
        beside: Beside::Follows,
    },
    Client {
        name: "the portal window of GNOME",
        agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
        urls: &["http://nmcheck.gnome.org/"],
        judge: |reply| match reply.status {
            200 => Online,
            301..=308 => Portal,
            _ => NoInternet,
        },
        beside: Beside::Opens("http://nmcheck.gnome.org/"),
    },
    Client {
        name: "Kindle",
        agent: "Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) Silk/1.0",
        urls: &["http://spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html"],
        judge: |reply| by_body(reply, reply.body.contains("81ce4465-7167-4dcb-835b-dcc9e44c112a")),
        beside: Beside::Nothing,
    },
];

/// A 511 is a failure, and so is a 200 with next to nothing in it.
fn android(reply: &Response) -> Verdict {
    match reply.status {
        204 => Online,
        200 if reply.body.len() <= 4 => NoInternet,
        200..=399 => Portal,
        _ => NoInternet,
    }
}

fn chromium(reply: &Response) -> Verdict {
    match reply.status {
        204 => Online,
        200 if reply.body.len() <= 1 => Online,
        200..=399 | 511 => Portal,
        _ => NoInternet,
    }
}

fn firefox(reply: &Response, expected: &str) -> Verdict {
    match reply.status {
        200 if reply.body == expected => Online,
        200..=399 | 511 => Portal,
        _ => NoInternet,
    }
}

/// Looks at a header and at the body, whatever the status.
fn network_manager(reply: &Response, expected: &str) -> Verdict {
    let says = reply.header("X-NetworkManager-Status") == Some("online");
    if says || reply.body.starts_with(expected) { Online } else { Portal }
}

/// Any answer that is not the expected one is a portal.
fn by_body(reply: &Response, expected: bool) -> Verdict {
    if reply.status == 200 && expected { Online } else { Portal }
}
