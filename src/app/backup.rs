//! A state taken along: copied while all goes on, packed into one file, and put in the place of another.
//!
//! Owns: which files are a state, and what of a restored one must not be as it was. Never: the form of the file
//! (`backup`), or how one state takes the place of another (`store`). Neighbours: `ask` for the daemon, `vouchers`
//! without one; packing and restoring are done by the command itself.
//!
//! A restored database has a new name towards the cloud, so that no event of its is taken for another's, and reads the
//! feed from its start, so that what the cloud took back meanwhile is taken back here. What was redeemed here since
//! nobody can know.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::ask::{Asked, Later};
use super::desk::Desk;
use super::fault::Fault;
use super::ledger::Ledger;
use super::{enrolment, limits, on_runtime, owner, roles, trail};
use crate::backup::{self, BackupError, Manifest};
use crate::clock::Clock;
use crate::config::{self, Config, Gateway};
use crate::domain::{Action, Actor, End, Input, Wall};
use crate::store::{OpenError, Opened, Staging, Store, StoreError};
use crate::wire::control::{Answer, BackedUp, Code, Copied, Failure, Restored};

const DATABASE: &str = "lango.db";
const KEY: &str = "device.key";
const ENROLMENT: &str = "enrolment.json";
/// Of `option site_key_file`, wherever that is.
const SITE_KEY: &str = "site.key";

impl Desk {
    /// Has the copy made beside the loop, which goes on meanwhile.
    pub(super) async fn back_up(&mut self, by: &Actor) -> Later {
        self.note(by, Action::Backup, String::new()).await;
        let (store, now) = (self.ledger.store.clone(), self.ledger.clock.now().wall);
        let gateway = self.config.borrow().gateway.clone();
        Box::pin(async move { copied(&store, &gateway, now).await })
    }
}

/// Does the same without a daemon.
pub(super) async fn back_up_now(ledger: &mut Ledger, config: &Config, by: &Actor) -> Asked<Answer> {
    trail::note(ledger, by, Action::Backup, String::new()).await;
    copied(&ledger.store, &config.gateway, ledger.clock.now().wall).await
}

async fn copied(store: &Store, gateway: &Gateway, now: Wall) -> Asked<Answer> {
    let copy = store.copy_now(now).await.map_err(|error: StoreError| {
        let remedy = "free some space in option state_dir; lango doctor says more";
        Failure::new(Code::NotStored, format!("the store cannot be copied: {error}"), remedy)
    })?;
    let enrolment = gateway.state_dir.join(ENROLMENT);
    let files = [
        Some((DATABASE, copy)),
        Some((KEY, gateway.state_dir.join(KEY))),
        Some((ENROLMENT, enrolment)).filter(|(_, path)| path.exists()),
        gateway.site_key_file.clone().map(|path| (SITE_KEY, path)),
    ];
    let files = files.into_iter().flatten().map(|(name, path)| (name.to_owned(), path.display().to_string()));
    Ok(Answer::Backup(Copied { made: now.to_string(), site: gateway.site.clone(), files: files.collect() }))
}

/// Packs what was copied into `to`.
pub fn pack(copied: &Copied, to: &Path, passphrase: Option<&str>) -> Result<BackedUp, Failure> {
    let sources: Vec<_> =
        copied.files.iter().map(|(name, path)| (name.clone(), PathBuf::from(path))).collect();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest =
        Manifest { made: copied.made.clone(), version, site: copied.site.clone(), parts: Vec::new() };
    let bytes = backup::write(to, manifest, &sources, passphrase).map_err(|error| failure(to, &error))?;
    let (file, sealed) = (to.display().to_string(), passphrase.is_some());
    Ok(BackedUp { file, bytes, sealed, made: copied.made.clone(), site: copied.site.clone() })
}

/// Puts the state of the backup `from` in the place of that of the configuration at `config`.
pub fn restore(config: &Path, from: &Path, passphrase: Option<&str>) -> Result<Restored, Failure> {
    let wrong = |error: BackupError| failure(from, &error);
    let fault = |fault: Fault| enrolment::failure(&fault);
    // What an enrolment left here may be what is wrong.
    let config = config::load(config).map_err(|error| fault(Fault::Load(error)))?.config;
    let backup = File::open(from)
        .map_err(|error| wrong(error.into()))
        .and_then(|file| backup::Backup::open(file, passphrase).map_err(wrong))?;
    let manifest = backup.manifest.clone();
    let gateway = &config.gateway;
    let staging = Staging::begin(&gateway.state_dir).map_err(not_begun)?;
    let mut site_key = None;
    let mut make = |name: &str| match name {
        DATABASE | KEY | ENROLMENT => staging.file(name),
        SITE_KEY => {
            site_key = Some(staging.dir.join(SITE_KEY));
            staging.file(name)
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    };
    backup.unpack(&mut make).map_err(wrong)?;
    keep_site_key(gateway, site_key.as_deref())?;
    let restored = on_runtime(begin_anew(&staging, &config, manifest)).map_err(fault)?.map_err(fault)?;
    owner::make_over_to_user(gateway, &staging.dir).map_err(fault)?;
    staging.commit().map_err(|error| fault(Fault::Open(error)))?;
    owner::hand_over(gateway).map_err(fault)?;
    Ok(restored)
}

fn not_begun(error: OpenError) -> Failure {
    if matches!(error, OpenError::Busy { .. }) {
        let remedy = "stop the daemon first: /etc/init.d/lango stop";
        return Failure::new(Code::Refused, error.to_string(), remedy);
    }
    enrolment::failure(&Fault::Open(error))
}

/// The store as it goes on: noted, named anew, and to be told by the cloud what is so.
async fn begin_anew(staging: &Staging, config: &Config, from: Manifest) -> Result<Restored, Fault> {
    let Opened { store, restored, report, device } = staging.open().map_err(Fault::Open)?;
    let clock = Clock::new();
    clock.not_before(restored.floor);
    clock.refresh();
    let boot = clock.boot_id().map_err(|error| Fault::System { what: "boot id", error })?;
    let end = restored.trail.clone();
    let (mut ledger, _) = Ledger::open(store, restored, config.plans.clone(), limits(config), &boot, clock);
    let head = |end: &End| format!("{} {}", end.seq, end.hash.chars().take(16).collect::<String>());
    let replaced = staging.replaced.as_ref().map(|end| format!(", in place of trail {}", head(end)));
    let detail = format!(
        "backup of {}, made by {}, trail {}{}",
        from.made,
        from.version,
        head(&end),
        replaced.unwrap_or_default()
    );
    let noted = Input::Noted { by: roles::at_terminal(), action: Action::Restore, detail };
    ledger.transact(vec![Input::StartOver, noted]).await;
    if let Some(why) = ledger.trouble {
        return Err(Fault::Store(StoreError::Io(why.to_string())));
    }
    ledger.store.close().await.map_err(Fault::Store)?;
    let (made, site, unreadable_days) = (from.made, from.site, report.foreign_days);
    Ok(Restored { made, site, device, trail: end.seq, unreadable_days })
}

/// The operator's site key, under which the codes were hashed: it is put where the configuration has it, or is there.
fn keep_site_key(gateway: &Gateway, unpacked: Option<&Path>) -> Asked<()> {
    let refused = |what: String, remedy: &str| Err(Failure::new(Code::Refused, what, remedy));
    let io = |path: &Path, error: &io::Error| {
        let what = format!("{}: {error}", path.display());
        Failure::new(Code::BadFile, what, "see that option site_key_file can be written")
    };
    match (unpacked, &gateway.site_key_file) {
        (None, None) => Ok(()),
        (None, Some(_)) => refused(
            "the backup has no site key, and option site_key_file names one: its codes would be unknown".to_owned(),
            "take the option out of the configuration, and restore again",
        ),
        (Some(_), None) => refused(
            "the backup has a site key of a file, and the configuration names none: its codes would be unknown".to_owned(),
            "set option site_key_file '/etc/lango/site.key' in section gateway, and restore again",
        ),
        (Some(unpacked), Some(path)) => {
            let key = std::fs::read(unpacked).map_err(|error| io(unpacked, &error))?;
            match std::fs::read(path) {
                Ok(there) if there == key => Ok(()),
                Ok(_) => refused(
                    format!("{} is another site key than that of the backup", path.display()),
                    "move it elsewhere, and restore again",
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let kept = backup::keep(path, &key).map_err(|error| io(path, &error))?;
                    owner::give_to_user(gateway, &kept).map_err(|fault| enrolment::failure(&fault))
                }
                Err(error) => Err(io(path, &error)),
            }
        }
    }
}

fn failure(path: &Path, error: &BackupError) -> Failure {
    let code = match error {
        BackupError::Newer(_) => Code::Internal,
        BackupError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Code::NoPermission,
        BackupError::NotOne
        | BackupError::Damaged
        | BackupError::PassphraseNeeded
        | BackupError::PassphraseWrong
        | BackupError::Io(_) => Code::BadFile,
    };
    Failure::new(code, format!("{}: {error}", path.display()), error.remedy())
}
