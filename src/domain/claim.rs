//! Payments that guests say to have made, and that nobody has confirmed yet.
//!
//! Owns: which claims are open, how many there may be, when they are forgotten. Never: what a confirmed one
//! opens; that is the Gate's. A claim outlives the guest's page, the phone's battery and a reboot.

use std::time::Duration;

use super::{Book, Mac, Now, ReferenceKey, Wall};

/// Open claims of one device, at most.
const OF_A_DEVICE: usize = 3;
/// Open claims of the site, at most.
const OF_THE_SITE: usize = 500;
/// A device is helped over the wait once in this time.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A device whose guest says that this was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub reference: ReferenceKey,
    pub mac: Mac,
    pub since: Wall,
    /// Whether the guest was let in ahead of the payment.
    pub bridged: Bridged,
}

/// Whether a plan bridges the wait for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridged {
    No,
    Provisionally,
}

/// All open claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    open: Book<(ReferenceKey, Mac), Claim>,
}

impl Claims {
    pub(super) fn restored(claims: Vec<Claim>) -> Self {
        let mut restored = Self::default();
        claims.into_iter().for_each(|claim| restored.put(claim));
        restored.settle();
        restored
    }

    pub(super) fn put(&mut self, claim: Claim) {
        self.open.put((claim.reference, claim.mac), claim);
    }

    pub(super) fn remove(&mut self, reference: ReferenceKey, mac: Mac) {
        self.open.remove(&(reference, mac));
    }

    pub(super) fn get(&self, reference: ReferenceKey, mac: Mac) -> Option<&Claim> {
        self.open.get(&(reference, mac))
    }

    /// Who claims `reference`, the first first.
    pub(super) fn on(&self, reference: ReferenceKey) -> Vec<Claim> {
        let key = |bytes| (reference, Mac::new(bytes));
        let range = key([0; 6])..=key([0xff; 6]);
        let mut all: Vec<_> = self.open.range(range).map(|(_, claim)| *claim).collect();
        all.sort_by_key(|claim| claim.since);
        all
    }

    /// What `mac` claims.
    pub(super) fn of(&self, mac: Mac) -> impl Iterator<Item = &Claim> {
        self.open.values().filter(move |claim| claim.mac == mac)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Claim> {
        self.open.values()
    }

    /// Whether `mac` may claim one more.
    pub(super) fn have_room_for(&self, mac: Mac) -> bool {
        self.open.count() < OF_THE_SITE && self.of(mac).count() < OF_A_DEVICE
    }

    /// Whether `mac` was helped over a wait within a day.
    pub(super) fn bridged_lately(&self, mac: Mac, now: Now) -> bool {
        self.of(mac)
            .any(|claim| claim.bridged == Bridged::Provisionally && now.wall.since(claim.since) < A_DAY)
    }

    /// Those that are older than `kept`.
    pub(super) fn forgotten(&self, kept: Duration, now: Now) -> impl Iterator<Item = &Claim> {
        self.open.values().filter(move |claim| now.wall.since(claim.since) >= kept)
    }

    pub(super) fn settle(&mut self) {
        self.open.settle();
    }

    pub(super) fn revert(&mut self) {
        self.open.revert();
    }
}
