//! Everything that is not granted, with the status, the words and the way on of each.
//!
//! Each says what happened, whether a code was used up by it, and what to do next. Refusals come from the
//! desk by [`after_login`]; the rest is wrong with the request itself.

use std::time::Duration;

use super::{Proof, Strings, Tried, duration};
use crate::domain::{Refusal, Reply};

/// When to come back after a failure that passes by itself.
const SOON: Duration = Duration::from_secs(5);
/// When to come back to a full hotspot, or for something that others have to do first.
const IN_A_WHILE: Duration = Duration::from_secs(60);

/// A page that says why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// No code in the form.
    Empty,
    Unknown,
    Spent,
    Expired,
    Revoked,
    WrongDevice,
    /// The token is missing, old or another device's, or the form came from a foreign page.
    Stale,
    /// The guest has not accepted the terms as they are now.
    Unaccepted,
    NoTrial,
    /// The device had its free trial, less than a day ago.
    TrialHad {
        wait: Duration,
    },
    /// As many began a free trial as may in a minute.
    TooManyTrials {
        wait: Duration,
    },
    TooManyTries {
        wait: Duration,
    },
    Full,
    /// Only the cloud could say, and it cannot be asked.
    CloudAway,
    /// Payments under way that nobody has confirmed.
    TooManyClaims,
    /// Codes that prove themselves, on one day.
    EnoughForToday {
        wait: Duration,
    },
    NotStored,
    /// The voucher names a plan that this site does not have.
    NoPlan,
    /// The address of the guest belongs to no device that we know.
    NoDevice,
    /// The operator keeps this device out.
    Blocked,
    Malformed,
    NotFound,
    WrongMethod {
        allow: &'static str,
    },
    TooLarge,
    TooSlow,
}

/// What follows on a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterLogin {
    /// 303 to the status page.
    Online,
    /// 409: ask whether the other device shall give way.
    AskToMove,
    /// 202: the payment is not confirmed yet.
    Waiting,
    /// 403: ask for this too.
    Prove(Proof, Tried),
    Refused(Notice),
}

/// What `reply` of the desk means to the guest; `None`: the desk did not answer.
pub(crate) fn after_login(reply: Option<Reply>) -> AfterLogin {
    let refusal = match reply {
        Some(Reply::Online(_)) => return AfterLogin::Online,
        Some(Reply::Refused(refusal)) => refusal,
        Some(Reply::Waiting) => return AfterLogin::Waiting,
        Some(Reply::Closed(_) | Reply::Done) | None => Refusal::NotStored,
    };
    AfterLogin::Refused(match refusal {
        Refusal::InUse => return AfterLogin::AskToMove,
        Refusal::CodeUnknown => Notice::Unknown,
        Refusal::CodeSpent => Notice::Spent,
        Refusal::CodeExpired => Notice::Expired,
        Refusal::CodeRevoked => Notice::Revoked,
        Refusal::WrongDevice => Notice::WrongDevice,
        Refusal::TooManyTries { retry_after } => Notice::TooManyTries { wait: retry_after },
        Refusal::Full => Notice::Full,
        Refusal::NoSuchPlan(_) => Notice::NoPlan,
        Refusal::PhoneNeeded => return AfterLogin::Prove(Proof::Phone, Tried::NotYet),
        Refusal::PhoneWrong => return AfterLogin::Prove(Proof::Phone, Tried::Wrong),
        Refusal::PinNeeded => return AfterLogin::Prove(Proof::Pin, Tried::NotYet),
        Refusal::PinWrong => return AfterLogin::Prove(Proof::Pin, Tried::Wrong),
        Refusal::OneTimeCodeNeeded => return AfterLogin::Prove(Proof::OneTimeCode, Tried::NotYet),
        Refusal::OneTimeCodeWrong => return AfterLogin::Prove(Proof::OneTimeCode, Tried::Wrong),
        Refusal::CloudAway => Notice::CloudAway,
        Refusal::TooManyClaims => Notice::TooManyClaims,
        Refusal::NoTrial => Notice::NoTrial,
        Refusal::TrialHad { retry_after } => Notice::TrialHad { wait: retry_after },
        Refusal::TooManyTrials { retry_after } => Notice::TooManyTrials { wait: retry_after },
        Refusal::EnoughForToday { retry_after } => Notice::EnoughForToday { wait: retry_after },
        Refusal::NotOnline | Refusal::NoSuchSession | Refusal::NotStored | Refusal::Hindered(_) => {
            Notice::NotStored
        }
    })
}

impl Notice {
    /// The status code.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Empty
            | Self::Unknown
            | Self::Spent
            | Self::Expired
            | Self::Revoked
            | Self::WrongDevice
            | Self::Stale
            | Self::Unaccepted
            | Self::NoTrial
            | Self::Blocked => 403,
            Self::NotFound => 404,
            Self::WrongMethod { .. } => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::TooManyTries { .. }
            | Self::TooManyClaims
            | Self::TrialHad { .. }
            | Self::TooManyTrials { .. } => 429,
            Self::Full
            | Self::CloudAway
            | Self::EnoughForToday { .. }
            | Self::NotStored
            | Self::NoPlan
            | Self::NoDevice => 503,
        }
    }

    /// `Retry-After` in seconds, the started one included.
    pub(crate) fn retry_after(self) -> Option<u64> {
        let wait = match self {
            Self::TooManyTries { wait }
            | Self::EnoughForToday { wait }
            | Self::TrialHad { wait }
            | Self::TooManyTrials { wait } => wait,
            Self::Full | Self::CloudAway | Self::TooManyClaims | Self::NoPlan => IN_A_WHILE,
            Self::NotStored | Self::NoDevice => SOON,
            Self::Empty
            | Self::Unknown
            | Self::Spent
            | Self::Expired
            | Self::Revoked
            | Self::WrongDevice
            | Self::Stale
            | Self::Unaccepted
            | Self::NoTrial
            | Self::Blocked
            | Self::Malformed
            | Self::NotFound
            | Self::WrongMethod { .. }
            | Self::TooLarge
            | Self::TooSlow => return None,
        };
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Whether it will be different by itself, or by pressing the button once more.
    pub(crate) fn passes(self) -> bool {
        self.retry_after().is_some() || matches!(self, Self::Stale | Self::Unaccepted)
    }

    /// Seconds that the guest has to sit out.
    pub(crate) fn counts_down(self) -> Option<u64> {
        self.retry_after().filter(|_| matches!(self, Self::TooManyTries { .. }))
    }

    /// Whether to show the field again, with what was typed.
    pub(crate) fn offers_form(self) -> bool {
        match self {
            Self::Empty
            | Self::Unknown
            | Self::Spent
            | Self::Expired
            | Self::Revoked
            | Self::WrongDevice
            | Self::Stale
            | Self::Unaccepted
            | Self::NoTrial
            | Self::TrialHad { .. }
            | Self::TooManyTrials { .. }
            | Self::TooManyTries { .. }
            | Self::Full
            | Self::CloudAway
            | Self::TooManyClaims
            | Self::EnoughForToday { .. }
            | Self::NotStored
            | Self::NoPlan => true,
            Self::NoDevice
            | Self::Blocked
            | Self::Malformed
            | Self::NotFound
            | Self::WrongMethod { .. }
            | Self::TooLarge
            | Self::TooSlow => false,
        }
    }

    /// What happened, in a few words.
    pub(crate) fn title(self, t: Strings<'_>) -> &str {
        match self {
            Self::Empty => t.empty_title(),
            Self::Unknown => t.unknown_title(),
            Self::Spent => t.spent_title(),
            Self::Expired => t.expired_title(),
            Self::Revoked => t.revoked_title(),
            Self::WrongDevice => t.wrong_device_title(),
            Self::Stale => t.stale_title(),
            Self::Unaccepted => t.unaccepted_title(),
            Self::NoTrial => t.no_trial_title(),
            Self::TrialHad { .. } => t.trial_had_title(),
            Self::TooManyTrials { .. } => t.too_many_trials_title(),
            Self::TooManyTries { .. } => t.too_many_title(),
            Self::Full => t.full_title(),
            Self::CloudAway => t.cloud_away_title(),
            Self::TooManyClaims => t.too_many_claims_title(),
            Self::EnoughForToday { .. } => t.enough_title(),
            Self::NotStored => t.not_stored_title(),
            Self::NoPlan => t.no_plan_title(),
            Self::NoDevice => t.no_device_title(),
            Self::Blocked => t.blocked_title(),
            Self::Malformed => t.malformed_title(),
            Self::NotFound => t.not_found_title(),
            Self::WrongMethod { .. } => t.wrong_method_title(),
            Self::TooLarge => t.too_large_title(),
            Self::TooSlow => t.too_slow_title(),
        }
    }

    /// What to do about it.
    pub(crate) fn text(self, t: Strings<'_>) -> String {
        let text = match self {
            Self::Empty => t.empty_text(),
            Self::Unknown => t.unknown_text(),
            Self::Spent => t.spent_text(),
            Self::Expired => t.expired_text(),
            Self::Revoked => t.revoked_text(),
            Self::WrongDevice => t.wrong_device_text(),
            Self::Stale => t.stale_text(),
            Self::Unaccepted => t.unaccepted_text(),
            Self::NoTrial => t.no_trial_text(),
            Self::TrialHad { wait } => return t.trial_had_text(&duration(t, wait)),
            Self::TooManyTrials { wait } => return t.too_many_trials_text(&duration(t, wait)),
            Self::TooManyTries { wait } => return t.too_many_text(&duration(t, wait)),
            Self::Full => t.full_text(),
            Self::CloudAway => t.cloud_away_text(),
            Self::TooManyClaims => t.too_many_claims_text(),
            Self::EnoughForToday { wait } => return t.enough_text(&duration(t, wait)),
            Self::NotStored => t.not_stored_text(),
            Self::NoPlan => t.no_plan_text(),
            Self::NoDevice => t.no_device_text(),
            Self::Blocked => t.blocked_text(),
            Self::Malformed => t.malformed_text(),
            Self::NotFound => t.not_found_text(),
            Self::WrongMethod { .. } => t.wrong_method_text(),
            Self::TooLarge => t.too_large_text(),
            Self::TooSlow => t.too_slow_text(),
        };
        text.to_owned()
    }
}
