//! Traffic of a phone that fills whatever it is let through: TCP flows as fast as they get, either way.
//!
//! Moves bytes what passed the gateway is the business of `meter.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::phone::Phone;
use super::world::{SINK, SOURCE};

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
    stop: AtomicBool,
}

impl Load {
    /// `flows` connections to each of `to`; returns when all of them stand.
    pub(crate) fn start(phone: &Phone, to: &[IpAddr], way: Way, flows: usize) -> Self {
        let shared = Arc::new(Shared { bytes: AtomicU64::new(0), stop: AtomicBool::new(false) });
        let port = if way == Way::Up { SINK } else { SOURCE };
        let mut load = Self { shared, flows: Vec::new(), streams: Vec::new() };
        for address in to.iter().flat_map(|address| std::iter::repeat_n(*address, flows)) {
            let stream = phone.tcp(SocketAddr::new(address, port)).expect("an open world");
            let (shared, kept) = (Arc::clone(&load.shared), stream.try_clone().expect("a socket"));
            load.streams.push(kept);
            load.flows.push(phone.space.spawn(move || shared.run(stream, way)));
        }
        load
    }

    /// Payload that this side has sent or got so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
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
