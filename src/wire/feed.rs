//! The feed: what a cloud sends about a site, read and checked before anything of it counts.
//!
//! Owns: the JSON of a page and of a lookup's answer, the order in which pages must come, the digest over
//! all rows, whose signature a page bears. A page that is refused is refused whole and changes nothing.
//! Never: sockets, the store, what an op brings about.
//! Neighbours: `sync` fetches, `domain::feed` has the words, `events` is the other direction.

mod fields;
mod ops;
mod order;

use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde_json::value::RawValue;

pub use self::fields::FieldError;
use self::fields::{Fields, needed};
pub use self::ops::{Ops, RefusedOp};
pub use self::order::Refusal;
use crate::domain::{Cursor, RowName, Seq, Signature, SigningKey, SiteKey, Wall};
pub use crate::domain::{Stand, Walk};

/// Longest body, in bytes, before and after compression.
pub const BODY_MAX: usize = 1024 * 1024;
/// Most ops of a page. A page of the size that is asked for has 2,000.
pub const OPS_MAX: usize = 16 * 1024;
/// Longest pause that a cloud can ask for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub site: String,
    /// The cursor that the page follows; `None`: it is the first.
    pub since: Option<Cursor>,
    /// It is part of a reset: what no page of the reset holds is gone.
    pub full: bool,
    /// Past this a signed page does not count.
    pub not_after: Option<Wall>,
    pub ops: Ops,
    pub cursor: Cursor,
    /// Ask again at once.
    pub more: bool,
    /// SHA-256 over the names of all live rows.
    pub digest: Option<[u8; 32]>,
    /// Up to which event the cloud had read when it made the page.
    pub acked: Option<Seq>,
    /// Do not ask again before.
    pub min_wait: Duration,
    pub time: Option<Wall>,
}

impl Page {
    /// Reads a page. What came in the clear becomes keys under `site`.
    ///
    /// # Errors
    /// If it is too large, or anything but its ops is not as it should be: [`Refusal::TooLarge`],
    /// [`Refusal::Malformed`].
    pub fn read(body: &[u8], site: &SiteKey) -> Result<Self, Refusal> {
        let mut fields = open(body)?;
        let min_wait = Duration::from_secs(fields.get("min_wait_s")?.unwrap_or(0)).min(WAIT_MAX);
        let mut page = Self {
            site: fields.need("site")?,
            since: needed("since", fields.read("since", since)?)?,
            full: fields.need("full")?,
            not_after: fields.read("not_after", Wall::parse)?,
            ops: ops(&mut fields, site)?,
            cursor: needed("cursor", fields.parse("cursor")?)?,
            more: fields.need("more")?,
            digest: fields.read("digest", sha256)?,
            acked: fields.get("acked")?.map(Seq),
            min_wait,
            time: fields.read("time", Wall::parse)?,
        };
        page.ops.skipped_fields = page.ops.skipped_fields.saturating_add(fields.left());
        Ok(page)
    }
}

/// Reads the answer to a lookup: ops without a cursor.
///
/// # Errors
/// As of [`Page::read`].
pub fn read_found(body: &[u8], site: &SiteKey) -> Result<Ops, Refusal> {
    let mut fields = open(body)?;
    let mut ops = ops(&mut fields, site)?;
    ops.skipped_fields = ops.skipped_fields.saturating_add(fields.left());
    Ok(ops)
}

/// Whether the holder of `key` signed `body`, which is the page before compression. `header`:
/// `Lango-Signature`, as it came.
///
/// # Errors
/// [`Refusal::Unsigned`] and [`Refusal::WrongSignature`].
pub fn verify(body: &[u8], header: Option<&str>, key: &SigningKey) -> Result<(), Refusal> {
    let made = header.ok_or(Refusal::Unsigned)?.trim().strip_prefix("ed25519=");
    let signature: Signature = made.and_then(|text| text.parse().ok()).ok_or(Refusal::WrongSignature)?;
    if key.signed(body, &signature) { Ok(()) } else { Err(Refusal::WrongSignature) }
}

/// SHA-256 over the names of rows, a line each. They must come in their order, as the digest's lines do.
pub fn digest(names: impl IntoIterator<Item = RowName>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for name in names {
        context.update(name.to_string().as_bytes());
        context.update(b"\n");
    }
    let mut digest = [0; 32];
    digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    digest
}

fn open(body: &[u8]) -> Result<Fields<'_>, Refusal> {
    if body.len() > BODY_MAX {
        return Err(Refusal::TooLarge);
    }
    let text = std::str::from_utf8(body).ok().and_then(Fields::of);
    text.ok_or(Refusal::Malformed(FieldError {
        field: "body",
        what: "is no JSON object with each field once",
    }))
}

fn ops(fields: &mut Fields<'_>, site: &SiteKey) -> Result<Ops, Refusal> {
    let field = "ops";
    let raw = needed(field, fields.raw(field))?;
    let raw: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| Refusal::Malformed(FieldError { field, what: "has the wrong type" }))?;
    if raw.len() > OPS_MAX {
        return Err(Refusal::Malformed(FieldError { field, what: "are more than a page may hold" }));
    }
    Ok(Ops::read(&raw, site))
}

/// A cursor, or the empty text of the first page.
fn since(text: &str) -> Option<Option<Cursor>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests;
