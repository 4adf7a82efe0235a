//! The news of links: interfaces that come, go, are renamed, get or lose their carrier.
//!
//! Owns: the subscription. Never: which link it was; a rename is told by the new name only, so whoever
//! waits for an interface looks for itself.

use nix::sys::socket::SockProtocol;

use super::NeighError;
use crate::netlink::News;
use crate::wire::neighbour::LINKS;

/// A subscription to the changes of links.
#[derive(Debug)]
pub struct LinkWatch {
    news: News,
}

impl LinkWatch {
    /// Listens from now on. Within a tokio runtime only.
    pub fn open() -> Result<Self, NeighError> {
        let news = News::open(SockProtocol::NetlinkRoute, LINKS)
            .map_err(|error| NeighError::Socket { doing: "subscribing to links", error })?;
        Ok(Self { news })
    }

    /// Returns when a link has changed, or may have. Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) -> Result<(), NeighError> {
        let heard = self.news.next().await;
        heard.map(drop).map_err(|error| NeighError::Socket { doing: "listening for links", error })
    }
}
