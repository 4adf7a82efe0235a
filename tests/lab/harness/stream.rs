//! A steady stream of numbered datagrams from a phone to the world's recorder, to find gaps and leaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::phone::Phone;
use super::wait_until;
use super::world::{Arrival, RECORDER, World};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A stream that runs until it is finished or dropped.
pub(crate) struct Stream {
    id: u64,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Stream {
    /// Sends one datagram `every` so often, to the world's IPv4 address or its IPv6 address.
    pub(crate) fn start(phone: &Phone, world: &World, ip_version: u8, every: Duration) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let to = world.both(RECORDER)[usize::from(ip_version == 6)];
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended) = (Arc::clone(&sent), Arc::clone(&stop));
        let socket = phone.udp(to).expect("a socket");
        let sender = thread::spawn(move || {
            let mut due = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                let datagram = [id.to_be_bytes(), number.to_be_bytes()].concat();
                // A refusal of an earlier datagram shows as an error of this one, which then did not leave.
                if socket.send(&datagram).is_ok() || socket.send(&datagram).is_ok() {
                    count.store(number + 1, Ordering::Relaxed);
                }
                due += every;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { id, sent, stop, sender: Some(sender) }
    }

    /// What came so far.
    pub(crate) fn arrivals(&self, world: &World) -> Vec<Arrival> {
        world.arrivals(self.id)
    }

    /// Datagrams sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until `count` more datagrams were sent.
    pub(crate) fn flow(&self, count: u64) {
        let goal = self.sent() + count;
        wait_until("a stream to be sent", Duration::from_secs(30), || self.sent() >= goal);
    }

    /// Ends the stream; how many datagrams were sent and which of them came.
    pub(crate) fn finish(mut self, world: &World) -> (u64, Vec<Arrival>) {
        self.halt();
        // What is on its way in the same kernel needs no longer.
        let mut before = usize::MAX;
        wait_until("the last datagrams", Duration::from_secs(2), || {
            let now = self.arrivals(world).len();
            let settled = now == before;
            before = now;
            thread::sleep(Duration::from_millis(30));
            settled
        });
        (self.sent(), self.arrivals(world))
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.halt();
    }
}
