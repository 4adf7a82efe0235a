//! The outbox, as SQL: facts that wait for the cloud to have them.
//!
//! Owns: the statements for `outbox`, its bound, and that a fact which a later one says again goes when that
//! one comes. Never: the JSON of a fact (`wire::events`), or when it is sent.

use rusqlite::{Connection, Row, Statement, params};

use super::int;
use crate::domain::{AccountKey, CodeKey, Fact, Forgotten, ReferenceKey, Reported, RowName, Seq, SessionId};
use crate::store::StoreError;
use crate::store::vault::OVERHEAD;
use crate::wire::events;

/// Bytes of events that may wait. Beyond, what sessions have used so far goes; facts that nothing says again
/// stay all the same: 40,000 of them fit, which is a month without a cloud at 400 sessions a day.
const OUTBOX_MAX: u64 = 8 * 1024 * 1024;

/// How many facts wait, and how many bytes they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Waiting {
    pub(in crate::store) facts: u64,
    pub(in crate::store) bytes: u64,
}

impl Waiting {
    fn less(self, gone: Self) -> Self {
        Self { facts: self.facts.saturating_sub(gone.facts), bytes: self.bytes.saturating_sub(gone.bytes) }
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(Self { facts: number(0)?, bytes: number(1)? })
    }
}

/// The statements that write facts for the cloud.
pub(super) struct Outbox<'c> {
    add: Statement<'c>,
    drop_usage_of: Statement<'c>,
    drop_a_usage: Statement<'c>,
    count: Statement<'c>,
    drop_acked: Statement<'c>,
    all: Statement<'c>,
    change: Statement<'c>,
    /// None: not counted yet, or not for sure any more.
    waiting: Option<Waiting>,
}

impl<'c> Outbox<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            add: conn.prepare(
                "INSERT INTO outbox (at, event, usage, code) VALUES (?1, sealed('outbox.event', NULL, ?2), ?3, ?4)",
            )?,
            drop_usage_of: conn.prepare(&format!(
                "DELETE FROM outbox WHERE usage = ?1 RETURNING length(event) - {OVERHEAD}"
            ))?,
            drop_a_usage: conn.prepare(&format!(
                "DELETE FROM outbox WHERE seq = (SELECT min(seq) FROM outbox WHERE usage IS NOT NULL)
                 RETURNING length(event) - {OVERHEAD}"
            ))?,
            count: conn.prepare(&format!(
                "SELECT count(*), ifnull(sum(length(event) - {OVERHEAD}), 0) FROM outbox
                 WHERE seq <= ?1 AND opens(event)"
            ))?,
            // The cloud has not heard of what could not be read: the key that opens it may be put back.
            drop_acked: conn.prepare("DELETE FROM outbox WHERE seq <= ?1 AND opens(event)")?,
            all: conn.prepare("SELECT seq, CAST(unsealed('outbox.event', NULL, event) AS TEXT) FROM outbox")?,
            change: conn
                .prepare("UPDATE outbox SET event = sealed('outbox.event', NULL, ?2) WHERE seq = ?1")?,
            waiting: None,
        })
    }

    pub(super) fn queued(&mut self, reported: &Reported) -> Result<(), StoreError> {
        let mut waiting = self.waiting()?;
        let event = events::write(reported);
        let usage = usage_of(&reported.fact).map(|session| int(session.0));
        if let Some(session) = said_again(&reported.fact) {
            waiting = waiting.less(gone(&mut self.drop_usage_of, [int(session.0)])?);
        }
        let code = redeemed(&reported.fact).map(|key| key.0);
        self.add.execute(params![reported.at.as_secs(), event, usage, code])?;
        waiting.facts += 1;
        waiting.bytes += event.len() as u64;
        while waiting.bytes > OUTBOX_MAX {
            let least = gone(&mut self.drop_a_usage, [])?;
            if least.facts == 0 {
                break;
            }
            waiting = waiting.less(least);
        }
        self.waiting = Some(waiting);
        Ok(())
    }

    pub(super) fn acked(&mut self, seq: Seq) -> Result<(), StoreError> {
        let before = self.waiting()?;
        let gone = self.count.query_row([int(seq.0)], Waiting::of)?;
        self.drop_acked.execute([int(seq.0)])?;
        self.waiting = Some(before.less(gone));
        Ok(())
    }

    /// What waits stays, and says nothing of the person any more.
    pub(super) fn forget(&mut self, gone: &Forgotten) -> Result<(), StoreError> {
        let mut changed: Vec<(i64, String)> = Vec::new();
        let mut rows = self.all.query([])?;
        while let Some(row) = rows.next()? {
            let about_somebody = |event: &String| event.contains("\"mac\"") || event.contains("\"data\"");
            let event = row.get::<_, Option<String>>(1)?.filter(about_somebody);
            let event = event.and_then(|event| events::without(&event, gone));
            changed.extend(event.map(|event| row.get(0).map(|seq| (seq, event))).transpose()?);
        }
        drop(rows);
        for (seq, event) in changed {
            self.change.execute(params![seq, event])?;
        }
        self.waiting = None;
        Ok(())
    }

    /// How much waits. Reads the whole outbox once, and then no more.
    pub(super) fn waiting(&mut self) -> Result<Waiting, StoreError> {
        let waiting = match self.waiting {
            Some(waiting) => waiting,
            None => self.count.query_row([i64::MAX], Waiting::of)?,
        };
        self.waiting = Some(waiting);
        Ok(waiting)
    }

    /// What was written since the last commit was taken back.
    pub(super) fn taken_back(&mut self) {
        self.waiting = None;
    }
}

/// How much `statement` deletes.
fn gone<P: rusqlite::Params>(statement: &mut Statement<'_>, of: P) -> rusqlite::Result<Waiting> {
    let mut gone = Waiting::default();
    let mut rows = statement.query(of)?;
    while let Some(row) = rows.next()? {
        gone.facts += 1;
        gone.bytes += row.get::<_, i64>(0)?.unsigned_abs();
    }
    Ok(gone)
}

/// Whose usage a fact says, if a later one will say it again.
fn usage_of(fact: &Fact) -> Option<SessionId> {
    match fact {
        Fact::Usage { session, .. } => Some(*session),
        Fact::Redeemed { .. }
        | Fact::SessionOpened { .. }
        | Fact::SessionClosed { .. }
        | Fact::Claimed { .. }
        | Fact::Done { .. }
        | Fact::Refused { .. }
        | Fact::Noted(_) => None,
    }
}

/// Whose earlier usage a fact says again.
fn said_again(fact: &Fact) -> Option<SessionId> {
    match fact {
        Fact::Usage { session, .. } | Fact::SessionClosed { session, .. } => Some(*session),
        Fact::Redeemed { .. }
        | Fact::SessionOpened { .. }
        | Fact::Claimed { .. }
        | Fact::Done { .. }
        | Fact::Refused { .. }
        | Fact::Noted(_) => None,
    }
}

/// The row that a fact says was redeemed.
fn redeemed(fact: &Fact) -> Option<CodeKey> {
    let Fact::Redeemed { name, .. } = fact else { return None };
    match name {
        RowName::Voucher(key) => Some(*key),
        RowName::Payment(ReferenceKey(key)) | RowName::Account(AccountKey(key)) => Some(CodeKey(*key)),
        RowName::Plan(_) => None,
    }
}
