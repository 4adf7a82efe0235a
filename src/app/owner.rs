//! Who runs the daemon: `option user`.
//!
//! Owns: which files are made over to that user while root still can, and that root's powers are given up then.
//! Never: how (`process`). Neighbours: `mod` calls it before anything is opened.
//!
//! Files of the operator's stay whose they are: certificate, key, token and site key have to be readable to the user,
//! at the start and whenever they are read again.

use std::fs::File;
use std::path::Path;

use super::fault::Fault;
use crate::config::{ConfigError, Gateway, Parsed};
use crate::portal::{advert_folder, is_of_advert};
use crate::process::{Owner, become_user, confine, give, is_root, make_over};
use crate::store;

/// Makes the directories of the daemon the user's, with what is in them of ours. Only root has something to give.
pub(super) fn hand_over(gateway: &Gateway) -> Result<(), Fault> {
    let Some(owner) = owner(gateway)?.filter(|_| is_root()) else { return Ok(()) };
    let told = advert_folder(&gateway.run_dir);
    let made = make_over(&gateway.state_dir, 0o700, owner, store::is_of_store)
        .and_then(|()| make_over(&gateway.run_dir, 0o755, owner, is_of_advert))
        .and_then(|()| if told.is_dir() { make_over(&told, 0o755, owner, |_| true) } else { Ok(()) });
    made.map_err(|error| Fault::System { what: "directories for option user", error })
}

/// Makes `dir` the user's, with all that is in it.
pub(super) fn make_over_to_user(gateway: &Gateway, dir: &Path) -> Result<(), Fault> {
    let Some(owner) = owner(gateway)?.filter(|_| is_root()) else { return Ok(()) };
    make_over(dir, 0o700, owner, |_| true)
        .map_err(|error| Fault::System { what: "directories for option user", error })
}

/// Gives `file` to the user.
pub(super) fn give_to_user(gateway: &Gateway, file: &File) -> Result<(), Fault> {
    let Some(owner) = owner(gateway)?.filter(|_| is_root()) else { return Ok(()) };
    give(file, owner).map_err(|error| Fault::System { what: "file for option user", error })
}

/// Becomes the user, with what is left of root's powers to a gateway. Who is not root any more keeps its name.
pub(super) fn step_down(gateway: &Gateway) -> Result<(), Fault> {
    hand_over(gateway)?;
    let done = match (&gateway.user, owner(gateway)?) {
        (None, _) => Ok(()),
        (Some(_), Some(owner)) if is_root() => become_user(owner),
        (Some(_), _) => confine(),
    };
    done.map_err(|error| Fault::System { what: "option user", error })
}

/// What `lango check` finds wrong with the user.
pub(super) fn errors(parsed: &Parsed) -> Option<ConfigError> {
    let fault = owner(&parsed.config.gateway).err()?;
    Some(parsed.error("gateway", "user", fault.to_string()))
}

fn owner(gateway: &Gateway) -> Result<Option<Owner>, Fault> {
    let Some(name) = &gateway.user else { return Ok(None) };
    match Owner::named(name) {
        Ok(Some(owner)) => Ok(Some(owner)),
        // Inside a jail, users may have no names.
        Ok(None) | Err(_) if !is_root() => Ok(None),
        Ok(None) => Err(Fault::NoSuchUser(name.clone())),
        Err(error) => Err(Fault::System { what: "option user", error }),
    }
}
