//! The table itself: compared with its readable form, changed, read back, adopted, watched.

use std::time::{Duration, Instant};

use lango::domain::Mac;
use lango::nft::{Base, Desired, Homes, Nft, NftError, Start, Watch};
use lango::ordered::OrdMap;
use serde_json::Value;

use super::harness::Netns;
use super::{NOW, base, block_on, desired, device, eventually, lasting, until};

const READABLE: &str = include_str!("../../src/nft/ruleset.nft");

/// The readable table with the parameters of `base` in the places of the defaults.
fn readable(base: &Base) -> String {
    let names: Vec<_> = base.interfaces.iter().map(|name| format!("\"{name}\"")).collect();
    let places = (base.max_clients * 5 / 4).max(1024).next_power_of_two();
    let fast = if let [one] = names.as_slice() { one.clone() } else { "@guests".to_owned() };
    let mut text = READABLE.to_owned();
    for (times, from, to) in [
        (1, "{ \"br-guest\" }", format!("{{ {} }}", names.join(", "))),
        (1, "oifname \"br-guest\"", format!("oifname {fast}")),
        (1, "iifname \"br-guest\"", format!("iifname {fast}")),
        (1, "PORTAL = 2080", format!("PORTAL = {}", base.portal_port)),
        (1, "HTTPS  = 2443", format!("HTTPS = {}", base.https_port)),
        (1, "DNS    = 2053", format!("DNS = {}", base.dns_port)),
        (1, "CAPTIVE = 198.18.0.1", format!("CAPTIVE = {}", base.captive)),
        (1, "MARK   = 0x01000000", format!("MARK = {:#x}", base.mark)),
        (5, "size 2048", format!("size {places}")),
    ] {
        assert_eq!(text.matches(from).count(), times, "{from}");
        text = text.replace(from, &to);
    }
    text
}

/// What `nft` lists, without handles.
fn listed(space: &Netns) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("handle");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let text = space.nft_list(&["-j", "list", "table", "inet", "lango"]);
    let mut value = serde_json::from_str(&text).unwrap();
    strip(&mut value);
    value
}

/// `nft` reads no expectation of nothing, as the daemon makes it: here the readable table has one of one.
fn expect_one(listed: &mut Value) {
    let items = listed["nftables"].as_array_mut().unwrap();
    let object = items.iter_mut().find_map(|item| item.get_mut("ct expectation")).unwrap();
    assert_eq!(object["size"], 0);
    object["size"] = 1.into();
}

fn nft(space: &Netns) -> Nft {
    space.enter(|| Nft::open().unwrap())
}

#[test]
fn the_table_is_the_readable_one() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for base in [
        base(),
        Base { interfaces: names(&["wlan0", "br-lan.7"]), portal_port: 81, ..base() },
        Base {
            https_port: 53,
            dns_port: 5353,
            captive: [192, 0, 2, 80].into(),
            mark: 1,
            max_clients: 1,
            ..base()
        },
        Base { interfaces: names(&["a", "exactly-15-long"]), mark: 0x8000_0000, max_clients: 5000, ..base() },
    ] {
        let (ours, readers) = (Netns::new("ours"), Netns::new("nft"));
        nft(&ours).install(&base, &Desired::default(), NOW).unwrap();
        readers.nft(&readable(&base));
        let (mut left, right) = (listed(&ours), listed(&readers));
        expect_one(&mut left);
        let items = |value: &Value| value["nftables"].as_array().unwrap().clone();
        for (ours, theirs) in items(&left).into_iter().zip(items(&right)) {
            assert_eq!(ours, theirs, "{base:?}");
        }
        assert_eq!(items(&left).len(), items(&right).len());
        let text = |space: &Netns| {
            let text = space.nft_list(&["list", "table", "inet", "lango"]);
            let lines = text.lines().filter(|line| !line.contains("comment"));
            lines.map(|line| line.replace("\tsize 0", "\tsize 1")).collect::<Vec<_>>()
        };
        assert_eq!(text(&ours), text(&readers));
    }
}

#[test]
fn changes_are_read_back_with_the_time_that_is_left() {
    let space = Netns::new("change");
    let mut nft = nft(&space);
    let (first, second, third) = (device(1), device(2), device(3));
    nft.install(&base(), &desired([(first, lasting(100)), (second, lasting(0))]), NOW).unwrap();
    let left = |nft: &mut Nft| -> Vec<(Mac, Option<u64>)> {
        let rounded = |left: Duration| (left + Duration::from_millis(500)).as_secs();
        nft.read_back().unwrap().online.into_iter().map(|(mac, left)| (mac, left.map(rounded))).collect()
    };
    assert_eq!(left(&mut nft), [(first, Some(100))], "a grant that is over is not added");

    let forever = until(None);
    let changes = [
        (first, Some(lasting(7200))),
        (second, None), // was never there
        (third, Some(forever)),
    ];
    nft.change(&changes.into(), &Homes::new(), NOW).unwrap();
    assert_eq!(left(&mut nft), [(first, Some(7200)), (third, None)]);

    nft.change(&changes.into(), &Homes::new(), NOW).unwrap();
    assert_eq!(left(&mut nft), [(first, Some(7200)), (third, None)], "a second time: the same");

    nft.change(&[(first, Some(lasting(30))), (third, None)].into(), &Homes::new(), NOW).unwrap();
    assert_eq!(left(&mut nft), [(first, Some(30))], "shortened and taken away");
    nft.change(&[(first, Some(lasting(0)))].into(), &Homes::new(), NOW).unwrap();
    assert_eq!(left(&mut nft), [], "the end has come");
}

#[test]
fn elements_run_out_by_themselves() {
    let space = Netns::new("timeout");
    let mut nft = nft(&space);
    nft.install(&base(), &Desired::default(), NOW).unwrap();
    let soon = until(Some(NOW.plus(Duration::from_millis(150))));
    nft.change(&[(device(1), Some(soon))].into(), &Homes::new(), NOW).unwrap();
    assert_eq!(nft.read_back().unwrap().online.len(), 1);
    eventually("gone", || nft.read_back().unwrap().online.is_empty());
    nft.change(&[(device(1), Some(lasting(60)))].into(), &Homes::new(), NOW).unwrap();
    assert_eq!(nft.read_back().unwrap().online.len(), 1, "and may come again");
}

#[test]
fn elements_may_run_out_at_any_moment_of_a_change() {
    let space = Netns::new("race");
    let mut nft = nft(&space);
    // What ran out keeps its place until it is swept out, within a second or so: hence many devices.
    nft.install(&Base { max_clients: 30_000, ..base() }, &Desired::default(), NOW).unwrap();
    for turn in 0..160 {
        let ends = |n: u32| NOW.plus(Duration::from_millis(u64::from(1 + (n + turn) % 4)));
        let brief = |n| (device(turn / 4 * 100 + n), Some(until(Some(ends(n)))));
        nft.change(&(0..100).map(brief).collect(), &Homes::new(), NOW).unwrap();
    }
    eventually("all gone", || nft.read_back().unwrap().online.is_empty());
    nft.change(&(0..100).map(|n| (device(n), Some(lasting(60)))).collect(), &Homes::new(), NOW).unwrap();
    assert_eq!(nft.read_back().unwrap().online.len(), 100);
    nft.change(&(0..100).map(|n| (device(n), None)).collect(), &Homes::new(), NOW).unwrap();
    assert_eq!(nft.read_back().unwrap().online.len(), 0);
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let space = Netns::new("refused");
    let mut nft = nft(&space);
    let missing = nft.change(&[(device(1), Some(lasting(9)))].into(), &Homes::new(), NOW).unwrap_err();
    let NftError::Refused { step, refusal } = &missing else { panic!("{missing}") };
    assert_eq!((step.as_str(), refusal.code), ("add elements to carried", libc::ENOENT));

    nft.install(&base(), &desired([(device(1), lasting(100))]), NOW).unwrap();
    let before = listed(&space);
    let many: OrdMap<_, _> = (0..3000).map(|n| (device(n), Some(lasting(50)))).collect();
    let error = nft.change(&many, &Homes::new(), NOW).unwrap_err();
    assert!(matches!(&error, NftError::Refused { refusal, .. } if refusal.code == libc::ENFILE), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("nftables refused to add elements to carried: "), "{text}");
    assert_eq!(listed(&space)["nftables"][2], before["nftables"][2]);
    let members = nft.read_back().unwrap().online;
    assert_eq!(members.keys().collect::<Vec<_>>(), [&device(1)]);
}

#[test]
fn who_is_online_stays_so_when_max_clients_is_lowered() {
    let space = Netns::new("lowered");
    let mut nft = nft(&space);
    let online = desired((0..1500).map(|n| (device(n), lasting(100))).collect::<OrdMap<_, _>>());
    nft.install(&Base { max_clients: 1500, ..base() }, &online, NOW).unwrap();
    let mut lowered = Base { max_clients: 10, ..base() };
    lowered.hold(online.passes.len());
    nft.adopt_or_install(&lowered, &online, NOW).unwrap();
    assert_eq!(nft.read_back().unwrap().online.len(), online.passes.len());
    let full = Base { max_clients: 10, ..base() };
    assert!(nft.adopt_or_install(&full, &online, NOW).is_err(), "there was room all the time");
}

#[test]
fn five_thousand_devices_fit_in_one_transaction() {
    let space = Netns::new("many");
    let mut nft = nft(&space);
    let base = Base { max_clients: 5000, ..base() };
    let all = desired((0..5000).map(|n| (device(n), lasting(3600 + u64::from(n)))).collect::<OrdMap<_, _>>());
    let start = Instant::now();
    nft.install(&base, &all, NOW).unwrap();
    let installed = start.elapsed();
    let observed = nft.read_back().unwrap();
    assert_eq!(observed.online.len(), 5000);
    assert!(nft.intact(&observed, &all, NOW));

    let later: OrdMap<_, _> = all.passes.keys().map(|mac| (*mac, Some(lasting(99)))).collect();
    let start = Instant::now();
    nft.change(&later, &Homes::new(), NOW).unwrap();
    let changed = start.elapsed();
    let members = nft.read_back().unwrap().online;
    assert_eq!(members.len(), 5000);
    assert!(members.values().all(|left| left.is_some_and(|left| left <= Duration::from_secs(99))));
    assert_eq!(
        space.nft_list(&["list", "set", "inet", "lango", "online"]).matches("timeout 1m39s").count(),
        5000
    );
    println!("5,000 devices: installed in {installed:?}, all changed in {changed:?}");

    let start = Instant::now();
    nft.install(&base, &desired(all.passes.into_iter().take(500).collect::<OrdMap<_, _>>()), NOW).unwrap();
    let restored = start.elapsed();
    let mut times: Vec<_> = (0..200)
        .map(|n| {
            let start = Instant::now();
            nft.change(&[(device(n), Some(lasting(5)))].into(), &Homes::new(), NOW).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("500 devices: installed in {restored:?}; one changed in {:?} (median of 200)", times[100]);
}

fn handles(space: &Netns) -> String {
    let text = space.nft_list(&["-a", "-s", "list", "table", "inet", "lango"]);
    text.lines().filter(|line| line.contains("# handle")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_restart_adopts_the_living_table_and_corrects_its_elements() {
    let space = Netns::new("adopt");
    let before = desired([(device(1), lasting(100)), (device(2), lasting(100)), (device(3), lasting(100))]);
    nft(&space).install(&base(), &before, NOW).unwrap();
    let living = handles(&space);

    let desired = desired([(device(1), lasting(101)), (device(2), lasting(50)), (device(4), lasting(70))]);
    let mut restarted = nft(&space);
    assert_eq!(restarted.adopt_or_install(&base(), &desired, NOW).unwrap(), Start::Adopted);
    assert_eq!(handles(&space), living, "no rule, chain or set was replaced");
    let observed = restarted.read_back().unwrap();
    assert!(restarted.intact(&observed, &desired, NOW), "{observed:?}");
    assert_eq!(observed.online.keys().collect::<Vec<_>>(), [&device(1), &device(2), &device(4)]);
    let kept = observed.online[&device(1)].unwrap();
    assert!(kept <= Duration::from_secs(100), "two seconds of difference are left alone: {kept:?}");
}

#[test]
fn another_table_is_replaced_with_the_devices_in_it() {
    let desired = desired([(device(1), lasting(100))]);
    for (damage, commands) in [
        ("no table", "delete table inet lango"),
        ("another base", ""),
        ("a rule less", "flush chain inet lango down"),
        ("a rule more", "insert rule inet lango hold accept"),
        ("a chain more", "add chain inet lango x { type filter hook forward priority 5; }"),
        ("another policy", "add chain inet lango forward { policy drop; }"),
        ("a set more", "add set inet lango x { type mark; }"),
        ("a guest interface gone", "delete table inet lango; add table inet lango { comment \"lango\"; }"),
        ("switched off", "add table inet lango { flags dormant; }"),
    ] {
        let space = Netns::new("replace");
        let mut nft = nft(&space);
        nft.install(&base(), &desired, NOW).unwrap();
        let intended = listed(&space);
        space.nft(commands);
        let base = if commands.is_empty() { Base { portal_port: 2081, ..base() } } else { base() };
        let observed = nft.read_back().unwrap();
        assert_eq!(nft.intact(&observed, &desired, NOW), commands.is_empty(), "{damage}");
        assert_eq!(nft.adopt_or_install(&base, &desired, NOW).unwrap(), Start::Installed, "{damage}");
        let observed = nft.read_back().unwrap();
        assert!(nft.intact(&observed, &desired, NOW), "{damage}");
        if !commands.is_empty() {
            assert_eq!(without_elements(listed(&space)), without_elements(intended), "{damage}");
        }
    }
}

fn without_elements(mut value: Value) -> Value {
    for item in value["nftables"].as_array_mut().unwrap() {
        for kind in ["set", "map"] {
            if item[kind]["flags"].as_array().is_some_and(|flags| flags.contains(&"timeout".into())) {
                item[kind].as_object_mut().unwrap().remove("elem");
            }
        }
    }
    value
}

#[test]
fn nothing_else_of_the_host_changes() {
    let space = Netns::new("others");
    space.nft("table inet fw4 { chain forward { type filter hook forward priority 0; policy drop; }; }");
    space.nft("table ip lango { set online { type ipv4_addr; }; }");
    let others = |space: &Netns| {
        let text = space.nft_list(&["list", "ruleset"]);
        let ours = text.find("table inet lango").unwrap_or(text.len());
        text[..ours].to_owned()
    };
    let before = others(&space);
    let mut nft = nft(&space);
    nft.install(&base(), &desired([(device(1), lasting(9))]), NOW).unwrap();
    nft.install(&base(), &Desired::default(), NOW).unwrap();
    assert_eq!(others(&space), before);
    assert!(space.nft_list(&["list", "ruleset"]).contains("table inet lango"));
}

#[test]
fn only_what_others_do_to_the_table_is_noticed() {
    let space = Netns::new("watch");
    let watched = |commands: &str| {
        space.enter(|| {
            block_on(async {
                let mut nft = Nft::open().unwrap();
                nft.install(&base(), &desired([(device(1), lasting(90))]), NOW).unwrap();
                let mut watch = Watch::open(&nft).unwrap();
                nft.install(&base(), &desired([(device(1), lasting(90))]), NOW).unwrap();
                nft.change(&[(device(2), Some(lasting(90)))].into(), &Homes::new(), NOW).unwrap();
                space.nft(commands);
                let start = Instant::now();
                let noticed = tokio::time::timeout(Duration::from_millis(100), watch.changed()).await;
                noticed.ok().map(|noticed| noticed.map(|_| start.elapsed()).unwrap())
            })
        })
    };
    for foreign in [
        "flush ruleset",
        "delete table inet lango",
        "delete element inet lango online { 02:00:00:00:00:01 }",
        "add element inet lango online { 02:00:00:00:00:09 timeout 1h }",
        "insert rule inet lango down accept",
        "flush chain inet lango hold",
        "add table inet lango { flags dormant; }",
    ] {
        assert!(watched(foreign).is_some(), "{foreign}");
    }
    for unrelated in ["add table inet fw4", "add table ip lango; add chain ip lango x", "list ruleset"] {
        assert_eq!(watched(unrelated), None, "{unrelated}");
    }
}
