//! The file that a backup is: a state in one piece, with a hash by which damage is found, sealed if there is a passphrase.
//!
//! Owns: its form. 32 bytes of header: `LANGO-BK`, the version (1), whether it is sealed (0 or 1), 6 zeros, 16 bytes of
//! salt. Then frames, each a length (4 bytes, big-endian) and so many bytes; one of no length ends them. At the end
//! SHA-256 over all before. The first frame is the [`Manifest`] as JSON, the others are its parts one after another.
//! Sealed frames are AES-256-GCM, numbered from 0, over the header as well; the key is argon2id of passphrase and salt.
//! Never: what the parts mean. Neighbour: `app::backup`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argon2::Argon2;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::clock;

const MAGIC: &[u8; 8] = b"LANGO-BK";
const VERSION: u8 = 1;
const HEADER: usize = 32;
const HASH: usize = 32;
/// Bytes of a frame before it is sealed, and what the seal adds.
const FRAME: usize = 64 * 1024;
const TAG: usize = 16;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// RFC 3339.
    pub made: String,
    /// Of the program that made it.
    pub version: String,
    pub site: String,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub size: u64,
}

/// Why a file is no backup, or none can be written.
#[derive(Debug)]
pub enum BackupError {
    NotOne,
    Newer(u8),
    /// It is shorter than it was, or not what was written.
    Damaged,
    PassphraseNeeded,
    PassphraseWrong,
    Io(io::Error),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged } else { Self::Io(error) }
    }
}

impl BackupError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotOne => "name a file that lango backup has written",
            Self::Newer(_) => "install the newer Lango, and restore with it",
            Self::Damaged => "take another copy of it, or an older backup: nothing was changed",
            Self::PassphraseNeeded => "name the file that holds it: --passphrase-file FILE",
            Self::PassphraseWrong => "name the file with the right one: --passphrase-file FILE",
            Self::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space there, or name another place"
            }
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "run it as root: it reads all keys, and writes a file of your own"
            }
            Self::Io(_) => "name a file in a folder that can be used, and look at the storage",
        }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOne => f.write_str("it is no backup of Lango"),
            Self::Newer(version) => {
                write!(f, "it has the form {version} of a newer Lango; this one knows {VERSION}")
            }
            Self::Damaged => f.write_str("it is damaged: it does not read as it was written"),
            Self::PassphraseNeeded => f.write_str("it is sealed by a passphrase"),
            Self::PassphraseWrong => f.write_str("the passphrase does not open it"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// Writes `bytes` to `path`, where nothing is, readable by its owner only: whole or not at all. Gives the file.
pub fn keep(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let unfinished = beside(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| put(&unfinished, path));
    if written.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    written.map(|()| file)
}

/// The name under which a file for `path` is written.
fn beside(path: &Path) -> PathBuf {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    PathBuf::from(unfinished)
}

/// Gives what is written its name, on flash.
fn put(unfinished: &Path, path: &Path) -> io::Result<()> {
    fs::rename(unfinished, path)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes the files of `sources`, by their names, to `path`: whole or not at all, and readable by its owner only.
pub fn write(
    path: &Path,
    manifest: Manifest,
    sources: &[(String, PathBuf)],
    passphrase: Option<&str>,
) -> Result<u64, BackupError> {
    let unfinished = beside(path);
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = write_all(to, manifest, sources, passphrase).and_then(|size| {
        put(&unfinished, path)?;
        Ok(size)
    });
    if written.is_err() {
        // It may have its name already.
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write_all(
    file: File,
    mut manifest: Manifest,
    sources: &[(String, PathBuf)],
    passphrase: Option<&str>,
) -> Result<u64, BackupError> {
    let open = open_all(sources)?;
    for ((name, _), file) in sources.iter().zip(&open) {
        manifest.parts.push(Part { name: name.clone(), size: file.metadata()?.len() });
    }
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    (header[8], header[9]) = (VERSION, u8::from(passphrase.is_some()));
    header[16..].copy_from_slice(&clock::random::<16>());
    let mut out = Out { file, hash: Context::new(&SHA256), seal: Seal::of(&header, passphrase), size: 0 };
    out.put(&header)?;
    out.frame(serde_json::to_vec(&manifest).map_err(io::Error::from)?)?;
    for (source, part) in open.into_iter().zip(&manifest.parts) {
        let mut left = source.take(part.size);
        loop {
            let mut chunk = Vec::new();
            if left.by_ref().take(FRAME as u64).read_to_end(&mut chunk)? == 0 {
                break;
            }
            out.frame(chunk)?;
        }
        if left.limit() > 0 {
            return Err(BackupError::Damaged);
        }
    }
    out.put(&0_u32.to_be_bytes())?;
    let hash = out.hash.clone().finish();
    out.put(hash.as_ref())?;
    out.file.sync_all()?;
    Ok(out.size)
}

/// All as they stood at one moment: a key and what it opens may get others in their place at any.
fn open_all(sources: &[(String, PathBuf)]) -> io::Result<Vec<File>> {
    let named =
        |from: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    loop {
        let open = sources.iter().map(|(_, from)| File::open(from).map_err(|error| named(from, error)));
        let open = open.collect::<io::Result<Vec<_>>>()?;
        let mut in_place = true;
        for ((_, from), file) in sources.iter().zip(&open) {
            let (there, here) = (fs::metadata(from).map_err(|error| named(from, error))?, file.metadata()?);
            in_place &= (there.dev(), there.ino()) == (here.dev(), here.ino());
        }
        if in_place {
            return Ok(open);
        }
    }
}

struct Out {
    file: File,
    hash: Context,
    seal: Seal,
    size: u64,
}

impl Out {
    fn frame(&mut self, bytes: Vec<u8>) -> Result<(), BackupError> {
        let sealed = self.seal.close(bytes);
        self.put(&u32::try_from(sealed.len()).unwrap_or(u32::MAX).to_be_bytes())?;
        self.put(&sealed)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(self.file.write_all(bytes)?)
    }
}

/// What frames are sealed with, one after another.
struct Seal {
    key: Option<LessSafeKey>,
    header: [u8; HEADER],
    number: u64,
}

impl Seal {
    fn of(header: &[u8; HEADER], passphrase: Option<&str>) -> Self {
        let key = passphrase.map(|passphrase| {
            let mut key = [0; 32];
            Argon2::default()
                .hash_password_into(passphrase.as_bytes(), &header[16..], &mut key)
                .expect("a salt of 16 bytes makes a key of 32");
            LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes are a key"))
        });
        Self { key, header: *header, number: 0 }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn close(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let (nonce, aad) = (self.nonce(), Aad::from(self.header));
        if let Some(key) = &self.key {
            key.seal_in_place_append_tag(nonce, aad, &mut bytes)
                .expect("a frame is no longer than a seal may be");
        }
        bytes
    }

    fn open(&mut self, mut bytes: Vec<u8>) -> Result<Vec<u8>, BackupError> {
        let (nonce, aad) = (self.nonce(), Aad::from(self.header));
        if let Some(key) = &self.key {
            let length =
                key.open_in_place(nonce, aad, &mut bytes).map_err(|_| BackupError::PassphraseWrong)?.len();
            bytes.truncate(length);
        }
        Ok(bytes)
    }
}

/// A backup that reads as it was written.
pub struct Backup {
    pub manifest: Manifest,
    file: io::BufReader<File>,
    seal: Seal,
}

impl Backup {
    /// Reads all of `file` once, for its hash, and then what is in it.
    pub fn open(mut file: File, passphrase: Option<&str>) -> Result<Self, BackupError> {
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(|_| BackupError::NotOne)?;
        if header[..8] != *MAGIC {
            return Err(BackupError::NotOne);
        }
        if header[8] > VERSION {
            return Err(BackupError::Newer(header[8]));
        }
        check(&mut file)?;
        let passphrase = match (header[9], passphrase) {
            (0, _) => None,
            (_, None) => return Err(BackupError::PassphraseNeeded),
            (_, passphrase) => passphrase,
        };
        file.seek(SeekFrom::Start(HEADER as u64))?;
        let (mut file, mut seal) = (io::BufReader::new(file), Seal::of(&header, passphrase));
        let manifest = next_frame(&mut file, &mut seal)?;
        let manifest = serde_json::from_slice(&manifest).map_err(|_| BackupError::Damaged)?;
        Ok(Self { manifest, file, seal })
    }

    /// Writes its parts, each to the file that `make` makes for it, and has them on flash.
    pub fn unpack(mut self, mut make: impl FnMut(&str) -> io::Result<File>) -> Result<(), BackupError> {
        for part in std::mem::take(&mut self.manifest.parts) {
            let (mut to, mut left) = (make(&part.name)?, part.size);
            while left > 0 {
                let bytes = next_frame(&mut self.file, &mut self.seal)?;
                left = left
                    .checked_sub(bytes.len() as u64)
                    .filter(|_| !bytes.is_empty())
                    .ok_or(BackupError::Damaged)?;
                to.write_all(&bytes)?;
            }
            to.sync_all()?;
        }
        Ok(())
    }
}

fn next_frame(from: &mut impl Read, seal: &mut Seal) -> Result<Vec<u8>, BackupError> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME + TAG {
        return Err(BackupError::Damaged);
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    seal.open(bytes)
}

fn check(file: &mut File) -> Result<(), BackupError> {
    let length = file.metadata()?.len();
    let mut left = length.checked_sub(HASH as u64).ok_or(BackupError::Damaged)?;
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Context::new(&SHA256);
    while left > 0 {
        let mut chunk = Vec::new();
        let count = Read::by_ref(file).take(left.min(FRAME as u64)).read_to_end(&mut chunk)?;
        if count == 0 {
            return Err(BackupError::Damaged);
        }
        hash.update(&chunk);
        left -= count as u64;
    }
    let mut told = [0; HASH];
    file.read_exact(&mut told)?;
    if hash.finish().as_ref() == told { Ok(()) } else { Err(BackupError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for whoever opens it behind the copy until both were replaced.
    #[test]
    fn a_key_that_is_replaced_with_what_it_opens_is_packed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let [copy, pause, key, to] = ["copy", "pause", "key", "backup"].map(|name| dir.path().join(name));
        for path in [&copy, &key] {
            fs::write(path, "old").unwrap();
        }
        nix::unistd::mkfifo(&pause, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let sources = [&copy, &pause, &key].map(|path| (path.display().to_string(), path.clone()));
        let [made, version, site] = ["made", "version", "site"].map(str::to_owned);
        let manifest = Manifest { made, version, site, parts: Vec::new() };
        std::thread::scope(|scope| {
            let packing = scope.spawn(|| write(&to, manifest, &sources, None));
            let is_open =
                |fd: io::Result<fs::DirEntry>| fs::read_link(fd.unwrap().path()).ok() == Some(copy.clone());
            while !fs::read_dir("/proc/self/fd").unwrap().any(is_open) {
                std::thread::yield_now();
            }
            for path in [&copy, &key] {
                fs::write(dir.path().join("new"), "new").unwrap();
                fs::rename(dir.path().join("new"), path).unwrap();
            }
            let _open = OpenOptions::new().read(true).write(true).open(&pause).unwrap();
            packing.join().unwrap().unwrap();
        });
        let packed = Backup::open(File::open(&to).unwrap(), None).unwrap();
        packed.unpack(|name| File::create(format!("{name}.packed"))).unwrap();
        for name in ["copy", "key"] {
            let packed = dir.path().join(format!("{name}.packed"));
            assert_eq!(fs::read_to_string(packed).unwrap(), "new", "{name}");
        }
    }
}
