//! The seal, tried from inside: a process of its own puts the daemon's filter over itself, and then does what an
//! intruder in the daemon would do.

#![expect(clippy::disallowed_methods, reason = "tests start programs")]
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output};
use std::{env, fs, process, thread};

use lango::process::{is_sealed, seal};
use libc::{c_int, c_long};

/// What the process is to try that this test starts.
const ATTEMPT: &str = "LANGO_SEALED_ATTEMPT";

/// What becomes of who tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Refused(c_int),
    Done,
}

type Attempt = (&'static str, fn() -> io::Result<()>, Fate);

const ATTEMPTS: &[Attempt] = &[
    ("become another program", || Err(Command::new("/bin/true").exec()), Fate::Killed),
    ("start another program", || Command::new("/bin/true").status().map(drop), Fate::Killed),
    ("run what is no file", || call(libc::SYS_execveat, [-1, 0, 0, 0, 0, 0]), Fate::Killed),
    ("make a program of memory", || call(libc::SYS_memfd_create, [0; 6]), Fate::Killed),
    ("fork", || call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0]), Fate::Killed),
    ("trace", || call(libc::SYS_ptrace, [16, 0, 0, 0, 0, 0]), Fate::Killed),
    ("read another process", || call(libc::SYS_process_vm_readv, [1, 0, 0, 0, 0, 0]), Fate::Killed),
    ("take another's file", || call(libc::SYS_pidfd_getfd, [0; 6]), Fate::Killed),
    ("call past the filter", || call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]), Fate::Killed),
    ("load a program into the kernel", || call(libc::SYS_bpf, [0; 6]), Fate::Killed),
    ("load a module", || call(libc::SYS_finit_module, [0; 6]), Fate::Killed),
    ("load a kernel", || call(libc::SYS_kexec_load, [0; 6]), Fate::Killed),
    ("measure other programs", || call(libc::SYS_perf_event_open, [0; 6]), Fate::Killed),
    ("wait at page faults", || call(libc::SYS_userfaultfd, [0; 6]), Fate::Killed),
    ("use the kernel's keys", || call(libc::SYS_keyctl, [0; 6]), Fate::Killed),
    ("open past the jail", || call(libc::SYS_open_by_handle_at, [0; 6]), Fate::Killed),
    ("become root", || call(libc::SYS_setuid, [0; 6]), Fate::Killed),
    ("get more powers", || call(libc::SYS_capset, [0; 6]), Fate::Killed),
    ("see other networks", || call(libc::SYS_setns, [0; 6]), Fate::Killed),
    ("be root somewhere", || call(libc::SYS_unshare, [0x1000_0000, 0, 0, 0, 0, 0]), Fate::Killed),
    ("see other files", || call(libc::SYS_mount, [0; 6]), Fate::Killed),
    ("leave the jail", || call(libc::SYS_pivot_root, [0; 6]), Fate::Killed),
    #[cfg(target_arch = "x86_64")]
    ("call by numbers of x32", || call(libc::SYS_getpid | 0x4000_0000, [0; 6]), Fate::Killed),
    ("use an odd socket", || call(libc::SYS_socket, [44, 3, 0, 0, 0, 0]), Fate::Refused(libc::EAFNOSUPPORT)),
    ("map code", || map(libc::PROT_READ | libc::PROT_EXEC), Fate::Refused(libc::EPERM)),
    ("make code of memory", || call(libc::SYS_mprotect, [0, 0, 4, 0, 0, 0]), Fate::Refused(libc::EPERM)),
    ("type at a terminal", || call(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]), Fate::Refused(libc::ENOTTY)),
    ("stop a thread", || call(libc::SYS_tkill, [0; 6]), Fate::Refused(libc::EPERM)),
    ("be dumped", || call(libc::SYS_prctl, [4, 1, 0, 0, 0, 0]), Fate::Refused(libc::EINVAL)),
    ("signal another process", || call(libc::SYS_kill, [1, 0, 0, 0, 0, 0]), Fate::Refused(libc::ENOSYS)),
    ("make a thread in a new way", || call(libc::SYS_clone3, [0; 6]), Fate::Refused(libc::ENOSYS)),
    ("call what is not there yet", || call(2000, [0; 6]), Fate::Refused(libc::ENOSYS)),
    ("map memory", || map(libc::PROT_READ | libc::PROT_WRITE), Fate::Done),
    (
        "start a thread",
        || thread::spawn(assert_sealed).join().map_err(|_| io::ErrorKind::Other.into()),
        Fate::Done,
    ),
    (
        "listen and ask",
        || TcpListener::bind("[::1]:0").and(UdpSocket::bind("127.0.0.1:0")).map(drop),
        Fate::Done,
    ),
    ("keep files", keep_files, Fate::Done),
];

/// The call as it is, with what may make no sense: the kernel asks the filter first.
#[expect(unsafe_code, reason = "no binding makes such calls")]
fn call(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> io::Result<()> {
    // SAFETY: no pointer is passed but null, which the kernel refuses, and nothing of ours is unmapped.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn map(protection: c_int) -> io::Result<()> {
    #[cfg(target_arch = "arm")]
    let number = libc::SYS_mmap2;
    #[cfg(not(target_arch = "arm"))]
    let number = libc::SYS_mmap;
    call(number, [0, 4096, protection.into(), (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into(), -1, 0])
}

fn keep_files() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let (new, old) = (dir.path().join("new"), dir.path().join("old"));
    fs::write(&new, "kept")?;
    fs::rename(&new, &old)?;
    assert_eq!(fs::read_to_string(&old)?, "kept");
    fs::read_dir(dir.path())?.count();
    dir.close()
}

fn assert_sealed() {
    assert!(is_sealed());
}

/// Runs `attempt` under the seal, in a process that it may cost its life.
fn tried(attempt: &str) -> Output {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "the_other_process", "--nocapture"]).env(ATTEMPT, attempt);
    child.output().unwrap()
}

#[test]
fn an_intruder_gets_nothing_of_the_kernel_but_what_the_daemon_needs() {
    for (what, _, fate) in ATTEMPTS {
        let ended = tried(what);
        let said = String::from_utf8_lossy(&ended.stdout);
        let met = match (ended.status.signal(), said.lines().find_map(|line| line.strip_prefix("met "))) {
            (Some(libc::SIGSYS), _) => Fate::Killed,
            (None, Some("0")) => Fate::Done,
            (None, Some(errno)) => Fate::Refused(errno.parse().unwrap()),
            _ => panic!("{what}: {ended:?}"),
        };
        assert_eq!(met, *fate, "{what}");
    }
}

/// What [`tried`] starts; with the other tests there is nothing to do.
#[test]
fn the_other_process() {
    let Ok(wanted) = env::var(ATTEMPT) else { return };
    let (_, attempt, _) = ATTEMPTS.iter().find(|(what, ..)| *what == wanted).unwrap();
    assert!(!is_sealed());
    seal().unwrap();
    assert_sealed();
    let errno = attempt().map_or_else(|error| error.raw_os_error().unwrap(), |()| 0);
    println!("\nmet {errno}");
    process::exit(0);
}
