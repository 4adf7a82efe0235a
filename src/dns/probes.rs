//! The hosts by which phones try whether they are online, resolved by the gateway on its own schedule.
//!
//! A question of a guest finds what is known, or nothing, and never waits. Asked for while guests ask, so
//! that a gateway without guests is silent.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::Responder;
use super::address::is_public;
use super::upstream::{self, Patience};
use crate::clock::random;
use crate::domain::{Boot, Uplink, View};
use crate::ordered::OrdMap;
use crate::wire::dns::{Kind, Name, Response};

/// What was heard so long ago is not told any more.
const HOLDS: Duration = Duration::from_secs(10 * 60);
/// Guests who asked so long ago are gone.
const ASKED_LATELY: Duration = Duration::from_secs(5 * 60);
/// Between rounds, after a good one and after one that failed.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// A round ends when so many names in a row found no answer.
const ENOUGH_FAILURES: u32 = 3;
/// No guest waits for it, so a slow resolver gets its time.
const PATIENCE: Patience = [Duration::from_secs(2), Duration::from_secs(7)];

/// What is known of these hosts.
#[derive(Debug, Default)]
pub(super) struct Probes {
    known: RefCell<OrdMap<(Name, Kind), Known>>,
    asked: Cell<Option<Boot>>,
    wanted: Notify,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    at: Boot,
}

impl Probes {
    /// The addresses of `name`, if they are known; none may be the answer too.
    pub(super) fn addresses(&self, name: &Name, kind: Kind, now: Boot) -> Option<Vec<IpAddr>> {
        self.asked.set(Some(now));
        self.wanted.notify_one();
        let known = self.known.borrow();
        let of = |kind| known.get(&(name.clone(), kind)).filter(|known| now.since(known.at) < HOLDS);
        let has_any =
            [Kind::A, Kind::AAAA].into_iter().filter_map(of).any(|known| !known.addresses.is_empty());
        has_any.then(|| of(kind).map_or_else(Vec::new, |known| known.addresses.clone()))
    }

    /// The addresses of all of them, however old.
    pub(super) fn hosts(&self) -> Vec<IpAddr> {
        self.known.borrow().values().flat_map(|known| known.addresses.clone()).collect()
    }

    /// Whether `address` is one of any of these hosts.
    pub(super) fn have(&self, address: IpAddr) -> bool {
        self.known.borrow().values().any(|known| known.addresses.contains(&address))
    }

    fn asked_lately(&self, now: Boot) -> bool {
        self.asked.get().is_some_and(|asked| now.since(asked) < ASKED_LATELY)
    }
}

/// One round after another, for ever.
pub(super) async fn keep(responder: &Responder) {
    let mut view = responder.context.view.clone();
    loop {
        let works = is_up(&view.borrow());
        let pause = if works && look_up(responder).await { PAUSE } else { PAUSE_AFTER_FAILURE };
        let news = tokio::select! {
            () = sleep(jittered(pause)) => false,
            () = turned(&mut view, works) => true,
        };
        let probes = &responder.probes;
        if !news && !probes.asked_lately(responder.context.clock.now().boot) {
            tokio::select! {
                () = probes.wanted.notified() => {}
                () = turned(&mut view, works) => {}
            }
        }
    }
}

/// Asks for all of them. Returns whether the resolver answered.
async fn look_up(responder: &Responder) -> bool {
    let (config, names) = responder.configured();
    let Ok(own) = responder.own() else { return false };
    let mut failures = 0;
    for name in names.probes() {
        let ask = |kind| upstream::ask(config.gateway.dns_upstream, name, kind, PATIENCE);
        let (v4, v6) = tokio::join!(ask(Kind::A), ask(Kind::AAAA));
        failures = if v4.is_none() && v6.is_none() { failures + 1 } else { 0 };
        if failures == ENOUGH_FAILURES {
            return false;
        }
        let at = responder.context.clock.now().boot;
        for (kind, response) in [(Kind::A, v4), (Kind::AAAA, v6)] {
            let Some(response) = response.filter(Response::is_fine) else { continue };
            let mut addresses = response.addresses;
            addresses.retain(|address| is_public(*address) && own.iter().all(|(_, own)| own != address));
            responder.probes.known.borrow_mut().insert((name.clone(), kind), Known { addresses, at });
        }
    }
    true
}

/// Returns when the uplink comes back, or is lost.
async fn turned(view: &mut watch::Receiver<Arc<View>>, worked: bool) {
    if view.wait_for(|view| is_up(view) != worked).await.is_err() {
        // Nobody watches it any more.
        std::future::pending::<()>().await;
    }
}

fn is_up(view: &View) -> bool {
    view.uplink.uplink != Uplink::Down
}

/// Three quarters of `pause` to five: gateways that got their power back together do not stay together.
fn jittered(pause: Duration) -> Duration {
    let share = u32::from(u16::from_be_bytes(random()));
    pause * 3 / 4 + pause / 2 * share / u32::from(u16::MAX)
}
