//! Payments: typed, pasted, claimed before they came, and let in without a word.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Site, field};
use crate::harness::{Road, wait_until};

#[test]
fn a_payment_that_is_known_opens_for_whoever_says_its_reference_first() {
    let site = Site::new(4, |cloud| {
        cloud.paid("DFJ9B1FPQ8", "hour", json!({}));
        cloud.paid("NLJ7RT61SV", "hour", json!({}));
        cloud.paid("QWE8TT12AB", "hour", json!({ "phone_last4": "0417" }));
    });
    site.browser(0).must_login("dfj9b1fpq8");
    site.opens(0);
    // A neighbour who looked over the shoulder.
    assert_eq!(site.browser(1).login("DFJ9B1FPQ8").status, 403);
    site.lab.phones[1].assert_held(&site.lab.world);

    site.browser(1).must_login("NLJ7RT61SV Confirmed. Ksh50.00 paid to SAMPLE KIOSK. New balance Ksh10.00");
    site.opens(1);

    let asked = site.browser(2).login("QWE8TT12AB");
    assert_eq!((asked.status, asked.body.contains("name=\"phone_last4\"")), (403, true), "{asked:?}");
    let digits = |digits| site.browser(2).submit(&[("code", "QWE8TT12AB"), ("phone_last4", digits)]);
    assert_eq!(digits("0418").status, 403);
    site.lab.phones[2].assert_held(&site.lab.world);
    assert_eq!(digits("0417").status, 303);
    site.opens(2);
    site.lab.phones[3].assert_held(&site.lab.world);

    let redeemed = site.cloud.hears("redeemed", 3);
    assert!(redeemed.iter().all(|fact| field(fact, "kind") == "payment"), "{redeemed:?}");
    site.cloud.assert_no_trouble();
}

#[test]
fn a_payment_that_the_feed_does_not_have_is_asked_for() {
    let site = Site::new(2, |_| {});
    site.cloud.paid("DFJ9B1FPQ8", "hour", json!({ "listed": false }));
    let from = Instant::now();
    site.browser(0).must_login("DFJ9B1FPQ8");
    assert!(from.elapsed() < Duration::from_secs(3), "{:?}", from.elapsed());
    site.opens(0);
    let waits = site.browser(1).login("DFJ9B1FPQ9");
    assert_eq!(waits.status, 202, "{waits:?}");
    site.lab.phones[1].assert_held(&site.lab.world);
    site.cloud.hears("claimed", 1);
    let [_, message, remedy] = site.daemon.doctor_of(&site.lab.phones[1].mac);
    assert!(message.contains("nobody has confirmed the payment"), "{message}");
    assert!(remedy.contains("compare the reference"), "{remedy}");
    // The cloud is asked without a pause from now on.
    let paid = Instant::now();
    site.cloud.paid("DFJ9B1FPQ9", "hour", json!({}));
    site.opens(1);
    assert!(paid.elapsed() < Duration::from_secs(5), "{:?}", paid.elapsed());
    site.cloud.hears("redeemed", 2);
    site.cloud.assert_no_trouble();
}

#[test]
fn a_claim_outlives_the_outage_and_the_program() {
    let mut site = Site::new(3, |_| {});
    site.lab.road(Road::Silent);
    let from = Instant::now();
    let waits = site.browser(0).login("DFJ9B1FPQ8");
    assert_eq!(waits.status, 202, "{waits:?}");
    assert!(from.elapsed() < Duration::from_secs(4), "{:?}", from.elapsed());
    assert_eq!(site.browser(1).login("NLJ7RT61SV").status, 202);
    site.lab.phones[0].assert_held(&site.lab.world);
    site.cloud.paid("DFJ9B1FPQ8", "hour", json!({}));
    // Both guests have closed the page, and there was a power cut.
    site.daemon.power_cut();
    site.daemon.reboot("another", Duration::from_secs(5));
    site.daemon.run();
    site.lab.phones[0].assert_held(&site.lab.world);
    site.lab.road(Road::Good);
    site.opens(0);
    site.lab.phones[1].assert_held(&site.lab.world);
    site.cloud.paid("NLJ7RT61SV", "hour", json!({}));
    site.opens(1);
    site.lab.phones[2].assert_held(&site.lab.world);
    site.cloud.hears("claimed", 2);
    let redeemed = site.cloud.hears("redeemed", 2);
    assert_eq!(field(&redeemed[0], "mac"), site.lab.phones[0].mac);
    assert_eq!(field(&redeemed[1], "mac"), site.lab.phones[1].mac);
    site.cloud.assert_no_trouble();
}

#[test]
fn a_plan_bridges_the_wait_once_a_day() {
    let site = Site::with(1, &[("provisional_plan", "bridge")], |_| {});
    site.lab.road(Road::Silent);
    site.browser(0).must_login("DFJ9B1FPQ8");
    site.opens(0);
    assert!((290..=300).contains(&site.seconds_left(0)), "{}", site.seconds_left(0));
    assert_eq!(site.browser(0).logout().status, 303);
    site.lab.phones[0].assert_held(&site.lab.world);
    assert_eq!(site.browser(0).login("NLJ7RT61SV").status, 202);
    site.lab.phones[0].assert_held(&site.lab.world);

    site.cloud.paid("DFJ9B1FPQ8", "hour", json!({}));
    site.lab.road(Road::Good);
    site.opens(0);
    assert!(site.seconds_left(0) > 3500, "{}", site.seconds_left(0));
}

#[test]
fn a_payment_with_a_device_opens_without_typing() {
    let site = Site::new(2, |_| {});
    site.cloud.paid("DFJ9B1FPQ8", "hour", json!({ "mac": site.lab.phones[0].mac }));
    site.opens(0);
    site.lab.phones[1].assert_held(&site.lab.world);
    let redeemed = site.cloud.hears("redeemed", 1);
    assert_eq!(field(&redeemed[0], "mac"), site.lab.phones[0].mac);
}

/// The kernel ends it, so it is the kernel that has to know.
#[test]
fn what_is_paid_while_online_adds_up_live() {
    let mut site = Site::new(1, |cloud| {
        cloud.plan("short", json!({ "metered_s": 5 }));
        cloud.paid("DFJ9B1FPQ8", "short", json!({}));
        cloud.paid("NLJ7RT61SV", "short", json!({}));
    });
    site.browser(0).must_login("DFJ9B1FPQ8");
    let from = Instant::now();
    let stream =
        crate::harness::Stream::start(&site.lab.phones[0], &site.lab.world, 4, Duration::from_millis(20));
    site.browser(0).must_login("NLJ7RT61SV");
    site.cloud.hears("redeemed", 2);
    assert_eq!(site.cloud.hears("session_opened", 1).len(), 1, "it is the same session");
    assert!((6..=10).contains(&site.seconds_left(0)), "{}", site.seconds_left(0));
    site.daemon.kill();
    let last = || stream.arrivals(&site.lab.world).last().map(|(_, at)| *at);
    wait_until("the end of time", Duration::from_secs(15), || {
        last().is_some_and(|at| at.elapsed() > Duration::from_secs(1))
    });
    let took = last().unwrap() - from;
    assert!(took.abs_diff(Duration::from_secs(10)) < Duration::from_secs(1), "open for {took:?}");
    stream.finish(&site.lab.world);
    site.daemon.run();
    let closed = site.cloud.hears("session_closed", 1);
    assert_eq!(field(&closed[0], "why"), "spent");
}
