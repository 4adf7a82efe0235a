//! What operators do to what was bought, asked of the Gate and of the reference at once.

use std::time::Duration;

use lango::domain::{Bought, Bytes, DataCap, Decision, EntitlementId, Input, More, Reply};

use super::guests::answer_of;
use super::world::{Flash, World};

impl<F: Flash> World<F> {
    /// Something that has something left.
    fn something(&mut self) -> Option<EntitlementId> {
        let now = self.now();
        let live = self.reference.bought.iter().filter(|(_, bought)| bought.ending(now).is_none());
        let live = live.map(|(id, _)| *id).collect::<Vec<_>>();
        (!live.is_empty()).then(|| self.random.pick(&live))
    }

    /// Adds to something, what it has of limits.
    pub(crate) fn grows(&mut self) -> Decision {
        let Some(id) = self.something() else { return self.makes_vouchers() };
        let terms = self.reference.bought[&id].plan.terms.clone();
        let amounts =
            (self.random.within(0..7200), self.random.within(0..86_400), self.random.within(0..100_000));
        let span =
            |whole: Option<Duration>, secs| whole.map_or(Duration::ZERO, |_| Duration::from_secs(secs));
        let more = More {
            metered: span(terms.metered, amounts.0),
            validity: span(terms.validity, amounts.1),
            data: Bytes(if terms.data == DataCap::default() { 0 } else { amounts.2 }),
        };
        self.tell(format!("{id} gets {more:?}"));
        let bought = Box::new(Bought { id, over: None, device: None });
        let now = self.now();
        let decision = self.gate.decide(Input::Grow { bought, more }, now);
        assert_eq!(decision.reply, Reply::Done);
        self.reference.grow(id, &more, now);
        self.seen.remove(&id);
        decision
    }

    /// Makes one of two, of the same plan if there are such.
    pub(crate) fn merges(&mut self) -> Decision {
        let Some(kept) = self.something() else { return self.makes_vouchers() };
        let now = self.now();
        let plan = self.reference.bought[&kept].plan.id.clone();
        let alike =
            self.reference.bought.iter().filter(|(id, bought)| {
                **id != kept && bought.plan.id == plan && bought.ending(now).is_none()
            });
        let alike = alike.map(|(id, _)| *id).collect::<Vec<_>>();
        let other = if alike.is_empty() { self.something() } else { Some(self.random.pick(&alike)) };
        let other = other.unwrap_or(kept);
        self.tell(format!("{other} goes into {kept}"));
        let decision = self.gate.decide(Input::Merge { kept, other }, now);
        assert_eq!(answer_of(&decision), self.reference.merge(kept, other, now), "{decision:?}");
        self.seen.remove(&kept);
        decision
    }

    /// Ends something that has something left.
    pub(crate) fn refunds(&mut self) -> Decision {
        let Some(id) = self.something() else { return self.makes_vouchers() };
        self.tell(format!("{id} is paid back"));
        let order = Input::Refund { entitlement: id, reason: String::new() };
        let decision = self.gate.decide(order, self.now());
        assert_eq!(decision.reply, Reply::Done);
        self.reference.refund(id);
        decision
    }
}
