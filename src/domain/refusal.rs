//! Why something is not done.
//!
//! Owns: the reasons, and their words for operators and the cloud. Never: a rule, or what guests are told. Neighbours:
//! `bought.rs` has what stands in the way of an order.

use std::fmt;
use std::time::Duration;

use super::{Hindrance, PlanId};

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
    /// The last digits of the phone that paid are asked for.
    PhoneNeeded,
    PhoneWrong,
    /// The PIN of the account is asked for.
    PinNeeded,
    PinWrong,
    /// A one-time code was sent to the phone, and is asked for.
    OneTimeCodeNeeded,
    OneTimeCodeWrong,
    /// Only the cloud could say, and it cannot be asked.
    CloudAway,
    /// The device, or the site, has too many payments under way that nobody has confirmed.
    TooManyClaims,
    /// As many codes that prove themselves were redeemed today as may be in a day.
    EnoughForToday {
        retry_after: Duration,
    },
    /// Nothing is free here.
    NoTrial,
    /// The device had what is free, less than a day ago.
    TrialHad {
        retry_after: Duration,
    },
    /// As many began what is free as may in a minute.
    TooManyTrials {
        retry_after: Duration,
    },
    /// The device has no session.
    NotOnline,
    NoSuchSession,
    NoSuchPlan(PlanId),
    /// The record could not be written.
    NotStored,
    /// What an operator ordered cannot be.
    Hindered(Hindrance),
}

impl fmt::Display for Refusal {
    /// For operators and the cloud; guests are told in words of the portal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchPlan(plan) => return write!(f, "there is no plan {plan}"),
            Self::Hindered(why) => return why.fmt(f),
            Self::Full => "the hotspot has as many guests as it takes",
            Self::NotOnline => "the device has no session",
            Self::NoSuchSession => "there is no such session",
            Self::NotStored => "it could not be written to flash, so it was not done",
            Self::CodeUnknown
            | Self::CodeSpent
            | Self::CodeExpired
            | Self::CodeRevoked
            | Self::WrongDevice
            | Self::InUse
            | Self::TooManyTries { .. }
            | Self::PhoneNeeded
            | Self::PhoneWrong
            | Self::PinNeeded
            | Self::PinWrong
            | Self::OneTimeCodeNeeded
            | Self::OneTimeCodeWrong
            | Self::CloudAway
            | Self::TooManyClaims
            | Self::EnoughForToday { .. }
            | Self::NoTrial
            | Self::TrialHad { .. }
            | Self::TooManyTrials { .. } => "it was refused as things stand",
        })
    }
}
