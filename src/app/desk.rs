//! The one loop that owns the Gate.
//!
//! Owns: whatever comes in, from guests, operators, the kernel or the clock, one batch after another:
//! decide, commit, perform, publish, answer. Nobody else changes anything. Never: decides, writes, talks to
//! the kernel itself. Neighbours: `ledger` decides and commits, `kernel` performs; `guests` and `ask` answer.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_local;

use super::base::{blocked, keep_out};
use super::certificate::Secured;
use super::cloud::Cloud;
use super::enrolment;
use super::errands::{Errands, Return};
use super::fault::Fault;
use super::kernel::Kernel;
use super::keys::Keys;
use super::ledger::{Ledger, Outcome};
use super::limits;
use super::listen::{Doors, Servers};
use super::locked::Early;
use super::lookout::Lookout;
use super::retention::Ageing;
use super::roles::Roles;
use super::roll::Roll;
use crate::config::Config;
use crate::dns;
use crate::domain::{Action, Actor, Boot, Effect, Input, Mac, Now, Reply, View};
use crate::nft::Noticed;
use crate::ordered::OrdSet;
use crate::portal;
use crate::presence::Answer;
use crate::process::Signal;
use crate::sync;
use crate::telemetry;
use crate::uplink::Report;

/// Guests whose answers share a commit, at most.
const BATCH: usize = 256;
/// The table is compared with what is desired this often, whatever the notifications say.
const LOOK_AT_TABLE: Duration = Duration::from_secs(60);
/// What the kernel has counted is taken in this often; of a cap that is used up it tells at once.
const COUNT: Duration = Duration::from_secs(10);
/// The kernel is made to tell of caps that are used up this often.
const NUDGE: Duration = Duration::from_secs(1);
const COUNT_AT_MOST: Duration = Duration::from_millis(500);
/// After a failure that time brought about, the next try waits this long.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Everything the loop owns.
pub(super) struct Desk {
    pub(super) path: PathBuf,
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) view: watch::Sender<Arc<View>>,
    /// What was last told of the uplink.
    pub(super) uplink: Report,
    pub(super) ledger: Ledger,
    pub(super) kernel: Kernel,
    pub(super) lookout: Lookout,
    pub(super) roll: Roll,
    pub(super) roles: Roles,
    pub(super) keys: Keys,
    /// What the cloud calls our database.
    pub(super) device: String,
    pub(super) cloud: Cloud,
    /// Places for operators who wait for the cloud.
    pub(super) waiters: Arc<Semaphore>,
    pub(super) errands: Errands,
    /// The cloud wants the plans read anew.
    pub(super) reload_due: bool,
    pub(super) doors: Doors,
    pub(super) servers: Servers,
    pub(super) secured: Secured,
    pub(super) started: Boot,
    pub(super) next_tick: Boot,
    pub(super) next_look_at_table: Boot,
    pub(super) next_look_at_clock: Boot,
    pub(super) ageing: Ageing,
    pub(super) next_count: Boot,
    pub(super) next_nudge: Boot,
    pub(super) next_offer: Boot,
}

/// Where things come in.
pub(super) struct Inlets {
    pub(super) early: Early,
    pub(super) portal: mpsc::Receiver<portal::Call>,
    pub(super) learns: mpsc::Receiver<dns::Learn>,
    pub(super) uplink: watch::Receiver<Report>,
    /// Devices online whose sessions an anomaly ends.
    pub(super) suspects: mpsc::Receiver<Mac>,
    /// What quiet devices answered that were asked whether they are there.
    pub(super) found: mpsc::Receiver<(Mac, Answer)>,
    /// Devices with an address that they were seen with.
    pub(super) homes: mpsc::Receiver<(Mac, IpAddr)>,
    pub(super) cloud: mpsc::Receiver<sync::Call>,
    /// Guests who had to be asked for elsewhere.
    pub(super) returns: mpsc::Receiver<Return>,
}

impl Desk {
    /// Runs until told to stop, or until something ends that must not.
    pub(super) async fn run(mut self, mut inlets: Inlets) -> Result<(), Fault> {
        self.end_blocked().await;
        loop {
            let wait = self.next_turn().since(self.ledger.clock.now().boot);
            tokio::select! {
                Some(call) = inlets.portal.recv() => {
                    let calls = gather(call, &mut inlets.portal);
                    self.serve_guests(calls).await;
                }
                Some(call) = inlets.early.control.recv() => self.serve_operator(call).await,
                Some(learn) = inlets.learns.recv() => self.kernel.learn(learn),
                Ok(()) = inlets.uplink.changed() => {
                    let report = inlets.uplink.borrow_and_update().clone();
                    self.uplink_changed(report).await;
                }
                Some((mac, address)) = inlets.homes.recv() => {
                    self.kernel.seen(mac, address, self.ledger.clock.now());
                }
                Some(mac) = inlets.suspects.recv() => self.end_suspect(mac).await,
                Some(one) = inlets.found.recv() => {
                    let all = gather(one, &mut inlets.found);
                    self.found(all).await;
                }
                noticed = self.kernel.noticed() => match noticed {
                    Noticed::Touched => self.look_at_table(),
                    Noticed::UsedUp => self.count().await,
                },
                Some(call) = inlets.cloud.recv() => self.hear_cloud(call).await,
                Some(back) = inlets.returns.recv() => self.welcome_back(back).await,
                Some(fault) = inlets.early.ended.recv() => return Err(fault),
                signal = inlets.early.signals.next() => match signal {
                    Signal::Reload => self.reload_as_told().await,
                    Signal::Stop => return self.stop().await,
                },
                () = tokio::time::sleep(wait) => self.take_turn().await,
            }
            if std::mem::take(&mut self.reload_due) {
                self.reload().await;
            }
        }
    }

    /// Ends the session of a device that was seen at two places; the guest may log in again.
    async fn end_suspect(&mut self, mac: Mac) {
        let reply = self.transact(vec![Input::Suspect { mac }]).await.into_iter().next();
        if let Some(Reply::Closed(session)) = reply {
            tracing::warn!(event = "suspect_ended", %session, device = %mac.tail(), "option anomaly is 'end'");
        }
    }

    /// Ends the sessions of devices that are blocked.
    async fn end_blocked(&mut self) {
        let blocked = blocked(&self.config.borrow());
        if blocked.is_empty() {
            return;
        }
        let inputs = blocked.into_iter().map(|mac| Input::KickDevice { mac }).collect();
        let ended = closed(&self.transact(inputs).await);
        if ended > 0 {
            tracing::warn!(event = "blocked_ended", devices = ended, "devices that are blocked were online");
        }
    }

    /// Takes in who is there and who is gone.
    async fn found(&mut self, answers: Vec<(Mac, Answer)>) {
        let input = |(mac, answer)| match answer {
            Answer::Here => Input::Seen { mac },
            Answer::Silent => Input::Gone { mac },
        };
        let replies = self.transact(answers.into_iter().map(input).collect()).await;
        let gone = closed(&replies);
        if gone > 0 {
            tracing::debug!(
                event = "gone",
                devices = gone,
                "devices that were quiet and did not answer are offline"
            );
        }
    }

    /// Decides `inputs` that nobody at the portal waits for.
    pub(super) async fn transact(&mut self, inputs: Vec<Input>) -> Vec<Reply> {
        self.transact_for(inputs, &OrdSet::new()).await
    }

    /// Decides `inputs`, those of guests in `asking` who still wait for an answer to be shown.
    pub(super) async fn transact_for(&mut self, inputs: Vec<Input>, asking: &OrdSet<Mac>) -> Vec<Reply> {
        let pending = self.ledger.decide(inputs, |effects| self.kernel.count_out(effects));
        let Outcome { replies, effects } = self.kernel.guard_while(self.ledger.conclude(pending)).await;
        self.perform(&effects, asking);
        if self.ledger.trouble.is_some() {
            // Who was shut out to be counted is still online.
            self.look_at_table();
        }
        replies
    }

    /// Often enough to tell who is quiet: traffic is known by when it was counted.
    fn count_every(&self) -> Duration {
        let patience = self.ledger.gate.plans().filter_map(|plan| plan.terms.idle_timeout).min();
        patience.map_or(COUNT, |patience| (patience / 8).clamp(COUNT_AT_MOST, COUNT))
    }

    /// Takes in what the kernel has counted, and ends what is used up.
    pub(super) async fn count(&mut self) {
        let counted = self.kernel.usage();
        if !counted.is_empty() {
            self.transact(vec![Input::Counted(counted)]).await;
        }
        let now = self.ledger.clock.now();
        self.next_count = now.boot.plus(self.count_every());
        self.publish();
    }

    /// Does in the kernel what was decided, shows it to those who only look, and has the cloud told.
    pub(super) fn perform(&mut self, effects: &[Effect], asking: &OrdSet<Mac>) {
        self.reload_due |= effects.iter().any(|e| matches!(e, Effect::KeepOut | Effect::ReadPlans));
        if let Some(link) = self.cloud.link().filter(|_| std::mem::take(&mut self.ledger.has_facts)) {
            link.poke();
        }
        if !effects.is_empty() {
            let now = self.ledger.clock.now();
            if let Err(error) = self.kernel.perform(effects, &self.ledger.gate, asking, now) {
                tracing::warn!(event = "change_failed", %error, "the table is compared with what is desired");
                self.look_at_table();
            }
        }
        if std::mem::take(&mut self.ledger.has_claims) || !effects.is_empty() {
            self.publish();
        }
        let now = self.ledger.clock.now();
        if !self.kernel.intact {
            // Found while the flash took a record.
            self.next_look_at_table = self.next_look_at_table.min(now.boot.plus(AFTER_FAILURE));
        }
        self.next_tick = self.ledger.gate.poll_timeout(now);
    }

    fn publish(&self) {
        self.view.send_replace(Arc::new(self.ledger.gate.view(self.ledger.clock.now())));
    }

    fn next_turn(&self) -> Boot {
        let looks = [
            self.next_look_at_table,
            self.next_look_at_clock,
            self.ageing.next_look,
            self.next_count,
            self.next_nudge,
            self.next_offer,
        ];
        looks.into_iter().chain(self.kernel.cut_at()).fold(self.next_tick, Boot::min)
    }

    /// Does what time has made due.
    async fn take_turn(&mut self) {
        let now = self.ledger.clock.now();
        if self.kernel.cut_at().is_some_and(|due| due <= now.boot) {
            self.kernel.cut(now);
        }
        if self.next_look_at_clock <= now.boot {
            self.look_at_clock().await;
            self.tell_gate_of_uplink().await;
        }
        if self.next_look_at_table <= now.boot {
            self.look_at_table();
        }
        if self.ageing.next_look <= now.boot {
            self.look_at_age().await;
        }
        if self.next_nudge <= now.boot {
            self.next_nudge = now.boot.plus(NUDGE);
            self.kernel.nudge();
        }
        if self.next_offer <= now.boot {
            self.offer_again().await;
        }
        if self.next_count <= now.boot || self.kernel.used_up {
            self.count().await;
        }
        if self.next_tick <= now.boot {
            self.end_what_is_over().await;
            if self.ledger.trouble.is_some() {
                self.next_tick = self.next_tick.max(now.boot.plus(AFTER_FAILURE));
            }
        }
    }

    /// Does what time has brought about.
    pub(super) async fn end_what_is_over(&mut self) {
        let pending = self.ledger.due(|effects| self.kernel.count_out(effects));
        let effects = self.kernel.guard_while(self.ledger.conclude_due(pending)).await;
        self.roll.call(self.ledger.gate.take_quiet(self.ledger.clock.now()));
        self.perform(&effects, &OrdSet::new());
        // The ends may have moved without anybody coming or going.
        self.publish();
    }

    pub(super) fn keep_copy(&mut self) {
        let now = self.ledger.clock.now();
        let store = self.ledger.store.clone();
        spawn_local(async move {
            if let Err(error) = store.keep_copy(now.wall).await {
                tracing::warn!(event = "copy_failed", %error, "no good copy of the store was made");
            }
        });
    }

    /// Compares the table with what is desired, and puts it right.
    pub(super) fn look_at_table(&mut self) {
        let now = self.ledger.clock.now();
        self.kernel.compare(self.ledger.gate.desired(now), now);
        self.kernel.look_for_offload();
        telemetry::tell_left_out();
        self.plan_look_at_table(now);
    }

    fn plan_look_at_table(&mut self, now: Now) {
        let wait = if self.kernel.intact { LOOK_AT_TABLE } else { AFTER_FAILURE };
        self.next_look_at_table = now.boot.plus(wait);
    }

    /// Reads the configuration anew, and tells whether it is in force. One with errors changes nothing.
    pub(super) async fn reload(&mut self) -> bool {
        let parsed = match enrolment::load(&self.path) {
            Ok((parsed, _)) => parsed,
            Err(error) => {
                super::refuse_reload(&error);
                return false;
            }
        };
        super::mention(&parsed);
        let mut new = parsed.config;
        keep_out(&mut new, &self.ledger.gate);
        let (old, new) = (Arc::clone(&self.config.borrow()), Arc::new(new));
        needs_restart(&old, &new).into_iter().for_each(super::wait_for_restart);
        self.ledger.gate.configure(new.plans.clone(), limits(&new));
        self.next_offer = self.ledger.clock.now().boot;
        if old.retention != new.retention {
            self.ageing.has_changed(self.ledger.clock.now().boot);
        }
        self.config.send_replace(Arc::clone(&new));
        self.roles.change(&new);
        // Before the new table takes their last count away.
        self.end_blocked().await;
        let ports =
            |Config { gateway, .. }: &Config| [gateway.portal_port, gateway.https_port, gateway.dns_port];
        if ports(&old) != ports(&new) {
            self.doors.close();
        }
        self.look_at_certificate();
        let now = self.ledger.clock.now();
        self.kernel.configure(&new, self.ledger.gate.desired(now), now);
        self.plan_look_at_table(now);
        self.next_tick = self.ledger.gate.poll_timeout(now);
        self.publish();
        tracing::info!(event = "reloaded", "the configuration was read anew");
        true
    }

    /// Writes down what is in memory only. The table stays: paid guests go on, the others are held.
    async fn stop(mut self) -> Result<(), Fault> {
        self.doors.close();
        self.secured.withdraw();
        self.count().await;
        let sessions = self.ledger.gate.sessions();
        self.note(&Actor::Gateway, Action::Stop, format!("{sessions} online")).await;
        self.ledger.close().await?;
        tracing::info!(event = "stopped", sessions, "stopped; the table stays in force");
        Ok(())
    }
}

/// What has come in together with `first`.
fn gather<T>(first: T, rest: &mut mpsc::Receiver<T>) -> Vec<T> {
    let more = std::iter::from_fn(|| rest.try_recv().ok());
    std::iter::once(first).chain(more).take(BATCH).collect()
}

/// How many sessions were closed.
fn closed(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| matches!(reply, Reply::Closed(_))).count()
}

/// Options that are read at start only, and differ.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let cloud = old.cloud != new.cloud;
    let (old, new) = (&old.gateway, &new.gateway);
    [
        ("section cloud", cloud),
        ("site", old.site != new.site),
        ("issuing_key", old.issuing_keys != new.issuing_keys),
        ("enabled", old.enabled != new.enabled),
        ("state_dir", old.state_dir != new.state_dir),
        ("run_dir", old.run_dir != new.run_dir),
        ("site_key_file", old.site_key_file != new.site_key_file),
        ("key_from_cloud", old.key_from_cloud != new.key_from_cloud),
        ("user", old.user != new.user),
    ]
    .into_iter()
    .filter_map(|(option, differs)| differs.then_some(option))
    .collect()
}
