//! What the cloud brings and takes: pages into inputs, facts out of the outbox.
//!
//! Owns: the way from an op to what the Gate decides over, all of a page in one commit with its cursor; when
//! the cloud is to hear of something. Never: the protocol (`sync`), the rules (`domain`), the rows (`store`).
//! Neighbours: `guests` asks the cloud for who waits, `desk` hands in the calls.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::desk::Desk;
use super::enrolment;
use super::fault::Fault;
use super::keys::Keys;
use super::ledger::Ledger;
use super::persons;
use crate::config::{self, Config};
use crate::domain::{CloudId, CodeKey, Cursor, Input, Op, PageKind, Row, RowsFrom, Stand, Voucher};
use crate::ordered::OrdMap;
use crate::sync::{self, Link, NotApplied, Settings, Trouble, Url, UrlError, Waiting};
use crate::wire::enrolment::{Enrolled, Token};
use crate::wire::feed::{Ops, Page};

/// Calls of the client that wait for the loop, at most: it makes one after another.
const CALLS: usize = 4;
/// While a guest waits for a payment, the cloud is asked without a pause; a guest who has not come back to
/// the page for so long is let in at the next poll.
const GUEST_WAITS: Duration = Duration::from_secs(10 * 60);

/// The way to the cloud.
pub(super) enum Cloud {
    /// None is configured: nobody is told of anything.
    None,
    /// One is, and what is wrong with how; facts are kept for it. The hotspot goes on.
    Unusable(Unusable),
    Linked(Link),
}

impl Cloud {
    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Linked(link) => Some(link),
            Self::None | Self::Unusable(_) => None,
        }
    }

    /// Whether there is one to be asked, some time.
    pub(super) fn is_configured(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// What of section `cloud` cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    Url(UrlError),
    File { path: PathBuf, why: String },
    Client(Trouble),
}

impl Unusable {
    /// What can be done about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Url(_) => "correct it in section cloud, then restart the daemon",
            Self::File { .. } => "put it right, or join the cloud with lango enrol; then restart the daemon",
            Self::Client(trouble) => trouble.remedy(),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "option url is {error}"),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Client(trouble) => trouble.fmt(f),
        }
    }
}

/// Opens the link to the cloud, if there is one to be. What is wrong with it ends no sale.
pub(super) fn connect(
    config: &Config,
    enrolled: Option<&Enrolled>,
    keys: &Keys,
    ledger: &Ledger,
    device: &str,
    ends: mpsc::Sender<Fault>,
) -> (Cloud, mpsc::Receiver<sync::Call>) {
    let (calls, called) = mpsc::channel(CALLS);
    let Some(section) = &config.cloud else { return (Cloud::None, called) };
    let enrolled = enrolled.filter(|enrolled| enrolment::is_of(section, enrolled));
    let started =
        settings(section, enrolled, &config.gateway.site, keys, device, ledger).and_then(|settings| {
            sync::start(settings, ledger.gate.stand(), calls, ledger.clock.clone()).map_err(Unusable::Client)
        });
    match started {
        Ok((link, run)) => {
            spawn_local(async move {
                let _ = ends.send(Fault::Cloud(run.await)).await;
            });
            (Cloud::Linked(link), called)
        }
        Err(unusable) => {
            tracing::error!(
                event = "cloud_unusable",
                why = %unusable,
                "vouchers that are known go on; nothing comes from the cloud until this is mended"
            );
            (Cloud::Unusable(unusable), called)
        }
    }
}

/// Where the cloud is, and what makes both sides sure of each other.
pub(super) struct Reach {
    pub(super) url: Url,
    pub(super) token: Token,
    /// PEM.
    pub(super) extra_roots: Option<Vec<u8>>,
}

/// What has to be known to ask `cloud`. `enrolled`: at that cloud.
pub(super) fn reach(cloud: &config::Cloud, enrolled: Option<&Enrolled>) -> Result<Reach, Unusable> {
    let wrong = |path: &Path, why: String| Unusable::File { path: path.to_owned(), why };
    let extra_roots = match &cloud.ca_file {
        Some(path) => Some(std::fs::read(path).map_err(|error| wrong(path, error.to_string()))?),
        None => enrolled.and_then(|enrolled| enrolled.joining.ca.clone()).map(String::into_bytes),
    };
    let url = Url::read(&cloud.url, enrolment::clear(cloud)).map_err(Unusable::Url)?;
    let token = enrolment::token(cloud, enrolled).map_err(|(path, why)| wrong(&path, why))?;
    Ok(Reach { url, token, extra_roots })
}

fn settings(
    cloud: &config::Cloud,
    enrolled: Option<&Enrolled>,
    site: &str,
    keys: &Keys,
    device: &str,
    ledger: &Ledger,
) -> Result<Settings, Unusable> {
    let Reach { url, token, extra_roots } = reach(cloud, enrolled)?;
    let wrong = |error: io::Error| Unusable::File { path: "/proc".into(), why: error.to_string() };
    Ok(Settings {
        url,
        site: site.to_owned(),
        token,
        site_key: keys.site.clone(),
        extra_roots,
        signing_key: cloud.signing_key.or(enrolled.and_then(|enrolled| enrolled.joining.signing_key)),
        poll: cloud.poll,
        device: device.to_owned(),
        boot: ledger.clock.boot_id().map_err(wrong)?,
    })
}

/// What the store has of what a page is about.
struct Known {
    rows: OrdMap<CodeKey, Voucher>,
    /// What the commands about persons come to.
    about: OrdMap<CloudId, Input>,
}

impl Desk {
    /// Does what the client of the cloud asks.
    pub(super) async fn hear_cloud(&mut self, call: sync::Call) {
        match call {
            sync::Call::Page { page, stand, reply } => {
                let _ = reply.send(self.apply_page(*page, stand).await);
            }
            sync::Call::Events { most, reply } => {
                let _ = reply.send(self.outbox(most).await);
            }
            sync::Call::Acked { upto, reply } => {
                self.transact(vec![Input::Acked(upto)]).await;
                let _ = reply.send(());
            }
            sync::Call::Digest { reply } => {
                let digest = self.kernel.guard_while(self.ledger.store.digest()).await;
                let _ = reply.send(digest.ok().flatten());
            }
            sync::Call::StartOver { reply } => {
                self.transact(vec![Input::StartOver]).await;
                let _ = reply.send(());
            }
            sync::Call::Refused { cursor, why } => {
                tracing::warn!(event = "page_refused", why, "a page of the cloud is not applied");
                self.transact(vec![Input::NotApplied { cursor, id: None, why }]).await;
            }
            sync::Call::Time { wall } => self.told_time(wall).await,
        }
    }

    /// Somebody waits for what the cloud may bring any moment.
    pub(super) fn guest_waits(&self) {
        if let Some(link) = self.cloud.link() {
            link.guest_waits(self.ledger.clock.now().boot.plus(GUEST_WAITS));
        }
    }

    async fn outbox(&mut self, most: usize) -> Waiting {
        match self.kernel.guard_while(self.ledger.store.outbox(most)).await {
            Ok(waiting) => Waiting { events: waiting.events, newest: waiting.newest },
            Err(error) => {
                tracing::warn!(event = "outbox_unreadable", %error, "the cloud is not told of anything");
                Waiting::default()
            }
        }
    }

    /// Applies a page, or nothing of it.
    async fn apply_page(&mut self, page: Page, stand: Stand) -> Result<(), NotApplied> {
        let kind = if page.full { PageKind::Reset } else { PageKind::Changes };
        let known = self.known_of(&page.ops).await?;
        let redeemed =
            known.values().filter(|voucher| voucher.entitlement.is_some()).map(|voucher| voucher.key);
        let undone = deleted(&page.ops);
        let redeemed: Vec<_> = redeemed.filter(|key| undone.contains(key)).collect();
        if !redeemed.is_empty() {
            let unreported = self.ledger.store.is_unreported(redeemed);
            match self.kernel.guard_while(unreported).await {
                Ok(false) => {}
                Ok(true) => return Err(NotApplied::Held),
                Err(_) => return Err(NotApplied::NotStored),
            }
        }
        let ends_reset = page.full && !page.more;
        let mut inputs = vec![Input::FeedRead { stand, page: kind }];
        let about = self.wishes_of(&page.ops).await?;
        inputs.extend(self.inputs(page.ops, Some(page.cursor), Known { rows: known, about }));
        inputs.extend(ends_reset.then_some(Input::ResetEnded));
        self.bring(inputs).await
    }

    /// Applies what a lookup found.
    pub(super) async fn apply_found(&mut self, ops: Ops) -> Result<(), NotApplied> {
        let known = self.known_of(&ops).await?;
        let about = self.wishes_of(&ops).await?;
        let inputs = self.inputs(ops, None, Known { rows: known, about });
        self.bring(inputs).await
    }

    async fn bring(&mut self, inputs: Vec<Input>) -> Result<(), NotApplied> {
        if inputs.iter().any(|input| matches!(input, Input::PlanPut(_))) {
            self.next_offer = self.ledger.clock.now().boot;
        }
        let forgets = inputs.iter().any(|input| matches!(input, Input::Forget { .. }));
        self.transact(inputs).await;
        if forgets {
            self.ageing.next_look = self.ledger.clock.now().boot;
        }
        if self.ledger.trouble.is_some() { Err(NotApplied::NotStored) } else { Ok(()) }
    }

    /// What the store has of the rows that are taken back, and of the payments that may open a device.
    async fn known_of(&mut self, ops: &Ops) -> Result<OrdMap<CodeKey, Voucher>, NotApplied> {
        let gate = &self.ledger.gate;
        let payments = ops.known.iter().filter_map(|op| match op {
            Op::Put { row: Row::Payment(payment), .. } => {
                let opens = payment.mac.is_some() || gate.awaits(payment.key);
                opens.then_some(CodeKey(payment.key.0))
            }
            Op::Put { .. } | Op::Delete { .. } | Op::Do { .. } | Op::About { .. } => None,
        });
        let keys: Vec<_> = payments.chain(deleted(ops)).collect();
        if keys.is_empty() {
            return Ok(OrdMap::new());
        }
        let found =
            self.kernel.guard_while(self.ledger.find(keys)).await.map_err(|_| NotApplied::NotStored)?;
        Ok(found.into_iter().flatten().map(|voucher| (voucher.key, voucher)).collect())
    }

    /// What the commands about persons come to, by what the store has of them before `ops` are applied.
    async fn wishes_of(&mut self, ops: &Ops) -> Result<OrdMap<CloudId, Input>, NotApplied> {
        let mut wishes = OrdMap::new();
        for op in &ops.known {
            let Op::About { id, person, wish } = op else { continue };
            if !self.ledger.gate.has_done(id) {
                let wished = persons::wished(&self.ledger, id.clone(), person.clone(), *wish);
                let wished = self.kernel.guard_while(wished).await.map_err(|_| NotApplied::NotStored)?;
                wishes.insert(id.clone(), wished);
            }
        }
        Ok(wishes)
    }

    /// What `ops` ask of the Gate, in their order. `cursor`: of the page; none for a lookup.
    fn inputs(&self, ops: Ops, cursor: Option<Cursor>, known: Known) -> Vec<Input> {
        let Known { rows: mut known, mut about } = known;
        let from = if cursor.is_some() { RowsFrom::Feed } else { RowsFrom::Lookup };
        let (mut inputs, mut rows) = (Vec::new(), Vec::new());
        let made = self.ledger.clock.now().wall;
        for op in ops.known {
            match op {
                Op::Put { row: Row::Plan(plan), .. } => inputs.push(Input::PlanPut(plan)),
                Op::Put { id, row } => {
                    let paid = match &row {
                        Row::Payment(payment) => Some((payment.mac, payment.key)),
                        Row::Plan(_) | Row::Voucher(_) | Row::Account(_) => None,
                    };
                    rows.push((id.clone(), row.clone()));
                    let opens = paid.filter(|(mac, key)| mac.is_some() || self.ledger.gate.awaits(*key));
                    if let Some((mac, key)) = opens
                        && let Some(payment) =
                            known.remove(&CodeKey(key.0)).or_else(|| Voucher::of_row(id, row, made))
                    {
                        inputs.push(Input::RowsPut { rows: std::mem::take(&mut rows), from });
                        inputs.push(Input::Paid { payment: Box::new(payment), mac });
                    }
                }
                Op::Delete { name, .. } => {
                    inputs.push(Input::RowsPut { rows: std::mem::take(&mut rows), from });
                    let known = name.code_key().and_then(|key| known.remove(&key)).map(Box::new);
                    inputs.push(Input::RowGone { name, known });
                }
                Op::Do { id, command } => inputs.push(Input::Do { id, command }),
                Op::About { id, .. } => {
                    inputs.push(Input::RowsPut { rows: std::mem::take(&mut rows), from });
                    inputs.extend(about.remove(&id));
                }
            }
        }
        inputs.push(Input::RowsPut { rows, from });
        inputs.retain(|input| !matches!(input, Input::RowsPut { rows, .. } if rows.is_empty()));
        let refused = ops.refused.into_iter();
        inputs.extend(refused.map(|op| Input::NotApplied { cursor, id: op.id, why: op.why.to_string() }));
        inputs
    }
}

/// The keys of the rows that `ops` take back.
fn deleted(ops: &Ops) -> Vec<CodeKey> {
    let name = |op: &Op| match op {
        Op::Delete { name, .. } => name.code_key(),
        Op::Put { .. } | Op::Do { .. } | Op::About { .. } => None,
    };
    ops.known.iter().filter_map(name).collect()
}
