//! What is told to a guest whose payment has not opened anything yet.
//!
//! Made from the snapshot of the Gate; the templates only place the words. For the digits of the phone there is
//! a form, which `portal` writes.

use super::Strings;
use crate::domain::Awaits;

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Nobody has confirmed the payment.
    Payment,
    /// It is there, and finds no room.
    Room,
    /// It is there, and the guest has to say the last digits of the phone.
    Digits,
}

impl Awaited {
    /// What to tell whose claim waits for that; `None`: nothing.
    pub(crate) fn of(awaits: Awaits) -> Option<Self> {
        match awaits {
            Awaits::Nothing => None,
            Awaits::Payment => Some(Self::Payment),
            Awaits::Room => Some(Self::Room),
            Awaits::Digits => Some(Self::Digits),
        }
    }

    /// How it stands, in a few words.
    pub(crate) fn title(self, t: Strings<'_>) -> &str {
        match self {
            Self::Payment => t.waiting_title(),
            Self::Room | Self::Digits => t.paid_title(),
        }
    }

    /// What follows, for a device that is not online.
    pub(crate) fn text(self, t: Strings<'_>) -> &str {
        match self {
            Self::Payment => t.waiting_text(),
            Self::Room => t.room_text(),
            Self::Digits => t.digits_text(),
        }
    }

    /// What follows, for a device that is online with something else.
    pub(crate) fn added(self, t: Strings<'_>) -> &str {
        match self {
            Self::Payment => t.waiting_added(),
            Self::Room => t.room_added(),
            Self::Digits => t.digits_text(),
        }
    }

    /// Of the link to the page that loads itself anew until it is over; `None`: there is a form instead.
    pub(crate) fn see(self, t: Strings<'_>) -> Option<&str> {
        match self {
            Self::Payment => Some(t.waiting_see()),
            Self::Room => Some(t.room_see()),
            Self::Digits => None,
        }
    }

    /// Whether the guest can do something about it on the spot.
    pub(crate) fn takes_digits(self) -> bool {
        self == Self::Digits
    }

    /// Whether the guest may have mistyped it.
    pub(crate) fn is_unconfirmed(self) -> bool {
        self == Self::Payment
    }
}
