//! What is too old goes: when the loop looks for it.
//!
//! Owns: how often that is, and that it goes in steps, so that no guest waits for more than one. Never: what is too
//! old (`domain/retention.rs`), what is deleted (`store`). Neighbour: `desk`.

use std::time::Duration;

use super::desk::Desk;
use crate::domain::{Boot, Input, Now, Reply};

/// A look whether something is too old, and whether a good copy of the store is due: it spares the flash and makes one
/// a day, or when something went.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// The first look is this long after the start.
const FIRST_LOOK: Duration = Duration::from_secs(10 * 60);
/// Between two steps of a purge others have their turn.
const PAUSE: Duration = Duration::from_millis(200);

/// When the next look is, and why.
pub(super) struct Ageing {
    pub(super) next_look: Boot,
    cause: Cause,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Time,
    /// The operator wants less to be kept, or more.
    Wish,
}

impl Ageing {
    pub(super) fn beginning(now: Boot) -> Self {
        Self { next_look: now.plus(FIRST_LOOK), cause: Cause::Time }
    }

    /// The operator wants something else from now on.
    pub(super) fn has_changed(&mut self, now: Boot) {
        *self = Self { next_look: now, cause: Cause::Wish };
    }
}

impl Desk {
    /// Lets some of what is too old go. When there is no more of it, a copy is made without.
    pub(super) async fn look_at_age(&mut self) {
        let now = self.ledger.clock.now();
        if self.purge_a_little(now).await {
            self.ageing.next_look = now.boot.plus(PAUSE);
            return;
        }
        self.ageing.next_look = now.boot.plus(LOOK);
        self.keep_copy();
    }

    /// Whether something was too old, and went.
    async fn purge_a_little(&mut self, now: Now) -> bool {
        let Some(bound) = self.ledger.gate.overdue(now) else { return false };
        let apart = match self.ageing.cause {
            Cause::Time => self.ledger.gate.purges_apart(),
            Cause::Wish => Duration::ZERO,
        };
        match self.ledger.store.overdue(bound, apart, now.wall).await {
            Ok(overdue) if overdue.is_empty() => {
                self.ageing.cause = Cause::Time;
                false
            }
            Ok(overdue) => {
                matches!(self.transact(vec![Input::Purge(overdue)]).await.as_slice(), [Reply::Done])
            }
            Err(error) => {
                tracing::warn!(event = "purge_failed", %error, "what is too old stays until this is mended");
                false
            }
        }
    }
}
