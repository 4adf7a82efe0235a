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

/// What a device has.
#[derive(Clone, Copy)]
pub(crate) enum Access<'a> {
    /// It has to log in.
    Held,
    /// The operator lets it through for nothing.
    Trusted,
    Session(&'a SessionView),
}

/// What a device with this `access` is told.
pub(crate) fn api(access: Access<'_>, here: Here<'_>, now: Now) -> String {
    let session = match access {
        Access::Session(session) => Some(session),
        Access::Held | Access::Trusted => None,
    };
    let state = State {
        captive: matches!(access, Access::Held),
        user_portal_url: format!("{here}/"),
        can_extend_session: session.map(|_| true),
        seconds_remaining: session.and_then(|session| session.time_left(now)).map(|left| left.as_secs()),
        bytes_remaining: session.and_then(|session| session.bytes_left).map(|left| left.0),
    };
    serde_json::to_string(&state).expect("a struct of plain values always serializes")
}
