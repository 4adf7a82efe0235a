//! What the table holds for one device.
//!
//! Owns: what a pass means in elements and named objects. Never: sockets, decisions. Neighbours: `books.rs`
//! writes what changes, `read.rs` reads what is there, `rules.rs` has the chains that elements name.

use std::net::IpAddr;
use std::time::Duration;

use super::rules::{CAPPED_DOWN, CAPPED_UP, LONGEST_SEGMENT, SLOWED, SLOWED_CAPPED};
use crate::domain::{Boot, Bps, Bytes, DataCap, EntitlementId, Grant, Mac, SessionId, Traffic};
use crate::ordered::OrdSet;
use crate::wire::nftables::{Element, State, Verdict};

/// Kernel timeouts that differ by less are left alone.
const TOLERANCE: Duration = Duration::from_secs(2);
/// Grants that end later never end: the kernel counts in a limited number of ticks.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Why a device may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// As was bought.
    Granted(Grant),
    /// By configuration: neither counted nor limited.
    Trusted,
}

/// What the kernel keeps for a device, but for its time and what it has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Names the session: the count of one is never taken for another's.
    pub(super) name: String,
    pub(super) up: Lane,
    pub(super) cap_up: Option<String>,
    pub(super) home: Home,
    pub(super) homes: OrdSet<IpAddr>,
}

/// The element of what a device sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    /// The chain that decides further; `None`: accepted.
    pub(super) chain: Option<String>,
    /// Bytes a second; `None`: no limit.
    pub(super) rate: Option<u64>,
    pub(super) counts: bool,
}

/// The elements of an address that a device receives at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) chain: Option<String>,
    /// Counted where it is accepted, or behind a limit.
    pub(super) counted: Counted,
    pub(super) speed: Option<String>,
    pub(super) cap: Option<String>,
}

/// Where what is received is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Counted {
    #[default]
    Nowhere,
    AtOnce,
    BehindTheLimit,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Pass {
    /// What the kernel should keep for the device at `homes`.
    pub(super) fn kept(&self, mac: Mac, homes: OrdSet<IpAddr>) -> Kept {
        let cap_up = self.quota(Way::Up).map(|(name, _)| name);
        let lane = Lane {
            chain: cap_up.is_some().then(|| CAPPED_UP.to_owned()),
            rate: self.rate(Way::Up),
            counts: self.is_counted(),
        };
        Kept { name: self.name(mac), up: lane, cap_up, home: self.home(mac), homes }
    }

    fn home(&self, mac: Mac) -> Home {
        let cap = self.quota(Way::Down).map(|(name, _)| name);
        let speed = self.speed(mac).map(|(name, _)| name);
        let (chain, counted) = match (&speed, &cap) {
            (None, None) => (None, Counted::AtOnce),
            (None, Some(_)) => (Some(CAPPED_DOWN), Counted::AtOnce),
            (Some(_), None) => (Some(SLOWED), Counted::BehindTheLimit),
            (Some(_), Some(_)) => (Some(SLOWED_CAPPED), Counted::BehindTheLimit),
        };
        let counted = if self.is_counted() { counted } else { Counted::Nowhere };
        Home { chain: chain.map(str::to_owned), counted, speed, cap }
    }

    /// What the elements of the device are called.
    pub(super) fn name(&self, mac: Mac) -> String {
        match self {
            Self::Granted(Grant { session: SessionId(session), .. }) => format!("s{session}"),
            Self::Trusted => format!("trusted {mac}"),
        }
    }

    fn is_counted(&self) -> bool {
        match self {
            Self::Granted(_) => true,
            Self::Trusted => false,
        }
    }

    fn rate(&self, way: Way) -> Option<u64> {
        let Self::Granted(grant) = self else { return None };
        let rate = match way {
            Way::Up => grant.up,
            Way::Down => grant.down,
        };
        rate.map(|Bps(bits)| (bits / 8).max(1))
    }

    /// Name and state of the limit of what is received. It cannot be changed, so another rate has another
    /// name.
    fn speed(&self, mac: Mac) -> Option<(String, State)> {
        let a_second = self.rate(Way::Down)?;
        let limit = State::ByteLimit { a_second, burst: LONGEST_SEGMENT };
        Some((format!("{} {a_second}", self.name(mac)), limit))
    }

    /// Name and state of the quota for this direction.
    fn quota(&self, way: Way) -> Option<(String, State)> {
        let Self::Granted(Grant { entitlement, cap, spent, .. }) = self else { return None };
        let of = |suffix: &str, Bytes(bytes), used: u64| {
            let EntitlementId(id) = entitlement;
            (format!("e{id}{suffix}"), State::Quota { bytes, used })
        };
        let one = match way {
            Way::Up => cap.up.map(|cap| of(" up", cap, spent.up.0)),
            Way::Down => cap.down.map(|cap| of(" down", cap, spent.down.0)),
        };
        one.or(cap.total.map(|cap| of("", cap, spent.total().0)))
    }

    /// The limits and quotas that the device draws on, with their names.
    pub(super) fn objects(&self, mac: Mac) -> impl Iterator<Item = (String, State)> {
        [self.quota(Way::Up), self.quota(Way::Down), self.speed(mac)].into_iter().flatten()
    }

    /// Whether the kernel is asked for nothing else than by `other`; what was counted does not matter.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let asks = |pass: &Self| match pass {
            Self::Granted(grant) => {
                (Some((grant.session, grant.entitlement)), grant.ends, grant.up, grant.down, grant.cap)
            }
            Self::Trusted => (None, None, None, None, DataCap::default()),
        };
        asks(self) == asks(other)
    }

    /// Milliseconds the device stays, `Some(None)`: for ever; `None`: not at all.
    #[expect(clippy::option_option, reason = "the outer one says whether, the inner one how long")]
    pub(super) fn stay(&self, now: Boot) -> Option<Option<u64>> {
        let Self::Granted(Grant { ends: Some(ends), .. }) = self else { return Some(None) };
        let left = ends.since(now);
        if left >= NEVER {
            return Some(None);
        }
        (!left.is_zero()).then(|| Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whether a device that has `left` of its time, as the kernel says, has it right.
    pub(super) fn is_timed(&self, left: Option<&Option<Duration>>, now: Boot) -> bool {
        match (self.stay(now), left) {
            (None, None) | (Some(None), Some(None)) => true,
            (Some(Some(stays)), Some(Some(has))) => Duration::from_millis(stays).abs_diff(*has) <= TOLERANCE,
            (None | Some(_), _) => false,
        }
    }

    /// What the session of the device had counted when it was granted.
    pub(super) fn counted(&self) -> Traffic {
        match self {
            Self::Granted(grant) => grant.counted,
            Self::Trusted => Traffic::default(),
        }
    }
}

impl Lane {
    pub(super) fn read(element: &Element<'_>) -> Self {
        let rate = element.state.iter().find_map(|state| match state {
            State::ByteLimit { a_second, .. } => Some(*a_second),
            State::Counter { .. }
            | State::PacketLimit { .. }
            | State::PacketsOver { .. }
            | State::Quota { .. } => None,
        });
        Self { chain: element.chain.clone(), rate, counts: bytes(element).is_some() }
    }

    pub(super) fn state(&self, counted: Bytes) -> Vec<State> {
        let limit = self.rate.map(|a_second| State::ByteLimit { a_second, burst: LONGEST_SEGMENT });
        limit.into_iter().chain(self.counts.then_some(State::Counter { bytes: counted.0 })).collect()
    }
}

impl Kept {
    /// The limits and quotas that the device draws on.
    pub(super) fn objects(&self) -> impl Iterator<Item = &String> {
        [&self.cap_up, &self.home.cap, &self.home.speed].into_iter().flatten()
    }

    /// Whether it is kept as `other` is, wherever the device lives.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.up, &self.cap_up) == (&other.name, &other.up, &other.cap_up)
            && (self.homes.is_empty() || self.home == other.home)
    }
}

/// The verdict that leads to `chain`.
pub(super) fn verdict(chain: Option<&str>) -> Verdict {
    match chain {
        Some(CAPPED_UP) => Verdict::Goto(CAPPED_UP),
        Some(CAPPED_DOWN) => Verdict::Goto(CAPPED_DOWN),
        Some(SLOWED) => Verdict::Goto(SLOWED),
        Some(SLOWED_CAPPED) => Verdict::Goto(SLOWED_CAPPED),
        Some(_) | None => Verdict::Accept,
    }
}

/// The session that an element is of.
pub(super) fn session(element: &Element<'_>) -> Option<SessionId> {
    element.comment.strip_prefix('s')?.parse().ok().map(SessionId)
}

/// What an element has counted.
pub(super) fn bytes(element: &Element<'_>) -> Option<Bytes> {
    element.state.iter().find_map(|state| match state {
        State::Counter { bytes } => Some(Bytes(*bytes)),
        State::ByteLimit { .. }
        | State::PacketLimit { .. }
        | State::PacketsOver { .. }
        | State::Quota { .. } => None,
    })
}
