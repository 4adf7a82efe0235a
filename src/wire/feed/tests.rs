use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{
    Boot, Bps, Bytes, CloudCommand, CodeKey, DataCap, Hint, Normal, Now, Op, PlanSource, Reference, Row,
    Trust, Wish,
};
use crate::ordered::OrdSet;

/// The page of the protocol's description.
const PAGE: &str = r#"{"site":"kariakoo-01","since":"7.1034","full":false,"not_after":"2026-12-21T00:00:00Z",
 "ops":[{"op":"put","kind":"plan","id":"hour","title":{"en":"1 hour","sw":"Saa 1"},"metered_s":3600,"validity_s":86400,"bytes":524288000,
         "down_bps":4000000,"up_bps":1000000,"devices":1,"idle_s":900,"count_while_uplink_down":false,"price":"500","currency":"TZS"},
        {"op":"put","kind":"voucher","id":"v-81","code":"4821 9937 05","plan":"hour","batch":"B12","activate_by":"2027-01-31T00:00:00Z"},
        {"op":"put","kind":"voucher","id":"v-82","key":"9f0c9f0c9f0c9f0c9f0c9f0c9f0c9f0c","plan":"hour","batch":"B12"},
        {"op":"put","kind":"payment","id":"p-9","reference":"DFJ9B1FPQ8","plan":"hour","paid_at":"2026-11-21T19:02:11Z","phone_last4":"0417","mac":"02:77:00:00:00:01"},
        {"op":"put","kind":"account","name":"asha","pin_hash":"$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaA","plan":"month"},
        {"op":"del","kind":"voucher","code":"4821 9937 05"},
        {"op":"do","id":"c-17","command":"kick","mac":"02:77:00:00:00:01"},
        {"op":"do","id":"c-18","command":"forget","phone_last4":"0417","reference":"DFJ9B1FPQ8"}],
 "cursor":"7.1042","more":true,"digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","acked":1234,"min_wait_s":60,"time":"2026-11-21T22:17:31Z"}"#;

const SITE: &str = "kariakoo-01";

fn key() -> SiteKey {
    SiteKey::new(&[0x0b; 32])
}

fn read(page: &str) -> Page {
    Page::read(page.as_bytes(), &key()).unwrap()
}

/// The page of the description with some fields set to others; `null` leaves one out.
fn page(changes: Value) -> Page {
    let mut page: Value = serde_json::from_str(PAGE).unwrap();
    for (field, value) in changes.as_object().unwrap() {
        page[field] = value.clone();
    }
    read(&page.to_string())
}

fn ops(ops: Value) -> Ops {
    page(json!({ "ops": ops })).ops
}

fn at(cursor: &str) -> Option<Cursor> {
    Some(cursor.parse().unwrap())
}

fn now(wall: &str, trust: Trust) -> Now {
    Now { boot: Boot::from_millis(0), wall: Wall::parse(wall).unwrap(), trust }
}

#[test]
fn the_page_of_the_description_is_understood() {
    let page = read(PAGE);
    assert_eq!((page.site.as_str(), page.since, page.cursor), (SITE, at("7.1034"), at("7.1042").unwrap()));
    assert_eq!((page.full, page.more, page.acked), (false, true, Some(Seq(1234))));
    assert_eq!(page.not_after, Wall::parse("2026-12-21T00:00:00Z"));
    assert_eq!((page.min_wait, page.time), (Duration::from_secs(60), Wall::parse("2026-11-21T22:17:31Z")));
    assert_eq!(page.digest, Some(digest([])));
    assert_eq!((page.ops.skipped, page.ops.skipped_fields, page.ops.refused.len()), (0, 0, 0));
    assert_eq!(page.ops.known.len(), 8);
}

#[test]
fn rows_come_with_all_that_they_say() {
    let mut known = read(PAGE).ops.known.into_iter();
    let mut row = || match known.next() {
        Some(Op::Put { row, .. }) => row,
        other => panic!("{other:?}"),
    };
    let Row::Plan(plan) = row() else { panic!() };
    assert_eq!((plan.id.as_str(), plan.source, plan.title_in("sw")), ("hour", PlanSource::Cloud, "Saa 1"));
    let terms = plan.terms;
    assert_eq!(terms.metered, Some(Duration::from_secs(3600)));
    assert_eq!(terms.validity, Some(Duration::from_secs(86400)));
    assert_eq!(terms.data, DataCap { total: Some(Bytes(524_288_000)), up: None, down: None });
    assert_eq!((terms.down, terms.up), (Some(Bps(4_000_000)), Some(Bps(1_000_000))));
    assert_eq!((terms.devices, terms.bound_devices), (1, 0));
    assert_eq!(terms.idle_timeout, Some(Duration::from_secs(900)));
    assert_eq!((plan.price.as_str(), plan.currency.as_str()), ("500", "TZS"));

    let code = Normal::of("4821993705").unwrap();
    let Row::Voucher(clear) = row() else { panic!() };
    assert_eq!((clear.key, clear.hint), (key().voucher(&code), Hint::of("705")));
    assert_eq!(clear.activate_by, Wall::parse("2027-01-31T00:00:00Z"));
    let Row::Voucher(keyed) = row() else { panic!() };
    assert_eq!(keyed.key.to_string(), "9f0c".repeat(8));
    assert_eq!((keyed.hint, keyed.batch), (Hint::default(), "B12".parse().ok()));

    let Row::Payment(payment) = row() else { panic!() };
    assert_eq!(payment.key, key().payment(&Reference::of("dfj9b1fpq8").unwrap()));
    assert_eq!(payment.phone_last4.unwrap().digits(), *b"0417");
    assert_eq!(payment.mac, "02:77:00:00:00:01".parse().ok());
    assert!(matches!(row(), Row::Account(account) if account.plan.as_str() == "month"));
}

#[test]
fn deletions_and_commands_name_what_they_mean() {
    let known = read(PAGE).ops.known;
    let code = key().voucher(&Normal::of("4821993705").unwrap());
    assert_eq!(known[5], Op::Delete { id: None, name: RowName::Voucher(code) });
    let kick = CloudCommand::Kick("02:77:00:00:00:01".parse().unwrap());
    assert_eq!(known[6], Op::Do { id: "c-17".parse().unwrap(), command: kick });
    let Op::About { wish: Wish::Forget, person, .. } = &known[7] else { panic!("{:?}", known[7]) };
    assert_eq!(person.keys, [CodeKey(key().payment(&Reference::of("DFJ9B1FPQ8").unwrap()).0)]);
    assert_eq!((person.mac, person.phone_last4.unwrap().digits()), (None, *b"0417"));
}

#[test]
fn nothing_that_came_in_the_clear_is_shown() {
    let shown = format!("{:?}", read(PAGE));
    for clear in ["4821", "9937", "DFJ9", "0417", "asha", "argon2id"] {
        assert!(!shown.contains(clear), "{clear} in {shown}");
    }
}

#[test]
fn what_is_not_known_is_skipped_and_counted() {
    let ops = ops(json!([
        {"op": "put", "kind": "coupon", "id": "x-1", "percent": 20},
        {"op": "rename", "kind": "voucher", "id": "x-2"},
        {"op": "do", "id": "c-1", "command": "dance", "mac": "02:00:00:00:00:01"},
        {"op": "put", "kind": "plan", "id": "hour", "metered_s": 60, "mood": "good", "moon": {"phase": 1}},
    ]));
    assert_eq!((ops.known.len(), ops.skipped, ops.skipped_fields), (1, 3, 2));
    assert_eq!(page(json!({"weather": {"rain": true}})).ops.skipped_fields, 1);
}

#[test]
fn an_op_that_makes_no_sense_is_refused_alone() {
    let voucher = |changes: Value| {
        let mut op =
            json!({"op": "put", "kind": "voucher", "id": "v-1", "code": "4821 9937 05", "plan": "hour"});
        for (field, value) in changes.as_object().unwrap() {
            op[field] = value.clone();
        }
        op
    };
    let bad = [
        (json!("op"), "op"),
        (json!({"kind": "voucher"}), "op"),
        (json!({"op": "put", "id": "v-1"}), "kind"),
        (voucher(json!({"id": "v 1"})), "id"),
        (voucher(json!({"id": 7})), "id"),
        (voucher(json!({"code": null})), "code"),
        (voucher(json!({"code": "<b>"})), "code"),
        (voucher(json!({"key": "9f0c".repeat(8)})), "code"),
        (voucher(json!({"code": null, "key": "9f0c"})), "key"),
        (voucher(json!({"plan": null})), "plan"),
        (voucher(json!({"plan": "an hour"})), "plan"),
        (voucher(json!({"activate_by": "tomorrow"})), "activate_by"),
        (json!({"op": "put", "kind": "plan"}), "id"),
        (json!({"op": "put", "kind": "plan", "id": "a/b"}), "id"),
        (json!({"op": "put", "kind": "plan", "id": "p", "metered_s": 0}), "metered_s"),
        (json!({"op": "put", "kind": "plan", "id": "p", "metered_s": -1}), "metered_s"),
        (json!({"op": "put", "kind": "plan", "id": "p", "validity_s": 9_000_000_000_u64}), "validity_s"),
        (json!({"op": "put", "kind": "plan", "id": "p", "bytes": "500MB"}), "bytes"),
        (json!({"op": "put", "kind": "plan", "id": "p", "devices": 0}), "devices"),
        (json!({"op": "put", "kind": "plan", "id": "p", "devices": 65_536}), "devices"),
        (json!({"op": "put", "kind": "plan", "id": "p", "title": {"en": "a\u{1b}[2J"}}), "title"),
        (
            json!({"op": "put", "kind": "payment", "id": "p-1", "reference": "short", "plan": "hour"}),
            "reference",
        ),
        (
            json!({"op": "put", "kind": "account", "name": "asha", "pin_hash": "1234", "plan": "hour"}),
            "pin_hash",
        ),
        (json!({"op": "del", "kind": "voucher", "id": "v-1"}), "code"),
        (json!({"op": "do", "command": "reload_plans"}), "id"),
        (json!({"op": "do", "id": "c-1", "command": "kick"}), "mac"),
        (json!({"op": "do", "id": "c-1", "command": "grant", "mac": "02:00:00:00:00:01"}), "plan"),
        (json!({"op": "do", "id": "c-1", "command": "forget"}), "mac"),
    ];
    for (op, field) in bad {
        let ops = ops(json!([voucher(json!({})), op.clone(), voucher(json!({}))]));
        assert_eq!(ops.known.len(), 2, "{op}");
        assert_eq!((ops.refused.len(), ops.skipped), (1, 0), "{op}");
        assert_eq!((ops.refused[0].place, ops.refused[0].why.field), (1, field), "{op}");
    }
}

#[test]
fn a_field_that_comes_twice_is_ambiguous() {
    let twice = PAGE.replacen(r#""site":"kariakoo-01","#, r#""site":"kariakoo-01","site":"mwenge-02","#, 1);
    assert!(matches!(Page::read(twice.as_bytes(), &key()), Err(Refusal::Malformed(_))));
    let twice = PAGE.replacen(r#""plan":"hour","batch""#, r#""plan":"hour","plan":"month","batch""#, 1);
    assert_eq!(read(&twice).ops.refused[0].place, 1);
}

#[test]
fn a_body_that_is_no_page_is_refused_whole() {
    let malformed = |body: &[u8]| matches!(Page::read(body, &key()), Err(Refusal::Malformed(_)));
    for body in ["", "null", "[]", "7", "{}", "<html>", "{\"site\":\"kariakoo-01\"}", &PAGE[..PAGE.len() - 1]]
    {
        assert!(malformed(body.as_bytes()), "{body}");
    }
    assert!(malformed(b"\xff\xfe"));
    for field in ["site", "since", "full", "ops", "cursor", "more"] {
        let mut page: Value = serde_json::from_str(PAGE).unwrap();
        for wrong in [Value::Null, json!({"a": 1})] {
            page[field] = wrong;
            assert!(malformed(page.to_string().as_bytes()), "{field}");
        }
    }
    for (field, wrong) in [("cursor", "7"), ("since", "x"), ("time", "noon"), ("digest", "e3b0")] {
        let mut page: Value = serde_json::from_str(PAGE).unwrap();
        page[field] = json!(wrong);
        assert!(malformed(page.to_string().as_bytes()), "{field}");
    }
    let many = format!(r#"{{"ops":[{}{{}}]}}"#, "{},".repeat(OPS_MAX));
    assert!(matches!(read_found(many.as_bytes(), &key()), Err(Refusal::Malformed(_))));
    let large = format!("{PAGE}{}", " ".repeat(BODY_MAX));
    assert_eq!(Page::read(large.as_bytes(), &key()), Err(Refusal::TooLarge));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let page = PAGE.replacen(r#""acked":1234"#, &format!(r#""deep":{deep}"#), 1);
    assert_eq!(read(&page).ops.skipped_fields, 1);
    let title = PAGE.replacen(r#"{"en":"1 hour","sw":"Saa 1"}"#, &deep, 1);
    assert_eq!(read(&title).ops.refused[0].why.field, "title");
}

#[test]
fn a_lookup_finds_ops_without_a_cursor() {
    let body = br#"{"ops":[{"op":"put","kind":"payment","reference":"DFJ9B1FPQ8","plan":"hour"}],"x":1}"#;
    let found = read_found(body, &key()).unwrap();
    assert_eq!((found.known.len(), found.skipped_fields), (1, 1));
    assert!(matches!(read_found(b"{}", &key()), Err(Refusal::Malformed(_))));
}

#[test]
fn a_wait_is_obeyed_for_a_day_at_most() {
    assert_eq!(page(json!({"min_wait_s": u64::MAX})).min_wait, WAIT_MAX);
    assert_eq!(page(json!({"min_wait_s": null})).min_wait, Duration::ZERO);
}

#[test]
fn pages_are_taken_in_their_order_only() {
    let (now, key) = (now("2026-11-21T22:17:31Z", Trust::Trusted), SigningKey::clone(&signer().0));
    let following = |at, highest| Stand { at, walk: Walk::Following, highest };
    let resetting = |at, highest| Stand { at, walk: Walk::Resetting, highest };
    let (ours, reached) = (at("7.1034"), at("7.1034"));
    let back = |to: &str, from| Refusal::Backwards { to: to.parse().unwrap(), from };
    let steps = [
        // changes
        (following(ours, reached), json!({}), Ok(following(at("7.1042"), at("7.1042")))),
        (following(ours, reached), json!({"cursor": "7.1034", "more": false}), Ok(following(ours, reached))),
        (following(ours, reached), json!({"site": "mwenge-02"}), Err(Refusal::OtherSite)),
        (following(ours, reached), json!({"cursor": "7.1034"}), Err(Refusal::Endless)),
        (following(ours, reached), json!({"cursor": "7.1033"}), Err(back("7.1033", ours))),
        (following(ours, reached), json!({"cursor": "8.2000"}), Err(back("8.2000", ours))),
        (
            following(at("7.1035"), reached),
            json!({}),
            Err(Refusal::NotNext { asked: at("7.1035"), follows: ours }),
        ),
        (following(None, None), json!({}), Err(Refusal::NotNext { asked: None, follows: ours })),
        (following(None, None), json!({"since": ""}), Err(Refusal::NotFull)),
        // a reset, from the first page to the last
        (following(None, None), json!({"since": "", "full": true}), Ok(resetting(at("7.1042"), None))),
        (resetting(ours, at("7.2000")), json!({"full": true}), Ok(resetting(at("7.1042"), at("7.2000")))),
        (
            resetting(ours, at("7.1040")),
            json!({"full": true, "more": false}),
            Ok(following(at("7.1042"), at("7.1042"))),
        ),
        (resetting(ours, reached), json!({}), Err(Refusal::NotFull)),
        (resetting(ours, reached), json!({"full": true, "cursor": "7.1034"}), Err(Refusal::Endless)),
        (resetting(ours, reached), json!({"full": true, "cursor": "7.12"}), Err(back("7.12", ours))),
        // a reset that begins anew, in the epoch or in a later one
        (
            following(ours, reached),
            json!({"full": true, "cursor": "7.12"}),
            Ok(resetting(at("7.12"), reached)),
        ),
        (
            following(ours, reached),
            json!({"full": true, "cursor": "8.12"}),
            Ok(resetting(at("8.12"), reached)),
        ),
        // an old feed, replayed after the cloud was made to say 410
        (
            following(None, reached),
            json!({"since": "", "full": true, "more": false, "cursor": "7.1033"}),
            Err(back("7.1033", reached)),
        ),
        (
            following(None, reached),
            json!({"since": "", "full": true, "cursor": "6.9999"}),
            Err(back("6.9999", reached)),
        ),
    ];
    for (stand, changes, expected) in steps {
        let after = stand.after(&page(changes.clone()), SITE, Some(&key), now);
        assert_eq!(after, expected, "{stand:?} {changes}");
    }
    assert_eq!(resetting(ours, reached).over(), following(None, reached));
}

#[test]
fn only_a_signed_page_goes_stale_and_only_by_a_trusted_clock() {
    let stand = Stand { at: at("7.1034"), ..Stand::default() };
    let (key, page) = (signer().0, page(json!({})));
    let (before, after) = ("2026-12-21T00:00:00Z", "2026-12-21T00:00:01Z");
    assert!(stand.after(&page, SITE, Some(&key), now(before, Trust::Trusted)).is_ok());
    assert_eq!(stand.after(&page, SITE, Some(&key), now(after, Trust::Trusted)), Err(Refusal::Stale));
    assert!(stand.after(&page, SITE, Some(&key), now(after, Trust::Floor)).is_ok());
    assert!(stand.after(&page, SITE, None, now(after, Trust::Trusted)).is_ok());
}

/// A key, and its signature over [`PAGE`]'s first line.
fn signer() -> (SigningKey, String) {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = base64(pair.public_key().as_ref()).parse().unwrap();
    (key, format!("ed25519={}", base64(pair.sign(PAGE.as_bytes()).as_ref())))
}

fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..=group.len() {
            text.push(char::from(SYMBOLS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

#[test]
fn a_page_counts_only_as_it_was_signed() {
    let (key, signature) = signer();
    assert_eq!(verify(PAGE.as_bytes(), Some(&signature), &key), Ok(()));
    assert_eq!(verify(PAGE.as_bytes(), None, &key), Err(Refusal::Unsigned));
    let changed = PAGE.replace("4821", "4822");
    assert_eq!(verify(changed.as_bytes(), Some(&signature), &key), Err(Refusal::WrongSignature));
    for header in ["", "ed25519=", "ed25519=AAAA", "rsa=AAAA", &signature[8..], &signature.replace('=', ":")]
    {
        assert_eq!(verify(PAGE.as_bytes(), Some(header), &key), Err(Refusal::WrongSignature), "{header}");
    }
}

#[test]
fn the_digest_goes_over_sorted_lines() {
    let names = OrdSet::from([
        RowName::Voucher(CodeKey([0x9f; 16])),
        RowName::Plan("hour".parse().unwrap()),
        RowName::Payment(key().payment(&Reference::of("DFJ9B1FPQ8").unwrap())),
    ]);
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    assert!(lines.starts_with("payment:") && lines.ends_with("voucher:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f\n"));
    let whole = ring::digest::digest(&SHA256, lines.as_bytes());
    assert_eq!(digest(names), whole.as_ref());
}

proptest! {
    #[test]
    fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Page::read(&body, &key()));
    }

    #[test]
    fn a_page_with_holes_never_panics(cut in 0..PAGE.len(), insert in "[\\[\\]{}\",:0-9a-z\\\\]{0,4}") {
        if PAGE.is_char_boundary(cut) {
            let (head, tail) = PAGE.split_at(cut);
            drop(Page::read(format!("{head}{insert}{tail}").as_bytes(), &key()));
            drop(Page::read(format!("{head}{insert}").as_bytes(), &key()));
        }
    }
}
