//! Time as the domain sees it: two clocks, passed in, never read here.
//!
//! [`Boot`] is CLOCK_BOOTTIME: it only goes forward, and starts again with each boot.
//! [`Wall`] is UTC. Without a battery clock it may be wrong, so Lango keeps it a *lower bound* of the
//! true time until something [`Trust`]worthy has set it.

use std::fmt;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// Milliseconds of CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boot(u64);

impl Boot {
    /// `ms`: milliseconds since the kernel started.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the kernel started.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `span` later; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How long after `earlier`; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(i64);

impl Wall {
    /// `s`: seconds since the Unix epoch.
    pub const fn from_secs(s: i64) -> Self {
        Self(s)
    }

    /// Seconds since the Unix epoch.
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// The moment `span` later, to the second; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 text, any offset; fractions of a second are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|t| Self(t.unix_timestamp()))
    }
}

/// RFC 3339 in UTC, to the second: `2026-11-21T22:17:31Z`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp(self.0).ok().and_then(|t| t.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "@{}", self.0),
        }
    }
}

/// Whether [`Now::wall`] is the time, or only a lower bound of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Set by NTP or the cloud in this boot.
    Trusted,
    /// The persisted floor plus the time since start: the true time is this or later.
    Floor,
}

impl Trust {
    /// As it is written down, and told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Floor => "floor",
        }
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub boot: Boot,
    pub wall: Wall,
    pub trust: Trust,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_reads_and_writes_rfc3339() {
        for (text, back) in [
            ("2026-11-21T22:17:31Z", "2026-11-21T22:17:31Z"),
            ("2026-11-22T01:17:31+03:00", "2026-11-21T22:17:31Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Wall::parse(text).unwrap().to_string(), back);
        }
        for bad in ["", "2026-11-21", "tomorrow", "2026-13-01T00:00:00Z"] {
            assert_eq!(Wall::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_never_go_below_zero() {
        assert_eq!(Boot::from_millis(5).since(Boot::from_millis(9)), Duration::ZERO);
        assert_eq!(Wall::from_secs(5).since(Wall::from_secs(9)), Duration::ZERO);
    }
}
