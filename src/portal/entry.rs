//! What a guest sent by the form that lets in, cut to its bounds.
//!
//! Owns: the names of the fields, and which of them a page that asks for more repeats. Never: what they
//! mean; that is the desk's. It has no `Debug`, so that no log can show it.

use super::Given;
use crate::captive::{Pairs, clipped};
use crate::domain::{Moving, TermsVersion, holds_card, phone};

/// Characters of a code or of pasted messages; a longer text is cut.
const LONGEST_TYPED: usize = 2000;
/// Characters of any other field.
const LONGEST_GIVEN: usize = 64;

pub(super) struct Entry {
    pub(super) typed: String,
    pub(super) given: Given,
    pub(super) moving: Moving,
    /// The terms that stood beside the button.
    pub(super) terms: Option<TermsVersion>,
}

impl Entry {
    /// No form was read.
    pub(super) fn none() -> Self {
        Self { typed: String::new(), given: Given::default(), moving: Moving::Ask, terms: None }
    }

    /// What `fields` hold.
    pub(super) fn of(fields: &Pairs) -> Self {
        let field = |name, longest| {
            let text = clipped(fields.get(name)?.trim(), longest);
            Some(text).filter(|text| !text.is_empty())
        };
        Self {
            typed: field("code", LONGEST_TYPED).unwrap_or_default(),
            given: Given {
                phone_last4: field("phone_last4", LONGEST_GIVEN),
                pin: field("pin", LONGEST_GIVEN),
                phone: field("phone", LONGEST_GIVEN).as_deref().and_then(phone),
                // It goes to the cloud as it is.
                one_time_code: field("otp", LONGEST_GIVEN).filter(|code| !holds_card(code)),
            },
            moving: if fields.get("move") == Some("1") { Moving::Agreed } else { Moving::Ask },
            terms: fields.get("terms").and_then(|version| version.parse().ok()),
        }
    }

    /// The phone to send a one-time code to, if that is what was asked for.
    pub(super) fn phone_alone(&self) -> Option<&str> {
        self.given.phone.as_deref().filter(|_| self.typed.is_empty())
    }

    /// The digits of the phone that paid, if nothing else was typed.
    pub(super) fn digits_alone(&self) -> Option<&str> {
        self.given.phone_last4.as_deref().filter(|_| self.typed.is_empty())
    }

    /// Names and values of what was filled in, without the field `but`: that one is asked for anew.
    pub(super) fn repeated(&self, but: &str) -> Vec<(&'static str, String)> {
        let given = &self.given;
        let moving = match self.moving {
            Moving::Agreed => Some("1"),
            Moving::Ask => None,
        };
        let terms = self.terms.map(|version| version.to_string());
        [
            ("code", Some(self.typed.as_str()).filter(|typed| !typed.is_empty())),
            ("phone_last4", given.phone_last4.as_deref()),
            ("pin", given.pin.as_deref()),
            ("phone", given.phone.as_deref()),
            ("otp", given.one_time_code.as_deref()),
            ("move", moving),
            ("terms", terms.as_deref()),
        ]
        .into_iter()
        .filter(|(name, _)| *name != but)
        .filter_map(|(name, value)| Some((name, value?.to_owned())))
        .collect()
    }
}
