//! What is too old goes by itself: from the database, its journal and the copy, and nothing is sold twice for it.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Browser, Daemon, Lab, Settings, wait_until};

const DAY: i64 = 86_400;

fn settings(sessions: &str) -> Settings {
    Settings::default()
        .main("checkpoint", "10s")
        .plan("short", &[("metered", "3s")])
        .plan("hour", &[("metered", "1h")])
        .section("retention", &[("sessions", sessions), ("audit", "120d")])
}

#[test]
fn a_guest_of_long_ago_is_nowhere_and_the_code_is_still_used_up() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::prepare(&lab, &settings("100d"));
    daemon.wall_step(0);
    daemon.run();
    let [old, young] = [&lab.phones[0], &lab.phones[1]];
    let (code, left) = (daemon.voucher("short"), daemon.voucher("hour"));
    Browser::of(old).must_login(&code);
    wait_until("the end of what was bought", Duration::from_secs(15), || daemon.sessions().is_empty());
    let closed =
        daemon.json(&["export", "--mac", &old.mac])["sessions"][0]["closed"].as_str().unwrap().to_owned();
    // What closed in the second of the last checkpoint is dated anew.
    wait_until("the next second", Duration::from_secs(5), || {
        daemon.json(&["clock"])["now"].as_str() > Some(&closed)
    });
    assert_eq!(daemon.stop(), Some(0));
    daemon.wall_step(91 * DAY);
    daemon.run();
    Browser::of(young).must_login(&left);
    let visits = |mac: &str| daemon.json(&["export", "--mac", mac])["sessions"].as_array().unwrap().len();
    assert_eq!(visits(&old.mac), 1, "not before its time");

    daemon.configure(&settings("90d"));
    daemon.signal(Signal::SIGHUP);
    wait_until("nothing to be stored of this person", Duration::from_secs(20), || {
        daemon.cli(&["export", "--mac", &old.mac]).code == 1 && daemon.state().join("lango.db.good").exists()
    });
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "spent");
    assert_eq!(Browser::of(old).login(&code).status, 403, "it opens nothing again");
    assert!(young.is_open(&lab.world));
    assert_eq!(daemon.json(&["export", "--mac", &young.mac])["sessions"].as_array().unwrap().len(), 1);
    let trail = daemon.json(&["audit"]);
    let purges: Vec<_> = trail.as_array().unwrap().iter().filter(|row| row["action"] == "purge").collect();
    let [purge] = purges.as_slice() else { panic!("{trail}") };
    assert_eq!(
        (&purge["who"], &purge["detail"]),
        (&"gateway".into(), &"1 sessions, 1 purchases, 0 rows of the trail".into())
    );
    assert_eq!(daemon.cli(&["audit", "--verify"]).code, 0);

    // The trail has a time of its own.
    assert_eq!(daemon.stop(), Some(0));
    daemon.wall_step(240 * DAY);
    daemon.run();
    daemon.configure(&settings("80d"));
    daemon.signal(Signal::SIGHUP);
    wait_until("a trail without its beginning", Duration::from_secs(20), || {
        daemon.json(&["audit"])[0]["seq"].as_u64() > Some(1)
    });
    assert_eq!(daemon.cli(&["audit", "--verify"]).code, 0);
}
