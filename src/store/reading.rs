//! The last reading of all meters that moved, in one value of one row.
//!
//! Owns: how it is packed, and that a meter's own row counts only where it is younger. Never: decides when
//! one is taken. Neighbours: `write/readings.rs` keeps it and moves it into the rows, `read.rs` puts it over them.
//!
//! A reading comes with every checkpoint, and each page it changes costs flash. In rows of their own a hundred meters
//! are twelve pages of a kilobyte, packed they are four.
//!
//! Layout, all numbers LEB128: how many stamps, and for each its entitlement (more than the one before it), age (below the
//! youngest's `at`, which comes first), used, validity left and end on the wall (each 0: none, else one more), bytes up
//! and down, downtime; how many sessions, and for each its id (more than the one before it), bytes up and down. Zeros
//! follow, so that one reading takes the place of another of the same length.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;

use crate::domain::{Boot, Bytes, EntitlementId, SessionId, Stamp, Traffic, Usage, Wall};

/// A packed reading is a multiple of this long.
const STEP: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) stamps: BTreeMap<EntitlementId, Stamp>,
    pub(super) counts: BTreeMap<SessionId, Usage>,
}

impl Reading {
    /// The one that is kept; without one: nothing in it.
    pub(super) fn kept(conn: &Connection) -> rusqlite::Result<Self> {
        conn.query_row("SELECT reading FROM meta", [], |row| row.get::<_, Option<Vec<u8>>>(0))
            .and_then(|packed| Self::unpacked_or_none(packed.as_deref()))
    }

    pub(super) fn unpacked_or_none(packed: Option<&[u8]>) -> rusqlite::Result<Self> {
        let Some(packed) = packed else { return Ok(Self::default()) };
        Self::unpacked(packed).ok_or_else(|| super::read::foreign(0))
    }

    /// What it says of an entitlement that has not ended and whose row is of then.
    pub(super) fn stamp_since(&self, row: Boot, of: EntitlementId) -> Option<&Stamp> {
        self.stamps.get(&of).filter(|stamp| row <= stamp.at)
    }

    /// What it says of a session that is open.
    pub(super) fn count(&self, of: SessionId) -> Option<Traffic> {
        self.counts.get(&of).map(|usage| usage.used())
    }

    pub(super) fn packed(&self) -> Vec<u8> {
        let youngest = self.stamps.values().map(|stamp| stamp.at.as_millis()).max().unwrap_or_default();
        let mut out = Packed(Vec::with_capacity(STEP));
        out.put(self.stamps.len() as u64);
        out.put(youngest);
        let mut before = 0;
        for stamp in self.stamps.values() {
            out.put(stamp.entitlement.0 - before);
            before = stamp.entitlement.0;
            out.put(youngest - stamp.at.as_millis());
            out.put(millis(stamp.used));
            out.put_option(stamp.validity_left.map(millis));
            // No end lies before 1970.
            out.put_option(stamp.expires.map(|end| u64::try_from(end.as_secs()).unwrap_or_default()));
            out.put(stamp.bytes_up.0);
            out.put(stamp.bytes_down.0);
            out.put(millis(stamp.downtime));
        }
        out.put(self.counts.len() as u64);
        let mut before = 0;
        for count in self.counts.values() {
            out.put(count.session.0 - before);
            before = count.session.0;
            out.put(count.up.0);
            out.put(count.down.0);
        }
        out.0.resize(out.0.len().next_multiple_of(STEP), 0);
        out.0
    }

    /// `None`: it is not one.
    fn unpacked(packed: &[u8]) -> Option<Self> {
        let mut rest = Unread(packed);
        let mut found = Self::default();
        let (stamps, youngest) = (rest.take()?, rest.take()?);
        let mut before = 0_u64;
        for _ in 0..stamps {
            before = before.checked_add(rest.take()?)?;
            let stamp = Stamp {
                entitlement: EntitlementId(before),
                at: Boot::from_millis(youngest.checked_sub(rest.take()?)?),
                used: Duration::from_millis(rest.take()?),
                validity_left: rest.take_option()?.map(Duration::from_millis),
                expires: rest.take_option()?.map(i64::try_from).transpose().ok()?.map(Wall::from_secs),
                bytes_up: Bytes(rest.take()?),
                bytes_down: Bytes(rest.take()?),
                downtime: Duration::from_millis(rest.take()?),
            };
            found.stamps.insert(stamp.entitlement, stamp);
        }
        let mut before = 0_u64;
        for _ in 0..rest.take()? {
            before = before.checked_add(rest.take()?)?;
            let session = SessionId(before);
            let (up, down) = (Bytes(rest.take()?), Bytes(rest.take()?));
            found.counts.insert(session, Usage { session, up, down });
        }
        rest.0.iter().all(|byte| *byte == 0).then_some(found)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

struct Packed(Vec<u8>);

impl Packed {
    fn put(&mut self, mut n: u64) {
        while n > 0x7F {
            self.0.push(n.to_le_bytes()[0] | 0x80);
            n >>= 7;
        }
        self.0.push(n.to_le_bytes()[0]);
    }

    fn put_option(&mut self, n: Option<u64>) {
        self.put(n.map_or(0, |n| n.saturating_add(1)));
    }
}

struct Unread<'a>(&'a [u8]);

impl Unread<'_> {
    fn take(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            n |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn take_option(&mut self) -> Option<Option<u64>> {
        self.take().map(|n| n.checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What SQLite keeps of a number.
    fn number() -> impl Strategy<Value = u64> {
        0..u64::try_from(i64::MAX).unwrap()
    }

    fn span() -> impl Strategy<Value = Duration> {
        number().prop_map(Duration::from_millis)
    }

    fn stamps() -> impl Strategy<Value = Stamp> {
        let end = (0..i64::MAX).prop_map(Wall::from_secs);
        let clocks = (number(), span(), span(), proptest::option::of(span()), proptest::option::of(end));
        (number(), clocks, number(), number()).prop_map(|(id, clocks, up, down)| {
            let (at, downtime, used, validity_left, expires) = clocks;
            Stamp {
                entitlement: EntitlementId(id),
                at: Boot::from_millis(at),
                downtime,
                used,
                validity_left,
                expires,
                bytes_up: Bytes(up),
                bytes_down: Bytes(down),
            }
        })
    }

    fn counts() -> impl Strategy<Value = Usage> {
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(id, up, down)| Usage {
            session: SessionId(id),
            up: Bytes(up),
            down: Bytes(down),
        })
    }

    fn reading(stamps: Vec<Stamp>, counts: Vec<Usage>) -> Reading {
        Reading {
            stamps: stamps.into_iter().map(|stamp| (stamp.entitlement, stamp)).collect(),
            counts: counts.into_iter().map(|count| (count.session, count)).collect(),
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_again(
            stamps in proptest::collection::vec(stamps(), 0..40),
            counts in proptest::collection::vec(counts(), 0..40),
        ) {
            let reading = reading(stamps, counts);
            let packed = reading.packed();
            prop_assert_eq!(packed.len() % STEP, 0);
            prop_assert_eq!(Reading::unpacked(&packed), Some(reading));
        }

        #[test]
        fn what_is_no_reading_is_none_or_another_one(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(reading) = Reading::unpacked(&bytes) {
                prop_assert_eq!(Reading::unpacked(&reading.packed()), Some(reading));
            }
        }
    }

    #[test]
    fn nothing_and_a_cut_one_are_told_apart() {
        assert_eq!(Reading::unpacked_or_none(None).unwrap(), Reading::default());
        assert!(Reading::unpacked_or_none(Some(&[])).is_err());
        assert!(Reading::unpacked_or_none(Some(&[1, 5])).is_err());
        assert!(Reading::unpacked_or_none(Some(&[0x80; 300])).is_err());
    }
}
