//! A whole feed of many codes taken over, while guests load the portal's page and log in.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Cloud, Daemon, Lab, Phone, Settings};
use crate::load::{Latencies, Tapping, pages_until};
use crate::{Aim, Row, row};

/// How many.
const CODES: u32 = 100_000;
/// Phones that load the page, again and again.
const READERS: usize = 3;
/// Guests who log in, one after the other, in each of three stretches.
const GUESTS: usize = 250;
const AFTER: Duration = Duration::from_secs(1);

/// Has the gateway read all codes, then as many others in their place.
pub(crate) fn measure(rows: &mut Vec<Row>) {
    let mut lab = Lab::on_disk(1);
    let readers = lab.crowd(READERS);
    let guests = lab.crowd(3 * GUESTS);
    let cloud = Cloud::start(&lab);
    let settings = Settings::default().main("max_clients", "1000").plan("hour", &[("metered", "1h")]);
    let daemon = Daemon::start(&lab, &cloud.polled(settings, "1h", &[]));
    daemon.cli(&["sync", "--now"]);
    let codes = daemon.vouchers("hour", guests.len());
    let mut stretches = guests.chunks(GUESTS).zip(codes.chunks(GUESTS));
    let mut next = || stretches.next().expect("three stretches");

    let mut quiet = during(&readers, next(), || thread::sleep(Duration::from_secs(5)));
    issue(&cloud);
    let mut first = during(&readers, next(), || read(&daemon, "1.100001"));
    cloud.tell("epoch", json!([]), json!({ "without": "voucher" }));
    issue(&cloud);
    let mut again = during(&readers, next(), || read(&daemon, "2.200001"));
    let vouchers = &daemon.json(&["status"])["vouchers"];
    let all: u64 = ["unused", "active", "spent"].iter().filter_map(|state| vouchers[state].as_u64()).sum();
    assert_eq!(all, guests.len() as u64 + u64::from(CODES), "all are there, and no others: {vouchers}");

    quiet.show(rows, "with nothing to apply", Aim::Known);
    first.show(rows, "while 100,000 codes come", Aim::AtMost(100.0));
    again.show(rows, "while 100,000 others take their place", Aim::AtMost(100.0));
}

fn issue(cloud: &Cloud) {
    (0..10).for_each(|_| drop(cloud.vouchers(CODES / 10)));
}

/// Has the feed read until this `cursor`, and a little longer: what is no more is cleared away then.
fn read(daemon: &Daemon, cursor: &str) {
    daemon.cli(&["sync", "--now"]);
    let from = Instant::now();
    while daemon.json(&["status"])["cloud"]["cursor"] != cursor {
        assert!(from.elapsed() < Duration::from_secs(120), "the feed did not come to its end");
        // Not so often that it weighs.
        thread::sleep(Duration::from_millis(200));
    }
    thread::sleep(AFTER);
}

/// How long guests waited, and how long all of it took.
struct Waits {
    pages: Latencies,
    logins: Latencies,
    took: Duration,
}

/// Loads pages and logs in for as long as `work` takes.
fn during(readers: &[Phone], (guests, codes): (&[Phone], &[String]), work: impl FnOnce()) -> Waits {
    let over = AtomicBool::new(false);
    let tapping = Tapping::ready(guests, codes);
    thread::scope(|scope| {
        let pages = scope.spawn(|| pages_until(readers, Duration::from_millis(5), &over));
        let logins = scope.spawn(|| tapping.until(Duration::from_millis(40), &over));
        let from = Instant::now();
        let done = panic::catch_unwind(AssertUnwindSafe(work));
        let took = from.elapsed();
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|why| panic::resume_unwind(why));
        let wait = "every answer came";
        Waits { pages: pages.join().expect(wait), logins: logins.join().expect(wait), took }
    })
}

impl Waits {
    fn show(&mut self, rows: &mut Vec<Row>, when: &str, aim: Aim) {
        rows.push(row(format!("{when}: it took"), self.took.as_secs_f64(), "s", Aim::Known));
        rows.push(row(format!("{when}: portal page, p50"), self.pages.quantile(0.5), "ms", Aim::Known));
        rows.push(row(format!("{when}: portal page, p99"), self.pages.quantile(0.99), "ms", aim));
        for (name, part) in [("p50", 0.5), ("p99", 0.99), ("the longest", 1.0)] {
            let name = format!("{when}: login, {name}");
            rows.push(row(name, self.logins.quantile(part), "ms", Aim::Known));
        }
        rows.push(row(
            format!("{when}: portal page, the longest"),
            self.pages.quantile(1.0),
            "ms",
            Aim::Known,
        ));
    }
}
