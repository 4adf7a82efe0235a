//! Before the store is open, where the cloud keeps its key (`option key_from_cloud`): the key has to come first.
//!
//! Owns: that guests are held and told meanwhile, that operators hear what it waits for, and that the cloud is asked
//! until it hands the key out. Never: keeps the key anywhere but in memory; who was let through before stays so.
//! Neighbours: `cloud` says how it is reached, `sync` asks, `store` opens with what comes, `desk` takes over.

use std::cell::RefCell;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_local;

use super::cloud;
use super::desk::needs_restart;
use super::doctor;
use super::enrolment;
use super::fault::Fault;
use super::kernel::Kernel;
use super::listen::Doors;
use super::roles::{Roles, not_permitted};
use super::{CALLS, mention, refuse_reload, servers, wait_for_restart};
use crate::backoff::{Backoff, Chance};
use crate::clock::{Clock, random};
use crate::config::Config;
use crate::control::{self, Server};
use crate::domain::{Refusal, Reply, View};
use crate::portal::{self, FormKey};
use crate::process::{Signal, Signals, seal};
use crate::store::{self, CloudKey, OpenError, Opened};
use crate::sync;
use crate::wire::control::{Answer, Code, Failure, Request, Response};
use crate::wire::enrolment::Enrolled;

/// A cloud that answers within this time is not worth a word.
const AT_ONCE: Duration = Duration::from_secs(3);
/// The longest wait between two tries: nobody can buy anything meanwhile.
const LONGEST: Duration = Duration::from_secs(30);

/// Where comes in what does not wait for the store.
pub(super) struct Early {
    pub(super) signals: Signals,
    pub(super) control: mpsc::Receiver<control::Call>,
    /// A task that must not end has ended.
    pub(super) ended: mpsc::Receiver<Fault>,
    is_sealed: bool,
}

impl Early {
    /// Listens to operators and to the system. `ends` goes with `ended`.
    pub(super) fn begin(
        config: &Config,
        ends: &mpsc::Sender<Fault>,
        ended: mpsc::Receiver<Fault>,
    ) -> Result<Self, Fault> {
        let signals = Signals::listen().map_err(|error| Fault::System { what: "signals", error })?;
        let server = Server::bind(&config.gateway.run_dir).map_err(Fault::Control)?;
        let (calls, control) = mpsc::channel(CALLS);
        let ends = ends.clone();
        spawn_local(async move {
            let error = server.serve(calls).await;
            let _ = ends.send(Fault::System { what: "control socket", error }).await;
        });
        Ok(Self { signals, control, ended, is_sealed: false })
    }

    /// From here on guests are heard, so before it the program gives up what it does not need of the kernel.
    pub(super) fn seal_off(&mut self) {
        if std::mem::replace(&mut self.is_sealed, true) {
            return;
        }
        if let Err(error) = seal() {
            tracing::warn!(event = "not_sealed", %error, "this kernel does not filter what the program asks of it");
        }
    }
}

/// How the wait ended.
enum Came {
    /// The store is open, and is to be sealed under this key of the cloud, or none.
    Open(Box<Opened>, Option<CloudKey>),
    /// The configuration is to be read anew.
    Reload,
    Stop,
}

/// What is waited for, and what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanting {
    what: String,
    remedy: &'static str,
}

/// Opens the store, at once if its key is here, and says under which key of the cloud it is to be sealed. `None`: the
/// daemon is to stop.
pub(super) async fn open_store(
    path: &Path,
    config: &mut Config,
    enrolled: &mut Option<Enrolled>,
    clock: &Clock,
    early: &mut Early,
) -> Result<Option<(Opened, Option<CloudKey>)>, Fault> {
    loop {
        match try_open(config, enrolled.as_ref(), clock, early).await? {
            Came::Open(opened, key) => return Ok(Some((*opened, key))),
            Came::Stop => return Ok(None),
            Came::Reload => match enrolment::load(path) {
                Ok((parsed, joined)) => {
                    mention(&parsed);
                    take_over(config, parsed.config);
                    *enrolled = joined;
                }
                Err(error) => refuse_reload(&error),
            },
        }
    }
}

/// What the process rests upon stays as it was at its start.
fn take_over(config: &mut Config, new: Config) {
    let stays = ["enabled", "state_dir", "run_dir", "user"];
    let late = needs_restart(config, &new).into_iter().filter(|option| stays.contains(option));
    late.for_each(wait_for_restart);
    let (old, gateway) = (std::mem::replace(config, new).gateway, &mut config.gateway);
    gateway.enabled = old.enabled;
    (gateway.state_dir, gateway.run_dir, gateway.user) = (old.state_dir, old.run_dir, old.user);
}

async fn try_open(
    config: &Config,
    enrolled: Option<&Enrolled>,
    clock: &Clock,
    early: &mut Early,
) -> Result<Came, Fault> {
    if !config.gateway.key_from_cloud {
        match store::open(&config.gateway.state_dir) {
            Err(OpenError::KeyAtCloud { .. }) => {}
            opened => return opened.map(|it| Came::Open(Box::new(it), None)).map_err(Fault::of_open),
        }
    }
    let (_nobody, news) = mpsc::channel(1);
    let mut kernel = Kernel::open(config, clock.clone(), news)?;
    kernel.hold()?;
    let wanting = RefCell::new(None);
    let mut coming = pin!(key_comes(config, enrolled, clock, &wanting));
    let came = match tokio::time::timeout(AT_ONCE, &mut coming).await {
        Ok(came) => came?,
        Err(_) => {
            early.seal_off();
            receive(config, clock, &mut kernel, early, &wanting, coming).await?
        }
    };
    if matches!(came, Came::Open(..)) && wanting.borrow().is_some() {
        tracing::info!(event = "key_came", "the cloud has handed out the key of the store");
    }
    Ok(came)
}

/// Has guests and operators told until the wait is over.
async fn receive(
    config: &Config,
    clock: &Clock,
    kernel: &mut Kernel,
    early: &mut Early,
    wanting: &RefCell<Option<Wanting>>,
    mut coming: Pin<&mut impl Future<Output = Result<Came, Fault>>>,
) -> Result<Came, Fault> {
    let mut touched = kernel.watch()?;
    let roles = Roles::of(config);
    let (_config, config_from) = watch::channel(Arc::new(config.clone()));
    let (_view, view) = watch::channel(Arc::new(View { is_locked: true, ..View::default() }));
    let (_shown, shown) = watch::channel(None);
    // Whoever decides later does not take what is sent by forms of now.
    let form = FormKey::new(&random());
    let (servers, mut guests, mut learns) = servers(config_from, view, shown, kernel, form, clock.clone());
    let mut doors = Doors::of(&config.gateway, &servers);
    let came = loop {
        tokio::select! {
            came = &mut coming => break came,
            Some(call) = guests.recv() => refuse(call),
            Some(call) = early.control.recv() => tell(config, &roles, wanting.borrow().as_ref(), call),
            Some(learn) = learns.recv() => kernel.learn(learn),
            change = touched.changed() => {
                change.map_err(Fault::Nft)?;
                kernel.hold()?;
            }
            Some(fault) = early.ended.recv() => break Err(fault),
            signal = early.signals.next() => break Ok(match signal {
                Signal::Reload => Came::Reload,
                Signal::Stop => Came::Stop,
            }),
        }
    };
    doors.close();
    came
}

/// Asks until the cloud has handed out a key that opens the store.
async fn key_comes(
    config: &Config,
    enrolled: Option<&Enrolled>,
    clock: &Clock,
    wanting: &RefCell<Option<Wanting>>,
) -> Result<Came, Fault> {
    let mut backoff = Backoff::default();
    loop {
        clock.refresh();
        let lack = match ask(config, enrolled, clock).await {
            Ok(key) => match store::open_under(&config.gateway.state_dir, key) {
                Ok(opened) => {
                    let stays = Some(key).filter(|_| config.gateway.key_from_cloud);
                    return Ok(Came::Open(Box::new(opened), stays));
                }
                Err(error @ (OpenError::OtherKey { .. } | OpenError::Busy { .. })) => {
                    Wanting { what: error.to_string(), remedy: error.remedy() }
                }
                Err(error) => return Err(Fault::of_open(error)),
            },
            Err(lack) => lack,
        };
        if wanting.borrow().as_ref() != Some(&lack) {
            tracing::warn!(
                event = "key_awaited",
                why = lack.what,
                remedy = lack.remedy,
                "guests are held until the cloud hands out the key of the store"
            );
            wanting.replace(Some(lack));
        }
        tokio::time::sleep(backoff.failed(Chance::new(u32::from_ne_bytes(random()))).min(LONGEST)).await;
    }
}

async fn ask(config: &Config, enrolled: Option<&Enrolled>, clock: &Clock) -> Result<CloudKey, Wanting> {
    let Some(section) = &config.cloud else {
        let remedy =
            "take option key_from_cloud out, or join a cloud with lango enrol --offline; then restart";
        return Err(Wanting { what: "no cloud is configured".to_owned(), remedy });
    };
    let enrolled = enrolled.filter(|enrolled| enrolment::is_of(section, enrolled));
    let reach = cloud::reach(section, enrolled)
        .map_err(|unusable| Wanting { what: unusable.to_string(), remedy: unusable.remedy() })?;
    let site = &config.gateway.site;
    let asked = sync::store_key(reach.url, site, reach.token, reach.extra_roots.as_deref(), clock.clone());
    match asked.await {
        Ok(key) => Ok(CloudKey::new(*key.reveal())),
        Err(trouble) => Err(Wanting { what: trouble.to_string(), remedy: trouble.remedy() }),
    }
}

/// Nothing can be looked up, so nothing is taken.
fn refuse(call: portal::Call) {
    let tell = |reply: oneshot::Sender<Reply>| drop(reply.send(Reply::Refused(Refusal::NotStored)));
    match call {
        portal::Call::Login { reply, .. }
        | portal::Call::Trial { reply, .. }
        | portal::Call::Logout { reply, .. }
        | portal::Call::Forget { reply, .. } => tell(reply),
        portal::Call::Answered { .. } => {}
    }
}

/// What an operator may hear: why nothing can be done yet.
fn tell(config: &Config, roles: &Roles, wanting: Option<&Wanting>, call: control::Call) {
    let held = "guests are held until the cloud hands out the key of the store";
    let (what, remedy) = match wanting {
        None => (held.to_owned(), "it is asked for: wait a moment"),
        Some(Wanting { what, remedy }) => (format!("{held}: {what}"), *remedy),
    };
    let operator = roles.operator(&call.peer, call.ubus);
    let response = match not_permitted(&operator, &call.request) {
        Some(failure) => Response::Error(failure),
        None if matches!(call.request, Request::Doctor { mac: None }) => {
            let examined = doctor::of_locked(config, &what, remedy);
            Response::Ok(Answer::Doctor(Box::new(examined)))
        }
        None if matches!(call.request, Request::Enrol(_)) => {
            let remedy = "give the same command with --offline, then restart the daemon";
            Response::Error(Failure::new(Code::Refused, what, remedy))
        }
        None => Response::Error(Failure::new(Code::Refused, what, remedy)),
    };
    // Who does not wait for the answer does not get it.
    drop(call.reply.send(response));
}
