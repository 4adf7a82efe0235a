//! Bytes that went through, and how much of a cap they leave.
//!
//! Owns: the arithmetic of both directions, alone and together. Never: whose bytes they are.
//! Neighbours: `entitlement.rs` and `session.rs` hold amounts, `gate/report.rs` takes readings in.

use super::{Bytes, DataCap, SessionId};

/// Bytes of each direction, as the guest sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub up: Bytes,
    pub down: Bytes,
}

/// A reading of the counters of a session: all its bytes since it opened. Reading twice harms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub session: SessionId,
    pub up: Bytes,
    pub down: Bytes,
}

impl Usage {
    pub(super) fn of(session: SessionId, used: Traffic) -> Self {
        Self { session, up: used.up, down: used.down }
    }

    /// The bytes, without whose they are.
    pub fn used(self) -> Traffic {
        Traffic { up: self.up, down: self.down }
    }
}

impl Traffic {
    /// Both directions together.
    pub fn total(self) -> Bytes {
        Bytes(self.up.0.saturating_add(self.down.0))
    }

    /// What of it is more than `known`; a direction that is less has nothing more.
    pub(super) fn beyond(self, known: Self) -> Self {
        Self {
            up: Bytes(self.up.0.saturating_sub(known.up.0)),
            down: Bytes(self.down.0.saturating_sub(known.down.0)),
        }
    }

    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            up: Bytes(self.up.0.saturating_add(more.up.0)),
            down: Bytes(self.down.0.saturating_add(more.down.0)),
        }
    }
}

impl DataCap {
    /// What is left after `spent`, the least of all caps; `None` if there is none.
    pub fn left(self, spent: Traffic) -> Option<Bytes> {
        let Self { total, up, down } = self.less(spent);
        [total, up, down].into_iter().flatten().min()
    }

    /// What `spent` leaves of each.
    pub(super) fn less(self, spent: Traffic) -> Self {
        let left = |cap: Option<Bytes>, spent: Bytes| cap.map(|cap| Bytes(cap.0.saturating_sub(spent.0)));
        Self {
            total: left(self.total, spent.total()),
            up: left(self.up, spent.up),
            down: left(self.down, spent.down),
        }
    }

    /// What of `more` still fits after `spent`. The kernel counts the packets too that it dropped at the
    /// cap; nobody got them.
    pub(super) fn fitting(self, spent: Traffic, more: Traffic) -> Traffic {
        let room =
            |cap: Option<Bytes>, spent: Bytes| cap.map_or(u64::MAX, |cap| cap.0.saturating_sub(spent.0));
        let up = more.up.0.min(room(self.up, spent.up)).min(room(self.total, spent.total()));
        let with_up = Bytes(spent.total().0.saturating_add(up));
        let down = more.down.0.min(room(self.down, spent.down)).min(room(self.total, with_up));
        Traffic { up: Bytes(up), down: Bytes(down) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn traffic(up: u64, down: u64) -> Traffic {
        Traffic { up: Bytes(up), down: Bytes(down) }
    }

    #[test]
    fn the_least_of_all_caps_is_left_and_no_more_than_that_fits() {
        let caps = |total: Option<u64>, up: Option<u64>, down: Option<u64>| DataCap {
            total: total.map(Bytes),
            up: up.map(Bytes),
            down: down.map(Bytes),
        };
        for (cap, left, fits) in [
            (caps(None, None, None), None, traffic(500, 700)),
            (caps(Some(1000), None, None), Some(970), traffic(500, 470)),
            (caps(Some(100), None, None), Some(70), traffic(70, 0)),
            (caps(None, Some(50), None), Some(40), traffic(40, 700)),
            (caps(None, Some(900), Some(60)), Some(40), traffic(500, 40)),
            (caps(Some(300), Some(110), Some(60)), Some(40), traffic(100, 40)),
            (caps(Some(5), None, None), Some(0), traffic(0, 0)),
        ] {
            let spent = traffic(10, 20);
            assert_eq!(cap.left(spent), left.map(Bytes), "{cap:?}");
            assert_eq!(cap.fitting(spent, traffic(500, 700)), fits, "{cap:?}");
        }
    }

    #[test]
    fn nothing_real_or_not_overflows() {
        let all = traffic(u64::MAX, u64::MAX);
        assert_eq!(all.plus(all), all);
        assert_eq!(all.total(), Bytes(u64::MAX));
        assert_eq!(DataCap::default().fitting(all, all), all);
    }
}
