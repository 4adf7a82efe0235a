//! Stands where the wiring will: no daemon, no store. Delete this file when `app/mod.rs` takes its place.

use std::fmt;
use std::path::Path;

use crate::process::Exit;
use crate::wire::control::{Code, Failure, Request, Response};

/// Why the daemon ended.
#[derive(Debug)]
pub struct Fault;

impl Fault {
    /// The exit code that tells the caller what kind of failure it was.
    pub fn exit(&self) -> Exit {
        Exit::Internal
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build has no daemon")
    }
}

/// Runs the daemon with the configuration at `path` until it is told to stop.
pub fn run(_path: &Path) -> Result<(), Fault> {
    Err(Fault)
}

/// Does what `request` asks without a daemon.
pub fn offline(_path: &Path, _request: Request) -> Response {
    Response::Error(Failure::new(Code::Unsupported, "this build cannot work offline", ""))
}
