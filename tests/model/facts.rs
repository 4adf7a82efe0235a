//! What the cloud is told of a life: each fact once, right after what it tells of, in the same commit.
//!
//! A commit that was torn or failed tells nothing; a restart tells nothing again.

use std::collections::{BTreeMap, BTreeSet};

use lango::domain::{CodeKey, EntitlementId, Fact, Mac, Record, SessionId};

/// What was told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    redeemed: BTreeSet<CodeKey>,
    opened: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
    /// The seconds that each session was last said to have lasted.
    seconds: BTreeMap<SessionId, u64>,
}

/// What a record has to be followed by, and a fact preceded.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Redeemed(CodeKey, EntitlementId),
    Opened(SessionId, EntitlementId, Mac),
    Closed(SessionId),
}

impl Told {
    /// `records` were committed.
    pub(crate) fn check(&mut self, records: &[Record]) {
        let mut cause = None;
        for record in records {
            let Record::Queued(reported) = record else {
                assert_eq!(cause, None, "was not told: {records:?}");
                cause = event(record);
                continue;
            };
            if let Some(told) = event_of(&reported.fact) {
                assert_eq!(cause.take(), Some(told), "has no cause before it: {records:?}");
            }
            self.hear(&reported.fact);
        }
        assert_eq!(cause, None, "was not told: {records:?}");
    }

    fn hear(&mut self, fact: &Fact) {
        match fact {
            Fact::Redeemed { name, .. } => {
                let key = key(name);
                assert!(self.redeemed.insert(key), "told twice: {fact:?}");
            }
            Fact::SessionOpened { session, .. } => {
                assert!(self.opened.insert(*session), "told twice: {fact:?}");
            }
            Fact::Usage { session, seconds, .. } => self.lasted(*session, *seconds),
            Fact::SessionClosed { session, seconds, .. } => {
                self.lasted(*session, *seconds);
                assert!(self.closed.insert(*session), "told twice: {fact:?}");
            }
            Fact::Claimed { .. } | Fact::Done { .. } | Fact::Refused { .. } | Fact::Noted(_) => {
                panic!("nobody did that: {fact:?}")
            }
        }
    }

    fn lasted(&mut self, session: SessionId, seconds: u64) {
        assert!(self.opened.contains(&session) && !self.closed.contains(&session), "{session} is not open");
        let before = self.seconds.insert(session, seconds).unwrap_or(0);
        assert!(seconds >= before, "{session} lasted {before} s, and then {seconds} s");
    }
}

fn event(record: &Record) -> Option<Event> {
    if let Record::EntitlementOpened(new) = record {
        return new.code.map(|code| Event::Redeemed(code, new.id));
    }
    if let Record::ToppedUp { entitlement, code, .. } = record {
        return Some(Event::Redeemed(*code, *entitlement));
    }
    if let Record::SessionOpened(new) = record {
        return Some(Event::Opened(new.id, new.entitlement, new.mac));
    }
    if let Record::SessionClosed { session, .. } = record { Some(Event::Closed(*session)) } else { None }
}

fn event_of(fact: &Fact) -> Option<Event> {
    match fact {
        Fact::Redeemed { name, entitlement, .. } => Some(Event::Redeemed(key(name), *entitlement)),
        Fact::SessionOpened { session, entitlement, mac } => {
            Some(Event::Opened(*session, *entitlement, *mac))
        }
        Fact::SessionClosed { session, .. } => Some(Event::Closed(*session)),
        Fact::Usage { .. }
        | Fact::Claimed { .. }
        | Fact::Done { .. }
        | Fact::Refused { .. }
        | Fact::Noted(_) => None,
    }
}

fn key(name: &lango::domain::RowName) -> CodeKey {
    if let lango::domain::RowName::Voucher(key) = name {
        *key
    } else {
        panic!("only codes are typed: {name:?}")
    }
}
