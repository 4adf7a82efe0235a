//! The groups of whoever has connected, as the kernel says (SO_PEERGROUPS, Linux 4.13).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A process is in so many groups at most (NGROUPS_MAX).
const MOST: usize = 65_536;

/// The supplementary groups that the peer had when it connected.
pub(super) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut room = 32;
    loop {
        match asked(socket, room) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && room < MOST => room = MOST,
            done => return done,
        }
    }
}

#[expect(unsafe_code, reason = "SO_PEERGROUPS has no safe binding")]
fn asked(socket: BorrowedFd<'_>, room: usize) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; room];
    let mut size = libc::socklen_t::try_from(size_of::<u32>() * room).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `groups` is `size` bytes of gid_t, which is u32, and lives through the call; the kernel writes no
    // more than `size` bytes into it and what it has written into `size`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(size as usize / size_of::<u32>());
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_groups_of_this_process_are_those_of_its_peer() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut told = of_peer(ours.as_fd()).unwrap();
        let mut own: Vec<u32> = nix::unistd::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
        told.sort_unstable();
        own.sort_unstable();
        assert_eq!(told, own);
    }
}
