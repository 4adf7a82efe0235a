//! How a device stands and what is for sale, in words ready to be shown.
//!
//! Made from the snapshot of the Gate and the plans of the configuration; the templates only place the
//! words.

use std::time::Duration;

use super::Strings;
use super::words::{duration, rate, size};
use crate::domain::{Bytes, Clockwork, Now, Plan, SessionView};

/// Below this the page warns that the time ends.
const WARNING: Duration = Duration::from_secs(5 * 60);
/// … and below this share of the data.
const WARNING_SHARE: u64 = 20;
/// Below this the seconds are counted.
const COUNTED: Duration = Duration::from_secs(3600);
/// How often the status page loads itself anew, at most and at least.
const REFRESH: (u64, u64) = (5, 300);
/// … and while time stands still, so that the page soon says that it goes on.
const REFRESH_PAUSED: u64 = 10;

/// A device that is online.
#[derive(Clone, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) plan: String,
    pub(crate) time: Option<Left>,
    pub(crate) data: Option<Left>,
    /// Devices online and allowed, if more than one is.
    pub(crate) devices: Option<(u16, u16)>,
    /// The last characters of the code.
    pub(crate) hint: String,
    /// A warning that it ends.
    pub(crate) soon: Option<&'a str>,
    /// Seconds until the page loads itself anew.
    pub(crate) refresh: u64,
    /// Seconds to count down in the guest's sight; 0: none.
    pub(crate) tick: u64,
}

/// What is left of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) left: String,
    pub(crate) whole: Option<String>,
    /// For a bar, 0 to 100; never 0 while something is left.
    pub(crate) percent: Option<u64>,
}

/// A plan on the start page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanCard {
    pub(crate) title: String,
    pub(crate) price: String,
    /// What it gives, in one line.
    pub(crate) facts: String,
}

impl<'a> Standing<'a> {
    /// How `session` stands.
    pub(crate) fn of(session: &SessionView, plans: &[Plan], t: Strings<'a>, now: Now) -> Self {
        let plan = plans.iter().find(|plan| plan.id == session.plan);
        let left = session.time_left(now);
        let time = left.map(|left| Left {
            left: duration(t, left),
            whole: session.whole.map(|whole| duration(t, whole)),
            percent: session.whole.map(|whole| percent(left.as_secs(), whole.as_secs())),
        });
        let data = session.bytes_left.map(|left| Left {
            left: size(t, left),
            whole: session.bytes_whole.map(|whole| size(t, whole)),
            percent: session.bytes_whole.map(|whole| percent(left.0, whole.0)),
        });
        let (soonest, latest) = REFRESH;
        let is_paused = match session.clockwork {
            Clockwork::Paused { .. } => true,
            Clockwork::Runs => false,
        };
        Self {
            plan: plan.map_or(session.plan.as_str(), |plan| plan.title_in(t.language.tag)).to_owned(),
            time,
            data,
            devices: (session.devices > 1).then_some((session.devices_online, session.devices)),
            hint: session.hint.as_str().to_owned(),
            soon: match (left, session.bytes_left.zip(session.bytes_whole)) {
                _ if is_paused => None,
                (Some(left), _) if left < WARNING => Some(t.ends_soon()),
                (_, Some((left, whole))) if left.0 < whole.0 / WARNING_SHARE => Some(t.data_ends_soon()),
                (Some(_) | None, Some(_) | None) => None,
            },
            tick: left.filter(|left| *left < COUNTED && !is_paused).map_or(0, |left| left.as_secs()),
            refresh: match left {
                _ if is_paused => REFRESH_PAUSED,
                Some(left) => (left.as_secs() + 1).clamp(soonest, latest),
                None => latest,
            },
        }
    }
}

impl Standing<'_> {
    /// What is left of all, in one line.
    pub(crate) fn left(&self, t: Strings<'_>) -> String {
        let time = self.time.as_ref().map_or(t.no_end().to_owned(), |time| t.time_left(&time.left));
        match &self.data {
            Some(data) => format!("{time} · {}", t.data_left(&data.left)),
            None => time,
        }
    }
}

impl PlanCard {
    /// What `plan` offers.
    pub(crate) fn of(plan: &Plan, t: Strings<'_>) -> Self {
        let mut facts = Vec::new();
        facts.extend(plan.terms.metered.map(|time| t.plan_metered(&duration(t, time))));
        facts.extend(plan.terms.validity.map(|time| t.plan_validity(&duration(t, time))));
        facts.extend(data(plan, t));
        if facts.is_empty() {
            facts.push(t.plan_no_limit().to_owned());
        }
        facts.extend(plan.terms.down.map(|down| t.plan_speed(&rate(t, down))));
        if plan.terms.devices > 1 {
            facts.push(t.device_count(plan.terms.devices.into()));
        }
        let price = format!("{} {}", plan.price, plan.currency).trim().to_owned();
        Self { title: plan.title_in(t.language.tag).to_owned(), price, facts: facts.join(" · ") }
    }
}

fn data(plan: &Plan, t: Strings<'_>) -> Option<String> {
    let words = |cap: Bytes| size(t, cap);
    match (plan.terms.data.total, plan.terms.data.down, plan.terms.data.up) {
        (Some(total), ..) => Some(t.plan_data(&words(total))),
        (None, Some(down), Some(up)) => Some(t.plan_data_both(&words(down), &words(up))),
        (None, Some(one), None) | (None, None, Some(one)) => Some(t.plan_data(&words(one))),
        (None, None, None) => None,
    }
}

fn percent(left: u64, whole: u64) -> u64 {
    let percent = u128::from(left) * 100 / u128::from(whole.max(1));
    u64::try_from(percent).unwrap_or(100).clamp(u64::from(left > 0), 100)
}
