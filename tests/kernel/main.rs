//! Netlink truth: what our bytes make of a kernel, each test in a network namespace of its own.
//!
//! They need root and what the lab needs, whose harness they share; a test that cannot run fails.

#![expect(clippy::disallowed_methods, reason = "tests start programs and measure time")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod books;
mod flows;
#[expect(dead_code, unused_imports, reason = "shared with the lab")]
#[path = "../lab/harness/mod.rs"]
mod harness;
mod neighbours;
mod packets;
mod presence;
mod table;

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lango::domain::{Boot, Bps, Bytes, DataCap, EntitlementId, Grant, Mac, SessionId, Traffic};
use lango::nft::{Base, Desired, Garden, Pass};
use lango::ordered::{OrdMap, OrdSet};

/// A moment to count from; the kernel only sees differences.
const NOW: Boot = Boot::from_millis(1_000_000);

fn base() -> Base {
    Base {
        interfaces: vec!["br-guest".into()],
        portal_port: 2080,
        https_port: 2443,
        dns_port: 2053,
        captive: Ipv4Addr::new(198, 18, 0, 1),
        mark: 0x0100_0000,
        max_clients: 1000,
        blocked: OrdSet::new(),
        garden: Garden { places: Vec::new(), rate: Bps(256_000), data: Bytes(10_000_000) },
    }
}

fn device(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac::new([2, 0, a, b, c, d])
}

/// A grant that ends `s` seconds after [`NOW`].
fn lasting(s: u64) -> Pass {
    until(Some(NOW.plus(Duration::from_secs(s))))
}

fn until(ends: Option<Boot>) -> Pass {
    Pass::Granted(Grant {
        session: SessionId(7),
        entitlement: EntitlementId(3),
        ends,
        down: None,
        up: None,
        cap: DataCap::default(),
        spent: Traffic::default(),
        counted: Traffic::default(),
    })
}

fn desired(passes: impl Into<OrdMap<Mac, Pass>>) -> Desired {
    Desired { passes: passes.into(), ..Desired::default() }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

/// Waits until `holds`, for at most two seconds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(2), "{what}: not within two seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}
