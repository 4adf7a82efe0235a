//! A portal on every guest interface, for as long as the interface is there.
//!
//! Owns: the listening sockets, and who a guest is by the kernel's word. Never: what a guest says.
//! Neighbours: `portal` serves the sockets; `desk` says for which interfaces.
//!
//! Sockets are bound to the interface itself, so the portal cannot be reached from anywhere else. An
//! interface that is not there yet, or comes again under another index, is waited for.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Ipv6V6Only;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use crate::domain::Mac;
use crate::neigh::{LinkWatch, NeighError, Neighbours, own_addresses};
use crate::portal::{self, Context, Who};

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

/// The portals that run now, by interface.
#[derive(Default)]
pub(super) struct Portals {
    running: BTreeMap<String, JoinHandle<()>>,
}

impl Portals {
    /// Runs a portal on each of `interfaces` and no other.
    pub(super) fn keep(&mut self, interfaces: &[String], port: u16, context: &Rc<Context>) {
        self.running.retain(|interface, task| {
            let wanted = interfaces.contains(interface);
            if !wanted {
                task.abort();
            }
            wanted
        });
        for interface in interfaces {
            self.running.entry(interface.clone()).or_insert_with(|| {
                tokio::task::spawn_local(run(interface.clone(), port, Rc::clone(context)))
            });
        }
    }

    /// Stops all portals, so that `keep` begins anew (the port has changed).
    pub(super) fn stop(&mut self) {
        for (_, task) in std::mem::take(&mut self.running) {
            task.abort();
        }
    }
}

async fn run(interface: String, port: u16, context: Rc<Context>) {
    let mut links = Links::new();
    let mut complained = false;
    loop {
        match bound(&interface, port) {
            Ok((listener, index)) => {
                complained = false;
                tokio::select! {
                    error = portal::serve(listener, index, Rc::clone(&context)) => {
                        tracing::error!(event = "portal_failed", interface, %error, "the portal starts anew");
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    () = gone(&interface, index, &mut links) => {
                        tracing::warn!(event = "interface_gone", interface, "a guest interface went away");
                    }
                }
            }
            Err(error) => {
                if !complained {
                    tracing::warn!(event = "portal_waits", interface, %error, "no portal on this interface yet");
                    complained = true;
                }
                links.news(LOOK_AGAIN).await;
            }
        }
    }
}

/// A listener on `interface` for both families, and the index of the interface.
fn bound(interface: &str, port: u16) -> io::Result<(TcpListener, u32)> {
    let index = if_nametoindex(interface)?;
    let (socket, any) = match TcpSocket::new_v6() {
        Ok(socket) => {
            setsockopt(&socket, Ipv6V6Only, &false)?;
            (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        }
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            (TcpSocket::new_v4()?, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        }
        Err(error) => return Err(error),
    };
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_reuseaddr(true)?;
    socket.bind((any, port).into())?;
    Ok((socket.listen(BACKLOG)?, index))
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
