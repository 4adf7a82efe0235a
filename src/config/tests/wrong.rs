//! Every way to be wrong: named with line, option and what to do.

use super::*;

/// In a gateway that is right but for line 3.
const WRONG_IN_GATEWAY: &[(&str, &str, &str)] = &[
    ("option enabled 'maybe'", "enabled", "yes or no"),
    ("option site 'kariakoo 01'", "site", "name of a site"),
    ("option site 'a/b'", "site", "name of a site"),
    ("option site '..'", "site", "name of a site"),
    ("list interface 'br-guest'", "interface", "named twice"),
    ("list interface 'sixteen-letters-'", "interface", "at most 15"),
    ("list interface 'br guest'", "interface", "network device"),
    ("list interface 'br/guest'", "interface", "network device"),
    ("list interface '..'", "interface", "network device"),
    ("option portal_name '10.0.0.1'", "portal_name", "is an address"),
    ("option portal_name 'fd00::1'", "portal_name", "is an address"),
    ("option portal_name '10.0.1'", "portal_name", "DNS name"),
    ("option portal_name 'wifi_lango'", "portal_name", "DNS name"),
    ("option portal_name '-wifi.lango'", "portal_name", "DNS name"),
    ("option portal_name 'wifi..lango'", "portal_name", "DNS name"),
    ("option portal_port '0'", "portal_port", "1 to 65535"),
    ("option portal_port '65536'", "portal_port", "1 to 65535"),
    ("option portal_port 'http'", "portal_port", "1 to 65535"),
    ("option portal_port '-1'", "portal_port", "1 to 65535"),
    ("option portal_port '2443'", "portal_port", "port of https_port too"),
    ("option https_port '2080'", "https_port", "port of portal_port too"),
    ("option dns_port '2443'", "dns_port", "port of https_port too"),
    ("list portal_port '2080'", "portal_port", "takes one value"),
    ("option portal_prot '2080'", "portal_prot", "did you mean 'portal_port'?"),
    ("option certificate '/etc/a.crt'", "certificate", "set option key too"),
    ("option key '/etc/a.key'", "key", "set option certificate too"),
    ("option portal_dir 'www'", "portal_dir", "absolute path"),
    ("option dns_upstream '127.0.0.1'", "dns_upstream", "address with a port"),
    ("option dns_upstream 'localhost:53'", "dns_upstream", "address with a port"),
    ("option dns_upstream '0.0.0.0:53'", "dns_upstream", "address with a port"),
    ("option captive_address '127.0.0.1'", "captive_address", "IPv4 address"),
    ("option captive_address '255.255.255.255'", "captive_address", "IPv4 address"),
    ("option captive_address 'fd00::1'", "captive_address", "IPv4 address"),
    ("option state_dir 'etc/lango'", "state_dir", "absolute path"),
    ("option run_dir './run'", "run_dir", "absolute path"),
    ("option language 'de'", "language", "en, sw, fr, ur, ar or pt"),
    ("option title '\u{1b}[31m'", "title", "control character"),
    ("option support_phone '0700 000 000'", "support_phone", "without blanks"),
    ("option support_phone '12'", "support_phone", "3 to 20 digits"),
    ("option whatsapp '+255700000000'", "whatsapp", "digits only"),
    ("option checkpoint '9s'", "checkpoint", "10s to 1h"),
    ("option checkpoint '2h'", "checkpoint", "10s to 1h"),
    ("option checkpoint '300'", "checkpoint", "with its unit"),
    ("option max_clients '0'", "max_clients", "1 to 65535"),
    ("option max_clients '65536'", "max_clients", "1 to 65535"),
    ("option user 'Root User'", "user", "name of a user"),
    ("option mark '0'", "mark", "exactly one bit"),
    ("option mark '0x03000000'", "mark", "exactly one bit"),
    ("option mark '0x100000000'", "mark", "exactly one bit"),
    ("list uplink_probe '203.0.113.80:80'", "uplink_probe", "tcp:ADDRESS:PORT"),
    ("list uplink_probe 'tcp:203.0.113.80'", "uplink_probe", "tcp:ADDRESS:PORT"),
    ("option uplink 'br-guest'", "uplink", "is a guest network"),
    ("option site_key_file 'site.key'", "site_key_file", "absolute path"),
    ("option colour 'blue'", "colour", "hex digits"),
    ("option colour '#12345'", "colour", "hex digits"),
    ("option terms_required '2'", "terms_required", "yes or no"),
    ("option anomaly 'panic'", "anomaly", "report or end"),
    ("option new_devices_per_minute '0'", "new_devices_per_minute", "1 to 100000"),
];

#[test]
fn what_is_wrong_in_the_gateway_is_named_with_line_and_option() {
    for (line, option, what) in WRONG_IN_GATEWAY {
        assert_wrong(&format!("{GATEWAY}\t{line}\n"), 3, option, what);
    }
    let long = "x".repeat(65);
    assert_wrong(&format!("{GATEWAY}option title '{long}'"), 3, "title", "at most 64");
    assert_wrong(&format!("{GATEWAY}option controller '{}'", long.repeat(4)), 3, "controller", "at most 200");
    assert_wrong(&format!("{GATEWAY}option run_dir '/{}'", long.repeat(2)), 3, "run_dir", "at most 96");
}

/// In a section that begins in line 3, after the gateway; the last line is the wrong one.
const WRONG_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("config plan", "plan", "has no name"),
    ("config plan ''", "plan", "has no name"),
    ("config plan 'two hours'", "plan", "name of a plan"),
    ("config plan h\noption title 'a\tb'", "title", "control character"),
    ("config plan h\noption metered '1 hour'", "metered", "with its unit"),
    ("config plan h\noption metered '0s'", "metered", "no time at all"),
    ("config plan h\noption validity '40000d'", "validity", "at most 36500d"),
    ("config plan h\noption data '500'", "data", "with its unit"),
    ("config plan h\noption data '0MB'", "data", "nothing at all"),
    ("config plan h\noption data '99999999TB'", "data", "too large"),
    ("config plan h\noption data 1GB\noption data_up 1GB", "data_up", "cannot stand beside data"),
    ("config plan h\noption data 1GB\noption data_down 1GB", "data_down", "cannot stand beside data"),
    ("config plan h\noption down '4'", "down", "with its unit"),
    ("config plan h\noption up '4MB'", "up", "with its unit"),
    ("config plan h\noption activate_by '2026-12-31'", "activate_by", "RFC 3339"),
    ("config plan h\noption devices '0'", "devices", "1 to 1000"),
    ("config plan h\noption devices '1001'", "devices", "1 to 1000"),
    ("config plan h\noption bound_devices 'many'", "bound_devices", "0 to 65535"),
    ("config plan h\noption devices 3\noption bound_devices 2", "bound_devices", "less than devices"),
    ("config plan h\noption idle_timeout '15'", "idle_timeout", "with its unit"),
    ("config plan h\noption count_while_uplink_down 'x'", "count_while_uplink_down", "yes or no"),
    ("config plan h\noption price '1,000'", "price", "write digits"),
    ("config plan h\noption price '-5'", "price", "write digits"),
    ("config plan h\noption price '5.'", "price", "write digits"),
    ("config plan h\noption currency 'shilling'", "currency", "capital letters"),
    ("config plan h\noption meterd '1h'", "meterd", "did you mean 'metered'?"),
    ("config plan h\nconfig garden h", "garden", "belongs to the section of type 'plan' in line 3"),
    ("config garden", "garden", "opens nothing"),
    ("config garden\nlist name 'http://wa.me'", "name", "DNS name"),
    ("config garden\nlist name '*'", "name", "*.SUFFIX"),
    ("config garden\nlist name 'a.*.net'", "name", "*.SUFFIX"),
    ("config garden\nlist name '203.0.113.1'", "name", "list address"),
    ("config garden\nlist address 'wa.me'", "address", "address or network"),
    ("config garden\nlist address '203.0.113.0/33'", "address", "address or network"),
    ("config garden\nlist address '203.0.113.5/24'", "address", "write 203.0.113.0/24"),
    ("config garden\nlist address '2001:db8::1/64'", "address", "write 2001:db8::/64"),
    ("config garden\nlist address '0.0.0.0/0'", "address", "whole internet"),
    ("config garden\nlist name wa.me\nlist port '443'\nlist port '0'", "port", "1 to 65535"),
    ("config garden\nlist name wa.me\noption rate 'fast'", "rate", "with its unit"),
    ("config device", "mac", "no device is named"),
    ("config device\noption mac '02:00:00:00:00'", "mac", "MAC address"),
    ("config device\noption mac 'ff:ff:ff:ff:ff:ff'", "mac", "MAC address"),
    ("config device\noption mac 02:00:00:00:00:01\noption policy 'free'", "policy", "trusted or blocked"),
    (
        "config device\noption mac 02:00:00:00:00:01\nconfig device\noption mac 02-00-00-00-00-01",
        "mac",
        "listed in line 4 already",
    ),
    ("config trial", "plan", "no plan 'trial' is in this file"),
    ("config plan hour\nconfig trial\noption plan 'huor'", "plan", "did you mean 'hour'?"),
    ("config trial\noption plan 'a b'", "plan", "name of a plan"),
    ("config cloud\noption url 'bos.example.net'", "url", "https://HOST"),
    ("config cloud\noption url 'http://bos.example.net'", "url", "in the clear"),
    ("config cloud\noption url 'http://127.0.0.1:8080'", "url", "allow_http"),
    ("config cloud\noption allow_http 1\noption url 'http://192.0.2.1'", "url", "in the clear"),
    ("config cloud\noption token_file 'cloud.token'", "token_file", "absolute path"),
    ("config cloud\noption signing_key 'c2hvcnQ='", "signing_key", "Ed25519"),
    ("config cloud\noption poll '0s'", "poll", "no time at all"),
    ("config cloud\noption provisional_plan 'a b'", "provisional_plan", "name of a plan"),
    ("config retention\noption sessions 'forever'", "sessions", "with its unit"),
    ("config retention\noption profile 'year'", "profile", "write default, 90d or 12m"),
    (
        "config retention\noption minimum '30d'\noption audit '29d'",
        "audit",
        "shorter than the minimum of law",
    ),
    ("config retention\nconfig retention", "retention", "line 3 begins one"),
    ("config gateway 'other'", "gateway", "line 1 begins one"),
    ("config gatway", "gatway", "did you mean 'gateway'?"),
    ("config network 'x'", "network", "there are gateway, plan"),
    ("config retention 'our-rules'", "retention", "not a name for a section"),
    ("config", "config", "type is missing"),
    ("config plan a b", "config", "one word too many"),
    ("package network", "package", "must hold package lango"),
    ("package", "package", "name is missing"),
    ("package lango too", "package", "one word too many"),
    ("frobnicate", "syntax", "unknown command 'frobnicate'"),
    ("optoin site x", "syntax", "did you mean 'option'?"),
    ("''", "syntax", "unknown command ''"),
    ("\u{feff}config plan h", "syntax", "unknown command '\\u{feff}config'"),
    ("option", "option", "name is missing"),
    ("list ''", "list", "name is empty"),
    ("option title", "title", "value is missing"),
    ("option colour #0b7285", "colour", "value is missing"),
    ("option title Kariakoo Wi-Fi", "title", "one word too many"),
    ("option title Kariakoo#1", "title", "# right behind a word"),
    ("option 'tit\tle' x", "tit\\tle", "no such option"),
    ("option title 'Wi-Fi", "title", "quote ' does not end on this line"),
    ("option title \"Wi-Fi' # it's", "title", "quote \" does not end on this line"),
];

#[test]
fn what_is_wrong_elsewhere_is_named_with_line_and_option() {
    for (text, option, what) in WRONG_ELSEWHERE {
        let lines = text.split('\n').count();
        assert_wrong(&format!("{GATEWAY}{text}\n"), 2 + u32::try_from(lines).unwrap(), option, what);
    }
}

#[test]
fn a_quote_left_open_hides_no_other_error() {
    let text =
        format!("{GATEWAY}option portal_port x\noption title 'Wi-Fi\noption site 'a'\nlist frob 'x'\n");
    let errors = wrong(&text).into_iter().map(|error| (error.0.line, error.0.option)).collect::<Vec<_>>();
    let said = |line, option: &str| (line, option.to_owned());
    assert_eq!(errors, [said(3, "portal_port"), said(4, "title"), said(6, "frob")]);
}

#[test]
fn what_is_missing_is_said_once() {
    assert_wrong("", 1, "gateway", "no section gateway");
    assert_wrong("config plan hour\n", 1, "gateway", "list interface 'br-guest'");
    assert_wrong("\nconfig gateway\n", 2, "interface", "no guest network");
    assert_wrong("config gateway\n\tlist interface ''\n", 2, "interface", "no guest network");
    assert_wrong("option site 'x'\n", 1, "site", "before the first section");
    // What hides the gateway is the error, not that it is hidden.
    assert_wrong("config gatewy\n\tlist interface 'br-guest'\n", 1, "gatewy", "did you mean 'gateway'?");
    assert_wrong("confg gateway\n\tlist interface 'br-guest'\n", 1, "syntax", "did you mean 'config'?");
    assert_wrong("config gateway\n\toption title 'Wi-Fi\n\tlist interface a\n", 2, "title", "close it");
    assert_wrong("config 'gateway\n\tlist interface a\n", 1, "config", "quote ' does not end on this line");
    assert_wrong("\"", 1, "syntax", "quote \" does not end on this line");
}

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let text = include_str!("../../../tests/golden/config/wrong.uci");
    let errors = parse("wrong.uci", text).unwrap_err();
    let shown = format!("{}\n", LoadError::Wrong(errors));
    assert_eq!(shown, include_str!("../../../tests/golden/config/wrong.txt"));
}

#[test]
fn a_file_full_of_errors_gives_a_bounded_answer() {
    let errors = wrong(&"x\n".repeat(50_000));
    assert_eq!(errors.len(), 501);
    let last = errors.last().unwrap().to_string();
    assert_eq!(last, "lango:500: lango: 49500 more errors follow; mend these first");

    let names = (0..5_000).map(|number| format!("list name n{number}.net\n")).collect::<String>();
    assert_wrong(&format!("{GATEWAY}config garden\n{names}"), 1004, "name", "more than 1000 values");
}
