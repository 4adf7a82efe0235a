//! The internet of the lab: a host with a web server, echoes, endless downloads and a recorder.
//!
//! Everything is served on its IPv4 and its IPv6 address by threads inside its namespace, which end with
//! it. What a test asserts of packets that left the gateway is asked of [`World::arrivals`].

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::internet;
use super::netns::Netns;

/// Answers every request with [`GREETING`], but for what `internet.rs` has an answer of its own.
pub(crate) const HTTP: u16 = 80;
/// Sends back what it gets, like the start of a TLS server would.
pub(crate) const ECHO: u16 = 443;
/// Sends for ever.
pub(crate) const DOWNLOAD: u16 = 8080;
/// Sends for ever, as fast as it can.
pub(crate) const SOURCE: u16 = 5001;
/// Takes whatever comes.
pub(crate) const SINK: u16 = 5002;
/// Sends back each datagram.
pub(crate) const UDP_ECHO: u16 = 7;
/// Notes the arrival of each datagram: see [`World::arrivals`].
pub(crate) const RECORDER: u16 = 9;

/// Body of the web server.
pub(crate) const GREETING: &str = "hello from the world";

/// The number in a recorded datagram and when it came.
pub(crate) type Arrival = (u64, Instant);
type Recorded = Arc<Mutex<HashMap<u64, Vec<Arrival>>>>;

/// The host and its servers.
pub(crate) struct World {
    pub(crate) space: Arc<Netns>,
    pub(crate) v4: IpAddr,
    pub(crate) v6: IpAddr,
    recorded: Recorded,
    stop: Arc<AtomicBool>,
    servers: Vec<JoinHandle<()>>,
}

impl World {
    /// Starts the servers in `space`, on every address it has.
    pub(crate) fn start(space: Arc<Netns>, v4: IpAddr, v6: IpAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let recorded = Recorded::default();
        let mut servers = Vec::new();
        let pages = [(HTTP, greet as fn(TcpStream)), (ECHO, echo), (DOWNLOAD, pour)];
        for (port, serve) in pages.into_iter().chain([(SOURCE, gush as fn(TcpStream)), (SINK, swallow)]) {
            let listener = space.enter(|| TcpListener::bind(any(port)).expect("a free port"));
            let stop = Arc::clone(&stop);
            servers.push(space.spawn(move || accept(&listener, serve, &stop)));
        }
        // Bound to an address each, so that answers leave from it.
        for (port, address) in [(UDP_ECHO, v4), (UDP_ECHO, v6), (RECORDER, v4), (RECORDER, v6)] {
            let socket = space.enter(|| UdpSocket::bind((address, port)).expect("a free port"));
            let (stop, recorded) = (Arc::clone(&stop), Arc::clone(&recorded));
            servers.push(space.spawn(move || receive(&socket, port == RECORDER, &recorded, &stop)));
        }
        Self { space, v4, v6, recorded, stop, servers }
    }

    /// Datagrams of stream `id` that came to the recorder so far, in the order of their coming.
    pub(crate) fn arrivals(&self, id: u64) -> Vec<Arrival> {
        self.recorded.lock().expect("the recorder lives").get(&id).cloned().unwrap_or_default()
    }

    /// Both addresses.
    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        [self.v4, self.v6]
    }

    /// Both addresses with `port`.
    pub(crate) fn both(&self, port: u16) -> [SocketAddr; 2] {
        [SocketAddr::new(self.v4, port), SocketAddr::new(self.v6, port)]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for server in self.servers.drain(..) {
            let _ = server.join();
        }
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
}

/// How often a server looks whether it should end.
const BEAT: Duration = Duration::from_millis(20);
/// Connections of the world do not outlive a test.
const LONGEST: Duration = Duration::from_secs(60);

fn accept(listener: &TcpListener, serve: fn(TcpStream), stop: &AtomicBool) {
    listener.set_nonblocking(true).expect("a listener");
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(LONGEST));
                let _ = stream.set_write_timeout(Some(Duration::from_secs(10)));
                let _ = thread::Builder::new().stack_size(64 * 1024).spawn(move || serve(stream));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(_) => thread::sleep(BEAT),
        }
    }
}

fn greet(mut stream: TcpStream) {
    let mut seen = Vec::<u8>::new();
    let mut part = [0; 2048];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        seen.extend(&part[..count]);
        if seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let greeting =
                || format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GREETING}", GREETING.len());
            let head = String::from_utf8_lossy(&seen).into_owned();
            let answer = internet::answer(&head).unwrap_or_else(greeting);
            seen.clear();
            // Some wait for the end of the connection if they asked for it, however long the answer said it is.
            let last = head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
            if stream.write_all(answer.as_bytes()).is_err() || last {
                return;
            }
        }
    }
}

fn echo(mut stream: TcpStream) {
    let mut part = [0; 2048];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        if stream.write_all(&part[..count]).is_err() {
            return;
        }
    }
}

fn pour(mut stream: TcpStream) {
    let from = Instant::now();
    while from.elapsed() < LONGEST && stream.write_all(&[b'.'; 512]).is_ok() {
        thread::sleep(Duration::from_millis(2));
    }
}

fn gush(mut stream: TcpStream) {
    static BLOCK: [u8; 64 * 1024] = [b'.'; 64 * 1024];
    let from = Instant::now();
    while from.elapsed() < LONGEST && stream.write_all(&BLOCK).is_ok() {}
}

fn swallow(mut stream: TcpStream) {
    let mut part = vec![0; 64 * 1024];
    while let Ok(1..) = stream.read(&mut part) {}
}

fn receive(socket: &UdpSocket, record: bool, recorded: &Recorded, stop: &AtomicBool) {
    socket.set_read_timeout(Some(BEAT)).expect("a socket");
    let mut datagram = [0; 1500];
    while !stop.load(Ordering::Relaxed) {
        let Ok((count, from)) = socket.recv_from(&mut datagram) else { continue };
        if !record {
            let _ = socket.send_to(&datagram[..count], from);
        } else if let Some((id, number)) = parse(&datagram[..count]) {
            let arrival = (number, Instant::now());
            recorded.lock().expect("readers do not panic").entry(id).or_default().push(arrival);
        }
    }
}

fn parse(datagram: &[u8]) -> Option<(u64, u64)> {
    let (id, number) = datagram.split_at_checked(8)?;
    Some((u64::from_be_bytes(id.try_into().ok()?), u64::from_be_bytes(number.try_into().ok()?)))
}
