//! DNS of guests, and a resolver behind the gateway that the test owns: it notes what it is asked, and fails
//! as it is told.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lango::wire::dns::{Code, Kind, Name, Received, Reply, question, read, read_response};

use super::Lab;
use super::internet;
use super::phone::Phone;

/// Where [`Resolver`] listens: the value of `dns_upstream`.
pub(crate) const RESOLVER: &str = "127.0.0.1:5353";

/// How a question travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// What a phone hears to a question, and how soon.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) addresses: Vec<String>,
    pub(crate) denied: bool,
    pub(crate) took: Duration,
}

/// What `server` says to `phone`; it must answer.
pub(crate) fn ask(phone: &Phone, server: SocketAddr, over: Over, name: &str, kind: Kind) -> Heard {
    let from = Instant::now();
    let label = Name::parse(name).unwrap();
    let message = question(0x4321, &label, kind);
    let answer = phone.space.enter(|| match over {
        Over::Udp => over_udp(phone, server, &message),
        Over::Tcp => over_tcp(phone, server, &message),
    });
    let answer = answer.unwrap_or_else(|error| panic!("{name} at {server} over {over:?}: {error}"));
    let response = read_response(&answer, 0x4321, &label, kind).expect("an answer to the question");
    let addresses = response.addresses.iter().map(ToString::to_string).collect();
    Heard { addresses, denied: response.denies(), took: from.elapsed() }
}

fn over_udp(phone: &Phone, server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    // Connected: an answer from another address is not heard.
    let socket = phone.udp_here(server)?;
    socket.send(message)?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn over_tcp(phone: &Phone, server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = phone.tcp_here(server)?;
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// A resolver on the gateway's loopback, until it is dropped.
pub(crate) struct Resolver {
    asked: Arc<Mutex<Vec<Name>>>,
    silent: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Resolver {
    /// One that knows `zone` and nothing else.
    pub(crate) fn start(lab: &Lab, zone: &[(&str, &[&str])]) -> Self {
        let zone: BTreeMap<Name, Vec<IpAddr>> = zone
            .iter()
            .map(|(name, ips)| {
                (Name::parse(name).unwrap(), ips.iter().map(|ip| ip.parse().unwrap()).collect())
            })
            .collect();
        let (asked, silent, stop) = (Arc::<Mutex<Vec<Name>>>::default(), Arc::default(), Arc::default());
        let socket = lab.gateway.enter(|| UdpSocket::bind(RESOLVER).expect("a free port"));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let (notes, quiet, ended) = (Arc::clone(&asked), Arc::clone(&silent), Arc::clone(&stop));
        let server = thread::spawn(move || answer_all(&socket, &zone, &notes, &quiet, &ended));
        Self { asked, silent, stop, server: Some(server) }
    }

    /// One that knows the hosts of `internet.rs`; the resolver of the network asks it from now on.
    pub(crate) fn of_the_internet(lab: &mut Lab) -> Self {
        let addresses: &[&str] = &["203.0.113.80", "2001:db8:ffff::80"];
        let zone: Vec<_> = internet::hosts().into_iter().map(|host| (host, addresses)).collect();
        lab.forward_names(&RESOLVER.replace(':', "#"));
        Self::start(lab, &zone)
    }

    /// Whether a question for `name` reached it.
    pub(crate) fn was_asked(&self, name: &str) -> bool {
        self.asked.lock().unwrap().contains(&Name::parse(name).unwrap())
    }

    /// From now on it hears and does not answer.
    pub(crate) fn falls_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn answer_all(
    socket: &UdpSocket,
    zone: &BTreeMap<Name, Vec<IpAddr>>,
    asked: &Mutex<Vec<Name>>,
    silent: &AtomicBool,
    stop: &AtomicBool,
) {
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(Received::Query(query)) = read(buffer[..length].to_vec()) else { continue };
        asked.lock().unwrap().push(query.name.clone());
        if silent.load(Ordering::Relaxed) {
            continue;
        }
        let of_kind = |ip: &IpAddr| query.kind == if ip.is_ipv4() { Kind::A } else { Kind::AAAA };
        let reply = match zone.get(&query.name) {
            Some(ips) => {
                let addresses = ips.iter().copied().filter(of_kind).collect();
                Reply { code: Code::Fine, addresses, ttl: 30 }
            }
            None => Reply { code: Code::NoSuchName, addresses: Vec::new(), ttl: 0 },
        };
        let _ = socket.send_to(&query.answer(&reply, 4096), from);
    }
}
