//! Overview, vouchers and log: what is seen there is so, and what is pressed is done to real phones.

use serde_json::{Value, json};

use super::{CASHIER, GUARD, Operator, Point, ROOT, SOON, desk};
use crate::harness::{Browser, Daemon, Lab, Phone, Settings, wait_until};

/// Would run wherever it is taken for HTML.
const HOSTILE: &str = "Saa <img src=x onerror=owned=1>";

fn settings() -> Settings {
    Settings::default().main("title", "Kariakoo Wi-Fi").plan(
        "hour",
        &[("title", HOSTILE), ("metered", "1h"), ("data", "500MB"), ("price", "500"), ("currency", "TZS")],
    )
}

fn is_cut(phone: &Phone) -> bool {
    phone.try_tcp("203.0.113.80:443".parse().unwrap()).refused_fast()
}

#[test]
fn who_is_online_is_seen_and_cut_in_the_overview() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    let desk = desk();
    let operator = Operator::at(&lab, &desk);
    let point =
        Point::start(&lab, &desk, "config gateway 'main'\n\tlist interface 'br-guest'\n", &daemon.socket());
    operator.open(ROOT, "overview", "en");
    operator.reads("#lango-summary", env!("CARGO_PKG_VERSION"));
    operator.reads("#lango-sessions", "Nobody is online.");
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    operator.reads("#lango-sessions", &phone.mac[9..]);
    let row = operator.text("#lango-sessions");
    assert!(row.contains("59 min") && row.contains("500 MB") && row.contains("voucher"), "{row}");
    assert!(!operator.window.says().contains(&phone.mac), "the whole address is nobody's business");
    operator.reads("#lango-summary", "the internet is reached");
    operator.picture("overview");
    // Who may only look sees it, and cannot cut.
    operator.open(GUARD, "overview", "en");
    operator.sees("document.querySelector('.lango-logout').disabled");
    operator.open(ROOT, "overview", "en");
    // What is about to be pressed is not taken away by what is asked meanwhile.
    operator.window.run(
        "document.querySelector('.lango-logout').kept = true;
         window.then = document.querySelector('#lango-summary').innerText",
    );
    operator.sees("document.querySelector('#lango-summary').innerText != window.then");
    assert_eq!(operator.window.run("return document.querySelector('.lango-logout').kept"), true);
    operator.press(".lango-logout");
    wait_until("the cut", SOON, || is_cut(phone));
    operator.reads("#lango-sessions", "Nobody is online.");
    what_is_wrong_is_said(&operator, &mut daemon, &lab);
    drop(point);
}

/// A cable that is out, then a daemon that is not there.
fn what_is_wrong_is_said(operator: &Operator<'_>, daemon: &mut Daemon, lab: &Lab) {
    lab.cut_uplink();
    wait_until("the loss", SOON, || daemon.json(&["status"])["uplink"] == "down");
    operator.open(ROOT, "overview", "en");
    operator.reads("#lango-summary", "the internet is NOT reached");
    operator.reads("#lango-alarms .danger", "Wrong: uplink");
    operator.reads("#lango-alarms .danger", "What to do:");
    operator.picture("overview-alarm");
    assert_eq!(daemon.stop(), Some(0));
    operator.open(ROOT, "overview", "en");
    operator.reads("#lango-stopped", "/etc/init.d/lango start");
    operator.picture("overview-stopped");
}

#[test]
fn a_voucher_is_made_printed_used_looked_up_and_revoked() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    let desk = desk();
    let operator = Operator::at(&lab, &desk);
    let _point =
        Point::start(&lab, &desk, "config gateway 'main'\n\tlist interface 'br-guest'\n", &daemon.socket());
    operator.open(CASHIER, "vouchers", "en");
    operator.reads("#lango-plan", HOSTILE);
    operator.window.fill("#lango-count", "2");
    operator.press("#lango-make");
    operator.sees("document.querySelectorAll('#lango-codes td code').length == 2");
    let code = operator.text("#lango-codes td code");
    operator.press("#lango-print");
    let sheet = "document.querySelector('#lango-sheet')?.contentDocument";
    operator.sees(&format!("{sheet}?.querySelectorAll('article svg').length == 2"));
    let printed = operator.window.run(&format!("return {sheet}.body.innerText"));
    for text in [&code, HOSTILE, "Kariakoo Wi-Fi", "500 TZS"] {
        assert!(printed.as_str().unwrap().contains(text), "{text}: {printed}");
    }
    operator.picture("vouchers-sheet");
    operator.window.run(
        "window.printed = 0; document.querySelector('#lango-sheet').contentWindow.print = () => printed++",
    );
    operator.press("#lango-print-now");
    operator.sees("printed == 1");
    operator.press("#lango-close");
    Browser::of(phone).must_login(&code);
    wait_until("the internet", SOON, || phone.is_open(&lab.world));
    looked_up_and_revoked(&operator, phone, &code);
    operator.is_unharmed();
    what_is_refused_is_said(&operator);
    only_what_is_granted(&operator);
}

fn looked_up_and_revoked(operator: &Operator<'_>, phone: &Phone, code: &str) {
    operator.window.fill("#lango-code", code);
    operator.press("#lango-show");
    operator.reads("#lango-voucher", "in use");
    operator.reads("#lango-voucher", &phone.mac[9..]);
    operator.press("#lango-list-now");
    // The last three characters tell vouchers apart; more of a code is never shown again.
    let hint: String = code.replace(' ', "").chars().skip(7).collect();
    operator.reads("#lango-list", &hint);
    assert!(!operator.text("#lango-list").contains(code), "{code}");
    operator.picture("vouchers");
    operator.press("#lango-revoke");
    operator.press("#lango-keep");
    assert!(!is_cut(phone), "nothing was confirmed");
    operator.press("#lango-revoke");
    operator.picture("vouchers-revoke");
    operator.press("#lango-revoke-now");
    operator.reads("#lango-voucher", "revoked");
    wait_until("the cut", SOON, || is_cut(phone));
}

fn what_is_refused_is_said(operator: &Operator<'_>) {
    operator.window.fill("#lango-code", "0000 0000 00");
    operator.press("#lango-show");
    operator.reads("#lango-found .lango-error", "voucher");
    operator.window.fill("#lango-count", "0");
    operator.press("#lango-make");
    operator.reads(".alert-message.danger", "1 to 1000");
    operator.window.fill("#lango-count", "1");
    operator.window.fill("#lango-prefix", "<img src=x onerror=owned=1>");
    operator.press("#lango-make");
    operator.sees("document.querySelectorAll('.alert-message.danger').length == 2");
    let said = operator.text(".alert-message.danger .lango-error");
    assert!(said.contains("prefix") && !said.contains("--"), "{said}");
    operator.picture("vouchers-refused");
    operator.is_unharmed();
}

/// Besides what the page offers: what somebody gets who asks by hand.
fn only_what_is_granted(operator: &Operator<'_>) {
    let asked = |session: &str, object: &str, method: &str, given: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "call", "params": [session, object, method, given] });
        let script = format!(
            "const done = arguments[0]; fetch('/ubus/', {{ method: 'POST', body: JSON.stringify({message}) }})
                 .then(r => r.json()).then(answer => done([answer]))"
        );
        // In an array: what is called an error would be the driver's.
        operator.window.run_slowly(&script)[0].clone()
    };
    let refused = |session: &str, object: &str, method: &str, given: Value| {
        let answer = asked(session, object, method, given);
        answer["error"]["code"] == -32002 || answer["result"][0] == 6
    };
    for (method, given) in [
        ("status", json!({})),
        ("sessions", json!({})),
        ("doctor", json!({})),
        ("login", json!({"mac": "02:00:00:00:00:01", "plan": "hour"})),
        ("logout", json!({"session": "s-1"})),
    ] {
        assert!(refused(CASHIER, "lango", method, given), "{method}");
    }
    for (object, method, given) in [
        ("uci", "get", json!({"config": "lango"})),
        ("uci", "set", json!({"config": "lango", "section": "main", "values": {"enabled": "0"}})),
        ("log", "read", json!({"lines": 1})),
    ] {
        assert!(refused(CASHIER, object, method, given), "{object} {method}");
    }
    let change = json!({"config": "lango", "section": "main", "values": {"enabled": "0"}});
    assert!(
        refused(GUARD, "uci", "set", change) && !refused(GUARD, "uci", "get", json!({"config": "lango"}))
    );
    for method in ["voucher_new", "voucher_revoke", "logout", "login"] {
        assert!(refused(GUARD, "lango", method, json!({"plan": "hour"})), "{method}");
    }
    assert!(refused("no such session", "lango", "status", json!({})));
    assert!(!refused(GUARD, "lango", "status", json!({})) && !refused(CASHIER, "lango", "plans", json!({})));
    for page in ["overview", "config", "log"] {
        operator.go(CASHIER, page, "en");
        assert_eq!(operator.window.says(), "Forbidden", "{page}");
    }
}

#[test]
fn the_log_shows_our_lines_as_text_and_every_page_speaks_two_more_languages() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let desk = desk();
    let operator = Operator::at(&lab, &desk);
    let point =
        Point::start(&lab, &desk, "config gateway 'main'\n\tlist interface 'br-guest'\n", &daemon.socket());
    let ours = daemon.log().lines().next().unwrap().to_owned();
    point.remember(&[
        (6, format!("lango[7]: {ours}")),
        (6, "dnsmasq[8]: not ours".to_owned()),
        (6, "dropbear[9]: lango[7]: not ours either".to_owned()),
        (4, format!("lango[7]: {HOSTILE}")),
        (7, "lango[7]: every little thing".to_owned()),
        (3, "lango: nothing is changed: line 3".to_owned()),
    ]);
    operator.open(ROOT, "log", "en");
    operator.reads("#lango-log", &ours);
    operator.reads("#lango-log", HOSTILE);
    let shown = operator.text("#lango-log");
    assert!(shown.contains("nothing is changed") && !shown.contains("not ours"), "{shown}");
    assert!(!shown.contains("every little thing"), "{shown}");
    operator.picture("log");
    let choose = |level: &str| {
        operator.window.run(&format!(
            "const l = document.querySelector('#lango-level'); l.value = '{level}'; l.dispatchEvent(new Event('change'))"
        ))
    };
    choose("7");
    operator.reads("#lango-log", "every little thing");
    choose("3");
    operator.sees("!document.querySelector('#lango-log').innerText.includes('img')");
    point.remember(&[]);
    operator.press("#lango-refresh");
    operator.reads("#lango-log", "There is no such line");
    operator.is_unharmed();
    for (language, words) in [
        ("sw", ["Walio mtandaoni sasa: 0", "Tengeneza vocha", "Usanidi wa Lango", "Kumbukumbu za Lango"]),
        ("fr", ["En ligne : 0", "Créer des bons", "Configuration de Lango", "Journal de Lango"]),
    ] {
        for (page, text) in ["overview", "vouchers", "config", "log"].into_iter().zip(words) {
            operator.open(ROOT, page, language);
            operator.reads("#view", text);
            operator.picture(&format!("{page}-{language}"));
        }
    }
}
