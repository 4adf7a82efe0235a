//! What guests ask at the portal, answered batch by batch: one commit, and one fsync, for all of a batch.
//!
//! Owns: the order of looking up, deciding and telling, and who still waits for an answer. Never: decides;
//! that is the Gate's. Neighbours: `desk` hands in the calls; `ask` is the same for operators.

use tokio::sync::oneshot;

use super::desk::Desk;
use super::keys::Keys;
use crate::domain::{Blame, CodeKey, Found, Input, Mac, Moving, Normal, Refusal, Reply, Shape, shape};
use crate::portal;

impl Desk {
    /// Answers guests who have asked since the last batch, all with one commit.
    pub(super) async fn serve_guests(&mut self, calls: Vec<portal::Call>) {
        let Batch { answered, asked, gone } = Batch::of(calls, &self.keys);
        let now = self.ledger.clock.now().boot;
        answered.into_iter().for_each(|mac| self.kernel.answered(mac, now));
        if !asked.is_empty() {
            self.decide_for(asked).await;
        }
        let now = self.ledger.clock.now().boot;
        gone.into_iter().for_each(|mac| self.kernel.answered(mac, now));
    }

    async fn decide_for(&mut self, asked: Vec<Asked>) {
        let found = self.look_up(&asked).await;
        let (mut inputs, mut waiting) = (Vec::new(), Vec::new());
        for (Asked { mac, wish, reply }, found) in asked.into_iter().zip(found) {
            let input = match (wish, found) {
                (Wish::Leave, _) => Input::Logout { mac },
                (Wish::Redeem(_, moving), Ok(code)) => Input::Redeem { mac, code, moving },
                (Wish::Redeem(..), Err(refusal)) => {
                    answer(reply, Reply::Refused(refusal));
                    continue;
                }
            };
            inputs.push(input);
            waiting.push((mac, reply));
        }
        let asking = waiting.iter().map(|(mac, _)| *mac).collect();
        let replies = self.transact_for(inputs, &asking).await;
        for ((_, to), reply) in waiting.into_iter().zip(replies) {
            answer(to, reply);
        }
    }

    /// What the store knows of the codes that were typed, or why they are not even looked up.
    async fn look_up(&mut self, asked: &[Asked]) -> Vec<Result<Found, Refusal>> {
        let now = self.ledger.clock.now();
        let mut keys = Vec::new();
        let looks: Vec<_> = asked
            .iter()
            .map(|Asked { mac, wish, .. }| match wish {
                Wish::Leave => Err(Refusal::NotOnline),
                Wish::Redeem(typed, _) => match (self.ledger.gate.wait(*mac, now), typed) {
                    (Some(retry_after), _) => Err(Refusal::TooManyTries { retry_after }),
                    (None, Typed::Nonsense) => Ok(None),
                    (None, Typed::Code(key, blame)) => {
                        keys.push(*key);
                        Ok(Some(*blame))
                    }
                },
            })
            .collect();
        let found = if keys.is_empty() {
            Vec::new()
        } else if let Ok(found) = self.kernel.guard_while(self.ledger.find(keys)).await {
            found
        } else {
            return looks.into_iter().map(|_| Err(Refusal::NotStored)).collect();
        };
        let mut found = found.into_iter();
        let matched = looks.into_iter().map(|look| {
            look.map(|blame| match (blame, blame.and_then(|_| found.next().flatten())) {
                (_, Some(voucher)) => Found::Voucher(Box::new(voucher)),
                (blame, None) => Found::Nothing(blame.unwrap_or(Blame::Device)),
            })
        });
        matched.collect()
    }
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
    fn of(calls: Vec<portal::Call>, keys: &Keys) -> Self {
        let mut batch = Self::default();
        for call in calls {
            match call {
                portal::Call::Login { mac, typed, given: _, moving, reply } => {
                    let wish = Wish::Redeem(key_of(keys, &typed), moving);
                    batch.asked.push(Asked { mac, wish, reply });
                }
                portal::Call::Logout { mac, reply } => {
                    batch.asked.push(Asked { mac, wish: Wish::Leave, reply });
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
struct Asked {
    mac: Mac,
    wish: Wish,
    reply: oneshot::Sender<Reply>,
}

enum Wish {
    Redeem(Typed, Moving),
    Leave,
}

/// What a guest typed, as far as can be said without looking it up.
#[derive(Clone, Copy)]
enum Typed {
    Code(CodeKey, Blame),
    /// No code can look like that, so it is no guess either.
    Nonsense,
}

fn key_of(keys: &Keys, typed: &str) -> Typed {
    let Some(normal) = Normal::of(typed) else { return Typed::Nonsense };
    let blame = match shape(&normal) {
        Shape::Mistyped => Blame::Device,
        Shape::Other => Blame::DeviceAndSite,
    };
    Typed::Code(keys.site.voucher(&normal), blame)
}

fn answer(to: oneshot::Sender<Reply>, reply: Reply) {
    // The guest may have gone; what was decided stands all the same.
    let _ = to.send(reply);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SiteKey;
    use crate::portal::{Call, FormKey};

    /// Or its flows would wait for ever for a word that came already.
    #[test]
    fn who_goes_away_in_the_batch_in_which_it_asked_is_answered_after_it() {
        let keys = Keys { site: SiteKey::new(&[1; 32]), form: FormKey::new(&[2; 32]) };
        let [first, second] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
        let ask = |mac| Call::Logout { mac, reply: oneshot::channel().0 };
        let calls =
            vec![Call::Answered { mac: first }, ask(first), ask(second), Call::Answered { mac: second }];
        let batch = Batch::of(calls, &keys);
        assert_eq!((batch.answered, batch.gone), (vec![first], vec![second]));
        assert_eq!(batch.asked.len(), 2);
    }
}
