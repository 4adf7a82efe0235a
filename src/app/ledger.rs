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
    BootId, CodeKey, Decision, Effect, Gate, Input, Limits, Plan, Record, Refusal, Reply, Restored, Trust,
    Voucher,
};
use crate::store::{Store, StoreError};

/// Everything that was sold, in memory and on flash.
pub(super) struct Ledger {
    pub(super) gate: Gate,
    pub(super) store: Store,
    pub(super) clock: Clock,
    /// Why the last commit failed, until one succeeds.
    pub(super) trouble: Option<Rc<str>>,
    /// Whether the last look into the store failed, and that was said.
    unreadable: bool,
    /// What has to be on flash before anything else: until then the stamps there are of an older boot.
    first: Vec<Record>,
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
        (Self { gate, store, clock, trouble: None, unreadable: false, first: Vec::new() }, records)
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

    /// Decides `inputs` in their order, commits them together, and says what came of it.
    pub(super) async fn transact(&mut self, inputs: Vec<Input>) -> Outcome {
        let now = self.clock.now();
        let (mut outcome, mut durable, mut written) = (Outcome::default(), Vec::new(), Vec::new());
        for input in inputs {
            let Decision { records, effects, reply } = self.gate.decide(input, now);
            self.gate.apply(&records, now);
            written.push(records.iter().any(Record::is_durable));
            durable.extend(records.into_iter().filter(Record::is_durable));
            outcome.effects.extend(effects);
            outcome.replies.push(reply);
        }
        if self.commit(durable).await.is_err() {
            self.gate.revert();
            outcome.effects.clear();
            for (reply, written) in outcome.replies.iter_mut().zip(written) {
                if written || depends_on_others(reply) {
                    *reply = Reply::Refused(Refusal::NotStored);
                }
            }
        }
        self.gate.settle();
        outcome
    }

    /// What time alone has brought about. Its effects close things, so they are due even if the record of
    /// it could not be written.
    pub(super) async fn tick(&mut self) -> Vec<Effect> {
        let now = self.clock.now();
        let Decision { records, effects, .. } = self.gate.due(now);
        self.gate.apply(&records, now);
        if self.commit(records).await.is_err() {
            self.gate.revert();
        }
        self.gate.settle();
        self.gate.checkpoint_done(now);
        effects
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
        match self.store.commit(records).await {
            Ok(()) => {
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
        Reply::Closed(_) | Reply::Done | Reply::Refused(_) => false,
    }
}
