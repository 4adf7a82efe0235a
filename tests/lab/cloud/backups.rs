//! A backup while guests come and go, and another device that goes on from it.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{Site, field};
use crate::harness::wait_until;

#[test]
fn another_device_goes_on_from_a_backup_and_the_cloud_takes_it_for_another() {
    let mut codes = Vec::new();
    let mut site = Site::new(4, |cloud| codes = cloud.vouchers(4));
    let file = site.lab.folder().join("backup").display().to_string();
    site.browser(0).must_login(&codes[0]);
    site.browser(1).must_login(&codes[1]);
    assert_eq!(site.browser(1).logout().status, 303, "this one keeps a rest");
    let local = site.daemon.voucher("bridge");
    let made = thread::scope(|scope| {
        let backup = scope.spawn(|| site.daemon.json(&["backup", &file]));
        for _ in 0..5 {
            site.browser(2).must_login(&codes[2]);
            assert_eq!(site.browser(2).logout().status, 303);
        }
        backup.join().unwrap()
    });
    assert_eq!((&made["file"], &made["sealed"]), (&json!(file), &json!(false)), "{made}");
    site.opens(0);
    let small = site.lab.folder().join("small").display().to_string();
    fs::create_dir(&small).unwrap();
    let mount = "mount -t tmpfs -o size=16k none \"$0\" && exec \"$@\"";
    let full =
        site.daemon.cli_by(&["unshare", "-m", "sh", "-c", mount, &small], &["backup", &format!("{small}/b")]);
    assert!(full.code == 1 && full.err.contains("No space left on device"), "{full:?}");
    assert!(full.err.contains("; free some space there, or name another place"), "{full:?}");
    // What comes after it the backup does not know: a code that is redeemed, and one that the cloud takes back.
    site.browser(3).must_login(&local);
    site.cloud.tell("delete", json!(["voucher", codes[3]]), json!({}));
    site.cloud.is_read();
    site.cloud.assert_no_trouble();
    let left = site.seconds_left(0);
    let refused = site.daemon.without_it(&["restore", &file]);
    assert!(refused.code == 1 && refused.err.contains("stop the daemon first"), "{refused:?}");

    assert_eq!(site.daemon.stop(), Some(0));
    fs::remove_dir_all(site.daemon.state()).unwrap();
    site.daemon.reboot("another-device", Duration::from_secs(20));
    let restored = site.daemon.without_it(&["restore", &file]);
    assert_eq!(restored.code, 0, "{restored:?}");
    site.daemon.run();
    site.opens(0);
    let now = site.seconds_left(0);
    assert!((left - 120..=3600).contains(&now) && now > 3000, "{left} s were left, and {now} s are");
    site.browser(1).must_login(&codes[1]);
    let rest = site.seconds_left(1);
    assert!((3000..3600).contains(&rest), "{rest}");
    // Nobody can know that it was redeemed.
    site.browser(3).must_login(&local);
    assert_eq!(site.daemon.cli(&["audit", "--verify"]).code, 0);
    // The feed is read from its start, so what was taken back stays so.
    site.cloud.is_read();
    assert_eq!(site.daemon.cli(&["voucher", "show", &codes[3]]).code, 1);
    assert!(!site.daemon.state().join("lango.before").exists(), "the state before goes once the daemon runs");

    let ledger = || site.cloud.tell("ledger", json!([]), json!({}));
    wait_until("the cloud to hear of both", Duration::from_secs(15), || {
        ledger()["devices"].as_array().unwrap().len() == 2
    });
    site.cloud.is_read();
    // A number that two facts have would be trouble; that the second name begins amid the numbers is none.
    let trouble = ledger()["trouble"].clone();
    let other = trouble.as_array().unwrap().iter().filter(|one| field(one, "what") != "hole from 1");
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
    let facts = site.cloud.list("events", json!([]), json!({}));
    let restores = facts.iter().filter(|fact| fact["action"] == "restore");
    assert_eq!(restores.count(), 1, "{facts:?}");
}
