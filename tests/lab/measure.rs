//! Measures what Lango promises, on the lab's phones and world, and prints a table.
//!
//! `cargo test --release --test measure`, as root; about seven minutes. After `--`, names of parts to be run
//! alone: `small large many feed tls forwarding`. Phones, gateway and world share this machine's cores, so absolute
//! times are an upper bound; a promise counts as broken, and the exit code is 1, only when it is missed by more
//! than [`SLACK`]. Not part of a plain `cargo test`.

#![expect(clippy::disallowed_methods, reason = "this measures time and starts programs")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

mod blast;
mod feed;
mod forwarding;
#[expect(clippy::unwrap_used, reason = "shared with the lab tests")]
mod handshakes;
#[expect(clippy::unwrap_used, dead_code, unused_imports, reason = "shared with the lab tests")]
mod harness;
mod load;
mod many;
mod tls;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{Browser, Daemon, Lab, Phone, Settings};
use load::{Latencies, logins_at_once, logins_one_by_one, requests};

/// A shared machine may be this much slower before it counts.
const SLACK: f64 = 3.0;

/// Measures something, and adds its lines.
type Part = fn(&mut Vec<Row>);

/// One line of the table.
struct Row {
    promise: String,
    value: f64,
    unit: &'static str,
    aim: Aim,
}

#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// No promise: shown to judge the others by.
    Known,
}

impl Row {
    /// Measured over aimed at, as a number that is good up to 1.
    fn ratio(&self) -> f64 {
        match self.aim {
            Aim::AtMost(_) if self.value <= 0.0 => 0.0,
            Aim::AtMost(aim) => self.value / aim,
            Aim::AtLeast(aim) => aim / self.value,
            Aim::Known => 0.0,
        }
    }

    fn print(&self) {
        let Self { promise, value, unit, aim } = self;
        let aim = match aim {
            Aim::AtMost(aim) => format!("<= {aim}"),
            Aim::AtLeast(aim) => format!(">= {aim}"),
            Aim::Known => String::new(),
        };
        let verdict = match self.ratio() {
            _ if aim.is_empty() => "",
            ratio if ratio <= 1.0 => "kept",
            ratio if ratio <= SLACK => "near",
            _ => "BROKEN",
        };
        println!("| {promise:<58} | {value:>9.2} {unit:<8} | {aim:>8} | {verdict:<6} |");
    }
}

fn main() -> ExitCode {
    let parts: [(&str, Part); 6] = [
        ("small", small),
        ("large", large),
        ("many", many::measure),
        ("feed", feed::measure),
        ("tls", tls::measure),
        ("forwarding", forwarding::measure),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut rows = Vec::new();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&mut rows);
        }
    }
    println!("| {:<58} | {:>18} | {:>8} | {:<6} |", "promise", "measured", "aim", "");
    println!("|{}|{}|{}|{}|", "-".repeat(60), "-".repeat(20), "-".repeat(10), "-".repeat(8));
    rows.iter().for_each(Row::print);
    let broken = rows.iter().any(|row| row.ratio() > SLACK);
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

fn row(promise: impl Into<String>, value: f64, unit: &'static str, aim: Aim) -> Row {
    Row { promise: promise.into(), value, unit, aim }
}

fn latency(rows: &mut Vec<Row>, names: [&'static str; 2], mut times: Latencies, aims: [f64; 2]) {
    for ((name, part), aim) in names.into_iter().zip([0.5, 0.99]).zip(aims) {
        rows.push(row(name, times.quantile(part), "ms", Aim::AtMost(aim)));
    }
}

/// A fresh gateway: start, memory, single logins, pages.
fn small(rows: &mut Vec<Row>) {
    let mut lab = Lab::on_disk(1);
    let crowd = lab.crowd(400);
    let mut daemon = Daemon::start(&lab, &settings());
    rows.push(row(
        "start to serving, no sessions (median of 7)",
        restart(&mut daemon, false),
        "ms",
        Aim::AtMost(100.0),
    ));
    rows.push(row("one fsync of this disk by itself, p50 of 200", fsync(&lab), "ms", Aim::Known));
    rows.push(row("resident memory, idle", daemon.memory(), "MB", Aim::AtMost(5.0)));

    let codes = daemon.vouchers("hour", 400);
    let times = logins_one_by_one(&lab, &crowd[..200], &codes[..200]);
    let names =
        ["login, POST to first packet out, p50 of 200", "login, POST to first packet out, p99 of 200"];
    latency(rows, names, times, [2.0, 10.0]);
    let wall = logins_at_once(&lab, &crowd[200..], &codes[200..]);
    rows.push(row(
        "200 phones at once, until the last packet is out",
        wall.as_secs_f64(),
        "s",
        Aim::AtMost(0.3),
    ));

    let mut fresh = lab.crowd(63);
    let (count, mut times) = load::redirects(&lab, &fresh[..50], Duration::from_secs(3));
    rows.push(row("redirects per second, 50 phones", count, "/s", Aim::AtLeast(5000.0)));
    rows.push(row("redirect, p99", times.quantile(0.99), "ms", Aim::AtMost(20.0)));
    let (count, times) = load::pages(&fresh[..50], Duration::from_secs(3));
    rows.push(row("portal pages per second, 50 connections", count, "/s", Aim::AtLeast(5000.0)));
    let names = ["portal page, p50, 50 connections", "portal page, p99, 50 connections"];
    latency(rows, names, times, [10.0, 20.0]);
    let slow = load::SlowConnections::open(&fresh.split_off(0), 1000);
    let times = load::pages_one_by_one(&lab.phones[0], 300);
    let names = ["portal page, p50, 1,000 slow connections", "portal page, p99, 1,000 slow connections"];
    latency(rows, names, times, [10.0, 100.0]);
    println!("(slow connections still held at the end: {})", slow.held());
    rows.push(row(
        "resident memory, 400 sessions, 1,000 slow connections",
        daemon.memory(),
        "MB",
        Aim::Known,
    ));
}

/// Many sessions: a burst, memory, what a login writes, restore.
fn large(rows: &mut Vec<Row>) {
    let mut lab = Lab::on_disk(1);
    let crowd = lab.crowd(500);
    let mut daemon = Daemon::start(&lab, &settings());
    let codes = daemon.vouchers("hour", 500);
    let (writing, bursting) = crowd.split_at(20);
    rows.extend(writes(&daemon, writing, &codes[..20]));
    let from = requests(bursting, &codes[20..]);
    let rate = bursting.len() as f64 / from.as_secs_f64();
    rows.push(row("logins per second, burst of 480", rate, "/s", Aim::AtLeast(1000.0)));
    assert_eq!(daemon.sessions().len(), 500);
    rows.push(row("resident memory, 500 sessions", daemon.memory(), "MB", Aim::AtMost(8.0)));
    let adopted = restart(&mut daemon, false);
    rows.push(row("start to serving, 500 sessions in the kernel", adopted, "ms", Aim::AtMost(100.0)));
    let restored = restart(&mut daemon, true);
    rows.push(row("start to serving, 500 sessions to restore", restored, "ms", Aim::AtMost(150.0)));
    assert_eq!(daemon.sessions().len(), 500);
    rows.push(row("resident memory, 500 sessions restored", daemon.memory(), "MB", Aim::AtMost(8.0)));
}

/// Median of seven starts in milliseconds; `cut`: the kernel's table is gone each time.
fn restart(daemon: &mut Daemon, cut: bool) -> f64 {
    let mut times = Latencies::default();
    for _ in 0..7 {
        if cut {
            daemon.power_cut();
        } else {
            daemon.kill();
        }
        times.add(daemon.run());
    }
    times.quantile(0.5)
}

/// Median of writing a page to a file of this disk and waiting for it, in milliseconds.
fn fsync(lab: &Lab) -> f64 {
    let file = File::create(lab.folder().join("page")).expect("a file");
    let mut times = Latencies::default();
    for number in 0..200 {
        let from = Instant::now();
        file.write_all_at(&[1; 4096], number * 4096).and_then(|()| file.sync_data()).expect("a disk");
        times.add(from.elapsed());
    }
    times.quantile(0.5)
}

/// What one login costs the flash and the process table, by `strace`.
fn writes(daemon: &Daemon, phones: &[Phone], codes: &[String]) -> Vec<Row> {
    let trace = daemon.state().join("../trace");
    let calls = "trace=fsync,fdatasync,pwrite64,pwritev,execve,fork,vfork,clone,clone3";
    let tracer = daemon.trace(&["-e", calls], &trace);
    for (phone, code) in phones.iter().zip(codes) {
        Browser::of(phone).must_login(code);
    }
    drop(tracer);
    let seen = fs::read_to_string(&trace).expect("a trace");
    let _ = fs::remove_file(&trace);
    let per_login = |count: f64| count / phones.len() as f64;
    let count = |names: &[&str]| {
        let named = |line: &&str| names.iter().any(|name| line.contains(&format!("{name}(")));
        seen.lines().filter(named).count() as f64
    };
    let written =
        |line: &str| line.contains("pwrite").then(|| line.rsplit(' ').next()?.parse::<f64>().ok())?;
    let bytes: f64 = seen.lines().filter_map(written).sum();
    vec![
        row(
            "processes started per login",
            per_login(count(&["execve", "fork", "clone", "clone3"])),
            "",
            Aim::AtMost(0.0),
        ),
        row(
            "fsyncs per login, one at a time",
            per_login(count(&["fsync", "fdatasync"])),
            "",
            Aim::AtMost(1.0),
        ),
        row("written to the database per login", per_login(bytes) / 1024.0, "KiB", Aim::AtMost(16.0)),
    ]
}
