//! The meaning of the records: a store in memory, and so the specification of the one on flash.
//!
//! It replays records into what a start gets back, and refuses what no store should ever be asked to
//! write: an id twice, a second entitlement for a code, a meter that runs backwards.

use std::collections::BTreeMap;
use std::time::Duration;

use lango::domain::{
    Boot, BootId, CodeKey, Downtime, Ending, Entitlement, EntitlementId, Mac, Record, Restored, Session,
    SessionId, Stamp, Terms, Uplink, UplinkState, Voucher, VoucherState, Wall,
};

use super::world::Flash;

/// All that was ever written.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    vouchers: BTreeMap<CodeKey, Voucher>,
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
            ..Restored::default()
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
            Record::DeviceBound { entitlement, mac } => {
                self.entitlements.get_mut(entitlement).expect("it is there").bound.insert(*mac);
            }
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
                self.closed.push((*at, session.mac));
            }
            Record::FloorRaised(floor) => {
                assert!(*floor > self.floor, "the floor never falls");
                self.floor = *floor;
            }
            Record::FloorReset(floor) => {
                self.floor = *floor;
                for entitlement in self.entitlements.values_mut() {
                    let stamp = Stamp { expires: None, ..entitlement.last_stamp().clone() };
                    *entitlement = entitlement.clone().with_stamp(stamp);
                }
            }
            Record::BootChanged { boot, at } => self.boot_changed(boot, *at),
            Record::SessionStamped(usage) => {
                let session = self.sessions.get_mut(&usage.session).expect("only what is open is stamped");
                assert!(usage.up >= session.used.up && usage.down >= session.used.down, "{record:?}");
                session.used = usage.used();
            }
            Record::UplinkChanged(downtime) => self.uplink = *downtime,
            Record::BootReached(boot) => self.reached = *boot,
            Record::SessionLasted { session, lasted, at } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    (session.lasted, session.at) = (*lasted, *at);
                }
            }
            Record::ToppedUp { entitlement, code, terms } => self.topped_up(*entitlement, *code, terms),
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
            | Record::DeviceBlocked(_) => panic!("without a cloud there is none of this: {record:?}"),
        }
    }

    fn voucher(&mut self, code: CodeKey) -> &mut Voucher {
        self.vouchers.get_mut(&code).expect("the voucher was made")
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
        self.entitlements.insert(new.id, new.clone());
    }

    fn ended(&mut self, stamp: &Stamp, how: Ending) {
        self.stamped(stamp);
        assert!(self.sessions.values().all(|s| s.entitlement != stamp.entitlement), "{stamp:?}");
        self.entitlements.remove(&stamp.entitlement).expect("it ends once");
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

    fn topped_up(&mut self, id: EntitlementId, code: CodeKey, terms: &Terms) {
        let voucher = self.voucher(code);
        assert_eq!(voucher.state, VoucherState::Unused, "one code, one entitlement");
        (voucher.state, voucher.entitlement) = (VoucherState::Active, Some(id));
        let entitlement = self.entitlements.get_mut(&id).expect("it has not ended");
        let validity = |terms: &Terms| terms.validity.unwrap_or_default();
        let more = validity(terms).saturating_sub(validity(&entitlement.terms));
        let last = entitlement.last_stamp().clone();
        let (left, expires) = (last.validity_left, last.expires);
        let stamp = Stamp {
            validity_left: left.map(|left| left + more),
            expires: expires.map(|end| end.plus(more)),
            ..last
        };
        entitlement.terms = terms.clone();
        *entitlement = entitlement.clone().with_stamp(stamp);
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
