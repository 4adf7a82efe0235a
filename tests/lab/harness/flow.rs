//! A download over IPv4 and another over IPv6, which a phone keeps open while something happens.

use std::io::Read;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::DOWNLOAD;
use super::phone::Phone;
use super::world::World;

/// Longest silence of a living flow.
const SILENCE: Duration = Duration::from_millis(2500);
const LONGEST: Duration = Duration::from_secs(30);

/// Both downloads; each runs until it is silent.
pub(crate) struct Flows(Vec<JoinHandle<Instant>>);

impl Flows {
    /// Opens them; returns when data comes.
    pub(crate) fn open(phone: &Phone, world: &World) -> Self {
        let open = |to| {
            let mut stream = phone.tcp(to).expect("an open world");
            stream.read_exact(&mut [0; 1024]).expect("a download");
            stream.set_read_timeout(Some(SILENCE)).expect("a socket");
            thread::spawn(move || {
                let (from, mut last) = (Instant::now(), Instant::now());
                while let Ok(1..) = stream.read(&mut [0; 4096]) {
                    last = Instant::now();
                    if from.elapsed() > LONGEST {
                        break;
                    }
                }
                last
            })
        };
        Self(world.both(DOWNLOAD).map(open).into())
    }

    /// When the last byte of each came.
    pub(crate) fn ends(self) -> Vec<Instant> {
        self.0.into_iter().map(|flow| flow.join().expect("a flow only reads")).collect()
    }

    /// Asserts that no byte of either came after `limit`.
    pub(crate) fn die_before(self, limit: Instant) {
        for (last, version) in self.ends().into_iter().zip([4, 6]) {
            let late = last.saturating_duration_since(limit);
            assert!(late.is_zero(), "the flow over IPv{version} lived {late:?} too long");
        }
    }
}
