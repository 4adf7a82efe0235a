//! In which order `lango sessions` shows them. Never: which are shown.

use std::cmp::Ordering;

use crate::wire::control::Session;

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Who ends first comes first: by time, then by data; without an end, last.
    Left,
    /// Who used most comes first.
    Used,
    /// Who came first comes first.
    Since,
    Mac,
    Plan,
}

impl Key {
    /// By its name on the command line.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "left" => Self::Left,
            "used" => Self::Used,
            "since" => Self::Since,
            "mac" => Self::Mac,
            "plan" => Self::Plan,
            _ => return None,
        })
    }

    fn compare(self, a: &Session, b: &Session) -> Ordering {
        match self {
            Self::Left => end(a).cmp(&end(b)),
            Self::Used => used(b).cmp(&used(a)),
            Self::Since => a.since.cmp(&b.since),
            Self::Mac => a.mac.cmp(&b.mac),
            Self::Plan => a.plan.cmp(&b.plan),
        }
    }
}

fn end(session: &Session) -> (u64, u64) {
    let end = |left: Option<u64>| left.unwrap_or(u64::MAX);
    (end(session.seconds_left), end(session.bytes_left))
}

/// An order of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// `None`: as the daemon has them.
    pub(super) key: Option<Key>,
    pub(super) reversed: bool,
}

impl Order {
    /// Puts `sessions` into this order; those that are equal stay as they are.
    pub(super) fn apply(self, sessions: &mut [Session]) {
        if let Some(key) = self.key {
            // One closure, so that the program has one sort of sessions.
            sessions.sort_by(|a, b| key.compare(a, b));
        }
        if self.reversed {
            sessions.reverse();
        }
    }
}

/// Bytes, both ways.
pub(super) fn used(session: &Session) -> u64 {
    session.bytes_up.saturating_add(session.bytes_down)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A session with these `(id, seconds left, bytes up, bytes down)`.
    pub(in super::super) fn session(
        id: &str,
        seconds_left: Option<u64>,
        bytes_up: u64,
        bytes_down: u64,
    ) -> Session {
        Session {
            id: id.to_owned(),
            mac: format!("02:00:00:00:00:{:0>2}", id.trim_start_matches("s-")),
            addresses: Vec::new(),
            plan: "hour".to_owned(),
            origin: "voucher".to_owned(),
            since: format!("2026-11-21T22:17:{:0>2}Z", id.trim_start_matches("s-")),
            seconds_left,
            bytes_left: None,
            bytes_up,
            bytes_down,
            down_bps: None,
            up_bps: None,
        }
    }

    #[test]
    fn sessions_are_sorted_by_what_an_operator_looks_for() {
        let mut all = [
            session("s-3", None, 1, 0),
            session("s-1", Some(60), 0, 9),
            session("s-2", Some(7), u64::MAX, 9),
        ];
        all[0].plan = "day".to_owned();
        for (key, reversed, expected) in [
            ("left", false, "s-2 s-1 s-3"),
            ("left", true, "s-3 s-1 s-2"),
            ("used", false, "s-2 s-1 s-3"),
            ("since", false, "s-1 s-2 s-3"),
            ("mac", true, "s-3 s-2 s-1"),
            ("plan", false, "s-3 s-1 s-2"),
        ] {
            let mut sorted = all.clone();
            Order { key: Key::named(key), reversed }.apply(&mut sorted);
            assert_eq!(sorted.map(|session| session.id).join(" "), expected, "{key}");
        }
        let mut as_they_came = all.clone();
        Order { key: None, reversed: false }.apply(&mut as_they_came);
        assert_eq!(as_they_came, all);
        assert_eq!(Key::named("frob"), None);
    }
}
