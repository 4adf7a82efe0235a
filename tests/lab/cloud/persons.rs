//! A person's data: handed out and forgotten, by the operator and by the cloud.

use std::time::{Duration, Instant};

use serde_json::json;

use super::ledger::assert_equal;
use super::{Site, field};
use crate::harness::{Flows, wait_until};

#[test]
fn a_phone_that_is_forgotten_is_cut_and_both_ledgers_agree() {
    let mut codes = Vec::new();
    let site = Site::new(2, |cloud| codes = cloud.vouchers(2));
    let mac = |phone: usize| &*site.lab.phones[phone].mac;
    // The cloud is owed facts about the person, and gets them.
    site.cloud.fault("status", json!(500), "events");
    site.browser(0).must_login(&codes[0]);
    site.browser(1).must_login(&codes[1]);
    site.opens(0);
    let exported = site.daemon.json(&["export", "--code", &codes[0]]);
    assert_eq!(exported["devices"], json!([{ "mac": mac(0), "online": true, "blocked": false }]));
    assert_eq!(exported["sessions"][0]["mac"], mac(0));
    assert_eq!(exported["entitlements"][0]["state"], "active");
    assert!(exported["sessions"][0]["bytes_down"].as_u64() > Some(0), "{exported}");
    assert_eq!((&exported["claims"], &exported["audit"]), (&json!([]), &json!([])));
    let table = site.daemon.cli(&["export", "--mac", mac(0), "--format", "csv"]);
    assert_eq!((table.code, table.out.lines().count()), (0, 4), "{table:?}");

    let flows = Flows::open(&site.lab.phones[0], &site.lab.world);
    let erased = site.daemon.json(&["forget", "--mac", mac(0)]);
    assert_eq!(erased, json!({ "devices": 1, "entitlements": 1, "sessions": 1, "claims": 0 }));
    flows.die_before(Instant::now() + Duration::from_secs(2));
    site.lab.phones[0].assert_held(&site.lab.world);
    assert_eq!(site.daemon.files_with(mac(0)), [""; 0]);
    site.opens(1);
    for again in ["export", "forget"] {
        assert_eq!(site.daemon.cli(&[again, "--mac", mac(0)]).code, 1, "there is nothing left to {again}");
    }
    assert_eq!(site.browser(0).login(&codes[0]).status, 403, "the code was used");

    site.cloud.mend();
    assert_equal(&site.daemon, &site.cloud, "after one was forgotten");
    let told = site.cloud.list("events", json!([]), json!({}));
    let about = |mac: &str| told.iter().filter(|fact| fact["mac"] == mac).count();
    assert_eq!((about(mac(0)), about(mac(1))), (0, 2), "{told:?}");
}

#[test]
fn the_cloud_has_persons_exported_and_forgotten_once_per_command() {
    const REFERENCE: &str = "DFJ9B1FPQ8";
    let mut site = Site::new(2, |cloud| {
        cloud.paid(REFERENCE, "hour", json!({ "phone_last4": "0417" }));
        cloud.paid("DFJ9B1FPQ9", "hour", json!({ "phone_last4": "0417" }));
    });
    let mac = site.lab.phones[0].mac.clone();
    let pay = |site: &Site, phone| {
        site.browser(phone).submit(&[("code", REFERENCE), ("phone_last4", "0417")]).status
    };
    assert_eq!(pay(&site, 0), 303);
    site.opens(0);
    let person = json!({ "reference": REFERENCE, "phone_last4": "0417" });
    site.cloud.command("export", person.clone());
    let done = site.cloud.hears("done", 1).remove(0);
    assert_eq!((field(&done, "result"), &done["data"]["devices"][0]["mac"]), ("ok", &json!(mac)), "{done}");
    assert_eq!(done["data"]["entitlements"][0]["phone_last4"], "0417", "{done}");
    assert!(!done.to_string().contains(REFERENCE), "{done}");

    site.cloud.command("forget", json!({ "phone_last4": "0417" }));
    let done = site.cloud.hears("done", 2).remove(1);
    assert_eq!(field(&done, "result"), "failed", "others have these digits too: {done}");
    assert!(field(&done, "why").starts_with("2 "), "{done}");
    site.opens(0);

    site.cloud.command("forget", person.clone());
    site.holds(0);
    let done = site.cloud.hears("done", 3).remove(2);
    assert_eq!((field(&done, "result"), &done["why"]), ("ok", &json!(null)), "{done}");
    site.cloud.command("export", json!({ "mac": mac }));
    site.cloud.hears("done", 4);
    site.cloud.command("forget", json!({ "mac": mac }));
    site.cloud.hears("done", 5);
    wait_until("files without the phone", Duration::from_secs(10), || {
        site.daemon.files_with(&mac).is_empty()
    });
    assert_eq!(pay(&site, 0), 403, "it opens nothing again");

    site.daemon.kill();
    site.daemon.run();
    site.cloud.tell("epoch", json!([]), json!({}));
    site.cloud.is_read();
    assert_eq!(pay(&site, 1), 403, "nor after all rows were read anew");
    site.cloud.command("forget", person);
    let done = site.cloud.hears("done", 6);
    let last = &done[5];
    assert_eq!(
        (done.len(), field(last, "result"), field(last, "why")),
        (6, "ok", "nothing is stored of this person")
    );
    site.cloud.assert_no_trouble();
}
