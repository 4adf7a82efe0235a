//! Who is online: the open sessions, found by their id, by the device and by the entitlement.
//!
//! Owns: the indexes and what of the counts is not on flash yet. Never: why a session opens or closes.
//! Neighbours: `gate/apply.rs` is who changes it; it can be taken back like any [`Book`].

use super::{Acceptance, Book, EntitlementId, Mac, Session, SessionId, Traffic};

/// All open sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    sessions: Book<SessionId, Session>,
    by_mac: Book<Mac, SessionId>,
    by_entitlement: Book<(EntitlementId, SessionId), ()>,
    /// Sessions that have counted since their row was written.
    unwritten: Book<SessionId, ()>,
}

impl Roster {
    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// The session of a device.
    pub(super) fn of_device(&self, mac: Mac) -> Option<&Session> {
        self.by_mac.get(&mac).and_then(|id| self.sessions.get(id))
    }

    /// The sessions with an entitlement, the oldest first: ids only grow.
    pub(super) fn with(&self, id: EntitlementId) -> impl Iterator<Item = &Session> {
        let all = self.by_entitlement.range((id, SessionId(0))..=(id, SessionId(u64::MAX)));
        all.filter_map(|((_, session), ())| self.sessions.get(session))
    }

    /// The entitlements that somebody is online with, each once.
    pub(super) fn entitlements(&self) -> impl Iterator<Item = EntitlementId> {
        let mut last = None;
        let all = self.by_entitlement.iter().map(|((id, _), ())| *id);
        all.filter(move |id| last.replace(*id) != Some(*id))
    }

    /// All sessions, the oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The sessions that have counted since their row was written.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &Session> {
        self.unwritten.iter().filter_map(|(id, ())| self.sessions.get(id))
    }

    pub(super) fn count(&self) -> usize {
        self.sessions.count()
    }

    pub(super) fn open(&mut self, session: &Session) {
        self.by_mac.put(session.mac, session.id);
        self.by_entitlement.put((session.entitlement, session.id), ());
        self.sessions.put(session.id, session.clone());
    }

    /// Returns what was closed.
    pub(super) fn close(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.by_entitlement.remove(&(session.entitlement, id));
        self.unwritten.remove(&id);
        if self.by_mac.get(&session.mac) == Some(&id) {
            self.by_mac.remove(&session.mac);
        }
        Some(session)
    }

    /// The session has used so much by now.
    pub(super) fn counted(&mut self, id: SessionId, used: Traffic) {
        self.sessions.change(&id, |session| session.used = used);
        self.unwritten.put(id, ());
    }

    /// Its guest has accepted the terms.
    pub(super) fn accepted(&mut self, id: SessionId, accepted: Acceptance) {
        self.sessions.change(&id, |session| session.accepted = Some(accepted));
    }

    /// The counts of the session are on flash.
    pub(super) fn written(&mut self, id: SessionId) {
        self.unwritten.remove(&id);
    }

    pub(super) fn settle(&mut self) {
        self.sessions.settle();
        self.by_mac.settle();
        self.by_entitlement.settle();
        self.unwritten.settle();
    }

    pub(super) fn revert(&mut self) {
        self.sessions.revert();
        self.by_mac.revert();
        self.by_entitlement.revert();
        self.unwritten.revert();
    }
}
