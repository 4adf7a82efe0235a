//! Our own questions to a resolver, and what it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::Pointers;
use super::query::write_extension;
use super::{IN, Kind, Name, OPCODE, RCODE, RECURSION_DESIRED, RESPONSE, Reader, Record, TRUNCATED};

/// Records that are looked at: far more than any host needs.
const MOST_RECORDS: usize = 64;
/// Addresses that are taken over.
const MOST_ADDRESSES: usize = 16;
/// Aliases that are followed.
const MOST_ALIASES: usize = 8;
/// How it went, where it went well.
const FINE: u16 = 0;
const NO_SUCH_NAME: u16 = 3;

/// What a resolver said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    code: u16,
    /// There is more, over TCP.
    pub truncated: bool,
    /// It says more than that there is nothing.
    pub has_records: bool,
    /// Of the name that was asked for, or of what it is an alias of.
    pub addresses: Vec<IpAddr>,
    /// Seconds all of that holds.
    pub ttl: u32,
}

impl Response {
    /// The name exists, with what was asked for or without.
    pub fn is_fine(&self) -> bool {
        self.code == FINE
    }

    /// The name does not exist.
    pub fn denies(&self) -> bool {
        self.code == NO_SUCH_NAME
    }
}

/// A question of ours.
pub fn question(id: u16, name: &Name, kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [id, RECURSION_DESIRED, 1, 0, 0, 1] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(name.wire());
    bytes.extend(kind.0.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    write_extension(&mut bytes, 0);
    bytes
}

/// Reads the answer to the question `id` for `kind` of `name`; `None`: it is not that, or not well formed.
pub fn read_response(message: &[u8], id: u16, name: &Name, kind: Kind) -> Option<Response> {
    let mut reader = Reader::new(message);
    let header = reader.header()?;
    let is_answer =
        header.id == id && header.flags & (RESPONSE | OPCODE) == RESPONSE && header.questions == 1;
    let same = is_answer
        && Name::read(&mut reader, Pointers::Refused)? == *name
        && (Kind(reader.u16()?), reader.u16()?) == (kind, IN);
    if !same {
        return None;
    }
    let response = Response {
        code: header.flags & RCODE,
        truncated: header.flags & TRUNCATED != 0,
        has_records: header.answers > 0 || header.authorities > 0,
        ..Response::default()
    };
    if response.truncated {
        return Some(response);
    }
    let mut records = Vec::new();
    for _ in 0..usize::from(header.answers).min(MOST_RECORDS) {
        let owner = Name::read(&mut reader, Pointers::Followed)?;
        records.push((owner, reader.record()?));
    }
    let (addresses, ttl) = addresses(message, &records, name, kind)?;
    Some(Response { addresses, ttl, ..response })
}

/// The addresses of `name`, and how long all of them hold; `None`: a record is not what it says.
fn addresses(
    message: &[u8],
    records: &[(Name, Record<'_>)],
    name: &Name,
    kind: Kind,
) -> Option<(Vec<IpAddr>, u32)> {
    let mut owner = name.clone();
    let mut ttl = u32::MAX;
    for _ in 0..MOST_ALIASES {
        let Some(alias) = of(records, &owner, Kind::CNAME).next() else { break };
        ttl = ttl.min(alias.ttl);
        owner = Name::read(&mut Reader { message, at: alias.data_at }, Pointers::Followed)?;
    }
    let mut found = Vec::new();
    for record in of(records, &owner, kind).take(MOST_ADDRESSES) {
        ttl = ttl.min(record.ttl);
        found.extend(address(record)?);
    }
    Some((found, if ttl == u32::MAX { 0 } else { ttl }))
}

fn of<'a>(
    records: &'a [(Name, Record<'a>)],
    owner: &Name,
    kind: Kind,
) -> impl Iterator<Item = &'a Record<'a>> {
    let own = move |(name, record): &&(Name, Record<'_>)| {
        name == owner && record.kind == kind && record.class == IN
    };
    records.iter().filter(own).map(|(_, record)| record)
}

/// The address in `record`, if it is one of addresses; the outer `None`: it is malformed.
fn address(record: &Record<'_>) -> Option<Option<IpAddr>> {
    Some(match record.kind {
        Kind::A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(record.data).ok()?).into()),
        Kind::AAAA => Some(Ipv6Addr::from(<[u8; 16]>::try_from(record.data).ok()?).into()),
        Kind(_) => None,
    })
}
