//! The captive-portal API of RFC 8908, as JSON text.
//!
//! Phones that were told of it (option 114) ask here instead of probing, and learn when the time ends
//! without opening a page. Only what is known is said: no end, no `seconds-remaining`.

use serde::Serialize;

use super::Here;
use crate::domain::{Now, SessionView};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct State {
    captive: bool,
    user_portal_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    can_extend_session: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_remaining: Option<u64>,
}

/// What a device with this `session`, or without, is told.
pub(crate) fn api(session: Option<&SessionView>, here: Here<'_>, now: Now) -> String {
    let state = State {
        captive: session.is_none(),
        user_portal_url: format!("{here}/"),
        can_extend_session: session.map(|_| true),
        seconds_remaining: session.and_then(|session| session.time_left(now)).map(|left| left.as_secs()),
        bytes_remaining: session.and_then(|session| session.bytes_left).map(|left| left.0),
    };
    serde_json::to_string(&state).expect("a struct of plain values always serializes")
}
