//! Asks the desk, and waits for its answer within bounds.
//!
//! Whoever asks owes the desk a word when the response is out: it is promised before the question is
//! sent, so that the desk hears it even if the guest goes away meanwhile.

use std::time::Duration;

use tokio::sync::oneshot;

use super::connection::Visit;
use super::entry::Entry;
use super::{Call, Context};
use crate::domain::{Mac, Reply, TermsVersion};

/// A desk that has not answered by then is taken to have failed; well within the time of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the desk says to `entry` on `mac`, whose guest has `accepted` these terms; `None`: nothing.
pub(super) async fn login(
    visit: &Visit,
    mac: Mac,
    entry: &Entry,
    accepted: Option<TermsVersion>,
) -> Option<Reply> {
    let (typed, given, moving) = (entry.typed.clone(), entry.given.clone(), entry.moving);
    visit.owes_word(mac);
    ask(&visit.context, |reply| Call::Login { mac, typed, given, moving, accepted, reply }).await
}

/// Lets `mac` in for free; `None`: the desk said nothing.
pub(super) async fn trial(visit: &Visit, mac: Mac, accepted: Option<TermsVersion>) -> Option<Reply> {
    visit.owes_word(mac);
    ask(&visit.context, |reply| Call::Trial { mac, accepted, reply }).await
}

/// Ends the session of `mac`; `None`: the desk said nothing.
pub(super) async fn logout(visit: &Visit, mac: Mac) -> Option<Reply> {
    visit.owes_word(mac);
    ask(&visit.context, |reply| Call::Logout { mac, reply }).await
}

/// Ends the session of `mac` and forgets it; `None`: the desk said nothing.
pub(super) async fn forget(visit: &Visit, mac: Mac) -> Option<Reply> {
    visit.owes_word(mac);
    ask(&visit.context, |reply| Call::Forget { mac, reply }).await
}

async fn ask(context: &Context, call: impl FnOnce(oneshot::Sender<Reply>) -> Call) -> Option<Reply> {
    let (sender, receiver) = oneshot::channel();
    let asked = async {
        context.desk.send(call(sender)).await.ok()?;
        receiver.await.ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}
