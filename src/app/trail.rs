//! The trail of what was done, as operators see it, and what the daemon notes of itself.
//!
//! Owns: who an operator is, and the answers of `lango audit`. Never: what a row says (the Gate), or how rows are bound
//! (`domain::audit`). Neighbours: `ask` and `vouchers` order, `desk` starts, stops and reloads.

use std::path::Path;

use ring::digest::{SHA256, digest};

use super::ask::Asked;
use super::desk::Desk;
use super::ledger::Ledger;
use super::vouchers::unreadable;
use crate::domain::{Action, Actor, Input, Noted};
use crate::store::{Found, Instead};
use crate::wire::control::{Answer, AuditRow, AuditWhole, Code, Failure};

/// Rows that are shown, the latest: what an answer may hold, several times over.
const SHOWN: u64 = 20_000;

impl Desk {
    /// Reads the configuration anew by a signal, which does not say whose it was.
    pub(super) async fn reload_as_told(&mut self) {
        if self.reload().await {
            self.note(&Actor::Gateway, Action::Reload, fingerprint(&self.path)).await;
        }
    }

    /// Notes what was done beside the Gate. A store that takes nothing says so itself.
    pub(super) async fn note(&mut self, by: &Actor, action: Action, detail: String) {
        self.transact(vec![noted(by, action, detail)]).await;
    }
}

/// `input`, as an order of somebody that the trail is to tell.
pub(super) fn ordered(by: &Actor, action: Action, input: Input) -> Input {
    Input::Ordered { by: by.clone(), action, input: Box::new(input) }
}

/// That somebody has done what is done beside the Gate.
pub(super) fn noted(by: &Actor, action: Action, detail: String) -> Input {
    Input::Noted { by: by.clone(), action, detail }
}

/// Notes what is done beside the Gate. It is done without a row as well: a store that takes nothing says so itself,
/// and nobody has to wait for better flash to be told what is stored of him.
pub(super) async fn note(ledger: &mut Ledger, by: &Actor, action: Action, detail: String) {
    ledger.transact(vec![noted(by, action, detail)]).await;
}

/// What the daemon begins with: the configuration at `path`, and a store that was found so. Rows that went with a
/// damaged one are missed by nobody else.
pub(super) fn beginning(path: &Path, found: &Found) -> String {
    let store = match found {
        Found::Clean | Found::Unclosed => "",
        Found::Nothing => ", a new store",
        Found::Missing => ", the store was missing: its last good copy serves",
        Found::Damaged { instead: Instead::Copy, .. } => ", the store was damaged: its last good copy serves",
        Found::Damaged { instead: Instead::Empty, .. } => ", the store was damaged: a new one serves",
        Found::ReadOnly => ", the store can only be read",
    };
    format!("version {}, {}{store}", env!("CARGO_PKG_VERSION"), fingerprint(path))
}

/// What tells one text of the configuration from another.
fn fingerprint(path: &Path) -> String {
    let Ok(text) = std::fs::read(path) else { return "configuration unreadable".to_owned() };
    let hash: String = digest(&SHA256, &text).as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("configuration {hash}")
}

/// The rows there are.
pub(super) async fn shown(ledger: &Ledger) -> Asked<Answer> {
    let rows = ledger.store.trail(SHOWN).await.map_err(unreadable)?;
    Ok(Answer::Audit(rows.into_iter().map(row).collect()))
}

/// Whether all rows are there as they were written.
pub(super) async fn verified(ledger: &Ledger) -> Asked<Answer> {
    match ledger.store.verify_trail().await.map_err(unreadable)? {
        Ok((rows, end)) => Ok(Answer::AuditVerify(AuditWhole { rows, last: end.seq, hash: end.hash })),
        Err(broken) => {
            let remedy = "somebody has written into the database: compare with what the cloud was told, and see who \
                          can reach state_dir";
            Err(Failure::new(Code::TrailBroken, broken.to_string(), remedy))
        }
    }
}

/// As it is shown.
pub(super) fn row(noted: Noted) -> AuditRow {
    let Noted { seq, at, clock, who, action, detail, hash } = noted;
    AuditRow { seq, at: at.to_string(), clock, who, action, detail, hash }
}
