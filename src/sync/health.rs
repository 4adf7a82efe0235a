//! How it stands with the cloud: for `status`, `doctor` and counters.
//!
//! Owns: the words for it, and the count of bytes. Never: decides anything.

use std::sync::atomic::{AtomicU64, Ordering};

use super::trouble::Trouble;
use crate::domain::{Boot, Cursor, Now};
use crate::wire::feed::Ops;

/// What is known of the link to the cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When everything was exchanged last: outbox empty, feed read to its end.
    pub last_success: Option<Now>,
    pub trouble: Option<Ailing>,
    /// How far the feed was read at the end of the last round.
    pub at: Option<Cursor>,
    /// Pages that were refused since the start.
    pub refused_pages: u64,
    /// Ops of a kind that this version does not know, and fields.
    pub skipped: u64,
    pub skipped_fields: u64,
    /// Bytes on TCP.
    pub received: u64,
    pub sent: u64,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailing {
    /// The latest.
    pub what: Trouble,
    /// Since when nothing went well.
    pub since: Boot,
}

impl Health {
    pub(super) fn note(&mut self, outcome: &Result<(), Trouble>, now: Now) {
        match outcome {
            Ok(()) => {
                self.last_success = Some(now);
                self.trouble = None;
            }
            Err(what) => {
                let since = self.trouble.as_ref().map_or(now.boot, |ailing| ailing.since);
                self.trouble = Some(Ailing { what: what.clone(), since });
            }
        }
    }

    pub(super) fn count(&mut self, ops: &Ops) {
        self.skipped = self.skipped.saturating_add(u64::from(ops.skipped));
        self.skipped_fields = self.skipped_fields.saturating_add(u64::from(ops.skipped_fields));
    }
}

/// Counts the bytes of all connections.
#[derive(Debug, Default)]
pub(super) struct Wire {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Wire {
    pub(super) fn received(&self, count: usize) {
        self.received.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn sent(&self, count: usize) {
        self.sent.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    /// Received, sent.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Trust, Wall};

    #[test]
    fn trouble_counts_from_its_beginning_until_all_is_well() {
        let at = |ms| Now { boot: Boot::from_millis(ms), wall: Wall::from_secs(0), trust: Trust::Floor };
        let mut health = Health::default();
        health.note(&Err(Trouble::Silent), at(1));
        health.note(&Err(Trouble::Denied(401)), at(2));
        let ailing = Ailing { what: Trouble::Denied(401), since: Boot::from_millis(1) };
        assert_eq!(health.trouble, Some(ailing));
        health.note(&Ok(()), at(3));
        assert_eq!((health.trouble, health.last_success), (None, Some(at(3))));
    }
}
