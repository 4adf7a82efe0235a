//! A desk in memory at the other end of the client: rows, an outbox, and what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lango::domain::{BootId, Op, Row, RowName, Seq, SiteKey, Wall};
use lango::sync::{Call, Health, InTheClear, Link, NotApplied, Settings, Trouble, Url, Waiting, start};
use lango::wire::feed::{Page, Stand, Walk, digest};
use lango::{clock::Clock, domain::Cursor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cloud::{Cloud, SITE};

/// What a desk would have on flash.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) rows: BTreeMap<RowName, Row>,
    fresh: BTreeMap<RowName, Row>,
    pub(crate) stand: Stand,
    pub(crate) outbox: Vec<(Seq, String)>,
    pub(crate) newest: u64,
    /// No page is applied before the cloud has read so far.
    pub(crate) hold: Seq,
    pub(crate) acked: Seq,
    pub(crate) pages: u32,
    pub(crate) overs: u32,
    pub(crate) refused: Vec<(Option<Cursor>, String)>,
    pub(crate) times: Vec<Wall>,
}

impl Books {
    /// Puts events into the outbox.
    pub(crate) fn happen(&mut self, count: u64) {
        for _ in 0..count {
            self.newest += 1;
            let event =
                r#"{"at":"2026-11-22T00:00:00Z","clock":"floor","type":"usage","session":"s-1","seconds":9}"#;
            self.outbox.push((Seq(self.newest), event.replace('9', &self.newest.to_string())));
        }
    }

    fn apply(&mut self, page: Page, stand: Stand) -> Result<(), NotApplied> {
        if self.acked < self.hold {
            return Err(NotApplied::Held);
        }
        if page.full && self.stand.walk == Walk::Following {
            self.fresh.clear();
        }
        let rows = if page.full { &mut self.fresh } else { &mut self.rows };
        for op in page.ops.known {
            match op {
                Op::Put { row, .. } => drop(rows.insert(row.name(), row)),
                Op::Delete { name, .. } => drop(rows.remove(&name)),
                Op::Do { .. } | Op::About { .. } => {}
            }
        }
        if page.full && !page.more {
            self.rows = std::mem::take(&mut self.fresh);
        }
        self.stand = stand;
        self.pages += 1;
        Ok(())
    }

    fn answer(&mut self, call: Call) {
        match call {
            Call::Page { page, stand, reply } => drop(reply.send(self.apply(*page, stand))),
            Call::Events { most, reply } => {
                let mut bytes = 0;
                let fits = |(_, event): &&(Seq, String)| {
                    let is_first = bytes == 0;
                    bytes += event.len();
                    is_first || bytes <= most
                };
                let events = self.outbox.iter().take_while(fits).cloned().collect();
                let _ = reply.send(Waiting { events, newest: Seq(self.newest) });
            }
            Call::Acked { upto, reply } => {
                self.acked = upto;
                self.outbox.retain(|(seq, _)| *seq > upto);
                let _ = reply.send(());
            }
            Call::Digest { reply } => drop(reply.send(Some(digest(self.rows.keys().cloned())))),
            Call::StartOver { reply } => {
                self.overs += 1;
                self.stand = self.stand.over();
                let _ = reply.send(());
            }
            Call::Refused { cursor, why } => self.refused.push((cursor, why)),
            Call::Time { wall } => self.times.push(wall),
        }
    }
}

/// A cloud, a client, and the desk that the client works for.
pub(crate) struct Site {
    pub(crate) cloud: Cloud,
    pub(crate) link: Link,
    pub(crate) clock: Clock,
    books: Arc<Mutex<Books>>,
    poll: Duration,
    running: [JoinHandle<()>; 2],
}

/// Long enough that rounds come by order only.
pub(crate) const NEVER: Duration = Duration::from_secs(86_400);

impl Site {
    /// Nothing is asked but by order, after the very first round.
    pub(crate) async fn quiet() -> Self {
        Self::polling(NEVER).await
    }

    /// The first round is over.
    pub(crate) async fn polling(poll: Duration) -> Self {
        let cloud = Cloud::start();
        cloud.plan("hour");
        let books = Arc::new(Mutex::default());
        let clock = clock();
        let (link, running) = client(&cloud, &books, poll, &clock);
        let site = Self { cloud, link, clock, books, poll, running };
        site.until(|books| books.pages > 0).await;
        site
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// How often all was fetched again, and how many rows there are.
    pub(crate) fn overs_and_rows(&self) -> (u32, usize) {
        let books = self.books();
        (books.overs, books.rows.len())
    }

    pub(crate) fn health(&self) -> Health {
        self.link.health().borrow().clone()
    }

    /// Ends the client and starts it again: it has no connection then, and knows what the desk knows.
    pub(crate) fn restart(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
        (self.link, self.running) = client(&self.cloud, &self.books, self.poll, &self.clock);
    }

    pub(crate) async fn sync(&self) -> Result<(), Trouble> {
        self.link.sync_now().await
    }

    /// The word of the trouble that a round comes to.
    pub(crate) async fn trouble(&self) -> &'static str {
        self.sync().await.map_or_else(|trouble| trouble.word(), |()| "none")
    }

    /// Waits for something to become so, for twenty seconds.
    pub(crate) async fn until(&self, so: impl Fn(&Books) -> bool) {
        for _ in 0..2000 {
            if so(&self.books()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not become so; {:?}", self.health());
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        let normal = lango::domain::Normal::of(code).unwrap();
        let key = site_key(&self.cloud).voucher(&normal);
        self.books().rows.contains_key(&RowName::Voucher(key))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

/// A clock that is not trusted, and not far from the truth.
#[expect(clippy::disallowed_methods, reason = "the certificates of the cloud are made by this clock")]
pub(crate) fn clock() -> Clock {
    let clock = Clock::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    clock.not_before(Wall::from_secs(i64::try_from(now.as_secs()).unwrap()));
    clock
}

pub(crate) fn site_key(cloud: &Cloud) -> SiteKey {
    SiteKey::new(&cloud.file("site.key").try_into().unwrap())
}

pub(crate) fn settings(cloud: &Cloud, poll: Duration) -> Settings {
    Settings {
        url: Url::read(&cloud.url(), InTheClear::Never).unwrap(),
        site: SITE.into(),
        token: String::from_utf8(cloud.file("token")).unwrap().parse().unwrap(),
        site_key: site_key(cloud),
        extra_roots: Some(cloud.file("keys/ca.pem")),
        signing_key: Some(cloud.signing_key.parse().unwrap()),
        poll,
        device: "gw-5f1c".into(),
        boot: "b-91".parse::<BootId>().unwrap(),
    }
}

fn client(
    cloud: &Cloud,
    books: &Arc<Mutex<Books>>,
    poll: Duration,
    clock: &Clock,
) -> (Link, [JoinHandle<()>; 2]) {
    serve(settings(cloud, poll), books, clock)
}

/// Runs a client with these settings for a desk that has these books.
pub(crate) fn serve(
    settings: Settings,
    books: &Arc<Mutex<Books>>,
    clock: &Clock,
) -> (Link, [JoinHandle<()>; 2]) {
    let (calls, mut called) = mpsc::channel(8);
    let stand = books.lock().unwrap().stand;
    let (link, client) = start(settings, stand, calls, clock.clone()).unwrap();
    let client = tokio::spawn(async move { drop(client.await) });
    let books = Arc::clone(books);
    let desk = tokio::spawn(async move {
        while let Some(call) = called.recv().await {
            books.lock().unwrap().answer(call);
        }
    });
    (link, [client, desk])
}
