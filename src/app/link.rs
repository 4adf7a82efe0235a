//! How it stands with the cloud, for operators: what `status`, `sync`, `metrics` and `doctor` say of it.
//!
//! Owns: those words, and a round that somebody ordered. Never: the link itself (`sync`), what a page brings
//! about (`cloud`). Neighbours: `ask` and `doctor` show it.

use std::time::Duration;

use super::ask::{Asked, Later};
use super::cloud::Cloud as Way;
use super::desk::Desk;
use super::doctor::Finding;
use super::vouchers::unreadable;
use crate::domain::{Boot, Cursor, Now, Wall};
use crate::store::OutboxSize;
use crate::sync::{Ailing, Health, Link, Trouble};
use crate::wire::control::{Answer, Cloud, Code, Failure, Health as State};
use crate::wire::exposition::LinkCounts;

/// Operators who wait for a round or an enrolment at the same time, at most: others still have to get through.
pub(super) const WAITERS: usize = 2;
/// A link that exchanged nothing for so long deserves a look.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// Facts wait so long in an outbox that grows.
const GROWING: Duration = Duration::from_secs(60 * 60);
/// So long after the start nothing need have been exchanged.
const BEGINNING: Duration = Duration::from_secs(5 * 60);

impl Desk {
    /// The cloud of `status`.
    pub(super) async fn cloud_shown(&self) -> Asked<Cloud> {
        let size = self.ledger.store.outbox_size().await.map_err(unreadable)?;
        let now = self.ledger.clock.now();
        let cursor = self.ledger.gate.stand().at;
        Ok(match &self.cloud {
            Way::None => Cloud { outbox: size.facts, ..Cloud::default() },
            Way::Linked(link) => shown(&link.health().borrow(), cursor, size, now),
            Way::Unusable(why) => Cloud {
                last_error: Some(why.to_string()),
                since: Some(wall_of(self.started, now).to_string()),
                remedy: Some(why.remedy().to_owned()),
                ..shown(&Health::default(), cursor, size, now)
            },
        })
    }

    /// The same for `sync`, which has nothing to say without one.
    pub(super) async fn sync_shown(&self) -> Asked<Cloud> {
        match &self.cloud {
            Way::None => Err(no_cloud()),
            Way::Linked(_) | Way::Unusable(_) => self.cloud_shown().await,
        }
    }

    /// A round, now. Its end is not waited for by the loop.
    pub(super) fn sync_now(&self) -> Asked<Later> {
        let (link, store, clock) =
            (self.link()?.clone(), self.ledger.store.clone(), self.ledger.clock.clone());
        let place = self.waiters.clone().try_acquire_owned().map_err(|_| busy())?;
        Ok(Box::pin(async move {
            let _place = place;
            link.sync_now().await.map_err(|trouble| failure_of(&trouble))?;
            let size = store.outbox_size().await.map_err(unreadable)?;
            let health = link.health().borrow().clone();
            Ok(Answer::Sync(shown(&health, health.at, size, clock.now())))
        }))
    }

    /// The link in numbers.
    pub(super) async fn link_counts(&self) -> Asked<Option<LinkCounts>> {
        let Some(link) = self.cloud.link() else { return Ok(None) };
        let size = self.ledger.store.outbox_size().await.map_err(unreadable)?;
        let (health, now) = (link.health().borrow().clone(), self.ledger.clock.now());
        Ok(Some(LinkCounts {
            last_success_age_s: health.last_success.map(|then| now.boot.since(then.boot).as_secs()),
            outbox_bytes: size.bytes,
            refused_pages: health.refused_pages,
            skipped_ops: health.skipped,
            skipped_fields: health.skipped_fields,
            received: health.received,
            sent: health.sent,
        }))
    }

    fn link(&self) -> Asked<&Link> {
        match &self.cloud {
            Way::None => Err(no_cloud()),
            Way::Linked(link) => Ok(link),
            Way::Unusable(why) => Err(Failure::new(Code::Refused, why.to_string(), why.remedy())),
        }
    }
}

fn no_cloud() -> Failure {
    let remedy = "lango enrol URL CLAIM joins one; or set option url in section cloud";
    Failure::new(Code::Refused, "no cloud is configured", remedy)
}

/// What `trouble` is called in the interface.
pub(super) fn failure_of(trouble: &Trouble) -> Failure {
    Failure::new(Code::Refused, trouble.to_string(), trouble.remedy())
}

pub(super) fn busy() -> Failure {
    Failure::new(Code::Refused, "others wait for the cloud already", "try again when they are done")
}

fn shown(health: &Health, cursor: Option<Cursor>, size: OutboxSize, now: Now) -> Cloud {
    let trouble = health.trouble.as_ref();
    let remedy = trouble.map(|ailing| ailing.what.remedy()).filter(|remedy| !remedy.is_empty());
    Cloud {
        configured: true,
        last_success: health.last_success.map(|then| wall_of(then.boot, now).to_string()),
        cursor: cursor.map(|cursor| cursor.to_string()),
        outbox: size.facts,
        last_error: trouble.map(|ailing| ailing.what.to_string()),
        since: trouble.map(|ailing| wall_of(ailing.since, now).to_string()),
        remedy: remedy.map(str::to_owned),
    }
}

/// When that was by what is known of the time now; the clock may have been set since.
fn wall_of(then: Boot, now: Now) -> Wall {
    let ago = i64::try_from(now.boot.since(then).as_secs()).unwrap_or(i64::MAX);
    Wall::from_secs(now.wall.as_secs().saturating_sub(ago))
}

/// What is wrong with the link, and what to do.
pub(super) fn checked(desk: &Desk) -> Finding {
    match &desk.cloud {
        Way::None => Finding::ok("not configured: everything is sold from here"),
        Way::Unusable(why) => Finding::fail(format!("not asked: {why}"), why.remedy()),
        Way::Linked(link) => check_link(&link.health().borrow(), desk.started, desk.ledger.clock.now()),
    }
}

/// What waits for the cloud; nothing, if there is none.
pub(super) fn outbox(desk: &Desk, size: Option<OutboxSize>, now: Now) -> Option<Finding> {
    match &desk.cloud {
        Way::None => None,
        Way::Unusable(_) | Way::Linked(_) => size.map(|size| check_outbox(size, now)),
    }
}

fn check_link(health: &Health, started: Boot, now: Now) -> Finding {
    let last = match health.last_success {
        Some(then) => format!("in step {} ago", told(now.boot.since(then.boot))),
        None => format!("not once in step since the start, {} ago", told(now.boot.since(started))),
    };
    let idle = now.boot.since(health.last_success.map_or(started, |then| then.boot));
    let refused = match health.refused_pages {
        0 => String::new(),
        count => format!("; pages refused since the start: {count}"),
    };
    match &health.trouble {
        Some(Ailing { what, since }) => {
            let (since, span) = (wall_of(*since, now), told(now.boot.since(*since)));
            let message = format!("{what}, since {since} ({span}); {last}{refused}");
            Finding { state: gravity(what), message, remedy: what.remedy().to_owned() }
        }
        None if idle > LONG => Finding::warn(
            format!("nothing was exchanged for {}{refused}", told(idle)),
            "lango sync --now says why",
        ),
        None if health.last_success.is_none() && idle > BEGINNING => {
            Finding::warn(last, "lango sync --now says why")
        }
        None => Finding::ok(format!("{last}{refused}")),
    }
}

/// Whether somebody has to do something.
fn gravity(trouble: &Trouble) -> State {
    match trouble {
        Trouble::Held | Trouble::Digest | Trouble::Late | Trouble::Busy | Trouble::Stopped => State::Warn,
        Trouble::Name { .. }
        | Trouble::Unreachable { .. }
        | Trouble::Certificate(_)
        | Trouble::Tls(_)
        | Trouble::Silent
        | Trouble::Endless
        | Trouble::Cut(_)
        | Trouble::Intercepted(_)
        | Trouble::TooLarge
        | Trouble::Encoding(_)
        | Trouble::Denied(_)
        | Trouble::Protocol
        | Trouble::Gone
        | Trouble::Status(_)
        | Trouble::Page(_)
        | Trouble::Ack(_)
        | Trouble::NotAcked { .. }
        | Trouble::NotStored
        | Trouble::Joining(_)
        | Trouble::Claim
        | Trouble::NoKey
        | Trouble::BadKey
        | Trouble::Roots(_) => State::Fail,
    }
}

fn check_outbox(size: OutboxSize, now: Now) -> Finding {
    let OutboxSize { facts, bytes, oldest } = size;
    let Some(oldest) = oldest else {
        return Finding::ok("the cloud has every fact");
    };
    let age = now.wall.since(oldest);
    let message = format!(
        "{facts} facts ({} kB) wait for the cloud, the oldest since {oldest} ({})",
        bytes.div_ceil(1000),
        told(age)
    );
    if age > GROWING {
        let remedy = "they are kept until the cloud has them; see the line of the cloud";
        Finding::warn(message, remedy)
    } else {
        Finding::ok(message)
    }
}

fn told(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Trust;
    use crate::sync::BadCertificate;

    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> Now {
        let wall = Wall::parse("2026-11-22T00:00:00Z").unwrap().plus(Duration::from_secs(seconds));
        Now { boot: Boot::from_millis(seconds * 1000), wall, trust: Trust::Trusted }
    }

    fn ailing(what: Trouble, since: u64) -> Health {
        Health { trouble: Some(Ailing { what, since: at(since).boot }), ..Health::default() }
    }

    #[test]
    fn what_is_wrong_is_said_with_since_when_and_what_to_do() {
        let name = Trouble::Name { host: "bos.example.net".into(), error: "no such host".into() };
        for (what, says, remedy) in [
            (name, "the name bos.example.net cannot be found", "check the DNS"),
            (Trouble::Certificate(BadCertificate::NotYetValid), "not valid yet", "lango clock"),
            (Trouble::Denied(401), "does not accept the token", "lango enrol"),
            (Trouble::Intercepted(crate::sync::Interception::WebPage), "web page", "a login of its own"),
        ] {
            let mut health = ailing(what, 2 * HOUR);
            health.last_success = Some(at(HOUR));
            let check = check_link(&health, at(0).boot, at(5 * HOUR));
            assert_eq!(check.state, State::Fail);
            assert!(check.message.contains(says) && check.remedy.contains(remedy), "{check:?}");
            let when = "since 2026-11-22T02:00:00Z (3 h); in step 4 h ago";
            assert!(check.message.contains(when), "{check:?}");
        }
    }

    #[test]
    fn a_link_that_says_nothing_for_long_is_worth_a_look() {
        let mut health = Health::default();
        let state = |health: &Health, now| check_link(health, at(0).boot, at(now)).state;
        assert_eq!((state(&health, 60), state(&health, HOUR)), (State::Ok, State::Warn));
        health.last_success = Some(at(HOUR));
        assert_eq!((state(&health, 20 * HOUR), state(&health, 26 * HOUR)), (State::Ok, State::Warn));
        assert_eq!(state(&ailing(Trouble::Digest, 0), 1), State::Warn);
    }

    #[test]
    fn an_outbox_that_grows_is_said_with_the_age_of_its_oldest_fact() {
        let size = |oldest| OutboxSize { facts: 3, bytes: 1500, oldest };
        assert_eq!(check_outbox(size(None), at(0)).state, State::Ok);
        assert_eq!(check_outbox(size(Some(at(0).wall)), at(60)).state, State::Ok);
        let check = check_outbox(size(Some(at(0).wall)), at(49 * HOUR));
        assert_eq!(check.state, State::Warn);
        assert_eq!(
            check.message,
            "3 facts (2 kB) wait for the cloud, the oldest since 2026-11-22T00:00:00Z (2 d)"
        );
    }

    #[test]
    fn moments_are_shown_by_the_clock_as_it_is_known_now() {
        let mut health = ailing(Trouble::Silent, 10);
        health.last_success = Some(Now { wall: Wall::from_secs(0), ..at(5) });
        let cloud = shown(&health, Some(Cursor { epoch: 7, seq: 1042 }), OutboxSize::default(), at(60));
        assert_eq!(cloud.last_success.as_deref(), Some("2026-11-22T00:00:05Z"));
        assert_eq!(cloud.since.as_deref(), Some("2026-11-22T00:00:10Z"));
        assert_eq!(cloud.cursor.as_deref(), Some("7.1042"));
        assert_eq!(cloud.remedy.as_deref(), Some("check the uplink"));
    }
}
