//! What operators change of what was bought: by how much, and what stands in the way.
//!
//! Owns: the words of such an order. Never: a rule over sessions or devices. Neighbours: `gate/orders.rs` decides,
//! `entitlement.rs` counts on from there.

use std::fmt;
use std::time::Duration;

use super::{Bytes, CodeKey, DataCap, Ending, Entitlement, EntitlementId, Mac, PlanId, SessionId, Terms};

/// No plan has more time than half of it, and no sum of two overflows the store.
const LONGEST: Duration = Duration::from_secs(73_000 * 24 * 60 * 60);
/// Bytes: far beyond any use, and the store counts in signed 64 bits.
const LARGEST: u64 = 1 << 60;

/// Something that was bought and begun.
#[derive(Clone, Debug)]
pub struct Bought {
    pub id: EntitlementId,
    /// What the store has of it, if it has ended.
    pub over: Option<Box<Over>>,
    /// Who goes on with it where that opens it again.
    pub device: Option<Mac>,
}

/// What has ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    pub entitlement: Entitlement,
    pub how: Ending,
    /// All that lead to it.
    pub codes: Vec<CodeKey>,
}

/// How much more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// Time online.
    pub metered: Duration,
    /// Wall time.
    pub validity: Duration,
    /// Where directions are capped apart, of each.
    pub data: Bytes,
}

impl fmt::Display for More {
    /// For the trail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metered, validity, data: Bytes(data) } = self;
        let parts =
            [(metered.as_secs(), "s online"), (validity.as_secs(), "s of validity"), (*data, "bytes")];
        let parts = parts.iter().filter(|(amount, _)| *amount > 0).map(|(n, what)| format!("{n} {what}"));
        f.write_str(&parts.collect::<Vec<_>>().join(" and "))
    }
}

/// What stands in the way of an order, and what the operator can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It was withdrawn or paid back, or nothing is stored of it any more.
    Withdrawn,
    /// It has ended, or was paid back before.
    NothingLeft(EntitlementId),
    /// What is free belongs to its device.
    OfTrial,
    /// Several devices use it, and it is not said which one leaves.
    WhichDevice,
    /// Time online has no limit.
    NoMeter,
    NoValidity,
    NoDataCap,
    TooMuch,
    /// The device is online with something else.
    OnlineOtherwise(SessionId),
    KeptOut,
    /// Nothing but a session leads to it, and nobody knows of which device.
    NoDevice,
    /// Both that are to be one are this one.
    OneAlready(EntitlementId),
    /// Those that are to be one are of these plans.
    OtherPlan(Box<(PlanId, PlanId)>),
    /// They are of one plan, which was changed between the sales.
    OtherTerms,
    /// It is free, or bridges the wait for a payment.
    Unpaid(EntitlementId),
    /// The one to keep ends with its session, and then the code of the other one would lead nowhere.
    NoCode,
    /// Together more devices have used them than may ever use one.
    TooManyDevices,
}

impl Hindrance {
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Withdrawn => "sell another one: lango voucher new, or open the device by lango login",
            Self::NothingLeft(_) => "lango audit tells what was done to it before",
            Self::OfTrial => "each device may have its own, or open it by lango login",
            Self::WhichDevice => "say which one leaves: --mac MAC, or --session ID of lango sessions",
            Self::NoMeter => "lango extend prolongs its validity, if that is what ends it",
            Self::NoValidity => "lango topup adds time online, if that is what ends it",
            Self::NoDataCap => "leave --data out",
            Self::TooMuch => "add less",
            Self::OnlineOtherwise(_) => "cut that session first: lango logout --session ID",
            Self::KeptOut => "unblock it: its section of the configuration, or the cloud, says so",
            Self::NoDevice => "name the device: --mac MAC",
            Self::OneAlready(_) => "nothing is to be done",
            Self::OtherPlan(_) | Self::OtherTerms => {
                "lango refund ends one, lango topup adds to the other one"
            }
            Self::Unpaid(_) => "lango topup adds to the other one",
            Self::NoCode => "name the one with a code first",
            Self::TooManyDevices => "take one off first: lango move --mac MAC TO_MAC",
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Withdrawn => "it was withdrawn or forgotten, and nothing brings it back",
            Self::NothingLeft(id) => return write!(f, "nothing is left of {id}"),
            Self::OfTrial => "a free trial belongs to its device",
            Self::WhichDevice => "as many devices use it as may",
            Self::NoMeter => "its time online has no limit, so there is none to add",
            Self::NoValidity => "its validity has no end that could be put off",
            Self::NoDataCap => "its data has no limit, so there is none to add",
            Self::TooMuch => "that is more than can be counted",
            Self::OnlineOtherwise(session) => {
                return write!(f, "the device is online with something else, by session {session}");
            }
            Self::KeptOut => "the device is blocked",
            Self::NoDevice => "it belongs to no code, and no device is known to go on with it",
            Self::OneAlready(id) => return write!(f, "both are {id}"),
            Self::OtherPlan(plans) => {
                let (kept, other) = plans.as_ref();
                return write!(f, "one is of plan {kept}, the other one of plan {other}");
            }
            Self::OtherTerms => "their plan promised something else when the other one was sold",
            Self::Unpaid(id) => return write!(f, "{id} is free, or bridges the wait for a payment"),
            Self::NoCode => "no code leads to the first, so it would end with its session",
            Self::TooManyDevices => "together they have more devices than one may ever have",
        })
    }
}

impl Terms {
    /// These and so much more.
    ///
    /// # Errors
    /// If there is no limit that could grow.
    pub(super) fn grown(&self, more: &More) -> Result<Self, Hindrance> {
        let add = |cap: Option<Bytes>| match cap {
            Some(Bytes(cap)) => within(cap.checked_add(more.data.0), LARGEST).map(|sum| Some(Bytes(sum))),
            None => Ok(None),
        };
        if more.data > Bytes(0) && self.data == DataCap::default() {
            return Err(Hindrance::NoDataCap);
        }
        let data =
            DataCap { total: add(self.data.total)?, up: add(self.data.up)?, down: add(self.data.down)? };
        let metered = span(self.metered, more.metered, Hindrance::NoMeter)?;
        let validity = span(self.validity, more.validity, Hindrance::NoValidity)?;
        Ok(Self { metered, validity, data, ..self.clone() })
    }

    /// These and the rest of another purchase.
    ///
    /// # Errors
    /// If they do not add up.
    pub(super) fn with_rest(&self, rest: &Self) -> Result<Self, Hindrance> {
        let sum = self.with(rest).ok_or(Hindrance::OtherTerms)?;
        let spans = [sum.metered, sum.validity].into_iter().flatten();
        let caps = [sum.data.total, sum.data.up, sum.data.down].into_iter().flatten();
        let is_countable = spans.max() <= Some(LONGEST) && caps.max() <= Some(Bytes(LARGEST));
        is_countable.then_some(sum).ok_or(Hindrance::TooMuch)
    }
}

fn span(whole: Option<Duration>, more: Duration, none: Hindrance) -> Result<Option<Duration>, Hindrance> {
    match whole {
        None if more > Duration::ZERO => Err(none),
        None => Ok(None),
        Some(whole) => within(whole.checked_add(more), LONGEST).map(Some),
    }
}

fn within<T: PartialOrd>(sum: Option<T>, most: T) -> Result<T, Hindrance> {
    sum.filter(|sum| *sum <= most).ok_or(Hindrance::TooMuch)
}
