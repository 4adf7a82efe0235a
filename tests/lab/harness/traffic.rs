//! Traffic of a phone that fills whatever it is let through: TCP flows as fast as they get, either way, and
//! counted numbers of datagrams.
//!
//! Moves bytes and says when the last one came; what passed the gateway is the business of `meter.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::phone::Phone;
use super::wait_until;
use super::world::{SINK, SOURCE, UDP_ECHO};

/// As the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Flows that run until they die or are dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    flows: Vec<JoinHandle<()>>,
    streams: Vec<TcpStream>,
}

struct Shared {
    bytes: AtomicU64,
    alive: AtomicUsize,
    stop: AtomicBool,
    last: Mutex<Instant>,
}

impl Load {
    /// `flows` connections to each of `to`; returns when all of them stand.
    pub(crate) fn start(phone: &Phone, to: &[IpAddr], way: Way, flows: usize) -> Self {
        let shared = Arc::new(Shared {
            bytes: AtomicU64::new(0),
            alive: AtomicUsize::new(flows * to.len()),
            stop: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
        });
        let port = if way == Way::Up { SINK } else { SOURCE };
        let mut load = Self { shared, flows: Vec::new(), streams: Vec::new() };
        let targets =
            to.iter().flat_map(|address| std::iter::repeat_n(SocketAddr::new(*address, port), flows));
        // All of them first: the first flow alone may use a cap up before the last is let through.
        let streams: Vec<_> = targets.map(|target| phone.tcp(target).expect("an open world")).collect();
        for stream in streams {
            let (shared, kept) = (Arc::clone(&load.shared), stream.try_clone().expect("a socket"));
            load.streams.push(kept);
            load.flows.push(phone.space.spawn(move || {
                shared.run(stream, way);
                shared.alive.fetch_sub(1, Ordering::Relaxed);
            }));
        }
        load
    }

    /// Payload that this side has sent or got so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// When this side last sent or got something.
    pub(crate) fn last(&self) -> Instant {
        *self.shared.last.lock().expect("flows do not panic")
    }

    /// Flows that were not told of an end.
    pub(crate) fn alive(&self) -> usize {
        self.shared.alive.load(Ordering::Relaxed)
    }

    /// Waits until nothing has moved for `time`; when the last byte did.
    pub(crate) fn wait_for_silence(&self, time: Duration) -> Instant {
        wait_until("a load to end", Duration::from_secs(30), || self.last().elapsed() > time);
        self.last()
    }
}

impl Shared {
    fn run(&self, mut stream: TcpStream, way: Way) {
        let mut block = vec![b'.'; 64 * 1024];
        while !self.stop.load(Ordering::Relaxed) {
            let moved = match way {
                Way::Up => stream.write(&block),
                Way::Down => stream.read(&mut block),
            };
            match moved {
                Ok(count @ 1..) => {
                    self.bytes.fetch_add(count as u64, Ordering::Relaxed);
                    *self.last.lock().expect("flows do not panic") = Instant::now();
                }
                // The patience of the socket; a slow plan may need longer.
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for stream in &self.streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for flow in self.flows.drain(..) {
            let _ = flow.join();
        }
    }
}

/// Datagrams with as many bytes of payload as `sizes` say, one after the other and each echoed by the world
/// before the next; panics where one does not come back.
pub(crate) fn echo_datagrams(phone: &Phone, to: IpAddr, sizes: impl IntoIterator<Item = usize> + Send) {
    let to = SocketAddr::new(to, UDP_ECHO);
    phone.space.enter(|| echo_datagrams_here(phone, to, sizes));
}

/// As [`echo_datagrams`], for a thread that is in the phone's namespace already.
pub(crate) fn echo_datagrams_here(phone: &Phone, to: SocketAddr, sizes: impl IntoIterator<Item = usize>) {
    let socket = phone.udp_here(to).expect("a socket");
    let mut back = [0; 1500];
    for size in sizes {
        let sent = socket.send(&vec![b'.'; size]);
        let came = sent.and_then(|_| socket.recv(&mut back));
        // Whether it was refused or lost is told.
        assert!(
            came.as_ref().is_ok_and(|got| *got == size),
            "{came:?}: {size} bytes to {to} of {}",
            phone.mac
        );
    }
}
