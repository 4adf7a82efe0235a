//! Guests who accept the terms of use with what they ask for.
//!
//! Owns: that the session that comes of it says which terms, and since when; and so does a claim that may become
//! one. Never: whether they have to; the portal refuses who did not. Who has neither leaves no trace.
//! Neighbours: `claims.rs` closes a claim when its payment came, and what was accepted is handed on here.

use super::{Decision, Gate, Mac, Now, Record, Reply, SessionId};
use crate::domain::{Acceptance, Claim, TermsVersion};

impl Gate {
    /// The guest on `mac` has accepted `version` with what was asked for just before.
    pub(super) fn accept_terms(&self, mac: Mac, version: TermsVersion, now: Now) -> Decision {
        let mut decision = Decision::done();
        let new = Acceptance { version, at: now.wall };
        if let Some(session) = self.sessions.of_device(mac) {
            self.accept(session.id, new, &mut decision);
        }
        let is_new = |claim: &&Claim| claim.accepted.is_none_or(|known| known.version != version);
        let claims = self.claims.open().filter(|claim| claim.mac == mac).filter(is_new);
        let accepted = claims.map(|claim| Claim { accepted: Some(new), ..*claim });
        decision.records.extend(accepted.map(Record::ClaimOpened));
        decision
    }

    /// What the guests of `claims` accepted holds for the session that `decision` opens or prolongs.
    pub(super) fn hand_on_acceptance(&self, claims: &[Claim], decision: &mut Decision) {
        let Reply::Online(session) = decision.reply else { return };
        let is_of = |record: &Record, by: Mac| {
            matches!(record, Record::SessionOpened(session) if session.mac == by)
                || matches!(record, Record::ToppedUp { mac, .. } if *mac == by)
        };
        let claim =
            claims.iter().find(|claim| decision.records.iter().any(|record| is_of(record, claim.mac)));
        if let Some(accepted) = claim.and_then(|claim| claim.accepted) {
            self.accept(session, accepted, decision);
        }
    }

    /// The same terms are accepted once in a session.
    pub(super) fn accept(&self, session: SessionId, accepted: Acceptance, decision: &mut Decision) {
        let known = self.sessions.get(session).and_then(|session| session.accepted);
        if known.is_none_or(|known| known.version != accepted.version) {
            decision.records.push(Record::TermsAccepted { session, accepted });
        }
    }
}
