//! What every kind of device concludes of its network, from the bytes that it gets: before a login, after it,
//! after the end of what was bought, and while there is no internet.
//!
//! `detection/clients.rs` has the devices; here each asks for names, connects and reads, over either family.

mod clients;

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use lango::wire::dns::Kind;

use crate::harness::{
    Browser, Daemon, ECHO, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Over, Phone, RESOLVER, Request, Resolver,
    Response, Settings, ask, wait_until,
};
use Verdict::{NoInternet, Online, Portal};
use clients::{Beside, CLIENTS, Client, Verdict};

/// Redirects that a client follows at most.
const PATIENT: usize = 5;

fn settings() -> Settings {
    Settings::default()
        .main("dns_upstream", RESOLVER)
        .plan("hour", &[("metered", "1h")])
        .plan("short", &[("metered", "1s")])
}

/// A device with one of the clients, which prefers one of the families.
struct Device<'a> {
    phone: &'a Phone,
    client: &'a Client,
    families: &'a [Kind],
}

impl Device<'_> {
    fn concludes(&self, url: &str) -> Verdict {
        let Some(mut reply) = self.fetch(url) else { return NoInternet };
        if self.client.beside == Beside::Follows {
            for _ in 0..PATIENT {
                let Some(to) = reply.header("location").map(str::to_owned) else { break };
                let Some(next) = self.fetch(&to) else { return NoInternet };
                reply = next;
            }
        }
        match ((self.client.judge)(&reply), self.client.beside) {
            (Online, Beside::Https(host)) if !self.reaches(host) => NoInternet,
            (Portal, Beside::Opens(page)) if !self.is_shown_the_portal(page) => NoInternet,
            (verdict, _) => verdict,
        }
    }

    /// Whether a browser that is given this URL gets to a page of the portal with a form.
    fn is_shown_the_portal(&self, url: &str) -> bool {
        let redirect = self.fetch(url);
        let to = redirect.as_ref().and_then(|reply| reply.header("location"));
        to.and_then(|to| self.fetch(to)).is_some_and(|page| page.field("code").is_some())
    }

    /// Whether something answers at port 443. What is refused must be so at once: the device waits for it.
    fn reaches(&self, host: &str) -> bool {
        let outcome = self.phone.try_tcp(SocketAddr::new(self.address(host).expect("a name"), ECHO));
        assert!(outcome.result.is_ok() || outcome.refused_fast(), "port 443 of {host}: {outcome:?}");
        outcome.result.is_ok()
    }

    fn fetch(&self, url: &str) -> Option<Response> {
        let (authority, path) = url.strip_prefix("http://")?.split_once('/')?;
        let to = match authority.parse() {
            Ok(address) => address,
            Err(_) => SocketAddr::new(self.address(authority)?, HTTP),
        };
        let request = Request::get(authority, &format!("/{path}")).with("Connection", "close");
        self.phone.send(to, &request.with("User-Agent", self.client.agent)).ok()
    }

    /// What the name leads to. Some Androids ignore an answer that is not of the public internet.
    fn address(&self, name: &str) -> Option<IpAddr> {
        let found = self.families.iter().find_map(|kind| {
            let server = if *kind == Kind::A { GATEWAY_V4 } else { GATEWAY_V6.parse().expect("an address") };
            let heard = ask(self.phone, SocketAddr::new(server, 53), Over::Udp, name, *kind);
            heard.addresses.first()?.parse::<IpAddr>().ok()
        });
        found.filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_private() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_unique_local() && !v6.is_unicast_link_local(),
        })
    }
}

/// A phone for each client, for no device asks as much as all of them.
fn lab() -> Lab {
    Lab::new(CLIENTS.len())
}

/// Asserts what all of them conclude; all that is wrong is told at once.
fn assert_all(lab: &Lab, expected: Verdict, when: &str) {
    let wrong: Vec<String> = thread::scope(|scope| {
        let asked: Vec<_> = (lab.phones.iter().zip(CLIENTS))
            .map(|(phone, client)| scope.spawn(move || differing(phone, client, expected)))
            .collect();
        asked.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{when}, not {expected:?}: {wrong:#?}");
}

fn differing(phone: &Phone, client: &Client, expected: Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    for families in [&[Kind::A][..], &[Kind::AAAA, Kind::A]] {
        for url in client.urls {
            let verdict = Device { phone, client, families }.concludes(url);
            if verdict != expected {
                wrong.push(format!("{} at {url}, {families:?}: {verdict:?}", client.name));
            }
        }
    }
    wrong
}

/// All phones pay.
fn log_in(lab: &Lab, daemon: &Daemon, plan: &str) {
    for (phone, code) in lab.phones.iter().zip(daemon.vouchers(plan, lab.phones.len())) {
        Browser::of(phone).must_login(&code);
    }
}

fn until(daemon: &Daemon, uplink: &str) {
    wait_until(uplink, Duration::from_secs(15), || daemon.json(&["status"])["uplink"] == uplink);
}

#[test]
fn every_device_sees_a_portal_before_login_and_after_the_end_and_the_internet_between() {
    let mut lab = lab();
    let _resolver = Resolver::of_the_internet(&mut lab);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    // With answers that were made up, and once the gateway has looked the names up.
    assert_all(&lab, Portal, "at the first moment");
    let apple =
        || ask(phone, SocketAddr::new(GATEWAY_V4, 53), Over::Udp, "captive.apple.com", Kind::A).addresses;
    wait_until("a name to be known", Duration::from_secs(10), || apple() == ["203.0.113.80"]);
    assert_all(&lab, Portal, "before login");
    log_in(&lab, &daemon, "hour");
    assert_all(&lab, Online, "after login");
    for phone in &lab.phones {
        assert_eq!(Browser::of(phone).logout().status, 303);
    }
    log_in(&lab, &daemon, "short");
    wait_until("the end of what was bought", Duration::from_secs(10), || daemon.sessions().is_empty());
    assert_all(&lab, Portal, "after the end");
}

#[test]
fn every_device_sees_a_portal_where_the_internet_is_gone_from_before_it_came() {
    let mut lab = lab();
    let resolver = Resolver::of_the_internet(&mut lab);
    resolver.falls_silent();
    lab.cut_uplink();
    let daemon = Daemon::start(&lab, &settings());
    until(&daemon, "down");
    assert_all(&lab, Portal, "without internet");
}

/// Nothing is faked: they are led to the page that says that the time is paused, and believe in the internet
/// again when it is there.
#[test]
fn devices_that_paid_are_told_of_a_dead_uplink_and_are_online_when_it_is_back() {
    let mut lab = lab();
    let _resolver = Resolver::of_the_internet(&mut lab);
    let daemon = Daemon::start(&lab, &settings());
    until(&daemon, "up");
    log_in(&lab, &daemon, "hour");
    assert_all(&lab, Online, "after login");
    lab.cut_uplink();
    until(&daemon, "down");
    assert_all(&lab, Portal, "while the uplink is down");
    assert!(Browser::of(&lab.phones[0]).get("/").body.contains("Your time is paused"));
    lab.restore_uplink();
    until(&daemon, "up");
    assert_all(&lab, Online, "with the uplink back");
}

/// Windows takes these two answers for the internet's name service, before login too.
#[test]
fn windows_hears_the_addresses_that_it_knows() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    for (kind, address) in [(Kind::A, "131.107.255.255"), (Kind::AAAA, "fd3e:4f5a:5b81::1")] {
        let heard = ask(&lab.phones[0], SocketAddr::new(GATEWAY_V4, 53), Over::Udp, "dns.msftncsi.com", kind);
        assert_eq!(heard.addresses, [address]);
    }
}
