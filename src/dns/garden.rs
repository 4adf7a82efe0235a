//! Names that are open to everybody, asked of the resolver for all guests together.
//!
//! Many guests who ask for one name are one question. It goes on when its guests have got tired of waiting,
//! so that a resolver that is slow is heard all the same: by the next question, a few seconds later.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Responder;
use super::upstream::{self, Patience};
use crate::domain::Mac;
use crate::expiring::ExpiringMap;
use crate::ordered::OrdMap;
use crate::wire::dns::{Kind, Name, Response};

/// What the resolver is given.
const PATIENCE: Patience = [Duration::from_millis(1000), Duration::from_millis(6000)];
/// What a guest's question waits: phones ask again after five seconds, or sooner.
const GUESTS_WAIT: Duration = Duration::from_millis(2400);
/// Answers that are remembered, and for how many seconds.
const REMEMBERED: usize = 256;
const SHORTEST: u32 = 10;
const LONGEST: u32 = 60;

type Key = (Name, Kind);

/// What is being asked, and what was heard lately.
#[derive(Debug)]
pub(super) struct Garden {
    heard: RefCell<ExpiringMap<Key, Response>>,
    /// Each closes when its question is over.
    asking: RefCell<OrdMap<Key, watch::Receiver<()>>>,
}

impl Garden {
    pub(super) fn new() -> Self {
        Self { heard: RefCell::new(ExpiringMap::with_capacity(REMEMBERED)), asking: RefCell::default() }
    }
}

/// What the resolver says of `name`, for a question of `mac`. `None`: nothing, or not in time.
pub(super) async fn ask(
    responder: &Rc<Responder>,
    server: SocketAddr,
    name: &Name,
    kind: Kind,
    mac: Mac,
) -> Option<Response> {
    let key = (name.clone(), kind);
    let heard = |key| {
        let now = responder.context.clock.now().boot;
        responder.garden.heard.borrow().get(key, now).cloned()
    };
    if let Some(response) = heard(&key) {
        return Some(response);
    }
    let _place = responder.asking.enter(Some(mac))?;
    let mut over = begun(responder, server, &key)?;
    // An error is the end that is waited for.
    let _ = timeout(GUESTS_WAIT, over.changed()).await;
    heard(&key)
}

/// The question for `key`, which is asked already or from now on; `None`: too many are.
fn begun(responder: &Rc<Responder>, server: SocketAddr, key: &Key) -> Option<watch::Receiver<()>> {
    if let Some(over) = responder.garden.asking.borrow().get(key) {
        return Some(over.clone());
    }
    let place = responder.asking.enter(None)?;
    let (ends, over) = watch::channel(());
    responder.garden.asking.borrow_mut().insert(key.clone(), over.clone());
    let (responder, key) = (Rc::clone(responder), key.clone());
    tokio::task::spawn_local(async move {
        let response = upstream::ask(server, &key.0, key.1, PATIENCE).await;
        let garden = &responder.garden;
        garden.asking.borrow_mut().remove(&key);
        if let Some(response) = response {
            let holds = Duration::from_secs(response.ttl.clamp(SHORTEST, LONGEST).into());
            garden.heard.borrow_mut().insert(key, response, responder.context.clock.now().boot, holds);
        }
        drop((ends, place));
    });
    Some(over)
}
