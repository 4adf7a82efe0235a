//! DNS on the wire: the questions of guests, answers to them, and what a resolver said.
//!
//! Owns: as much of RFC 1035 and of EDNS(0) as a responder needs that gives out addresses: one question of
//! class IN, records of addresses, aliases on the way to them. Strict: what is not well formed is nothing.
//! Never: what a name is answered with. Neighbour: `dns` asks and answers.
//!
//! Names are compared in lower case and sent back as they came, byte for byte: a resolver in between may
//! have mixed their cases to know its answer again.

mod name;
mod query;
mod response;

pub use name::Name;
pub use query::{Code, Query, Received, Reply, read, with_id};
pub use response::{Response, question, read_response};

/// What is asked for: the type of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub u16);

impl Kind {
    /// Addresses of IPv4.
    pub const A: Self = Self(1);
    /// Addresses of IPv6.
    pub const AAAA: Self = Self(28);
    const CNAME: Self = Self(5);
    const OPT: Self = Self(41);
}

/// The class of the internet, the only one there is.
const IN: u16 = 1;
const HEADER: usize = 12;
/// What we take over UDP, and what we send: fits into every path without fragments.
const PAYLOAD: u16 = 1232;

/// Flags of the header.
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
const CHECKING_DISABLED: u16 = 0x0010;
const RCODE: u16 = 0x000f;

/// Reads a message from its start.
#[derive(Debug)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// The header of a message.
struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

/// A record but its owner's name, which is read with or without pointers.
struct Record<'a> {
    kind: Kind,
    class: u16,
    ttl: u32,
    data: &'a [u8],
    /// Where `data` stands in the message, for names in it.
    data_at: usize,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn header(&mut self) -> Option<Header> {
        Some(Header {
            id: self.u16()?,
            flags: self.u16()?,
            questions: self.u16()?,
            answers: self.u16()?,
            authorities: self.u16()?,
            additionals: self.u16()?,
        })
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let (kind, class, ttl) = (Kind(self.u16()?), self.u16()?, self.u32()?);
        let length = self.u16()?.into();
        let data_at = self.at;
        Some(Record { kind, class, ttl, data: self.take(length)?, data_at })
    }

    fn is_at_end(&self) -> bool {
        self.at == self.message.len()
    }
}

#[cfg(test)]
mod tests;
