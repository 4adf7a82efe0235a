//! `lango audit`, by the real program on a store without a daemon: every kind of writing into it is found.

use std::path::Path;

use serde_json::{Value, json};

use super::daemon::{code, printed, stderr, stdout};
use super::place::Place;

/// Five rows: four batches that were made, and one code of the last that was withdrawn.
fn with_rows() -> Place {
    let place = Place::new();
    let make = || printed(&place.offline(&["voucher", "new", "--plan", "hour", "--json"]));
    let made = [make(), make(), make(), make()];
    let last = made[3][0]["code"].as_str().unwrap();
    assert_eq!(code(&place.offline(&["voucher", "revoke", last])), 0);
    place
}

fn rows_of(place: &Place) -> Vec<Value> {
    printed(&place.offline(&["audit", "--json"])).as_array().unwrap().clone()
}

/// The failures that programs are told to expect.
fn failures() -> Vec<Value> {
    let schema: Value = serde_json::from_str(include_str!("../golden/schemas/error.json")).unwrap();
    schema["properties"]["error"]["properties"]["code"]["enum"].as_array().unwrap().clone()
}

fn tamper(database: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(database).unwrap();
    conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn each_deed_is_a_row_with_who_did_it_and_nothing_that_is_a_guests() {
    let place = with_rows();
    let rows = rows_of(&place);
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().expect("a user with a name");
    let who = format!("uid {} ({}), admin", user.uid, user.name);
    let actions: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["voucher_new", "voucher_new", "voucher_new", "voucher_new", "voucher_revoke"],
        "what is only looked at leaves no row"
    );
    for (row, seq) in rows.iter().zip(1..) {
        let fields: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["action", "at", "clock", "detail", "hash", "seq", "who"]);
        assert_eq!((&row["seq"], &row["who"], &row["clock"]), (&json!(seq), &json!(who), &json!("floor")));
        assert!(row["detail"].as_str().unwrap().starts_with("1 of plan hour, batch B"), "{row}");
    }
    let plain = place.offline(&["audit"]);
    assert_eq!((code(&plain), stdout(&plain).lines().count()), (0, 6), "{plain:?}");
    assert!(stdout(&plain).contains(" or later"), "a clock that is not trusted: {plain:?}");
    let whole = place.offline(&["audit", "--verify", "--json"]);
    let last = &rows[4]["hash"];
    assert_eq!((code(&whole), printed(&whole)), (0, json!({ "rows": 5, "last": 5, "hash": last })));
    // A refusal is no deed.
    assert_eq!(code(&place.offline(&["voucher", "revoke", "0000000000"])), 1);
    assert_eq!(rows_of(&place), rows);
}

/// Nobody would hear of it: only the daemon repairs, and says what is lost.
#[test]
fn a_store_that_is_not_in_order_is_left_as_it_is() {
    let place = with_rows();
    let database = place.database();
    assert_eq!(code(&place.offline(&["forget", "--all"])), 0);
    let whole = std::fs::read(&database).unwrap();
    let refused = |why: &str| {
        for words in [&["audit", "--verify"][..], &["voucher", "list"], &["voucher", "new", "--plan", "hour"]]
        {
            let ended = place.offline(words);
            let said = stderr(&ended);
            assert!(code(&ended) == 70 && said.contains(why), "{ended:?}");
            assert!(said.contains("left as it is") && said.contains("start the daemon"), "{said}");
        }
    };
    std::fs::write(&database, [b"no database".as_slice(), &whole[11..]].concat()).unwrap();
    let before = std::fs::read(&database).unwrap();
    refused("not a database");
    assert_eq!(std::fs::read(&database).unwrap(), before);
    std::fs::remove_file(&database).unwrap();
    refused("it is missing, and its last good copy is there");
    assert!(!database.exists());
}

#[test]
fn whoever_writes_into_the_trail_is_found_out() {
    let place = with_rows();
    let pristine = std::fs::read(place.database()).unwrap();
    let move_up = "UPDATE audit SET seq = seq + 1 WHERE seq >= ";
    for (sql, said) in [
        ("UPDATE audit SET who = 'uid 4711' WHERE seq = 2", "row 2 is not as it was written"),
        ("UPDATE audit SET at = at - 60 WHERE seq = 5", "row 5 is not as it was written"),
        ("UPDATE audit SET detail = '1 of plan day' WHERE seq = 1", "row 1 is not as it was written"),
        ("UPDATE audit SET who = CAST(X'ff' AS TEXT) WHERE seq = 4", "row 4 is not as it was written"),
        ("UPDATE audit SET seq = -2 WHERE seq = 2", "row 0 is not as it was written"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE seq = 3", "row 3 is missing"),
        ("DELETE FROM audit WHERE seq > 3", "rows 4 to 5 are missing"),
        // The rest moved up, so that no number is missing.
        (
            "DELETE FROM audit WHERE seq = 2; UPDATE audit SET seq = seq - 1 WHERE seq > 2;
             UPDATE meta SET audit_end = 4",
            "row 2 is not as it was written",
        ),
        (
            &format!(
                "{move_up} 5; {move_up} 4; INSERT INTO audit SELECT 4, at, clock, who, action, detail, hash
                 FROM audit WHERE seq = 3; UPDATE meta SET audit_end = 6"
            ),
            "row 4 is not as it was written",
        ),
        (
            "INSERT INTO audit SELECT 6, at, clock, who, action, detail, hash FROM audit WHERE seq = 5",
            "row 6 is not as it was written",
        ),
        (
            "UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;
             UPDATE audit SET seq = 4 WHERE seq = 99",
            "row 3 is not as it was written",
        ),
    ] {
        std::fs::write(place.database(), &pristine).unwrap();
        tamper(&place.database(), sql);
        let output = place.offline(&["audit", "--verify", "--json"]);
        let error = &printed(&output)["error"];
        assert_eq!(
            (code(&output), &error["code"], &error["message"]),
            (1, &json!("trail_broken"), &json!(said)),
            "{sql}"
        );
        assert!(failures().contains(&error["code"]), "{error}");
        assert!(
            error["remedy"].as_str().unwrap().contains("compare with what the cloud was told"),
            "{error}"
        );
    }
    std::fs::write(place.database(), &pristine).unwrap();
    assert_eq!(code(&place.offline(&["audit", "--verify"])), 0, "as it was");
}
