//! Whether the internet can be reached: from evidence to a state that does not flap.
//!
//! Owns: what counts as up and as down, for how long a change is doubted, when to probe. Never: where the
//! evidence comes from; see `uplink`. The state that is shown changes late, but dates from the evidence,
//! so that a guest gets back the seconds it took to be sure.

use std::time::Duration;

use super::Boot;

/// A change is shown when its evidence has lasted so long without being contradicted.
const HELD: Duration = Duration::from_secs(5);
/// Nothing came for so long, and nobody answers: down.
const SILENT: Duration = Duration::from_secs(8);
/// Between probes while in doubt.
const IN_DOUBT: Duration = Duration::from_secs(5);
/// Between probes otherwise; whatever else comes from the internet is as good as an answer.
const AT_REST: Duration = Duration::from_secs(60);
/// Nobody may have looked for so long after a sign of life.
const UNHEARD: Duration = Duration::from_secs(5);
/// A sign of life older than this says nothing any more.
const STALE: Duration = Duration::from_secs(3 * 60);

/// Whether the internet can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uplink {
    Up,
    Down,
    /// Not enough evidence; clocks go on as if it were up.
    #[default]
    Unknown,
}

impl Uplink {
    /// The word of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of the uplink, and since when it is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkState {
    pub uplink: Uplink,
    pub since: Boot,
}

impl UplinkState {
    /// For how long it has been down; `None`: it is not known to be.
    pub fn down_for(self, now: Boot) -> Option<Duration> {
        (self.uplink == Uplink::Down).then(|| now.since(self.since))
    }
}

/// What is missing where the uplink is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is no such device.
    Device,
    /// The device is off, or its cable is out.
    Carrier,
    /// No default route leads through it.
    Route,
    /// Nothing comes from beyond the link.
    Answer,
}

impl Lack {
    /// The word for the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Carrier => "carrier",
            Self::Route => "route",
            Self::Answer => "answer",
        }
    }
}

/// Something that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What the kernel says of the way out; `None`: nothing is missing there.
    Path(Option<Lack>),
    /// A packet came from beyond the link, or a probe was answered.
    Heard,
    /// Packets went out from then on, and nothing has come back.
    Unanswered { asked: Boot },
    /// Every probe of a round that began then has failed.
    ProbesFailed { began: Boot },
}

/// Signs of life, from the first after a change to the last.
#[derive(Clone, Copy, Debug)]
struct Life {
    first: Boot,
    last: Boot,
}

/// Packets went out and none came.
#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Boot,
    /// Probes have found nobody either.
    probed: bool,
}

/// Weighs evidence.
#[derive(Clone, Debug)]
pub struct UplinkJudge {
    shown: UplinkState,
    /// What will be shown if nothing contradicts it.
    pending: Option<UplinkState>,
    /// What the way out lacks, or that nothing is missing, and since when.
    path: (Option<Lack>, Boot),
    life: Option<Life>,
    silence: Option<Silence>,
    /// When the last round of probes began.
    probed: Option<Boot>,
}

impl UplinkJudge {
    /// Begins with what was `known` before; evidence is still to come.
    pub fn new(known: UplinkState, now: Boot) -> Self {
        Self { shown: known, pending: None, path: (None, now), life: None, silence: None, probed: None }
    }

    /// What is known.
    pub fn state(&self) -> UplinkState {
        self.shown
    }

    /// What is missing, if the uplink is down.
    pub fn lack(&self) -> Option<Lack> {
        match self.shown.uplink {
            Uplink::Down => Some(self.path.0.unwrap_or(Lack::Answer)),
            Uplink::Up | Uplink::Unknown => None,
        }
    }

    /// Takes in what was seen now.
    pub fn observe(&mut self, evidence: Evidence, now: Boot) {
        match evidence {
            Evidence::Path(lack) => self.walk(lack, now),
            Evidence::Heard => self.hear(now),
            Evidence::Unanswered { asked } => self.fall_silent(self.last_heard(asked), false),
            Evidence::ProbesFailed { began } => self.fall_silent(began, true),
        }
        self.tick(now);
    }

    /// A round of probes begins.
    pub fn probing(&mut self, now: Boot) {
        self.probed = Some(now);
    }

    /// When to begin a round of probes; `None`: there is no way out for them.
    pub fn next_probe(&self) -> Option<Boot> {
        let (lack, open_since) = self.path;
        if lack.is_some() {
            return None;
        }
        let Some(probed) = self.probed else { return Some(open_since) };
        let in_doubt = self.shown.uplink != Uplink::Up || self.pending.is_some() || self.silence.is_some();
        if in_doubt {
            return Some(probed.plus(IN_DOUBT));
        }
        Some(self.life.map_or(probed, |life| life.last.max(probed)).plus(AT_REST))
    }

    /// When [`tick`](Self::tick) has something to do, should nothing be observed until then.
    pub fn poll_timeout(&self) -> Option<Boot> {
        let pending = self.pending.map(|pending| pending.since.plus(HELD));
        let is_down = self.shown.uplink == Uplink::Down;
        let silent = self.silence.filter(|silence| silence.probed && !is_down && self.path.0.is_none());
        let silent = silent.map(|silence| silence.since.plus(SILENT));
        let is_up = self.shown.uplink == Uplink::Up;
        let stale = self.life.filter(|_| is_up && self.pending.is_none());
        let stale = stale.map(|life| life.last.plus(STALE));
        [pending, silent, stale].into_iter().flatten().min()
    }

    /// Shows what has lasted long enough.
    pub fn tick(&mut self, now: Boot) {
        let found = self.verdict(now);
        if found.uplink == self.shown.uplink {
            self.pending = None;
            return;
        }
        let before = self.pending.filter(|pending| pending.uplink == found.uplink);
        let since = before.map_or(found.since, |before| before.since.min(found.since));
        let pending = UplinkState { since, ..found };
        self.pending = Some(pending);
        // The first sign of life contradicts nothing.
        let held = if self.shown.uplink == Uplink::Unknown && found.uplink == Uplink::Up {
            Duration::ZERO
        } else {
            HELD
        };
        if now >= pending.since.plus(held) {
            self.show(pending);
        }
    }

    /// What was seen before a change is no evidence of another one.
    fn show(&mut self, state: UplinkState) {
        self.shown = state;
        self.pending = None;
        match state.uplink {
            Uplink::Up => {}
            Uplink::Down => self.life = None,
            Uplink::Unknown => self.silence = None,
        }
    }

    /// What the evidence says now, and from when on.
    fn verdict(&self, now: Boot) -> UplinkState {
        let state = |uplink, since| UplinkState { uplink, since };
        let is_down = self.shown.uplink == Uplink::Down;
        match (self.path, self.silence, self.life) {
            ((Some(_), since), ..) => state(Uplink::Down, since),
            // Who is down is not up again before somebody answers.
            (_, Some(silence), _) if silence.probed && (is_down || now >= silence.since.plus(SILENT)) => {
                state(Uplink::Down, silence.since)
            }
            (_, _, Some(life)) if now < life.last.plus(STALE) => state(Uplink::Up, life.first),
            // What has been silent is so still; only a new way out is a new question.
            ((None, since), _, None) if is_down && since <= self.shown.since => self.shown,
            ((None, since), _, None) => state(Uplink::Unknown, since),
            (_, _, Some(life)) => state(Uplink::Unknown, life.last.plus(STALE)),
        }
    }

    fn walk(&mut self, lack: Option<Lack>, now: Boot) {
        match (self.path.0, lack) {
            (None, Some(_)) => {
                self.path = (lack, now);
                self.fall_silent(now, false);
            }
            (Some(_), None) => {
                self.path = (None, now);
                // Ask at once.
                self.probed = None;
            }
            // Another thing is missing, or still nothing: that is no change.
            (None, None) => {}
            (Some(_), Some(_)) => self.path.0 = lack,
        }
    }

    fn hear(&mut self, now: Boot) {
        if self.path.0.is_none() {
            self.silence = None;
            self.life = Some(Life { first: self.life.map_or(now, |life| life.first), last: now });
        }
    }

    /// Since when `asked` has been in vain: a line may die right after its last sign of life.
    fn last_heard(&self, asked: Boot) -> Boot {
        let life = self.life.filter(|life| life.last <= asked && asked.since(life.last) <= UNHEARD);
        life.map_or(asked, |life| life.last)
    }

    fn fall_silent(&mut self, since: Boot, probed: bool) {
        if self.life.is_some_and(|life| life.last > since) {
            return;
        }
        let silence = self.silence.unwrap_or(Silence { since, probed });
        self.silence = Some(Silence { since: silence.since.min(since), probed: silence.probed || probed });
        if self.shown.uplink == Uplink::Down {
            // A life that is to be believed begins anew.
            self.life = None;
        }
    }
}

#[cfg(test)]
mod tests;
