//! What is wrong, and what to do about it, one line each.
//!
//! Owns: the list of what is looked at. Looks only; nothing is mended here. What stands in files of the system the
//! daemon does not see from its jail; the command looks there itself (`cli::doctor`), at what [`Surroundings`] names.
//! Within: `kernel` and `network` what carries guests, `sale` what is sold and how it is kept, `setting` what the
//! operator has written, `device` why a device is held or open. Neighbours: `certificate`, `link` and `time` say how
//! it stands with what is theirs.

mod device;
mod kernel;
mod network;
mod sale;
mod setting;

use std::sync::Arc;

pub(super) use self::device::of_device;
use super::ask::Asked;
use super::desk::Desk;
use super::{certificate, link, time, trail};
use crate::config::Config;
use crate::domain::{Now, Uplink};
use crate::nft::{NftError, Stranger};
use crate::store::{KeyPlace, OutboxSize, StoreError, VoucherCounts};
use crate::wire::control::{Answer, Check, Examined, Health, Surroundings};

/// Looks at one thing, which may be there more than once or not at all.
type Look = fn(&Seen<'_>) -> Vec<Finding>;

/// What is looked at, by the name that it has in the answer, and who looks.
const CHECKS: &[(&str, Look)] = &[
    ("rules", kernel::rules),
    ("offload", kernel::offload),
    ("masquerade", kernel::masquerade),
    ("rival", kernel::rival),
    ("seal", kernel::seal),
    ("interface", network::interfaces),
    ("networks", network::networks),
    ("ports", network::ports),
    ("uplink", network::uplink),
    ("clock", |seen| vec![time::checked(seen.desk)]),
    ("storage", sale::storage),
    ("key", sale::key),
    ("audit", sale::audit),
    ("plans", sale::plans),
    ("vouchers", sale::vouchers),
    ("guests", sale::guests),
    ("configuration", setting::configuration),
    ("permissions", setting::permissions),
    ("controller", setting::controller),
    ("certificate", |seen| certificate::checked(seen.desk).into_iter().collect()),
    ("theme", setting::theme),
    ("cloud", |seen| vec![link::checked(seen.desk)]),
    ("outbox", |seen| link::outbox(seen.desk, seen.outbox, seen.now).into_iter().collect()),
];

/// What those who look are shown.
struct Seen<'a> {
    desk: &'a Desk,
    config: Arc<Config>,
    now: Now,
    counts: Result<VoucherCounts, StoreError>,
    /// Sealed fields that could not be opened.
    unreadable: u64,
    key_place: Result<KeyPlace, StoreError>,
    outbox: Option<OutboxSize>,
    trail: Asked<Answer>,
    /// Tables of the kernel that are not ours.
    strangers: Result<Vec<Stranger>, NftError>,
}

/// How something was found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) state: Health,
    pub(super) message: String,
    /// Empty: nothing to do.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn ok(message: impl Into<String>) -> Self {
        Self { state: Health::Ok, message: message.into(), remedy: String::new() }
    }

    pub(super) fn warn(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: Health::Warn, message: message.into(), remedy: remedy.into() }
    }

    pub(super) fn fail(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: Health::Fail, message: message.into(), remedy: remedy.into() }
    }

    fn of(self, check: &str) -> Check {
        let Self { state, message, remedy } = self;
        Check { check: check.to_owned(), state, message, remedy }
    }
}

/// The state of the gateway.
pub(super) async fn of_gateway(desk: &mut Desk) -> Examined {
    desk.kernel.look_for_offload();
    let strangers = desk.kernel.strangers();
    let ledger = &desk.ledger;
    let asked = async {
        let store = &ledger.store;
        let (counts, outbox) = (store.counts().await, store.outbox_size().await.ok());
        let sealing = (store.unreadable().await.unwrap_or(0), store.key_place().await);
        (counts, outbox, sealing, trail::verified(ledger).await)
    };
    // The trail may be long.
    let (counts, outbox, (unreadable, key_place), trail) = desk.kernel.guard_while(asked).await;
    let (config, now) = (Arc::clone(&desk.config.borrow()), desk.ledger.clock.now());
    let seen = Seen { desk, config, now, counts, unreadable, key_place, outbox, trail, strangers };
    let found = CHECKS.iter().flat_map(|(name, look)| look(&seen).into_iter().map(|one| one.of(name)));
    let online = desk.uplink.state.uplink == Uplink::Up;
    Examined { checks: found.collect(), surroundings: Some(surroundings(&desk.config.borrow(), online)) }
}

/// The state of one whose store is not open yet, and why.
pub(super) fn of_locked(config: &Config, why: &str, remedy: &str) -> Examined {
    let checks = vec![Finding::fail(why, remedy).of("key")];
    Examined { checks, surroundings: Some(surroundings(config, false)) }
}

/// Where the command is to look further.
fn surroundings(config: &Config, online: bool) -> Surroundings {
    let gateway = &config.gateway;
    let names = config.gardens.iter().flat_map(|garden| &garden.names);
    Surroundings {
        interfaces: gateway.interfaces.clone(),
        state_dir: gateway.state_dir.clone(),
        resolver: gateway.dns_upstream,
        portal_name: gateway.portal_name.clone(),
        garden: names.filter(|name| !name.starts_with('*')).cloned().collect(),
        online,
    }
}
