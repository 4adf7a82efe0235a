//! What the cloud has done at the site, and what it takes back.

use std::time::Duration;

use serde_json::json;

use super::{Site, field};
use crate::harness::{ECHO, Road, portal_v4, wait_until};

#[test]
fn commands_are_carried_out_once_each_and_answered() {
    let mut codes = Vec::new();
    let site = Site::new(3, |cloud| codes = cloud.vouchers(1));
    let mac = |phone: usize| site.lab.phones[phone].mac.clone();
    site.browser(0).must_login(&codes[0]);
    site.opens(0);
    let kick = site.cloud.command("kick", json!({ "mac": mac(0) }));
    site.holds(0);
    let grant = site.cloud.command("grant", json!({ "mac": mac(1), "plan": "hour" }));
    site.opens(1);
    site.browser(2).must_login(&codes[0]);
    let block = site.cloud.command("block", json!({ "mac": mac(2) }));
    let phone = &site.lab.phones[2];
    wait_until("the device to be kept out", Duration::from_secs(15), || {
        phone.get(portal_v4(), "wifi.lango:2080", "/").is_ok_and(|page| page.status == 403)
    });
    assert!(phone.try_tcp(site.lab.world.both(ECHO)[0]).result.is_err());
    let [_, message, remedy] = site.daemon.doctor_of(&mac(2));
    assert!(message.contains("the cloud keeps this device out"), "{message}");
    assert!(remedy.contains("ask who runs the cloud"), "{remedy}");
    let reload = site.cloud.command("reload_plans", json!({}));
    let done = site.cloud.hears("done", 4);
    let told: Vec<_> = done.iter().map(|fact| (field(fact, "command"), field(fact, "result"))).collect();
    let expected = [&kick, &grant, &block, &reload].map(|id| (&**id, "ok"));
    assert_eq!(told, expected);
    assert!(site.daemon.log().contains("event=reloaded"), "the plans were read anew");
    assert_eq!(site.cloud.hears("session_closed", 2).len(), 2);

    site.cloud.assert_no_trouble();
}

#[test]
fn a_command_that_is_repeated_is_not_carried_out_again() {
    let mut codes = Vec::new();
    let mut site = Site::new(2, |cloud| codes = cloud.vouchers(1));
    let mac = |phone: usize| site.lab.phones[phone].mac.clone();
    site.browser(0).must_login(&codes[0]);
    site.opens(0);
    // Until the cloud has heard that it is done, it asks for it.
    site.cloud.fault("status", json!(500), "events");
    site.cloud.command("kick", json!({ "mac": mac(0) }));
    site.holds(0);
    site.cloud.command("grant", json!({ "mac": mac(1), "plan": "hour" }));
    site.opens(1);
    site.browser(0).must_login(&codes[0]);
    for _ in 0..2 {
        site.cloud.tell("epoch", json!([]), json!({}));
        // Which does not wait for long after the trouble with the facts.
        site.daemon.kill();
        site.daemon.run();
        site.cloud.is_read();
    }
    site.opens(0);
    site.cloud.mend();
    site.cloud.hears("done", 2);
    site.cloud.hears("session_opened", 3);
    site.cloud.assert_no_trouble();
}

#[test]
fn a_command_that_cannot_be_carried_out_says_why() {
    let site = Site::new(1, |_| {});
    let mac = &site.lab.phones[0].mac;
    site.cloud.command("grant", json!({ "mac": mac, "plan": "no-such-plan" }));
    let done = site.cloud.hears("done", 1);
    assert_eq!(field(&done[0], "result"), "failed", "{done:?}");
    assert!(field(&done[0], "why").contains("no-such-plan"), "{done:?}");
    site.lab.phones[0].assert_held(&site.lab.world);
}

#[test]
fn a_code_that_is_taken_back_does_not_open_and_ends_what_it_opened() {
    let mut codes = Vec::new();
    let site = Site::new(2, |cloud| codes = cloud.vouchers(3));
    site.browser(0).must_login(&codes[0]);
    site.cloud.hears("redeemed", 1);
    site.cloud.tell("delete", json!(["voucher", codes[0]]), json!({}));
    site.cloud.tell("delete", json!(["voucher", codes[1]]), json!({}));
    site.holds(0);
    assert_eq!(site.browser(1).login(&codes[1]).status, 403);
    assert_eq!(site.browser(1).login(&codes[0]).status, 403, "what was redeemed does not come back to life");
    site.browser(1).must_login(&codes[2]);
    let closed = site.cloud.hears("session_closed", 1);
    assert_eq!(field(&closed[0], "why"), "revoked");
}

/// It would not know why it has less to sell than it thought.
#[test]
fn what_was_redeemed_is_not_taken_back_before_the_cloud_has_heard_of_it() {
    let mut codes = Vec::new();
    let site = Site::new(1, |cloud| codes = cloud.vouchers(1));
    site.cloud.fault("status", json!(500), "events");
    site.browser(0).must_login(&codes[0]);
    let before = site.pages();
    site.cloud.tell("delete", json!(["voucher", codes[0]]), json!({}));
    wait_until("the page to come twice", Duration::from_secs(15), || site.pages() >= before + 2);
    site.opens(0);
    site.cloud.mend();
    site.holds(0);
    site.cloud.hears("session_closed", 1);
    site.cloud.hears("redeemed", 1);
    site.cloud.assert_no_trouble();
}

/// While the fact waits to be sent, the cloud believes that the code is unused.
#[test]
fn a_redeemed_code_never_comes_back_to_life() {
    let mut codes = Vec::new();
    let mut site = Site::new(2, |cloud| {
        cloud.plan("blink", json!({ "metered_s": 2 }));
        codes = cloud.list("voucher", json!(["blink"]), json!({ "count": 2 }));
    });
    let code = |n: usize| codes[n].as_str().unwrap();
    site.cloud.fault("status", json!(500), "events");
    site.browser(0).must_login(code(0));
    site.holds(0);
    assert_eq!(site.browser(1).login(code(0)).status, 403);
    // The cloud takes it back and issues it again before it hears that it was used.
    site.cloud.tell("delete", json!(["voucher", code(0)]), json!({}));
    site.cloud.list("voucher", json!(["blink"]), json!({ "code": code(0) }));
    let before = site.pages();
    site.cloud.tell("epoch", json!([]), json!({}));
    wait_until("the page to come", Duration::from_secs(20), || site.pages() > before);
    assert_eq!(site.browser(1).login(code(0)).status, 403);
    site.cloud.mend();
    site.cloud.hears("redeemed", 1);
    site.cloud.is_read();
    assert_eq!(site.browser(1).login(code(0)).status, 403);
    site.cloud.tell("epoch", json!([]), json!({}));
    site.cloud.is_read();
    assert_eq!(site.browser(1).login(code(0)).status, 403);
    site.daemon.kill();
    site.daemon.run();
    assert_eq!(site.browser(1).login(code(0)).status, 403);
    site.browser(1).must_login(code(1));
    site.cloud.hears("redeemed", 2);
    site.cloud.assert_no_trouble();
}

#[test]
fn a_new_log_a_forgotten_one_and_a_wrong_digest_are_read_from_the_start() {
    let mut codes = Vec::new();
    let site = Site::new(3, |cloud| {
        cloud.tell("settings", json!([]), json!({ "page_bytes": 2048 }));
        codes = cloud.vouchers(60);
    });
    site.browser(0).must_login(&codes[0]);
    site.cloud.hears("redeemed", 1);
    // While nobody reads, a row goes, and with the log the word of it.
    site.lab.road(Road::Silent);
    site.cloud.tell("delete", json!(["voucher", codes[1]]), json!({}));
    site.cloud.tell("forget-log", json!([]), json!({}));
    site.lab.road(Road::Good);
    site.cloud.is_read_within(Duration::from_secs(40));
    assert_eq!(site.browser(1).login(&codes[1]).status, 403, "the reset did not have it");
    site.opens(0);
    site.browser(1).must_login(&codes[2]);

    site.cloud.tell("epoch", json!([]), json!({}));
    site.cloud.is_read();
    site.opens(0);
    site.browser(2).must_login(&codes[59]);
    assert_eq!(site.browser(2).logout().status, 303);

    let before = site.pages();
    site.cloud.tell("fault", json!(["wrong_digest"]), json!({ "on": "feed", "times": 1 }));
    let more = site.cloud.vouchers(1);
    // One with the new row, and then all of them.
    wait_until("all rows to be asked for again", Duration::from_secs(15), || site.pages() >= before + 5);
    site.cloud.mend();
    site.cloud.is_read();
    site.browser(2).must_login(&more[0]);
    site.opens(0);
    site.cloud.assert_no_trouble();
}
