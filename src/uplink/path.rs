//! The way out as the kernel sees it: the device, its carrier, a default route through it.
//!
//! Owns: the routing socket for links and routes. Never: whether anybody answers on that way.

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::UplinkError;
use crate::config::Gateway;
use crate::domain::Lack;
use crate::netlink::{Outcome, Socket};
use crate::wire::netlink::Message;
use crate::wire::route::{self, DefaultRoute, Link};

/// Links and routes may change while they are listed; this often they are listed anew.
const TRIES: u32 = 3;

/// The way out at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// The device towards the internet, if there is one.
    pub(super) device: Option<Device>,
    pub(super) lack: Option<Lack>,
}

/// A device that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) index: u32,
    pub(super) name: String,
}

/// Links and routes of this network namespace.
#[derive(Debug)]
pub(super) struct Paths {
    socket: Socket,
}

impl Paths {
    pub(super) fn open() -> Result<Self, UplinkError> {
        let socket = Socket::open(SockProtocol::NetlinkRoute)
            .map_err(|error| UplinkError::Socket { doing: "opening it for routes", error })?;
        Ok(Self { socket })
    }

    /// The way out now; of a device that has lost its route it is told what else it lacks.
    pub(super) fn look(&mut self, gateway: &Gateway, before: &Path) -> Result<Path, UplinkError> {
        let (mut links, mut routes) = (Vec::new(), Vec::new());
        self.list("to list links", route::links, |message| links.extend(route::link(message)))?;
        self.list("to list routes", route::routes, |message| routes.extend(route::default_route(message)))?;
        Ok(way_out(gateway, &links, routes, before))
    }

    fn list(
        &mut self,
        doing: &'static str,
        request: impl Fn(u32) -> Vec<u8>,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), UplinkError> {
        for _ in 0..TRIES {
            let number = self.socket.numbers(1);
            match self.socket.request(&request(number), number, |message| each(&message)) {
                Ok(Outcome::Done) => return Ok(()),
                // What is listed twice is the same twice.
                Ok(Outcome::Torn) => {}
                Ok(Outcome::Refused(_, refusal)) if refusal.code == Errno::EBUSY as i32 => {}
                Ok(Outcome::Refused(_, refusal)) => return Err(UplinkError::Refused { doing, refusal }),
                Err(error) => return Err(UplinkError::Socket { doing, error }),
            }
        }
        Ok(())
    }
}

/// The device that is wanted, or else the one that the kernel's best default route leads through.
fn way_out(gateway: &Gateway, links: &[Link], mut routes: Vec<DefaultRoute>, before: &Path) -> Path {
    let named = |name: &str| links.iter().find(|link| link.name == name);
    routes.retain(|route| {
        let link = links.iter().find(|link| link.index == route.link);
        link.is_some_and(|link| match &gateway.uplink {
            Some(wanted) => link.name == *wanted,
            None => !gateway.interfaces.contains(&link.name),
        })
    });
    let routed = routes.iter().min().and_then(|route| links.iter().find(|link| link.index == route.link));
    let known = before.device.as_ref();
    let link = match &gateway.uplink {
        Some(wanted) => named(wanted),
        None => routed.or_else(|| named(&known?.name)),
    };
    let lack = match (link, &gateway.uplink) {
        (None, Some(_)) => Some(Lack::Device),
        (None, None) => Some(Lack::Route),
        (Some(link), _) if !link.carries => Some(Lack::Carrier),
        (Some(_), _) => routed.is_none().then_some(Lack::Route),
    };
    Path { device: link.map(|link| Device { index: link.index, name: link.name.clone() }), lack }
}
