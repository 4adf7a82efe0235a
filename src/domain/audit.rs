//! The trail: what operators, the cloud and the gateway itself have done, each row bound to the one before.
//!
//! Owns: the words of a row, how it is bound, and what a broken trail is called. Never: who may do what, or the table.
//! Neighbours: `gate/trail.rs` makes the rows in the transaction of what they tell, `store` keeps them.
//!
//! A row names sessions, entitlements and batches by what the gateway calls them; never a device, a code or a phone.
//! So nothing of a person is in the trail, and it stays as it is when the person is forgotten.
//!
//! The hash of a row is SHA-256, in hex, of seven lines, each with its line end: the hash of the row before (64 zeros
//! before the first), `seq`, `at` (RFC 3339), `clock`, `who`, `action`, `detail`. Whoever can write the database can
//! make up a trail that fits together; not one that ends as the cloud was told.

use std::fmt;

use ring::digest::{SHA256, digest};

use super::{CloudId, Now, Role, Wall};

/// Characters of a field: what somebody can make up does not fill the flash.
const LONGEST: usize = 200;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    Operator(Operator),
    /// The cloud, by that command.
    Cloud(CloudId),
    /// The gateway of itself.
    Gateway,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(operator) => operator.fmt(f),
            Self::Cloud(command) => write!(f, "cloud {command}"),
            Self::Gateway => f.write_str("gateway"),
        }
    }
}

/// Somebody at the control socket or at a terminal, by the kernel's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub uid: u32,
    /// Of the user, if it has one that is known.
    pub name: Option<String>,
    pub role: Role,
    /// Whose session of ubus it was for, by what rpcd says; empty: it does not say.
    pub ubus: Option<String>,
}

impl Operator {
    /// `uid 1001 (asha)`
    pub fn user(&self) -> String {
        let Self { uid, name, .. } = self;
        name.as_ref().map_or_else(|| format!("uid {uid}"), |name| format!("uid {uid} ({name})"))
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.user(), self.role)?;
        match self.ubus.as_deref() {
            None => Ok(()),
            Some("") => f.write_str(", by ubus"),
            Some(user) => write!(f, ", by ubus ({user})"),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Reload,
    ClockSet,
    ClockReset,
    KeyRotate,
    Login,
    Logout,
    VoucherNew,
    VoucherImport,
    VoucherRevoke,
    VoucherReprint,
    Topup,
    Extend,
    Refund,
    Move,
    Merge,
    Block,
    Export,
    Forget,
    Enrol,
    Backup,
    Restore,
    Purge,
    /// Nothing: who asked may not have it done.
    Refused,
}

impl Action {
    /// As the trail has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::ClockSet => "clock_set",
            Self::ClockReset => "clock_reset",
            Self::KeyRotate => "key_rotate",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::VoucherNew => "voucher_new",
            Self::VoucherImport => "voucher_import",
            Self::VoucherRevoke => "voucher_revoke",
            Self::VoucherReprint => "voucher_reprint",
            Self::Topup => "topup",
            Self::Extend => "extend",
            Self::Refund => "refund",
            Self::Move => "move",
            Self::Merge => "merge",
            Self::Block => "block",
            Self::Export => "export",
            Self::Forget => "forget",
            Self::Enrol => "enrol",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Purge => "purge",
            Self::Refused => "refused",
        }
    }
}

/// A row as it is written, and as it is read back, whatever somebody has made of it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Grows by one.
    pub seq: u64,
    pub at: Wall,
    /// `trusted` or `floor`.
    pub clock: String,
    pub who: String,
    pub action: String,
    pub detail: String,
    pub hash: String,
}

impl Noted {
    /// The row that follows `last`.
    pub fn after(last: &End, by: &Actor, action: Action, detail: &str, now: Now) -> Self {
        let mut row = Self {
            seq: last.seq + 1,
            at: now.wall,
            clock: now.trust.word().to_owned(),
            who: one_line(&by.to_string()),
            action: action.word().to_owned(),
            detail: one_line(detail),
            hash: String::new(),
        };
        row.hash = row.bound_to(&last.hash);
        row
    }

    /// The end of a trail that ends with this row.
    pub fn end(&self) -> End {
        End { seq: self.seq, hash: self.hash.clone() }
    }

    fn bound_to(&self, before: &str) -> String {
        let Self { seq, at, clock, who, action, detail, .. } = self;
        let lines = format!("{before}\n{seq}\n{at}\n{clock}\n{who}\n{action}\n{detail}\n");
        digest(&SHA256, lines.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A line stays a line, so that no two rows make the same text, and shows what it is.
fn one_line(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    let mut line: String = text.chars().map(shown).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// Where a trail ends, or begins: the number and the hash of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub seq: u64,
    pub hash: String,
}

impl Default for End {
    fn default() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }
}

/// The end of the trail while a batch is decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    end: End,
    settled: End,
}

impl Trail {
    pub(super) fn restored(end: End) -> Self {
        Self { settled: end.clone(), end }
    }

    pub(super) fn end(&self) -> &End {
        &self.end
    }

    pub(super) fn goes_on(&mut self, row: &Noted) {
        self.end = row.end();
    }

    pub(super) fn settle(&mut self) {
        self.settled.clone_from(&self.end);
    }

    pub(super) fn revert(&mut self) {
        self.end.clone_from(&self.settled);
    }
}

/// Reads a trail row by row, in the order of their numbers, and stops where it is broken.
#[derive(Debug)]
pub struct Verifier {
    last: End,
    rows: u64,
}

impl Verifier {
    /// `base`: the row before the first that is kept.
    pub fn from(base: End) -> Self {
        Self { last: base, rows: 0 }
    }

    /// # Errors
    /// If the row does not follow what was read.
    pub fn read(&mut self, row: &Noted) -> Result<(), Broken> {
        let expected = self.last.seq + 1;
        if row.seq > expected {
            return Err(Broken::Missing { from: expected, to: row.seq - 1 });
        }
        if row.seq < expected || row.bound_to(&self.last.hash) != row.hash {
            return Err(Broken::Changed { seq: row.seq });
        }
        self.last = row.end();
        self.rows += 1;
        Ok(())
    }

    /// How many rows there are, if the trail ends as it should.
    ///
    /// # Errors
    /// If rows are missing at the end, or were put behind it.
    pub fn finish(self, end: &End) -> Result<u64, Broken> {
        if self.last.seq < end.seq {
            return Err(Broken::Missing { from: self.last.seq + 1, to: end.seq });
        }
        if self.last != *end {
            return Err(Broken::Added { after: end.seq });
        }
        Ok(self.rows)
    }
}

/// What is wrong with a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Not what was written, or not where it was written.
    Changed {
        seq: u64,
    },
    Missing {
        from: u64,
        to: u64,
    },
    /// There are rows that nobody has written, behind this one.
    Added {
        after: u64,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "row {seq} is not as it was written"),
            Self::Missing { from, to } if from == to => write!(f, "row {from} is missing"),
            Self::Missing { from, to } => write!(f, "rows {from} to {to} are missing"),
            Self::Added { after } => {
                write!(f, "something was put behind row {after}, the last that was written")
            }
        }
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Boot, Trust};

    fn trail(rows: u64) -> Vec<Noted> {
        let mut end = End::default();
        (1..=rows)
            .map(|n| {
                let now = Now {
                    boot: Boot::from_millis(n),
                    wall: Wall::from_secs(1_800_000_000 + i64::try_from(n).unwrap()),
                    trust: Trust::Trusted,
                };
                let row = Noted::after(&end, &Actor::Gateway, Action::Login, &format!("s-{n}"), now);
                end = row.end();
                row
            })
            .collect()
    }

    fn verified(rows: &[Noted], end: &End) -> Result<u64, Broken> {
        let mut verifier = Verifier::from(End::default());
        rows.iter().try_for_each(|row| verifier.read(row))?;
        verifier.finish(end)
    }

    #[test]
    fn a_trail_as_it_was_written_is_whole() {
        let rows = trail(5);
        assert_eq!(verified(&rows, &rows[4].end()), Ok(5));
        assert_eq!(verified(&[], &End::default()), Ok(0));
    }

    #[test]
    fn whatever_is_changed_in_a_row_is_found() {
        let end = trail(5)[4].end();
        type Change = fn(&mut Noted);
        let changes: [Change; 6] = [
            |row| row.at = row.at.plus(std::time::Duration::from_secs(1)),
            |row| row.clock = "floor".to_owned(),
            |row| row.who = "uid 1".to_owned(),
            |row| row.action = "logout".to_owned(),
            |row| row.detail.push('0'),
            |row| row.hash = "0".repeat(64),
        ];
        for seq in 0..5 {
            for change in changes {
                let mut rows = trail(5);
                change(&mut rows[seq]);
                assert_eq!(verified(&rows, &end), Err(Broken::Changed { seq: seq as u64 + 1 }));
            }
        }
    }

    #[test]
    fn what_is_taken_out_put_in_or_moved_is_found() {
        let end = trail(5)[4].end();
        for seq in 0..5 {
            let mut rows = trail(5);
            rows.remove(seq);
            let missing = seq as u64 + 1;
            assert_eq!(verified(&rows, &end), Err(Broken::Missing { from: missing, to: missing }));
        }
        let mut short = trail(5);
        short.truncate(2);
        assert_eq!(verified(&short, &end), Err(Broken::Missing { from: 3, to: 5 }));
        assert_eq!(verified(&trail(6), &end), Err(Broken::Added { after: 5 }));
        let mut swapped = trail(5);
        swapped.swap(1, 2);
        (swapped[1].seq, swapped[2].seq) = (2, 3);
        assert_eq!(verified(&swapped, &end), Err(Broken::Changed { seq: 2 }));
        let mut inserted = trail(5);
        let twice = inserted[2].clone();
        inserted.insert(3, twice);
        assert_eq!(verified(&inserted, &end), Err(Broken::Changed { seq: 3 }));
    }

    #[test]
    fn a_row_is_seven_lines_whatever_is_in_it() {
        let now = Now { boot: Boot::from_millis(1), wall: Wall::from_secs(0), trust: Trust::Floor };
        let row = Noted::after(&End::default(), &Actor::Gateway, Action::Start, "a\nb\u{1b}c\u{202e}d", now);
        assert_eq!(row.detail, "a\u{fffd}b\u{fffd}c\u{fffd}d");
        let long = Noted::after(&row.end(), &Actor::Gateway, Action::Start, &"ä".repeat(100_000), now);
        assert_eq!(long.detail, "ä".repeat(LONGEST) + "…");
    }

    /// What an integrator of a cloud can hold its own reckoning against.
    #[test]
    fn the_rows_of_the_test_vectors_have_the_hashes_that_are_told() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/audit.json")).unwrap();
        let mut verifier = Verifier::from(End::default());
        for row in vectors["rows"].as_array().unwrap() {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            let row = Noted {
                seq: row["seq"].as_u64().unwrap(),
                at: Wall::parse(&text("at")).unwrap(),
                clock: text("clock"),
                who: text("who"),
                action: text("action"),
                detail: text("detail"),
                hash: text("hash"),
            };
            assert_eq!(verifier.read(&row), Ok(()));
        }
    }
}
