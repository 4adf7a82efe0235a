//! The desk's end of the link, and the loop at the other end that does round after round.
//!
//! Owns: what the desk may wish for, and that a wish never waits for the network. Never: a round itself.
//! Lookups go beside the rounds, so that a guest does not wait for a long poll to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::cloud::Cloud;
use super::health::Health;
use super::pace::Pace;
use super::round::{GATHER, Rounds};
use super::trouble::Trouble;
use super::{Call, Settings};
use crate::backoff::Chance;
use crate::clock::{Clock, random};
use crate::domain::{Boot, SiteKey};
use crate::wire::feed::{self, Ops, Stand};
use crate::wire::lookup::Wanted;

/// A guest waits for the answer.
const LOOKUP: Duration = Duration::from_secs(3);
/// Lookups at the same time.
const LOOKUPS_MOST: usize = 8;
/// Commands that wait for a round.
const ORDERS: usize = 8;

/// Waits for the outcome of a whole round.
pub(super) type Order = oneshot::Sender<Result<(), Trouble>>;

/// What the desk has wished for so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    /// How often something was put into the outbox.
    pub(super) pokes: u64,
    guest: Boot,
    /// How often the uplink came back.
    returns: u64,
}

/// The link to the cloud, for the desk.
#[derive(Clone)]
pub struct Link {
    wishes: watch::Sender<Wishes>,
    orders: mpsc::Sender<Order>,
    health: watch::Receiver<Health>,
    cloud: Arc<Cloud>,
    lookups: Arc<Semaphore>,
    site: Arc<(String, SiteKey)>,
}

impl Link {
    /// Something waits in the outbox.
    pub fn poke(&self) {
        self.wishes.send_modify(|wishes| wishes.pokes = wishes.pokes.wrapping_add(1));
    }

    /// Until then a guest waits for something that the feed may bring.
    pub fn guest_waits(&self, until: Boot) {
        self.wishes.send_modify(|wishes| wishes.guest = wishes.guest.max(until));
    }

    /// The uplink works again after an outage.
    pub fn uplink_is_back(&self) {
        self.wishes.send_modify(|wishes| wishes.returns = wishes.returns.wrapping_add(1));
    }

    /// A whole round, now: the outbox up, the feed down to its end.
    ///
    /// # Errors
    /// What stood in the way.
    pub async fn sync_now(&self) -> Result<(), Trouble> {
        let (order, outcome) = oneshot::channel();
        self.orders.send(order).await.map_err(|_| Trouble::Stopped)?;
        outcome.await.unwrap_or(Err(Trouble::Stopped))
    }

    /// Asks for what a guest waits for, for three seconds. `None`: the cloud does not know it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn look_up(&self, wanted: &Wanted) -> Result<Option<Ops>, Trouble> {
        let _place = self.lookups.try_acquire().map_err(|_| Trouble::Busy)?;
        let (site, key) = &*self.site;
        let looking = self.cloud.lookup(site, wanted.write());
        let found = tokio::time::timeout(LOOKUP, looking).await.map_err(|_| Trouble::Late)??;
        found.map(|body| feed::read_found(&body, key).map_err(Trouble::Page)).transpose()
    }

    /// How it stands with the cloud.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

/// Makes the link, and what has to run for it. Reads the system's roots.
///
/// # Errors
/// If the settings cannot be used: [`Trouble::Roots`].
pub fn start(
    settings: Settings,
    stand: Stand,
    calls: mpsc::Sender<Call>,
    clock: Clock,
) -> Result<(Link, impl Future<Output = Trouble>), Trouble> {
    let roots = settings.extra_roots.as_deref();
    let token = Some(settings.token.clone());
    let cloud = Arc::new(Cloud::new(settings.url.clone(), token, roots, clock.clone())?);
    let (wishes, wished) = watch::channel(Wishes::default());
    let (orders, ordered) = mpsc::channel(ORDERS);
    let (health, shown) = watch::channel(Health::default());
    let link = Link {
        wishes,
        orders,
        health: shown,
        cloud: Arc::clone(&cloud),
        lookups: Arc::new(Semaphore::new(LOOKUPS_MOST)),
        site: Arc::new((settings.site.clone(), settings.site_key.clone())),
    };
    let pace = Pace::new(settings.poll, stand.at, chance(), clock.now().boot);
    let rounds = Rounds::new(settings, cloud, stand, calls, wished, ordered, health, clock);
    Ok((link, run(rounds, pace)))
}

/// Why the loop goes on.
enum Reason {
    Due,
    /// The outbox goes up by itself.
    Gathered,
    Ordered(Order),
    Wished,
    /// Nobody holds the link any more.
    Left,
}

/// Does round after round, until the desk is gone.
async fn run(mut rounds: Rounds, mut pace: Pace) -> Trouble {
    let mut returns = rounds.wishes.borrow().returns;
    let mut gathered = None;
    loop {
        let wishes = *rounds.wishes.borrow_and_update();
        let now = rounds.clock.now().boot;
        pace.guest_waits(wishes.guest);
        if wishes.returns != returns {
            returns = wishes.returns;
            pace.uplink_is_back(chance(), now);
        }
        let waits = wishes.pokes != rounds.poked && pace.may_send();
        gathered = waits.then(|| gathered.unwrap_or(now.plus(GATHER)));
        let outcome = match wait(&mut rounds, pace.next(now), gathered, now).await {
            Reason::Wished => continue,
            Reason::Left => return Trouble::Stopped,
            Reason::Gathered => alone(&mut rounds, &mut pace).await,
            Reason::Ordered(order) => {
                rounds.asked.push(order);
                whole(&mut rounds, &mut pace, Duration::ZERO).await
            }
            Reason::Due => {
                let hold = pace.hold(rounds.clock.now().boot);
                whole(&mut rounds, &mut pace, hold).await
            }
        };
        if let Err(Trouble::Stopped) = outcome {
            return Trouble::Stopped;
        }
    }
}

async fn wait(rounds: &mut Rounds, next: Boot, gathered: Option<Boot>, now: Boot) -> Reason {
    tokio::select! {
        biased;
        order = rounds.orders.recv() => order.map_or(Reason::Left, Reason::Ordered),
        () = tokio::time::sleep(next.since(now)) => Reason::Due,
        () = tokio::time::sleep(gathered.unwrap_or(now).since(now)), if gathered.is_some() => Reason::Gathered,
        changed = rounds.wishes.changed() => if changed.is_ok() { Reason::Wished } else { Reason::Left },
    }
}

/// Sends events between two rounds.
async fn alone(rounds: &mut Rounds, pace: &mut Pace) -> Result<(), Trouble> {
    let outcome = rounds.up().await;
    if outcome.is_err() {
        settle(rounds, pace, &outcome);
    }
    outcome
}

async fn whole(rounds: &mut Rounds, pace: &mut Pace, hold: Duration) -> Result<(), Trouble> {
    pace.begins(rounds.clock.now().boot);
    let outcome = rounds.round(hold).await;
    settle(rounds, pace, &outcome);
    for order in rounds.asked.drain(..) {
        // Who asked may have gone.
        let _ = order.send(outcome.clone());
    }
    outcome
}

fn settle(rounds: &Rounds, pace: &mut Pace, outcome: &Result<(), Trouble>) {
    let now = rounds.clock.now();
    pace.ended(outcome, chance(), now.boot);
    pace.asked(rounds.min_wait, now.boot);
    let (received, sent) = rounds.cloud.traffic();
    rounds.health.send_modify(|health| {
        health.note(outcome, now);
        health.at = rounds.stand.at;
        (health.received, health.sent) = (received, sent);
    });
}

fn chance() -> Chance {
    Chance::new(u32::from_ne_bytes(random()))
}
