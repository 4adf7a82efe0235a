//! HTTP/1.1 as far as the lab needs it: one request written, one response read to its end.
//!
//! Deliberately not the library that the daemon uses, so that both ends cannot share a mistake.

use std::io::{self, ErrorKind, Read, Write};

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    /// `GET path` of `host`.
    pub(crate) fn get(host: &str, path: &str) -> Self {
        let headers = vec![("Host".to_owned(), host.to_owned())];
        Self { method: "GET", path: path.to_owned(), headers, body: String::new() }
    }

    /// `POST path` of `host` with a form.
    pub(crate) fn form(host: &str, path: &str, fields: &[(&str, &str)]) -> Self {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escape(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = Self { method: "POST", body, ..Self::get(host, path) };
        request.with("Content-Type", "application/x-www-form-urlencoded")
    }

    /// The same request with a further header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if self.method == "POST" {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text += "\r\n";
        text += &self.body;
        text.into_bytes()
    }
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// The value of header `name`, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The value of the form field `name` in the page.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let wanted = format!("name=\"{name}\"");
        let tag = self.body.split('<').find(|tag| tag.contains(&wanted))?;
        if tag.starts_with("textarea") {
            return Some(tag.split_once('>')?.1);
        }
        tag.split_once("value=\"")?.1.split('"').next()
    }
}

/// Sends `request` and reads the response.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &Request) -> io::Result<Response> {
    stream.write_all(&request.bytes())?;
    read_response(stream)
}

/// Reads one response: by its `Content-Length`, by chunks, or to the end of the connection.
pub(crate) fn read_response(stream: &mut impl Read) -> io::Result<Response> {
    let mut seen = Vec::<u8>::new();
    let head_end = loop {
        if let Some(at) = seen.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
        if more(stream, &mut seen)? == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "no response"));
        }
    };
    let head = String::from_utf8_lossy(&seen[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, head.clone()))?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut response = Response { status, headers, body: String::new() };
    let mut body = seen.split_off(head_end + 4);
    let length = response.header("content-length").and_then(|length| length.parse().ok());
    let chunked = response.header("transfer-encoding").is_some();
    loop {
        let complete = match length {
            Some(length) => body.len() >= length,
            // It never has one.
            None if response.status == 204 => true,
            None => chunked && body.ends_with(b"0\r\n\r\n"),
        };
        if complete || more(stream, &mut body)? == 0 {
            break;
        }
    }
    response.body = String::from_utf8_lossy(&body).into_owned();
    Ok(response)
}

fn more(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut part = [0; 8192];
    let count = stream.read(&mut part)?;
    into.extend(&part[..count]);
    Ok(count)
}

fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let piece = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(piece).collect()
}
