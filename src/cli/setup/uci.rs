//! The command `uci` of OpenWrt: what the settings are, and changing them.
//!
//! Owns: starting it, each argument as it is, without a shell. `setup` is a command that an operator runs; the daemon
//! starts nothing. Never: what is changed.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::settings::{PACKAGES, Settings};
use crate::cli::Failure;
use crate::config;
use crate::telemetry::clean;
use crate::wire::control::Code;

/// The settings in a folder.
pub(super) struct Uci {
    /// `None`: uci knows where.
    folder: Option<PathBuf>,
}

impl Uci {
    /// The settings beside the configuration of Lango, if that is not in its usual place.
    pub(super) fn beside(config: Option<&Path>) -> Self {
        Self { folder: config.and_then(Path::parent).map(Path::to_owned) }
    }

    /// The settings, with what is staged and not committed.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for package in PACKAGES {
            // Not every machine has all of them.
            let Some(text) = self.run(&["-q", "export", package], None)? else { continue };
            let sections = config::uci_sections(&text).map_err(|why| {
                let why = format!("what uci tells of {package} cannot be read: {}", clean(&why));
                Failure::new(
                    Code::Configuration,
                    why,
                    "see 'uci export', and set the guest network up by hand",
                )
            })?;
            settings.0.push((package, sections));
        }
        Ok(settings)
    }

    /// The packages among those of a hotspot that somebody has changed and not committed.
    pub(super) fn pending(&self) -> Result<Vec<&'static str>, Failure> {
        let mut pending = Vec::new();
        for package in PACKAGES {
            if self.run(&["-q", "changes", package], None)?.is_some_and(|text| !text.trim().is_empty()) {
                pending.push(package);
            }
        }
        Ok(pending)
    }

    /// Stages changes; a line that uci does not take is left out.
    pub(super) fn stage(&self, lines: &[String]) -> Result<(), Failure> {
        let batch = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        self.run(&["-q", "batch"], Some(&batch)).map(|_| ())
    }

    /// Makes what is staged last.
    pub(super) fn commit(&self, packages: &[String]) -> Result<(), Failure> {
        self.each("commit", packages)
    }

    /// Forgets what is staged.
    pub(super) fn revert(&self, packages: &[String]) -> Result<(), Failure> {
        self.each("revert", packages)
    }

    fn each(&self, verb: &str, packages: &[String]) -> Result<(), Failure> {
        for package in packages {
            if self.run(&["-q", verb, package], None)?.is_none() {
                let why = format!("uci refuses to {verb} {package}");
                return Err(Failure::new(Code::NotStored, why, "is the flash full, or read-only?"));
            }
        }
        Ok(())
    }

    /// What it prints; `None`: it failed.
    fn run(&self, arguments: &[&str], stdin: Option<&str>) -> Result<Option<String>, Failure> {
        let broken = |why: String| Failure::new(Code::Unsupported, why, "'lango setup' is for OpenWrt");
        #[expect(clippy::disallowed_methods, reason = "a command for operators, not the daemon")]
        let mut command = Command::new("uci");
        if let Some(folder) = &self.folder {
            command.arg("-c").arg(folder);
        }
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| {
            let is_missing = error.kind() == ErrorKind::NotFound;
            broken(if is_missing {
                "there is no uci on this system".to_owned()
            } else {
                format!("uci cannot be started: {error}")
            })
        })?;
        let mut pipe = child.stdin.take();
        // One that ends early says so by its exit code.
        let _ = pipe.as_mut().map(|pipe| pipe.write_all(stdin.unwrap_or_default().as_bytes()));
        drop(pipe);
        let output = child.wait_with_output().map_err(|error| broken(format!("uci: {error}")))?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}
