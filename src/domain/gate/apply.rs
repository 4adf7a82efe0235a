//! Records taken into the Gate, made final or taken back.
//!
//! Owns: all that ever changes a Gate. Never: decides, or fails. Neighbours: `redeem.rs` and `ask.rs` make
//! the records.

use super::{
    Blame, Boot, CHECKPOINTS_PER_USAGE, CodeKey, Downtime, Ending, Entitlement, EntitlementId, Gate, Mac,
    Now, PAID_LATELY, Record, Session, SessionId, Terms, Uplink, Usage, Wall,
};
use crate::domain::{Awaits, Bytes, Claim, Fact, Forgetter, Forgotten, Origin};
use crate::ordered::OrdSet;

impl Gate {
    /// Takes `records` in, in their order.
    pub fn apply(&mut self, records: &[Record], now: Now) {
        self.owners.forget_what_nobody_looks_up(now.boot);
        for record in records {
            self.apply_one(record, now);
            self.note_payment(record, records, now.boot);
            self.note_confirmation(record, records);
        }
    }

    /// The records applied since the last call are on flash.
    pub fn settle(&mut self) {
        self.entitlements.settle();
        self.owners.settle();
        self.sessions.settle();
        self.idle.settle();
        self.cloud.settle();
        self.claims.settle();
        self.trials.settle();
        self.trail.settle();
        self.floor_settled = self.floor;
        self.reached_settled = self.reached;
        self.downtime_settled = self.downtime;
        self.dated_settled = self.dated;
        for (mac, at) in std::mem::take(&mut self.paid) {
            self.attempts.succeeded(mac);
            self.remember_paid(mac, at);
        }
        (0..std::mem::take(&mut self.confirmed)).for_each(|_| self.attempts.forgiven());
    }

    /// The records applied since the last `settle` could not be written: takes them back, all but the
    /// wrong codes, which were never to be written, and the pace of logins and trials. Ids that they used stay used.
    pub fn revert(&mut self) {
        self.entitlements.revert();
        self.owners.revert();
        self.sessions.revert();
        self.idle.revert();
        self.cloud.revert();
        self.claims.revert();
        self.trials.revert();
        self.trail.revert();
        self.floor = self.floor_settled;
        self.reached = self.reached_settled;
        self.downtime = self.downtime_settled;
        self.dated = self.dated_settled;
        self.paid.clear();
        self.confirmed = 0;
    }

    /// A checkpoint was tried, with success or without.
    pub fn checkpoint_done(&mut self, now: Now) {
        if self.checkpoint_due <= now.boot {
            self.checkpoint_due = now.boot.plus(self.limits.checkpoint);
            self.remember_who_is_online(now.boot);
            self.attempts.forget(now.boot);
            let left = self.usage_in.saturating_sub(1);
            self.usage_in = if left == 0 { CHECKPOINTS_PER_USAGE } else { left };
        }
    }

    /// A session with an entitlement that is new paid for it, unless that is free or bridges the wait for a
    /// payment; so did who topped one up. One with an entitlement that was there proves nothing: one code, moved from
    /// MAC to MAC, would buy guesses without end.
    fn note_payment(&mut self, record: &Record, records: &[Record], now: Boot) {
        if let Record::ToppedUp { mac, .. } = record {
            self.paid.push((*mac, now));
        }
        let Record::SessionOpened(session) = record else { return };
        let is_new = |record: &Record| {
            matches!(record, Record::EntitlementOpened(e)
                if e.id == session.entitlement && e.shows_trust())
        };
        if records.iter().any(is_new) {
            self.paid.push((session.mac, now));
        }
    }

    fn note_trial(&mut self, entitlement: EntitlementId, mac: Mac, now: Boot) {
        let trial = self.entitlements.get(entitlement).filter(|e| e.origin == Origin::Trial);
        if let Some((id, opened)) = trial.map(|trial| (trial.id, trial.opened)) {
            self.trials.begin(mac, id, opened, now);
            self.trials.paced(self.limits.trials_a_minute, now);
        }
    }

    /// A claim that ends because its device gets what was paid was no guess.
    fn note_confirmation(&mut self, record: &Record, records: &[Record]) {
        let (Record::ClaimClosed { reference, mac }
        | Record::ClaimOpened(Claim { reference, mac, awaits: Awaits::Nothing, .. })) = record
        else {
            return;
        };
        let (reference, mac) = (*reference, *mac);
        let paid = Some(CodeKey(reference.0));
        let opens = |record: &Record| {
            matches!(record, Record::EntitlementOpened(e) if e.code == paid)
                && records.iter().any(|r| matches!(r, Record::SessionOpened(s) if s.mac == mac))
        };
        let adds = |record: &Record| matches!(record, Record::ToppedUp { code, mac: by, .. } if Some(*code) == paid && *by == mac);
        if records.iter().any(|record| opens(record) || adds(record)) {
            self.confirmed = self.confirmed.saturating_add(1);
        }
    }

    fn apply_one(&mut self, record: &Record, now: Now) {
        match record {
            Record::EntitlementOpened(entitlement) => {
                self.next_entitlement = self.next_entitlement.max(entitlement.id.0 + 1);
                self.take_in(entitlement.as_ref().clone());
            }
            Record::EntitlementStamped(stamp) => {
                self.entitlements.change(stamp.entitlement, |e| e.set_stamp(stamp.clone()));
            }
            Record::EntitlementGrown { entitlement, terms } => self.grown(*entitlement, terms),
            Record::EntitlementResumed { entitlement, codes } => self.resumed(entitlement, codes),
            Record::EntitlementEnded { stamp, how } => self.forget(stamp.entitlement, *how, now.boot),
            Record::VoucherRevoked(code) => self.owners.revoke(*code, now.boot),
            Record::DeviceBound { entitlement, mac } => {
                self.entitlements.change(*entitlement, |e| {
                    e.bound.insert(*mac);
                });
                self.note_trial(*entitlement, *mac, now.boot);
            }
            Record::DevicesBound { entitlement, bound } => self.bound_instead(*entitlement, bound),
            Record::SessionOpened(session) => {
                self.next_session = self.next_session.max(session.id.0 + 1);
                self.entitlements.change(session.entitlement, |e| e.joined(now.boot));
                self.pace.opened(session.entitlement, now.boot);
                self.open(session, now.boot);
            }
            Record::SessionClosed { session, .. } => self.close(*session),
            Record::SessionCounted(usage) => self.counted(*usage, now.boot),
            Record::SessionStamped(usage) => self.sessions.written(usage.session),
            Record::DeviceSeen { mac } => self.idle.seen(*mac, now.boot),
            Record::UplinkChanged(downtime) => self.uplink_changed(*downtime, now.boot),
            Record::BootReached(boot) => self.reached = *boot,
            Record::FloorRaised(wall) => {
                self.floor = self.floor.max(*wall);
                self.trials.floor_raised(*wall);
            }
            Record::TrialDated { entitlement, opened } => self.trials.dated(*entitlement, *opened),
            Record::FloorReset(wall) => self.floor_reset(*wall),
            Record::TryFailed { mac, blame } => self.try_failed(*mac, *blame, now.boot),
            Record::PlanPut { plan, generation } => {
                self.cloud.plans.put(plan.id.clone(), (plan.as_ref().clone(), *generation));
            }
            Record::PlanGone(id) => {
                self.cloud.plans.remove(id);
            }
            Record::FeedRead { stand, generation } => {
                self.cloud.read_until(*stand, *generation);
            }
            Record::ResetEnded(generation) => self.cloud.drop_plans_before(*generation),
            Record::ClaimOpened(claim) => self.claims.put(*claim),
            Record::ClaimClosed { reference, mac } => self.claims.remove(*reference, *mac),
            Record::SerialUsed { day, count, .. } => self.cloud.issued_on.put((), (*day, *count)),
            Record::ToppedUp { entitlement, code, terms, .. } => {
                self.owners.give(*code, *entitlement);
                self.grown(*entitlement, terms);
            }
            Record::Merged { kept, other, terms, .. } => self.merged(*kept, *other, terms),
            Record::CommandDone(id) => self.cloud.carry_out(id.clone()),
            Record::DeviceBlocked(mac) => self.cloud.blocked.put(*mac, ()),
            Record::Forgotten(gone) => self.forget_devices(gone),
            Record::Queued(reported) => {
                if let Fact::Refused { cursor, id, why } = &reported.fact {
                    self.cloud.told((*cursor, id.clone(), why.clone()));
                }
            }
            Record::TermsAccepted { session, accepted } => self.sessions.accepted(*session, *accepted),
            Record::Noted(row) => self.trail.goes_on(row),
            Record::SessionsDated { .. } => self.dated = true,
            // Kept in the store alone.
            Record::Purged(_) | Record::RowsPut { .. } | Record::RowGone(_) | Record::Acked(_) => {}
            // Of vouchers the Gate knows only those that were redeemed; the boot it was told at start.
            Record::VouchersMade(_) | Record::BootChanged { .. } => {}
        }
    }

    fn try_failed(&mut self, mac: Mac, blame: Blame, now: Boot) {
        self.attempts.failed(mac, blame, self.limits.unpaid_kept, now);
    }

    pub(super) fn take_in(&mut self, entitlement: Entitlement) {
        if let Some(code) = entitlement.code {
            self.owners.give(code, entitlement.id);
        }
        self.entitlements.put(entitlement);
    }

    fn floor_reset(&mut self, wall: Wall) {
        self.floor = wall;
        self.trials.floor_reset(wall);
        self.entitlements.forget_wall();
    }

    fn grown(&mut self, id: EntitlementId, terms: &Terms) {
        self.entitlements.change(id, |e| e.top_up(terms.clone()));
    }

    fn merged(&mut self, kept: EntitlementId, other: EntitlementId, terms: &Terms) {
        self.owners.hand_over(other, kept);
        self.grown(kept, terms);
    }

    fn bound_instead(&mut self, id: EntitlementId, bound: &OrdSet<Mac>) {
        self.entitlements.change(id, |e| e.bound.clone_from(bound));
    }

    fn resumed(&mut self, again: &Entitlement, codes: &[CodeKey]) {
        self.take_in(again.clone());
        codes.iter().for_each(|code| self.owners.give(*code, again.id));
    }

    /// What the person bought was ended before, by records of its own.
    fn forget_devices(&mut self, gone: &Forgotten) {
        for mac in &gone.traces.devices {
            match gone.who {
                Forgetter::Keeper => drop(self.cloud.blocked.remove(mac)),
                Forgetter::Guest => {}
            }
            let bound = self.entitlements.values().filter(|e| e.bound.contains(mac)).map(|e| e.id);
            for id in bound.collect::<Vec<_>>() {
                self.entitlements.change(id, |e| {
                    e.bound.remove(mac);
                    // It frees no place. More than there are places would only pile up.
                    if e.bound.len() < usize::from(e.terms.devices.max(e.terms.bound_devices)) {
                        e.bound.insert(gone.alias.of(*mac));
                    }
                });
            }
        }
    }

    fn forget(&mut self, id: EntitlementId, how: Ending, now: Boot) {
        self.entitlements.remove(id);
        self.owners.end(id, how, now);
    }

    pub(super) fn open(&mut self, session: &Session, now: Boot) {
        self.sessions.open(session);
        let entitlement = self.entitlements.get(session.entitlement);
        // A device that could not come back to what it loses is not ended for being quiet.
        let held_to = entitlement.filter(|e| e.survives_its_sessions()).and_then(|e| e.terms.idle_timeout);
        if let Some(timeout) = held_to {
            self.idle.watch(session.mac, timeout, now);
        }
    }

    fn close(&mut self, id: SessionId) {
        let Some(session) = self.sessions.close(id) else { return };
        self.entitlements.change(session.entitlement, Entitlement::left);
        self.idle.unwatch(session.mac);
    }

    fn counted(&mut self, usage: Usage, now: Boot) {
        let Some(session) = self.sessions.get(usage.session) else { return };
        let (mac, entitlement, more) = (session.mac, session.entitlement, usage.used().beyond(session.used));
        self.sessions.counted(usage.session, usage.used());
        self.entitlements.change(entitlement, |e| e.counted(more));
        // What is sent to a device says nothing of whether it is there.
        if more.up > Bytes(0) {
            self.idle.seen(mac, now);
        }
    }

    fn uplink_changed(&mut self, to: Downtime, now: Boot) {
        if self.downtime.state.uplink == Uplink::Down {
            self.idle.all_seen(now);
        }
        self.downtime = to;
    }

    pub(super) fn remember_paid(&mut self, mac: Mac, now: Boot) {
        self.paid_lately.insert(mac, (), now, PAID_LATELY);
    }

    /// A day from now on for those who paid and are online still.
    fn remember_who_is_online(&mut self, now: Boot) {
        let online = self.sessions.values().map(|session| session.mac);
        let paid = online.filter(|mac| self.paid_lately.get(mac, now).is_some()).collect::<Vec<_>>();
        paid.into_iter().for_each(|mac| self.remember_paid(mac, now));
    }
}
