//! Guest interfaces: their numbers, and when their links or addresses change.
//!
//! Owns: the subscription to both. Never: what follows from a change.

use std::io;

use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::SockProtocol;

use super::NeighError;
use crate::netlink::{Heard, News};
use crate::wire::neighbour::{Interface, LINKS_AND_ADDRESSES, interface};
use crate::wire::netlink;

/// The kernel's number of the interface of this name.
pub fn ifindex(name: &str) -> Result<u32, NeighError> {
    let unknown = |error| NeighError::NoInterface { name: name.to_owned(), error: io::Error::from(error) };
    if_nametoindex(name).map_err(unknown)
}

/// A subscription to the changes of some interfaces.
#[derive(Debug)]
pub struct LinkWatch {
    news: News,
    names: Vec<String>,
}

impl LinkWatch {
    /// Listens from now on; an interface need not exist yet. Within a tokio runtime only.
    pub fn open(names: Vec<String>) -> Result<Self, NeighError> {
        let news = News::open(SockProtocol::NetlinkRoute, LINKS_AND_ADDRESSES)
            .map_err(|error| NeighError::Socket { doing: "subscribing to links", error })?;
        Ok(Self { news, names })
    }

    /// Returns when a link or an address of one of the interfaces has changed, or may have. Nothing is lost
    /// if the future is dropped.
    pub async fn changed(&mut self) -> Result<(), NeighError> {
        loop {
            let names = &self.names;
            let heard = self.news.next().await;
            match heard.map_err(|error| NeighError::Socket { doing: "listening for links", error })? {
                Heard::Lost => return Ok(()),
                Heard::Messages(bytes) => {
                    let mut told = netlink::messages(bytes).filter_map(|message| interface(&message));
                    if told.any(|told| is_one_of(&told, names)) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn is_one_of(told: &Interface, names: &[String]) -> bool {
    let by_number = || if_indextoname(told.ifindex).ok()?.into_string().ok();
    // Gone already: its end was told by name.
    told.name.clone().or_else(by_number).is_some_and(|name| names.contains(&name))
}
