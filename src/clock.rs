//! The only reader of time and randomness.
//!
//! Owns: CLOCK_BOOTTIME, the system's wall clock, the kernel's word on whether NTP has set it, the id of
//! this boot, random bytes. Never: decides what time means, or whom to believe; that is the domain's.
//!
//! The wall time given out is always reckoned from CLOCK_BOOTTIME. It begins at the persisted floor, so that
//! a router without a battery clock starts with a lower bound of the true time, and is set once the kernel
//! says that its clock is synchronised, or the cloud says how late it is. A step of the system's clock moves
//! nothing by itself. Neighbour: `domain/reckoning.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::time::{ClockId, clock_gettime};
use ring::rand::{SecureRandom, SystemRandom};

use crate::domain::{Boot, BootId, Now, Reckoning, Refreshed, Repair, Standing, TimeSource, Wall};

/// No gateway ever ran this program before that: 2026-11-22T00:00:00Z.
const PROGRAM_IS_OLDER: Wall = Wall::from_secs(1_795_305_600);

/// Both clocks; clones share what is known of the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    reckoning: Arc<Mutex<Reckoning>>,
}

impl Clock {
    /// A clock that knows nothing of the wall yet.
    pub fn new() -> Self {
        Self { reckoning: Arc::new(Mutex::new(Reckoning::new(PROGRAM_IS_OLDER, boottime()))) }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        self.reckoning().now(boottime())
    }

    /// Who says how late it is, and whether that is believed.
    pub fn standing(&self) -> Standing {
        self.reckoning().standing(boottime())
    }

    /// The kernel's name of this boot.
    pub fn boot_id(&self) -> std::io::Result<BootId> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        text.trim().parse().map_err(std::io::Error::other)
    }

    /// Raises the wall clock to `floor` if it is below; a trusted clock is left alone.
    pub fn not_before(&self, floor: Wall) {
        self.reckoning().not_before(floor, boottime());
    }

    /// Looks whether the kernel has a synchronised clock, and follows it if it can be believed.
    pub fn refresh(&self) -> Refreshed {
        if let Some(wall) = synchronised_wall() {
            return self.reckoning().told(TimeSource::Ntp, wall, boottime());
        }
        self.reckoning().silent(TimeSource::Ntp);
        Refreshed::Unchanged
    }

    /// The cloud says that it is `wall`, on a page that is signed or came over verified TLS. Follows it if it
    /// can be believed.
    pub fn told(&self, wall: Wall) -> Refreshed {
        self.reckoning().told(TimeSource::Cloud, wall, boottime())
    }

    /// Where the wall belongs, if an operator says that it is wrong. [`Clock::mend`] does it.
    pub fn repair(&self) -> Repair {
        self.reckoning().repair(synchronised_wall(), PROGRAM_IS_OLDER, boottime())
    }

    /// Sets the wall where it belongs, backwards too.
    pub fn mend(&self, repair: Repair) {
        self.reckoning().mend(repair, boottime());
    }

    fn reckoning(&self) -> MutexGuard<'_, Reckoning> {
        // Nothing that holds it can leave it half changed.
        self.reckoning.lock().unwrap_or_else(PoisonError::into_inner)
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

pub fn boottime() -> Boot {
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
    use std::time::Duration;

    use super::*;
    use crate::domain::Trust;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_floor_raises_the_wall_and_never_lowers_it() {
        let clock = Clock::new();
        let later = PROGRAM_IS_OLDER.plus(DAY);
        clock.not_before(later);
        clock.not_before(PROGRAM_IS_OLDER);
        let now = clock.now();
        assert!(now.wall >= later && now.wall.since(later) < Duration::from_secs(5));
        assert_eq!(now.trust, Trust::Floor);
    }

    #[test]
    fn clones_share_the_wall() {
        let clock = Clock::new();
        let later = PROGRAM_IS_OLDER.plus(DAY);
        assert_eq!(clock.clone().told(later), Refreshed::Moved);
        assert!(clock.now().wall >= later);
        assert_eq!(clock.now().trust, Trust::Trusted);
    }

    #[test]
    fn a_repair_leads_to_what_the_cloud_says() {
        let clock = Clock::new();
        let (right, wrong) = (PROGRAM_IS_OLDER.plus(DAY), PROGRAM_IS_OLDER.plus(1000 * DAY));
        clock.not_before(wrong);
        assert_eq!(clock.told(right), Refreshed::Disbelieved { claimed: right });
        clock.mend(clock.repair());
        let now = clock.now();
        assert!(now.wall >= right && now.wall.since(right) < Duration::from_secs(5));
        assert_eq!(now.trust, Trust::Trusted);
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random::<16>(), random::<16>());
    }
}
