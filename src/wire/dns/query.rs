//! A guest's question, and the answer to it.

use std::net::IpAddr;

use super::name::Pointers;
use super::{
    CHECKING_DISABLED, HEADER, Header, IN, Kind, Name, OPCODE, PAYLOAD, RECURSION_AVAILABLE,
    RECURSION_DESIRED, RESPONSE, Reader, TRUNCATED,
};

/// A message of a guest that is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Query(Query),
    /// An operation other than to ask, with the answer to it.
    Unknown(Vec<u8>),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: Name,
    pub kind: Kind,
    class: u16,
    edns: Option<Edns>,
    message: Vec<u8>,
    /// Where the question ends in `message`.
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edns {
    payload: u16,
    version: u8,
}

/// How it went, as RFC 1035 and RFC 6891 number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Fine = 0,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
    BadVersion = 16,
}

/// What a question is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: Code,
    pub addresses: Vec<IpAddr>,
    /// Seconds.
    pub ttl: u32,
}

/// What a guest has sent; `None`: nothing that is owed an answer.
pub fn read(message: Vec<u8>) -> Option<Received> {
    let mut reader = Reader::new(&message);
    let header = reader.header()?;
    if header.flags & RESPONSE != 0 {
        return None;
    }
    if header.flags & OPCODE != 0 {
        return Some(Received::Unknown(not_implemented(&header)));
    }
    if (header.questions, header.answers, header.authorities) != (1, 0, 0) {
        return None;
    }
    let name = Name::read(&mut reader, Pointers::Refused)?;
    let (kind, class) = (Kind(reader.u16()?), reader.u16()?);
    let end = reader.at;
    let edns = extension(&mut reader, header.additionals)?;
    Some(Received::Query(Query { name, kind, class, edns, message, end }))
}

/// `message` under another number.
pub fn with_id(message: &[u8], id: u16) -> Vec<u8> {
    id.to_be_bytes().into_iter().chain(message.iter().skip(2).copied()).collect()
}

impl Query {
    /// Why the question cannot be answered, whatever its name.
    pub fn fault(&self) -> Option<Code> {
        if self.edns.is_some_and(|edns| edns.version > 0) {
            Some(Code::BadVersion)
        } else if self.class != IN {
            Some(Code::Refused)
        } else {
            None
        }
    }

    /// The question as it came, for somebody else to answer.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Bytes that an answer over UDP may have.
    pub fn room(&self) -> usize {
        self.edns.map_or(512, |edns| edns.payload.clamp(512, PAYLOAD)).into()
    }

    /// The answer, of at most `room` bytes; what does not fit is left to another try over TCP.
    pub fn answer(&self, reply: &Reply, room: usize) -> Vec<u8> {
        let whole = self.written(reply.code, &reply.addresses, reply.ttl, 0);
        if whole.len() <= room { whole } else { self.truncated() }
    }

    /// What somebody else has answered to [`Query::message`], as the answer to this; `None`: it cannot be.
    pub fn relayed(&self, answer: &[u8], room: usize) -> Option<Vec<u8>> {
        if answer.len() > room {
            return Some(self.truncated());
        }
        let id = self.message.get(..2)?;
        let flags = answer.get(2..HEADER)?;
        let question = self.message.get(HEADER..self.end)?;
        Some([id, flags, question, answer.get(self.end..)?].concat())
    }

    fn truncated(&self) -> Vec<u8> {
        self.written(Code::Fine, &[], 0, TRUNCATED)
    }

    fn written(&self, code: Code, addresses: &[IpAddr], ttl: u32, more: u16) -> Vec<u8> {
        let code = code as u16;
        let asked =
            self.message.get(2..4).and_then(|flags| flags.try_into().ok()).map_or(0, u16::from_be_bytes);
        let kept = asked & (RECURSION_DESIRED | CHECKING_DISABLED);
        let flags = RESPONSE | RECURSION_AVAILABLE | kept | more | (code & 0xf);
        let count = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
        let mut bytes = self.message.get(..2).unwrap_or_default().to_vec();
        for field in [flags, 1, count, 0, self.edns.is_some().into()] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(self.message.get(HEADER..self.end).unwrap_or_default());
        for address in addresses.iter().take(count.into()) {
            write_address(&mut bytes, *address, ttl);
        }
        if self.edns.is_some() {
            write_extension(&mut bytes, code);
        }
        bytes
    }
}

/// A record of the name that was asked for, which stands behind the header.
fn write_address(bytes: &mut Vec<u8>, address: IpAddr, ttl: u32) {
    let (kind, data) = match address {
        IpAddr::V4(v4) => (Kind::A, v4.octets().to_vec()),
        IpAddr::V6(v6) => (Kind::AAAA, v6.octets().to_vec()),
    };
    bytes.extend([0xc0, 12]);
    bytes.extend(kind.0.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(data);
}

/// The OPT record of ours; the upper bits of `code` stand in it.
pub(super) fn write_extension(bytes: &mut Vec<u8>, code: u16) {
    bytes.push(0);
    bytes.extend(Kind::OPT.0.to_be_bytes());
    bytes.extend(PAYLOAD.to_be_bytes());
    bytes.extend([u8::try_from(code >> 4).unwrap_or(0), 0, 0, 0]);
    bytes.extend([0, 0]);
}

fn not_implemented(header: &Header) -> Vec<u8> {
    let flags = RESPONSE | (header.flags & (OPCODE | RECURSION_DESIRED)) | Code::NotImplemented as u16;
    [header.id, flags, 0, 0, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

/// The OPT record among the last records of a question, which end the message; the outer `None`: they do not.
fn extension(reader: &mut Reader<'_>, records: u16) -> Option<Option<Edns>> {
    let mut found = None;
    for _ in 0..records {
        let owner = Name::read(reader, Pointers::Followed)?;
        let record = reader.record()?;
        if record.kind == Kind::OPT {
            if found.is_some() || owner.wire() != [0] {
                return None;
            }
            let [_, version, ..] = record.ttl.to_be_bytes();
            found = Some(Edns { payload: record.class, version });
        }
    }
    reader.is_at_end().then_some(found)
}
