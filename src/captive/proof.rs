//! What a guest is asked for besides the text that finds what was bought, and the words for it.
//!
//! The text alone opens nothing then: a reference of a payment is no secret, an account has its PIN, a phone
//! its one-time code. `portal` writes the field.

use super::Strings;

/// What shows that it is the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The last digits of the phone that paid.
    Phone,
    /// The PIN of an account.
    Pin,
    /// What was sent to the phone.
    OneTimeCode,
}

/// Whether the guest gave something already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    NotYet,
    Wrong,
}

impl Proof {
    /// What happened, in a few words.
    pub(crate) fn title(self, tried: Tried, t: Strings<'_>) -> &str {
        match (self, tried) {
            (Self::Phone, Tried::NotYet) => t.phone_title(),
            (Self::Phone, Tried::Wrong) => t.phone_wrong_title(),
            (Self::Pin, Tried::NotYet) => t.pin_title(),
            (Self::Pin, Tried::Wrong) => t.pin_wrong_title(),
            (Self::OneTimeCode, Tried::NotYet) => t.otp_title(),
            (Self::OneTimeCode, Tried::Wrong) => t.otp_wrong_title(),
        }
    }

    /// What to do now.
    pub(crate) fn text(self, tried: Tried, t: Strings<'_>) -> &str {
        match (self, tried) {
            (Self::Phone, Tried::NotYet) => t.phone_text(),
            (Self::Phone, Tried::Wrong) => t.phone_wrong_text(),
            (Self::Pin, Tried::NotYet) => t.pin_text(),
            (Self::Pin, Tried::Wrong) => t.pin_wrong_text(),
            (Self::OneTimeCode, Tried::NotYet) => t.otp_text(),
            (Self::OneTimeCode, Tried::Wrong) => t.otp_wrong_text(),
        }
    }

    /// Of the field.
    pub(crate) fn label(self, t: Strings<'_>) -> &str {
        match self {
            Self::Phone => t.phone_label(),
            Self::Pin => t.pin_label(),
            Self::OneTimeCode => t.otp_label(),
        }
    }
}
