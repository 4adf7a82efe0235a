//! What guests ask at the portal, answered batch by batch: one commit, and one fsync, for all of a batch.
//!
//! Owns: the order of looking up, deciding and telling, and who still waits for an answer. Never: decides;
//! that is the Gate's. Neighbours: `desk` hands in the calls; `clues` reads what was typed; `errands` asks
//! elsewhere what takes time, and brings the guest back; `ask` is the same for operators.

use tokio::sync::oneshot;

use super::cloud::Cloud;
use super::clues::Clues;
use super::desk::Desk;
use super::errands::Errand;
use super::keys::Keys;
use super::persons;
use crate::domain::{
    CodeKey, Found, Input, Issued, IssuedCode, Mac, Moving, Now, PhoneTail, Proof, Reach, ReferenceKey,
    Refusal, Reply, SerialState, Shown, Sought, TermsVersion, Voucher,
};
use crate::ordered::OrdMap;
use crate::portal::{self, Given};

impl Desk {
    /// Answers guests who have asked since the last batch, all with one commit.
    pub(super) async fn serve_guests(&mut self, calls: Vec<portal::Call>) {
        let gate = &self.ledger.gate;
        let Batch { answered, asked, gone } = Batch::of(calls, &self.keys, |mac| gate.awaiting_digits(mac));
        let now = self.ledger.clock.now().boot;
        answered.into_iter().for_each(|mac| self.kernel.answered(mac, now));
        if !asked.is_empty() {
            self.decide_for(asked).await;
        }
        let now = self.ledger.clock.now().boot;
        gone.into_iter().for_each(|mac| self.kernel.answered(mac, now));
    }

    /// Decides over what guests ask. Who has to be asked for elsewhere comes back later.
    pub(super) async fn decide_for(&mut self, asked: Vec<Asked>) {
        // Of one moment: or a wait that ends between the two makes a right code a wrong one.
        let now = self.ledger.clock.now();
        let stored = self.look_up(&asked, now).await;
        let (mut inputs, mut accepted, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for asked in asked {
            let next = match &stored {
                Ok(stored) => self.next_for(&asked, stored, now),
                Err(refusal) => Next::Answer(Reply::Refused(refusal.clone())),
            };
            match next {
                Next::Decide(input) => {
                    inputs.push(input);
                    accepted.extend(asked.accepted.map(|terms| Input::Accepted { mac: asked.mac, terms }));
                    waiting.push((asked.mac, asked.reply));
                }
                Next::Answer(reply) => answer(asked.reply, reply),
                Next::Run(errand) => self.run_errand(errand, asked),
            }
        }
        if inputs.is_empty() {
            return;
        }
        inputs.extend(accepted);
        let asking = waiting.iter().map(|(mac, _)| *mac).collect();
        let replies = self.transact_for(inputs, &asking).await;
        if replies.contains(&Reply::Waiting) {
            self.guest_waits();
        }
        for ((_, to), reply) in waiting.into_iter().zip(replies) {
            answer(to, reply);
        }
    }

    /// What the store knows of all that was typed, or why nobody can be told.
    async fn look_up(&mut self, asked: &[Asked], now: Now) -> Result<Stored, Refusal> {
        let (mut keys, mut issued) = (Vec::new(), Vec::new());
        for Asked { mac, wish, .. } in asked {
            // Whoever has to wait gets no answer anyway.
            if let (Wish::Redeem(typed), None) = (wish, self.ledger.gate.wait(*mac, now)) {
                keys.extend(typed.clues.keys());
                issued.extend(typed.clues.issued.map(|(_, issued)| issued));
            }
        }
        let mut stored = Stored::default();
        if !keys.is_empty() {
            let found = self.kernel.guard_while(self.ledger.find(keys)).await;
            let found = found.map_err(|_| Refusal::NotStored)?;
            stored.vouchers = found.into_iter().flatten().map(|voucher| (voucher.key, voucher)).collect();
        }
        if !issued.is_empty() {
            let used = self.kernel.guard_while(self.ledger.store.used_serials(issued.clone())).await;
            let used = used.map_err(|_| Refusal::NotStored)?;
            stored.used =
                issued.into_iter().zip(used).filter_map(|(issued, used)| used.then_some(issued)).collect();
        }
        Ok(stored)
    }

    fn next_for(&self, asked: &Asked, stored: &Stored, now: Now) -> Next {
        let wait = self.ledger.gate.wait(asked.mac, now);
        match &asked.wish {
            Wish::Trial => Next::Decide(Input::Trial { mac: asked.mac }),
            Wish::Leave => Next::Decide(Input::Logout { mac: asked.mac }),
            Wish::BeForgotten => Next::Decide(persons::forget_device(asked.mac)),
            Wish::Nothing => Next::Answer(self.as_it_stands(asked.mac)),
            Wish::Redeem(_) | Wish::SendCode { .. } | Wish::CheckCode { .. } if wait.is_some() => {
                let retry_after = wait.unwrap_or_default();
                Next::Answer(Reply::Refused(Refusal::TooManyTries { retry_after }))
            }
            Wish::Redeem(typed) => match self.meaning(typed, stored) {
                Ok(code) => Next::Decide(Input::Redeem { mac: asked.mac, code, moving: typed.moving }),
                Err(errand) => Next::Run(errand),
            },
            Wish::SendCode { phone } => self.or_away(Errand::SendCode { phone: phone.clone() }),
            Wish::CheckCode { phone, code } => {
                self.or_away(Errand::CheckCode { phone: phone.clone(), code: code.clone() })
            }
        }
    }

    /// The answer for who pressed the button twice.
    fn as_it_stands(&self, mac: Mac) -> Reply {
        let view = self.view.borrow();
        match (view.sessions.get(&mac), view.waiting.contains_key(&mac)) {
            (Some(session), _) => Reply::Online(session.id),
            (None, true) => Reply::Waiting,
            (None, false) => Reply::Refused(Refusal::CodeUnknown),
        }
    }

    fn or_away(&self, errand: Errand) -> Next {
        match self.cloud {
            Cloud::Linked(_) => Next::Run(errand),
            Cloud::None | Cloud::Unusable(_) => Next::Answer(Reply::Refused(Refusal::CloudAway)),
        }
    }

    /// What was meant by what was typed, or where to ask.
    fn meaning(&self, typed: &Typed, stored: &Stored) -> Result<Found, Errand> {
        let Clues { blame, issued, sought, .. } = &typed.clues;
        if let Some(voucher) = typed.clues.keys().find_map(|key| stored.vouchers.get(&key)) {
            return proved(voucher, typed);
        }
        if let Some((key, issued)) = issued {
            let serial = if stored.used.contains(issued) { SerialState::Used } else { SerialState::Fresh };
            let hint = typed.clues.hint.clone();
            return Ok(Found::Issued(IssuedCode { key: *key, hint, issued: *issued, serial }));
        }
        let Some((key, sought)) = sought.as_ref().filter(|_| self.cloud.is_configured()) else {
            return Ok(Found::Nothing(*blame));
        };
        match (sought, typed.cloud) {
            // Or each guess at a code would be one at a reference.
            (Sought::NotAsked(_), _) => Ok(Found::Nothing(*blame)),
            (Sought::InMessage(_) | Sought::Typed(_), Some(reach)) => Ok(Found::Reference(*key, reach)),
            (Sought::InMessage(reference) | Sought::Typed(reference), None) => {
                Err(Errand::LookUp { reference: reference.clone() })
            }
        }
    }
}

/// `voucher` with what the guest has shown of it; a PIN takes its time to be checked.
fn proved(voucher: &Voucher, typed: &Typed) -> Result<Found, Errand> {
    let boxed = Box::new(voucher.clone());
    match (&voucher.proof, typed.shown, &typed.given) {
        (None, ..) => Ok(Found::Voucher(boxed)),
        (Some(_), Some(shown), _) => Ok(Found::Proved(boxed, shown)),
        (Some(Proof::Phone(_)), None, Given { phone_last4: Some(digits), .. }) => {
            // What cannot be digits is as wrong as other digits.
            let shown = PhoneTail::of(digits).map_or(Shown::WrongPhone, Shown::Phone);
            Ok(Found::Proved(boxed, shown))
        }
        (Some(Proof::Pin(hash)), None, Given { pin: Some(pin), .. }) => {
            Err(Errand::CheckPin { hash: hash.clone(), pin: pin.clone() })
        }
        (Some(_), None, _) => Ok(Found::Voucher(boxed)),
    }
}

/// What is to be done for a guest next.
enum Next {
    Decide(Input),
    Answer(Reply),
    Run(Errand),
}

/// What the store knows of a batch.
#[derive(Default)]
struct Stored {
    vouchers: OrdMap<CodeKey, Voucher>,
    used: Vec<Issued>,
}

/// What guests have told the desk since the last batch.
#[derive(Default)]
struct Batch {
    /// Devices that got the answer to what they asked in an earlier batch.
    answered: Vec<Mac>,
    asked: Vec<Asked>,
    /// Devices that asked in this one, and did not wait for the answer.
    gone: Vec<Mac>,
}

impl Batch {
    /// `awaited`: the payment of a device of which only the digits of the phone are missing.
    fn of(calls: Vec<portal::Call>, keys: &Keys, awaited: impl Fn(Mac) -> Option<ReferenceKey>) -> Self {
        let mut batch = Self::default();
        for call in calls {
            match call {
                portal::Call::Login { mac, typed, given, moving, accepted, reply } => {
                    let wish = Wish::of(&typed, given, moving, keys, || awaited(mac));
                    batch.asked.push(Asked { mac, wish, accepted, reply });
                }
                portal::Call::Trial { mac, accepted, reply } => {
                    batch.asked.push(Asked { mac, wish: Wish::Trial, accepted, reply });
                }
                portal::Call::Logout { mac, reply } => {
                    batch.asked.push(Asked { mac, wish: Wish::Leave, accepted: None, reply });
                }
                portal::Call::Forget { mac, reply } => {
                    batch.asked.push(Asked { mac, wish: Wish::BeForgotten, accepted: None, reply });
                }
                portal::Call::Answered { mac } if batch.asked.iter().any(|asked| asked.mac == mac) => {
                    batch.gone.push(mac);
                }
                portal::Call::Answered { mac } => batch.answered.push(mac),
            }
        }
        batch
    }
}

/// One guest who waits for an answer.
pub(super) struct Asked {
    pub(super) mac: Mac,
    pub(super) wish: Wish,
    /// The terms that the guest has accepted with it.
    pub(super) accepted: Option<TermsVersion>,
    pub(super) reply: oneshot::Sender<Reply>,
}

pub(super) enum Wish {
    Redeem(Box<Typed>),
    /// A one-time code is to be sent to this phone.
    SendCode {
        phone: String,
    },
    CheckCode {
        phone: String,
        code: String,
    },
    Trial,
    Leave,
    /// The device is to be forgotten.
    BeForgotten,
    /// Digits for a payment that does not wait for them any more.
    Nothing,
}

impl Wish {
    fn of(
        typed: &str,
        given: Given,
        moving: Moving,
        keys: &Keys,
        awaited: impl FnOnce() -> Option<ReferenceKey>,
    ) -> Self {
        let redeem =
            |clues, given| Self::Redeem(Box::new(Typed { clues, given, moving, cloud: None, shown: None }));
        match &given {
            Given { phone: Some(phone), one_time_code: None, .. } if typed.is_empty() => {
                Self::SendCode { phone: phone.clone() }
            }
            Given { phone: Some(phone), one_time_code: Some(code), .. } if typed.is_empty() => {
                Self::CheckCode { phone: phone.clone(), code: code.clone() }
            }
            Given { phone_last4: Some(_), .. } if typed.is_empty() => match awaited() {
                Some(reference) => redeem(Clues::of_claim(reference), given),
                None => Self::Nothing,
            },
            Given { .. } => redeem(Clues::of(typed, keys), given),
        }
    }
}

/// What a guest typed, and what was found out about it since.
pub(super) struct Typed {
    pub(super) clues: Clues,
    given: Given,
    moving: Moving,
    /// What the cloud says of it, once it was asked.
    pub(super) cloud: Option<Reach>,
    /// What a check of the PIN came to.
    pub(super) shown: Option<Shown>,
}

/// Tells a guest.
pub(super) fn answer(to: oneshot::Sender<Reply>, reply: Reply) {
    // The guest may have gone; what was decided stands all the same.
    let _ = to.send(reply);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Hint, Kind, SiteKey, VoucherState, Wall};
    use crate::portal::{Call, FormKey};

    #[test]
    fn digits_alone_are_shown_for_the_payment_that_the_device_waits_for() {
        let keys = Keys { site: SiteKey::new(&[1; 32]), form: FormKey::new(&[2; 32]), issuing: Vec::new() };
        let [waits, other] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
        let key = CodeKey([7; 16]);
        let login = |mac, typed: &str| Call::Login {
            mac,
            typed: typed.to_owned(),
            given: Given { phone_last4: Some("0417".to_owned()), ..Given::default() },
            moving: Moving::Ask,
            accepted: None,
            reply: oneshot::channel().0,
        };
        let calls = vec![login(waits, ""), login(other, ""), login(waits, "4821993705")];
        let batch = Batch::of(calls, &keys, |mac| (mac == waits).then_some(ReferenceKey(key.0)));
        let [first, second, third] = &batch.asked[..] else { panic!("three wishes") };
        let payment = Voucher {
            key,
            kind: Kind::Payment,
            id: None,
            proof: PhoneTail::of("0417").map(Proof::Phone),
            plan: "hour".parse().unwrap(),
            batch: None,
            activate_by: None,
            made: Wall::from_secs(0),
            hint: Hint::default(),
            entitlement: None,
            state: VoucherState::Unused,
        };
        let Wish::Redeem(typed) = &first.wish else { panic!("a payment is redeemed") };
        assert_eq!(typed.clues.keys().collect::<Vec<_>>(), [key]);
        assert!(matches!(proved(&payment, typed), Ok(Found::Proved(_, Shown::Phone(_)))));
        assert!(matches!(second.wish, Wish::Nothing));
        let Wish::Redeem(typed) = &third.wish else { panic!("a code is redeemed") };
        assert!(typed.clues.keys().all(|looked_up| looked_up != key), "what was typed comes first");
    }

    /// Or its flows would wait for ever for a word that came already.
    #[test]
    fn who_goes_away_in_the_batch_in_which_it_asked_is_answered_after_it() {
        let keys = Keys { site: SiteKey::new(&[1; 32]), form: FormKey::new(&[2; 32]), issuing: Vec::new() };
        let [first, second] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
        let ask = |mac| Call::Logout { mac, reply: oneshot::channel().0 };
        let calls =
            vec![Call::Answered { mac: first }, ask(first), ask(second), Call::Answered { mac: second }];
        let batch = Batch::of(calls, &keys, |_| None);
        assert_eq!((batch.answered, batch.gone), (vec![first], vec![second]));
        assert_eq!(batch.asked.len(), 2);
    }
}
