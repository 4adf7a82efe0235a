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
