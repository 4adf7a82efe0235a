//! Who has been quiet for longer than the plan allows.
//!
//! Owns: when each device last showed that it is there. Never: ends anything: a phone that sleeps sends
//! nothing for minutes, so who is quiet is asked first, and only who does not answer is gone.
//! Memory only: after a restart everybody has just been seen.

use std::time::Duration;

use super::{Book, Boot, Mac};

/// A device that was asked and of which nothing was heard is asked again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The devices that may not be quiet for ever.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    watched: Book<Mac, Watched>,
    /// When to ask whom.
    agenda: Book<(Boot, Mac), ()>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    timeout: Duration,
    seen: Boot,
    ask: Boot,
}

impl Idle {
    /// `mac` is there, and has to show it again within `timeout`.
    pub(super) fn watch(&mut self, mac: Mac, timeout: Duration, now: Boot) {
        self.put(mac, Watched { timeout, seen: now, ask: now.plus(timeout) });
    }

    pub(super) fn unwatch(&mut self, mac: Mac) {
        if let Some(old) = self.watched.remove(&mac) {
            self.agenda.remove(&(old.ask, mac));
        }
    }

    /// `mac` is there.
    pub(super) fn seen(&mut self, mac: Mac, now: Boot) {
        if let Some(timeout) = self.watched.get(&mac).map(|watched| watched.timeout) {
            self.watch(mac, timeout, now);
        }
    }

    /// Everybody starts afresh.
    pub(super) fn all_seen(&mut self, now: Boot) {
        let all = self.watched.iter().map(|(mac, _)| *mac).collect::<Vec<_>>();
        all.into_iter().for_each(|mac| self.seen(mac, now));
    }

    /// Who is to be asked now; whoever is named is not named again for a minute.
    pub(super) fn take_quiet(&mut self, now: Boot) -> Vec<Mac> {
        let due = self.agenda.iter().map(|(entry, ())| *entry).take_while(|(at, _)| *at <= now);
        let quiet = due.map(|(_, mac)| mac).collect::<Vec<_>>();
        for mac in &quiet {
            if let Some(watched) = self.watched.get(mac).copied() {
                self.put(*mac, Watched { ask: now.plus(ASK_AGAIN), ..watched });
            }
        }
        quiet
    }

    /// Whether `mac` has shown nothing for as long as it may.
    pub(super) fn is_quiet(&self, mac: Mac, now: Boot) -> bool {
        self.watched.get(&mac).is_some_and(|watched| now.since(watched.seen) >= watched.timeout)
    }

    /// When there is somebody to ask.
    pub(super) fn next(&self) -> Option<Boot> {
        self.agenda.iter().next().map(|((at, _), ())| *at)
    }

    pub(super) fn settle(&mut self) {
        self.watched.settle();
        self.agenda.settle();
    }

    pub(super) fn revert(&mut self) {
        self.watched.revert();
        self.agenda.revert();
    }

    fn put(&mut self, mac: Mac, watched: Watched) {
        self.unwatch(mac);
        self.agenda.put((watched.ask, mac), ());
        self.watched.put(mac, watched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    const fn mac(n: u8) -> Mac {
        Mac::new([2, 0, 0, 0, 0, n])
    }

    #[test]
    fn who_is_quiet_is_named_once_a_minute_until_seen() {
        let mut idle = Idle::default();
        idle.watch(mac(1), Duration::from_secs(300), at(0));
        idle.watch(mac(2), Duration::from_secs(300), at(100));
        assert_eq!((idle.take_quiet(at(299)), idle.next()), (vec![], Some(at(300))));
        assert_eq!(idle.take_quiet(at(300)), [mac(1)]);
        assert!(idle.is_quiet(mac(1), at(300)) && !idle.is_quiet(mac(2), at(300)));
        assert_eq!((idle.take_quiet(at(359)), idle.next()), (vec![], Some(at(360))));
        assert_eq!(idle.take_quiet(at(360)), [mac(1)]);
        idle.seen(mac(1), at(370));
        assert!(!idle.is_quiet(mac(1), at(370)));
        assert_eq!(idle.take_quiet(at(669)), [mac(2)]);
        idle.unwatch(mac(2));
        assert_eq!(idle.next(), Some(at(670)));
        idle.unwatch(mac(1));
        idle.seen(mac(1), at(700));
        assert_eq!((idle.next(), idle.is_quiet(mac(1), at(9999))), (None, false), "nobody is watched");
    }
}
