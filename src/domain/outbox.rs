//! What a site tells its cloud: facts, each once, in the order in which they became so.
//!
//! Owns: the facts and their numbers. Never: their JSON (`wire::events`), or when they are sent.
//! Neighbours: `feed.rs` is the other direction.

use super::{
    Closing, CloudId, Cursor, EntitlementId, Mac, Noted, Now, PlanId, ReferenceKey, RowName, SessionId,
    Traffic, Trust, Wall,
};

/// Number of a fact: grows, and is never given out again by the same database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A fact, and when it became one as far as the clock was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    pub at: Wall,
    pub clock: Trust,
    pub fact: Fact,
}

impl Reported {
    /// It became so now.
    pub fn new(fact: Fact, now: Now) -> Self {
        Self { at: now.wall, clock: now.trust, fact }
    }
}

/// Something that the cloud has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A row of the cloud, or a code made here, now belongs to an entitlement.
    Redeemed {
        id: Option<CloudId>,
        name: RowName,
        plan: PlanId,
        entitlement: EntitlementId,
        mac: Mac,
    },
    SessionOpened {
        session: SessionId,
        entitlement: EntitlementId,
        mac: Mac,
    },
    /// Of the whole session so far.
    Usage {
        session: SessionId,
        seconds: u64,
        used: Traffic,
    },
    SessionClosed {
        session: SessionId,
        why: Closing,
        seconds: u64,
        used: Traffic,
    },
    /// A guest says to have paid under a reference that is not known yet.
    Claimed {
        reference: ReferenceKey,
        mac: Mac,
    },
    /// A command was carried out, or could not be.
    Done {
        command: CloudId,
        result: Outcome,
    },
    /// A page, or one of its ops, was not applied.
    Refused {
        cursor: Option<Cursor>,
        id: Option<CloudId>,
        why: String,
    },
    /// The trail has a row more.
    Noted(Box<Noted>),
}

impl Fact {
    /// Whether a later fact of the same session says all of it again, so that it may go first when the
    /// outbox is full.
    pub fn is_intermediate(&self) -> bool {
        matches!(self, Self::Usage { .. })
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was done, which came to nothing: why.
    Remarked(String),
    /// It was done, and this is what was asked for, as JSON.
    Delivered(String),
    Failed(String),
}

impl Outcome {
    /// Whether the command was carried out.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Done | Self::Remarked(_) | Self::Delivered(_) => true,
            Self::Failed(_) => false,
        }
    }
}
