//! Accepts the connections of one guest interface, for ever.
//!
//! Failures to accept are told apart by their number: a guest that is gone is nothing, want of file
//! descriptors or memory makes room and rests, and only a broken socket ends it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::OriginalDst};
use tokio::net::{TcpListener, TcpStream};

use super::Context;
use super::connection::{Visit, run};
use super::wire::Progress;
use crate::captive::{Door, link_address};
use crate::domain::Boot;

/// Rest after a failure that only time heals, such as no more file descriptors.
const REST: Duration = Duration::from_millis(50);
/// Such failures are told this often at most: guests bring them about.
const QUIET: Duration = Duration::from_secs(60);

/// Serves guests on `listener`, which is bound in the network behind `interface` (an ifindex). Runs in a
/// `LocalSet`. Returns only when the socket itself is broken.
pub async fn serve(listener: TcpListener, interface: u32, context: Rc<Context>) -> io::Error {
    accept(listener, interface, Door::Plain, context).await
}

/// As [`serve`], over TLS.
pub async fn serve_securely(listener: TcpListener, interface: u32, context: Rc<Context>) -> io::Error {
    accept(listener, interface, Door::Secure, context).await
}

async fn accept(listener: TcpListener, interface: u32, by: Door, context: Rc<Context>) -> io::Error {
    let mut said: Option<Boot> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, interface, by, &context),
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

fn admit(stream: TcpStream, interface: u32, by: Door, context: &Rc<Context>) {
    // A guest may be gone already; then there is nobody to serve.
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let progress = Rc::new(Progress::new(context.clock.clone()));
    let Some(seat) = context.connections.enter(Rc::clone(&progress), by) else { return };
    let visit = Visit::new(
        Rc::clone(context),
        by,
        interface,
        peer.ip().to_canonical(),
        reachable(local.ip().to_canonical(), || context.who.own(interface)),
        sent_to(&stream),
        progress,
    );
    tokio::task::spawn_local(run(stream, visit, seat));
}

/// Where the guest has sent its packets; `None`: they were not led here, or the kernel has forgotten it.
fn sent_to(stream: &TcpStream) -> Option<Ipv4Addr> {
    let address = getsockopt(stream, OriginalDst).ok()?;
    Some(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)))
}

/// `local`, or if that cannot stand in a URL, another one of `own`, the interface's, that can.
fn reachable(local: IpAddr, own: impl FnOnce() -> Vec<IpAddr>) -> IpAddr {
    match local {
        IpAddr::V6(address) if address.is_unicast_link_local() => link_address(local, &own()),
        IpAddr::V4(_) | IpAddr::V6(_) => local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_works_in_a_url_is_kept() {
        for address in ["10.9.0.1", "fd00:9::1"].map(|text| text.parse().unwrap()) {
            assert_eq!(reachable(address, || vec![IpAddr::from([10, 9, 0, 2])]), address);
        }
    }

    #[test]
    fn another_takes_the_place_of_one_that_does_not() {
        let [local, other] = ["fe80::1", "fd00:9::1"].map(|text| text.parse().unwrap());
        assert_eq!(reachable(local, || vec![local, other]), other);
    }
}
