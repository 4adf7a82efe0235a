//! The only reader of time and randomness.
//!
//! Owns: CLOCK_BOOTTIME, the system's wall clock, the kernel's word on whether NTP has set it, the id of
//! this boot, random bytes. Never: decides what time means; that is the domain's.
//!
//! The wall time given out is always `CLOCK_BOOTTIME + offset`. The offset begins at the persisted floor,
//! so that a router without a battery clock starts with a lower bound of the true time, and is set once
//! the kernel says that its clock is synchronised. A step of the system's clock moves nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use ring::rand::{SecureRandom, SystemRandom};

use crate::domain::{Boot, BootId, Now, Trust, Wall};

/// No gateway ever ran this program before that: 2026-11-22T00:00:00Z.
const PROGRAM_IS_OLDER: Wall = Wall::from_secs(1_795_305_600);
/// A synchronised clock that differs more than this from the time already trusted is not believed.
const BELIEVABLE_STEP: Duration = Duration::from_secs(10 * 60);

/// Both clocks; clones share what is known of the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Wall minus boot, in milliseconds.
    offset: AtomicI64,
    trusted: AtomicBool,
}

/// What a look at the system's clock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// As before.
    Unchanged,
    /// The wall clock became trusted, or went forward by more than it should have by itself.
    Moved,
    /// The system claims a time that contradicts what is known; it is not used.
    Disbelieved { claimed: Wall },
}

impl Clock {
    /// A clock that knows nothing of the wall yet.
    pub fn new() -> Self {
        let clock =
            Self { shared: Arc::new(Shared { offset: AtomicI64::new(0), trusted: AtomicBool::new(false) }) };
        clock.not_before(PROGRAM_IS_OLDER);
        clock
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        let boot = boottime();
        let millis = signed(boot).saturating_add(self.shared.offset.load(Ordering::Relaxed));
        let trust = if self.shared.trusted.load(Ordering::Relaxed) { Trust::Trusted } else { Trust::Floor };
        Now { boot, wall: Wall::from_secs(millis.div_euclid(1000)), trust }
    }

    /// The kernel's name of this boot.
    pub fn boot_id(&self) -> std::io::Result<BootId> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        text.trim().parse().map_err(std::io::Error::other)
    }

    /// Raises the wall clock to `floor` if it is below; a trusted clock is left alone.
    pub fn not_before(&self, floor: Wall) {
        let now = self.now();
        if now.trust == Trust::Floor && now.wall < floor {
            self.set(floor, now.boot);
        }
    }

    /// Looks whether the kernel has a synchronised clock, and follows it if it can be believed.
    pub fn refresh(&self) -> Refreshed {
        let Some(claimed) = synchronised_wall() else {
            return Refreshed::Unchanged;
        };
        let now = self.now();
        let (ahead, behind) = (claimed.since(now.wall), now.wall.since(claimed));
        let too_far = match now.trust {
            // A lower bound may be far below the true time, but cannot be above it.
            Trust::Floor => behind > BELIEVABLE_STEP,
            Trust::Trusted => ahead.max(behind) > BELIEVABLE_STEP,
        };
        if too_far {
            return Refreshed::Disbelieved { claimed };
        }
        // Whole seconds: only more than one is worth following, and never backwards, or a code that is
        // over would come to life again.
        let moves = ahead > Duration::from_secs(1);
        if moves {
            self.set(claimed, now.boot);
        }
        let first = !self.shared.trusted.swap(true, Ordering::Relaxed);
        if first || moves { Refreshed::Moved } else { Refreshed::Unchanged }
    }

    fn set(&self, wall: Wall, at: Boot) {
        let offset = wall.as_secs().saturating_mul(1000).saturating_sub(signed(at));
        self.shared.offset.store(offset, Ordering::Relaxed);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Random bytes for keys and codes.
///
/// # Panics
/// If the kernel has no randomness to give, without which nothing here may go on.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

fn signed(boot: Boot) -> i64 {
    i64::try_from(boot.as_millis()).unwrap_or(i64::MAX)
}

fn boottime() -> Boot {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("CLOCK_BOOTTIME exists since Linux 2.6.39");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Boot::from_millis(seconds * 1000 + u64::try_from(time.tv_nsec() / 1_000_000).unwrap_or(0))
}

/// The system's wall clock, if the kernel says that something disciplines it.
#[cfg(not(feature = "lab-clock"))]
#[expect(unsafe_code, reason = "adjtimex(2) has no safe binding")]
#[expect(clippy::useless_conversion, reason = "seconds are 32 bits wide on 32-bit ARM")]
fn synchronised_wall() -> Option<Wall> {
    // SAFETY: `timex` is plain integers, for which zero is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live `timex`; `modes == 0` only reads.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    let synchronised = state >= 0 && state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    synchronised.then(|| Wall::from_secs(i64::from(timex.time.tv_sec)))
}

/// In a lab, where no namespace can hold a wall clock of its own: this machine's, moved by the line
/// `wall_step SECONDS` of the file that `LANGO_LAB_CLOCK` names, read at each look. Without the file
/// nothing disciplines the clock.
#[cfg(feature = "lab-clock")]
#[expect(clippy::useless_conversion, reason = "seconds are 32 bits wide on 32-bit ARM")]
fn synchronised_wall() -> Option<Wall> {
    let text = std::fs::read_to_string(std::env::var_os("LANGO_LAB_CLOCK")?).ok()?;
    let step: i64 = text.trim().strip_prefix("wall_step ")?.parse().ok()?;
    let real = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
    Some(Wall::from_secs(i64::from(real.tv_sec()) + step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_raises_the_wall_and_never_lowers_it() {
        let clock = Clock::new();
        let later = PROGRAM_IS_OLDER.plus(Duration::from_secs(86_400));
        clock.not_before(later);
        clock.not_before(PROGRAM_IS_OLDER);
        let now = clock.now();
        assert!(now.wall >= later && now.wall.since(later) < Duration::from_secs(5));
        assert_eq!(now.trust, Trust::Floor);
    }

    #[test]
    fn clones_share_the_wall() {
        let clock = Clock::new();
        let later = PROGRAM_IS_OLDER.plus(Duration::from_secs(86_400));
        clock.clone().not_before(later);
        assert!(clock.now().wall >= later);
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random::<16>(), random::<16>());
    }
}
