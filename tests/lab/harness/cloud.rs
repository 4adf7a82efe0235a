//! The cloud of `tests/cloud` out in the world, and the road that leads there.
//!
//! The process serves in the world's namespace, so every byte to it crosses the gateway's uplink. It is told
//! what to do by a file, which no fault of the road touches.

#[path = "../../cloud/process.rs"]
mod process;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::netns::Netns;
use super::world::ECHO;
use super::{Lab, Settings, wait_until};
use process::Process;

const SITE: &str = "lab";
/// The gateway's resolver knows it.
const NAME: &str = "cloud.test";
pub(crate) const PORT: u16 = 8443;

/// A cloud that serves the site of the lab; to be dropped before the lab.
pub(crate) struct Cloud {
    process: Process,
    _slow_road: SlowRoad,
}

impl Cloud {
    /// Serves, and sells the plan `hour`.
    pub(crate) fn start(lab: &Lab) -> Self {
        Self::at(lab, "203.0.113.80")
    }

    /// As [`Self::start`], with a name that has to be looked up.
    pub(crate) fn with_a_name(lab: &Lab) -> Self {
        Self::at(lab, NAME)
    }

    fn at(lab: &Lab, host: &str) -> Self {
        let world = Arc::clone(&lab.world.space);
        let spawn = move |command: &mut std::process::Command| world.enter(|| command.spawn().unwrap());
        let process = Process::start(SITE, host, PORT, Box::new(spawn));
        let cloud = Self { process, _slow_road: SlowRoad::open(&lab.world.space) };
        cloud.plan("hour", json!({ "metered_s": 3600 }));
        cloud
    }

    /// `settings` of a gateway that polls this cloud once in `poll`.
    pub(crate) fn polled(&self, settings: Settings, poll: &str, more: &[(&str, &str)]) -> Settings {
        let path = |name: &str| self.path(name).display().to_string();
        let (url, token, ca) = (self.url(), path("token"), path("keys/ca.pem"));
        let options = [
            ("url", &*url),
            ("token_file", &token),
            ("ca_file", &ca),
            ("signing_key", &self.signing_key),
            ("poll", poll),
        ];
        let settings = settings.main("site_key_file", &path("site.key"));
        settings.section("cloud", &[&options[..], more].concat())
    }

    /// Puts a plan on sale.
    pub(crate) fn plan(&self, id: &str, terms: Value) {
        self.tell("plan", json!([id]), terms);
    }

    /// A payment came in.
    pub(crate) fn paid(&self, reference: &str, plan: &str, with: Value) {
        self.tell("payment", json!([reference, plan]), with);
    }

    /// A command to the gateway; its name.
    pub(crate) fn command(&self, name: &str, with: Value) -> String {
        self.tell("command", json!([name]), with)["id"].as_str().unwrap().to_owned()
    }

    /// The facts of a type that it has heard.
    pub(crate) fn heard(&self, kind: &str) -> Vec<Value> {
        self.list("events", json!([]), json!({ "type": kind }))
    }

    /// Waits until it has heard `count` facts of a type, and no more than those.
    pub(crate) fn hears(&self, kind: &str, count: usize) -> Vec<Value> {
        wait_until(&format!("{count} facts of type {kind}"), Duration::from_secs(15), || {
            self.heard(kind).len() >= count
        });
        let heard = self.heard(kind);
        assert_eq!(heard.len(), count, "{heard:?}");
        heard
    }

    /// Waits until the gateway has said to have everything that is here now.
    pub(crate) fn is_read(&self) {
        self.is_read_within(Duration::from_secs(20));
    }

    pub(crate) fn is_read_within(&self, limit: Duration) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        wait_until("the gateway to have read the feed", limit, || {
            self.requests("/feed")
                .iter()
                .any(|one| one["status"] == 304 && one["at"].as_f64().unwrap() >= now)
        });
    }

    /// What must not be: holes, facts that changed, more than one gateway.
    pub(crate) fn assert_no_trouble(&self) {
        let ledger = self.tell("ledger", json!([]), json!({}));
        assert_eq!(ledger["trouble"], json!([]), "{ledger}");
        assert!(ledger["devices"].as_array().unwrap().len() <= 1, "{ledger}");
    }
}

impl Deref for Cloud {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Cloud {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The hash of a PIN; small, so that a debug build is done with it soon.
pub(crate) fn pin_hash(pin: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::SaltString};
    let small = Params::new(64, 1, 1, None).unwrap();
    let salt = SaltString::from_b64("bGFuZ28tbGFuZ28tMTY").unwrap();
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, small);
    hasher.hash_password(pin.as_bytes(), &salt).unwrap().to_string()
}

/// What may be wrong with the road between gateway and cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Good,
    /// Packets to the cloud vanish, without a word.
    Silent,
    /// Three of ten packets are lost, either way.
    Lossy,
    /// What comes arrives [`DELAY`] later, either way.
    Slow,
    /// Somebody answers in place of the cloud, who speaks no TLS.
    Captive,
}

const DELAY: Duration = Duration::from_millis(500);
/// Where the slow road begins.
const SLOW: u16 = 8444;

impl Lab {
    /// From now on the road to the cloud is like this. What goes elsewhere is not touched.
    pub(crate) fn road(&self, road: Road) {
        let rules = match road {
            Road::Good => String::new(),
            Road::Silent => hooked("input", &format!("iifname eth0 tcp dport {PORT} drop")),
            Road::Lossy => {
                let lost = "numgen random mod 10 < 3 drop";
                hooked("input", &format!("iifname eth0 tcp dport {PORT} {lost}"))
                    + &hooked("output", &format!("oifname eth0 tcp sport {PORT} {lost}"))
            }
            Road::Slow => led_to(SLOW),
            Road::Captive => led_to(ECHO),
        };
        self.world
            .space
            .nft(&format!("table inet road\ndelete table inet road\ntable inet road {{ {rules} }}"));
    }

    /// A NAT on the road, that forgets who spoke with whom when [`Self::rebind`] says so.
    pub(crate) fn put_nat_on_the_road(&self) {
        self.world.space.nft(&format!(
            "table inet cgnat {{ chain in {{ type filter hook input priority -1; iifname eth0 tcp dport {PORT} ct state invalid drop; }}; }}"
        ));
        self.world.space.sysctl("netfilter/nf_conntrack_tcp_loose", "0");
    }

    /// Connections that were open are so no more, and neither end is told.
    pub(crate) fn rebind(&self) {
        let _ = self.world.space.output("conntrack", &["-F"]);
    }

    /// Nobody answers the gateway's questions for names.
    pub(crate) fn silence_names(&self, names: Names) {
        let rule = match names {
            Names::Told => "",
            Names::Silent => "udp dport 53 drop",
        };
        let rule = hooked("input", rule);
        self.gateway
            .nft(&format!("table inet names\ndelete table inet names\ntable inet names {{ {rule} }}"));
    }
}

/// Counts the IP bytes on the road, both ways, from its making on.
pub(crate) struct Tally(Arc<Netns>);

impl Tally {
    pub(crate) fn of(lab: &Lab) -> Self {
        let counted = |hook: &str, rule: &str| hooked(hook, &format!("{rule} counter name passed"));
        let (up, down) = (
            counted("input", &format!("iifname eth0 tcp dport {PORT}")),
            counted("output", &format!("oifname eth0 tcp sport {PORT}")),
        );
        lab.world.space.nft(&format!("table inet tally {{ counter passed {{}}; {up} {down} }}"));
        Self(Arc::clone(&lab.world.space))
    }

    /// So far.
    pub(crate) fn bytes(&self) -> u64 {
        let listed = self.0.nft_list(&["-j", "list", "counter", "inet", "tally", "passed"]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON of nft");
        let counters = listed["nftables"].as_array().expect("a list");
        counters.iter().find_map(|item| item["counter"]["bytes"].as_u64()).expect("a counter")
    }
}

/// Whether names are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Told,
    Silent,
}

/// New connections lead elsewhere.
fn led_to(port: u16) -> String {
    format!(
        "chain astray {{ type nat hook prerouting priority dstnat; \
           iifname eth0 tcp dport {PORT} redirect to :{port}; }};"
    )
}

fn hooked(hook: &str, rule: &str) -> String {
    format!("chain {hook} {{ type filter hook {hook} priority 0; {rule}; }};")
}

/// Takes connections at [`SLOW`], and gives what comes to the cloud a while later, and back.
struct SlowRoad {
    world: Arc<Netns>,
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl SlowRoad {
    fn open(world: &Arc<Netns>) -> Self {
        let listener = world.enter(|| TcpListener::bind(("0.0.0.0", SLOW)).expect("a free port"));
        let stop = Arc::<AtomicBool>::default();
        let (stopped, space) = (Arc::clone(&stop), Arc::clone(world));
        let keeper = world.spawn(move || {
            for here in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let there = TcpStream::connect(("203.0.113.80", PORT));
                let (Ok(here), Ok(there)) = (here, there) else { continue };
                carry(&space, &here, &there);
                carry(&space, &there, &here);
            }
        });
        Self { world: Arc::clone(world), stop, keeper: Some(keeper) }
    }
}

impl Drop for SlowRoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.world.enter(|| TcpStream::connect(("127.0.0.1", SLOW)));
        let _ = self.keeper.take().map(JoinHandle::join);
    }
}

/// Passes on what comes, each piece a while later; ends with either connection.
fn carry(space: &Arc<Netns>, from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    let (pieces, delivered) = mpsc::channel::<(Instant, Vec<u8>)>();
    space.spawn(move || {
        for (came, piece) in delivered {
            thread::sleep(DELAY.saturating_sub(came.elapsed()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    space.spawn(move || {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if pieces.send((Instant::now(), piece[..length].to_vec())).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
    });
}
