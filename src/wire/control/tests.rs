use serde_json::{Value, json};

use super::*;

fn value<T: Serialize>(message: &T) -> Value {
    serde_json::to_value(message).unwrap()
}

fn session() -> Session {
    Session {
        id: "s-310".to_owned(),
        mac: "02:00:00:00:00:01".to_owned(),
        addresses: vec!["192.168.9.2".to_owned()],
        plan: "hour".to_owned(),
        origin: "voucher".to_owned(),
        since: "2026-11-21T22:17:31Z".to_owned(),
        seconds_left: Some(3600),
        bytes_left: None,
        bytes_up: 1,
        bytes_down: 2,
        down_bps: Some(4_000_000),
        up_bps: None,
    }
}

#[test]
fn requests_have_a_tag_and_flat_arguments() {
    let new = NewVouchers { plan: "hour".to_owned(), count: 3, prefix: None, form: Form::WeakDigits };
    let mac = || "02:00:00:00:00:01".to_owned();
    for (request, expected) in [
        (Request::Status, json!({"command": "status"})),
        (
            Request::Login { mac: mac(), plan: "hour".to_owned() },
            json!({"command": "login", "mac": "02:00:00:00:00:01", "plan": "hour"}),
        ),
        (Request::Logout(Target::Mac { mac: mac() }), json!({"command": "logout", "mac": mac()})),
        (
            Request::Logout(Target::Session { session: "s-1".to_owned() }),
            json!({"command": "logout", "session": "s-1"}),
        ),
        (
            Request::VoucherNew(new),
            json!({"command": "voucher_new", "plan": "hour", "count": 3, "prefix": null, "form": "weak_digits"}),
        ),
        (
            Request::VoucherShow { code: TypedCode::new("1".to_owned()) },
            json!({"command": "voucher_show", "code": "1"}),
        ),
        (Request::Clock, json!({"command": "clock"})),
        (Request::ClockReset, json!({"command": "clock_reset"})),
        (Request::KeyRotate, json!({"command": "key_rotate"})),
        (Request::Sync, json!({"command": "sync"})),
        (
            Request::Enrol(Joining {
                url: "https://a.b".into(),
                claim: TypedCode::new("c".into()),
                ca: None,
            }),
            json!({"command": "enrol", "url": "https://a.b", "claim": "c", "ca": null}),
        ),
        (Request::SyncNow, json!({"command": "sync_now"})),
        (Request::Doctor { mac: None }, json!({"command": "doctor", "mac": null})),
    ] {
        assert_eq!(value(&request), expected);
        assert_eq!(decode::<Request>(&encode(&request)).unwrap(), request);
    }
}

#[test]
fn wrong_requests_are_refused() {
    for bad in [
        "",
        "status",
        "{}",
        "[]",
        r#"{"command":"nonsense"}"#,
        r#"{"command":"login","mac":"02:00:00:00:00:01"}"#,
        r#"{"command":"logout"}"#,
        r#"{"command":"logout","mac":"02:00:00:00:00:01","session":"s-1"}"#,
        r#"{"command":"voucher_new","plan":"hour","count":-1,"form":"digits"}"#,
        r#"{"command":"voucher_new","plan":"hour","count":1,"form":"roman"}"#,
        r#"{"command":"status"} x"#,
    ] {
        assert!(decode::<Request>(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn answers_have_the_fields_of_the_interface() {
    assert_eq!(
        value(&session()),
        json!({"id": "s-310", "mac": "02:00:00:00:00:01", "addresses": ["192.168.9.2"], "plan": "hour",
            "origin": "voucher", "since": "2026-11-21T22:17:31Z", "seconds_left": 3600, "bytes_left": null,
            "bytes_up": 1, "bytes_down": 2, "down_bps": 4_000_000, "up_bps": null})
    );
    let status = Status {
        version: "0.1.0".to_owned(),
        site: "kariakoo-01".to_owned(),
        uplink: Uplink::Unknown,
        cloud: Cloud::default(),
        clock: Clock { trusted: true, now: "2026-11-21T22:17:31Z".to_owned() },
        sessions: 1,
        vouchers: Vouchers { unused: 2, active: 1, spent: 0 },
        rules_intact: true,
        uptime_s: 9,
        anomalies: Anomalies { addresses: 1, ports: 2, new_devices: 3 },
    };
    assert_eq!(
        value(&status),
        json!({"version": "0.1.0", "site": "kariakoo-01", "uplink": "unknown",
            "cloud": {"configured": false, "last_success": null, "cursor": null, "outbox": 0,
                "last_error": null, "since": null, "remedy": null},
            "clock": {"trusted": true, "now": "2026-11-21T22:17:31Z"}, "sessions": 1,
            "vouchers": {"unused": 2, "active": 1, "spent": 0}, "rules_intact": true, "uptime_s": 9,
            "anomalies": {"addresses": 1, "ports": 2, "new_devices": 3}})
    );
    let claim = TimeClaim { source: "cloud".to_owned(), now: "2025-01-01T00:00:00Z".to_owned() };
    let clock = ClockShown {
        trusted: true,
        now: "2026-11-21T22:17:31Z".to_owned(),
        source: Some("ntp".to_owned()),
        since: None,
        floor: "2026-11-21T22:15:00Z".to_owned(),
        disbelieved: vec![claim],
        good_for: vec!["dates".to_owned()],
    };
    assert_eq!(
        value(&clock),
        json!({"trusted": true, "now": "2026-11-21T22:17:31Z", "source": "ntp", "since": null,
            "floor": "2026-11-21T22:15:00Z", "good_for": ["dates"],
            "disbelieved": [{"source": "cloud", "now": "2025-01-01T00:00:00Z"}]})
    );
    let check = Check {
        check: "rules".to_owned(),
        state: Health::Warn,
        message: "m".to_owned(),
        remedy: String::new(),
    };
    assert_eq!(value(&check), json!({"check": "rules", "state": "warn", "message": "m", "remedy": ""}));
    let failure = Response::Error(Failure::new(Code::NoSuchPlan, "m", "r"));
    assert_eq!(value(&failure), json!({"error": {"code": "no_such_plan", "message": "m", "remedy": "r"}}));
    let answer = Response::Ok(Answer::Login(session()));
    assert_eq!(decode::<Response>(&encode(&answer)).unwrap(), answer);
}

#[test]
fn codes_do_not_show_in_debug_texts() {
    let shown = format!("{:?}", Request::VoucherShow { code: TypedCode::new("4821993705".to_owned()) });
    let made = VoucherMade { code: "4821993705".to_owned(), plan: "p".to_owned(), batch: "b".to_owned() };
    for text in [shown, format!("{made:?}")] {
        assert!(!text.contains("4821"), "{text}");
    }
}

#[test]
fn lines_come_out_as_they_went_in_however_they_are_cut() {
    let stream = b"one\ntwo\n\nthree\n";
    for step in 1..stream.len() {
        let mut lines = Lines::new(16);
        let mut out = Vec::new();
        for part in stream.chunks(step) {
            lines.feed(part);
            while let Some(line) = lines.take_line().unwrap() {
                out.push(String::from_utf8(line).unwrap());
            }
        }
        assert_eq!(out, ["one", "two", "", "three"], "in steps of {step}");
        assert!(lines.is_empty());
    }
}

#[test]
fn a_line_may_not_be_longer_than_said() {
    let mut lines = Lines::new(4);
    lines.feed(b"abc\n");
    assert_eq!(lines.take_line().unwrap(), Some(b"abc".to_vec()));
    lines.feed(b"abcd\n");
    assert!(matches!(lines.take_line(), Err(FrameError::TooLong(4))));
    let mut endless = Lines::new(4);
    endless.feed(b"abcd");
    assert!(endless.take_line().is_err());
}

/// Every failure; a new one is added here, or it does not compile.
fn codes() -> Vec<Code> {
    use Code as C;
    let next = |code| match code {
        C::Usage => Some(C::Unsupported),
        C::Unsupported => Some(C::NoSuchPlan),
        C::NoSuchPlan => Some(C::NoSuchVoucher),
        C::NoSuchVoucher => Some(C::NoSuchSession),
        C::NoSuchSession => Some(C::NoSuchPerson),
        C::NoSuchPerson => Some(C::NotOnline),
        C::NotOnline => Some(C::Full),
        C::Full => Some(C::Refused),
        C::Refused => Some(C::BadFile),
        C::BadFile => Some(C::NotStored),
        C::NotStored => Some(C::TrailBroken),
        C::TrailBroken => Some(C::TooLarge),
        C::TooLarge => Some(C::Unreachable),
        C::Unreachable => Some(C::Internal),
        C::Internal => Some(C::NoPermission),
        C::NoPermission => Some(C::Configuration),
        C::Configuration => None,
    };
    std::iter::successors(Some(C::Usage), |code| next(*code)).collect()
}

#[test]
fn the_schema_of_failures_knows_each_of_them() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../tests/golden/schemas/error.json")).unwrap();
    let words: Vec<Value> = codes().iter().map(value).collect();
    assert_eq!(schema["properties"]["error"]["properties"]["code"]["enum"], Value::from(words));
}
