//! Five thousand sessions: what they cost the gateway's memory and processor, and those who come after them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use lango::nft::Nft;
use serde_json::json;

use crate::harness::{Daemon, Lab, Settings};
use crate::load::{Latencies, logins_one_by_one};
use crate::{Aim, Row, latency, restart, row};

/// How many.
pub(crate) const MANY: usize = 5000;
/// How long the program is watched doing nothing.
const REST: Duration = Duration::from_secs(40);

/// MACs of devices that are nowhere.
pub(crate) fn macs(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("02:61:00:00:{:02x}:{:02x}", number >> 8, number & 255))
}

/// Opens for devices by hand, one after the other over one connection.
pub(crate) fn admit(daemon: &Daemon, macs: impl IntoIterator<Item = String>, plan: &str) {
    let mut socket = UnixStream::connect(daemon.socket()).expect("a daemon");
    let mut answers = BufReader::new(socket.try_clone().expect("a socket"));
    for mac in macs {
        let (request, mut answer) = (json!({"command": "login", "mac": mac, "plan": plan}), String::new());
        writeln!(socket, "{request}").expect("a daemon that reads");
        answers.read_line(&mut answer).expect("a daemon that answers");
        assert!(answer.starts_with("{\"ok\""), "login of {mac}: {answer}");
    }
}

/// Admits them, and looks at the program and its newest guests.
pub(crate) fn measure(rows: &mut Vec<Row>) {
    let mut lab = Lab::on_disk(1);
    let crowd = lab.crowd(200);
    let limits = [("metered", "3h"), ("data", "1GB"), ("down", "4mbit"), ("up", "1mbit")];
    let settings = Settings::default().main("max_clients", "6000").plan("sold", &limits);
    let mut daemon = Daemon::start(&lab, &settings);
    let from = Instant::now();
    admit(&daemon, macs(MANY - crowd.len()), "sold");
    let each = from.elapsed().as_secs_f64() * 1000.0 / (MANY - crowd.len()) as f64;
    rows.push(row("admitting by hand, one after the other, 5,000", each, "ms each", Aim::Known));

    let codes = daemon.vouchers("sold", crowd.len());
    let times = logins_one_by_one(&lab, &crowd, &codes);
    let names = [
        "login, POST to first packet out, 5,000 sessions, p50",
        "login, POST to first packet out, 5,000 sessions, p99",
    ];
    latency(rows, names, times, [2.0, 10.0]);
    assert_eq!(daemon.sessions().len(), MANY);
    rows.push(row("resident memory, 5,000 sessions", daemon.memory(), "MB", Aim::Known));
    rows.push(row("processor of the program at rest, 5,000", at_rest(&daemon), "%", Aim::AtMost(0.5)));
    let from = Instant::now();
    assert_eq!(daemon.sessions().len(), MANY);
    rows.push(row("lango sessions --json, 5,000", from.elapsed().as_secs_f64() * 1000.0, "ms", Aim::Known));
    let (all, counts) = reading(&lab);
    rows.push(row("reading the table back, 5,000 sessions", all, "ms", Aim::Known));
    rows.push(row("reading what was counted, 5,000 sessions", counts, "ms", Aim::Known));
    let adopted = restart(&mut daemon, false);
    rows.push(row("start to serving, 5,000 sessions in the kernel", adopted, "ms", Aim::Known));
    let restored = restart(&mut daemon, true);
    rows.push(row("start to serving, 5,000 sessions to restore", restored, "ms", Aim::Known));
    assert_eq!(daemon.sessions().len(), MANY);
    rows.push(row("resident memory, 5,000 sessions restored", daemon.memory(), "MB", Aim::Known));
}

/// Medians of reading back the whole table and its counters, as the program does, in milliseconds.
fn reading(lab: &Lab) -> (f64, f64) {
    lab.gateway.enter(|| {
        let mut nft = Nft::open().expect("nftables");
        let (mut all, mut counts) = (Latencies::default(), Latencies::default());
        for _ in 0..7 {
            let from = Instant::now();
            nft.read_back().expect("a table");
            all.add(from.elapsed());
            let from = Instant::now();
            assert_eq!(nft.usage().expect("counters").len(), MANY);
            counts.add(from.elapsed());
        }
        (all.quantile(0.5), counts.quantile(0.5))
    })
}

/// Percent of a core.
fn at_rest(daemon: &Daemon) -> f64 {
    let (before, from) = (busy(daemon), Instant::now());
    std::thread::sleep(REST);
    100.0 * (busy(daemon) - before) / from.elapsed().as_secs_f64()
}

/// Seconds of processor time of all threads so far.
fn busy(daemon: &Daemon) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("a running daemon");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Fields 14 and 15 of the line, in hundredths of a second; the first after the name is field 3.
    let ticks = fields[11..13].iter().map(|field| field.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / 100.0
}
