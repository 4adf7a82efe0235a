//! The client of the cloud against the cloud of `tests/cloud`, over TLS on loopback, with a desk in memory.
//! `joining` is the command that joins it, and
//! `operators` what a real daemon, in a network namespace, says of it. Needs python3, openssl and root.
#![expect(clippy::disallowed_methods, reason = "starts the cloud, and measures how long it is waited for")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cloud;
mod desk;
mod faults;
mod joining;
mod operators;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lango::domain::Seq;
use lango::sync::{InTheClear, Trouble, Url, enrol};
use lango::wire::enrolment::SiteSecret;
use lango::wire::lookup::Wanted;
use serde_json::{Value, json};

use crate::cloud::{Cloud, SITE};
use crate::desk::{NEVER, Site, clock, serve, settings};

const MAC: &str = "02:77:00:00:00:01";

fn reference(text: &str) -> Wanted {
    Wanted::Reference { reference: text.into(), mac: MAC.parse().unwrap() }
}

#[tokio::test]
async fn a_site_gets_all_rows_in_pages_and_then_changes_only() {
    let site = Site::quiet().await;
    site.cloud.tell("settings", json!([]), json!({ "page_bytes": 8192 }));
    let codes = site.cloud.vouchers(300);
    assert_eq!(site.sync().await, Ok(()));
    assert!(codes.iter().all(|code| site.has(code)));
    let pages = site.books().pages;
    assert!(pages > 4, "{pages} pages");

    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.books().pages, pages);
    assert_eq!(site.cloud.statuses("/feed").last(), Some(&json!(304)));

    site.cloud.tell("delete", json!(["voucher", codes[7]]), json!({}));
    let more = site.cloud.vouchers(1);
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!((site.has(&codes[7]), site.has(&codes[8]), site.has(&more[0])), (false, true, true));
    assert_eq!(site.books().pages, pages + 1);
    let (health, times) = (site.health(), site.books().times.clone());
    assert!(health.last_success.is_some() && health.trouble.is_none() && health.received > 0);
    assert!(times.iter().all(|time| time.since(site.clock.now().wall) < Duration::from_secs(60)));
}

#[tokio::test]
async fn a_new_log_and_a_forgotten_one_are_read_from_the_start() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(40);
    assert_eq!(site.sync().await, Ok(()));
    site.cloud.tell("epoch", json!([]), json!({}));
    site.cloud.tell("settings", json!([]), json!({ "page_bytes": 1024 }));
    assert_eq!(site.sync().await, Ok(()));
    assert!(codes.iter().all(|code| site.has(code)));
    assert_eq!(site.overs_and_rows().0, 0);
    assert_eq!(site.books().stand.at.unwrap().epoch, 2);

    let gone = site.books().stand.at;
    site.cloud.tell("delete", json!(["voucher", codes[0]]), json!({}));
    site.cloud.vouchers(1);
    site.cloud.tell("forget-log", json!([]), json!({}));
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.overs_and_rows().0, 1);
    assert_eq!((site.has(&codes[0]), site.has(&codes[1])), (false, true));
    assert!(site.books().stand.at > gone);
}

#[tokio::test]
async fn events_go_up_once_each_whatever_becomes_of_the_answers() {
    let site = Site::quiet().await;
    site.books().happen(1500);
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.cloud.events(), (1..=1500).collect::<Vec<_>>());
    assert_eq!(site.books().outbox, []);
    assert!(site.cloud.statuses("/events").len() >= 3, "more than one batch");

    site.cloud.fault("lost_acks", Value::Null, "events");
    site.books().happen(5);
    assert_eq!(site.trouble().await, "cut");
    assert_eq!(site.books().outbox.len(), 5);
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));

    site.cloud.fault("duplicate_acks", Value::Null, "events");
    site.books().happen(5);
    assert_eq!(site.trouble().await, "not_acked");
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));

    // A full outbox drops what is said again later, so that numbers are missing.
    site.books().happen(10);
    site.books().outbox.drain(0..4);
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.cloud.statuses("/events").iter().filter(|status| **status == json!(409)).count(), 1);
    assert_eq!(site.cloud.events(), (1..=1510).chain(1515..=1520).collect::<Vec<_>>());
    assert_eq!(site.books().outbox, []);
    assert_eq!(site.books().acked, Seq(1520));
}

#[tokio::test]
async fn what_was_redeemed_here_is_told_before_a_page_is_applied() {
    let site = Site::quiet().await;
    site.cloud.fault("status", json!(500), "events");
    site.books().happen(1);
    site.books().hold = Seq(1);
    let codes = site.cloud.vouchers(1);
    assert_eq!(site.trouble().await, "status");
    assert!(!site.has(&codes[0]), "the page has to wait");
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));
    assert!(site.has(&codes[0]) && site.books().outbox.is_empty());
}

#[tokio::test]
async fn a_poke_sends_the_outbox_soon_and_asks_for_no_page() {
    let site = Site::quiet().await;
    let feeds = site.cloud.statuses("/feed").len();
    site.books().happen(2);
    site.link.poke();
    site.link.poke();
    site.until(|books| books.outbox.is_empty()).await;
    assert_eq!((site.cloud.events(), site.cloud.statuses("/feed").len()), (vec![1, 2], feeds));
}

#[tokio::test]
async fn a_guest_who_waits_has_the_payment_at_once_and_blocks_nobody() {
    let site = Site::quiet().await;
    let began = Instant::now();
    site.link.guest_waits(site.clock.now().boot.plus(Duration::from_secs(60)));
    // The long poll is held by now, and all else goes on beside it.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    site.books().happen(1);
    site.link.poke();
    site.until(|books| books.outbox.is_empty()).await;
    assert_eq!(site.link.look_up(&reference("DFJ9B1FPQ8")).await, Ok(None));
    assert_eq!(site.sync().await, Ok(()));
    site.cloud.vouchers(1);
    let pages = site.books().pages;
    let (paid, before) = (Instant::now(), site.books().rows.len());
    site.cloud.tell("payment", json!(["DFJ9B1FPQ8", "hour"]), json!({}));
    site.until(|books| books.rows.len() > before).await;
    assert!(paid.elapsed() < Duration::from_secs(4), "{:?}", paid.elapsed());
    assert!(site.books().pages > pages && began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_lookup_takes_three_seconds_at_most() {
    let site = Site::quiet().await;
    site.cloud.tell("payment", json!(["DFJ9B1FPQ8", "hour"]), json!({ "listed": false }));
    let found = site.link.look_up(&reference("dfj9b1fpq8")).await.unwrap().unwrap();
    assert_eq!((found.known.len(), found.refused.len()), (1, 0));
    assert_eq!(site.link.look_up(&reference("DFJ9B1FPQ9")).await, Ok(None));

    site.cloud.tell("phone", json!(["+255700000417", "hour"]), json!({}));
    let (phone, mac) = ("+255700000417".to_owned(), MAC.parse().unwrap());
    let sent = site.link.look_up(&Wanted::SendCode { phone: phone.clone(), mac }).await;
    assert_eq!(sent.unwrap().unwrap().known, []);
    let otp = site.cloud.tell("otp", json!(["+255700000417"]), json!({})).as_str().unwrap().to_owned();
    let wrong = if otp == "123456" { "123457" } else { "123456" };
    let check = |otp: &str| Wanted::CheckCode { phone: phone.clone(), otp: otp.into(), mac };
    assert_eq!(site.link.look_up(&check(wrong)).await, Ok(None));
    assert_eq!(site.link.look_up(&check(&otp)).await.unwrap().unwrap().known.len(), 1);

    site.cloud.fault("slow", json!(10), "lookup");
    let began = Instant::now();
    assert_eq!(site.link.look_up(&reference("DFJ9B1FPQ8")).await, Err(Trouble::Late));
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    site.cloud.mend();
    assert!(site.link.look_up(&reference("DFJ9B1FPQ8")).await.unwrap().is_some());
    let many: Vec<_> = (0..20).map(|_| site.link.clone()).collect();
    site.cloud.fault("hang", Value::Null, "lookup");
    let wanted = reference("DFJ9B1FPQ8");
    let mut asking = tokio::task::JoinSet::new();
    for link in many {
        let wanted = wanted.clone();
        asking.spawn(async move { link.look_up(&wanted).await });
    }
    let outcomes = asking.join_all().await;
    let of = |trouble: Trouble| outcomes.iter().filter(|one| **one == Err(trouble.clone())).count();
    assert_eq!((of(Trouble::Late), of(Trouble::Busy)), (8, 12));
}

#[tokio::test]
async fn polls_come_as_often_as_both_sides_want() {
    let site = Site::polling(Duration::from_secs(1)).await;
    let codes = site.cloud.vouchers(1);
    site.until(|books| books.rows.len() == 2).await;
    assert!(site.has(&codes[0]));
    site.cloud.tell("settings", json!([]), json!({ "min_wait_s": 60 }));
    site.cloud.vouchers(1);
    site.until(|books| books.rows.len() == 3).await;
    let polls = site.cloud.statuses("/feed").len();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(site.cloud.statuses("/feed").len(), polls);
}

#[tokio::test]
async fn a_cloud_that_was_started_again_is_not_even_noticed() {
    let mut site = Site::quiet().await;
    site.cloud.restart();
    assert_eq!(site.sync().await, Ok(()));
    site.books().happen(1);
    site.cloud.restart();
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.cloud.events(), [1]);
}

#[tokio::test]
async fn a_second_connection_costs_less_than_the_first() {
    let site = Site::quiet().await;
    let cost = |before: u64| site.health().received - before;
    assert_eq!(site.sync().await, Ok(()));
    let on_the_same = site.health().received;
    assert_eq!(site.sync().await, Ok(()));
    let on_the_same = cost(on_the_same);
    assert!(on_the_same < 500, "{on_the_same} bytes for nothing new on a connection that was kept");
    // A status of trouble ends a connection.
    site.cloud.fault("status", json!(500), "feed");
    assert_eq!(site.trouble().await, "status");
    site.cloud.mend();
    let before = site.health().received;
    assert_eq!(site.sync().await, Ok(()));
    let resumed = cost(before);
    assert!(resumed < 1200, "{resumed} bytes with a session that was resumed: no certificate was sent");
}

#[tokio::test]
async fn a_gateway_joins_with_a_claim_once() {
    let cloud = Cloud::start();
    cloud.plan("hour");
    let claim = cloud.tell("claim", json!([]), json!({})).as_str().unwrap().to_owned();
    let url = Url::read(&cloud.url(), InTheClear::Never).unwrap();
    let ca = cloud.file("keys/ca.pem");
    let join = async |key: u8, claim: &str, roots| {
        enrol(url.clone(), claim, "gw-5f1c", &[key; 32], roots, clock()).await
    };
    assert_eq!(join(1, &claim, None).await.unwrap_err().word(), "certificate");
    let joining = join(1, &claim, Some(&ca[..])).await.unwrap();
    assert_eq!(joining.site, SITE);
    assert_eq!(
        joining.site_key.as_ref().map(|key: &SiteSecret| key.reveal().to_vec()),
        Some(cloud.file("site.key"))
    );
    assert_eq!(join(1, &claim, Some(&ca[..])).await.as_ref(), Ok(&joining), "the answer may have been lost");
    assert_eq!(join(2, &claim, Some(&ca[..])).await, Err(Trouble::Claim));
    assert_eq!(join(1, "made-up", Some(&ca[..])).await, Err(Trouble::Claim));

    let mut joined = settings(&cloud, NEVER);
    joined.token = joining.token;
    joined.extra_roots = joining.ca.map(String::into_bytes);
    joined.signing_key = joining.signing_key;
    let books = Arc::new(Mutex::default());
    let (link, running) = serve(joined, &books, &clock());
    assert_eq!(link.sync_now().await, Ok(()));
    assert_eq!(books.lock().unwrap().rows.len(), 1);
    running.iter().for_each(tokio::task::JoinHandle::abort);
}
