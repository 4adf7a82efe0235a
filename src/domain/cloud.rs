//! What the Gate remembers of the cloud's word: its plans, how far it was read, what it had done.
//!
//! Owns: that memory, which can be taken back like any [`Book`]. Never: the rows, of which there may be a
//! hundred thousand: they are in the store alone. Neighbour: `gate/cloud.rs` decides over what comes.

use super::{Book, CloudId, Cursor, Generation, Mac, Plan, PlanId, Restored, Stand};

/// Commands remembered, so that none is carried out twice: a cloud repeats only its latest.
const COMMANDS: usize = 1024;
/// What was refused since the last page that was read, and told: no more than this.
const REFUSED: usize = 64;

/// A page or an op, and why it was not applied.
pub(super) type NotApplied = (Option<Cursor>, Option<CloudId>, String);

#[derive(Clone, Debug, Default)]
pub(super) struct Cloud {
    pub(super) plans: Book<PlanId, (Plan, Generation)>,
    /// How far the feed was read, and the generation of the rows that it brings.
    read: Book<(), (Stand, Generation)>,
    commands: Book<CloudId, ()>,
    /// The same in the order in which they were carried out.
    in_order: Book<u64, CloudId>,
    carried_out: u64,
    refused: Book<NotApplied, ()>,
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
        restored.commands.iter().for_each(|id| cloud.carry_out(id.clone()));
        restored.blocked.iter().for_each(|mac| cloud.blocked.put(*mac, ()));
        cloud.issued_on.put((), restored.issued_on);
        cloud.settle();
        cloud
    }

    pub(super) fn read(&self) -> (Stand, Generation) {
        self.read.get(&()).copied().unwrap_or_default()
    }

    /// A page was read; what is refused from now on is news.
    pub(super) fn read_until(&mut self, stand: Stand, generation: Generation) {
        self.read.put((), (stand, generation));
        for told in self.refused.iter().map(|(told, ())| told.clone()).collect::<Vec<_>>() {
            self.refused.remove(&told);
        }
    }

    pub(super) fn has_done(&self, command: &CloudId) -> bool {
        self.commands.get(command).is_some()
    }

    /// Remembers the command, and forgets the oldest of too many.
    pub(super) fn carry_out(&mut self, command: CloudId) {
        self.carried_out += 1;
        self.in_order.put(self.carried_out, command.clone());
        self.commands.put(command, ());
        let excess = self.in_order.count().saturating_sub(COMMANDS);
        let oldest: Vec<_> = self.in_order.iter().take(excess).map(|(number, _)| *number).collect();
        for command in oldest.iter().filter_map(|number| self.in_order.remove(number)) {
            self.commands.remove(&command);
        }
    }

    /// Whether nothing was said of it yet, and there is room to remember that it was.
    pub(super) fn is_news(&self, refused: &NotApplied) -> bool {
        self.refused.get(refused).is_none() && self.refused.count() < REFUSED
    }

    pub(super) fn told(&mut self, refused: NotApplied) {
        self.refused.put(refused, ());
    }

    /// On what day a code that proves itself is redeemed, and how many were on it. A clock that went back over
    /// midnight begins no new day.
    pub(super) fn issued_on(&self, day: u32) -> (u32, u32) {
        match self.issued_on.get(&()) {
            Some((last, count)) if *last == day || *last == day.saturating_add(1) => (*last, *count),
            Some(_) | None => (day, 0),
        }
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
        self.in_order.settle();
        self.refused.settle();
        self.blocked.settle();
        self.issued_on.settle();
    }

    pub(super) fn revert(&mut self) {
        self.plans.revert();
        self.read.revert();
        self.commands.revert();
        self.in_order.revert();
        self.refused.revert();
        self.blocked.revert();
        self.issued_on.revert();
    }
}
