//! What comes in, what is written down, what is to be done about it, what is answered.
//!
//! Owns: the words between the Gate and the rest. Never: a rule. Neighbours: `store` writes a [`Record`],
//! `app` performs an [`Effect`].

use std::time::Duration;

use super::{
    Blame, Boot, BootId, Claim, Closing, CloudId, CodeKey, Downtime, Ending, Entitlement, EntitlementId,
    Issued, Mac, Plan, PlanId, ReferenceKey, Reported, Row, RowName, Seq, Session, SessionId, Stamp, Stand,
    Terms, Traffic, UplinkState, Usage, Voucher, Wall,
};

/// Something happened, or somebody asks for something.
#[derive(Clone, Debug)]
pub enum Input {
    /// A guest typed a code.
    Redeem { mac: Mac, code: Found, moving: Moving },
    /// A guest ends its session on this device.
    Logout { mac: Mac },
    /// An operator opens a device by hand.
    Grant { mac: Mac, plan: PlanId },
    /// An operator cuts a session.
    Kick { session: SessionId },
    /// An operator cuts whatever session a device has.
    KickDevice { mac: Mac },
    /// The counters were read.
    Counted(Vec<Usage>),
    /// Who watches the uplink has news of it.
    UplinkChanged(UplinkState),
    /// A device that was asked has answered.
    Seen { mac: Mac },
    /// A device that was quiet was asked and did not answer.
    Gone { mac: Mac },
    /// A device is at two places, or its address is claimed by another one.
    Suspect { mac: Mac },
    /// Vouchers were made here or imported.
    MakeVouchers { vouchers: Vec<Voucher> },
    /// A voucher is withdrawn.
    RevokeVoucher { voucher: Voucher },
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
    /// A code that was made.
    Voucher(Box<Voucher>),
    /// No such code; who is to blame for the try depends on its shape.
    Nothing(Blame),
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
    /// The device counts against `bound_devices`.
    DeviceBound {
        entitlement: EntitlementId,
        mac: Mac,
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
    /// How long a session had been open at a moment of this boot.
    SessionLasted {
        session: SessionId,
        lasted: Duration,
        at: Boot,
    },
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
    /// CLOCK_BOOTTIME began again: all stamps are now of this boot, taken at `at`. Validity went on until
    /// the last [`Record::BootReached`] of the boot before; of outages nothing is known.
    BootChanged {
        boot: BootId,
        at: Boot,
    },
    /// Rows of the cloud, none of them a plan. One that was redeemed here stays redeemed. `generation`: none
    /// if they were looked up, which makes no row of the feed of them, and leaves one that is.
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
    /// The code now belongs to an entitlement that was there, whose terms grew.
    ToppedUp {
        entitlement: EntitlementId,
        code: CodeKey,
        terms: Box<Terms>,
    },
    /// A command of the cloud was carried out, and never will be again.
    CommandDone(CloudId),
    /// The cloud wants the device kept out.
    DeviceBlocked(Mac),
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
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    CodeUnknown,
    CodeSpent,
    CodeExpired,
    CodeRevoked,
    /// The code has been used on as many devices as it ever may.
    WrongDevice,
    /// In use on as many devices as at the same time may; the guest can move it here.
    InUse,
    TooManyTries {
        retry_after: Duration,
    },
    /// The hotspot has as many guests as it takes.
    Full,
    /// The device has no session.
    NotOnline,
    NoSuchSession,
    NoSuchPlan(PlanId),
    /// The record could not be written.
    NotStored,
}

/// What is answered to who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The device is online, by this session.
    Online(SessionId),
    /// The session was closed.
    Closed(SessionId),
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
    pub claims: Vec<Claim>,
    /// The commands carried out last, the oldest first.
    pub commands: Vec<CloudId>,
    pub blocked: Vec<Mac>,
    /// Of the last day on which codes that prove themselves were redeemed: the day, counted since 1970, and how
    /// many.
    pub issued_on: (u32, u32),
}
