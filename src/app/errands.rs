//! What takes time for one guest and must not keep the others waiting: the cloud is asked, a PIN is checked.
//!
//! Owns: the errands under way, and the guest's way back to the desk. Never: decides. Neighbours: `guests`
//! sends on errands, `cloud` applies what a lookup found; what `ask` has done beside the loop comes back the same
//! way. The desk goes on meanwhile; each errand ends by itself, the cloud's in three seconds.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{spawn_blocking, spawn_local};

use super::ask::Deed;
use super::desk::Desk;
use super::guests::{Asked, Wish, answer};
use super::pin;
use crate::domain::{Blame, Found, Input, Mac, Moving, Reach, Reference, Refusal, Reply, Shown};
use crate::sync::Trouble;
use crate::wire::feed::Ops;
use crate::wire::lookup::Wanted;

/// Those who come back and wait for the loop, at most.
const RETURNS: usize = 64;
/// PINs checked at the same time: each takes as much memory as its hash says.
const PINS: usize = 1;

/// What is asked elsewhere.
pub(super) enum Errand {
    LookUp { reference: Reference },
    CheckPin { hash: String, pin: String },
    SendCode { phone: String },
    CheckCode { phone: String, code: String },
}

/// What came of an errand.
pub(super) enum Outcome {
    Found(Ops),
    NotKnown,
    Away,
    Pin(Shown),
}

/// Who comes back.
pub(super) enum Return {
    Guest {
        asked: Asked,
        outcome: Outcome,
    },
    /// What an operator had done beside the loop.
    Deed(Box<Deed>),
}

/// Where they come back from.
pub(super) struct Errands {
    back: mpsc::Sender<Return>,
    pins: Arc<Semaphore>,
}

impl Errands {
    pub(super) fn new() -> (Self, mpsc::Receiver<Return>) {
        let (back, returns) = mpsc::channel(RETURNS);
        (Self { back, pins: Arc::new(Semaphore::new(PINS)) }, returns)
    }

    /// The way back to the desk, also for others.
    pub(super) fn way_back(&self) -> mpsc::Sender<Return> {
        self.back.clone()
    }
}

impl Desk {
    /// Sends `asked` on an errand.
    pub(super) fn run_errand(&self, errand: Errand, asked: Asked) {
        let (back, mac) = (self.errands.back.clone(), asked.mac);
        let wanted = match errand {
            Errand::LookUp { reference } => {
                Wanted::Reference { reference: reference.as_str().to_owned(), mac }
            }
            Errand::SendCode { phone } => Wanted::SendCode { phone, mac },
            Errand::CheckCode { phone, code } => Wanted::CheckCode { phone, otp: code, mac },
            Errand::CheckPin { hash, pin } => {
                let pins = Arc::clone(&self.errands.pins);
                spawn_local(async move {
                    let shown = check(pins, hash, pin).await;
                    let _ = back.send(Return::Guest { asked, outcome: Outcome::Pin(shown) }).await;
                });
                return;
            }
        };
        let link = self.cloud.link().cloned();
        spawn_local(async move {
            let looked = match &link {
                Some(link) => link.look_up(&wanted).await,
                None => Err(Trouble::Stopped),
            };
            let outcome = match looked {
                Ok(Some(ops)) => Outcome::Found(ops),
                Ok(None) => Outcome::NotKnown,
                Err(trouble) => {
                    tracing::debug!(event = "not_looked_up", why = trouble.word(), "the cloud did not say");
                    Outcome::Away
                }
            };
            let _ = back.send(Return::Guest { asked, outcome }).await;
        });
    }

    /// Somebody is back from an errand.
    pub(super) async fn welcome_back(&mut self, back: Return) {
        match back {
            Return::Guest { asked, outcome } => self.go_on(asked, outcome).await,
            Return::Deed(deed) => self.done(*deed).await,
        }
    }

    async fn go_on(&mut self, asked: Asked, outcome: Outcome) {
        let Asked { mac, wish, accepted, reply } = asked;
        match wish {
            Wish::Redeem(mut typed) => {
                match outcome {
                    Outcome::Pin(shown) => typed.shown = Some(shown),
                    Outcome::Away => typed.cloud = Some(Reach::Away),
                    Outcome::NotKnown => typed.cloud = Some(Reach::Unknown),
                    Outcome::Found(ops) => {
                        typed.cloud = Some(Reach::Unknown);
                        if self.apply_found(ops).await.is_err() {
                            return answer(reply, Reply::Refused(Refusal::NotStored));
                        }
                    }
                }
                self.decide_for(vec![Asked { mac, wish: Wish::Redeem(typed), accepted, reply }]).await;
            }
            Wish::SendCode { .. } => match outcome {
                Outcome::Found(_) => answer(reply, Reply::Refused(Refusal::OneTimeCodeNeeded)),
                Outcome::NotKnown => self.count_guess(mac, reply, Refusal::CodeUnknown).await,
                Outcome::Away | Outcome::Pin(_) => answer(reply, Reply::Refused(Refusal::CloudAway)),
            },
            Wish::CheckCode { .. } => match outcome {
                Outcome::Found(ops) => {
                    let applied = self.apply_found(ops).await;
                    if let Some(terms) = accepted {
                        self.transact(vec![Input::Accepted { mac, terms }]).await;
                    }
                    let session = self.view.borrow().sessions.get(&mac).map(|session| session.id);
                    let told = session.map_or(Reply::Refused(Refusal::NotStored), Reply::Online);
                    let failed = Reply::Refused(Refusal::NotStored);
                    answer(reply, if applied.is_ok() { told } else { failed });
                }
                Outcome::NotKnown => self.count_guess(mac, reply, Refusal::OneTimeCodeWrong).await,
                Outcome::Away | Outcome::Pin(_) => answer(reply, Reply::Refused(Refusal::CloudAway)),
            },
            Wish::Trial | Wish::Leave | Wish::BeForgotten | Wish::Nothing => {
                answer(reply, Reply::Refused(Refusal::NotOnline))
            }
        }
    }

    /// What was wrong counts as a guess, whatever it is called.
    async fn count_guess(&mut self, mac: Mac, to: oneshot::Sender<Reply>, refusal: Refusal) {
        let code = Found::Nothing(Blame::DeviceAndSite);
        self.transact(vec![Input::Redeem { mac, code, moving: Moving::Ask }]).await;
        answer(to, Reply::Refused(refusal));
    }
}

async fn check(pins: Arc<Semaphore>, hash: String, pin: String) -> Shown {
    let Ok(_place) = pins.acquire().await else { return Shown::WrongPin };
    let right = spawn_blocking(move || pin::is_right(&hash, &pin)).await.unwrap_or(false);
    if right { Shown::RightPin } else { Shown::WrongPin }
}
