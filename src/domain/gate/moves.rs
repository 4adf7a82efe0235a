//! What was bought goes to another device.
//!
//! Owns: which device leaves, and what has to hold of the one that comes. Never: changes the Gate; `apply.rs` does.
//! Neighbours: `redeem.rs` has the same for guests, `orders.rs` what else operators do.
//!
//! It corrects a wrong binding: the device that leaves no longer counts among those that may ever use it.

use super::ask::close;
use super::{Closing, Decision, Entitlement, EntitlementId, Gate, Mac, Moment, Record, Refusal, Reply};
use crate::domain::{Hindrance, Origin, Session};
use crate::ordered::OrdSet;

impl Gate {
    /// `from`: the device that leaves, where the operator says which.
    pub(super) fn move_to(&self, id: EntitlementId, from: Option<Mac>, to: Mac, moment: Moment) -> Decision {
        let live = match self.not_over(id, moment) {
            Ok(live) => live,
            Err(why) => return Decision::refused(Refusal::Hindered(why)),
        };
        if live.origin == Origin::Trial {
            return Decision::refused(Refusal::Hindered(Hindrance::OfTrial));
        }
        if let Some(why) = self.hindrance_of(to, id) {
            return Decision::refused(Refusal::Hindered(why));
        }
        match self.who_leaves(live, from, to) {
            Ok(leaves) => self.change_devices(live, leaves, to, moment),
            Err(why) => Decision::refused(Refusal::Hindered(why)),
        }
    }

    /// The one that was named, or the only one there is.
    fn who_leaves(&self, live: &Entitlement, from: Option<Mac>, to: Mac) -> Result<Option<Mac>, Hindrance> {
        if let Some(from) = from {
            return Ok(Some(from).filter(|from| *from != to));
        }
        let known: OrdSet<Mac> = self.devices_of(live.id).chain(live.bound.iter().copied()).collect();
        let mut others = known.into_iter().filter(|mac| *mac != to);
        match (others.next(), others.next()) {
            (_, Some(_)) => Err(Hindrance::WhichDevice),
            (only, None) => Ok(only),
        }
    }

    fn change_devices(&self, live: &Entitlement, leaves: Option<Mac>, to: Mac, moment: Moment) -> Decision {
        let of_this = |session: &&Session| session.entitlement == live.id;
        let cut = leaves.and_then(|mac| self.sessions.of_device(mac)).filter(of_this);
        let here = self.sessions.of_device(to);
        let stays = live.online - u16::from(cut.is_some());
        if here.is_none() && stays >= live.terms.devices {
            return Decision::refused(Refusal::Hindered(Hindrance::WhichDevice));
        }
        if cut.is_none() && self.is_full_for(to) {
            return Decision::refused(Refusal::Full);
        }
        let mut decision = Decision::done();
        // Where nobody was online, the meter stood still until now.
        decision.records.push(Record::EntitlementStamped(live.stamp_at(moment)));
        if let Some(session) = cut {
            close(session, Closing::Moved, moment, &mut decision);
        }
        let mut bound = live.bound.clone();
        if leaves.is_some_and(|mac| bound.remove(&mac)) {
            decision.records.push(Record::DevicesBound { entitlement: live.id, bound });
        }
        match here {
            Some(session) => decision.reply = Reply::Online(session.id),
            None => self.let_in(to, live, moment, &mut decision),
        }
        decision
    }
}
