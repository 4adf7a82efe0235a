//! Which entitlement a code belongs to, and which codes ended of late.
//!
//! Owns: both, for those that have something left and for a minute after: what was looked up before that is
//! not to be believed. Never: rows that nobody has redeemed, or what is left. Neighbours: `gate/apply.rs` is
//! who changes it; it can be taken back like any [`Book`].

use std::time::Duration;

use super::{Book, Boot, CodeKey, Ending, EntitlementId, VoucherState};

/// A code may have been looked up this long before it is decided over, and no longer.
const LOOK_UP: Duration = Duration::from_secs(60);

/// All codes that were redeemed, with something left or until just now.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    live: Book<CodeKey, EntitlementId>,
    /// The same the other way round: what was topped up belongs to several codes.
    codes: Book<(EntitlementId, CodeKey), ()>,
    over: Book<CodeKey, (VoucherState, Boot)>,
}

impl Owners {
    /// What `code` belongs to.
    pub(super) fn owner(&self, code: &CodeKey) -> Option<EntitlementId> {
        self.live.get(code).copied()
    }

    /// How `code` ended, if that was just now.
    pub(super) fn over(&self, code: &CodeKey) -> Option<VoucherState> {
        self.over.get(code).map(|(state, _)| *state)
    }

    pub(super) fn give(&mut self, code: CodeKey, to: EntitlementId) {
        self.over.remove(&code);
        self.live.put(code, to);
        self.codes.put((to, code), ());
    }

    pub(super) fn revoke(&mut self, code: CodeKey, now: Boot) {
        self.over.put(code, (VoucherState::Revoked, now));
    }

    /// All codes of `from` lead to `to`.
    pub(super) fn hand_over(&mut self, from: EntitlementId, to: EntitlementId) {
        for code in self.codes_of(from).collect::<Vec<_>>() {
            self.codes.remove(&(from, code));
            self.give(code, to);
        }
    }

    /// All codes that lead to `id`.
    pub(super) fn codes_of(&self, id: EntitlementId) -> impl Iterator<Item = CodeKey> {
        let (first, last) = (CodeKey([0; 16]), CodeKey([0xff; 16]));
        self.codes.range((id, first)..=(id, last)).map(|((_, code), ())| *code)
    }

    /// `id` has ended, with all its codes.
    pub(super) fn end(&mut self, id: EntitlementId, how: Ending, now: Boot) {
        for code in self.codes_of(id).collect::<Vec<_>>() {
            self.codes.remove(&(id, code));
            self.live.remove(&code);
            self.over.put(code, (how.into(), now));
        }
    }

    pub(super) fn forget_what_nobody_looks_up(&mut self, now: Boot) {
        let past = self.over.iter().filter(|(_, (_, since))| now.since(*since) > LOOK_UP);
        for code in past.map(|(code, _)| *code).collect::<Vec<_>>() {
            self.over.remove(&code);
        }
    }

    pub(super) fn settle(&mut self) {
        self.live.settle();
        self.codes.settle();
        self.over.settle();
    }

    pub(super) fn revert(&mut self) {
        self.live.revert();
        self.codes.revert();
        self.over.revert();
    }
}
