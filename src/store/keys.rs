//! The secrets beside the database: the device key, and what an enrolment brought.
//!
//! Owns: `device.key` in the state directory: 32 random bytes made once, from which all keyed hashes of this gateway are
//! made, and behind them 32 more that `lango key rotate` renews, under which the store is sealed; while that is under way
//! the new ones stand behind the old ones. If it is sealed under a key of the cloud as well, there follows what that key
//! is known by, in the fourth place. `enrolment.json`. Both readable by their owner only, and written under a temporary
//! name, so that a power cut leaves either nothing or the whole.
//! Never: what is derived from the key, or what an enrolment says. Neighbours: `clock` gives the random bytes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::hmac;

use crate::clock;

const NAME: &str = "device.key";
const ENROLMENT: &str = "enrolment.json";
/// Bytes of an enrolment; the certificates of a cloud are most of it.
const ENROLMENT_MAX: u64 = 256 * 1024;
const LENGTH: usize = 32;
/// In place of a secret that there is not.
const NONE: Secret = [0; LENGTH];

/// Why a secret cannot be had or kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The file is not 32, 64, 96 or 128 bytes long.
    Length { path: PathBuf, found: u64 },
    /// Others may read the file.
    Loose { path: PathBuf, mode: u32 },
    /// The system refused.
    Io { path: PathBuf, doing: &'static str, why: String },
}

impl KeyError {
    fn io(path: &Path, doing: &'static str, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, why: error.to_string() }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { path, found } => write!(
                f,
                "{} has {found} bytes, not as many as keys: restore it from a backup; without it no code that was sold is known",
                path.display()
            ),
            Self::Loose { path, mode } => write!(
                f,
                "{} may be read by others (mode {mode:04o}): chmod 600 it, and think about who has read it",
                path.display()
            ),
            Self::Io { path, doing, why } => write!(f, "cannot {doing} {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for KeyError {}

/// Whether the device key is there, whatever its state.
pub fn has_device_key(state_dir: &Path) -> bool {
    state_dir.join(NAME).exists()
}

/// The device key; makes it if there is none. Call it after `open`, whose lock keeps two first starts
/// apart.
pub fn device_key(state_dir: &Path) -> Result<[u8; LENGTH], KeyError> {
    let path = state_dir.join(NAME);
    match File::open(&path) {
        Ok(file) => read(file, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => make(state_dir, &path),
        Err(error) => Err(KeyError::io(&path, "open", &error)),
    }
}

/// All of the device key.
pub(super) struct Secrets {
    pub(super) device: Secret,
    /// Under it, and the device's, the store is sealed.
    pub(super) store: Option<Secret>,
    /// Under it the store is perhaps sealed already.
    pub(super) next: Option<Secret>,
    /// By it the key of the cloud is known, under which the store is perhaps sealed as well.
    pub(super) cloud: Option<Secret>,
}

pub(super) type Secret = [u8; LENGTH];

/// The key that the cloud keeps for a site (`option key_from_cloud`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloudKey(Secret);

impl CloudKey {
    /// As the cloud handed it out.
    pub const fn new(key: [u8; LENGTH]) -> Self {
        Self(key)
    }

    pub(super) fn reveal(&self) -> &Secret {
        &self.0
    }

    /// What tells it from others, and nothing of it.
    pub(super) fn mark(&self) -> Secret {
        derive(&self.0, b"lango cloud key mark 1")
    }
}

impl fmt::Debug for CloudKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudKey(…)")
    }
}

/// Another secret from `key`, for one purpose: HMAC-SHA256.
pub fn derive(key: &[u8; LENGTH], purpose: &[u8]) -> [u8; LENGTH] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose);
    let mut bytes = [0; LENGTH];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

pub(super) fn secrets(state_dir: &Path) -> Result<Secrets, KeyError> {
    let device = device_key(state_dir)?;
    let path = state_dir.join(NAME);
    let all = fs::read(&path).map_err(|error| KeyError::io(&path, "read", &error))?;
    let mut others =
        all.as_chunks().0.iter().skip(1).map(|secret| Some(*secret).filter(|secret| *secret != NONE));
    let mut other = || others.next().flatten();
    Ok(Secrets { device, store: other(), next: other(), cloud: other() })
}

/// Keeps what the store is sealed under from now on, and what it is going to be.
pub(super) fn keep_secrets(state_dir: &Path, secrets: &Secrets) -> io::Result<()> {
    let Secrets { device, store, next, cloud } = secrets;
    let behind = [*store, *next, *cloud];
    let last = behind.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let behind = behind[..last].iter().map(|secret| secret.unwrap_or(NONE));
    write(state_dir, NAME, &std::iter::once(*device).chain(behind).collect::<Vec<_>>().concat())
}

/// What an enrolment brought, if there was one.
pub fn enrolment(state_dir: &Path) -> Result<Option<Vec<u8>>, KeyError> {
    let path = state_dir.join(ENROLMENT);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyError::io(&path, "open", &error)),
    };
    kept_close(&file, &path)?;
    let mut text = Vec::new();
    file.take(ENROLMENT_MAX).read_to_end(&mut text).map_err(|error| KeyError::io(&path, "read", &error))?;
    Ok(Some(text))
}

/// Keeps what an enrolment brought, in the place of an older one.
pub fn keep_enrolment(state_dir: &Path, text: &str) -> Result<PathBuf, KeyError> {
    let path = state_dir.join(ENROLMENT);
    write(state_dir, ENROLMENT, text.as_bytes()).map_err(|error| KeyError::io(&path, "write", &error))?;
    Ok(path)
}

fn kept_close(file: &File, path: &Path) -> Result<std::fs::Metadata, KeyError> {
    let about = file.metadata().map_err(|error| KeyError::io(path, "look at", &error))?;
    if about.mode() & 0o077 != 0 {
        return Err(KeyError::Loose { path: path.to_owned(), mode: about.mode() & 0o7777 });
    }
    Ok(about)
}

fn read(mut file: File, path: &Path) -> Result<[u8; LENGTH], KeyError> {
    let about = kept_close(&file, path)?;
    if ![1, 2, 3, 4].map(|secrets| secrets * LENGTH as u64).contains(&about.len()) {
        return Err(KeyError::Length { path: path.to_owned(), found: about.len() });
    }
    let mut key = [0; LENGTH];
    file.read_exact(&mut key).map_err(|error| KeyError::io(path, "read", &error))?;
    Ok(key)
}

fn make(state_dir: &Path, path: &Path) -> Result<[u8; LENGTH], KeyError> {
    let key = clock::random::<LENGTH>();
    write(state_dir, NAME, &key).map_err(|error| KeyError::io(path, "make", &error))?;
    Ok(key)
}

fn write(state_dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = state_dir.join(format!("{name}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, state_dir.join(name))?;
    File::open(state_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_device_key(dir.path()));
        let key = device_key(dir.path()).unwrap();
        assert!(has_device_key(dir.path()));
        assert_ne!(key, [0; LENGTH]);
        assert_eq!(device_key(dir.path()), Ok(key));
        let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn an_enrolment_is_replaced_whole_and_read_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(enrolment(dir.path()), Ok(None));
        let path = keep_enrolment(dir.path(), "first").unwrap();
        fs::write(dir.path().join("enrolment.json.new"), b"half").unwrap();
        keep_enrolment(dir.path(), "second").unwrap();
        assert_eq!(enrolment(dir.path()), Ok(Some(b"second".to_vec())));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(enrolment(dir.path()), Err(KeyError::Loose { .. })));
    }

    #[test]
    fn two_gateways_have_two_keys() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_ne!(device_key(one.path()), device_key(other.path()));
    }

    #[test]
    fn what_a_power_cut_left_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("device.key.new"), b"half").unwrap();
        assert!(device_key(dir.path()).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_wrong_length_or_loose_mode_is_an_error_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(device_key(dir.path()), Err(KeyError::Length { path: path.clone(), found: 5 }));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = device_key(dir.path()).unwrap_err();
        assert!(error.to_string().contains("0644"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn the_secret_of_the_store_stands_behind_the_one_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let device = device_key(dir.path()).unwrap();
        let [one, two, three] = [1, 2, 3].map(|byte| Some([byte; LENGTH]));
        for (store, next, cloud, length) in [
            (None, None, None, 32),
            (None, one, None, 96),
            (one, None, None, 64),
            (one, two, None, 96),
            (one, None, three, 128),
            (None, one, three, 128),
            (one, two, three, 128),
        ] {
            keep_secrets(dir.path(), &Secrets { device, store, next, cloud }).unwrap();
            let read = secrets(dir.path()).unwrap();
            assert_eq!((read.device, read.store, read.next, read.cloud), (device, store, next, cloud));
            assert_eq!(device_key(dir.path()), Ok(device));
            assert_eq!(fs::metadata(dir.path().join(NAME)).unwrap().len(), length);
        }
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = device_key(&dir.path().join("gone")).unwrap_err();
        assert!(error.to_string().contains("gone/device.key"), "{error}");
    }
}
