//! Whose process it is, and what it may do.
//!
//! Owns: becoming another user for good, with the three powers over the network that a gateway needs, and making
//! files over to that user before. Never: whose, or which files; that is `app`'s.
//! Powers belong to threads: all this is done while there is only one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs,
};

/// nftables and neighbours, ARP probes and binding to interfaces, ports below 1024.
const KEPT: CapabilitySet =
    CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW).union(CapabilitySet::NET_BIND_SERVICE);

/// Directories that others need as they are.
const SHARED: &str = "/ /dev /dev/shm /etc /etc/config /home /lib /mnt /overlay /root /run /tmp /tmp/etc /tmp/lib /tmp/run \
     /usr /var /var/lib /var/run";

/// A user of this system.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// The user called so; `None`: there is none.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(User::from_name(name)?.map(|user| Self { uid: user.uid, gid: user.gid }))
    }
}

/// Whether the process may do all.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Makes `dir` and the files in it that are `ours` over to `owner`; makes it with `mode` if it is not there. What
/// has another name elsewhere stays as it is: a link may have been put there for us to give away.
pub fn make_over(dir: &Path, mode: u32, owner: Owner, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().mode(mode).recursive(true).create(dir)?;
        }
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let real = fs::canonicalize(dir)?;
    if SHARED.split_whitespace().any(|shared| real == Path::new(shared)) {
        let why = format!("{} belongs to the system; name a directory of Lango's own", real.display());
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    give(&File::open(dir)?, owner)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&ours) {
            continue;
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match OpenOptions::new().read(true).custom_flags(flags).open(entry.path()) {
            Ok(file) if file.metadata()?.is_dir() || file.metadata()?.nlink() == 1 => give(&file, owner)?,
            // Links, and sockets, which the next daemon replaces.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Gives the open `file` to `owner`.
pub fn give(file: &File, owner: Owner) -> io::Result<()> {
    let about = file.metadata()?;
    if (about.uid(), about.gid()) == (owner.uid.as_raw(), owner.gid.as_raw()) {
        return Ok(());
    }
    match fchown(file, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())) {
        // What cannot be written need not be.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
        done => done,
    }
}

/// Lets root become `owner`, for good.
pub fn become_user(owner: Owner) -> io::Result<()> {
    set_keep_capabilities(true)?;
    for number in 0..CapabilitySet::all().bits().trailing_ones() {
        let power = CapabilitySet::from_bits_retain(1 << number);
        if KEPT.contains(power) {
            continue;
        }
        match remove_capability_from_bounding_set(power) {
            // This kernel has no more; or it is a root that may not, and no-new-privileges has to do.
            Err(Errno::INVAL | Errno::PERM) => break,
            done => done?,
        }
    }
    setgroups(&[owner.gid])?;
    setresgid(owner.gid, owner.gid, owner.gid)?;
    setresuid(owner.uid, owner.uid, owner.uid)?;
    confine()
}

/// Gives up all powers but those that a gateway needs, and that any program it might start had more.
pub fn confine() -> io::Result<()> {
    let kept = capabilities(None)?.permitted.intersection(KEPT);
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })?;
    Ok(set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const NOBODY: u32 = 65_534;

    fn owner_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    /// Needs root.
    #[test]
    fn what_is_ours_is_made_over_and_nothing_that_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (state, elsewhere) = (dir.path().join("a/state"), dir.path().join("secret"));
        let nobody = Owner::named("nobody").unwrap().unwrap();
        make_over(&state, 0o700, nobody, |_| true).unwrap();
        assert_eq!((owner_of(&state), fs::metadata(&state).unwrap().mode() & 0o777), (NOBODY, 0o700));
        assert_eq!(owner_of(&dir.path().join("a")), 0);
        fs::write(&elsewhere, "").unwrap();
        for name in ["ours", "theirs"] {
            fs::write(state.join(name), "").unwrap();
        }
        symlink(&elsewhere, state.join("ours-too")).unwrap();
        fs::hard_link(&elsewhere, state.join("ours-as-well")).unwrap();
        make_over(&state, 0o700, nobody, |name| name.starts_with("ours")).unwrap();
        assert_eq!(owner_of(&state.join("ours")), NOBODY);
        assert_eq!((owner_of(&state.join("theirs")), owner_of(&elsewhere)), (0, 0));
    }

    #[test]
    fn what_belongs_to_the_system_is_given_to_nobody() {
        let nobody = Owner::named("nobody").unwrap().unwrap();
        for dir in ["/tmp", "/etc/../etc", "/var/run"] {
            let refused = make_over(Path::new(dir), 0o700, nobody, |_| false).unwrap_err();
            assert!(refused.to_string().contains("belongs to the system"), "{refused}");
        }
        assert_eq!(owner_of(Path::new("/tmp")), 0);
        assert!(Owner::named("no-such-user").unwrap().is_none());
    }
}
