//! Notices when somebody else touches table `inet lango`.
//!
//! Owns: the subscription, and telling our own changes from others'. Never: mends; see `mod.rs`.
//! Elements that run out are not told of: nobody touched them.

use nix::sys::socket::SockProtocol;

use super::table::TABLE;
use super::{Nft, NftError};
use crate::netlink::{Heard, News};
use crate::wire::netlink;
use crate::wire::nftables::{self, NEWS};

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody else has touched the table, or may have.
    Touched,
    /// A cap is used up.
    UsedUp,
}

/// A subscription to the changes of all tables.
#[derive(Debug)]
pub struct Watch {
    news: News,
    own: u32,
}

impl Watch {
    /// Listens from now on; what `nft` does is not told. Within a tokio runtime only.
    pub fn open(nft: &Nft) -> Result<Self, NftError> {
        let news = News::open(SockProtocol::NetlinkNetFilter, NEWS)
            .map_err(|error| NftError::Socket { doing: "subscribing to changes", error })?;
        Ok(Self { news, own: nft.socket.port() })
    }

    /// Returns when somebody else has touched the table, or may have, or a cap in it is used up. Nothing is
    /// lost if the future is dropped.
    pub async fn changed(&mut self) -> Result<Change, NftError> {
        loop {
            let own = self.own;
            let heard = self.news.next().await;
            match heard.map_err(|error| NftError::Socket { doing: "listening for changes", error })? {
                Heard::Lost => return Ok(Change::Touched),
                Heard::Messages(bytes) => {
                    let foreign = netlink::messages(bytes).filter(|message| message.port != own);
                    let ours = foreign.filter_map(|message| noticed(&message));
                    // Touched says more: then everything is looked at.
                    if let Some(change) = ours.min_by_key(|change| *change == Change::UsedUp) {
                        return Ok(change);
                    }
                }
            }
        }
    }
}

fn noticed(message: &netlink::Message<'_>) -> Option<Change> {
    match nftables::news(message)? {
        nftables::News::Touched(table) => (table == TABLE).then_some(Change::Touched),
        nftables::News::UsedUp(table) => (table == TABLE).then_some(Change::UsedUp),
    }
}
