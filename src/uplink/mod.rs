//! Watches the uplink: the way out, what comes from beyond it, and probes where that leaves doubt.
//!
//! Owns: the sockets for all three. Never: what the evidence amounts to; `domain::UplinkJudge` weighs it.
//! Probes leave from the gateway through the uplink device and no other.
//!
//! `path` is what the kernel says, `ear` what is heard, `probe` a round of questions, `targets` whom they
//! go to; `near` tells the link from the internet.

mod ear;
mod near;
mod path;
mod probe;
mod targets;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::SockProtocol;
use tokio::sync::watch;

use self::ear::{Ear, Sound};
use self::near::Near;
use self::path::{Path, Paths};
use self::probe::Findings;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Boot, Evidence, Lack, UplinkJudge, UplinkState};
use crate::netlink::News;
use crate::ordered::OrdSet;
use crate::wire::netlink::Refusal;
use crate::wire::route::LINKS_AND_ROUTES;

/// Links and routes change in bursts; they are looked at once a burst.
const BURST: Duration = Duration::from_millis(5);
/// Targets remembered that have answered, at most.
const PROVEN: usize = 32;
/// The way out is looked at this often though the kernel told nothing of it.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// What went wrong between us and the kernel.
#[derive(Debug)]
pub enum UplinkError {
    /// The socket failed while `doing`.
    Socket { doing: &'static str, error: io::Error },
    /// The kernel refused.
    Refused { doing: &'static str, refusal: Refusal },
}

impl fmt::Display for UplinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { doing, error } => write!(f, "uplink socket, {doing}: {error}"),
            Self::Refused { doing, refusal } => write!(f, "the kernel refused {doing}: {refusal}"),
        }
    }
}

impl std::error::Error for UplinkError {}

/// What is known of the uplink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub state: UplinkState,
    /// What is missing, if it is down.
    pub lack: Option<Lack>,
    /// What the way out lacks at this moment, whether that lasts or not.
    pub way: Option<Lack>,
    /// The device towards the internet, as far as one is known.
    pub device: Option<String>,
}

/// Addresses beyond the link that others have learned, to be asked if nobody named any.
pub type Offer = Box<dyn Fn() -> Vec<SocketAddr>>;

/// Watches, for as long as it runs.
pub struct Monitor {
    config: watch::Receiver<Arc<Config>>,
    offer: Offer,
    reports: watch::Sender<Report>,
    clock: Clock,
    paths: Paths,
    news: News,
    judge: UplinkJudge,
    path: Path,
    ear: Option<Ear>,
    round: Option<Round>,
    /// Targets that have answered once.
    proven: OrdSet<SocketAddr>,
}

/// A round of probes on its way.
struct Round {
    began: Boot,
    finding: Pin<Box<dyn Future<Output = Findings>>>,
}

impl Monitor {
    /// Opens what it takes; reports from [`run`](Self::run) on, whatever differs from what is `known`.
    /// Within a tokio runtime only.
    pub fn open(
        known: UplinkState,
        config: watch::Receiver<Arc<Config>>,
        offer: Offer,
        clock: Clock,
    ) -> Result<(Self, watch::Receiver<Report>), UplinkError> {
        let news = News::open(SockProtocol::NetlinkRoute, LINKS_AND_ROUTES)
            .map_err(|error| UplinkError::Socket { doing: "subscribing to links and routes", error })?;
        let judge = UplinkJudge::new(known, clock.now().boot);
        let (reports, reported) = watch::channel(Report { state: known, ..Report::default() });
        let paths = Paths::open()?;
        let (path, ear, round, proven) = (Path::default(), None, None, OrdSet::new());
        Ok((Self { config, offer, reports, clock, paths, news, judge, path, ear, round, proven }, reported))
    }

    /// Watches until something fails that should not.
    pub async fn run(mut self) -> UplinkError {
        loop {
            if let Err(error) = self.look().and(self.until_the_way_changes().await) {
                return error;
            }
        }
    }

    /// Looks at the way out.
    fn look(&mut self) -> Result<(), UplinkError> {
        let config = Arc::clone(&self.config.borrow_and_update());
        let path = self.paths.look(&config.gateway, &self.path)?;
        if path != self.path {
            tracing::debug!(
                event = "uplink_path",
                device = path.device.as_ref().map(|device| &device.name),
                lack = path.lack.map(Lack::word),
                "the way out changed"
            );
        }
        self.path = path;
        self.observe(Evidence::Path(self.path.lack));
        let device = self.path.device.clone().filter(|_| self.path.lack.is_none());
        if self.ear.as_ref().map(Ear::device) != device.as_ref() {
            self.ear = device.map(|device| Ear::on(device, self.clock.clone()));
            self.round = None;
        }
        Ok(())
    }

    async fn until_the_way_changes(&mut self) -> Result<(), UplinkError> {
        let again = self.clock.now().boot.plus(LOOK_ANYWAY);
        loop {
            let now = self.clock.now().boot;
            self.probe(now);
            self.publish();
            let due = [self.judge.poll_timeout(), self.judge.next_probe().filter(|_| self.round.is_none())];
            let due = due.into_iter().flatten().fold(again, Boot::min);
            tokio::select! {
                heard = self.news.next() => {
                    heard.map_err(|error| UplinkError::Socket { doing: "listening for links", error })?;
                    tokio::time::sleep(BURST).await;
                    return Ok(());
                }
                Ok(()) = self.config.changed() => return Ok(()),
                sound = listen(&mut self.ear) => match sound {
                    Sound::Voice => self.observe(Evidence::Heard),
                    Sound::NoAnswer { asked } => self.observe(Evidence::Unanswered { asked }),
                    Sound::Deaf => {}
                },
                (began, findings) = outcome(&mut self.round) => {
                    self.round = None;
                    self.take(began, &findings);
                }
                () = tokio::time::sleep(due.since(now)) => {
                    let now = self.clock.now().boot;
                    self.judge.tick(now);
                    if now >= again {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Of those whom nobody named, the silence of one that never answered says nothing: a resolver need not
    /// listen on TCP, nor a provider let through what was asked for.
    fn take(&mut self, began: Boot, findings: &Findings) {
        if let Some(answered) = findings.answered {
            if self.proven.len() >= PROVEN {
                self.proven.clear();
            }
            self.proven.insert(answered);
            self.observe(Evidence::Heard);
            return;
        }
        let named = targets::named(&self.config.borrow());
        let is_telling = |target: &SocketAddr| named.contains(target) || self.proven.contains(target);
        if findings.failed.iter().any(is_telling) {
            self.observe(Evidence::ProbesFailed { began });
        }
    }

    /// Begins a round if one is due.
    fn probe(&mut self, now: Boot) {
        let is_due = self.round.is_none() && self.judge.next_probe().is_some_and(|due| due <= now);
        let Some(device) = self.path.device.as_ref().filter(|_| is_due) else { return };
        self.judge.probing(now);
        let targets = targets::targets(&self.config.borrow(), &(self.offer)(), &Near::look());
        let finding = Box::pin(probe::round(device.name.clone(), targets));
        self.round = Some(Round { began: now, finding });
    }

    fn observe(&mut self, evidence: Evidence) {
        self.judge.observe(evidence, self.clock.now().boot);
    }

    fn publish(&self) {
        let device = self.path.device.as_ref().map(|device| device.name.clone());
        let (state, lack) = (self.judge.state(), self.judge.lack());
        let report = Report { state, lack, way: self.path.lack, device };
        self.reports.send_if_modified(|known| {
            let differs = *known != report;
            *known = report;
            differs
        });
    }
}

async fn listen(ear: &mut Option<Ear>) -> Sound {
    match ear {
        Some(ear) => ear.next().await,
        None => std::future::pending().await,
    }
}

async fn outcome(round: &mut Option<Round>) -> (Boot, Findings) {
    match round {
        Some(round) => (round.began, round.finding.as_mut().await),
        None => std::future::pending().await,
    }
}
