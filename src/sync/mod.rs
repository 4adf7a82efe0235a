//! The client of the cloud: the feed down, the outbox up, lookups, enrolment.
//!
//! Owns: the connection, TLS, the pace, and that nothing unverified gets further. Never: what a page brings
//! about; the desk stores it, and answers each [`Call`] once that is on flash. Opens, and is never reached.
//!
//! `link` is the desk's end and the loop, `pace` says when, `round` is one exchange, `cloud` has the four
//! requests, `line` one connection, `tls` whom to trust, `trouble` what can be wrong.

mod cloud;
mod health;
mod line;
mod link;
mod pace;
mod round;
mod tls;
mod trouble;
mod url;

use std::time::Duration;

use tokio::sync::oneshot;

use self::cloud::Cloud;
pub use self::health::{Ailing, Health};
pub use self::link::{Link, start};
pub use self::trouble::{BadCertificate, Interception, Trouble};
pub use self::url::{InTheClear, Scheme, Url, UrlError};
use crate::clock::Clock;
use crate::domain::{BootId, Cursor, Seq, SigningKey, SiteKey, Wall};
use crate::wire::enrolment::{self, Joining, SiteSecret, Token};
use crate::wire::feed::{Page, Stand};

/// What has to be known of a cloud, and of ourselves.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub site: String,
    pub token: Token,
    pub site_key: SiteKey,
    /// PEM of roots to be trusted besides the usual ones.
    pub extra_roots: Option<Vec<u8>>,
    /// Set: every page has to be signed by its owner.
    pub signing_key: Option<SigningKey>,
    /// Between two polls that find nothing.
    pub poll: Duration,
    /// Names our database.
    pub device: String,
    pub boot: BootId,
}

/// What the client asks of the desk.
#[derive(Debug)]
pub enum Call {
    /// To be applied in one transaction with where the reading stands after it.
    Page { page: Box<Page>, stand: Stand, reply: oneshot::Sender<Result<(), NotApplied>> },
    /// The oldest events of the outbox, at most so many bytes of them, or one.
    Events { most: usize, reply: oneshot::Sender<Waiting> },
    /// The cloud has all events up to this one.
    Acked { upto: Seq, reply: oneshot::Sender<()> },
    /// The digest over all live rows; `None`: it cannot be told now.
    Digest { reply: oneshot::Sender<Option<[u8; 32]>> },
    /// The feed will be read from its start; the stand becomes [`Stand::over`].
    StartOver { reply: oneshot::Sender<()> },
    /// A page was refused: a fact for the outbox.
    Refused { cursor: Option<Cursor>, why: String },
    /// The time, as somebody verified says.
    Time { wall: Wall },
}

/// Why a page was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// It would undo a redemption that the cloud has not read.
    Held,
    NotStored,
}

/// What waits in the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Oldest first, as `wire::events::write` made them.
    pub events: Vec<(Seq, String)>,
    /// The highest number that was ever given out: beyond it nothing can have been read.
    pub newest: Seq,
}

/// Whether `pem` holds roots that can be trusted.
///
/// # Errors
/// Why it does not: [`Trouble::Roots`].
pub fn check_roots(pem: &[u8]) -> Result<(), Trouble> {
    tls::roots(Some(pem)).map(drop)
}

/// Asks for the key under which the store of `site` is sealed. `roots`: as for [`enrol`].
///
/// # Errors
/// Why it did not come.
pub async fn store_key(
    url: Url,
    site: &str,
    token: Token,
    roots: Option<&[u8]>,
    clock: Clock,
) -> Result<SiteSecret, Trouble> {
    let found = Cloud::new(url, Some(token), roots, clock)?.store_key(site).await?;
    enrolment::read_store_key(&found.ok_or(Trouble::NoKey)?).map_err(|_| Trouble::BadKey)
}

/// Has this gateway join, for the command. `public_key`: Ed25519. `roots`: PEM, trusted besides the usual ones.
///
/// # Errors
/// Why it did not: [`Trouble::Claim`] if the claim does not count.
pub async fn enrol(
    url: Url,
    claim: &str,
    device: &str,
    public_key: &[u8; 32],
    roots: Option<&[u8]>,
    clock: Clock,
) -> Result<Joining, Trouble> {
    let body =
        Cloud::new(url, None, roots, clock)?.enrol(enrolment::write(claim, device, public_key)).await?;
    enrolment::read(&body).map_err(Trouble::Joining)
}
