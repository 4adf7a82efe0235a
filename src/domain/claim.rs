//! Payments that guests say to have made, and that have not opened anything yet.
//!
//! Owns: which claims are open, how many there may be, when they are forgotten, who was helped over the wait.
//! Never: what a confirmed one opens; that is the Gate's. A claim outlives the guest's page, the phone's
//! battery and a reboot.

use std::time::Duration;

use super::{Acceptance, Book, Mac, Now, ReferenceKey, Wall};

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
    pub awaits: Awaits,
    /// Whether the guest was let in ahead of the payment.
    pub bridged: Bridged,
    /// The terms that the guest accepted with it, if the operator asks for that.
    pub accepted: Option<Acceptance>,
}

/// What has to come before the claim opens anything. Of several, the later is the one that a guest has to
/// hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaits {
    /// It is no claim any more: kept for the day in which the device is not let in ahead again.
    Nothing,
    /// Nobody has confirmed it.
    Payment,
    /// It is paid, but the hotspot is full, or its plan is not known yet.
    Room,
    /// It is paid, and the guest has to say the last digits of the phone.
    Digits,
}

impl Awaits {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Payment, Self::Room, Self::Digits];

    /// The word kept in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Payment => "payment",
            Self::Room => "room",
            Self::Digits => "digits",
        }
    }
}

/// Whether a plan bridges the wait for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridged {
    No,
    Provisionally,
}

impl Claim {
    fn is_open(&self) -> bool {
        self.awaits != Awaits::Nothing
    }

    fn bridged_lately(&self, now: Now) -> bool {
        self.bridged == Bridged::Provisionally && now.wall.since(self.since) < A_DAY
    }

    /// What is left of it when it is over; `None`: nothing.
    pub(super) fn closed(self, now: Now) -> Option<Self> {
        self.bridged_lately(now).then_some(Self { awaits: Awaits::Nothing, ..self })
    }
}

/// All claims, and the order in which they came: walls may be wrong, and seconds are long.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    all: Book<(ReferenceKey, Mac), (u64, Claim)>,
    came: u64,
}

impl Claims {
    pub(super) fn restored(mut claims: Vec<Claim>) -> Self {
        claims.sort_by_key(|claim| claim.since);
        let mut restored = Self::default();
        claims.into_iter().for_each(|claim| restored.put(claim));
        restored.settle();
        restored
    }

    /// A claim, in place of the same one as it was.
    pub(super) fn put(&mut self, claim: Claim) {
        self.came += 1;
        let key = (claim.reference, claim.mac);
        let came = self.all.get(&key).map_or(self.came, |(came, _)| *came);
        self.all.put(key, (came, claim));
    }

    pub(super) fn remove(&mut self, reference: ReferenceKey, mac: Mac) {
        self.all.remove(&(reference, mac));
    }

    pub(super) fn is_open(&self, reference: ReferenceKey, mac: Mac) -> bool {
        self.all.get(&(reference, mac)).is_some_and(|(_, claim)| claim.is_open())
    }

    /// The open claims on `reference`, the first first.
    pub(super) fn on(&self, reference: ReferenceKey) -> Vec<Claim> {
        let key = |bytes| (reference, Mac::new(bytes));
        let range = key([0; 6])..=key([0xff; 6]);
        let mut all: Vec<_> = self.all.range(range).map(|(_, claim)| *claim).collect();
        all.sort_by_key(|(came, _)| *came);
        all.into_iter().map(|(_, claim)| claim).filter(Claim::is_open).collect()
    }

    /// Those that wait for that, the first first.
    pub(super) fn awaiting(&self, awaits: Awaits) -> Vec<Claim> {
        let mut all: Vec<_> =
            self.all.values().filter(|(_, claim)| claim.awaits == awaits).copied().collect();
        all.sort_by_key(|(came, _)| *came);
        all.into_iter().map(|(_, claim)| claim).collect()
    }

    /// The open ones.
    pub(super) fn open(&self) -> impl Iterator<Item = &Claim> {
        self.all.values().map(|(_, claim)| claim).filter(|claim| claim.is_open())
    }

    /// All of them, also those that are over and remembered.
    pub(super) fn values(&self) -> impl Iterator<Item = &Claim> {
        self.all.values().map(|(_, claim)| claim)
    }

    /// Whether `mac` may claim one more.
    pub(super) fn have_room_for(&self, mac: Mac) -> bool {
        let of_device = self.open().filter(|claim| claim.mac == mac).count();
        self.open().count() < OF_THE_SITE && of_device < OF_A_DEVICE
    }

    /// Whether `mac` was helped over a wait within a day.
    pub(super) fn bridged_lately(&self, mac: Mac, now: Now) -> bool {
        self.all.values().any(|(_, claim)| claim.mac == mac && claim.bridged_lately(now))
    }

    /// Those that have been open for `kept`, and those of which nothing has to be remembered any more.
    pub(super) fn forgotten(&self, kept: Duration, now: Now) -> impl Iterator<Item = &Claim> {
        self.all.values().map(|(_, claim)| claim).filter(move |claim| match claim.awaits {
            Awaits::Nothing => !claim.bridged_lately(now),
            Awaits::Payment | Awaits::Room | Awaits::Digits => {
                // Or a clock that was far ahead for a while would keep it for as long.
                now.wall.since(claim.since) >= kept || claim.since.since(now.wall) > A_DAY
            }
        })
    }

    pub(super) fn settle(&mut self) {
        self.all.settle();
    }

    pub(super) fn revert(&mut self) {
        self.all.revert();
    }
}
