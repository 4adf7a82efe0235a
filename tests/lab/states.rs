//! The table of what may pass in which state of a device: for every cell a real packet, over both families.
//!
//! The table stands below as the design has it. A row is something that a phone tries, a column a state;
//! what is seen must be what the cell says.

mod tries;

use std::thread;
use std::time::Duration;

use crate::harness::{Browser, Daemon, GATEWAY_V4, HTTP, Settings, wait_until};
use tries::{Seen, Stage, Try};

/// What a cell asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// Exactly this.
    Is(Seen),
    /// Refused or left without an answer.
    Shut,
    /// The design says nothing.
    Open,
}
use Cell::{Is, Open, Shut};
use Seen::{Answer, Barred, Captive, Out, Page, Portal, Real, Refused};

/// A state of a device, as a column of [`TABLE`].
#[derive(Clone, Copy, Debug)]
enum State {
    Unknown,
    Online,
    OnlineUplinkDead,
    Blocked,
    Trusted,
}

/// Who has spent what was bought, in time or in bytes, is unknown again.
const TABLE: [(Try, [Cell; 5]); 15] = [
    //                     unknown      online       uplink dead  blocked      trusted
    (Try::Address, [Is(Answer), Is(Answer), Is(Answer), Is(Answer), Is(Answer)]),
    (Try::Neighbour, [Is(Answer), Is(Answer), Is(Answer), Is(Answer), Is(Answer)]),
    (Try::PingGateway, [Is(Answer), Is(Answer), Is(Answer), Shut, Is(Answer)]),
    (Try::NameAtGateway, [Is(Captive), Is(Real), Is(Captive), Is(Captive), Is(Real)]),
    (Try::NameOverTcp, [Is(Captive), Is(Real), Is(Captive), Is(Captive), Is(Real)]),
    (Try::NameAtWorld, [Is(Captive), Is(Real), Is(Captive), Is(Captive), Is(Real)]),
    (Try::Web, [Is(Portal), Is(Out), Is(Portal), Is(Portal), Is(Out)]),
    (Try::PortalPort, [Is(Page), Is(Page), Is(Page), Is(Barred), Is(Page)]),
    (Try::Garden, [Is(Out), Is(Out), Open, Shut, Is(Out)]),
    (Try::BesideGarden, [Is(Refused), Is(Out), Open, Shut, Is(Out)]),
    (Try::Tcp, [Is(Refused), Is(Out), Open, Shut, Is(Out)]),
    (Try::Udp, [Is(Refused), Is(Out), Open, Shut, Is(Out)]),
    (Try::PingWorld, [Is(Refused), Is(Out), Open, Shut, Is(Out)]),
    (Try::Gre, [Is(Refused), Is(Out), Open, Shut, Is(Out)]),
    (Try::Administrator, [Is(Refused), Is(Refused), Is(Refused), Shut, Is(Refused)]),
];

/// Asserts a column of the table for the first phone of the stage; all that is wrong is told at once.
fn assert_column(stage: &Stage, state: State, when: &str) {
    let families = [4, 6];
    let wrong: Vec<String> = thread::scope(|scope| {
        let tried: Vec<_> = TABLE
            .iter()
            .flat_map(|(what, cells)| families.map(|version| (*what, cells[state as usize], version)))
            .map(|(what, cell, version)| (what, cell, version, scope.spawn(move || stage.see(what, version))))
            .collect();
        let wrong = tried.into_iter().filter_map(|(what, cell, version, seen)| {
            let seen = seen.join().unwrap();
            let right = match cell {
                Is(asked) => seen == asked,
                Shut => [Refused, Seen::Nothing].contains(&seen),
                Open => true,
            };
            (!right).then(|| format!("{what:?} over IPv{version}: {seen:?}, not {cell:?}"))
        });
        wrong.collect()
    });
    assert!(wrong.is_empty(), "{when}: {wrong:#?}");
}

fn settings() -> Settings {
    let address = [("address", tries::GARDEN_V4), ("address", tries::GARDEN_V6)];
    let garden = Settings::default().lists("garden", &address, &[("port", "443")]);
    garden
        .plan("hour", &[("metered", "1h")])
        .plan("short", &[("metered", "2s")])
        .plan("window", &[("validity", "2s")])
        .plan("little", &[("data", "40kB")])
}

fn policy(settings: Settings, mac: &str, policy: &str) -> Settings {
    settings.section("device", &[("mac", mac), ("policy", policy)])
}

#[test]
fn an_unknown_device_and_one_that_is_online_get_what_the_table_says() {
    let stage = Stage::set(1);
    let daemon = Daemon::start(&stage.lab, &settings());
    let browser = Browser::of(&stage.lab.phones[0]);
    assert_column(&stage, State::Unknown, "before login");
    browser.must_login(&daemon.voucher("hour"));
    assert_column(&stage, State::Online, "online");
    assert_eq!(browser.logout().status, 303);
    assert_column(&stage, State::Unknown, "after logout");
}

#[test]
fn who_has_spent_what_was_bought_is_unknown_again() {
    let stage = Stage::set(1);
    let daemon = Daemon::start(&stage.lab, &settings());
    let phone = &stage.lab.phones[0];
    for plan in ["short", "window", "little"] {
        Browser::of(phone).must_login(&daemon.voucher(plan));
        wait_until("the end of what was bought", Duration::from_secs(10), || {
            if plan == "little" {
                // The world's page, until it no longer comes.
                let _ =
                    phone.get(stage.lab.world.both(HTTP)[0], "world.test", &format!("/{}", "x".repeat(1000)));
            }
            daemon.session(&phone.mac).is_none()
        });
        assert_column(&stage, State::Unknown, &format!("after the end of {plan}"));
    }
}

#[test]
fn a_device_that_is_online_is_told_of_a_dead_uplink() {
    let stage = Stage::set(1);
    let daemon = Daemon::start(&stage.lab, &settings());
    let browser = Browser::of(&stage.lab.phones[0]);
    browser.must_login(&daemon.voucher("hour"));
    let uplink = |state: &str| {
        let is = || daemon.json(&["status"])["uplink"] == state;
        wait_until(&format!("uplink {state}"), Duration::from_secs(15), is);
    };
    stage.lab.cut_uplink();
    uplink("down");
    assert_column(&stage, State::OnlineUplinkDead, "with the uplink dead");
    stage.lab.restore_uplink();
    uplink("up");
    assert_column(&stage, State::Online, "with the uplink back");
}

#[test]
fn a_blocked_device_gets_an_address_and_the_portal_that_says_so() {
    let stage = Stage::set(2);
    let [first, blocked] = [&stage.lab.phones[1], &stage.lab.phones[0]];
    let mut daemon = Daemon::prepare(&stage.lab, &policy(settings(), &blocked.mac, "blocked"));
    daemon.run_for(first);
    assert_column(&stage, State::Blocked, "blocked");
    let [state, message, remedy] = daemon.doctor_of(&blocked.mac);
    assert!(state == "warn" && message.contains("the configuration keeps this device out"), "{message}");
    assert!(remedy.contains("take its section device out"), "{remedy}");
    assert_eq!(first.get((GATEWAY_V4, 2080).into(), "10.77.0.1:2080", "/").unwrap().status, 200);
}

#[test]
fn a_trusted_device_is_let_out_and_not_counted() {
    let stage = Stage::set(1);
    let daemon = Daemon::start(&stage.lab, &policy(settings(), &stage.lab.phones[0].mac, "trusted"));
    assert_column(&stage, State::Trusted, "trusted");
    let [state, message, _] = daemon.doctor_of(&stage.lab.phones[0].mac);
    assert!(state == "ok" && message.starts_with("open: trusted"), "{message}");
    assert!(daemon.sessions().is_empty());
}
