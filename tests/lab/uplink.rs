//! Whether the internet can be reached: known within 10 s from real evidence, and without flapping.

use std::time::{Duration, Instant};

use crate::harness::{Daemon, Lab, Settings, wait_until};

/// From the evidence to `lango status`.
const KNOWN: Duration = Duration::from_secs(10);

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

/// A daemon whose uplink is up, and known to be.
fn started(lab: &Lab) -> Daemon {
    let daemon = Daemon::start(lab, &settings());
    until(&daemon, "up");
    daemon
}

/// Waits until `lango status` says so; for how long it had to.
fn until(daemon: &Daemon, uplink: &str) -> Duration {
    let from = Instant::now();
    wait_until(uplink, KNOWN, || status(daemon) == uplink);
    from.elapsed()
}

fn status(daemon: &Daemon) -> String {
    daemon.json(&["status"])["uplink"].as_str().expect("a word").to_owned()
}

/// How often the log says that it came to be `event`.
fn times(daemon: &Daemon, event: &str) -> usize {
    daemon.log().matches(&format!("event={event}")).count()
}

#[test]
fn a_cable_that_is_cut_and_joined_is_known_within_10_s() {
    let lab = Lab::new(1);
    let daemon = started(&lab);
    lab.cut_uplink();
    until(&daemon, "down");
    lab.restore_uplink();
    until(&daemon, "up");
    assert_eq!((times(&daemon, "uplink_down"), times(&daemon, "uplink_up")), (1, 2), "{}", daemon.log());
}
