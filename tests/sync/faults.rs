//! Every way in which the cloud of the tests can misbehave: it is called by its name, nothing of it is
//! applied, and after it is mended all is as it should be.

use serde_json::{Value, json};

use super::*;
use crate::desk::Books;

/// What a desk has of the cloud.
fn held(books: &Books) -> (usize, Option<lango::domain::Cursor>, u32) {
    (books.rows.len(), books.stand.at, books.pages)
}

/// The cloud has something new, and misbehaves; then not any more.
async fn meets(site: &mut Site, fault: &str, value: Value, word: &str) {
    let codes = site.cloud.vouchers(3);
    site.books().happen(2);
    let before = held(&site.books());
    site.cloud.fault(fault, value, "feed");
    assert_eq!(site.trouble().await, word, "{fault}: {:?}", site.health().trouble);
    assert_eq!(held(&site.books()), before, "{fault}: nothing is applied");
    let ailing = site.health().trouble.unwrap();
    assert_eq!(ailing.what.word(), word);
    assert!(!ailing.what.to_string().contains(&String::from_utf8(site.cloud.file("token")).unwrap()));
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()), "{fault} is mended");
    assert!(codes.iter().all(|code| site.has(code)), "{fault}");
    assert_eq!((site.health().trouble, site.books().outbox.len()), (None, 0));
}

#[tokio::test]
async fn answers_that_are_none_change_nothing() {
    let mut site = Site::quiet().await;
    for (fault, value, word) in [
        ("cut", Value::Null, "cut"),
        ("status", json!(500), "status"),
        ("status", json!(503), "status"),
        ("status", json!(429), "status"),
        ("status", json!(401), "denied"),
        ("status", json!(403), "denied"),
        ("status", json!(426), "protocol"),
        ("html", Value::Null, "intercepted"),
        ("big", Value::Null, "too_large"),
    ] {
        meets(&mut site, fault, value, word).await;
    }
    assert_eq!(site.books().refused, [], "these are no pages");
}

#[tokio::test]
async fn pages_that_are_wrong_change_nothing_and_are_told_once() {
    let mut site = Site::quiet().await;
    let faults = [
        "bad_json",
        "wrong_site",
        "old_cursor",
        "skipped",
        "replayed",
        "endless",
        "bad_signature",
        "unsigned",
    ];
    for (told, fault) in faults.into_iter().enumerate() {
        site.cloud.fault(fault, Value::Null, "feed");
        let word = site.trouble().await;
        assert_eq!(word, site.trouble().await);
        assert_eq!(site.books().refused.len(), told + 1, "{fault} is told once");
        meets(&mut site, fault, Value::Null, "page").await;
        // By then it was another page.
        site.books().refused.truncate(told + 1);
    }
    assert!(site.health().refused_pages >= 3 * 8);
}

#[tokio::test]
async fn a_page_past_its_date_counts_while_nobody_knows_the_date() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(1);
    site.cloud.fault("stale", Value::Null, "feed");
    assert_eq!(site.sync().await, Ok(()));
    assert!(site.has(&codes[0]));
}

#[tokio::test]
async fn a_digest_that_differs_has_all_rows_fetched_again_once() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(20);
    site.cloud.fault("wrong_digest", Value::Null, "feed");
    assert_eq!(site.trouble().await, "digest");
    assert_eq!(site.overs_and_rows(), (1, 21));
    assert_eq!(site.trouble().await, "digest");
    assert_eq!(site.books().overs, 1, "not again within the hour");
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));
    assert!(site.health().trouble.is_none() && site.has(&codes[0]));
}

#[tokio::test]
async fn a_feed_that_is_gone_from_the_start_is_trouble_and_no_circle() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(2);
    site.cloud.fault("status", json!(410), "feed");
    assert_eq!((site.trouble().await, site.trouble().await), ("gone", "gone"));
    assert_eq!(site.overs_and_rows(), (1, 1), "old rows stay in force");
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));
    assert!(site.has(&codes[1]));
}

#[tokio::test]
async fn what_this_version_does_not_know_is_skipped_and_counted() {
    let site = Site::quiet().await;
    site.cloud.vouchers(1);
    site.cloud.fault("unknown", Value::Null, "feed");
    assert_eq!(site.sync().await, Err(Trouble::Digest), "a plan that the log of the cloud does not have");
    let health = site.health();
    assert!(health.skipped >= 2 && health.skipped_fields >= 2, "{health:?}");
}

#[tokio::test]
async fn events_that_the_cloud_refuses_do_not_keep_the_feed_from_coming() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(1);
    site.books().happen(3);
    site.cloud.fault("status", json!(500), "events");
    assert_eq!(site.trouble().await, "status");
    assert_eq!((site.has(&codes[0]), site.books().outbox.len()), (true, 3));
    site.cloud.fault("bad_json", Value::Null, "events");
    site.cloud.tell("mend", json!(["status"]), json!({}));
    assert_eq!(site.trouble().await, "ack");
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));
    assert_eq!(site.cloud.events(), [1, 2, 3]);
}

/// An untrusted clock is a lower bound, so a certificate may have begun by now, but one that ended has ended.
#[tokio::test]
async fn nobody_but_the_cloud_is_spoken_to() {
    let mut site = Site::quiet().await;
    for (fault, value, word) in [
        ("certificate", json!("expired"), "certificate"),
        ("certificate", json!("wrong_name"), "certificate"),
        ("certificate", json!("untrusted"), "certificate"),
        ("captive", json!("plain"), "intercepted"),
        ("captive", json!("tls"), "certificate"),
        ("refuse", Value::Null, "cut"),
    ] {
        let codes = site.cloud.vouchers(1);
        let before = held(&site.books());
        site.cloud.fault(fault, value.clone(), "all");
        site.restart();
        assert_eq!(site.trouble().await, word, "{fault} {value}: {:?}", site.health().trouble);
        assert_eq!(held(&site.books()), before);
        site.cloud.mend();
        assert_eq!(site.sync().await, Ok(()), "{fault} {value} is mended");
        assert!(site.has(&codes[0]));
    }
    site.cloud.fault("certificate", json!("future"), "all");
    site.restart();
    assert_eq!(site.sync().await, Ok(()));
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_it_moves() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(30);
    site.cloud.fault("slow", json!(2), "feed");
    assert_eq!(site.sync().await, Ok(()));
    site.cloud.mend();
    let more = site.cloud.vouchers(60);
    site.cloud.fault("trickle", json!(300), "feed");
    let began = Instant::now();
    assert_eq!(site.sync().await, Ok(()));
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(site.has(&codes[0]) && site.has(&more[59]));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_after_fifteen_seconds() {
    let site = Site::quiet().await;
    let codes = site.cloud.vouchers(1);
    site.cloud.fault("hang", Value::Null, "feed");
    site.cloud.fault("status", json!(500), "events");
    assert_eq!(site.sync().await.map_err(|trouble| trouble.word()), Err("silent"));
    site.cloud.mend();
    assert_eq!(site.sync().await, Ok(()));
    assert!(site.has(&codes[0]));
}

/// Without anybody's order.
#[tokio::test]
async fn after_trouble_the_client_comes_back_by_itself() {
    let mut site = Site::polling(Duration::from_secs(1)).await;
    site.cloud.fault("refuse", Value::Null, "all");
    site.restart();
    site.books().happen(3);
    let codes = site.cloud.vouchers(1);
    let mut health = site.link.health();
    health.wait_for(|health| health.trouble.is_some()).await.unwrap();
    assert!(!site.has(&codes[0]));
    site.cloud.mend();
    site.link.uplink_is_back();
    site.until(|books| books.outbox.is_empty() && books.rows.len() == 2).await;
    health.wait_for(|health| health.trouble.is_none()).await.unwrap();
}
