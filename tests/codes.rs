//! `tests/golden/codes.json`: what a cloud in another language has to compute as well, so that it can check
//! itself. The file is made by the code that it describes, and kept so that no change goes unseen.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use lango::domain::{
    AccountName, CodeKey, KeyNumber, Normal, PlanNumber, Reference, RowName, Serial, SiteKey,
};
use lango::wire::feed;
use ring::hmac;
use serde_json::{Value, json};

const SITE_KEY: [u8; 32] = [0x0b; 32];

#[test]
fn the_vectors_are_those_of_the_golden_file() {
    let made = format!("{:#}\n", vectors());
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/codes.json");
    std::fs::write(path, &made).unwrap();
    let golden = include_str!("golden/codes.json");
    assert_eq!(made, golden, "every code that was sold would change; what is made now is in {path}");
}

#[test]
fn every_code_of_the_golden_file_is_read_back() {
    let golden: Value = serde_json::from_str(include_str!("golden/codes.json")).unwrap();
    let site = SiteKey::new(&SITE_KEY);
    for code in golden["self_verifying"]["codes"].as_array().unwrap() {
        let normal = Normal::of(code["code"].as_str().unwrap()).unwrap();
        let issued = site.issuing(KeyNumber::of(&normal).unwrap()).read(&normal).unwrap();
        let read = (u64::from(issued.key.get()), u64::from(issued.plan.get()), u64::from(issued.serial.0));
        let number = |field: &str| code[field].as_u64().unwrap();
        assert_eq!(read, (number("number"), number("plan"), number("serial")));
    }
    for wrong in golden["self_verifying"]["wrong"].as_array().unwrap() {
        let normal = Normal::of(wrong.as_str().unwrap()).unwrap();
        let read = KeyNumber::of(&normal).and_then(|number| site.issuing(number).read(&normal));
        assert_eq!(read, None, "{wrong}");
    }
}

fn vectors() -> Value {
    json!({
        "about": [
            "All under the site key below, 32 bytes in hex. `keys`: key = first 16 bytes of HMAC-SHA256(site key, kind,",
            "a zero byte, normal form). `digest`: SHA-256 over the lines in this order, each ended by a line feed.",
            "`self_verifying`: key n = HMAC-SHA256(site key, 'self-verifying', a zero byte, the byte n). With u64(x, y) the",
            "first 8 bytes, big-endian, of HMAC-SHA256(key n, x, a zero byte, y as 8 bytes big-endian):",
            "payload = plan * 2^16 + serial; tag = u64('tag', payload) mod 953674316; mask = u64('mask', tag) mod 2^20;",
            "code = the digit n, then tag * 2^20 + (payload xor mask) as 15 digits. `wrong` are no codes of this site.",
        ],
        "site_key": hex(&SITE_KEY),
        "keys": keys(),
        "digest": digest(),
        "self_verifying": { "keys": issuing_keys(), "codes": codes(), "wrong": wrong() },
    })
}

fn keys() -> Vec<Value> {
    let site = SiteKey::new(&SITE_KEY);
    let vouchers = ["4821 9937 05", "482I-9937-o5", "k2 oi1l-xyz", "0415 2075 7979 1602"].map(|text| {
        let normal = Normal::of(text).unwrap();
        row("voucher", text, normal.as_str(), &site.voucher(&normal).to_string())
    });
    let payments = ["DFJ9B1FPQ8", " dfj9 b1fp q8 ", "ci250517.2058.y29364", "OIL-0I1L_9"].map(|text| {
        let reference = Reference::of(text).unwrap();
        row("payment", text, reference.as_str(), &site.payment(&reference).to_string())
    });
    let accounts = ["asha", " Asha Juma ", "ÉMILIE"].map(|text| {
        let name = AccountName::of(text).unwrap();
        row("account", text, name.as_str(), &site.account(&name).to_string())
    });
    vouchers.into_iter().chain(payments).chain(accounts).collect()
}

fn row(kind: &str, text: &str, normal: &str, key: &str) -> Value {
    json!({ "kind": kind, "text": text, "normal": normal, "key": key })
}

fn digest() -> Value {
    let site = SiteKey::new(&SITE_KEY);
    let names = [
        RowName::Account(site.account(&AccountName::of("asha").unwrap())),
        RowName::Payment(site.payment(&Reference::of("DFJ9B1FPQ8").unwrap())),
        RowName::Plan("hour".parse().unwrap()),
        RowName::Plan("hour-2".parse().unwrap()),
        RowName::Voucher(CodeKey([0x00; 16])),
        RowName::Voucher(CodeKey([0xa0; 16])),
    ];
    let lines: Vec<String> = names.iter().map(RowName::to_string).collect();
    json!({ "lines": lines, "sha256": hex(&feed::digest(names)), "of_nothing": hex(&feed::digest([])) })
}

fn issuing_keys() -> Vec<Value> {
    let site = hmac::Key::new(hmac::HMAC_SHA256, &SITE_KEY);
    let key = |number: u8| hmac::sign(&site, &[b"self-verifying\0".as_slice(), &[number]].concat());
    [0, 9].map(|number| json!({ "number": number, "key": hex(key(number).as_ref()) })).to_vec()
}

fn codes() -> Vec<Value> {
    [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 15, 65535), (1, 7, 4711), (9, 15, 65535)]
        .map(|(number, plan, serial)| {
            let code = write(SITE_KEY, number, plan, serial);
            json!({ "number": number, "plan": plan, "serial": serial, "code": code })
        })
        .to_vec()
}

/// Of another site, under another number than its key has, with a digit typed wrong, beyond all codes.
fn wrong() -> Vec<String> {
    let right = write(SITE_KEY, 0, 0, 0);
    let last = right.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
    let mistyped = format!("{}{}", &right[..right.len() - 1], (last + 1) % 10);
    vec![write([0x0c; 32], 0, 0, 0), right.replacen('0', "1", 1), mistyped, "0999 9999 9999 9999".to_owned()]
}

fn write(site: [u8; 32], number: u8, plan: u8, serial: u16) -> String {
    let key = SiteKey::new(&site).issuing(KeyNumber::new(number).unwrap());
    key.write(PlanNumber::new(plan).unwrap(), Serial(serial))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
