//! What a running daemon may ask of the kernel: the lists behind `seal`.
//!
//! Written by evidence: `tests/lab/sealed.rs` watches a busy daemon, and refuses a name here that it does not
//! call unless it stands in a list that says why, and a call that is in no list. `tests/calls` watches it in all
//! of the lab. Names differ: 64-bit ARM has none of the calls that a newer one replaced, 32-bit ARM has calls of
//! its own for what has become wider.

use libc::{c_int, c_long};

/// A call's number.
pub(super) type Call = c_long;

/// Calls by their names in `libc`, without what all of them begin with.
macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// Let through, whatever their arguments.
pub(super) const ALLOWED: &[&[Call]] = &[SEEN, GLIBC, RARE, NAMED];

/// Ends the process.
pub(super) const FORBIDDEN: &[&[Call]] = &[START, BECOME, REACH, LOAD, BY_NAME];

/// A call that is let through with some values of an argument.
pub(super) struct Asked {
    pub(super) call: Call,
    /// Which argument, from 0.
    pub(super) argument: u32,
    pub(super) only: Only,
    /// With others.
    pub(super) refused: Refused,
}

/// Values of an argument.
pub(super) enum Only {
    One(&'static [u32]),
    With(&'static [u32]),
    Without(&'static [u32]),
}

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    With(c_int),
    Killed,
}

/// What a busy day takes.
const SEEN: &[Call] = calls! {
    SYS_accept4 SYS_bind SYS_close SYS_connect SYS_epoll_ctl SYS_exit SYS_exit_group SYS_fcntl SYS_fdatasync
    SYS_ftruncate SYS_futex SYS_getpeername SYS_getrandom SYS_getsockname SYS_getsockopt SYS_gettid
    SYS_listen SYS_munmap SYS_pread64 SYS_pwrite64 SYS_read SYS_recvfrom SYS_recvmsg SYS_rt_sigprocmask
    SYS_rt_sigreturn SYS_sendmsg SYS_sendto SYS_setsockopt SYS_sigaltstack SYS_write SYS_writev
};

/// What else it takes with glibc: for files, for names, for a new thread.
#[cfg(target_env = "gnu")]
const GLIBC: &[Call] = calls! {
    SYS_lseek SYS_openat SYS_rseq SYS_sched_getaffinity SYS_sendmmsg SYS_set_robust_list SYS_statx SYS_uname
};
#[cfg(not(target_env = "gnu"))]
const GLIBC: &[Call] = &[];

/// What does not come every day, or not on every machine.
const RARE: &[Call] = calls! {
    // Memory is asked for, given back, moved: each libc has its ways.
    SYS_brk SYS_madvise SYS_mremap
    // Another process has locked the store; its owner is root; a copy is made.
    SYS_clock_nanosleep SYS_fchown SYS_fstat SYS_fsync SYS_geteuid SYS_nanosleep
    // Time where the kernel cannot lend its clock (vDSO), and whether somebody disciplines it.
    SYS_adjtimex SYS_clock_adjtime SYS_clock_gettime SYS_gettimeofday
    // Two threads want the same; a process that was stopped goes on.
    SYS_restart_syscall SYS_sched_yield
    // The folder of the operator's pages is read, and what a failed start left beside the store.
    SYS_getdents64
    // The store is opened late: its key had to come from the cloud.
    SYS_fchmod SYS_flock
    // A connection is closed one way.
    SYS_shutdown
    // A fault of the program: it ends itself.
    SYS_getpid SYS_rt_sigaction
    // By these names on 64-bit ARM, and with musl.
    SYS_epoll_pwait SYS_faccessat SYS_mkdirat SYS_ppoll SYS_pselect6 SYS_readlinkat SYS_renameat2 SYS_unlinkat
};

/// What has other names by architecture.
#[cfg(target_arch = "x86_64")]
const NAMED: &[Call] = calls! {
    SYS_access SYS_epoll_wait SYS_lstat SYS_mkdir SYS_newfstatat SYS_open SYS_poll SYS_readlink SYS_rename SYS_rmdir
    SYS_stat SYS_unlink
};
/// Files, numbers of users and times outgrew its first calls. `libc` has no names for those of wider time, whose
/// numbers are the same wherever they are.
#[cfg(target_arch = "arm")]
const NAMED: &[Call] = {
    const CLOCK_GETTIME64: Call = 403;
    const CLOCK_ADJTIME64: Call = 405;
    const CLOCK_NANOSLEEP_TIME64: Call = 407;
    const PSELECT6_TIME64: Call = 413;
    const PPOLL_TIME64: Call = 414;
    const FUTEX_TIME64: Call = 422;
    &[
        CLOCK_GETTIME64,
        CLOCK_ADJTIME64,
        CLOCK_NANOSLEEP_TIME64,
        PSELECT6_TIME64,
        PPOLL_TIME64,
        FUTEX_TIME64,
        libc::SYS__llseek,
        libc::SYS_access,
        libc::SYS_epoll_wait,
        libc::SYS_fchown32,
        libc::SYS_fcntl64,
        libc::SYS_fstat64,
        libc::SYS_fstatat64,
        libc::SYS_ftruncate64,
        libc::SYS_geteuid32,
        libc::SYS_lstat64,
        libc::SYS_mkdir,
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_rmdir,
        libc::SYS_stat64,
        libc::SYS_statx,
        libc::SYS_unlink,
    ]
};
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const NAMED: &[Call] = {
    /// `libc` names it for musl only.
    const RENAMEAT: Call = 38;
    &[RENAMEAT, libc::SYS_newfstatat, libc::SYS_openat]
};

#[cfg(target_arch = "arm")]
const MMAP: Call = libc::SYS_mmap2;
#[cfg(not(target_arch = "arm"))]
const MMAP: Call = libc::SYS_mmap;

/// Let through if the argument is right.
pub(super) const ASKED: &[Asked] = &[
    // Sockets of other families are ways into seldom tried parts of the kernel.
    Asked {
        call: libc::SYS_socket,
        argument: 0,
        only: Only::One(FAMILIES),
        refused: Refused::With(libc::EAFNOSUPPORT),
    },
    // Threads, not processes. Where the flags are in memory (clone3), there is no such call, and each libc comes here.
    Asked { call: libc::SYS_clone, argument: 0, only: Only::With(&[THREAD]), refused: Refused::Killed },
    // No code but the program's own. glibc asks for plugins of its resolver, and can do without.
    Asked {
        call: MMAP,
        argument: 2,
        only: Only::Without(&[EXECUTABLE]),
        refused: Refused::With(libc::EPERM),
    },
    Asked {
        call: libc::SYS_mprotect,
        argument: 2,
        only: Only::Without(&[EXECUTABLE]),
        refused: Refused::With(libc::EPERM),
    },
    // Names of threads, and whether there is a filter.
    Asked {
        call: libc::SYS_prctl,
        argument: 0,
        only: Only::One(&[15, 21]),
        refused: Refused::With(libc::EINVAL),
    },
    // FIONREAD, FIONBIO, SIOCGIFINDEX.
    Asked {
        call: libc::SYS_ioctl,
        argument: 1,
        only: Only::One(&[0x541b, 0x5421, 0x8933]),
        refused: Refused::With(libc::ENOTTY),
    },
    // A fault ends the program itself; glibc, musl.
    Asked {
        call: libc::SYS_tgkill,
        argument: 2,
        only: Only::One(ABORT),
        refused: Refused::With(libc::EPERM),
    },
    Asked { call: libc::SYS_tkill, argument: 1, only: Only::One(ABORT), refused: Refused::With(libc::EPERM) },
];

const FAMILIES: &[u32] = &[
    libc::AF_UNIX.cast_unsigned(),
    libc::AF_INET.cast_unsigned(),
    libc::AF_INET6.cast_unsigned(),
    libc::AF_NETLINK.cast_unsigned(),
    libc::AF_PACKET.cast_unsigned(),
];
const THREAD: u32 = libc::CLONE_THREAD.cast_unsigned();
const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();
const ABORT: &[u32] = &[libc::SIGABRT.cast_unsigned()];

/// Starts another program, also one that is no file.
const START: &[Call] = calls! { SYS_execve SYS_execveat SYS_memfd_create };

/// Becomes another user, gets more powers, sees other files and networks.
const BECOME: &[Call] = calls! {
    SYS_capset SYS_chroot SYS_personality SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setns SYS_setregid
    SYS_setresgid SYS_setresuid SYS_setreuid SYS_setuid SYS_unshare
};

/// Reaches into other programs and past this filter.
const REACH: &[Call] = calls! {
    SYS_add_key SYS_bpf SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_kcmp SYS_keyctl
    SYS_name_to_handle_at SYS_open_by_handle_at SYS_perf_event_open SYS_pidfd_getfd SYS_pidfd_open
    SYS_pidfd_send_signal SYS_process_madvise SYS_process_vm_readv SYS_process_vm_writev SYS_ptrace SYS_request_key
    SYS_userfaultfd
};

/// Changes the kernel, the system's files, its clock or its name.
const LOAD: &[Call] = calls! {
    SYS_acct SYS_clock_settime SYS_delete_module SYS_finit_module SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick
    SYS_init_module SYS_kexec_load SYS_mknodat SYS_mount SYS_mount_setattr SYS_move_mount SYS_open_tree
    SYS_pivot_root SYS_quotactl SYS_reboot SYS_setdomainname SYS_sethostname SYS_settimeofday SYS_swapoff SYS_swapon
    SYS_umount2
};

/// As the others, where an architecture has more of them.
#[cfg(target_arch = "x86_64")]
const BY_NAME: &[Call] =
    calls! { SYS_fork SYS_ioperm SYS_iopl SYS_kexec_file_load SYS_mknod SYS_modify_ldt SYS_vfork };
#[cfg(target_arch = "arm")]
const BY_NAME: &[Call] = calls! {
    SYS_fork SYS_mknod SYS_setfsgid32 SYS_setfsuid32 SYS_setgid32 SYS_setgroups32 SYS_setregid32 SYS_setresgid32
    SYS_setresuid32 SYS_setreuid32 SYS_setuid32 SYS_vfork
};
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const BY_NAME: &[Call] = &[];
