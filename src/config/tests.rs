//! What the whole room does: defaults, notices, files; every way to be wrong in `wrong`.

mod roles;
mod wrong;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::{Bps, Bytes, KeyNumber, PlanSource};
use crate::ordered::OrdSet;

const FULL: &str = include_str!("../../tests/golden/config/full.uci");
const GATEWAY: &str = "config gateway 'main'\n\tlist interface 'br-guest'\n";

fn good(text: &str) -> Parsed {
    parse("lango", text).unwrap_or_else(|errors| panic!("{text}\n{}", LoadError::Wrong(errors)))
}

fn wrong(text: &str) -> Vec<ConfigError> {
    match parse("lango", text) {
        Ok(_) => panic!("no error in\n{text}"),
        Err(errors) => errors,
    }
}

fn notices(text: &str) -> Vec<(u32, String)> {
    good(text).notices.into_iter().map(|notice| (notice.0.line, notice.0.option)).collect()
}

fn assert_wrong(text: &str, line: u32, option: &str, what: &str) {
    let errors = wrong(text);
    let [ConfigError(error)] = errors.as_slice() else {
        panic!("{text}\nhas not one error:\n{}", LoadError::Wrong(errors));
    };
    assert_eq!((error.line, error.option.as_str()), (line, option), "{text}\n{error}");
    assert!(error.what.contains(what), "{text}\n{error}");
    assert_eq!(error.to_string(), format!("lango:{line}: {option}: {}", error.what));
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}

#[test]
fn one_interface_is_enough_and_all_else_has_its_default() {
    let Parsed { config, notices, .. } = good("config gateway\n\toption interface 'br-guest'\n");
    let path = |text: &str| PathBuf::from(text);
    let gateway = Gateway {
        enabled: true,
        site: "lango".into(),
        interfaces: vec!["br-guest".into()],
        portal_name: "wifi.lango".into(),
        portal_port: 2080,
        https_port: 2443,
        tls: None,
        dns_port: 2053,
        dns_upstream: "127.0.0.1:53".parse().unwrap(),
        captive_address: Ipv4Addr::new(198, 18, 0, 1),
        state_dir: path("/etc/lango"),
        run_dir: path("/var/run/lango"),
        language: "en".into(),
        portal_dir: None,
        title: "Wi-Fi".into(),
        support_phone: String::new(),
        whatsapp: String::new(),
        checkpoint: Duration::from_secs(300),
        max_clients: 1000,
        user: None,
        mark: 0x0100_0000,
        uplink_probes: vec![],
        uplink: None,
        site_key_file: None,
        issuing_keys: vec![KeyNumber::new(0).unwrap()],
        colour: "#0b7285".into(),
        controller: String::new(),
        terms_required: false,
        key_from_cloud: false,
        anomaly: Anomaly::Report,
        new_devices_per_minute: 120,
    };
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let retention = Retention {
        sessions: days(90),
        audit: days(365),
        unpaid_devices: Duration::from_secs(600),
        claims: days(2),
        minimum: None,
    };
    let (plans, gardens, devices) = (vec![], vec![], vec![]);
    assert_eq!(
        config,
        Config { gateway, plans, gardens, devices, trial: None, cloud: None, retention, roles: Vec::new() }
    );
    assert_eq!(notices, []);
}

#[test]
fn the_gateway_of_the_example_differs_from_the_defaults_where_it_says_so() {
    let gateway = good(FULL).config.gateway;
    let default = good(GATEWAY).config.gateway;
    let tls = Tls { certificate: "/etc/lango/portal.crt".into(), key: "/etc/lango/portal.key".into() };
    let want = Gateway {
        site: "kariakoo-01".into(),
        tls: Some(tls),
        title: "Kariakoo Wi-Fi".into(),
        support_phone: "+255700000000".into(),
        whatsapp: "255700000000".into(),
        uplink_probes: vec![UplinkProbe("203.0.113.80:80".parse().unwrap())],
        controller: "Kariakoo Wi-Fi Ltd, info@example.net".into(),
        ..default
    };
    assert_eq!(gateway, want);
}

#[test]
fn the_other_sections_of_the_example_are_read() {
    let config = good(FULL).config;
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let mut plan = Plan::unlimited("hour".parse().unwrap(), PlanSource::File);
    plan.title.insert("en".into(), "Saa 1".into());
    plan.terms.metered = hours(1);
    plan.terms.validity = hours(24);
    plan.terms.data.total = Some(Bytes(500_000_000));
    plan.terms.down = Some(Bps(4_000_000));
    plan.terms.up = Some(Bps(1_000_000));
    plan.terms.idle_timeout = Some(Duration::from_secs(900));
    plan.price = "500".into();
    plan.currency = "TZS".into();
    assert_eq!(config.plans, [plan]);

    let network = Network { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 0)), prefix: 24 };
    let garden = Garden {
        names: vec!["wa.me".into(), "*.whatsapp.net".into()],
        networks: vec![network],
        ports: vec![443],
        rate: Some(Bps(256_000)),
        data: Some(Bytes(10_000_000)),
    };
    assert_eq!(config.gardens, [garden]);
    let mac = Mac::new([2, 0, 0, 0, 0, 1]);
    assert_eq!(config.devices, [Device { mac, policy: Policy::Trusted }]);
    assert_eq!(config.trial, Some("trial".parse().unwrap()));
    let cloud = Cloud {
        url: "https://bos.example.net".into(),
        token_file: Some(Cloud::TOKEN_FILE.into()),
        ca_file: None,
        signing_key: None,
        poll: Duration::from_secs(60),
        provisional_plan: None,
        allow_http: false,
    };
    assert_eq!(config.cloud, Some(cloud));
    assert_eq!(config.retention, good(GATEWAY).config.retention);
}

#[test]
fn every_default_of_every_section_is_a_right_value() {
    let text = format!(
        "{GATEWAY}config plan trial\nconfig garden\n list name a.b\nconfig trial\nconfig cloud\n option url https://a.b\nconfig retention\n"
    );
    let config = good(&text).config;
    assert_eq!(config.plans, [Plan::unlimited("trial".parse().unwrap(), PlanSource::File)]);
    assert_eq!(config.gardens[0].ports, [80, 443]);
}

#[test]
fn the_table_has_the_options_and_defaults_of_the_example() {
    let mut findings = Findings::of("full.uci");
    let raw = uci::read(&FULL.replace(" ''", " '(unset)'"), &mut findings);
    // What the example shows of one site's own, or of one plan.
    let examples = [
        "gateway.site gateway.interface gateway.certificate gateway.key gateway.title gateway.support_phone",
        "gateway.whatsapp gateway.uplink_probe gateway.controller device.mac cloud.url",
        "plan.title plan.metered plan.validity plan.data plan.down plan.up plan.idle_timeout plan.price",
        "plan.currency garden.name garden.address garden.port role.user role.group",
    ]
    .join(" ");
    let examples = examples.split(' ').collect::<Vec<_>>();
    for (section, spec) in raw.sections.iter().zip(spec::SECTIONS) {
        assert_eq!(section.kind, spec.kind);
        let names = spec.options.iter().map(|option| option.name).collect::<OrdSet<_>>();
        assert_eq!(section.options.keys().map(String::as_str).collect::<OrdSet<_>>(), names);
        for option in spec.options {
            let full = format!("{}.{}", spec.kind, option.name);
            let values = section.options[option.name].values.iter().map(|value| value.text.as_str());
            let shown = values.filter(|text| *text != "(unset)").collect::<Vec<_>>().join(" ");
            assert_eq!(shown != option.default, examples.contains(&full.as_str()), "{full}");
        }
    }
    assert_eq!(raw.sections.len(), spec::SECTIONS.len());
}

#[test]
fn an_empty_value_is_the_default() {
    for section in spec::SECTIONS {
        let unset = section.options.iter().filter(|option| !["interface", "mac"].contains(&option.name));
        let mut text = format!("{GATEWAY}config plan 'trial'\n");
        match section.kind {
            "device" => continue,
            "plan" => {}
            "gateway" => text = GATEWAY.to_owned(),
            kind => text.push_str(&format!("config {kind}\n")),
        }
        let without = parse("lango", &text);
        for option in unset {
            let keyword = if option.many { "list" } else { "option" };
            text.push_str(&format!("\t{keyword} {} ''\n", option.name));
        }
        assert_eq!(parse("lango", &text), without, "{text}");
    }
}

#[test]
fn what_has_no_effect_yet_is_said_unless_it_is_the_default() {
    let with = |text: &str| format!("{GATEWAY}{text}");
    for quiet in [
        "option dns_port '53'",
        "option https_port '443'\noption certificate '/a.crt'\noption key '/a.key'",
        "option terms_required 1",
        "option key_from_cloud 1",
        "option portal_dir ''",
        "option portal_dir '/www'",
        "list uplink_probe 'tcp:192.0.2.1:80'",
        "option uplink 'wan'",
        "option site 'x'",
        "option site_key_file '/etc/lango/site.key'",
        "config plan h\noption metered 1h\noption bound_devices 3\noption count_while_uplink_down on",
        "config plan h\noption data 1GB\noption down 1mbit\noption up 1mbit",
        "config plan h\noption data_up 1GB\noption data_down 1GB",
        "config garden\nlist name wa.me\nlist address 203.0.113.0/24\noption rate 1mbit\noption data 1MB",
        "config device\noption mac 02:00:00:00:00:01",
        "config retention\noption sessions 1d\noption audit 1d\noption minimum 12h\noption profile 90d\noption unpaid_devices 1h",
        "config trial\noption plan h\nconfig plan h",
    ] {
        assert_eq!(notices(&with(quiet)), [], "{quiet}");
    }
}

#[test]
fn an_option_of_retention_goes_before_its_profile_and_a_law_before_both() {
    let days = |options: &str| {
        let text = format!("{GATEWAY}config retention\n{options}");
        let kept = good(&text).config.retention;
        [kept.sessions, kept.audit].map(|span| span.as_secs() / 86_400)
    };
    for (options, kept) in [
        ("", [90, 365]),
        ("option profile default\n", [90, 365]),
        ("option profile 90d\n", [90, 90]),
        ("option profile 12m\n", [365, 365]),
        ("option profile 12m\noption sessions 30d\n", [30, 365]),
        ("option minimum 180d\n", [180, 365]),
        ("option minimum 400d\noption audit 800d\n", [400, 800]),
    ] {
        assert_eq!(days(options), kept, "{options}");
    }
}

#[test]
fn a_plan_may_be_called_as_the_cloud_calls_it() {
    let text = format!("{GATEWAY}config plan 'two-hours'\n");
    assert_eq!(good(&text).config.plans[0].id.as_str(), "two-hours");
    assert_eq!(notices(&text), [(3, "plan".to_owned())]);
}

#[test]
fn the_plan_of_the_trial_may_be_the_clouds() {
    let text = format!("{GATEWAY}config trial\nconfig cloud\noption url 'https://bos.example.net'\n");
    assert_eq!(good(&text).config.trial.map(|plan| plan.to_string()), Some("trial".into()));
}

#[test]
fn sections_and_options_merge_as_uci_merges_them() {
    let text = "\
package lango
config gateway main; list interface a
	list interface 'b'
	option site 'first'
config plan hour
	option metered 1h
	option price 5
config gateway 'main'
	option site 'second'
	option title 'x'
	option title ''
	o portal_port 8080
	l interface c
c plan hour # again
	option price '7' ; option price ''
";
    let config = good(text).config;
    assert_eq!(config.gateway.interfaces, ["a", "b", "c"]);
    assert_eq!((config.gateway.site.as_str(), config.gateway.title.as_str()), ("second", "Wi-Fi"));
    assert_eq!(config.gateway.portal_port, 8080);
    let [plan] = config.plans.as_slice() else { panic!("{:?}", config.plans) };
    assert_eq!((plan.terms.metered, plan.price.as_str()), (Some(Duration::from_secs(3600)), ""));
}

#[test]
fn words_are_put_together_as_uci_does_it() {
    for (written, title) in [
        ("plain", "plain"),
        ("'it'\\''s'", "it's"),
        (r#""say \"hi\" \\ 'x'""#, r#"say "hi" \ 'x'"#),
        (r"'no \escape'", r"no \escape"),
        (r"bare\ blank\#\;", "bare blank#;"),
        ("a'b'\"c\"d", "abcd"),
        ("\"joined \\\nline\"", "joined line"),
        ("joined\\\r\nline", "joinedline"),
        ("\\\n\t'next line'", "next line"),
        ("'quoted'# comment", "quoted"),
        ("'a # b; c' # comment 'unended", "a # b; c"),
        ("'Ünïcødé ٣'\r", "Ünïcødé ٣"),
    ] {
        let text = format!("{GATEWAY}\toption title {written}\n\toption language sw\n");
        let gateway = good(&text).config.gateway;
        assert_eq!((gateway.title.as_str(), gateway.language.as_str()), (title, "sw"), "{written}");
    }
}

#[test]
fn lines_are_counted_over_quotes_and_joined_lines() {
    let text =
        format!("{GATEWAY}\toption title \"a\\\nb\"\n\n# c\n\toption \\\n\tsite 'x'\n\n\toption bad 1\n");
    assert_wrong(&text, 10, "bad", "no such option");
}

#[test]
fn files_are_read_and_what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lango");
    let load_of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        load(&path)
    };
    assert_eq!(load_of(FULL.as_bytes()).unwrap().config, good(FULL).config);
    let shown = |result: Result<Parsed, LoadError>| result.unwrap_err().to_string();
    let at = path.display();
    assert_eq!(
        shown(load_of(b"config gateway\n")),
        format!(
            "{at}:1: interface: no guest network is named; \
             write list interface 'br-guest' (the L3 device of the guests)"
        )
    );
    assert!(
        shown(load_of(b"config gateway\n# \xff\n")).starts_with(&format!("{at}:2: the text is not UTF-8"))
    );
    assert!(shown(load_of(&vec![b'\n'; 1 << 20])).contains("no section gateway"));
    assert!(shown(load_of(&vec![b'\n'; (1 << 20) + 1])).contains("larger than 1048576 bytes"));
    let missing = dir.path().join("missing");
    let error = shown(load(&missing));
    assert!(error.contains("missing: cannot be read: No such file"), "{error}");
    assert!(error.contains("--config PATH"), "{error}");
    assert!(shown(load(dir.path())).contains("cannot be read: Is a directory"));
}

/// As `uci` itself writes a value.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text made of what the grammar is made of, which random characters hardly ever are.
fn soup() -> impl Strategy<Value = String> {
    let mut parts = vec![
        "config ",
        "option ",
        "list ",
        "package ",
        "'",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "#",
        ";",
        " ",
        "''",
        "x",
        "0",
        "-",
        "99999999999999999999999s",
        "1h",
        "4mbit",
        "5MB",
        "0x",
        "0xffffffff",
        "::1/64",
        "255.255.255.255/0",
        "tcp:",
        "[::]:0",
        "https://[",
        "*.",
        ".",
        "=",
        "#00000é",
        "\u{0}",
        "٣",
        "br-guest",
        "trial",
    ];
    parts.extend(spec::SECTIONS.iter().flat_map(|section| {
        std::iter::once(section.kind).chain(section.options.iter().map(|option| option.name))
    }));
    prop::collection::vec(prop::sample::select(parts), 0..80).prop_map(|parts| parts.concat())
}

/// Every option of every section with any one value.
fn any_value() -> impl Strategy<Value = String> {
    let options = spec::SECTIONS
        .iter()
        .flat_map(|section| section.options.iter().map(|option| (section.kind, option.name)))
        .collect::<Vec<_>>();
    let value = prop_oneof![any::<String>(), "[0-9]{0,25}[a-zA-Z]{0,4}", "[0-9a-f:./\\[\\]x]{0,20}", soup()];
    (prop::sample::select(options), value)
        .prop_map(|((kind, name), value)| format!("config {kind} a\n\toption {name} {}\n", quoted(&value)))
}

proptest! {
    #[test]
    fn any_text_comes_back_from_its_quotes(values in prop::collection::vec("[^\n]*", 1..4)) {
        let lines = values.iter().map(|value| format!("\tlist x {}\n", quoted(value))).collect::<String>();
        let mut findings = Findings::of("lango");
        let raw = uci::read(&format!("config a 'b'\n{lines}"), &mut findings);
        prop_assert!(findings.verdict().is_ok());
        let read = raw.sections[0].options["x"].values.iter().map(|value| value.text.as_str());
        let want = values.iter().map(String::as_str).filter(|value| !value.is_empty());
        prop_assert_eq!(read.collect::<Vec<_>>(), want.collect::<Vec<_>>());
    }

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), soup(), any_value()]) {
        let lines = u32::try_from(text.split('\n').count()).unwrap();
        for error in parse("lango", &text).err().into_iter().flatten() {
            prop_assert!((1..=lines).contains(&error.0.line), "{}", error);
            prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error);
        }
    }
}

const SHIPPED: &str = include_str!("../../openwrt/lango/files/lango.config");

#[test]
fn the_configuration_that_is_shipped_is_right_and_switched_off() {
    let Parsed { config, notices, .. } = good(SHIPPED);
    assert!(!config.gateway.enabled && notices.is_empty(), "{notices:?}");
    assert_eq!((config.gateway.user.as_deref(), config.plans.len()), (Some("lango"), 1));
}

#[test]
fn what_is_shipped_as_a_comment_is_right_and_tells_of_every_option_and_its_default() {
    let is_statement = |line: &str| ["option ", "list ", "config "].iter().any(|word| line.starts_with(word));
    let uncommented = SHIPPED.lines().map(|line| {
        let (blank, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(statement) if is_statement(statement) => format!("{blank}{statement}\n"),
            Some(_) | None => format!("{line}\n"),
        }
    });
    let all = uncommented.collect::<String>();
    let Parsed { config, notices, .. } = good(&all);
    assert!(notices.is_empty(), "{notices:?}");
    let words = |text: &str| -> BTreeSet<String> {
        let named = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("option ").or(line.trim().strip_prefix("list ")));
        named.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
    };
    let missing: Vec<_> = words(FULL).difference(&words(&all)).cloned().collect();
    // For those who know why.
    let left_out = ["allow_http", "key_from_cloud", "run_dir"];
    assert_eq!(missing, left_out);
    let mut expected =
        good(&format!("{GATEWAY}\toption enabled '0'\n\toption user 'lango'\n")).config.gateway;
    let found = config.gateway;
    expected.support_phone.clone_from(&found.support_phone);
    expected.whatsapp.clone_from(&found.whatsapp);
    expected.tls.clone_from(&found.tls);
    expected.uplink_probes.clone_from(&found.uplink_probes);
    assert_eq!(found, expected, "what stands there is the default, but for what has none");
}

#[test]
fn guest_networks_are_made_out_whatever_else_is_wrong() {
    let networks = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lango");
        fs::write(&path, text).unwrap();
        guest_networks(&path).map(|config| (config.gateway.enabled, config.gateway.interfaces))
    };
    let both = |enabled| Some((enabled, vec!["br-guest".to_owned(), "wlan1".to_owned()]));
    let main = "config gateway 'main'\n\tlist interface 'wlan1'\n\tlist interface br-guest\n";
    for (text, expected) in [
        (format!("{main}\toption frob '1'\n\toption enabled 'perhaps'\nconfig frob\n"), both(true)),
        (format!("{main}\tlist interface 'br-guest'\n\tlist interface 'a name too long'\n"), both(true)),
        (format!("{main}\toption enabled '0'\n\toption title 'no end\n"), both(false)),
        (format!("{main}\toption title \u{0}\n"), both(true)),
        ("config gateway 'main'\n\toption frob '1'\n".to_owned(), None),
        ("frob".to_owned(), None),
    ] {
        assert_eq!(networks(&text), expected, "{text}");
    }
}
