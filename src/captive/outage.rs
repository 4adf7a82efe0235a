//! That there is no internet at the moment, and what it means to whoever looks.
//!
//! Made from the snapshot of the Gate; the templates only place the words. Codes are taken all the same.

use super::Strings;
use super::words::duration;
use crate::domain::{Clockwork, Now, SessionView, UplinkState};

/// The uplink is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outage<'a> {
    pub(crate) title: &'a str,
    /// For how long.
    pub(crate) text: String,
    /// What becomes of the guest's time, or what can be done all the same; empty: nothing to say.
    pub(crate) effect: &'a str,
}

impl<'a> Outage<'a> {
    /// Nobody can be let in yet.
    pub(crate) fn locked(t: Strings<'a>) -> Self {
        Self { title: t.locked_title(), text: t.locked_text().to_owned(), effect: "" }
    }

    /// What to tell a device with this `session`, or without; `None`: the uplink is not known to be down.
    pub(crate) fn of(
        uplink: UplinkState,
        session: Option<&SessionView>,
        t: Strings<'a>,
        now: Now,
    ) -> Option<Self> {
        let text = t.outage_text(&duration(t, uplink.down_for(now.boot)?));
        let effect = match session.map(|session| (session.clockwork, session.time_left(now))) {
            None => t.outage_welcome(),
            Some((Clockwork::Paused { .. }, _)) => t.outage_paused(),
            Some((Clockwork::Runs, Some(_))) => t.outage_counts(),
            Some((Clockwork::Runs, None)) => "",
        };
        Some(Self { title: t.outage_title(), text, effect })
    }
}
