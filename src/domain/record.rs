//! What comes in, what is written down, what is to be done about it, what is answered.
//!
//! Owns: the words between the Gate and the rest. Never: a rule. Neighbours: `store` writes a [`Record`],
//! `app` performs an [`Effect`].

use super::{
    Acceptance, Action, Actor, Alias, Blame, Boot, BootId, Bought, Claim, Closing, CloudCommand, CloudId,
    CodeKey, Cursor, Downtime, End, Ending, Entitlement, EntitlementId, Forgotten, Hint, Issued, Mac, More,
    Noted, Outcome, Overdue, PhoneTail, Plan, PlanId, ReferenceKey, Refusal, Reported, Row, RowName, Seq,
    Session, SessionId, Stamp, Stand, Terms, TermsVersion, Traffic, UplinkState, Usage, Voucher, Wall,
};
use crate::ordered::OrdSet;

/// Something happened, or somebody asks for something.
#[derive(Clone, Debug)]
pub enum Input {
    /// A guest typed a code.
    Redeem {
        mac: Mac,
        code: Found,
        moving: Moving,
    },
    /// A guest wants what is free.
    Trial {
        mac: Mac,
    },
    /// A guest ends its session on this device.
    Logout {
        mac: Mac,
    },
    /// An operator opens a device by hand.
    Grant {
        mac: Mac,
        plan: PlanId,
    },
    /// An operator cuts a session.
    Kick {
        session: SessionId,
    },
    /// An operator cuts whatever session a device has.
    KickDevice {
        mac: Mac,
    },
    /// An operator adds to what was bought.
    Grow {
        bought: Box<Bought>,
        more: More,
    },
    /// An operator pays back what is left. `reason`: for the trail; may be empty.
    Refund {
        entitlement: EntitlementId,
        reason: String,
    },
    /// The same of a voucher that nobody has used.
    RefundUnused {
        voucher: Voucher,
        reason: String,
    },
    /// An operator gives it to another device. `from`: the one that loses it, where that has to be said.
    Move {
        entitlement: EntitlementId,
        from: Option<Mac>,
        to: Mac,
    },
    /// An operator makes one of two that a person has bought. `other`: the one that is no more.
    Merge {
        kept: EntitlementId,
        other: EntitlementId,
    },
    /// The counters were read.
    Counted(Vec<Usage>),
    /// Who watches the uplink has news of it.
    UplinkChanged(UplinkState),
    /// A device that was asked has answered.
    Seen {
        mac: Mac,
    },
    /// A device that was quiet was asked and did not answer.
    Gone {
        mac: Mac,
    },
    /// A device is at two places, or its address is claimed by another one.
    Suspect {
        mac: Mac,
    },
    /// Vouchers were made here or imported.
    MakeVouchers {
        vouchers: Vec<Voucher>,
    },
    /// New vouchers take the place of those that nobody has used.
    ReplaceVouchers {
        old: Vec<Voucher>,
        new: Vec<Voucher>,
    },
    /// A voucher is withdrawn.
    RevokeVoucher {
        voucher: Voucher,
    },
    /// An operator says that the wall clock was wrong, and that it is `to` or later.
    ResetFloor {
        to: Wall,
    },
    /// A page of the feed was read, and `stand` is where the reading stands after it. Comes before what the
    /// page holds.
    FeedRead {
        stand: Stand,
        page: PageKind,
    },
    /// What a page or a lookup holds of rows, other than plans.
    RowsPut {
        rows: Vec<(Option<CloudId>, Row)>,
        from: RowsFrom,
    },
    /// The cloud takes a row back. `known`: what the store has of it.
    RowGone {
        name: RowName,
        known: Option<Box<Voucher>>,
    },
    PlanPut(Box<Plan>),
    /// The last page of a reset was read. Comes after what the page holds.
    ResetEnded,
    /// A payment came in, for whoever claims it, or for this device. It is as the store has it.
    Paid {
        payment: Box<Voucher>,
        mac: Option<Mac>,
    },
    /// The cloud wants this done, once.
    Do {
        id: CloudId,
        command: CloudCommand,
    },
    /// What is stored of a person is to go. `by`: the command of the cloud that wants it.
    Forget {
        person: Box<Forgotten>,
        by: Option<CloudId>,
    },
    /// A guest wants this device, which it is on, to be forgotten. `alias`: what it is called where a row stays.
    ForgetDevice {
        mac: Mac,
        alias: Alias,
    },
    /// This came of a command that the Gate has no part in.
    Told {
        command: CloudId,
        result: Outcome,
    },
    /// A page, or one of its ops, was not applied.
    NotApplied {
        cursor: Option<Cursor>,
        id: Option<CloudId>,
        why: String,
    },
    /// The feed has to be read from the start.
    StartOver,
    /// The cloud has all facts up to this one.
    Acked(Seq),
    /// This is too old, and goes.
    Purge(Overdue),
    /// A guest has accepted the terms of use with what was asked for just before.
    Accepted {
        mac: Mac,
        terms: TermsVersion,
    },
    /// Somebody wants this done, which the trail is to tell unless it is refused.
    Ordered {
        by: Actor,
        action: Action,
        input: Box<Self>,
    },
    /// Somebody did what the Gate has no part in.
    Noted {
        by: Actor,
        action: Action,
        detail: String,
    },
}

/// What the pages of a feed are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// What has changed.
    Changes,
    /// All there is.
    Reset,
}

/// What brought rows of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsFrom {
    Feed,
    Lookup,
}

/// Whether the guest has agreed that another device gives up its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    Ask,
    Agreed,
}

/// What a look into the store found for a typed code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A code that was made, a payment, an account.
    Voucher(Box<Voucher>),
    /// The same, and what the guest gave besides.
    Proved(Box<Voucher>, Shown),
    /// A code that proves itself and has no row yet.
    Issued(IssuedCode),
    /// What may be the reference of a payment, which is not known here.
    Reference(ReferenceKey, Reach),
    /// No such code; who is to blame for the try depends on its shape.
    Nothing(Blame),
}

/// What a guest gave besides the text that finds a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    Phone(PhoneTail),
    /// What cannot be the digits of a phone.
    WrongPhone,
    RightPin,
    WrongPin,
}

/// A code that proves itself, as read with the site's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCode {
    pub key: CodeKey,
    pub hint: Hint,
    pub issued: Issued,
    pub serial: SerialState,
}

/// Whether a serial was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialState {
    Fresh,
    Used,
}

/// What the cloud says of a reference that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It does not know it either; the payment may be on its way.
    Unknown,
    /// It cannot be asked.
    Away,
}

/// A fact, written to flash before anything acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    VouchersMade(Vec<Voucher>),
    VoucherRevoked(CodeKey),
    /// The voucher of its `code` now belongs to it.
    EntitlementOpened(Box<Entitlement>),
    EntitlementStamped(Stamp),
    EntitlementEnded {
        stamp: Stamp,
        how: Ending,
    },
    /// Its terms grew; what is left of validity, and its end on the wall, grow as the whole does.
    EntitlementGrown {
        entitlement: EntitlementId,
        terms: Box<Terms>,
    },
    /// What had ended goes on: with these terms, from this stamp on. `codes`: all that lead to it.
    EntitlementResumed {
        entitlement: Box<Entitlement>,
        codes: Vec<CodeKey>,
    },
    /// The device counts against `bound_devices`.
    DeviceBound {
        entitlement: EntitlementId,
        mac: Mac,
    },
    /// These and no others do, or are its owners.
    DevicesBound {
        entitlement: EntitlementId,
        bound: OrdSet<Mac>,
    },
    SessionOpened(Session),
    SessionClosed {
        session: SessionId,
        at: Wall,
        why: Closing,
        used: Traffic,
    },
    /// A reading of the counters. Kept in memory only: flash gets it with the next checkpoint.
    SessionCounted(Usage),
    /// What an open session has used by now.
    SessionStamped(Usage),
    /// The uplink went down or came back; each guest's clock follows from this.
    UplinkChanged(Downtime),
    /// The latest CLOCK_BOOTTIME known to have been reached in this boot.
    BootReached(Boot),
    /// A device showed that it is there. Kept in memory only.
    DeviceSeen {
        mac: Mac,
    },
    /// The latest wall time known to have been reached.
    FloorRaised(Wall),
    /// That time was wrong, and so are the ends told by it: no end on the wall is known any more.
    FloorReset(Wall),
    /// CLOCK_BOOTTIME began again: all stamps are now of this boot, taken at `at`. Validity and sessions went on
    /// until the last [`Record::BootReached`] of the boot before; of outages nothing is known.
    BootChanged {
        boot: BootId,
        at: Boot,
    },
    /// Rows of the cloud, none of them a plan. One that was redeemed here stays redeemed, but for an account
    /// that comes under another id than before: it was paid for again, and is unused when what it opened has
    /// ended. `generation`: none if they were looked up, which makes no row of the feed
    /// of them, and leaves one that is.
    RowsPut {
        rows: Vec<(Option<CloudId>, Row)>,
        at: Wall,
        generation: Option<Generation>,
    },
    /// The cloud took it back. One that was redeemed stays, and no longer counts as a row of the cloud.
    RowGone(RowName),
    PlanPut {
        plan: Box<Plan>,
        generation: Generation,
    },
    PlanGone(PlanId),
    /// The feed was read until there.
    FeedRead {
        stand: Stand,
        generation: Generation,
    },
    /// A reset is complete: rows and plans of the cloud of an older generation go, but what was redeemed.
    ResetEnded(Generation),
    /// The cloud is to be told.
    Queued(Reported),
    /// The cloud has all of its facts up to this one.
    Acked(Seq),
    /// A claim, new or in place of the same one as it was.
    ClaimOpened(Claim),
    /// It was confirmed, or is forgotten.
    ClaimClosed {
        reference: ReferenceKey,
        mac: Mac,
    },
    /// The code that proves itself with this serial was redeemed; `count`: so many on that day, counted since
    /// 1970.
    SerialUsed {
        issued: Issued,
        day: u32,
        count: u32,
    },
    /// The code, redeemed on that device, now belongs to an entitlement that was there and whose terms grew;
    /// what is left of validity, and its end on the wall, grow as the whole does.
    ToppedUp {
        entitlement: EntitlementId,
        mac: Mac,
        code: CodeKey,
        terms: Box<Terms>,
    },
    /// These codes, which led to `other`, now belong to `kept`, whose terms grew by what was left of that; what is left
    /// of validity, and its end on the wall, grow as the whole does. The end of `other` follows.
    Merged {
        kept: EntitlementId,
        other: EntitlementId,
        codes: Vec<CodeKey>,
        terms: Box<Terms>,
    },
    /// A command of the cloud was carried out, and never will be again.
    CommandDone(CloudId),
    /// The cloud wants the device kept out.
    DeviceBlocked(Mac),
    /// A trial was opened then, as a trusted clock says that was not there at the time.
    TrialDated {
        entitlement: EntitlementId,
        opened: Wall,
    },
    /// What is stored of a person goes, or is of an alias from now on. What the person used has ended before, by
    /// records of its own.
    Forgotten(Box<Forgotten>),
    /// What is too old goes. Of a purchase there stays that its code is used up.
    Purged(Box<Overdue>),
    /// Sessions that are said to have ended at `from` or later ended at `to`, or nobody knows when before that.
    SessionsDated {
        from: Wall,
        to: Wall,
    },
    /// The guest with that session has accepted the terms.
    TermsAccepted {
        session: SessionId,
        accepted: Acceptance,
    },
    /// The next row of the trail.
    Noted(Box<Noted>),
    /// A wrong code. Kept in memory only: guessing must not wear out the flash.
    TryFailed {
        mac: Mac,
        blame: Blame,
    },
}

impl Record {
    /// Whether the record has to reach the flash.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::TryFailed { .. } | Self::SessionCounted(_) | Self::DeviceSeen { .. })
    }
}

/// Which reset brought a row of the cloud, or was the last one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u32);

/// Something to do in the world, after its records are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Let the kernel admit the device, as [`Gate::grant`](super::Gate::grant) says.
    Admit { mac: Mac },
    /// Let the kernel hold the device.
    Evict { mac: Mac },
    /// Kill the flows of the device, so that nothing lives on what no longer holds.
    CutFlows { mac: Mac },
    /// Compare all that is granted with what is desired: any of it may have changed.
    Regrant,
    /// The devices that are kept out have changed.
    KeepOut,
    /// Read the plans of the configuration anew.
    ReadPlans,
}

/// What is answered to who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The device is online, by this session.
    Online(SessionId),
    /// The session was closed.
    Closed(SessionId),
    /// The payment is not confirmed yet; the device is let through when it is.
    Waiting,
    Done,
    Refused(Refusal),
}

/// The outcome of an input: records to commit, effects to perform after that, and the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub records: Vec<Record>,
    pub effects: Vec<Effect>,
    pub reply: Reply,
}

/// What the store gives back at start: everything that still has something left.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    pub entitlements: Vec<Entitlement>,
    pub sessions: Vec<Session>,
    /// Devices whose session closed within the last day before the last checkpoint.
    pub recent: Vec<Mac>,
    pub floor: Wall,
    /// The boot that the stamps belong to; `None` in a new store.
    pub boot: Option<BootId>,
    /// What CLOCK_BOOTTIME is known to have reached in that boot.
    pub reached: Boot,
    /// What was known of the uplink, in that boot.
    pub uplink: Downtime,
    /// The highest ids ever given out.
    pub last_entitlement: u64,
    pub last_session: u64,
    /// Plans of the cloud, and in which generation it named them.
    pub plans: Vec<(Plan, Generation)>,
    /// How far the feed was read, and the generation of its rows.
    pub stand: Stand,
    pub generation: Generation,
    /// Codes that topped an entitlement up that is still there.
    pub topped_up: Vec<(CodeKey, EntitlementId)>,
    pub claims: Vec<Claim>,
    /// The commands carried out last, the oldest first.
    pub commands: Vec<CloudId>,
    pub blocked: Vec<Mac>,
    /// Devices that had a free trial less than a day before the floor or after it, what it was and when it was
    /// opened.
    pub trials: Vec<(Mac, EntitlementId, Wall)>,
    /// Of the last day on which codes that prove themselves were redeemed: the day, counted since 1970, and how
    /// many.
    pub issued_on: (u32, u32),
    /// The last row of the trail.
    pub trail: End,
}
