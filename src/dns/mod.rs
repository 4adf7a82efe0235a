//! The responder: DNS for guests who are not online, and for those whom no resolver answers.
//!
//! Owns: the questions of guests over UDP and TCP, what each may ask for and how often, our own questions
//! to the resolver. Never: decides who may pass, opens the garden itself (it tells what it has learned),
//! lets a name leave the gateway that a guest made up: only names of the garden do.
//! Neighbours: `wire::dns` is the form of it all; `app` binds the sockets and runs [`Responder::serve`].
//!
//! Way of a question: `udp` or `tcp` takes it, `answer` says what becomes of it by the word of `names`,
//! `garden` and
//! `upstream` ask the resolver, `probes` knows the names by which phones try whether they are online.

mod address;
mod answer;
mod bounds;
mod garden;
mod names;
mod probes;
mod shares;
mod tcp;
mod udp;
mod upstream;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};

use self::bounds::{Places, Rates};
use self::garden::Garden;
use self::names::Names;
use self::probes::Probes;
use self::shares::Shares;
use self::tcp::Seats;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Boot, Mac, Uplink, View};

/// The gateway's own addresses are looked at so often, at most.
const OWN_HOLDS: Duration = Duration::from_secs(1);

/// Addresses, with the ifindex of each.
type Own = Rc<[(u32, IpAddr)]>;

/// What the kernel knows of the networks around.
pub trait Network {
    /// The device with `address` in the network behind `interface` (an ifindex); `None` if the kernel
    /// knows of none, also after asking the network.
    fn device(&self, interface: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>>;

    /// The gateway's own addresses, with the ifindex of each.
    fn own(&self) -> io::Result<Vec<(u32, IpAddr)>>;
}

/// Addresses that an unpaid device may reach from now on: those of a name of the garden.
#[derive(Debug)]
pub struct Learn {
    pub mac: Mac,
    pub addresses: Vec<IpAddr>,
    /// How long the name holds for them.
    pub stays: Duration,
    /// To be told when the kernel lets the device reach them, to be dropped if it does not: the answer waits
    /// for it, but not long.
    pub done: oneshot::Sender<()>,
}

/// All that the responder needs from outside.
pub struct Context {
    pub config: watch::Receiver<Arc<Config>>,
    pub view: watch::Receiver<Arc<View>>,
    pub network: Rc<dyn Network>,
    pub clock: Clock,
    pub learn: mpsc::Sender<Learn>,
}

/// The responder of all guest interfaces.
pub struct Responder {
    context: Context,
    /// The names of the configuration they were made of.
    names: RefCell<Option<(Arc<Config>, Rc<Names>)>>,
    rates: RefCell<Rates>,
    /// The gateway's own addresses, and when they were looked at.
    own: RefCell<Option<(Boot, Own)>>,
    /// Questions that wait for the network to say whose they are.
    finding: Places,
    /// Questions that wait for the resolver.
    asking: Places,
    seats: Seats,
    garden: Garden,
    shares: RefCell<Shares>,
    probes: Probes,
}

impl Responder {
    /// One that nobody has asked yet.
    pub fn new(context: Context) -> Rc<Self> {
        Rc::new(Self {
            context,
            names: RefCell::default(),
            rates: RefCell::new(Rates::new()),
            own: RefCell::default(),
            finding: bounds::finding(),
            asking: bounds::asking(),
            seats: Seats::default(),
            garden: Garden::new(),
            shares: RefCell::default(),
            probes: Probes::default(),
        })
    }

    /// Answers guests on sockets that are bound in the network behind `interface` (an ifindex). Runs in a
    /// `LocalSet`. Returns only when a socket itself is broken.
    pub async fn serve(self: Rc<Self>, udp: UdpSocket, tcp: TcpListener, interface: u32) -> io::Error {
        tokio::select! {
            error = udp::serve(&self, udp, interface) => error,
            error = tcp::serve(&self, tcp, interface) => error,
        }
    }

    /// Keeps the addresses of the names by which phones try whether they are online. Runs for ever.
    pub async fn keep_probes(self: Rc<Self>) {
        probes::keep(&self).await;
    }

    /// The addresses of those names, as far as they were ever known.
    pub fn probe_hosts(&self) -> Vec<IpAddr> {
        self.probes.hosts()
    }

    /// The configuration, and the names in it.
    fn configured(&self) -> (Arc<Config>, Rc<Names>) {
        let config = Arc::clone(&self.context.config.borrow());
        let mut held = self.names.borrow_mut();
        if let Some((of, names)) = &*held
            && Arc::ptr_eq(of, &config)
        {
            return (config, Rc::clone(names));
        }
        let names = Rc::new(Names::of(&config));
        *held = Some((Arc::clone(&config), Rc::clone(&names)));
        (config, names)
    }

    /// The gateway's own addresses, looked at a moment ago: guests may ask for the portal as fast as they can.
    fn own(&self) -> io::Result<Own> {
        let now = self.context.clock.now().boot;
        let mut held = self.own.borrow_mut();
        if let Some((at, own)) = &*held
            && now.since(*at) < OWN_HOLDS
        {
            return Ok(Rc::clone(own));
        }
        let own = Own::from(self.context.network.own()?);
        *held = Some((now, Rc::clone(&own)));
        Ok(own)
    }

    /// Whether it is known that nobody out there can be asked.
    fn is_cut_off(&self) -> bool {
        self.context.view.borrow().uplink.uplink == Uplink::Down
    }
}

#[cfg(test)]
mod tests;
