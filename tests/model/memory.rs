//! The meaning of the records: a store in memory, and so the specification of the one on flash.
//!
//! It replays records into what a start gets back, and refuses what no store should ever be asked to
//! write: an id twice, a second entitlement for a code, a meter that runs backwards.

use std::collections::BTreeMap;
use std::time::Duration;

use lango::domain::{
    Boot, BootId, Claim, CloudId, CodeKey, Downtime, End, Ending, Entitlement, EntitlementId, Generation,
    Kind, Mac, Origin, Plan, PlanId, Record, ReferenceKey, Restored, Session, SessionId, Stamp, Stand, Terms,
    Uplink, UplinkState, Voucher, VoucherState, Wall,
};

use super::world::Flash;

/// All that was ever written.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    vouchers: BTreeMap<CodeKey, Voucher>,
    /// Which of them are rows of the feed, and since which reset.
    rows: BTreeMap<CodeKey, Generation>,
    topped_up: BTreeMap<CodeKey, EntitlementId>,
    /// What has something left. What has not is gone, but for its voucher.
    entitlements: BTreeMap<EntitlementId, Entitlement>,
    sessions: BTreeMap<SessionId, Session>,
    closed: Vec<(Wall, Mac)>,
    floor: Wall,
    boot: Option<BootId>,
    reached: Boot,
    uplink: Downtime,
    last_entitlement: u64,
    last_session: u64,
    plans: BTreeMap<PlanId, (Plan, Generation)>,
    read: (Stand, Generation),
    claims: BTreeMap<(ReferenceKey, Mac), Claim>,
    commands: Vec<CloudId>,
    blocked: Vec<Mac>,
    issued_on: (u32, u32),
    trials: BTreeMap<EntitlementId, (Option<Mac>, Wall)>,
}

impl Flash for Memory {
    fn find(&mut self, code: CodeKey) -> Option<Voucher> {
        self.vouchers.get(&code).cloned()
    }

    fn commit(&mut self, records: &[Record]) {
        records.iter().for_each(|record| self.write(record));
    }

    fn fail(&mut self, _: &[Record]) {}

    fn tear(&mut self, _: &[Record]) {}

    fn reopen(&mut self) -> Restored {
        let a_day_ago = Wall::from_secs(self.floor.as_secs() - 86_400);
        Restored {
            entitlements: self.entitlements.values().cloned().collect(),
            sessions: self.sessions.values().cloned().collect(),
            recent: self.closed.iter().filter(|(at, _)| *at > a_day_ago).map(|(_, mac)| *mac).collect(),
            floor: self.floor,
            boot: self.boot.clone(),
            reached: self.reached,
            uplink: self.uplink,
            last_entitlement: self.last_entitlement,
            last_session: self.last_session,
            plans: self.plans.values().cloned().collect(),
            stand: self.read.0,
            generation: self.read.1,
            topped_up: self.topped_up.iter().map(|(code, id)| (*code, *id)).collect(),
            claims: self.claims.values().copied().collect(),
            commands: self.commands.clone(),
            blocked: self.blocked.clone(),
            trials: self.trials_since(a_day_ago),
            issued_on: self.issued_on,
            trail: End::default(),
        }
    }
}

impl Memory {
    fn write(&mut self, record: &Record) {
        match record {
            Record::VouchersMade(made) => {
                for voucher in made {
                    self.vouchers.entry(voucher.key).or_insert_with(|| voucher.clone());
                }
            }
            Record::VoucherRevoked(code) => self.voucher(*code).state = VoucherState::Revoked,
            Record::EntitlementOpened(new) => self.opened(new),
            Record::EntitlementStamped(stamp) => self.stamped(stamp),
            Record::EntitlementEnded { stamp, how } => self.ended(stamp, *how),
            Record::EntitlementGrown { entitlement, terms } => self.larger(*entitlement, terms),
            Record::ToppedUp { entitlement, code, terms, .. } => self.grown(*entitlement, *code, terms),
            Record::Merged { kept, other, codes, terms } => self.merged(*kept, *other, codes, terms),
            Record::DeviceBound { entitlement, mac } => self.bound(*entitlement, *mac),
            Record::SessionOpened(new) => {
                assert!(new.id.0 > self.last_session, "{} was given out before", new.id);
                assert!(self.sessions.values().all(|s| s.mac != new.mac), "{} is online already", new.mac);
                assert!(self.entitlements.contains_key(&new.entitlement), "{} of nothing", new.id);
                self.last_session = new.id.0;
                self.sessions.insert(new.id, new.clone());
            }
            Record::SessionClosed { session, at, used, .. } => {
                let session = self.sessions.remove(session).expect("it closes once");
                assert!(used.up >= session.used.up && used.down >= session.used.down, "{record:?}");
                if self.entitlements[&session.entitlement].origin != Origin::Trial {
                    self.closed.push((*at, session.mac));
                }
            }
            Record::FloorRaised(floor) => {
                assert!(*floor > self.floor, "the floor never falls");
                self.floor = *floor;
            }
            Record::FloorReset(floor) => self.floor_reset(*floor),
            Record::BootChanged { boot, at } => self.boot_changed(boot, *at),
            Record::SessionStamped(usage) => {
                let session = self.sessions.get_mut(&usage.session).expect("only what is open is stamped");
                assert!(usage.up >= session.used.up && usage.down >= session.used.down, "{record:?}");
                session.used = usage.used();
            }
            Record::TrialDated { entitlement, opened } => self.dated(*entitlement, *opened),
            Record::UplinkChanged(downtime) => self.uplink = *downtime,
            Record::BootReached(boot) => self.reached = *boot,
            Record::TryFailed { .. } | Record::SessionCounted(_) | Record::DeviceSeen { .. } => {
                panic!("not for the flash: {record:?}")
            }
            Record::RowsPut { .. }
            | Record::RowGone(_)
            | Record::PlanPut { .. }
            | Record::PlanGone(_)
            | Record::FeedRead { .. }
            | Record::ResetEnded(_)
            | Record::Queued(_)
            | Record::Acked(_)
            | Record::ClaimOpened(_)
            | Record::ClaimClosed { .. }
            | Record::SerialUsed { .. }
            | Record::CommandDone(_)
            | Record::DeviceBlocked(_) => self.write_of_cloud(record),
            Record::SessionsDated { from, to } => self.sessions_dated(*from, *to),
            Record::Forgotten(_)
            | Record::TermsAccepted { .. }
            | Record::Noted(_)
            | Record::Purged(_)
            | Record::EntitlementResumed { .. }
            | Record::DevicesBound { .. } => {
                panic!("nobody asked for that: {record:?}")
            }
        }
    }

    fn sessions_dated(&mut self, from: Wall, to: Wall) {
        self.closed.iter_mut().filter(|(at, _)| *at >= from).for_each(|(at, _)| *at = to);
    }

    fn floor_reset(&mut self, floor: Wall) {
        self.floor = floor;
        for entitlement in self.entitlements.values_mut() {
            let stamp = Stamp { expires: None, ..entitlement.last_stamp().clone() };
            *entitlement = entitlement.clone().with_stamp(stamp);
        }
        self.sessions_dated(floor, floor);
    }

    fn trials_since(&self, since: Wall) -> Vec<(Mac, EntitlementId, Wall)> {
        let trials = self.trials.iter().filter(|(_, (_, opened))| *opened >= since);
        trials.map(|(id, (mac, opened))| (mac.expect("a trial is bound"), *id, *opened)).collect()
    }

    /// What only a site with a cloud writes.
    fn write_of_cloud(&mut self, record: &Record) {
        if let Record::RowsPut { rows, at, generation } = record {
            for new in rows.iter().filter_map(|(id, row)| Voucher::of_row(id.clone(), row.clone(), *at)) {
                generation.map(|generation| self.rows.insert(new.key, generation));
                self.put_row(new);
            }
        }
        if let Record::RowGone(name) = record {
            let key =
                self.vouchers.values().find(|voucher| voucher.name() == *name).map(|voucher| voucher.key);
            key.iter().for_each(|key| self.row_gone(*key));
        }
        if let Record::ResetEnded(generation) = record {
            self.plans.retain(|_, (_, of)| *of >= *generation);
            let old = self.rows.iter().filter(|(_, of)| *of < generation).map(|(key, _)| *key);
            old.collect::<Vec<_>>().into_iter().for_each(|key| self.row_gone(key));
        }
        if let Record::PlanPut { plan, generation } = record {
            self.plans.insert(plan.id.clone(), (plan.as_ref().clone(), *generation));
        }
        if let Record::PlanGone(id) = record {
            self.plans.remove(id);
        }
        if let Record::FeedRead { stand, generation } = record {
            self.read = (*stand, *generation);
        }
        if let Record::ClaimOpened(claim) = record {
            self.claims.insert((claim.reference, claim.mac), *claim);
        }
        if let Record::ClaimClosed { reference, mac } = record {
            self.claims.remove(&(*reference, *mac)).expect("it closes once");
        }
        if let Record::SerialUsed { day, count, .. } = record {
            self.issued_on = (*day, *count);
        }
        if let Record::CommandDone(id) = record {
            assert!(!self.commands.contains(id), "{id} is carried out twice");
            self.commands.push(id.clone());
        }
        if let Record::DeviceBlocked(mac) = record {
            self.blocked.retain(|known| known != mac);
            self.blocked.push(*mac);
        }
    }

    /// What was redeemed stays as it was, but for an account under another id, which was paid for again.
    fn put_row(&mut self, new: Voucher) {
        let Some(old) = self.vouchers.get_mut(&new.key).filter(|old| old.entitlement.is_some()) else {
            self.vouchers.insert(new.key, new);
            return;
        };
        if old.kind == Kind::Account {
            let is_renewed = old.id.is_some() && new.id.is_some() && old.id != new.id;
            let is_over = old.state != VoucherState::Active;
            let state = if is_renewed && is_over { VoucherState::Unused } else { old.state };
            *old = Voucher { entitlement: old.entitlement, state, ..new };
        }
    }

    fn row_gone(&mut self, key: CodeKey) {
        self.rows.remove(&key);
        if self.vouchers.get(&key).is_some_and(|voucher| voucher.entitlement.is_none()) {
            self.vouchers.remove(&key);
        }
    }

    fn grown(&mut self, id: EntitlementId, code: CodeKey, terms: &Terms) {
        let voucher = self.voucher(code);
        assert_eq!(voucher.state, VoucherState::Unused, "one code, one entitlement");
        (voucher.state, voucher.entitlement) = (VoucherState::Active, Some(id));
        self.topped_up.insert(code, id);
        self.larger(id, terms);
    }

    fn merged(&mut self, kept: EntitlementId, other: EntitlementId, codes: &[CodeKey], terms: &Terms) {
        for code in codes {
            let voucher = self.voucher(*code);
            assert_eq!(voucher.entitlement.replace(kept), Some(other), "one code, one entitlement");
            self.topped_up.insert(*code, kept);
        }
        self.larger(kept, terms);
    }

    fn bound(&mut self, id: EntitlementId, mac: Mac) {
        self.trials.entry(id).and_modify(|(had, _)| *had = Some(mac));
        self.entitlements.get_mut(&id).expect("it is there").bound.insert(mac);
    }

    fn larger(&mut self, id: EntitlementId, terms: &Terms) {
        let entitlement = self.entitlements.get_mut(&id).expect("only what is there grows");
        let before = entitlement.terms.validity.unwrap_or_default();
        let more = terms.validity.unwrap_or_default().checked_sub(before).expect("terms grow");
        let last = entitlement.last_stamp().clone();
        let validity_left = last.validity_left.map(|left| left + more);
        let expires = last.expires.map(|end| end.plus(more + Duration::from_millis(999)));
        entitlement.terms = terms.clone();
        *entitlement = entitlement.clone().with_stamp(Stamp { validity_left, expires, ..last });
    }

    fn voucher(&mut self, code: CodeKey) -> &mut Voucher {
        self.vouchers.get_mut(&code).expect("the voucher was made")
    }

    fn dated(&mut self, trial: EntitlementId, opened: Wall) {
        self.trials.get_mut(&trial).expect("only trials are dated").1 = opened;
        if let Some(lives) = self.entitlements.get_mut(&trial) {
            lives.opened = opened;
        }
    }

    fn opened(&mut self, new: &Entitlement) {
        assert!(new.id.0 > self.last_entitlement, "{} was given out before", new.id);
        self.last_entitlement = new.id.0;
        if let Some(code) = new.code {
            let voucher = self.voucher(code);
            assert_eq!(voucher.state, VoucherState::Unused, "one code, one entitlement");
            voucher.state = VoucherState::Active;
            voucher.entitlement = Some(new.id);
        }
        if new.origin == Origin::Trial {
            self.trials.insert(new.id, (None, new.opened));
        }
        self.entitlements.insert(new.id, new.clone());
    }

    fn ended(&mut self, stamp: &Stamp, how: Ending) {
        self.stamped(stamp);
        assert!(self.sessions.values().all(|s| s.entitlement != stamp.entitlement), "{stamp:?}");
        self.entitlements.remove(&stamp.entitlement).expect("it ends once");
        self.topped_up.retain(|_, id| *id != stamp.entitlement);
        let of = Some(stamp.entitlement);
        for voucher in self.vouchers.values_mut().filter(|voucher| voucher.entitlement == of) {
            voucher.state = how.into();
        }
    }

    fn boot_changed(&mut self, boot: &BootId, at: Boot) {
        self.boot = Some(boot.clone());
        for entitlement in self.entitlements.values_mut() {
            let last = entitlement.last_stamp().clone();
            let ran = self.reached.since(last.at);
            let validity_left = last.validity_left.map(|left| left.saturating_sub(ran));
            let stamp = Stamp { at, downtime: Duration::ZERO, validity_left, ..last };
            *entitlement = entitlement.clone().with_stamp(stamp);
        }
        for session in self.sessions.values_mut() {
            session.lasted += self.reached.since(session.at);
            session.at = at;
        }
        self.reached = at;
        let state = UplinkState { uplink: Uplink::Unknown, since: at };
        self.uplink = Downtime { state, before: Duration::ZERO };
    }

    fn stamped(&mut self, stamp: &Stamp) {
        let entitlement =
            self.entitlements.get_mut(&stamp.entitlement).expect("what has ended is not stamped");
        let last = entitlement.last_stamp();
        let outage = self.uplink.state;
        let is_refund = outage.uplink == Uplink::Down && last.at > outage.since;
        assert!(stamp.at >= last.at && (stamp.used >= last.used || is_refund), "{last:?} {stamp:?}");
        assert!(stamp.bytes_up >= last.bytes_up && stamp.bytes_down >= last.bytes_down, "{last:?} {stamp:?}");
        assert!(stamp.validity_left <= last.validity_left, "{last:?} {stamp:?}");
        assert!(last.expires.is_none() || stamp.expires == last.expires, "{last:?} {stamp:?}");
        *entitlement = entitlement.clone().with_stamp(stamp.clone());
    }
}
