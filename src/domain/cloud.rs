//! What the Gate remembers of the cloud's word: its plans, how far it was read, what it had done.
//!
//! Owns: that memory, which can be taken back like any [`Book`]. Never: the rows, of which there may be a
//! hundred thousand: they are in the store alone. Neighbour: `gate/cloud.rs` decides over what comes.

use super::{Book, CloudId, Generation, Mac, Plan, PlanId, Restored, Stand};

/// Commands remembered, so that none is carried out twice: a cloud repeats only its latest.
const COMMANDS: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Cloud {
    pub(super) plans: Book<PlanId, (Plan, Generation)>,
    /// How far the feed was read, and the generation of the rows that it brings.
    pub(super) read: Book<(), (Stand, Generation)>,
    pub(super) commands: Book<CloudId, ()>,
    pub(super) blocked: Book<Mac, ()>,
    /// The last day on which a code that proves itself was redeemed, and how many were.
    pub(super) issued_on: Book<(), (u32, u32)>,
}

impl Cloud {
    pub(super) fn restored(restored: &Restored) -> Self {
        let mut cloud = Self::default();
        for (plan, generation) in &restored.plans {
            cloud.plans.put(plan.id.clone(), (plan.clone(), *generation));
        }
        cloud.read.put((), (restored.stand, restored.generation));
        restored.commands.iter().rev().take(COMMANDS).for_each(|id| cloud.commands.put(id.clone(), ()));
        restored.blocked.iter().for_each(|mac| cloud.blocked.put(*mac, ()));
        cloud.issued_on.put((), restored.issued_on);
        cloud.settle();
        cloud
    }

    pub(super) fn read(&self) -> (Stand, Generation) {
        self.read.get(&()).copied().unwrap_or_default()
    }

    /// How many codes that prove themselves were redeemed on `day`.
    pub(super) fn issued_on(&self, day: u32) -> u32 {
        self.issued_on.get(&()).filter(|(last, _)| *last == day).map_or(0, |(_, count)| *count)
    }

    pub(super) fn drop_plans_before(&mut self, generation: Generation) {
        let old = self.plans.iter().filter(|(_, (_, of))| *of < generation);
        for id in old.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.plans.remove(&id);
        }
    }

    pub(super) fn settle(&mut self) {
        self.plans.settle();
        self.read.settle();
        self.commands.settle();
        self.blocked.settle();
        self.issued_on.settle();
    }

    pub(super) fn revert(&mut self) {
        self.plans.revert();
        self.read.revert();
        self.commands.revert();
        self.blocked.revert();
        self.issued_on.revert();
    }
}
