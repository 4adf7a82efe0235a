//! What Lango costs a packet of a paying guest: forwarding with its table over forwarding without it, by turns
//! in the same lab.
//!
//! Plain routing is the same gateway with the same NAT and the table dormant, which unhooks it. Segmentation
//! offloads are off, so each packet of 1,500 bytes goes its own way. The program is not running: it has no part
//! in forwarding, and would wake its table.

use std::thread;
use std::time::{Duration, Instant};

use crate::blast::Course;
use crate::harness::{Browser, Daemon, Lab, Load, Settings, Way};
use crate::many::{MANY, admit, macs};
use crate::{Aim, Row, row};

const ROUNDS: usize = 12;
const WAYS: [Way; 2] = [Way::Up, Way::Down];

/// A lab with a paying guest, and what was measured there.
struct Site {
    what: &'static str,
    aim: f64,
    sessions: usize,
    lab: Lab,
    /// By direction: seconds a megabyte of a TCP stream, and nanoseconds a packet.
    seen: [[Pairs; 2]; 2],
}

/// Measured without the table and with it, of each round.
#[derive(Clone, Debug, Default)]
struct Pairs(Vec<[f64; 2]>);

/// All there is to know.
pub(crate) fn measure(rows: &mut Vec<Row>) {
    let mut sites: Vec<_> = [("no cap or speed", "free", 0.95), ("cap, speed, counted", "full", 0.90)]
        .into_iter()
        .flat_map(|(what, plan, aim)| [1, MANY].map(|sessions| Site::new(what, plan, aim, sessions)))
        .collect();
    for round in 0..ROUNDS {
        sites.iter_mut().for_each(|site| site.round(round));
    }
    for (way, name) in WAYS.into_iter().zip(["up", "down"]) {
        let seen = |site: &Site, kind: usize| site.seen[usize::from(way == Way::Down)][kind].clone();
        for site in &sites {
            let title = format!("TCP stream, {}, {name}, {}", site.what, site.sessions);
            rows.push(row(title, seen(site, 0).ratio(), "of plain", Aim::AtLeast(site.aim)));
        }
        for site in &sites {
            let [plain, ours] = seen(site, 1).medians();
            let title = format!("a packet, {}, {name}, {} (plain {plain:.0})", site.what, site.sessions);
            rows.push(row(title, ours, "ns", Aim::Known));
        }
        for pair in sites.chunks(2) {
            let [one, many] = [&pair[0], &pair[1]].map(|site| seen(site, 1).ratio());
            let title = format!("a packet, {}, {name}, {MANY} over 1", pair[0].what);
            rows.push(row(title, ((one / many - 1.0) * 100.0).max(0.0), "% more", Aim::AtMost(3.0)));
        }
    }
}

impl Site {
    fn new(what: &'static str, plan: &str, aim: f64, sessions: usize) -> Self {
        let lab = Lab::new(1);
        lab.without_offloads();
        // More than the machine forwards.
        let limits = [("metered", "3h"), ("data", "100TB"), ("down", "100gbit"), ("up", "100gbit")];
        let settings = Settings::default().main("max_clients", "6000");
        let settings = settings.plan("free", &[("metered", "3h")]).plan("full", &limits);
        let mut daemon = Daemon::start(&lab, &settings);
        admit(&daemon, macs(sessions - 1), plan);
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher(plan));
        assert_eq!(daemon.sessions().len(), sessions);
        assert!(lab.phones[0].is_open(&lab.world));
        daemon.kill();
        Self { what, aim, sessions, lab, seen: Default::default() }
    }

    /// Everything once without the table and once with it.
    fn round(&mut self, round: usize) {
        let order = if round.is_multiple_of(2) { [0, 1] } else { [1, 0] };
        let measured = order.map(|ours| {
            let flags = if ours == 1 { "" } else { "flags dormant;" };
            self.lab.gateway.nft(&format!("add table inet lango {{ {flags} }}"));
            let course = Course::new(&self.lab);
            WAYS.map(|way| [self.stream(way), course.cost(way, Duration::from_millis(50))])
        });
        for (way, all) in self.seen.iter_mut().enumerate() {
            for (kind, pairs) in all.iter_mut().enumerate() {
                pairs.0.push([0, 1].map(|ours: usize| measured[order[ours]][way][kind]));
            }
        }
    }

    /// Seconds a megabyte of one connection, once it is under way.
    fn stream(&self, way: Way) -> f64 {
        let load = Load::start(&self.lab.phones[0], &[self.lab.world.v4], way, 1);
        thread::sleep(Duration::from_millis(150));
        let (before, from) = (load.bytes(), Instant::now());
        thread::sleep(Duration::from_millis(500));
        from.elapsed().as_secs_f64() * 1e6 / (load.bytes() - before) as f64
    }
}

impl Pairs {
    /// Median of the speed with, over the speed without, each within its round.
    fn ratio(&self) -> f64 {
        median(self.0.iter().map(|[plain, ours]| plain / ours))
    }

    fn medians(&self) -> [f64; 2] {
        [0, 1].map(|side| median(self.0.iter().map(|pair| pair[side])))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
