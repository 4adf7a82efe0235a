//! What the cloud costs a site that pays for its bytes, headers of IP and all, as measured on the uplink.

use std::time::Duration;

use serde_json::json;

use super::{ledger, settings};
use crate::harness::{Browser, Cloud, Daemon, Lab, Tally, wait_until};

/// Rounds of a month at the usual pace for a site that pays for its bytes.
const ROUNDS_A_MONTH: u64 = 30 * 86_400 / 300;

#[expect(clippy::print_stdout, reason = "the number is the result")]
fn say(what: &str) {
    println!("{what}");
}

#[test]
fn two_thousand_codes_are_fetched_with_80_kib() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    cloud.vouchers(2000);
    let tally = Tally::of(&lab);
    let daemon = Daemon::start(&lab, &cloud.polled(settings(), "300s", &[]));
    wait_until("all codes to be known", Duration::from_secs(20), || {
        ledger::Books::of(&daemon).known.len() == 2000
    });
    let fetched = tally.bytes();
    say(&format!("2,000 codes: {fetched} bytes"));
    assert!(fetched <= 80 * 1024, "{fetched} bytes");
    assert!(fetched > 2000 * 16, "{fetched} bytes cannot hold that");
}

#[test]
fn a_quiet_month_and_a_redemption_cost_little() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    let codes = cloud.vouchers(1);
    let tally = Tally::of(&lab);
    let mut daemon = Daemon::start(&lab, &cloud.polled(settings(), "2s", &[]));
    cloud.is_read();

    let kept = a_round(&cloud, &tally);

    let (before, rounds) = (tally.bytes(), cloud.requests("/feed").len());
    Browser::of(&lab.phones[0]).must_login(&codes[0]);
    cloud.hears("session_opened", 1);
    assert_eq!(Browser::of(&lab.phones[0]).logout().status, 303);
    cloud.hears("session_closed", 1);
    let idle = kept * u64::try_from(cloud.requests("/feed").len() - rounds).unwrap();
    let redemption = (tally.bytes() - before).saturating_sub(idle);

    // What is usual out there: a line that is quiet for a minute is closed by the cloud, or forgotten by a NAT.
    cloud.tell("settings", json!([]), json!({ "idle_s": 1 }));
    daemon.kill();
    daemon.run();
    cloud.is_read();
    let anew = a_round(&cloud, &tally);
    say(&format!(
        "a quiet month: {} kB with a line that is kept ({kept} bytes a round), {} kB with a new one each time \
         ({anew} bytes a round); a redemption and its session: {redemption} bytes",
        kept * ROUNDS_A_MONTH / 1000,
        anew * ROUNDS_A_MONTH / 1000,
    ));
    assert!(kept <= 600, "{kept} bytes a round: more than 5.2 MB a month");
    assert!(anew <= 2600, "{anew} bytes a round: more than 22.5 MB a month");
    assert!((500..=3000).contains(&redemption), "{redemption} bytes");
}

/// Bytes of a round that finds nothing new.
fn a_round(cloud: &Cloud, tally: &Tally) -> u64 {
    let rounds = || cloud.requests("/feed").len();
    let wait_for = |count: usize| {
        wait_until("a round", Duration::from_secs(10), || rounds() >= count);
        std::thread::sleep(Duration::from_millis(300));
    };
    wait_for(rounds() + 1);
    let (first, before) = (rounds(), tally.bytes());
    wait_for(first + 4);
    (tally.bytes() - before) / u64::try_from(rounds() - first).unwrap()
}
