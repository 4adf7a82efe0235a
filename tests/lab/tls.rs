//! The portal over TLS: what a page costs with a new handshake, a resumed one, and none, and what handshakes leave
//! to the plain portal. Handshakes are rationed, 40 a second of all devices: who comes by itself does not notice,
//! and of 50 who come at once the last ten wait in line.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use crate::handshakes::{Flood, Shaken, client, client_of, plain, secure, shake_hands};
use crate::harness::{
    Authority, Cloud, Daemon, Key, Lab, Phone, Request, Settings, read_response, wait_until,
};
use crate::load::Latencies;
use crate::{Aim, Row, row};

/// Phones at once.
const AT_ONCE: usize = 50;
const ROUNDS: usize = 8;
/// Between two handshakes of a device, and of all together, so that none has to wait.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(1500);
const BETWEEN_ALL: Duration = Duration::from_millis(30);
/// For any answer.
const LONGEST: Duration = Duration::from_secs(10);
/// How long pages are asked for over connections that are kept.
const SPELL: Duration = Duration::from_secs(3);

/// How a phone comes.
#[derive(Clone, Copy)]
struct Manner {
    name: &'static str,
    version: &'static rustls::SupportedProtocolVersion,
    kind: HandshakeKind,
    key: Key,
}

const MANNERS: [Manner; 5] = [
    Manner { name: "TLS 1.3, ECDSA", version: &TLS13, kind: HandshakeKind::Full, key: Key::Ecdsa },
    Manner { name: "TLS 1.2, ECDSA", version: &TLS12, kind: HandshakeKind::Full, key: Key::Ecdsa },
    Manner { name: "TLS 1.3, resumed", version: &TLS13, kind: HandshakeKind::Resumed, key: Key::Ecdsa },
    Manner { name: "TLS 1.2, resumed", version: &TLS12, kind: HandshakeKind::Resumed, key: Key::Ecdsa },
    Manner { name: "TLS 1.3, RSA", version: &TLS13, kind: HandshakeKind::Full, key: Key::Rsa },
];

/// Phones with a client each, which remembers what it may resume.
struct Guests {
    phones: Vec<Phone>,
    clients: Vec<Arc<ClientConfig>>,
    manner: Manner,
}

pub(crate) fn measure(rows: &mut Vec<Row>) {
    for key in [Key::Ecdsa, Key::Rsa] {
        let mut lab = Lab::on_disk(2);
        let phones = lab.crowd(AT_ONCE);
        let authority = Authority::new(lab.folder());
        authority.issue("wifi.lango", key);
        let [certificate, secret] = authority.files();
        // It tells the time, without which no certificate is good.
        let cloud = Cloud::start(&lab);
        let settings = Settings::default().main("certificate", &certificate).main("key", &secret);
        let daemon = Daemon::start(&lab, &cloud.polled(settings, "1h", &[]));
        daemon.cli(&["sync", "--now"]);
        wait_until("the portal over TLS", Duration::from_secs(20), || lab.phones[0].tcp(secure()).is_ok());
        for manner in MANNERS.into_iter().filter(|manner| manner.key == key) {
            let guests = Guests::new(&phones, &authority, manner);
            show(rows, &format!("HTTPS page, {}, by itself", manner.name), guests.one_by_one());
            show(rows, &format!("HTTPS page, {}, 50 at once", manner.name), guests.at_once());
        }
        if key == Key::Ecdsa {
            kept(rows, &Guests::new(&phones, &authority, MANNERS[0]));
        }
        beside_handshakes(rows, &lab, &authority, key);
        if key == Key::Ecdsa {
            rows.push(row("resident memory, having served all this", daemon.memory(), "MB", Aim::Known));
        }
    }
}

fn show(rows: &mut Vec<Row>, what: &str, mut times: Latencies) {
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        rows.push(row(format!("{what}: {name}"), times.quantile(part), "ms", Aim::Known));
    }
}

impl Guests {
    fn new(phones: &[Phone], authority: &Authority, manner: Manner) -> Self {
        let client = || {
            let mut client = client_of(&authority.root(), &[manner.version]);
            if manner.kind == HandshakeKind::Resumed {
                client.resumption = Resumption::in_memory_sessions(8);
            }
            Arc::new(client)
        };
        let guests =
            Self { phones: phones.to_vec(), clients: phones.iter().map(|_| client()).collect(), manner };
        if manner.kind == HandshakeKind::Resumed {
            // The first time there is nothing to resume.
            guests.in_turn(|phone, client| drop(open(phone, client)));
        }
        guests
    }

    /// From the first packet to the whole page.
    fn page(&self, phone: &Phone, client: &Arc<ClientConfig>) -> Duration {
        let from = Instant::now();
        let shaken = open(phone, client);
        let time = from.elapsed();
        assert_eq!(shaken.conn.handshake_kind(), Some(self.manner.kind), "{}", self.manner.name);
        time
    }

    fn in_turn(&self, mut visit: impl FnMut(&Phone, &Arc<ClientConfig>) + Send) {
        self.phones[0].space.enter(|| {
            for (phone, client) in self.phones.iter().zip(&self.clients) {
                visit(phone, client);
                thread::sleep(BETWEEN_ALL);
            }
        });
    }

    fn one_by_one(&self) -> Latencies {
        let mut times = Latencies::default();
        for _ in 0..ROUNDS / 2 {
            self.in_turn(|phone, client| times.add(self.page(phone, client)));
        }
        times
    }

    fn at_once(&self) -> Latencies {
        let mut times = Latencies::default();
        for _ in 0..ROUNDS {
            thread::sleep(BETWEEN_ROUNDS);
            let start = Barrier::new(self.phones.len());
            let come = &|(phone, client): (&Phone, &Arc<ClientConfig>)| {
                phone.space.move_here();
                start.wait();
                self.page(phone, client)
            };
            thread::scope(|scope| {
                let all = self.phones.iter().zip(&self.clients);
                let coming: Vec<_> = all.map(|guest| scope.spawn(move || come(guest))).collect();
                coming.into_iter().for_each(|guest| times.add(guest.join().expect("a page came")));
            });
        }
        times
    }
}

/// A connection on which the first page has come.
fn open(phone: &Phone, client: &Arc<ClientConfig>) -> Shaken {
    let mut shaken = shake_hands(connect(phone), client).expect("a handshake");
    ask(&mut shaken);
    shaken
}

fn connect(phone: &Phone) -> TcpStream {
    let stream = phone.tcp_here(secure()).expect("a connection");
    // As browsers do; and who measures waits longer than a guest.
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LONGEST))).expect("a socket");
    stream
}

fn ask(shaken: &mut Shaken) {
    let asked = shaken.write_all(&Request::get("wifi.lango:2443", "/").bytes());
    assert_eq!(asked.and_then(|()| read_response(shaken)).expect("a page").status, 200);
}

/// Pages over connections that are kept.
fn kept(rows: &mut Vec<Row>, guests: &Guests) {
    thread::sleep(BETWEEN_ROUNDS);
    let mut connections = Vec::new();
    guests.in_turn(|phone, client| connections.push(open(phone, client)));
    let start = Barrier::new(connections.len());
    let read = |mut shaken: Shaken| {
        let mut times = Vec::new();
        start.wait();
        let end = Instant::now() + SPELL;
        while Instant::now() < end {
            let from = Instant::now();
            ask(&mut shaken);
            times.push(from.elapsed());
        }
        times
    };
    let mut all = Latencies::default();
    let mut count = 0;
    thread::scope(|scope| {
        let reading: Vec<_> = connections.into_iter().map(|one| scope.spawn(|| read(one))).collect();
        for time in reading.into_iter().flat_map(|reader| reader.join().expect("every page came")) {
            count += 1;
            all.add(time);
        }
    });
    let rate = f64::from(count) / SPELL.as_secs_f64();
    rows.push(row("HTTPS pages per second, 50 kept connections", rate, "/s", Aim::Known));
    show(rows, "HTTPS page, 50 kept connections", all);
}

/// The plain portal before and while a device begins all the handshakes that it can.
fn beside_handshakes(rows: &mut Vec<Row>, lab: &Lab, authority: &Authority, key: Key) {
    let (flood, client) = (Flood::default(), client(&authority.root()));
    let read = || {
        let mut times = Latencies::default();
        plain(&lab.phones[1], SPELL).into_iter().for_each(|time| times.add(time));
        times
    };
    show(rows, &format!("plain portal, no handshakes beside it ({key:?})"), read());
    thread::scope(|scope| {
        flood.begin(scope, &lab.phones[0], &client);
        wait_until("the flood", Duration::from_secs(20), || flood.tally()[0] > 20);
        show(rows, &format!("plain portal, a flood of handshakes beside it ({key:?})"), read());
        flood.stop();
    });
    let [tried, done] = flood.tally();
    println!("(the flood, {key:?}: {tried} whole handshakes were tried, {done} were let in)");
}
