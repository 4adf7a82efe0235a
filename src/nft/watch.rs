//! Notices when somebody else touches table `inet lango`.
//!
//! Owns: the subscription, and telling our own changes from others'. Never: mends; see `mod.rs`.
//! Elements that run out are not told of: nobody touched them.

use nix::sys::socket::SockProtocol;

use super::table::TABLE;
use super::{Nft, NftError};
use crate::netlink::{Heard, News};
use crate::wire::netlink;
use crate::wire::nftables::{NEWS, touched};

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

    /// Returns when somebody else has touched the table, or may have. Nothing is lost if the future is
    /// dropped.
    pub async fn changed(&mut self) -> Result<(), NftError> {
        loop {
            let own = self.own;
            let heard = self.news.next().await;
            match heard.map_err(|error| NftError::Socket { doing: "listening for changes", error })? {
                Heard::Lost => return Ok(()),
                Heard::Messages(bytes) => {
                    let foreign = |message: &netlink::Message<'_>| message.port != own;
                    let mut tables = netlink::messages(bytes).filter(foreign);
                    if tables.any(|message| touched(&message).as_deref() == Some(TABLE)) {
                        return Ok(());
                    }
                }
            }
        }
    }
}
