//! Where a guest is sent who has paid, but still takes the captive address for the host that it wants: to
//! the same page once more, for which the phone asks for the name again.
//!
//! What the request said goes back only as a URL: a host name, and a path in which everything that does
//! not belong into a header is escaped.

use std::fmt::Write as _;

use super::route::{Head, Hosts};
use super::site::{Aim, Here};

/// A page of another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SamePage {
    pub(crate) host: String,
    pub(crate) url: String,
}

/// The page that `head`, arriving `here`, asks for; `None`: it does not name a host of the world, or one that
/// no name leads to.
pub(crate) fn same_page(head: &Head<'_>, here: Here<'_>) -> Option<SamePage> {
    let authority = match (head.authority, head.hosts) {
        (Some(authority), _) | (None, Hosts::One(authority)) => authority,
        (None, Hosts::Missing | Hosts::Improper) => return None,
    };
    let host = authority.strip_suffix(":80").unwrap_or(authority);
    if here.aim(authority) != Aim::Foreign || !is_host_name(host) || !head.path.starts_with('/') {
        return None;
    }
    let mut url = format!("http://{host}");
    escape_into(&mut url, head.path);
    if let Some(query) = head.query {
        url.push('?');
        escape_into(&mut url, query);
    }
    Some(SamePage { host: host.to_owned(), url })
}

/// Whether `text` is a host that is looked up. A browser reads as an address what ends in a number.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && !is_number(last)
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    hexadecimal.is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))
        || label.bytes().all(|c| c.is_ascii_digit())
}

fn escape_into(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Door;
    use super::*;

    fn of(host: &str, target: &str) -> Option<String> {
        let (address, by, to) = ([10, 9, 0, 1].into(), Door::Plain, Door::Plain);
        let here = Here { address, port: 2080, https_port: 2443, name: "wifi.lango", by, to };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let hosts = Hosts::One(host);
        let head = Head { method: "GET", authority: None, path, query, hosts, accept_language: "" };
        same_page(&head, here).map(|page| page.url)
    }

    #[test]
    fn the_same_page_of_the_same_host() {
        for (host, target, url) in [
            ("shop.test", "/", "http://shop.test/"),
            ("shop.test:80", "/a/b?c=d&e=%20f", "http://shop.test/a/b?c=d&e=%20f"),
            ("Shop.test.", "//evil.test/?", "http://Shop.test.//evil.test/?"),
            ("my_nas", "/a?b=http://x@y", "http://my_nas/a?b=http://x@y"),
            ("4.pool.ntp.org", "/", "http://4.pool.ntp.org/"),
            (
                "shop.test",
                "/caf\u{e9}?\"\r\nSet-Cookie: a",
                "http://shop.test/caf%C3%A9?\"%0D%0ASet-Cookie:%20a",
            ),
        ] {
            assert_eq!(of(host, target).as_deref(), Some(url), "{host} {target}");
        }
    }

    #[test]
    fn nothing_but_a_host_name_of_the_world() {
        let long = "a".repeat(64);
        for host in [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "user@shop.test",
            "shop.test:8080",
            "shop.test:80:80",
            "shop.test\r\nX: y",
            "caf\u{e9}.test",
            "198.18.0.1",
            "198.18.0.1:80",
            "3323068417",
            "0xc6120001",
            "a.0x",
            "[2001:db8::1]",
            "wifi.lango",
            "wifi.lango:80",
            "10.9.0.1",
            &long,
            &"a.".repeat(128),
        ] {
            assert_eq!(of(host, "/"), None, "{host}");
        }
        assert_eq!(of("shop.test", "*"), None);
        assert_eq!(of("shop.test", ""), None);
    }
}
