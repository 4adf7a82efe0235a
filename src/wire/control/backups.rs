//! What is said of backups, as JSON. Fields may be added, never renamed.

use serde::{Deserialize, Serialize};

/// What the daemon has copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// RFC 3339: when.
    pub made: String,
    pub site: String,
    /// What belongs to a backup: its name there, and where it is.
    pub files: Vec<(String, String)>,
}

/// `lango backup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    pub file: String,
    pub bytes: u64,
    /// By a passphrase.
    pub sealed: bool,
    /// RFC 3339.
    pub made: String,
    pub site: String,
}

/// `lango restore`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// RFC 3339: when the backup was.
    pub made: String,
    pub site: String,
    /// What the cloud calls the store from now on.
    pub device: String,
    /// Number of the last row of the trail that came along.
    pub trail: u64,
    /// Days of which nothing that is a person's opens with the key that came along.
    pub unreadable_days: u64,
}
