//! A portal and a responder on every guest interface, for as long as the interface is there.
//!
//! Owns: the listening sockets, and who a guest is by the kernel's word. Never: what a guest says.
//! Neighbours: `portal` and `dns` serve the sockets; `desk` says for which interfaces.
//!
//! Sockets are bound to the interface itself, so they cannot be reached from anywhere else. An
//! interface that is not there yet, or comes again under another index, is waited for.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{BindToDevice, Ipv6V6Only};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::{JoinHandle, JoinSet, spawn_local};

use crate::config::Gateway;
use crate::dns::{Network, Responder};
use crate::domain::Mac;
use crate::neigh::{LinkWatch, NeighError, Neighbours, own_addresses};
use crate::ordered::OrdMap;
use crate::portal::{self, Who};

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An interface is looked at this often though the kernel told nothing of it.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);
/// Connections the kernel completes before they are accepted: a whole market joining at once.
const BACKLOG: u32 = 1024;

/// Who a guest is, by the kernel's neighbour table.
pub(super) struct ByNeighbour {
    neighbours: Rc<Neighbours>,
    /// Whether the kernel failed to answer, and that was said: guests may ask as often as they like.
    complained: Cell<bool>,
}

impl ByNeighbour {
    pub(super) fn new(neighbours: Rc<Neighbours>) -> Self {
        Self { neighbours, complained: Cell::new(false) }
    }
}

impl Who for ByNeighbour {
    fn device(&self, interface: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>> {
        Box::pin(async move {
            let found = self.neighbours.resolve(interface, address).await;
            if let (Err(error), false) = (&found, self.complained.get()) {
                tracing::warn!(event = "neighbour_unknown", %error, "guests cannot be told apart");
            }
            self.complained.set(found.is_err());
            found.unwrap_or_default()
        })
    }

    fn own(&self, interface: u32) -> Vec<IpAddr> {
        let own = own_addresses().unwrap_or_default().into_iter();
        own.filter(|(index, _)| *index == interface).map(|(_, address)| address).collect()
    }
}

impl Network for ByNeighbour {
    fn device(&self, interface: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>> {
        Who::device(self, interface, address)
    }

    fn own(&self) -> io::Result<Vec<(u32, IpAddr)>> {
        own_addresses()
    }
}

/// Who serves guests.
pub(super) struct Servers {
    pub(super) portal: Rc<portal::Context>,
    pub(super) responder: Rc<Responder>,
    /// Keeps what the responder knows of probes.
    pub(super) _probes: JoinSet<()>,
}

/// What a guest finds at an interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Door {
    Portal,
    /// The portal over TLS, while it has a certificate in force.
    SecurePortal,
    Responder,
}

/// The doors that stand open to guests now, by interface.
#[derive(Default)]
pub(super) struct Doors {
    open: OrdMap<(String, Door), JoinHandle<()>>,
    shut: Shut,
}

/// Doors that could not be opened, by their name and interface, and why.
type Shut = Rc<RefCell<OrdMap<String, String>>>;

impl Doors {
    /// Those of the interfaces of guests.
    pub(super) fn of(gateway: &Gateway, servers: &Servers) -> Self {
        let mut doors = Self::default();
        doors.keep(gateway, servers);
        doors
    }

    /// Keeps a portal and a responder on each interface of guests and no other. Who came in by a door that
    /// closes stays.
    pub(super) fn keep(&mut self, gateway: &Gateway, servers: &Servers) {
        let secure = servers.portal.shown.borrow().is_some().then_some(Door::SecurePortal);
        let doors: Vec<_> = [Door::Portal, Door::Responder].into_iter().chain(secure).collect();
        self.open.retain(|(interface, door), task| {
            let wanted = gateway.interfaces.contains(interface) && doors.contains(door);
            if !wanted {
                task.abort();
            }
            wanted
        });
        for interface in &gateway.interfaces {
            for door in &doors {
                self.open
                    .entry((interface.clone(), *door))
                    .or_insert_with(|| door.open(interface.clone(), gateway, servers, &self.shut));
            }
        }
    }

    /// Closes all doors, so that `keep` begins anew (a port has changed).
    pub(super) fn close(&mut self) {
        for task in std::mem::take(&mut self.open).into_values() {
            task.abort();
        }
        self.shut.borrow_mut().clear();
    }

    /// Those that should be open and are not, and why.
    pub(super) fn shut(&self) -> Vec<(String, String)> {
        self.shut.borrow().iter().map(|(door, why)| (door.clone(), why.clone())).collect()
    }
}

impl Door {
    fn open(self, interface: String, gateway: &Gateway, servers: &Servers, shut: &Shut) -> JoinHandle<()> {
        let shut = Rc::clone(shut);
        match self {
            Self::Portal => {
                spawn_local(portal(interface, gateway.portal_port, Rc::clone(&servers.portal), shut))
            }
            Self::SecurePortal => {
                spawn_local(secure_portal(interface, gateway.https_port, Rc::clone(&servers.portal), shut))
            }
            Self::Responder => {
                spawn_local(responder(interface, gateway.dns_port, Rc::clone(&servers.responder), shut))
            }
        }
    }
}

async fn portal(interface: String, port: u16, context: Rc<portal::Context>, shut: Shut) {
    let serve = |listener, index| portal::serve(listener, index, Rc::clone(&context));
    keep_open("portal", &interface, &shut, || connections(&interface, port), serve).await;
}

async fn secure_portal(interface: String, port: u16, context: Rc<portal::Context>, shut: Shut) {
    let serve = |listener, index| portal::serve_securely(listener, index, Rc::clone(&context));
    keep_open("secure portal", &interface, &shut, || connections(&interface, port), serve).await;
}

async fn responder(interface: String, port: u16, responder: Rc<Responder>, shut: Shut) {
    let both = || Ok((datagrams(&interface, port)?, connections(&interface, port)?));
    let serve = |(udp, tcp), index| Rc::clone(&responder).serve(udp, tcp, index);
    keep_open("responder", &interface, &shut, both, serve).await;
}

/// Serves what `open` binds, whenever the interface is there.
async fn keep_open<S>(
    door: &str,
    interface: &str,
    shut: &Shut,
    open: impl Fn() -> io::Result<S>,
    serve: impl AsyncFn(S, u32) -> io::Error,
) {
    let mut links = Links::new();
    let name = format!("{door} on {interface}");
    let mut complained = false;
    loop {
        let index = if_nametoindex(interface).map_err(io::Error::from);
        match index.and_then(|index| Ok((open()?, index))) {
            Ok((sockets, index)) => {
                complained = false;
                shut.borrow_mut().remove(&name);
                tokio::select! {
                    error = serve(sockets, index) => {
                        tracing::error!(event = "door_failed", door, interface, %error, "it starts anew");
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    () = gone(interface, index, &mut links) => {
                        tracing::warn!(event = "interface_gone", door, interface, "a guest interface went away");
                    }
                }
            }
            Err(error) => {
                shut.borrow_mut().insert(name.clone(), error.to_string());
                if !complained {
                    tracing::warn!(event = "door_waits", door, interface, %error, "not on this interface yet");
                    complained = true;
                }
                links.news(LOOK_AGAIN).await;
            }
        }
    }
}

/// A listener on `interface` for both families.
fn connections(interface: &str, port: u16) -> io::Result<TcpListener> {
    let (socket, any) = match TcpSocket::new_v6() {
        Ok(socket) => {
            setsockopt(&socket, Ipv6V6Only, &false)?;
            (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        }
        Err(error) if is_without_ipv6(&error) => (TcpSocket::new_v4()?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Err(error) => return Err(error),
    };
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_reuseaddr(true)?;
    socket.bind((any, port).into())?;
    socket.listen(BACKLOG)
}

/// A socket for datagrams on `interface`, for both families.
fn datagrams(interface: &str, port: u16) -> io::Result<UdpSocket> {
    let of = |family| {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(family, SockType::Datagram, flags, None).map_err(io::Error::from)
    };
    let (socket, any) = match of(AddressFamily::Inet6) {
        Ok(socket) => {
            setsockopt(&socket, Ipv6V6Only, &false)?;
            (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        }
        Err(error) if is_without_ipv6(&error) => {
            (of(AddressFamily::Inet)?, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        }
        Err(error) => return Err(error),
    };
    setsockopt(&socket, BindToDevice, &interface.into())?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from((any, port))))?;
    UdpSocket::from_std(socket.into())
}

/// Whether the kernel has no IPv6.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Returns when `interface` no longer has this index.
async fn gone(interface: &str, index: u32, links: &mut Links) {
    while !is_gone(if_nametoindex(interface), index) {
        links.news(LOOK_ANYWAY).await;
    }
}

/// What the kernel tells of links; nothing, if it cannot be listened to.
struct Links(Option<LinkWatch>);

impl Links {
    fn new() -> Self {
        match LinkWatch::open() {
            Ok(watch) => Self(Some(watch)),
            Err(error) => Self::unheard(&error),
        }
    }

    /// Returns when the interface may have changed, or after `at_most`.
    async fn news(&mut self, at_most: Duration) {
        let Self(Some(watch)) = self else { return tokio::time::sleep(LOOK_AGAIN).await };
        if let Ok(Err(error)) = tokio::time::timeout(at_most, watch.changed()).await {
            *self = Self::unheard(&error);
        }
    }

    fn unheard(error: &NeighError) -> Self {
        tracing::warn!(event = "links_unheard", %error, "guest interfaces are looked at every second instead");
        Self(None)
    }
}

/// Whether `found` says that an interface is no longer there under `index`. To look takes a file
/// descriptor: if guests hold all of them, that says nothing.
fn is_gone(found: nix::Result<u32>, index: u32) -> bool {
    match found {
        Ok(now) => now != index,
        Err(error) => error == Errno::ENODEV,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_gone_when_the_kernel_says_so_and_not_when_it_cannot_say() {
        let loopback = if_nametoindex("lo").unwrap();
        assert!(!is_gone(if_nametoindex("lo"), loopback));
        assert!(is_gone(if_nametoindex("lo"), loopback + 1), "another one of that name");
        assert!(is_gone(if_nametoindex("nosuchlink0"), loopback));
        assert!(!is_gone(Err(Errno::EMFILE), loopback));
    }
}
