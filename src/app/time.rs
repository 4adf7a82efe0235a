//! What time it is, for the loop: follows the sources, tells operators, mends a clock that was wrong.
//!
//! Owns: what is said of the clock, and what a change of it sets in motion. Never: decides whom to believe
//! (`domain/reckoning.rs`), or what follows for what was sold (the Gate). Neighbours: `desk`, `doctor`, `ask`.

use std::time::Duration;

use super::ask::{Asked, accepted};
use super::desk::Desk;
use super::doctor::Finding;
use super::trail;
use crate::domain::{Action, Actor, Input, Refreshed, Standing, TimeSource, Trust, Wall};
use crate::wire::control::{ClockShown, Health, TimeClaim};

const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

impl Desk {
    /// Asks the kernel how late it is.
    pub(super) async fn look_at_clock(&mut self) {
        self.next_look_at_clock = self.ledger.clock.now().boot.plus(LOOK_AT_CLOCK);
        let refreshed = self.ledger.clock.refresh();
        self.follow(TimeSource::Ntp, refreshed).await;
        self.look_at_certificate();
    }

    /// The cloud says that it is `wall`, on a page that is signed or came over verified TLS.
    pub(super) async fn told_time(&mut self, wall: Wall) {
        let refreshed = self.ledger.clock.told(wall);
        self.follow(TimeSource::Cloud, refreshed).await;
    }

    /// Lets the wall clock go back where it belongs. What the wrong clock has ended stays over.
    pub(super) async fn reset_clock(&mut self, by: &Actor) -> Asked<ClockShown> {
        let (was, repair) = (self.ledger.clock.now(), self.ledger.clock.repair());
        let to = repair.wall(was.boot);
        let order = trail::ordered(by, Action::ClockReset, Input::ResetFloor { to });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        self.ledger.clock.mend(repair);
        let source = repair.source.map_or("none", TimeSource::word);
        tracing::warn!(event = "clock_reset", was = %was.wall, is = %to, source, "an operator says that the clock was wrong");
        self.wall_changed();
        Ok(self.clock_shown())
    }

    /// What is known of the time, and what that is good for.
    pub(super) fn clock_shown(&self) -> ClockShown {
        let Standing { now, source, disbelieved } = self.ledger.clock.standing();
        let trusted = now.trust == Trust::Trusted;
        let uses = USES
            .iter()
            .map(|(use_, with, without)| format!("{use_}: {}", if trusted { with } else { without }));
        let claim = |(source, wall): (TimeSource, Wall)| TimeClaim {
            source: source.word().to_owned(),
            now: wall.to_string(),
        };
        ClockShown {
            trusted,
            now: now.wall.to_string(),
            source: source.map(|(source, _)| source.word().to_owned()),
            since: source.map(|(_, since)| since.to_string()),
            floor: self.ledger.gate.floor().to_string(),
            disbelieved: disbelieved.into_iter().map(claim).collect(),
            good_for: uses.collect(),
        }
    }

    async fn follow(&mut self, source: TimeSource, refreshed: Refreshed) {
        let (now, source) = (self.ledger.clock.now(), source.word());
        match refreshed {
            Refreshed::Unchanged => {}
            Refreshed::Moved => {
                tracing::info!(event = "clock_set", time = %now.wall, source, "the wall clock is known");
                let detail = format!("{} by {source}", now.wall);
                self.note(&Actor::Gateway, Action::ClockSet, detail).await;
                self.wall_changed();
            }
            Refreshed::Disbelieved { claimed } => {
                tracing::warn!(event = "clock_disbelieved", %claimed, kept = %now.wall, source, "it contradicts what is known; see lango clock");
            }
        }
    }

    /// Has ends that the wall tells looked at, written down and told to the kernel.
    fn wall_changed(&mut self) {
        let now = self.ledger.clock.now();
        self.ledger.gate.checkpoint_soon(now);
        self.next_tick = now.boot;
        self.look_at_table();
        self.look_at_certificate();
    }
}

/// What the time is used for, with a clock that is trusted, and without.
const USES: [(&str, &str, &str); 5] = [
    (
        "time online, and validity while the power is on",
        "right; neither needs a wall clock",
        "right; neither needs a wall clock",
    ),
    ("validity while the power was off", "charged", "not charged before the time is known"),
    ("activate_by of vouchers", "right", "a voucher may be begun too late, none is refused too early"),
    ("dates", "right", "as shown or later"),
    (
        "the portal over HTTPS",
        "while its certificate is valid",
        "not offered, nobody knows whether it is valid",
    ),
];

/// What is wrong with the clock, and what to do.
pub(super) fn checked(desk: &Desk) -> Finding {
    let Standing { now, source, disbelieved } = desk.ledger.clock.standing();
    let name = |source| match source {
        TimeSource::Ntp => "NTP",
        TimeSource::Cloud => "the cloud",
    };
    let others: Vec<_> =
        disbelieved.iter().map(|(source, wall)| format!("{} says {wall}", name(*source))).collect();
    let others = others.join(" and ");
    let (state, message, remedy) = match (source, others.as_str()) {
        (Some((source, _)), "") => (Health::Ok, format!("{} by {}", now.wall, name(source)), ""),
        (Some((source, _)), others) => (
            Health::Warn,
            format!("{} by {}, but {others}, which is not believed", now.wall, name(source)),
            "if what is kept is wrong, see to its source, then: lango clock reset",
        ),
        (None, "") => (
            Health::Warn,
            format!("nobody has told the time yet; it is {} or later", now.wall),
            "time online is counted all the same, but time without power is not charged before the clock is \
             trusted; let sysntpd reach a server, or the gateway its cloud",
        ),
        (None, others) => (
            Health::Warn,
            format!("not trusted: {others}, but it has been {} or later already", now.wall),
            "one of the two is wrong; if it is the later one: lango clock reset",
        ),
    };
    Finding { state, message, remedy: remedy.to_owned() }
}
