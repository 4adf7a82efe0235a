//! The trail, as SQL.
//!
//! Owns: the statements for `audit`, and that `meta` says where it ends. Never: how a row is bound
//! (`domain/audit.rs`).

use rusqlite::{Connection, Statement, params};

use super::int;
use crate::domain::Noted;
use crate::store::StoreError;

/// The statements that write the trail.
pub(super) struct Audit<'c> {
    add: Statement<'c>,
    set_end: Statement<'c>,
}

impl<'c> Audit<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            add: conn.prepare("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            set_end: conn.prepare("UPDATE meta SET audit_end = ?1, audit_end_hash = ?2")?,
        })
    }

    pub(super) fn noted(&mut self, row: &Noted) -> Result<(), StoreError> {
        let Noted { seq, at, clock, who, action, detail, hash } = row;
        self.add.execute(params![int(*seq), at.as_secs(), clock, who, action, detail, hash])?;
        self.set_end.execute(params![int(*seq), hash])?;
        Ok(())
    }
}
