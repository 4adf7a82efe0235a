//! How long it takes from joining the network to a page, and what the page costs: printed, for the table of
//! promises.

use std::time::{Duration, Instant};

use crate::chromium::Chromium;
use crate::harness::{Daemon, Lab, portal_v4};
use crate::settings;

/// A shared machine is slow at times.
const AT_MOST: Duration = Duration::from_secs(5);
/// What fits into one round trip.
const HEAVIEST: u64 = 14 * 1024;

#[test]
fn a_phone_that_joins_sees_one_page_soon() {
    let mut lab = Lab::new(1);
    lab.add_phone_by_dhcp();
    let _daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[1];
    let window = Chromium::on(&lab, phone);
    window.requests();
    let from = Instant::now();
    phone.space.must(
        "busybox",
        &["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", "/bin/true"],
    );
    let lease = from.elapsed();
    let probe = Instant::now();
    let curl = [
        "-s",
        "-m",
        "3",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "http://connectivitycheck.gstatic.com/generate_204",
    ];
    assert_eq!(phone.space.must("curl", &curl), "302");
    let probe = probe.elapsed();
    window.go("http://connectivitycheck.gstatic.com/generate_204");
    let painted = window.run_slowly(
        "const done = arguments[arguments.length - 1];
         new PerformanceObserver(list => done(list.getEntries()[0].startTime)).observe({ type: 'paint', buffered: true });",
    );
    let painted = Duration::from_secs_f64(painted.as_f64().unwrap() / 1000.0);
    let whole = lease + probe + painted;
    assert!(whole < AT_MOST, "{whole:?}: lease {lease:?}, probe {probe:?}, painted {painted:?}");

    let portal = format!("http://{}/", portal_v4());
    assert_eq!(window.url(), portal);
    let asked: Vec<_> = window.requests().into_iter().filter(|url| url.starts_with(&portal)).collect();
    assert_eq!(asked, [portal], "one request for the page");
    let weight =
        window.run("return performance.getEntriesByType('navigation')[0].transferSize").as_u64().unwrap();
    assert!(weight > 0 && weight <= HEAVIEST, "{weight} bytes");
    println!(
        "join to page: {} ms (lease {}, probe {}, page painted {}); requests per page: 1; page: {weight} bytes on the wire",
        whole.as_millis(),
        lease.as_millis(),
        probe.as_millis(),
        painted.as_millis(),
    );
}
