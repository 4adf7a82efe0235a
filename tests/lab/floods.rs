//! Floods: one device that has not paid sends all it can, and the others do not feel it.
//!
//! Bounded in number and time, inside the namespaces. No flood of neighbours goes beyond what the kernel
//! keeps, because it keeps them for all namespaces of the machine together.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::packet::{ACK, Ip, PSH, SYN, TCP, UDP, bytes, icmp, tcp, udp};
use crate::harness::raw::{ARP, Cable, mac};
use crate::harness::{
    Browser, DOWNLOAD, Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Phone, Settings, Stream, portal_v4, wait_until,
};

/// Each flood lasts so long,
const SPELL: Duration = Duration::from_millis(1500);
/// and has at least so many packets.
const FLOOD: u32 = 4_000;
/// Packets a millisecond.
const PACE: u32 = 8;
const GARDEN: &str = "203.0.113.85";

#[test]
fn floods_of_one_device_leave_the_others_and_the_program_well() {
    let storm = Storm::gather();
    let calm = storm.calm();
    let mut complaints = Vec::new();
    for (name, wave) in waves(&storm) {
        let felt = storm.during(&calm, wave);
        complaints.extend(felt.into_iter().map(|what| format!("{name}: {what}")));
    }
    complaints.extend(storm.sets());
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(storm.daemon.is_alive());
}

#[test]
fn connections_that_say_nothing_do_not_keep_others_from_the_portal() {
    let storm = Storm::gather();
    let before = storm.resident();
    let flooder = &storm.lab.phones[0];
    // Many times what one device may hold.
    let held: Vec<TcpStream> = flooder.space.enter(|| {
        (0..600)
            .filter_map(|_| TcpStream::connect_timeout(&portal_v4(), Duration::from_millis(50)).ok())
            .collect()
    });
    assert!(!held.is_empty());
    let complaints = storm.newcomer();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(storm.resident() < before + 10_000, "{} to {} kB", before, storm.resident());
}

/// One packet of a flood, by its number.
type Wave = Box<dyn Fn(&Cable, u32) + Send>;

fn waves(storm: &Storm) -> Vec<(&'static str, Wave)> {
    let [flooder, paid] = [&storm.lab.phones[0], &storm.lab.phones[1]];
    let (own4, own6) = (flooder.v4, flooder.v6);
    let gateway6: IpAddr = GATEWAY_V6.parse().unwrap();
    let (world4, world6) = (storm.lab.world.v4, storm.lab.world.v6);
    let port = |number: u32| 1024 + u16::try_from(number % 60_000).unwrap();
    let pair = move |number: u32, to4, to6| {
        if number.is_multiple_of(2) { Ip::new(own4, to4) } else { Ip::new(own6, to6) }
    };
    let syn = move |cable: &Cable, ip: &Ip, number: u32, to| {
        cable.send(&ip.carry(TCP, &tcp(ip, port(number), to, SYN, b"")));
    };
    let datagram = move |cable: &Cable, ip: &Ip, from: u16, to, payload: &[u8]| {
        cable.send(&ip.carry(UDP, &udp(ip, from, to, payload)));
    };
    let (paid4, paid6) = (paid.v4, paid.v6);
    let downloads = storm.downloads.each_ref().map(|download| download.port);
    let own = mac(&flooder.mac);
    vec![
        ("SYNs to the portal", Box::new(move |cable, n| syn(cable, &pair(n, GATEWAY_V4, gateway6), n, 2080))),
        (
            "SYNs to port 80 of anywhere",
            Box::new(move |cable, n| syn(cable, &pair(n, anywhere(n), world6), n, 80)),
        ),
        ("SYNs to port 443", Box::new(move |cable, n| syn(cable, &pair(n, world4, world6), n, 443))),
        (
            "queries to the gateway",
            Box::new(move |cable, n| datagram(cable, &pair(n, GATEWAY_V4, gateway6), port(n), 53, &query(n))),
        ),
        (
            "queries to anywhere",
            Box::new(move |cable, n| datagram(cable, &pair(n, anywhere(n), world6), port(n), 53, &query(n))),
        ),
        (
            "datagrams to closed ports",
            Box::new(move |cable, n| datagram(cable, &pair(n, GATEWAY_V4, gateway6), 4000, port(n), b"x")),
        ),
        (
            "datagrams to the world",
            Box::new(move |cable, n| {
                datagram(cable, &pair(n, anywhere(n), world6), port(n), 443, &[0; 1000]);
            }),
        ),
        (
            "the garden",
            Box::new(move |cable, n| {
                let ip = Ip::new(own4, GARDEN.parse().unwrap());
                datagram(cable, &ip, port(n), 443, &[0; 1000]);
                syn(cable, &ip, n, 443);
            }),
        ),
        ("neighbours that do not exist", Box::new(move |cable, n| claim(cable, own, n % 300, gateway6))),
        (
            "the paid guest's own connection",
            Box::new(move |cable, n| {
                let (ip, from) = if n.is_multiple_of(2) {
                    (Ip::new(paid4, world4), downloads[0])
                } else {
                    (Ip::new(paid6, world6), downloads[1])
                };
                cable.send(&ip.carry(TCP, &tcp(&ip, from, DOWNLOAD, PSH | ACK, b"x")));
            }),
        ),
    ]
}

fn anywhere(number: u32) -> IpAddr {
    let [_, a, b, c] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    [198, 51 + a % 100, b, c].into()
}

/// A query for a name that was never asked for.
fn query(number: u32) -> Vec<u8> {
    let label = format!("{number:016x}");
    [&b"LG\x01\0\0\x01\0\0\0\0\0\0\x10"[..], label.as_bytes(), b"\x07example\x03net\0\0\x01\0\x01"].concat()
}

/// Asks for the gateway's MAC in the name of an address that nobody has.
fn claim(cable: &Cable, own: [u8; 6], number: u32, gateway6: IpAddr) {
    let [_, _, high, low] = number.to_be_bytes();
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    let (sender, target) = ([10, 77, 12 + high, low], bytes(GATEWAY_V4));
    cable.frame([0xff; 6], ARP, &[&head[..], &own, &sender, &[0; 6], &target].concat());
    let ip = Ip::new(format!("fd77::9:{number:x}").parse().unwrap(), gateway6).hops(255);
    cable.send(&icmp(&ip, 135, 0, [0; 4], &[&bytes(gateway6)[..], &[1, 1], &own].concat()));
}

/// What a calm time looks like: bytes of each download in a spell.
type Calm = [u64; 2];

/// The flooding device is the first phone, the paid guest the second, a newcomer the third.
struct Storm {
    daemon: Daemon,
    lab: Lab,
    downloads: [Download; 2],
    codes: std::cell::RefCell<Vec<String>>,
}

impl Storm {
    fn gather() -> Self {
        let lab = Lab::new(3);
        lab.world.space.ip(&format!("addr add {GARDEN}/32 dev lo"));
        // The flooding phone's own kernel would close what it did not open.
        lab.phones[0].space.nft(
            "table inet quiet { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }",
        );
        let settings = Settings::default()
            .plan("hour", &[("metered", "1h")])
            .section("garden", &[("address", GARDEN), ("port", "443")]);
        let daemon = Daemon::start(&lab, &settings);
        let mut codes = daemon.vouchers("hour", 20);
        Browser::of(&lab.phones[1]).must_login(&codes.remove(0));
        let downloads = [0, 1].map(|family| Download::start(&lab.phones[1], &lab, family));
        Self { daemon, lab, downloads, codes: codes.into() }
    }

    fn calm(&self) -> Calm {
        let before = self.downloads.each_ref().map(Download::bytes);
        thread::sleep(SPELL);
        [0, 1].map(|family| self.downloads[family].bytes() - before[family])
    }

    /// What the others feel of a wave.
    fn during(&self, calm: &Calm, wave: Wave) -> Vec<String> {
        let (resident, flows) = (self.resident(), self.flows());
        let paid = &self.lab.phones[1];
        let streams =
            [4, 6].map(|version| Stream::start(paid, &self.lab.world, version, Duration::from_millis(3)));
        let before = self.downloads.each_ref().map(Download::bytes);
        let flood = Flood::start(&self.lab.phones[0], wave);
        let from = Instant::now();
        let mut felt = self.newcomer();
        thread::sleep(SPELL.saturating_sub(from.elapsed()));
        wait_until("a flood", Duration::from_secs(20), || flood.sent() >= FLOOD);
        let got = [0, 1].map(|family| self.downloads[family].bytes() - before[family]);
        drop(flood);
        for (family, got) in got.into_iter().enumerate() {
            // A machine that is busy slows everybody; a guest who is shut out gets nothing.
            if got < calm[family] / 8 {
                let [calm, version] = [calm[family], [4, 6][family]];
                felt.push(format!("a paid guest's IPv{version} download got {got} bytes, in calm {calm}"));
            }
        }
        for stream in streams {
            let (sent, came) = stream.finish(&self.lab.world);
            if sent.saturating_sub(came.len() as u64) * 100 > sent {
                felt.push(format!("{} of {sent} datagrams of a paid guest came", came.len()));
            }
        }
        let grown = self.resident().saturating_sub(resident);
        if grown > 10_000 {
            felt.push(format!("the program grew by {grown} kB"));
        }
        // Small boxes keep no more than 16,384.
        let begun = self.flows().saturating_sub(flows);
        if begun > 8_000 {
            felt.push(format!("it began {begun} flows"));
        }
        felt
    }

    /// A phone that comes now: the page, the login, and the administrator's question, each in time.
    fn newcomer(&self) -> Vec<String> {
        let mut felt = Vec::new();
        let mut timed = |what: &str, limit: u64, done: &mut dyn FnMut() -> bool| {
            let from = Instant::now();
            let done = done();
            let took = from.elapsed();
            if !done || took > Duration::from_secs(limit) {
                felt.push(format!("{what}: {}, after {took:?}", if done { "late" } else { "failed" }));
            }
        };
        let (phone, browser) = (&self.lab.phones[2], Browser::of(&self.lab.phones[2]));
        timed("the portal's page", 2, &mut || {
            phone.get(portal_v4(), "10.77.0.1:2080", "/").is_ok_and(|page| page.status == 200)
        });
        let code = self.codes.borrow_mut().pop().expect("codes enough");
        timed("a login", 3, &mut || browser.login(&code).status == 303);
        timed("lango status", 1, &mut || self.daemon.cli(&["status"]).code == 0);
        timed("the world", 2, &mut || phone.try_tcp(self.lab.world.both(443)[0]).result.is_ok());
        timed("a logout", 3, &mut || browser.logout().status == 303);
        felt
    }

    /// Sets of the table that hold more than they may, or may hold any number.
    fn sets(&self) -> Vec<String> {
        let listed = self.lab.gateway.nft_list(&["-j", "list", "table", "inet", "lango"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let objects = listed["nftables"].as_array().unwrap().iter();
        let sets = objects.filter_map(|object| object.get("set").or_else(|| object.get("map")));
        let wrong = sets.filter_map(|set| {
            let constant = set["flags"].as_array().is_some_and(|flags| flags.contains(&"constant".into()));
            let (held, size) = (set["elem"].as_array().map_or(0, Vec::len), set["size"].as_u64());
            let bounded = constant || size.is_some_and(|size| held as u64 <= size);
            (!bounded).then(|| format!("set {} holds {held} of {size:?}", set["name"]))
        });
        wrong.collect()
    }

    /// Resident memory of the program, in kB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).unwrap();
        let fields: BTreeMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
        fields["VmRSS"].trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn flows(&self) -> u64 {
        self.lab.gateway.must("conntrack", &["-C"]).trim().parse().unwrap()
    }
}

/// A wave that rolls until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(phone: &Phone, wave: Wave) -> Self {
        let (cable, stop) = (Cable::of(phone), Arc::new(AtomicBool::new(false)));
        let sent = Arc::new(AtomicU32::new(0));
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut sent = 0;
            while !ended.load(Ordering::Relaxed) && sent < 40_000 {
                (0..PACE).for_each(|number| wave(&cable, sent + number));
                sent += PACE;
                count.store(sent, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// How many packets it had so far.
    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A download that a paid guest keeps open.
struct Download {
    port: u16,
    bytes: Arc<AtomicU64>,
}

impl Download {
    fn start(phone: &Phone, lab: &Lab, family: usize) -> Self {
        let mut stream = phone.tcp(lab.world.both(DOWNLOAD)[family]).unwrap();
        let port = stream.local_addr().unwrap().port();
        let bytes = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&bytes);
        // It ends with the lab.
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(more @ 1..) = stream.read(&mut part) {
                count.fetch_add(more as u64, Ordering::Relaxed);
            }
        });
        Self { port, bytes }
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
