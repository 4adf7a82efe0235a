//! All that has something left, found by what ends next: tens of thousands may lie unused, and nobody who
//! comes or goes may have to walk past them.
//!
//! Owns: the entitlements and the index of their ends. Never: the metered time and the data of those that
//! are in use, which the [`Gate`](super::Gate) looks at one by one. Neighbours: `entitlement.rs` counts;
//! it can be taken back like any [`Book`].

use super::{Book, Boot, Bytes, Entitlement, EntitlementId, Moment, Now, Trust, Wall};

/// All entitlements.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings {
    entitlements: Book<EntitlementId, Entitlement>,
    /// When CLOCK_BOOTTIME ends them, whether they are in use or not.
    by_boot: Book<(Boot, EntitlementId), ()>,
    /// When the wall clock does, if that was ever known.
    by_wall: Book<(Wall, EntitlementId), ()>,
    /// How many entitlements were looked at.
    #[cfg(test)]
    pub(super) looks: std::cell::Cell<usize>,
}

impl Holdings {
    pub(super) fn get(&self, id: EntitlementId) -> Option<&Entitlement> {
        #[cfg(test)]
        self.looks.update(|looks| looks + 1);
        self.entitlements.get(&id)
    }

    /// All of them, in the order of their ids.
    pub(super) fn values(&self) -> impl Iterator<Item = &Entitlement> {
        #[cfg(test)]
        self.looks.update(|looks| looks + self.entitlements.count());
        self.entitlements.values()
    }

    /// Whether the validity of any is running.
    pub(super) fn any_runs_out(&self) -> bool {
        self.by_boot.count() > 0
    }

    /// Those whose end, as far as the index knows it, has come.
    pub(super) fn due(&self, now: Now) -> impl Iterator<Item = EntitlementId> {
        let by_boot = self.by_boot.range(..=(now.boot, LAST)).map(|((_, id), ())| *id);
        let by_wall = self.by_wall.range(..=(now.wall, LAST)).map(|((_, id), ())| *id);
        by_boot.chain(by_wall.filter(move |_| now.trust == Trust::Trusted))
    }

    /// The next end that the index knows.
    pub(super) fn next_end(&self, moment: Moment) -> Option<Boot> {
        let now = moment.now;
        let mut next = self.by_boot.iter().next().map(|((at, _), ())| now.boot.max(*at));
        if now.trust == Trust::Floor {
            return next;
        }
        // The wall only ever shortens, so those that it says are later need no look.
        for ((wall, id), ()) in self.by_wall.iter() {
            let by_wall = now.boot.plus(wall.since(now.wall));
            if next.is_some_and(|next| next <= by_wall) {
                break;
            }
            let ends = self.get(*id).and_then(|entitlement| entitlement.ends(moment));
            next = next.into_iter().chain(ends).min();
        }
        next
    }

    pub(super) fn put(&mut self, entitlement: Entitlement) {
        let (id, ends) = (entitlement.id, Ends::of(&entitlement));
        self.entitlements.put(id, entitlement);
        self.index(id, Ends::default(), ends);
    }

    pub(super) fn change(&mut self, id: EntitlementId, with: impl FnOnce(&mut Entitlement)) {
        let ends = |this: &Self| this.get(id).map(Ends::of).unwrap_or_default();
        let before = ends(self);
        self.entitlements.change(&id, with);
        self.index(id, before, ends(self));
    }

    /// No end on the wall is known any more.
    pub(super) fn forget_wall(&mut self) {
        let known: Vec<_> = self.by_wall.iter().map(|((_, id), ())| *id).collect();
        known.into_iter().for_each(|id| self.change(id, Entitlement::forget_wall));
    }

    pub(super) fn remove(&mut self, id: EntitlementId) -> Option<Entitlement> {
        let gone = self.entitlements.remove(&id)?;
        self.index(id, Ends::of(&gone), Ends::default());
        Some(gone)
    }

    pub(super) fn settle(&mut self) {
        self.entitlements.settle();
        self.by_boot.settle();
        self.by_wall.settle();
    }

    pub(super) fn revert(&mut self) {
        self.entitlements.revert();
        self.by_boot.revert();
        self.by_wall.revert();
    }

    fn index(&mut self, id: EntitlementId, before: Ends, after: Ends) {
        shift(&mut self.by_boot, id, before.by_boot, after.by_boot);
        shift(&mut self.by_wall, id, before.by_wall, after.by_wall);
    }
}

fn shift<T: Copy + Ord>(
    index: &mut Book<(T, EntitlementId), ()>,
    id: EntitlementId,
    before: Option<T>,
    after: Option<T>,
) {
    if before == after {
        return;
    }
    if let Some(at) = before {
        index.remove(&(at, id));
    }
    if let Some(at) = after {
        index.put((at, id), ());
    }
}

const LAST: EntitlementId = EntitlementId(u64::MAX);

/// When time alone ends an entitlement, whether it is in use or not.
#[derive(Default)]
struct Ends {
    by_boot: Option<Boot>,
    by_wall: Option<Wall>,
}

impl Ends {
    fn of(entitlement: &Entitlement) -> Self {
        let stamp = entitlement.last_stamp();
        let used_up = entitlement.terms.metered.is_some_and(|metered| stamp.used >= metered)
            || entitlement.data_left() == Some(Bytes(0));
        let by_boot = if used_up && entitlement.online == 0 {
            // No clock would ever end it: it is over since the beginning.
            Some(Boot::default())
        } else {
            stamp.validity_left.map(|left| stamp.at.plus(left))
        };
        Self { by_boot, by_wall: stamp.expires }
    }
}
