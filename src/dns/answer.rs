//! What becomes of a question: dropped, answered at once, or answered after somebody was asked.
//!
//! Owns: who gets which answer, as the table of states has it. Every question that is well formed and within
//! its guest's bounds is answered in time, whatever the resolver does: with the captive address, if
//! nothing better is known.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::address::{is_opened, is_public, kind_of};
use super::bounds::Asker;
use super::names::Sort;
use super::upstream::{self, Patience, Question};
use super::{Learn, Responder, garden};
use crate::config::{Config, Policy};
use crate::domain::Mac;
use crate::wire::dns::{self, Code, Kind, Query, Received, Reply, Response};

/// Seconds that what we made up holds.
const TTL: u32 = 5;
/// Seconds that an address of the garden holds at most, and is open at least.
const LONGEST_TTL: u32 = 3600;
const SHORTEST_STAY: u32 = 60;
/// An answer waits so long for the kernel to open what it tells of.
const LEARNING: Duration = Duration::from_millis(200);
/// For who is online: then the captive answer is better than none.
const SHORT_PATIENCE: Patience = [Duration::from_millis(700), Duration::from_millis(800)];

/// Where a question comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The guests' interface (an ifindex).
    pub(super) interface: u32,
    pub(super) peer: IpAddr,
    /// The gateway's end.
    pub(super) local: IpAddr,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// How a device stands, for a resolver.
enum Standing {
    /// Not online; the kernel knows which device it is, or not.
    Unpaid(Option<Mac>),
    Online(Mac),
    Blocked,
}

impl Responder {
    /// The answer to `message` of somebody who has been admitted by his address; `None`: it gets none.
    pub(super) async fn respond(
        self: &Rc<Self>,
        message: Vec<u8>,
        from: Origin,
        over: Transport,
    ) -> Option<Vec<u8>> {
        let query = match dns::read(message)? {
            Received::Query(query) => query,
            Received::Unknown(answer) => return Some(answer),
        };
        let room = match over {
            Transport::Udp => query.room(),
            Transport::Tcp => usize::from(u16::MAX),
        };
        if let Some(code) = query.fault() {
            return Some(query.answer(&refusal(code), room));
        }
        let device = self.device(from).await;
        if !self.admit(device.map_or(Asker::Unknown, Asker::Device)) {
            return None;
        }
        let (config, names) = self.configured();
        let sort = names.sort(&query.name);
        let reply = match self.standing(device, &config) {
            // What leads to the portal, which says why there is no more.
            Standing::Blocked if sort == Sort::Portal => self.portal(query.kind, from),
            Standing::Blocked => captive(&query, &sort, &config),
            Standing::Unpaid(device) => self.unpaid(&query, &sort, device, &config, from).await,
            Standing::Online(_) if sort == Sort::Portal => self.portal(query.kind, from),
            Standing::Online(mac) => match self.relayed(&query, mac, &config, room).await {
                Some(answer) => return Some(answer),
                None => captive(&query, &sort, &config),
            },
        };
        Some(query.answer(&reply, room))
    }

    /// Whether `asker` may ask once more.
    pub(super) fn admit(&self, asker: Asker) -> bool {
        self.rates.borrow_mut().admit(asker, self.context.clock.now().boot)
    }

    /// Whose question it is. While many wait to be found out, one more is nobody's.
    pub(super) async fn device(&self, from: Origin) -> Option<Mac> {
        let _place = self.finding.enter(None)?;
        self.context.network.device(from.interface, from.peer).await
    }

    fn standing(&self, device: Option<Mac>, config: &Config) -> Standing {
        let Some(mac) = device else { return Standing::Unpaid(None) };
        let listed = config.devices.iter().find(|listed| listed.mac == mac);
        match listed.map(|listed| listed.policy) {
            Some(Policy::Blocked) => Standing::Blocked,
            Some(Policy::Trusted) => Standing::Online(mac),
            None if self.context.view.borrow().sessions.contains_key(&mac) => Standing::Online(mac),
            None => Standing::Unpaid(device),
        }
    }

    async fn unpaid(
        self: &Rc<Self>,
        query: &Query,
        sort: &Sort,
        device: Option<Mac>,
        config: &Config,
        from: Origin,
    ) -> Reply {
        let asks_address = query.kind == Kind::A || query.kind == Kind::AAAA;
        let better = match (sort, device) {
            (Sort::Portal, _) => Some(self.portal(query.kind, from)),
            (Sort::Probe, _) if asks_address => self.probe(query),
            // The names that guests make up below one that is open reach the resolver of its owner: only
            // while they ask for addresses, which carry little back.
            (Sort::Garden, Some(mac)) if asks_address => self.garden(query, mac, config).await,
            (Sort::Probe | Sort::Garden | Sort::Fixed(_) | Sort::Denied | Sort::Foreign, _) => None,
        };
        better.unwrap_or_else(|| captive(query, sort, config))
    }

    /// The gateway's address in the guest's network: that to which the question came, if it may be.
    fn portal(&self, kind: Kind, from: Origin) -> Reply {
        let own = self.own().ok();
        let own = own.iter().flat_map(|own| own.iter()).filter(|(interface, _)| *interface == from.interface);
        let usable: Vec<IpAddr> = own
            .map(|(_, address)| *address)
            .filter(|address| kind_of(*address) == kind)
            // Nothing can be reached there by a URL.
            .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
            .collect();
        let asked = usable.iter().find(|address| **address == from.local);
        told(asked.or(usable.first()).copied().into_iter().collect(), TTL)
    }

    fn probe(&self, query: &Query) -> Option<Reply> {
        let now = self.context.clock.now().boot;
        let known = self.probes.addresses(&query.name, query.kind, now);
        known.filter(|_| !self.is_cut_off()).map(|addresses| told(addresses, TTL))
    }

    async fn garden(self: &Rc<Self>, query: &Query, mac: Mac, config: &Config) -> Option<Reply> {
        if self.is_cut_off() {
            return None;
        }
        let server = config.gateway.dns_upstream;
        let response = garden::ask(self, server, &query.name, query.kind, mac).await?;
        if response.denies() {
            return Some(refusal(Code::NoSuchName));
        }
        let own = self.own().ok()?;
        let is_own = |address: IpAddr| {
            address == IpAddr::V4(config.gateway.captive_address)
                || own.iter().any(|(_, own)| *own == address)
        };
        let may_learn =
            |address: IpAddr| is_public(address) && !is_own(address) && !self.probes.have(address);
        let Response { addresses, ttl, .. } = response;
        let public: Vec<IpAddr> = addresses.iter().copied().filter(|address| may_learn(*address)).collect();
        let stays = Duration::from_secs(ttl.clamp(SHORTEST_STAY, LONGEST_TTL).into());
        let learned = self.learn(mac, &public, stays, config).await;
        // What an operator has opened by its address needs no opening.
        let given = |address: &IpAddr| learned.contains(address) || is_opened(config, *address);
        let given_out: Vec<IpAddr> = addresses.iter().copied().filter(given).collect();
        if given_out.is_empty() && !addresses.is_empty() {
            return None;
        }
        Some(told(given_out, ttl.min(LONGEST_TTL)))
    }

    /// Has as many of `addresses` opened to `mac` as it may have. Returns which.
    async fn learn(&self, mac: Mac, addresses: &[IpAddr], stays: Duration, config: &Config) -> Vec<IpAddr> {
        let (ports, now) = (config.garden_ports().len(), self.context.clock.now().boot);
        let addresses = self.shares.borrow_mut().admit(mac, addresses, ports, stays, now);
        if addresses.is_empty() {
            return addresses;
        }
        let (done, is_done) = oneshot::channel();
        let learn = Learn { mac, addresses: addresses.clone(), stays, done };
        let learning = async { self.context.learn.send(learn).await.is_ok() && is_done.await.is_ok() };
        // What takes longer comes when the guest tries again.
        if timeout(LEARNING, learning).await.unwrap_or(true) {
            return addresses;
        }
        self.shares.borrow_mut().take_back(mac, &addresses);
        Vec::new()
    }

    /// What the resolver says to somebody who may ask it anything; `None`: nothing of use.
    async fn relayed(&self, query: &Query, mac: Mac, config: &Config, room: usize) -> Option<Vec<u8>> {
        let _place = self.asking.enter(Some(mac))?;
        let question = Question { name: &query.name, kind: query.kind, message: query.message() };
        let (answer, response) =
            upstream::relay(config.gateway.dns_upstream, &question, SHORT_PATIENCE).await?;
        // A resolver that cannot ask anybody may say that there is nothing.
        let is_useful = response.has_records || !self.is_cut_off();
        is_useful.then(|| query.relayed(&answer, room)).flatten()
    }
}

/// The answer that needs nobody else.
fn captive(query: &Query, sort: &Sort, config: &Config) -> Reply {
    match sort {
        Sort::Denied => refusal(Code::NoSuchName),
        Sort::Fixed(addresses) => {
            let of_kind = addresses.iter().copied().filter(|address| kind_of(*address) == query.kind);
            told(of_kind.collect(), TTL)
        }
        Sort::Portal | Sort::Probe | Sort::Garden | Sort::Foreign if query.kind == Kind::A => {
            told(vec![config.gateway.captive_address.into()], TTL)
        }
        Sort::Portal | Sort::Probe | Sort::Garden | Sort::Foreign => told(Vec::new(), TTL),
    }
}

fn told(addresses: Vec<IpAddr>, ttl: u32) -> Reply {
    Reply { code: Code::Fine, addresses, ttl }
}

fn refusal(code: Code) -> Reply {
    Reply { code, addresses: Vec::new(), ttl: 0 }
}
