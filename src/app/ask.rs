//! What operators ask through the control socket, answered from the Gate, the store and the kernel.
//!
//! Owns: the way from a request to its answer, and what a refusal is called. Never: the form of either
//! (`wire::control`), or how they travel. Neighbours: `vouchers`, `plans`, `doctor`; `guests` for the portal.

use std::net::IpAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::desk::Desk;
use super::errands::Return;
use super::{doctor, persons, plans, trail, vouchers};
use crate::domain::{
    self, Action, Actor, AnomalyCounts, Bytes, IdError, Input, Mac, More, PlanId, Refusal, Reply, SessionId,
    SessionView, Trust,
};
use crate::wire::control::{
    Anomalies, Answer, Clock, Code, Examined, Failure, Request, Response, Rotated, Session, Status, Target,
    Uplink, Vouchers, Whose,
};
use crate::wire::exposition::exposition;

/// What a command comes to.
pub(super) type Asked<T> = Result<T, Failure>;
/// An answer that is found beside the loop, which goes on meanwhile.
pub(super) type Later = Pin<Box<dyn Future<Output = Asked<Answer>>>>;

pub(super) enum Answered {
    Now(Box<Answer>),
    Later(Later),
    /// As well later, and noted in the trail if it was done.
    Noted(Later, Box<Input>),
}

impl Answered {
    pub(super) fn noted(later: Later, by: &Actor, action: Action, detail: String) -> Self {
        Self::Noted(later, Box::new(trail::noted(by, action, detail)))
    }
}

/// What was done beside the loop, and who waits to be told.
pub(super) struct Deed {
    noted: Box<Input>,
    answer: Answer,
    reply: oneshot::Sender<Response>,
}

impl Desk {
    /// Does what `request` asks, and tells `reply` what came of it, now or later.
    pub(super) async fn ask(&mut self, request: Request, by: &Actor, reply: oneshot::Sender<Response>) {
        // Who does not wait for the answer does not get it.
        let tell = |reply: oneshot::Sender<_>, answer| drop(reply.send(response(answer)));
        match self.answer_to(request, by).await {
            Ok(Answered::Now(answer)) => tell(reply, Ok(*answer)),
            Ok(Answered::Later(later)) => drop(spawn_local(async move { tell(reply, later.await) })),
            Ok(Answered::Noted(later, noted)) => {
                let back = self.errands.way_back();
                spawn_local(async move {
                    match later.await {
                        // The loop may have ended, and with it whoever waits.
                        Ok(answer) => {
                            let deed = Box::new(Deed { noted, answer, reply });
                            drop(back.send(Return::Deed(deed)).await);
                        }
                        Err(failure) => tell(reply, Err(failure)),
                    }
                });
            }
            Err(failure) => tell(reply, Err(failure)),
        }
    }

    /// Notes what was done, and tells who waits.
    pub(super) async fn done(&mut self, deed: Deed) {
        self.transact(vec![*deed.noted]).await;
        let _ = deed.reply.send(response(Ok(deed.answer)));
    }

    async fn answer_to(&mut self, request: Request, by: &Actor) -> Asked<Answered> {
        let answer = match request {
            Request::Status => Answer::Status(Box::new(self.status().await?)),
            Request::Sessions => {
                self.count().await;
                Answer::Sessions(self.sessions())
            }
            Request::Login { mac, plan } => Answer::Login(self.log_in(&mac, &plan, by).await?),
            Request::Logout(target) => Answer::Logout(self.log_out(&target, by).await?),
            Request::Topup { of, seconds, bytes } => {
                let (metered, data) = (Duration::from_secs(seconds), Bytes(bytes));
                let more = More { metered, data, ..More::default() };
                self.grow(&of, more, Action::Topup, by).await?
            }
            Request::Extend { of, seconds } => {
                let more = More { validity: Duration::from_secs(seconds), ..More::default() };
                self.grow(&of, more, Action::Extend, by).await?
            }
            Request::Refund { of, reason } => self.pay_back(&of, reason.unwrap_or_default(), by).await?,
            Request::Move { of, to } => self.move_to(&of, parse(&to)?, by).await?,
            Request::Merge { kept, other } => self.merge(&kept, &other, by).await?,
            Request::Doctor { mac: Some(mac) } => {
                let checks = doctor::of_device(self, parse(&mac)?);
                Answer::Doctor(Box::new(Examined { checks, surroundings: None }))
            }
            Request::Doctor { mac: None } => Answer::Doctor(Box::new(doctor::of_gateway(self).await)),
            Request::Clock => Answer::Clock(self.clock_shown()),
            Request::ClockReset => Answer::ClockReset(self.reset_clock(by).await?),
            Request::KeyRotate => return Ok(self.rotate_key(by)),
            Request::Metrics => {
                let link = self.link_counts().await?;
                Answer::Metrics(exposition(&self.status().await?, link.as_ref()))
            }
            Request::SyncNow => return Ok(Answered::Later(self.sync_now()?)),
            Request::Enrol(wish) => return self.enrol(wish, by).await,
            Request::Sync => Answer::Sync(self.sync_shown().await?),
            Request::PlanList => Answer::PlanList(plans::list(&self.ledger)),
            Request::Export { whose } => {
                self.count().await;
                let found = persons::export(&mut self.ledger, &self.keys, &whose, by);
                self.kernel.guard_while(found).await?
            }
            // Noted before, so that the copy knows of it.
            Request::Backup => return Ok(Answered::Later(self.back_up(by).await)),
            Request::Forget { whose } => return Ok(Answered::Later(self.forget(&whose, by).await?)),
            Request::VoucherRevoke { code } => {
                // Sessions may end with it, which the kernel has to know.
                let found = vouchers::revocation(&self.ledger, &self.keys.site, &code);
                let (voucher, input) = self.kernel.guard_while(found).await?;
                let order = trail::ordered(by, Action::VoucherRevoke, input);
                accepted(self.transact(vec![order]).await.into_iter().next())?;
                Answer::VoucherRevoke(vouchers::show_key(&self.ledger, voucher).await?)
            }
            request @ (Request::VoucherNew(_)
            | Request::VoucherShow { .. }
            | Request::VoucherList { .. }
            | Request::VoucherReprint(_)
            | Request::VoucherReport { .. }
            | Request::VoucherImport { .. }
            | Request::Audit
            | Request::AuditVerify) => {
                let config = self.config.borrow().clone();
                let work = vouchers::answer(&mut self.ledger, &self.keys, &config, request, by);
                self.kernel.guard_while(work).await?
            }
        };
        Ok(Answered::Now(Box::new(answer)))
    }

    /// Forgets whoever is meant. The files are written anew beside the loop, which goes on meanwhile.
    async fn forget(&mut self, whose: &Whose, by: &Actor) -> Asked<Later> {
        let found = persons::forgetting(&self.ledger, &self.keys, whose);
        let (input, erased) = self.kernel.guard_while(found).await?;
        let order = trail::ordered(by, Action::Forget, input);
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        let (store, now) = (self.ledger.store.clone(), self.ledger.clock.now());
        Ok(Box::pin(async move {
            persons::clean(store.keep_copy(now.wall).await)?;
            Ok(Answer::Forget(erased))
        }))
    }

    /// Seals the store under a new key, beside the loop. Nobody goes offline by it.
    fn rotate_key(&self, by: &Actor) -> Answered {
        let (store, now) = (self.ledger.store.clone(), self.ledger.clock.now());
        let rotated = async move {
            let days = store.rotate_key(now.wall).await.map_err(|error| {
                let message = format!("the key is not renewed, or not in all files yet: {error}");
                Failure::new(
                    Code::NotStored,
                    message,
                    "see to the flash (lango doctor), then: lango key rotate",
                )
            })?;
            Ok(Answer::KeyRotate(Rotated { days }))
        };
        Answered::noted(Box::pin(rotated), by, Action::KeyRotate, String::new())
    }

    async fn status(&self) -> Asked<Status> {
        let now = self.ledger.clock.now();
        let counts = self.ledger.store.counts().await.map_err(vouchers::unreadable)?;
        let config = self.config.borrow().clone();
        let AnomalyCounts { addresses, ports, new_devices } = self.lookout.counts();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: config.gateway.site.clone(),
            uplink: match self.uplink.state.uplink {
                domain::Uplink::Up => Uplink::Up,
                domain::Uplink::Down => Uplink::Down,
                domain::Uplink::Unknown => Uplink::Unknown,
            },
            cloud: self.cloud_shown().await?,
            clock: Clock { trusted: now.trust == Trust::Trusted, now: now.wall.to_string() },
            sessions: self.ledger.gate.sessions() as u64,
            vouchers: Vouchers { unused: counts.unused, active: counts.active, spent: counts.spent },
            rules_intact: self.kernel.intact,
            uptime_s: now.boot.since(self.started).as_secs(),
            anomalies: Anomalies { addresses, ports, new_devices },
        })
    }

    fn sessions(&self) -> Vec<Session> {
        let view = self.view.borrow().clone();
        // Without them the list is still right; `doctor` says why they are missing.
        let known = self.kernel.neighbours.all().unwrap_or_default();
        let addresses = |mac| known.get(mac).map(Vec::as_slice).unwrap_or_default();
        view.sessions.iter().map(|(mac, session)| self.session(session, addresses(mac))).collect()
    }

    async fn log_in(&mut self, mac: &str, plan: &str, by: &Actor) -> Asked<Session> {
        let (mac, plan) = (parse::<Mac>(mac)?, parse::<PlanId>(plan)?);
        let order = trail::ordered(by, Action::Login, Input::Grant { mac, plan });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        let view = self.view.borrow().clone();
        let session = view.sessions.get(&mac);
        session.map(|session| self.session(session, &self.addresses(mac))).ok_or_else(|| not_online(mac))
    }

    async fn log_out(&mut self, target: &Target, by: &Actor) -> Asked<Session> {
        let view = self.view.borrow().clone();
        let (session, input) = match target {
            Target::Mac { mac } => {
                let mac = parse::<Mac>(mac)?;
                (view.sessions.get(&mac).ok_or_else(|| not_online(mac))?, Input::KickDevice { mac })
            }
            Target::Session { session } => {
                let id = parse::<SessionId>(session)?;
                let found = view.sessions.values().find(|session| session.id == id);
                (found.ok_or_else(|| no_such_session(id))?, Input::Kick { session: id })
            }
        };
        let closed = self.session(session, &self.addresses(session.mac));
        let order = trail::ordered(by, Action::Logout, input);
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(closed)
    }

    fn addresses(&self, mac: Mac) -> Vec<IpAddr> {
        self.kernel.neighbours.addresses(mac).unwrap_or_default()
    }

    /// A session as the interface shows it.
    fn session(&self, session: &SessionView, addresses: &[IpAddr]) -> Session {
        let now = self.ledger.clock.now();
        Session {
            id: session.id.to_string(),
            mac: session.mac.to_string(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            plan: session.plan.to_string(),
            origin: session.origin.word().to_owned(),
            since: session.since.to_string(),
            seconds_left: session.time_left(now).map(|left| left.as_secs()),
            bytes_left: session.bytes_left.map(|bytes| bytes.0),
            bytes_up: session.bytes_up.0,
            bytes_down: session.bytes_down.0,
            down_bps: session.down.map(|rate| rate.0),
            up_bps: session.up.map(|rate| rate.0),
        }
    }
}

fn response(answer: Asked<Answer>) -> Response {
    answer.map_or_else(Response::Error, Response::Ok)
}

/// Reads an id that came as text.
pub(super) fn parse<T: FromStr<Err = IdError>>(text: &str) -> Asked<T> {
    text.parse().map_err(|error: IdError| {
        Failure::new(Code::Usage, error.to_string(), "lango --help shows how each command is written")
    })
}

/// What a refusal is called in the interface.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let (code, remedy) = match refusal {
        Refusal::NoSuchPlan(_) => {
            (Code::NoSuchPlan, "lango plan list shows the plans; a plan is a section of the configuration")
        }
        Refusal::Full => (Code::Full, "raise option max_clients, or log somebody out"),
        Refusal::NotOnline => (Code::NotOnline, "lango sessions"),
        Refusal::NoSuchSession => (Code::NoSuchSession, "lango sessions lists them"),
        Refusal::NotStored => (Code::NotStored, "lango doctor says what is wrong with the storage"),
        Refusal::Hindered(why) => (Code::Refused, why.remedy()),
        Refusal::CodeUnknown
        | Refusal::CodeSpent
        | Refusal::CodeExpired
        | Refusal::CodeRevoked
        | Refusal::WrongDevice
        | Refusal::InUse
        | Refusal::TooManyTries { .. }
        | Refusal::PhoneNeeded
        | Refusal::PhoneWrong
        | Refusal::PinNeeded
        | Refusal::PinWrong
        | Refusal::OneTimeCodeNeeded
        | Refusal::OneTimeCodeWrong
        | Refusal::CloudAway
        | Refusal::TooManyClaims
        | Refusal::EnoughForToday { .. }
        | Refusal::NoTrial
        | Refusal::TrialHad { .. }
        | Refusal::TooManyTrials { .. } => (Code::Refused, ""),
    };
    Failure::new(code, refusal.to_string(), remedy)
}

/// Whether `reply` is anything but a refusal.
pub(super) fn accepted(reply: Option<Reply>) -> Asked<()> {
    match reply {
        Some(Reply::Refused(refusal)) => Err(refused(&refusal)),
        Some(Reply::Online(_) | Reply::Closed(_) | Reply::Waiting | Reply::Done) | None => Ok(()),
    }
}

fn not_online(mac: Mac) -> Failure {
    Failure::new(Code::NotOnline, format!("{mac} has no session"), "lango sessions shows who is online")
}

fn no_such_session(id: SessionId) -> Failure {
    Failure::new(Code::NoSuchSession, format!("there is no session {id}"), "lango sessions lists them")
}
