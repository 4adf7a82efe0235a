//! What is for sale: how long, how much, how fast, on how many devices.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{PlanId, PlanNumber, Wall};

/// Bytes of IP packets, headers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Bits a second, of IP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bps(pub u64);

/// How much may pass: both directions together, or each apart. `None`: as much as the guest likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataCap {
    pub total: Option<Bytes>,
    pub up: Option<Bytes>,
    pub down: Option<Bytes>,
}

/// Where a plan was written down. Plans of both live side by side; of one name, the file's wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanSource {
    File,
    Cloud,
}

/// What a plan promises to whoever buys it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Time online, counted while at least one device is.
    pub metered: Option<Duration>,
    /// Time from first use, counted whether online or not.
    pub validity: Option<Duration>,
    pub data: DataCap,
    pub down: Option<Bps>,
    pub up: Option<Bps>,
    /// How many devices at the same time, 1 or more.
    pub devices: u16,
    /// How many devices ever; 0: no limit.
    pub bound_devices: u16,
    pub idle_timeout: Option<Duration>,
    /// Whether metered time goes on while the uplink is down.
    pub count_while_uplink_down: bool,
}

impl Terms {
    /// Without any limit but one device at a time.
    pub const UNLIMITED: Self = Self {
        metered: None,
        validity: None,
        data: DataCap { total: None, up: None, down: None },
        down: None,
        up: None,
        devices: 1,
        bound_devices: 0,
        idle_timeout: None,
        count_while_uplink_down: false,
    };

    /// These and as much again; `None` if `more` is something else, or has no limit that could grow, so that
    /// they do not add up.
    pub fn plus(&self, more: &Self) -> Option<Self> {
        let Self { metered, validity, data, .. } = self.with(more)?;
        let grows = metered.is_some() || validity.is_some() || data != DataCap::default();
        // The speed is the plan's as it is now.
        grows.then(|| Self { metered, validity, data, ..more.clone() })
    }

    /// These and the amounts of `more`; `None` if there is a limit in one only, or they differ in anything else but
    /// the speed.
    pub(super) fn with(&self, more: &Self) -> Option<Self> {
        let (metered, validity) = (span(self.metered, more.metered)?, span(self.validity, more.validity)?);
        let data = DataCap {
            total: bytes(self.data.total, more.data.total)?,
            up: bytes(self.data.up, more.data.up)?,
            down: bytes(self.data.down, more.data.down)?,
        };
        let sum = |of: &Self| Self { metered, validity, data, down: self.down, up: self.up, ..of.clone() };
        let sum_of_both = sum(self);
        (sum_of_both == sum(more)).then_some(sum_of_both)
    }
}

/// The sum where both have a limit, none where neither has one.
fn span(a: Option<Duration>, b: Option<Duration>) -> Option<Option<Duration>> {
    match (a, b) {
        (None, None) => Some(None),
        (Some(a), Some(b)) => Some(Some(a.saturating_add(b))),
        (None, Some(_)) | (Some(_), None) => None,
    }
}

/// As [`span`].
fn bytes(a: Option<Bytes>, b: Option<Bytes>) -> Option<Option<Bytes>> {
    match (a, b) {
        (None, None) => Some(None),
        (Some(a), Some(b)) => Some(Some(Bytes(a.0.saturating_add(b.0)))),
        (None, Some(_)) | (Some(_), None) => None,
    }
}

/// One thing for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub source: PlanSource,
    /// Language tag to text.
    pub title: BTreeMap<String, String>,
    /// Last moment to begin.
    pub activate_by: Option<Wall>,
    /// What stands for it inside codes that prove themselves; `None`: none are accepted for it.
    pub number: Option<PlanNumber>,
    pub terms: Terms,
    /// Decimal text in major units, shown as it is.
    pub price: String,
    pub currency: String,
}

impl Plan {
    /// A plan without any limit but one device at a time.
    pub fn unlimited(id: PlanId, source: PlanSource) -> Self {
        Self {
            id,
            source,
            title: BTreeMap::new(),
            activate_by: None,
            number: None,
            terms: Terms::UNLIMITED,
            price: String::new(),
            currency: String::new(),
        }
    }

    /// The title in `language`, else in English, else in any language there is, else the plan's name.
    pub fn title_in(&self, language: &str) -> &str {
        [language, "en"]
            .iter()
            .find_map(|tag| self.title.get(*tag))
            .or_else(|| self.title.values().next())
            .map_or(self.id.as_str(), String::as_str)
    }
}
