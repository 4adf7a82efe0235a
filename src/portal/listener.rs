//! Accepts the connections of one guest interface, for ever.
//!
//! Failures to accept are told apart by their number: a guest that is gone is nothing, want of file
//! descriptors or memory makes room and rests, and only a broken socket ends it.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use tokio::net::{TcpListener, TcpStream};

use super::Context;
use super::connection::{Visit, run};
use super::wire::Progress;
use crate::captive::link_address;
use crate::domain::Boot;

/// Rest after a failure that only time heals, such as no more file descriptors.
const REST: Duration = Duration::from_millis(50);
/// Such failures are told this often at most: guests bring them about.
const QUIET: Duration = Duration::from_secs(60);

/// Serves guests on `listener`, which is bound in the network behind `interface` (an ifindex). Runs in a
/// `LocalSet`. Returns only when the socket itself is broken.
pub async fn serve(listener: TcpListener, interface: u32, context: Rc<Context>) -> io::Error {
    let mut said: Option<Boot> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, interface, &context),
            Err(error) => match error.raw_os_error() {
                Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => return error,
                // The guest was gone before it was let in.
                Some(libc::ECONNABORTED | libc::EINTR | libc::EPERM | libc::EPROTO) => {}
                Some(_) | None => {
                    let now = context.clock.now().boot;
                    if said.is_none_or(|said| now.since(said) > QUIET) {
                        said = Some(now);
                        tracing::warn!(event = "guests_wait", %error, "no more guests can be let in for now");
                    }
                    context.connections.give_up_oldest_idle();
                    tokio::time::sleep(REST).await;
                }
            },
        }
    }
}

fn admit(stream: TcpStream, interface: u32, context: &Rc<Context>) {
    // A guest may be gone already; then there is nobody to serve.
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let progress = Rc::new(Progress::new(context.clock.clone()));
    let Some(seat) = context.connections.enter(Rc::clone(&progress)) else { return };
    let visit = Visit::new(
        Rc::clone(context),
        interface,
        peer.ip().to_canonical(),
        reachable(local.ip().to_canonical(), interface),
        progress,
    );
    tokio::task::spawn_local(run(stream, visit, seat));
}

/// `local`, or if that cannot stand in a URL, another address of the interface that can.
fn reachable(local: IpAddr, interface: u32) -> IpAddr {
    match local {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            link_address(local, &addresses(interface).unwrap_or_default())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => local,
    }
}

fn addresses(interface: u32) -> nix::Result<Vec<IpAddr>> {
    let own = |name: &str| if_nametoindex(name) == Ok(interface);
    let of = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
    };
    let all = getifaddrs()?;
    Ok(all.filter(|entry| own(&entry.interface_name)).filter_map(|entry| of(entry.address?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_one_interface() {
        let loopback = if_nametoindex("lo").unwrap();
        assert!(addresses(loopback).unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
        assert_eq!(addresses(0), Ok(Vec::new()));
    }

    #[test]
    fn an_address_that_works_in_a_url_is_kept() {
        for address in ["10.9.0.1", "fd00:9::1"].map(|text| text.parse().unwrap()) {
            assert_eq!(reachable(address, 0), address);
        }
    }
}
