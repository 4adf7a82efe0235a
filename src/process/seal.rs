//! The seal: a seccomp filter over all threads of the daemon.
//!
//! Owns: the filter's program, and putting it in force. Never: which calls, and why; `calls` lists them. procd
//! could do it for dynamic programs only, so the daemon does it itself.
//!
//! Three answers. What the daemon calls is let through. What nobody but an intruder would call ends the process:
//! guests stay online without it, and procd starts a clean one. All else is told that this kernel does not have it
//! (ENOSYS): so a newer libc tries the older call after the newer one, where EPERM would fail it, and the gateway
//! goes on selling.

use std::io;

use libc::sock_filter;
use rustix::thread::{SecureComputingMode, secure_computing_mode, set_no_new_privs};

use super::calls::{ALLOWED, ASKED, Asked, Call, FORBIDDEN, Only, Refused};

/// What the kernel calls the set of numbers that this program calls by (`AUDIT_ARCH_*`).
const OURS: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(libc::EM_X86_64 as u32 | SIXTY_FOUR_BITS | LITTLE_ENDIAN)
} else if cfg!(target_arch = "aarch64") {
    Some(libc::EM_AARCH64 as u32 | SIXTY_FOUR_BITS | LITTLE_ENDIAN)
} else if cfg!(target_arch = "arm") {
    Some(libc::EM_ARM as u32 | LITTLE_ENDIAN)
} else {
    None
};
const SIXTY_FOUR_BITS: u32 = 0x8000_0000;
const LITTLE_ENDIAN: u32 = 0x4000_0000;
/// From here on the numbers are x32's, which shares the name of x86_64; no other set has so many.
const X32: u32 = 0x4000_0000;

/// Where the kernel puts what the filter looks at (`struct seccomp_data`); of an argument, its lower half.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const ARGUMENT: u32 = 8;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Puts all threads of this process under the filter, for good. After an error none is: a kernel may be built
/// without filters.
#[expect(unsafe_code, reason = "seccomp(2) has no safe binding")]
pub fn seal() -> io::Result<()> {
    let ours = OURS.ok_or(io::ErrorKind::Unsupported)?;
    set_no_new_privs(true)?;
    let mut program = program(ours);
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: `filter` points to `len` instructions; the kernel has copied them when the call returns.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    match done {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} cannot be put under it"))),
    }
}

/// Whether this thread is under a filter.
pub fn is_sealed() -> bool {
    secure_computing_mode().is_ok_and(|mode| mode == SecureComputingMode::Filter)
}

/// The filter; each part ends the question, or leaves the call's number to the next. The order does not tell on the
/// daemon's pace: kernels since 5.11 remember which calls are let through whatever their arguments.
fn program(ours: u32) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE)];
    program.extend([jump(libc::BPF_JEQ, ours, 1, 0), end(KILL)]);
    program.push(load(NUMBER));
    program.extend([jump(libc::BPF_JGE, X32, 0, 1), end(KILL)]);
    for call in ALLOWED.iter().copied().flatten() {
        program.extend(on(*call, &[end(ALLOW)]));
    }
    for asked in ASKED {
        program.extend(on(asked.call, &questions(asked)));
    }
    for call in FORBIDDEN.iter().copied().flatten() {
        program.extend(on(*call, &[end(KILL)]));
    }
    program.push(end(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()));
    program
}

/// `answer`, if it is this call.
fn on(call: Call, answer: &[sock_filter]) -> Vec<sock_filter> {
    let number = u32::try_from(call).expect("numbers of calls are small");
    let past = u8::try_from(answer.len()).expect("answers are short");
    let mut part = vec![jump(libc::BPF_JEQ, number, 0, past)];
    part.extend_from_slice(answer);
    part
}

fn questions(asked: &Asked) -> Vec<sock_filter> {
    let mut questions = vec![load(ARGUMENTS + ARGUMENT * asked.argument)];
    let (test, values, hit, miss) = match asked.only {
        Only::One(values) => (libc::BPF_JEQ, values, ALLOW, refused(asked.refused)),
        Only::With(bits) => (libc::BPF_JSET, bits, ALLOW, refused(asked.refused)),
        Only::Without(bits) => (libc::BPF_JSET, bits, refused(asked.refused), ALLOW),
    };
    for value in values {
        questions.extend([jump(test, *value, 0, 1), end(hit)]);
    }
    questions.push(end(miss));
    questions
}

fn refused(how: Refused) -> u32 {
    match how {
        Refused::With(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
        Refused::Killed => KILL,
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Skips `hit` instructions if the test is true, else `miss`.
fn jump(test: u32, value: u32, hit: u8, miss: u8) -> sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, hit, miss, value)
}

fn end(verdict: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, verdict)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    let code = u16::try_from(code).expect("codes are short");
    sock_filter { code, jt, jf, k }
}
