//! The Gate and the store as one: decide, commit, and only then let anything act on it.
//!
//! Owns: the order of deciding, committing and settling, and what is known of the store's health. Never:
//! touches the kernel; it hands out the effects. Neighbours: `desk` asks and has `kernel` perform.
//!
//! Several inputs share one commit. If it fails, the Gate is as it was before, nobody is let in, and all
//! who asked for something that had to be written are told that it was not.

use std::rc::Rc;

use super::fault::Fault;
use crate::clock::Clock;
use crate::domain::{
    BootId, CodeKey, Decision, Effect, Gate, Input, Limits, Now, Plan, Record, Refusal, Reply, Restored,
    Trust, Usage, Voucher,
};
use crate::store::{Store, StoreError};

/// Everything that was sold, in memory and on flash.
pub(super) struct Ledger {
    pub(super) gate: Gate,
    pub(super) store: Store,
    pub(super) clock: Clock,
    /// Why the last commit failed, until one succeeds.
    pub(super) trouble: Option<Rc<str>>,
    /// Whether something was written that the cloud is to be told.
    pub(super) has_facts: bool,
    /// Whether it changed who waits for what.
    pub(super) has_claims: bool,
    /// Whether the last look into the store failed, and that was said.
    unreadable: bool,
    /// What has to be on flash before anything else: until then the stamps there are of an older boot.
    first: Vec<Record>,
}

/// What was decided and is not committed yet.
#[derive(Default)]
pub(super) struct Pending {
    replies: Vec<(Reply, Written)>,
    records: Vec<Record>,
    effects: Vec<Effect>,
}

/// Whether an answer rests on a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Durably,
    Nothing,
}

/// What a batch came to: one reply per input, and what is to be done in the kernel.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) replies: Vec<Reply>,
    pub(super) effects: Vec<Effect>,
}

impl Ledger {
    /// The ledger as the store remembers it, and the records that tell the store of a new boot. They are
    /// for the daemon, with which the meters go on; whoever only looks, or makes vouchers, leaves them.
    pub(super) fn open(
        store: Store,
        restored: Restored,
        plans: Vec<Plan>,
        limits: Limits,
        boot: &BootId,
        clock: Clock,
    ) -> (Self, Vec<Record>) {
        let (gate, records) = Gate::restore(restored, plans, limits, boot, clock.now());
        (
            Self {
                gate,
                store,
                clock,
                trouble: None,
                has_facts: false,
                has_claims: false,
                unreadable: false,
                first: Vec::new(),
            },
            records,
        )
    }

    /// Begins with `records`. A store that takes nothing now may do so later; guests who paid are let
    /// through all the same.
    pub(super) async fn begin(&mut self, records: Vec<Record>) {
        self.first = records;
        let _ = self.commit(Vec::new()).await;
        let now = self.clock.now();
        if now.trust == Trust::Trusted {
            self.gate.checkpoint_soon(now);
        }
    }

    /// What the store knows of codes. A failure is told the first time: guests may try as often as they like.
    pub(super) async fn find(&mut self, codes: Vec<CodeKey>) -> Result<Vec<Option<Voucher>>, StoreError> {
        let found = self.store.find(codes).await;
        if let (Err(error), false) = (&found, self.unreadable) {
            tracing::error!(event = "store_unreadable", %error, "no code can be redeemed until this is mended");
        }
        self.unreadable = found.is_err();
        found
    }

    /// Decides `inputs` in their order; [`Ledger::conclude`] commits them together. Before an answer closes
    /// sessions, `count_out` shuts their devices out and says what they have counted, so that what is
    /// written is what was used.
    pub(super) fn decide(
        &mut self,
        inputs: Vec<Input>,
        mut count_out: impl FnMut(&[Effect]) -> Vec<Usage>,
    ) -> Pending {
        let now = self.clock.now();
        let mut pending = Pending::default();
        for input in inputs {
            let mut decision = self.gate.decide(input.clone(), now);
            if self.counted_out(&decision, &mut pending, &mut count_out, now) {
                decision = self.gate.decide(input, now);
            }
            let reply = decision.reply.clone();
            let written = self.take(decision, &mut pending, now);
            pending.replies.push((reply, written));
        }
        pending
    }

    /// Decides and commits what closes no session.
    pub(super) async fn transact(&mut self, inputs: Vec<Input>) -> Outcome {
        let pending = self.decide(inputs, |_| Vec::new());
        self.conclude(pending).await
    }

    /// Commits what was decided, and says what came of it.
    pub(super) async fn conclude(&mut self, pending: Pending) -> Outcome {
        let Pending { replies, mut effects, records } = pending;
        let failed = self.commit(records).await.is_err();
        if failed {
            self.gate.revert();
            effects.clear();
        }
        self.gate.settle();
        let replies = replies.into_iter().map(|(reply, written)| {
            let stands = !failed || !(written == Written::Durably || depends_on_others(&reply));
            if stands { reply } else { Reply::Refused(Refusal::NotStored) }
        });
        Outcome { replies: replies.collect(), effects }
    }

    /// What time alone has brought about, for [`Ledger::conclude_due`].
    pub(super) fn due(&mut self, mut count_out: impl FnMut(&[Effect]) -> Vec<Usage>) -> Pending {
        let now = self.clock.now();
        let mut pending = Pending::default();
        let mut decision = self.gate.due(now);
        if self.counted_out(&decision, &mut pending, &mut count_out, now) {
            decision = self.gate.due(now);
        }
        self.take(decision, &mut pending, now);
        pending
    }

    /// Commits what time has brought about. Its effects close things, so they are due even if the record of
    /// it could not be written.
    pub(super) async fn conclude_due(&mut self, pending: Pending) -> Vec<Effect> {
        let now = self.clock.now();
        if self.commit(pending.records).await.is_err() {
            self.gate.revert();
        }
        self.gate.settle();
        self.gate.checkpoint_done(now);
        pending.effects
    }

    /// Whether there was something to count before `decision`, which is then to be made anew.
    fn counted_out(
        &mut self,
        decision: &Decision,
        pending: &mut Pending,
        count_out: &mut impl FnMut(&[Effect]) -> Vec<Usage>,
        now: Now,
    ) -> bool {
        if !decision.effects.iter().any(|effect| matches!(effect, Effect::Evict { .. })) {
            return false;
        }
        let counted = count_out(&decision.effects);
        if counted.is_empty() {
            return false;
        }
        let counted = self.gate.decide(Input::Counted(counted), now);
        self.take(counted, pending, now);
        true
    }

    fn take(&mut self, decision: Decision, pending: &mut Pending, now: Now) -> Written {
        let Decision { records, effects, .. } = decision;
        self.gate.apply(&records, now);
        let before = pending.records.len();
        pending.records.extend(records.into_iter().filter(Record::is_durable));
        pending.effects.extend(effects);
        if pending.records.len() > before { Written::Durably } else { Written::Nothing }
    }

    /// Writes the meters down and closes the store, for an orderly stop.
    pub(super) async fn close(mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        self.commit(self.gate.last_words(now)).await?;
        self.store.close().await.map_err(Fault::Store)
    }

    async fn commit(&mut self, records: Vec<Record>) -> Result<(), Fault> {
        let records: Vec<_> = self.first.iter().cloned().chain(records).collect();
        if records.is_empty() {
            return Ok(());
        }
        let has_facts = records.iter().any(|record| matches!(record, Record::Queued(_)));
        let is_claim =
            |record: &Record| matches!(record, Record::ClaimOpened(_) | Record::ClaimClosed { .. });
        let has_claims = records.iter().any(is_claim);
        match self.store.commit(records).await {
            Ok(()) => {
                self.has_facts |= has_facts;
                self.has_claims |= has_claims;
                self.first.clear();
                if self.trouble.take().is_some() {
                    tracing::warn!(event = "store_recovered", "the store takes records again");
                }
                Ok(())
            }
            Err(error) => {
                if self.trouble.is_none() {
                    tracing::error!(event = "store_failed", %error, "nothing can be sold until this is mended");
                }
                self.trouble = Some(error.to_string().into());
                Err(Fault::Store(error))
            }
        }
    }
}

/// Whether an answer that wrote nothing rests on another one of the same batch, which did.
fn depends_on_others(reply: &Reply) -> bool {
    match reply {
        Reply::Online(_) | Reply::Refused(Refusal::InUse | Refusal::WrongDevice | Refusal::Full) => true,
        Reply::Closed(_) | Reply::Waiting | Reply::Done | Reply::Refused(_) => false,
    }
}
