//! `lango hold`: closes the guest network before anybody can be there, without a daemon.
//!
//! Owns: that guests are held from boot on, also by a configuration with errors. Never: opens anything, or takes
//! away what a living table lets through. Neighbours: `base`, `owner`; the daemon adopts the table later.

use std::path::Path;

use super::base::base_of;
use super::fault::Fault;
use super::{ended, owner};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::nft::{Nft, Start};
use crate::process::Exit;

/// Loads the closed table, unless there is one, and makes ready what is to be the daemon's.
pub fn hold(path: &Path) -> Exit {
    ended(try_hold(path))
}

fn try_hold(path: &Path) -> Result<(), Fault> {
    let error = match config::load(path) {
        Ok(parsed) if !parsed.config.gateway.enabled => return Ok(()),
        Ok(parsed) => {
            close(&parsed.config)?;
            return owner::hand_over(&parsed.config.gateway);
        }
        Err(error) => error,
    };
    // The daemon will not start with it, so nobody else would close.
    match config::guest_networks(path) {
        Some(config) if config.gateway.enabled => close(&config)?,
        Some(_) => return Ok(()),
        None => tracing::error!(event = "not_held", "no guest network can be made out, so nobody is held"),
    }
    Err(Fault::Load(error))
}

fn close(config: &Config) -> Result<(), Fault> {
    let mut nft = Nft::open().map_err(Fault::Nft)?;
    let how = nft.hold(&base_of(config), Clock::new().now().boot).map_err(Fault::Nft)?;
    let interfaces = config.gateway.interfaces.join(" ");
    match how {
        Start::Installed => {
            tracing::info!(event = "held", interfaces, "guests are held until the daemon starts")
        }
        Start::Adopted => {
            tracing::debug!(event = "held_already", "table inet lango is there, and stays as it is")
        }
    }
    Ok(())
}
