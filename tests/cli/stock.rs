//! Files and batches of vouchers, by the real program on a store without a daemon.

use serde_json::{Value, json};

use super::daemon::{code, printed, stderr, stdout};
use super::place::Place;

fn listed(place: &Place) -> Vec<Value> {
    printed(&place.offline(&["voucher", "list", "--json"])).as_array().unwrap().clone()
}

/// Each file, its exit code, and what is said: `FILE` stands for its path.
const FILES: &[(&[u8], i32, &str)] = &[
    (b"code,plan\n4821 9937 05,hour\n", 0, "1 added, 0 known already, 0 wrong\n"),
    (
        b"\xef\xbb\xbfplan,code,batch,activate_by\r\n\r\nhour,\"4821-9937-05\",B1,2027-01-31T00:00:00Z\r\n\r\n",
        0,
        "1 added, 0 known already, 0 wrong\n",
    ),
    (
        b"code,plan,batch,activate_by\r\nA2B3C4,hour,\"x\r\n\r\ny\",\r\n12,hour,,\r\n7310552196,hour,a/b,\r\n\
          7310552197,hour,,31.1.2027\r\n7310552198,day,,\r\n7310 5521 99,hour,,\r\n731O552199,hour,,\r\n",
        1,
        "FILE:2: row: a field holds a control character or a line end; remove it\n\
         FILE:5: code: takes 4 to 32 letters and digits; correct it\n\
         FILE:6: batch: \"a/b\" is not the name of a batch (1 to 64 letters, digits, '-', '_', '.'); name it otherwise\n\
         FILE:7: activate_by: \"31.1.2027\" is no time; write it as 2027-01-31T00:00:00Z\n\
         FILE:8: plan: there is no plan day; lango plan list shows the plans\n\
         FILE:10: code: the same as on line 9; remove one of them\n\
         1 added, 0 known already, 6 wrong\n",
    ),
    (
        b"code,plan\n4821993705\n\"73105\"52196,hour\n73\xff,hour\n\"7310552196,hour\n",
        1,
        "FILE:2: row: 1 fields instead of 2; quote a field that holds a comma\n\
         FILE:3: row: a closing quote is followed by more text; double each quote inside a field\n\
         FILE:4: row: the text is not UTF-8; save the file in UTF-8\n\
         FILE:5: row: a quote is opened and never closed; close it\n\
         0 added, 0 known already, 4 wrong\n",
    ),
    (b"", 1, "FILE:1: header: the file is empty"),
    (b"\n\ncode;plan\n1;hour\n", 1, "FILE:3: header: \"code;plan\" is no column; the header is code,plan,batch,activate_by"),
    (b"code,batch\n", 1, "FILE:1: header: the column plan is missing"),
    (b"code,plan,CODE\n", 1, "FILE:1: header: the column code stands there twice"),
    (b"\xff\xfec\0o\0", 1, "FILE:1: header: the text is not UTF-8; save the file in UTF-8"),
];

#[test]
fn a_dry_run_says_what_an_import_would_do_and_does_nothing() {
    for (text, exit, expected) in FILES {
        let place = Place::new();
        let file = place.file("v.csv", text);
        let dry = place.offline(&["voucher", "import", &file, "--dry-run"]);
        let said = expected.replace("FILE", &file);
        assert_eq!(code(&dry), *exit, "{dry:?}");
        if said.ends_with('\n') {
            let (errors, sum) = said.split_at(said[..said.len() - 1].rfind('\n').map_or(0, |at| at + 1));
            assert_eq!(stdout(&dry), format!("{errors}nothing was changed; it would be: {sum}"));
            assert_eq!(listed(&place), Vec::<Value>::new());
            assert_eq!(printed(&place.offline(&["audit", "--json"])), json!([]));
            // What it said is what happens.
            assert_eq!(stdout(&place.offline(&["voucher", "import", &file])), said);
            assert_eq!(format!("{} added, ", listed(&place).len()), sum[..sum.find("0 known").unwrap()]);
            let again = printed(&place.offline(&["voucher", "import", &file, "--dry-run", "--json"]));
            assert_eq!((&again["added"], &again["dry_run"]), (&json!(0), &json!(true)), "{again}");
            assert_eq!(again["skipped"], json!(listed(&place).len()), "{again}");
        } else {
            let remedy =
                "save it as CSV, in UTF-8, with commas, and with the first line code,plan,batch,activate_by";
            assert_eq!((stderr(&dry), stdout(&dry)), (&*format!("lango: {said}; {remedy}\n"), ""));
        }
    }
}

const PLANS: &str = "config plan 'hour'\n\toption metered '1h'\n\toption price '0.10'\n\toption currency 'USD'\n\n\
    config plan 'day'\n\toption metered '24h'\n\toption price '1500.5'\n\toption currency 'USD'\n\n\
    config plan 'week'\n\toption metered '7d'\n\toption price '500'\n\toption currency 'TZS'\n\n\
    config plan 'free'\n\toption metered '1h'\n";

/// A batch of three plans of which one is used up, one in use, one over, one withdrawn; and one without a price.
fn sold() -> Place {
    let place = Place::with(PLANS);
    let rows = "code,plan,batch,activate_by\nAAAA01,hour,B1,\nAAAA02,hour,B1,\nAAAA03,hour,B1,2020-01-01T00:00:00Z\n\
        AAAA04,hour,B1,\nAAAA05,day,B1,\nAAAA06,day,B1,\nAAAA07,week,B1,\nAAAA08,week,B2,\nAAAA09,free,,\n";
    let file = place.file("v.csv", rows);
    assert_eq!(code(&place.offline(&["voucher", "import", &file])), 0);
    assert_eq!(code(&place.offline(&["voucher", "revoke", "AAAA04"])), 0);
    let id = |hint: &str| format!("(SELECT key FROM voucher WHERE hint = '{hint}')");
    let open = |number: u32, hint: &str, opened: u64, ended: &str| {
        format!(
            "INSERT INTO entitlement (id, origin, code, opened, plan, devices, bound_devices, count_offline, ended)
             SELECT {number}, 'voucher', {0}, {opened}, 1, 1, 0, 0, {ended};
             UPDATE voucher SET entitlement = {number} WHERE key = {0};",
            id(hint)
        )
    };
    let conn = rusqlite::Connection::open(place.database()).unwrap();
    let meter = "INSERT INTO meter (entitlement, at, used, bytes_up, bytes_down) VALUES (2, 0, 0, 0, 0);";
    conn.execute_batch(
        &(open(1, "A01", 1793520000, "'spent'") + &open(2, "A05", 1793610000, "NULL") + meter),
    )
    .unwrap();
    place
}

#[test]
fn a_report_says_what_became_of_each_batch_and_what_it_is_worth() {
    let place = sold();
    let report = printed(&place.offline(&["voucher", "report", "--json"]));
    let tally = |[made, unused, active, spent, expired, revoked, used]: [u64; 7]| {
        json!({"made": made, "unused": unused, "active": active, "spent": spent, "expired": expired,
            "revoked": revoked, "used": used})
    };
    let worth = |[made, unused, used]: [&str; 3]| json!({"made": made, "unused": unused, "used": used});
    let row =
        |batch: &str, plan: &str, price: &str, currency: &str, of: [u64; 7], sums, used: Option<&str>| {
            json!({"batch": batch, "plan": plan, "price": price, "currency": currency, "vouchers": tally(of),
            "worth": worth(sums), "first_used": used, "last_used": used})
        };
    let at = Some("2026-11-01T08:00:00Z");
    let later = Some("2026-11-02T09:00:00Z");
    let mut free = row("", "free", "", "", [1, 1, 0, 0, 0, 0, 0], [""; 3], None);
    for field in ["batch", "price", "worth"] {
        free[field] = Value::Null;
    }
    let expected = json!([
        free,
        row("B1", "day", "1500.5", "USD", [2, 1, 1, 0, 0, 0, 1], ["3001.0", "1500.5", "1500.5"], later),
        row("B1", "hour", "0.10", "USD", [4, 1, 0, 1, 1, 1, 1], ["0.40", "0.10", "0.10"], at),
        row("B1", "week", "500", "TZS", [1, 1, 0, 0, 0, 0, 0], ["500", "500", "0"], None),
        row("B2", "week", "500", "TZS", [1, 1, 0, 0, 0, 0, 0], ["500", "500", "0"], None),
    ]);
    assert_eq!(report["batches"], expected);
    let totals = json!([
        {"currency": "TZS", "vouchers": tally([2, 2, 0, 0, 0, 0, 0]), "worth": worth(["1000", "1000", "0"])},
        {"currency": "USD", "vouchers": tally([6, 2, 1, 1, 1, 1, 2]), "worth": worth(["3001.40", "1500.60", "1500.60"])},
    ]);
    assert_eq!(report["totals"], totals);

    let one = printed(&place.offline(&["voucher", "report", "--batch", "B2", "--json"]));
    assert_eq!(
        (one["batches"].as_array().unwrap().len(), &one["totals"][0]["worth"]["made"]),
        (1, &json!("500"))
    );
    let text = place.offline(&["voucher", "report"]);
    let lines: Vec<Vec<_>> = stdout(&text)
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(
        lines[3],
        [
            "B1",
            "hour",
            "0.10 USD",
            "4",
            "1",
            "0",
            "1",
            "1",
            "1",
            "0.40 USD",
            "0.10 USD",
            "0.10 USD",
            "2026-11-01",
            "2026-11-01"
        ]
    );
    assert_eq!(lines[7], ["ALL", "6", "2", "1", "1", "1", "1", "3001.40 USD", "1500.60 USD", "1500.60 USD"]);
}

#[test]
fn a_reprint_puts_new_codes_in_the_place_of_those_that_nobody_used() {
    let place = sold();
    let reprint = |args: &[&str]| place.offline(&[&["voucher", "reprint", "--batch", "B1"], args].concat());
    let many = reprint(&["--yes"]);
    assert_eq!(code(&many), 1);
    assert!(stderr(&many).contains("several plans; name one with --plan: day, hour, week"), "{many:?}");

    let would = reprint(&["--plan", "hour"]);
    let says =
        "1 unused vouchers of plan hour in batch B1 would be withdrawn, so that their paper works no more";
    assert!(code(&would) == 0 && stdout(&would).starts_with(says), "{would:?}");
    let state = |code: &str| printed(&place.offline(&["voucher", "show", code, "--json"]))["state"].clone();
    assert_eq!(state("AAAA02"), "unused", "nothing is done unasked");

    let done = printed(&reprint(&["--plan", "hour", "--form", "letters", "--yes", "--json"]));
    let new = &done["vouchers"][0];
    assert_eq!((&done["replaced"], &done["done"], &new["plan"]), (&json!(1), &json!(true), &json!("hour")));
    assert_eq!(state(new["code"].as_str().unwrap()), "unused");
    let states = ["AAAA02", "AAAA03", "AAAA04", "AAAA06"].map(state);
    assert_eq!(states, ["revoked", "expired", "revoked", "unused"]);
    let batch = new["batch"].as_str().unwrap();
    let trail = printed(&place.offline(&["audit", "--json"]));
    let last = trail.as_array().unwrap().last().unwrap();
    let detail = format!("1 of plan hour, batch {batch}, for 1 of plan hour, batch B1");
    assert_eq!((&last["action"], &last["detail"]), (&json!("voucher_reprint"), &json!(detail)));
    let none = reprint(&["--plan", "hour", "--yes"]);
    assert!(code(&none) == 1 && stderr(&none).contains("no unused voucher is in batch B1"), "{none:?}");
    let sheet = reprint(&["--plan", "day", "--print", "--yes"]);
    assert_eq!((code(&sheet), stdout(&sheet).matches("<svg ").count()), (0, 1));
    // Days to begin by go along.
    let file = place.file("dated.csv", "code,plan,batch,activate_by\nBBBB01,hour,B7,2099-01-31T00:00:00Z\n");
    place.offline(&["voucher", "import", &file]);
    let new = printed(&place.offline(&["voucher", "reprint", "--batch", "B7", "--yes", "--json"]));
    let conn = rusqlite::Connection::open(place.database()).unwrap();
    let sql = "SELECT activate_by FROM lot WHERE batch = (SELECT id FROM name WHERE text = ?1)";
    let day: i64 = conn.query_row(sql, [new["vouchers"][0]["batch"].as_str()], |row| row.get(0)).unwrap();
    assert_eq!(day, 4_073_500_800);
}
