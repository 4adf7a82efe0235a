//! Where the cloud is: scheme, host, port and what stands before `/v1`.
//!
//! Owns: the reading of it, and that nothing goes in the clear but to this machine. Never: DNS.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// Empty, or begins with `/` and does not end with one.
    pub base: String,
}

/// How the cloud is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Https,
    /// In the clear, to this machine only.
    Http,
}

/// Whether a cloud may be spoken to in the clear: for tests, on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheClear {
    Never,
    OnThisMachine,
}

/// Why a text is no address of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    Malformed,
    /// It would go over the network for everybody to read, token and all.
    NotEncrypted,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not the address of a cloud; write https://HOST"),
            Self::NotEncrypted => f.write_str("not encrypted; write https:// instead of http://"),
        }
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Reads `https://HOST[:PORT][/BASE]`.
    ///
    /// # Errors
    /// If it is something else, or `http` where that may not be.
    pub fn read(text: &str, clear: InTheClear) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Malformed)?;
        let (authority, path) =
            rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
        let (scheme, usual) = match scheme {
            "https" => (Scheme::Https, 443),
            "http" => (Scheme::Http, 80),
            _ => return Err(UrlError::Malformed),
        };
        let (host, port) = host_and_port(authority, usual).ok_or(UrlError::Malformed)?;
        if !path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"<>\\".contains(&b)) {
            return Err(UrlError::Malformed);
        }
        let url = Self { scheme, host, port, base: path.trim_end_matches('/').to_owned() };
        let readable = url.scheme == Scheme::Http;
        if readable && !(clear == InTheClear::OnThisMachine && url.is_this_machine()) {
            return Err(UrlError::NotEncrypted);
        }
        Ok(url)
    }

    /// Scheme, host, and the port if it is not the usual one.
    pub fn origin(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        format!("{scheme}://{}", self.authority())
    }

    /// Host, and the port if it is not the usual one: the header `Host`.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

fn host_and_port(authority: &str, usual: u16) -> Option<(String, u16)> {
    let (host, tail) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, tail)) => (inner.parse::<Ipv6Addr>().ok()?.to_string(), tail),
        None => {
            let (host, tail) = authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
            let fits = (1..=253).contains(&host.len()) && host.bytes().all(plain);
            (fits.then(|| host.to_ascii_lowercase())?, tail)
        }
    };
    let port = match tail.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
        None if tail.is_empty() => usual,
        None => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String), UrlError> {
        Url::read(text, InTheClear::OnThisMachine).map(|url| (url.authority(), url.base))
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (text, authority, base) in [
            ("https://bos.example.net", "bos.example.net", ""),
            ("https://Bos.example.net:443/", "bos.example.net", ""),
            ("https://bos.example.net:8443/lango/a/", "bos.example.net:8443", "/lango/a"),
            ("https://[2001:db8::1]:444", "[2001:db8::1]:444", ""),
            ("https://192.0.2.7", "192.0.2.7", ""),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://[::1]", "[::1]", ""),
        ] {
            assert_eq!(read(text), Ok((authority.to_owned(), base.to_owned())), "{text}");
        }
        for bad in
            ["", "bos", "ftp://a", "https://", "https://u@a", "https://a:0", "https://a:x", "https://[::1"]
        {
            assert_eq!(read(bad), Err(UrlError::Malformed), "{bad}");
        }
        for bad in ["https://a/?x", "https://a b", "https://a/\r\nx", "https://a/ b", "https://[::1]x"] {
            assert_eq!(read(bad), Err(UrlError::Malformed), "{bad}");
        }
    }

    #[test]
    fn nothing_goes_over_the_network_in_the_clear() {
        assert_eq!(read("http://bos.example.net"), Err(UrlError::NotEncrypted));
        assert_eq!(read("http://127.0.0.1.example.net"), Err(UrlError::NotEncrypted));
        assert_eq!(Url::read("http://127.0.0.1", InTheClear::Never), Err(UrlError::NotEncrypted));
    }
}
