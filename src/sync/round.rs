//! One round with the cloud: the outbox goes up, then the feed comes down to its end.
//!
//! Owns: where the reading stands, and the order of things: what was redeemed here is told before anything
//! is taken over; a page counts once the desk has it on flash. Never: when a round is due.
//! Neighbours: `cloud` asks, `wire::feed` judges, the desk (by `Call`) stores.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::cloud::{Cloud, Fed, Part};
use super::health::Health;
use super::link::{Order, Wishes};
use super::trouble::Trouble;
use super::{Call, NotApplied, Settings, Waiting};
use crate::clock::Clock;
use crate::domain::{Boot, Cursor, Seq};
use crate::wire::events::{BATCH_MAX, Batch, read_acked};
use crate::wire::feed::{self, Page, Refusal, Stand};

/// What waits in the outbox is gathered for so long.
pub(super) const GATHER: Duration = Duration::from_millis(200);
/// For a digest that differs, everything is fetched again this often at most.
const BETWEEN_RESETS: Duration = Duration::from_secs(60 * 60);

/// Everything that a round needs.
pub(super) struct Rounds {
    pub(super) settings: Settings,
    pub(super) cloud: Arc<Cloud>,
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) clock: Clock,
    pub(super) stand: Stand,
    pub(super) wishes: watch::Receiver<Wishes>,
    /// How many pokes were answered.
    pub(super) poked: u64,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Those who wait for the end of this round.
    pub(super) asked: Vec<Order>,
    pub(super) health: watch::Sender<Health>,
    /// What the cloud wants between two polls.
    pub(super) min_wait: Duration,
    /// The name of the state that the last page led to.
    etag: Option<String>,
    reset: Option<Boot>,
    /// The refusal that the desk was told of last.
    told: Option<(Option<Cursor>, Option<Cursor>)>,
}

/// What follows a part of the feed.
enum Next {
    More,
    End,
}

impl Rounds {
    #[expect(clippy::too_many_arguments, reason = "the ends of every channel")]
    pub(super) fn new(
        settings: Settings,
        cloud: Arc<Cloud>,
        stand: Stand,
        calls: mpsc::Sender<Call>,
        wishes: watch::Receiver<Wishes>,
        orders: mpsc::Receiver<Order>,
        health: watch::Sender<Health>,
        clock: Clock,
    ) -> Self {
        let (poked, asked, min_wait, etag, reset, told) = Default::default();
        Self {
            settings,
            cloud,
            calls,
            clock,
            stand,
            wishes,
            poked,
            orders,
            asked,
            health,
            min_wait,
            etag,
            reset,
            told,
        }
    }

    /// A whole round. `hold`: how long the cloud may hold the request for the feed.
    pub(super) async fn round(&mut self, hold: Duration) -> Result<(), Trouble> {
        let up = self.up().await;
        match &up {
            Err(trouble) if !trouble.is_an_answer() => up,
            Ok(()) | Err(_) => {
                let down = self.down(hold).await;
                down.and(up)
            }
        }
    }

    /// Sends what waits in the outbox. What comes meanwhile is left to the next time: or where guests come and go
    /// faster than the cloud answers, the feed would never be read.
    pub(super) async fn up(&mut self) -> Result<(), Trouble> {
        self.poked = self.wishes.borrow().pokes;
        let (mut repeated, mut goal) = (None, None);
        loop {
            let waiting = self.call(|reply| Call::Events { most: BATCH_MAX, reply }).await?;
            let Some((first, last, body)) = self.batch(&waiting) else { return Ok(()) };
            let (status, body) = self.cloud.events(&self.settings.site, body).await?;
            let newest = waiting.newest.max(last);
            let goal = *goal.get_or_insert(newest);
            let acked = read_acked(&body, newest).map_err(Trouble::Ack)?;
            if acked >= first {
                self.call(|reply| Call::Acked { upto: acked, reply }).await?;
                if acked >= goal {
                    return Ok(());
                }
            } else if status == 409 && repeated != Some(first) {
                // There is nothing between what the cloud has and what is here: it takes that the next time.
                repeated = Some(first);
            } else {
                return Err(Trouble::NotAcked { first, acked });
            }
        }
    }

    /// The numbers of its first and last event, and the body of a batch.
    fn batch(&self, waiting: &Waiting) -> Option<(Seq, Seq, String)> {
        let (first, _) = waiting.events.first()?;
        let mut batch = Batch::new(&self.settings.device, &self.settings.boot, BATCH_MAX);
        for (seq, event) in &waiting.events {
            if !batch.push(*seq, event) {
                break;
            }
        }
        let (last, body) = batch.finish()?;
        Some((*first, last, body))
    }

    /// Reads the feed to its end.
    async fn down(&mut self, mut hold: Duration) -> Result<(), Trouble> {
        let mut held = Held::default();
        loop {
            let part = Part { since: self.stand.at, etag: self.etag.clone(), wait: hold };
            let Some(fed) = self.fetch(part).await? else {
                hold = Duration::ZERO;
                continue;
            };
            match fed {
                Fed::Nothing => return Ok(()),
                Fed::Gone if self.stand.at.is_none() => return Err(Trouble::Gone),
                Fed::Gone => self.start_over().await?,
                Fed::Page { body, signature, etag } => {
                    match self.page(&body, signature, etag, &mut held).await? {
                        Next::More => {}
                        Next::End => return Ok(()),
                    }
                }
            }
            hold = Duration::ZERO;
        }
    }

    /// Asks for a part, and sends events meanwhile if there are any. `None`: somebody wants a whole round now.
    async fn fetch(&mut self, part: Part) -> Result<Option<Fed>, Trouble> {
        let (cloud, site, waits) =
            (Arc::clone(&self.cloud), self.settings.site.clone(), !part.wait.is_zero());
        let mut feed = pin!(async move { cloud.feed(&site, part).await });
        let mut may_send = true;
        loop {
            tokio::select! {
                biased;
                fed = &mut feed => return fed.map(Some),
                () = poke(&mut self.wishes, self.poked), if may_send => {
                    // What fails here is tried again with the next round, which says why.
                    may_send = self.up().await.is_ok();
                }
                Some(order) = self.orders.recv(), if waits => {
                    self.asked.push(order);
                    self.up().await?;
                    return Ok(None);
                }
            }
        }
    }

    async fn page(
        &mut self,
        body: &[u8],
        signature: Option<String>,
        etag: Option<String>,
        held: &mut Held,
    ) -> Result<Next, Trouble> {
        let (page, stand) = match self.judge(body, signature.as_deref()) {
            Ok(right) => right,
            Err((cursor, refusal)) => return Err(self.refuse(cursor, refusal).await),
        };
        if let Some(wall) = page.time.filter(|_| self.is_verified()) {
            self.tell(Call::Time { wall }).await?;
        }
        let (more, digest, min_wait, ops) = (page.more, page.digest, page.min_wait, page.ops.clone());
        match self.call(|reply| Call::Page { page: Box::new(page), stand, reply }).await? {
            Ok(()) => {}
            Err(NotApplied::NotStored) => return Err(Trouble::NotStored),
            Err(NotApplied::Held) if *held == Held::Once => return Err(Trouble::Held),
            Err(NotApplied::Held) => {
                *held = Held::Once;
                self.up().await?;
                return Ok(Next::More);
            }
        }
        *held = Held::Not;
        self.health.send_modify(|health| health.count(&ops));
        (self.stand, self.told, self.etag) = (stand, None, etag.filter(|_| !more));
        self.min_wait = min_wait;
        if more { Ok(Next::More) } else { self.compare(digest).await }
    }

    /// The page, and where the reading stands after it; else the cursor of what was refused, as far as it
    /// can be read, and why.
    fn judge(
        &self,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(Page, Stand), (Option<Cursor>, Refusal)> {
        let (site, key) = (&self.settings.site, self.settings.signing_key.as_ref());
        if let Some(key) = key {
            feed::verify(body, signature, key).map_err(|refusal| (None, refusal))?;
        }
        let page = Page::read(body, &self.settings.site_key).map_err(|refusal| (None, refusal))?;
        match self.stand.after(&page, site, key, self.clock.now()) {
            Ok(stand) => Ok((page, stand)),
            Err(refusal) => Err((Some(page.cursor), refusal)),
        }
    }

    fn is_verified(&self) -> bool {
        self.settings.signing_key.is_some() || self.cloud.is_verified()
    }

    /// Tells the desk, but once of the same page.
    async fn refuse(&mut self, cursor: Option<Cursor>, refusal: Refusal) -> Trouble {
        self.health.send_modify(|health| health.refused_pages = health.refused_pages.saturating_add(1));
        let which = (self.stand.at, cursor);
        if self.told != Some(which) {
            self.told = Some(which);
            if let Err(stopped) = self.tell(Call::Refused { cursor, why: refusal.to_string() }).await {
                return stopped;
            }
        }
        Trouble::Page(refusal)
    }

    /// Compares all rows with what the cloud has, where it says.
    async fn compare(&mut self, theirs: Option<[u8; 32]>) -> Result<Next, Trouble> {
        let Some(theirs) = theirs else { return Ok(Next::End) };
        let ours = self.call(|reply| Call::Digest { reply }).await?;
        if ours.is_none_or(|ours| ours == theirs) {
            return Ok(Next::End);
        }
        // Without it, the next answer is a page again, and is compared.
        self.etag = None;
        let now = self.clock.now().boot;
        if self.reset.is_some_and(|reset| now.since(reset) < BETWEEN_RESETS) {
            return Err(Trouble::Digest);
        }
        self.reset = Some(now);
        self.start_over().await?;
        Ok(Next::More)
    }

    async fn start_over(&mut self) -> Result<(), Trouble> {
        self.call(|reply| Call::StartOver { reply }).await?;
        (self.stand, self.etag) = (self.stand.over(), None);
        Ok(())
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.tell(call(reply)).await?;
        answer.await.map_err(|_| Trouble::Stopped)
    }

    async fn tell(&self, call: Call) -> Result<(), Trouble> {
        self.calls.send(call).await.map_err(|_| Trouble::Stopped)
    }
}

/// Whether a page had to wait for the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Not,
    Once,
}

/// Returns when something new waits in the outbox, and a little was gathered. `answered`: how many pokes were.
async fn poke(wishes: &mut watch::Receiver<Wishes>, answered: u64) {
    match wishes.wait_for(|wishes| wishes.pokes != answered).await.map(drop) {
        Ok(()) => tokio::time::sleep(GATHER).await,
        // Nobody is left to poke.
        Err(_) => std::future::pending().await,
    }
}
