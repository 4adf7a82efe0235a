//! The trail: each deed of an operator and of the cloud is one row, and the cloud hears of it.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Site, field};

fn rows(site: &Site) -> Vec<Value> {
    site.daemon.json(&["audit"]).as_array().unwrap().clone()
}

#[test]
fn every_deed_is_a_row_and_the_cloud_hears_of_it() {
    let mut codes = Vec::new();
    let mut site = Site::new(2, |cloud| codes = cloud.vouchers(1));
    // What guests do of themselves is not in it.
    site.browser(0).must_login(&codes[0]);
    site.opens(0);
    assert_eq!(site.browser(0).login("0000000000").status, 403);
    let mac = |phone: usize| site.lab.phones[phone].mac.clone();
    let batch = site.daemon.json(&["voucher", "new", "--plan", "hour", "--count", "3"])[0]["batch"].clone();
    let opened = site.daemon.json(&["login", &mac(1), "--plan", "hour"])["id"].clone();
    let kicked = site.daemon.session(&mac(0)).expect("a session")["id"].clone();
    let kick = site.cloud.command("kick", json!({ "mac": mac(0) }));
    site.holds(0);
    let exported = site.daemon.json(&["export", "--mac", &mac(0)])["audit"].clone();
    site.daemon.signal(Signal::SIGHUP);
    crate::harness::wait_until(
        "the configuration to be read anew",
        std::time::Duration::from_secs(15),
        || rows(&site).last().is_some_and(|row| row["action"] == "reload"),
    );

    let told = rows(&site);
    let words =
        |row: &Value| [field(row, "who"), field(row, "action"), field(row, "detail")].map(str::to_owned);
    let written: Vec<_> = told.iter().filter(|row| row["action"] != "clock_set").map(words).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (by_cloud, batch) = (format!("cloud {kick}"), format!("3 of plan hour, batch {}", text(&batch)));
    let (opened, kicked) = (format!("{} of plan hour", text(&opened)), text(&kicked));
    for (row, [who, action, detail]) in written.iter().zip([
        ["gateway", "start", "version "],
        ["uid 0 (root), admin", "voucher_new", &batch],
        ["uid 0 (root), admin", "login", &opened],
        [&by_cloud, "logout", &kicked],
        ["uid 0 (root), admin", "export", "1 devices, 1 purchases"],
        ["gateway", "reload", "configuration "],
    ]) {
        assert!(row[0] == who && row[1] == action && row[2].starts_with(detail), "{row:?} in {written:?}");
    }
    assert_eq!(written.len(), 6, "{written:?}");
    assert_eq!(exported.as_array().unwrap().iter().map(words).collect::<Vec<_>>(), [written[3].clone()]);

    // The cloud holds each row against the one before, by its own reckoning.
    let heard = site.cloud.hears("audit", told.len());
    for (event, row) in heard.iter().zip(&told) {
        assert_eq!((&event["row"], &event["hash"], &event["at"]), (&row["seq"], &row["hash"], &row["at"]));
    }
    site.cloud.assert_no_trouble();
    let whole = site.daemon.json(&["audit", "--verify"]);
    assert_eq!(
        (&whole["last"], &whole["hash"]),
        (&heard.last().unwrap()["row"], &heard.last().unwrap()["hash"])
    );

    // Somebody who can write the file makes the kick undone; no number is missing, and the cloud knows better.
    site.daemon.kill();
    let conn = rusqlite::Connection::open(site.daemon.state().join("lango.db")).unwrap();
    let kick = told.iter().find(|row| row["who"] == by_cloud).unwrap()["seq"].as_i64();
    conn.execute("UPDATE audit SET who = 'gateway' WHERE seq = ?1", [kick]).unwrap();
    drop(conn);
    let found = site.daemon.without_it(&["audit", "--verify", "--offline"]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.err.contains(&format!("row {} is not as it was written", kick.unwrap())), "{found:?}");
}
