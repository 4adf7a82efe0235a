//! Where each request begins in the bytes of a connection, and what must not reach the parser.
//!
//! hyper drops a `Content-Length` that stands beside a `Transfer-Encoding` before anybody sees it, takes lists
//! of codings that it does not undo, and answers too long a head without a page. So the raw bytes are followed
//! here, as far as it takes: heads, their lengths, and the two headers that say how long the body is. Of those
//! one, said once, in one way, is let through.

/// Bytes of a request line with its headers, at most.
pub(super) const LONGEST_HEAD: usize = 8 * 1024;
/// Lines of a head, at most: hyper keeps that many headers.
const MOST_LINES: usize = 100;

/// Why a head must not be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    TooLarge,
    /// `Content-Length` or `Transfer-Encoding` twice, both, or no plain one: two readers could see two different
    /// requests.
    UnclearLength,
}

/// What was seen in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All of them may be handed on. `head`: a head began or went on in them.
    Good { head: bool },
    /// Only the first `good` of them.
    Bad { good: usize, why: BadHead },
}

/// Follows one connection.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    /// The head so far.
    head: Vec<u8>,
    lines: usize,
    line_is_empty: bool,
}

#[derive(Debug)]
enum At {
    Head,
    /// So many bytes of a body are to come.
    Body(u64),
    /// A body in chunks: the connection ends after it.
    Last,
}

impl Framing {
    /// At the begin of a connection.
    pub(super) fn new() -> Self {
        Self { at: At::Head, head: Vec::new(), lines: 0, line_is_empty: true }
    }

    /// Whether the request now read must be the last of its connection.
    pub(super) fn is_last(&self) -> bool {
        matches!(self.at, At::Last)
    }

    /// Takes the next `bytes` in.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Seen {
        let (mut position, mut saw_head) = (0, false);
        let mut head_began = 0;
        while let Some(byte) = bytes.get(position) {
            match &mut self.at {
                At::Last => break,
                At::Body(left) => {
                    let rest = u64::try_from(bytes.len() - position).unwrap_or(u64::MAX);
                    let step = rest.min(*left);
                    *left -= step;
                    position += usize::try_from(step).unwrap_or(usize::MAX);
                    head_began = position;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                }
                At::Head => {
                    saw_head = true;
                    position += 1;
                    if let Err(why) = self.take(*byte) {
                        return Seen::Bad { good: head_began, why };
                    }
                    if self.head.is_empty() {
                        head_began = position;
                    }
                }
            }
        }
        Seen::Good { head: saw_head }
    }

    /// Takes one byte of a head; at its end, reads how long the body is.
    fn take(&mut self, byte: u8) -> Result<(), BadHead> {
        if self.head.is_empty() && matches!(byte, b'\r' | b'\n') {
            // Empty lines before a request are skipped (RFC 9112, 2.2).
            return Ok(());
        }
        self.head.push(byte);
        if self.head.len() > LONGEST_HEAD {
            return Err(BadHead::TooLarge);
        }
        match byte {
            b'\n' if self.line_is_empty => {
                self.at = body_of(&self.head)?;
                self.head.clear();
                self.lines = 0;
            }
            b'\n' => {
                self.lines += 1;
                self.line_is_empty = true;
                // The request line is one more.
                if self.lines > MOST_LINES + 1 {
                    return Err(BadHead::TooLarge);
                }
            }
            b'\r' => {}
            _ => self.line_is_empty = false,
        }
        Ok(())
    }
}

fn body_of(head: &[u8]) -> Result<At, BadHead> {
    let mut body = None;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let said = if name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding") {
            value.eq_ignore_ascii_case(b"chunked").then_some(At::Last)
        } else if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            length(value)
        } else {
            continue;
        };
        if body.is_some() || said.is_none() {
            return Err(BadHead::UnclearLength);
        }
        body = said;
    }
    Ok(body.unwrap_or(At::Head))
}

/// Where a body of `text` bytes leads to; `None`: that is no number.
fn length(text: &[u8]) -> Option<At> {
    // A sign is a number to Rust.
    let text =
        std::str::from_utf8(text).ok().filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(match text.parse().ok()? {
        0 => At::Head,
        length => At::Body(length),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Seen = Seen::Good { head: true };

    fn see(bytes: &[u8]) -> Seen {
        Framing::new().see(bytes)
    }

    #[test]
    fn requests_of_any_length_pass() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\nHost: a\n\nGET /",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nContent-Length: 1\r\n",
            "POST / HTTP/1.1\r\nX-Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(see(text.as_bytes()), GOOD, "{text}");
        }
    }

    #[test]
    fn unclear_lengths_are_seen_in_any_spelling_and_cut_anywhere() {
        let before = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            "transfer-encoding:x\r\nA: b\r\nCONTENT-LENGTH : 3\r\n",
            "Content-Length: 3\nTransfer-Encoding: identity\n",
            "Content-Length: 3\nContent-Length: 3\nTransfer-Encoding: chunked\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: -3\r\n",
            "Content-Length: 0x3\r\n",
            "Content-Length: 3 3\r\n",
            "Content-Length: three\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: \u{b}chunked\r\n",
        ] {
            let text = format!("{before}POST / HTTP/1.1\r\n{headers}\r\n");
            let bad = Seen::Bad { good: before.len(), why: BadHead::UnclearLength };
            assert_eq!(see(text.as_bytes()), bad, "{headers}");
            for cut in 0..text.len() {
                let mut framing = Framing::new();
                let (first, second) = text.as_bytes().split_at(cut);
                assert!(matches!(framing.see(first), Seen::Good { .. }), "{headers} {cut}");
                assert!(
                    matches!(framing.see(second), Seen::Bad { why: BadHead::UnclearLength, .. }),
                    "{headers} {cut}"
                );
            }
        }
    }

    #[test]
    fn a_head_has_8_kib_and_100_headers() {
        let line = "GET / HTTP/1.1\r\n";
        let of = |size: usize| format!("{line}A: {}\r\n\r\n", "x".repeat(size - line.len() - 7));
        assert_eq!(of(LONGEST_HEAD).len(), LONGEST_HEAD);
        assert_eq!(see(of(LONGEST_HEAD).as_bytes()), GOOD);
        let bad = Seen::Bad { good: 0, why: BadHead::TooLarge };
        assert_eq!(see(of(LONGEST_HEAD + 1).as_bytes()), bad);
        assert_eq!(see(&[b'x'; LONGEST_HEAD + 1]), bad);
        assert_eq!(see(format!("{line}{}\r\n", "a:b\r\n".repeat(100)).as_bytes()), GOOD);
        assert_eq!(see(format!("{line}{}\r\n", "a:b\r\n".repeat(101)).as_bytes()), bad);
    }

    #[test]
    fn after_chunks_the_connection_ends() {
        for (text, last) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding:\tChunked \r\n\r\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false),
        ] {
            let mut framing = Framing::new();
            framing.see(text.as_bytes());
            assert_eq!(framing.is_last(), last, "{text}");
        }
    }
}
