//! Netlink: messages and attributes, written and read.
//!
//! Owns: framing (RFC 3549 and `linux/netlink.h`), alignment, the error message with its extended part.
//! Never: what a message means; see `nftables`, `neighbour`, `conntrack`.
//! Headers are in the byte order of the machine; what stands in attributes depends on the subsystem.

use std::fmt;

/// Message flags (`NLM_F_*`).
pub(super) const REQUEST: u16 = 0x001;
pub const MULTI: u16 = 0x002;
pub const ACK: u16 = 0x004;
pub const DUMP_INTERRUPTED: u16 = 0x010;
pub const DUMP: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const CAPPED: u16 = 0x100;
const EXTENDED: u16 = 0x200;
const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// Messages one after the other, as one datagram carries them.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
}

impl Writer {
    /// Appends a message: `header` is the fixed part of its subsystem, `body` writes the attributes.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        header: &[u8],
        body: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(header);
        pad(&mut self.bytes);
        body(&mut Attributes { bytes: &mut self.bytes });
        let length = u32::try_from(self.bytes.len() - start).expect("a message is below 4 GiB");
        patch(&mut self.bytes, start, &length.to_ne_bytes());
    }

    /// Sets these flags of the last message.
    pub(super) fn flag_last(&mut self, flags: u16) {
        let Some(at) = self.starts.last().map(|start| start + 6) else { return };
        if let Some(before) = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()) {
            let after = u16::from_ne_bytes(*before) | flags;
            patch(&mut self.bytes, at, &after.to_ne_bytes());
        }
    }

    /// Numbers the messages from `first` on.
    pub(super) fn number(&mut self, first: u32) {
        for (start, number) in self.starts.iter().zip(first..) {
            patch(&mut self.bytes, start + 8, &number.to_ne_bytes());
        }
    }

    /// Everything written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Where the attributes of one message go.
pub(super) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    /// An attribute with these bytes, as they are.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.begin(kind);
        self.bytes.extend(value);
        self.end(start);
    }

    /// A text, terminated by a zero byte.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let start = self.begin(kind);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
        self.end(start);
    }

    /// A number in network byte order, as netfilter wants it.
    pub(super) fn be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A number in network byte order, as netfilter wants it.
    pub(super) fn be64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// An attribute made of attributes. The caller keeps it below 64 KiB.
    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.begin(kind | NESTED);
        body(&mut Attributes { bytes: self.bytes });
        self.end(start);
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).expect("an attribute is below 64 KiB");
        patch(self.bytes, start, &length.to_ne_bytes());
        pad(self.bytes);
    }
}

const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(aligned(bytes.len()), 0);
}

fn patch(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (slot, byte) in bytes.iter_mut().skip(at).zip(value) {
        *slot = *byte;
    }
}

/// One message, as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// Port of the socket whose request this answers or tells of; 0: the kernel by itself.
    pub port: u32,
    pub payload: &'a [u8],
}

/// What a message says about the request with its sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Content.
    Content(Message<'a>),
    /// The dump is complete.
    Done,
    /// The request was carried out.
    Acknowledged,
    /// The request was refused.
    Refused(Refusal),
}

/// Why the kernel refused a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `errno`, positive.
    pub code: i32,
    /// The kernel's own words.
    pub text: Option<String>,
    /// Where in the message the wrong attribute stands.
    pub offset: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.code))?;
        if let Some(text) = &self.text {
            write!(f, ": {}", text.escape_debug())?;
        }
        if let Some(offset) = self.offset {
            write!(f, " (at byte {offset})")?;
        }
        Ok(())
    }
}

impl<'a> Message<'a> {
    /// What the message says; `None`: an error message too short to be one.
    pub fn part(self) -> Option<Part<'a>> {
        match self.kind {
            DONE => Some(match i32_at(self.payload, 0).filter(|code| *code != 0) {
                None => Part::Done,
                Some(code) => Part::Refused(Refusal { code: code.saturating_neg(), ..Refusal::default() }),
            }),
            ERROR => match i32_at(self.payload, 0)? {
                0 => Some(Part::Acknowledged),
                code => Some(Part::Refused(self.refusal(code.saturating_neg()))),
            },
            _ => Some(Part::Content(self)),
        }
    }

    /// `nlmsgerr`: the code, the header of the refused request and, unless capped, the rest of it; then
    /// attributes if the flag says so.
    fn refusal(&self, code: i32) -> Refusal {
        let mut refusal = Refusal { code, ..Refusal::default() };
        if self.flags & EXTENDED == 0 {
            return refusal;
        }
        let request = if self.flags & CAPPED != 0 { Some(HEADER) } else { usize_at(self.payload, 4) };
        let rest = request.and_then(|length| self.payload.get(aligned(length).checked_add(4)?..));
        for (kind, value) in attributes(rest.unwrap_or_default()) {
            match kind {
                1 => refusal.text = text(value),
                2 => refusal.offset = value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)),
                _ => {}
            }
        }
        refusal
    }
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// The messages of a datagram; ends before the first that is cut short or lies about its length.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, k, l, f, g, s, t, u, v, p, q, r, w] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let payload = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k, l]),
            flags: u16::from_ne_bytes([f, g]),
            sequence: u32::from_ne_bytes([s, t, u, v]),
            port: u32::from_ne_bytes([p, q, r, w]),
            payload,
        })
    })
}

/// The attributes in `bytes`, kind and value; ends before the first that is cut short or lies about its
/// length.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_first_chunk::<4>()?;
        let [a, b, k, l] = *header;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k, l]) & TYPE_MASK, value))
    })
}

/// The first attribute of this kind.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// A text up to its zero byte; `None`: not UTF-8.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let text = value.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// A number in network byte order.
pub(super) fn be32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A number in network byte order.
pub(super) fn be64(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(0x0a00, REQUEST | CREATE, 7, &[1, 0, 0, 0], |a| {
            a.text(1, "lango");
            a.nest(2, |a| {
                a.be32(1, 5);
                a.be64(2, 1 << 40);
            });
        });
        writer.message(0x0a01, ACK, 8, &[2], |a| a.put(3, &[9, 9, 9]));
        writer.into_bytes()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        let read: Vec<_> = messages(&bytes).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].flags, read[0].sequence), (0x0a00, REQUEST | CREATE, 7));
        let body = &read[0].payload[4..];
        assert_eq!(find(body, 1).and_then(text).as_deref(), Some("lango"));
        let inner = find(body, 2).unwrap();
        assert_eq!(find(inner, 1).and_then(be32), Some(5));
        assert_eq!(find(inner, 2).and_then(be64), Some(1 << 40));
        assert_eq!(find(&read[1].payload[4..], 3), Some(&[9, 9, 9][..]));
    }

    #[test]
    fn refusals_carry_the_kernels_words() {
        let mut header = (-17_i32).to_ne_bytes().to_vec();
        header.extend([0; 16]);
        let mut writer = Writer::default();
        writer.message(ERROR, CAPPED | EXTENDED, 3, &header, |a| {
            a.text(1, "no \u{1b}room");
            a.put(2, &20_u32.to_ne_bytes());
        });
        let bytes = writer.into_bytes();
        let Some(Part::Refused(refusal)) = messages(&bytes).next().unwrap().part() else { panic!() };
        assert_eq!(refusal, Refusal { code: 17, text: Some("no \u{1b}room".into()), offset: Some(20) });
        assert!(refusal.to_string().contains(r"no \u{1b}room (at byte 20)"), "{refusal}");
    }

    #[test]
    fn every_truncation_is_read_without_a_panic_and_without_inventing_messages() {
        let bytes = sample();
        for length in 0..bytes.len() {
            let read: Vec<_> = messages(&bytes[..length]).collect();
            assert!(read.len() < 2, "{length}");
            for message in read {
                assert!(attributes(message.payload).count() < 9);
            }
        }
    }

    #[test]
    fn lying_lengths_end_the_reading() {
        for length in [0_u32, 1, 15, 17, u32::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([0; 12]);
            assert_eq!(messages(&bytes).count(), 0, "{length}");
        }
        for length in [0_u16, 1, 3, 9, u16::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 7, 7, 7, 7]);
            assert_eq!(attributes(&bytes).count(), 0, "{length}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_u16..5) {
            for message in messages(&bytes) {
                let _ = message.part();
                let _ = Message { kind, flags: 0x300, ..message }.part();
                for (_, value) in attributes(message.payload) {
                    let _ = (text(value), be32(value), be64(value), attributes(value).count());
                }
            }
            let _ = Message { kind, flags: 0x200, sequence: 0, port: 0, payload: &bytes }.part();
        }
    }
}
