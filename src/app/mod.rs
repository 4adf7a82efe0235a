//! Wiring: the order of start, the one loop, the tasks it depends on, the end.
//!
//! Owns: nothing but the connections between rooms. `desk` is the loop, `ledger` the Gate with its store,
//! `kernel` its projection and `flows` what it cuts; `guests` answers guests, `ask`, `vouchers`, `stock`, `orders`,
//! `persons`, `plans` and `doctor` answer operators;
//! `listen` keeps a portal and a responder on every guest interface, and with `certificate` one over TLS;
//! `lookout` watches the guest network and `roll` asks who is quiet; `uplink` passes on news of the uplink,
//! `time` follows the sources of the wall clock, `cloud` does what the cloud brings and `link` says how it stands
//! with it, `locked` waits for a key that it keeps, `offers` brings again what found no room, `enrolment` joins one;
//! `clues`, `errands` and `pin` find out what guests mean; `owner` says who runs all this, `hold` closes before; `fault` says what each failure means.

mod ask;
mod backup;
mod base;
mod certificate;
mod cloud;
mod clues;
mod desk;
mod doctor;
mod draw;
mod enrolment;
mod errands;
mod fault;
mod flows;
mod guests;
mod hold;
mod kernel;
mod keys;
mod ledger;
mod link;
mod listen;
mod locked;
mod lookout;
mod offers;
mod orders;
mod owner;
mod persons;
mod pin;
mod plans;
mod retention;
mod roles;
mod roll;
mod stock;
mod time;
mod trail;
mod uplink;
mod vouchers;

use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinSet, LocalSet, spawn_local};

pub use self::backup::{pack, restore};
use self::base::keep_out;
use self::certificate::Secured;
use self::desk::{Desk, Inlets};
pub use self::enrolment::look_beyond;
use self::errands::Errands;
use self::fault::Fault;
pub use self::hold::hold;
use self::kernel::Kernel;
use self::keys::Keys;
use self::ledger::Ledger;
use self::listen::{ByNeighbour, Doors, Servers};
use self::locked::Early;
use self::lookout::{Lookout, Watching, look_out};
use self::retention::Ageing;
use self::roles::Roles;
use self::roll::Roll;
use crate::clock::Clock;
use crate::config::{self, Config, Parsed};
use crate::dns::{self, Responder};
use crate::domain::{Action, Actor, Input, Limits, Mac, Record, Reports, View};
use crate::nft::{Noticed, Start};
use crate::ordered::OrdSet;
use crate::portal::{self, Connections, FormKey, Handshakes, SentBack, Shown, Wardrobe};
use crate::process::{Exit, raise_file_limit};
use crate::store::{self, CloudKey, Found, Opened};
use crate::wire::control::{Request, Response};
use crate::wire::enrolment::Enrolled;

/// Calls that wait for the loop, at most; who comes later waits at the door.
const CALLS: usize = 1024;

/// Devices under suspicion that wait for the loop, at most; there are few, for each has a session.
const SUSPECTS: usize = 64;
/// Devices whose addresses wait to be told to the kernel, at most.
const SETTLED: usize = 256;

/// Runs the daemon until it is told to stop.
pub fn run(path: &Path) -> Exit {
    ended(try_run(path))
}

/// How it ended, and why in the log.
fn ended(done: Result<(), Fault>) -> Exit {
    let Err(fault) = done else { return Exit::Done };
    // One event a line: a configuration may have many errors.
    let remedy = Some(fault.remedy()).filter(|remedy| !remedy.is_empty());
    for line in fault.to_string().lines() {
        tracing::error!(event = "cannot_run", remedy, "{line}");
    }
    fault.exit()
}

fn try_run(path: &Path) -> Result<(), Fault> {
    let (parsed, enrolled) = enrolment::load(path)?;
    mention(&parsed);
    if !parsed.config.gateway.enabled {
        tracing::warn!(event = "disabled", "option enabled is 0: nothing to do");
        return Ok(());
    }
    owner::step_down(&parsed.config.gateway)?;
    make_room_for_guests();
    on_runtime(start(path, parsed.config, enrolled))?
}

/// Does what `request` asks without a daemon.
pub fn offline(path: &Path, request: Request) -> Response {
    let by = roles::at_terminal();
    let done = load_for(&request, path).and_then(|(config, enrolled)| {
        // What is written is to be the daemon's. A backup is written by whoever wants it, where the daemon may not.
        if !matches!(request, Request::Backup) {
            owner::step_down(&config.gateway)?;
        }
        on_runtime(async {
            // Who cannot reach the cloud that has the key may have to join it anew.
            let open = if matches!(request, Request::Enrol(_)) {
                store::open_without_key
            } else {
                store::open_sound
            };
            let opened = open(&config.gateway.state_dir).map_err(Fault::of_open)?;
            let (mut ledger, records, keys, device) =
                open_ledger(opened, &config, enrolled.as_ref(), &Clock::new())?;
            let answer = if let Request::Enrol(wish) = request {
                enrolment::enrol_now(path, &config, device, &keys, &mut ledger, wish, &by).await
            } else {
                if matches!(request, Request::Forget { .. }) {
                    // What others go on using is stamped with this boot.
                    ledger.begin(records).await;
                }
                vouchers::answer(&mut ledger, &keys, &config, request, &by).await
            };
            ledger.store.close().await.map_err(Fault::Store)?;
            owner::hand_over(&config.gateway)?;
            Ok(answer)
        })?
    });
    match done {
        Ok(Ok(answer)) => Response::Ok(answer),
        Ok(Err(failure)) => Response::Error(failure),
        Err(fault) => Response::Error(enrolment::failure(&fault)),
    }
}

fn load_for(request: &Request, path: &Path) -> Result<(Config, Option<Enrolled>), Fault> {
    if matches!(request, Request::Enrol(_)) {
        // What an earlier enrolment left may be what is wrong.
        let config = config::load(path).map_err(Fault::Load)?.config;
        let enrolled = enrolment::read(&config.gateway.state_dir).unwrap_or(None);
        return Ok((config, enrolled));
    }
    enrolment::load(path).map(|(parsed, enrolled)| (parsed.config, enrolled))
}

fn on_runtime<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::System { what: "cannot start", error })?;
    Ok(LocalSet::new().block_on(&runtime, work))
}

/// Opens everything in its order: flash, then kernel, then doors. So whoever was paid for is let through
/// before anybody can ask, and nobody is let through before it is known who was.
async fn start(path: &Path, mut config: Config, mut enrolled: Option<Enrolled>) -> Result<(), Fault> {
    let clock = Clock::new();
    let started = clock.now().boot;
    let (ends, ended) = mpsc::channel(1);
    let mut early = Early::begin(&config, &ends, ended)?;
    let came = locked::open_store(path, &mut config, &mut enrolled, &clock, &mut early).await?;
    let Some((opened, key)) = came else { return Ok(()) };
    let enrolled = enrolled.as_ref();
    let begins = trail::beginning(path, &opened.report.found);
    let (mut ledger, records, keys, device) = open_ledger(opened, &config, enrolled, &clock)?;
    go_on(&mut ledger, records, key, begins).await;
    keep_out(&mut config, &ledger.gate);
    let (kernel, how) = open_kernel(&config, &mut ledger, ends.clone()).await?;
    let now = clock.now();

    let (cloud, cloud_calls) = cloud::connect(&config, enrolled, &keys, &ledger, &device, ends.clone());
    let (errands, returns) = Errands::new();
    let config = Arc::new(config);
    let (config_to, config_from) = watch::channel(Arc::clone(&config));
    let (view_to, view_from) = watch::channel(Arc::new(ledger.gate.view(now)));
    let (secured, shown) = Secured::new(&config.gateway, now);
    let (servers, portal, learns) =
        servers(config_from.clone(), view_from, shown, &kernel, keys.form.clone(), clock.clone());
    let known = ledger.gate.view(now).uplink;
    let uplink = uplink::watch(known, config_from, &servers.responder, clock, ends.clone())?;
    let (lookout, suspects, homes) = watch_guests(&servers.portal, &kernel, ends.clone())?;
    let (roll, found) = Roll::open(&kernel.neighbours, &lookout)?;
    early.seal_off();
    let doors = Doors::of(&config.gateway, &servers);
    say_started(&config, &ledger, &how);
    let desk = Desk {
        path: path.to_owned(),
        roles: Roles::of(&config),
        config: config_to,
        view: view_to,
        uplink: uplink.borrow().clone(),
        next_tick: ledger.gate.poll_timeout(now),
        ledger,
        kernel,
        lookout,
        roll,
        keys,
        device,
        cloud,
        waiters: Arc::new(Semaphore::new(link::WAITERS)),
        errands,
        reload_due: false,
        doors,
        servers,
        secured,
        started,
        next_look_at_table: now.boot,
        next_look_at_clock: now.boot,
        // Not while a whole street comes back after a power cut.
        next_count: now.boot,
        next_nudge: now.boot,
        next_offer: now.boot,
        ageing: Ageing::beginning(now.boot),
    };
    desk.run(Inlets { early, portal, learns, suspects, found, homes, uplink, cloud: cloud_calls, returns })
        .await
}

fn wait_for_restart(option: &str) {
    tracing::warn!(event = "restart_needed", option, "a change of this option waits for a restart");
}

fn refuse_reload(error: &Fault) {
    // One event a line: a configuration may have many errors.
    for line in error.to_string().lines() {
        tracing::error!(event = "reload_refused", "{line}");
    }
    tracing::error!(event = "reload_refused", "the running configuration stays in force");
}

/// The store goes on from here, sealed as is wished, and the trail says so.
async fn go_on(ledger: &mut Ledger, records: Vec<Record>, key: Option<CloudKey>, begins: String) {
    move_key(ledger, key).await;
    ledger.begin(records).await;
    trail::note(ledger, &Actor::Gateway, Action::Start, begins).await;
}

/// Has the store sealed under what the configuration wants, if it is not.
async fn move_key(ledger: &Ledger, key: Option<CloudKey>) {
    let place = if key.is_some() { "cloud" } else { "flash" };
    match ledger.store.seal_under(key, ledger.clock.now().wall).await {
        Ok(0) => {}
        Ok(days) => {
            tracing::info!(event = "key_moved", days, place, "the key of the store is kept elsewhere")
        }
        Err(error) => {
            tracing::error!(event = "key_not_moved", %error, place, "the key of the store stays where it was");
        }
    }
}

fn make_room_for_guests() {
    if let Err(error) = raise_file_limit() {
        tracing::warn!(event = "few_files", %error, "cannot serve many guests at once");
    }
}

/// The kernel as the ledger wants it, with what was counted while nobody watched, and what that has used up.
async fn open_kernel(
    config: &Config,
    ledger: &mut Ledger,
    ends: mpsc::Sender<Fault>,
) -> Result<(Kernel, Start), Fault> {
    let (news, noticed) = mpsc::channel(1);
    let mut kernel = Kernel::open(config, ledger.clock.clone(), noticed)?;
    watch_table(&kernel, news, ends)?;
    let counted = ledger.decide(vec![Input::Counted(kernel.usage())], |_| Vec::new());
    let effects = ledger.conclude(counted).await.effects;
    let now = ledger.clock.now();
    let how = kernel.heal(ledger.gate.desired(now), now)?;
    // Their flows are not in the table.
    kernel.perform(&effects, &ledger.gate, &OrdSet::new(), now)?;
    Ok((kernel, how))
}

fn say_started(config: &Config, ledger: &Ledger, how: &Start) {
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        site = config.gateway.site,
        sessions = ledger.gate.sessions(),
        table = match how {
            Start::Adopted => "adopted",
            Start::Installed => "installed",
        },
        "the gate is up"
    );
    if let Err(error) = store::started(&config.gateway.state_dir) {
        tracing::warn!(event = "old_state_kept", %error, "what was before a restore could not be removed");
    }
}

/// Those who serve guests, and where comes in what guests ask and what is learned of the garden.
fn servers(
    config: watch::Receiver<Arc<Config>>,
    view: watch::Receiver<Arc<View>>,
    shown: watch::Receiver<Option<Shown>>,
    kernel: &Kernel,
    key: FormKey,
    clock: Clock,
) -> (Servers, mpsc::Receiver<portal::Call>, mpsc::Receiver<dns::Learn>) {
    let (desk, calls) = mpsc::channel(CALLS);
    let (learn, learns) = mpsc::channel(CALLS);
    let who = Rc::new(ByNeighbour::new(Rc::clone(&kernel.neighbours)));
    let responder = Responder::new(dns::Context {
        config: config.clone(),
        view: view.clone(),
        network: Rc::clone(&who) as Rc<dyn dns::Network>,
        clock: clock.clone(),
        learn,
    });
    let mut probes = JoinSet::new();
    probes.spawn_local(Rc::clone(&responder).keep_probes());
    let portal = Rc::new(portal::Context {
        config,
        view,
        desk,
        who,
        clock,
        key,
        connections: Connections::default(),
        sent_back: SentBack::default(),
        shown,
        handshakes: Handshakes::default(),
        wardrobe: Wardrobe::default(),
    });
    (Servers { portal, responder, _probes: probes }, calls, learns)
}

/// The store with the Gate over it, what the store has to be told of a new boot, and the keys.
fn open_ledger(
    opened: Opened,
    config: &Config,
    enrolled: Option<&Enrolled>,
    clock: &Clock,
) -> Result<(Ledger, Vec<Record>, Keys, String), Fault> {
    let Opened { store, restored, report, device } = opened;
    if report.unreadable + report.foreign_days > 0 {
        tracing::error!(
            event = "sealed_unreadable",
            fields = report.unreadable,
            days = report.foreign_days,
            "what is sealed in the store does not open: its guests count as forgotten until the device.key that belongs to it is put back"
        );
    }
    let alarming = match report.found {
        Found::Nothing | Found::Clean | Found::Unclosed => false,
        Found::Damaged { .. } | Found::Missing | Found::ReadOnly => true,
    };
    if alarming {
        tracing::error!(event = "store_repaired", %report, "the store was not as it should be");
    } else {
        tracing::info!(event = "store_opened", %report, "the store is open");
    }
    let keys = Keys::load(config, enrolled, &report)?;
    clock.not_before(restored.floor);
    clock.refresh();
    let boot = clock.boot_id().map_err(|error| Fault::System { what: "boot id", error })?;
    let plans = config.plans.clone();
    let (ledger, records) = Ledger::open(store, restored, plans, limits(config), &boot, clock.clone());
    Ok((ledger, records, keys, device))
}

/// Tells the loop whenever somebody else touches our table.
fn watch_table(kernel: &Kernel, news: mpsc::Sender<Noticed>, ends: mpsc::Sender<Fault>) -> Result<(), Fault> {
    let mut watch = kernel.watch()?;
    spawn_local(async move {
        loop {
            match watch.changed().await {
                Ok(noticed) => {
                    // Who does not listen any more has ended.
                    let _ = news.send(noticed).await;
                }
                Err(error) => {
                    let _ = ends.send(Fault::Nft(error)).await;
                    return;
                }
            }
        }
    });
    Ok(())
}

/// Devices with an address that they were seen with.
type Homes = mpsc::Receiver<(Mac, IpAddr)>;

/// Watches the guest network, and tells whom the loop is to suspect, and who lives where.
fn watch_guests(
    context: &portal::Context,
    kernel: &Kernel,
    ends: mpsc::Sender<Fault>,
) -> Result<(Lookout, mpsc::Receiver<Mac>, Homes), Fault> {
    let (suspected, suspects) = mpsc::channel(SUSPECTS);
    let (homes, settled) = mpsc::channel(SETTLED);
    let watching = Watching {
        neighbours: Rc::clone(&kernel.neighbours),
        config: context.config.clone(),
        view: context.view.clone(),
        clock: context.clock.clone(),
        suspected,
        homes,
    };
    let (lookout, watch) = look_out(watching).map_err(Fault::Neigh)?;
    spawn_local(async move {
        let error = watch.await;
        let _ = ends.send(Fault::Neigh(error)).await;
    });
    Ok((lookout, suspects, settled))
}

fn limits(config: &Config) -> Limits {
    let cloud = config.cloud.as_ref();
    Limits {
        max_clients: config.gateway.max_clients as usize,
        checkpoint: config.gateway.checkpoint,
        reports: if cloud.is_some() { Reports::ToCloud } else { Reports::ToNobody },
        provisional_plan: cloud.and_then(|cloud| cloud.provisional_plan.clone()),
        trial: config.trial.clone(),
        trials_a_minute: config.gateway.new_devices_per_minute,
        claims_kept: config.retention.claims,
        unpaid_kept: config.retention.unpaid_devices,
        keeping: config.retention.keeping(),
        ..Limits::default()
    }
}

/// Says what is right in the configuration but has not the effect one may expect, and which of the operator's
/// parts of the pages are left out.
fn mention(parsed: &Parsed) {
    for notice in parsed.notices.iter().chain(&portal::check_theme(&parsed.config.gateway)) {
        tracing::warn!(event = "notice", "{notice}");
    }
}
