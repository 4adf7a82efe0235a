//! What the table keeps for devices: limits, quotas and counts, over everything that happens to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lango::domain::{Bps, Bytes, DataCap, EntitlementId, Grant, Mac, SessionId, Traffic};
use lango::nft::{Base, Desired, Homes, Nft, Pass, Start};
use lango::ordered::OrdMap;
use serde_json::Value;

use super::harness::{Lab, Netns, Phone, UDP_ECHO};
use super::{NOW, base, desired, device, lasting};

/// A session of its own for every device.
fn granted(session: u64) -> Grant {
    let Pass::Granted(grant) = lasting(3600) else { unreachable!("it is a grant") };
    Grant { session: SessionId(session), entitlement: EntitlementId(session), ..grant }
}

fn capped(session: u64, entitlement: u64, total: u64) -> Pass {
    let cap = DataCap { total: Some(Bytes(total)), ..DataCap::default() };
    Pass::Granted(Grant { entitlement: EntitlementId(entitlement), cap, ..granted(session) })
}

fn slow(session: u64, bits: u64) -> Pass {
    Pass::Granted(Grant { down: Some(Bps(bits)), up: Some(Bps(bits)), ..granted(session) })
}

fn at(last: u8) -> IpAddr {
    IpAddr::from([10, 77, 0, last])
}

fn at_home(homes: &[(Mac, u8)]) -> Homes {
    homes.iter().map(|(mac, last)| (*mac, [at(*last)].into())).collect()
}

fn installed(role: &str, base: &Base) -> (Arc<Netns>, Nft) {
    let space = Netns::new(role);
    let mut nft = space.enter(|| Nft::open().unwrap());
    nft.install(base, &Desired::default(), NOW).unwrap();
    (space, nft)
}

fn change(nft: &mut Nft, mac: Mac, pass: Option<Pass>, homes: &Homes) {
    nft.change(&[(mac, pass)].into(), homes, NOW).unwrap();
}

/// Limits and quotas by name, as `nft` lists them, with what they allow.
fn objects(space: &Netns) -> BTreeMap<String, String> {
    let text = space.nft_list(&["-j", "list", "table", "inet", "lango"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let items = all["nftables"].as_array().unwrap().iter();
    let found = items.filter_map(|item| ["quota", "limit"].iter().find_map(|kind| item.get(kind)));
    let named = found.map(|object| (object["name"].as_str().unwrap().to_owned(), object));
    named.map(|(name, object)| (name, object.get("bytes").unwrap_or(&object["rate"]).to_string())).collect()
}

/// Phones whose table has no daemon.
fn lab() -> (Lab, Nft) {
    let lab = Lab::new(2);
    let mut nft = lab.gateway.enter(|| Nft::open().unwrap());
    nft.install(&base(), &Desired::default(), NOW).unwrap();
    (lab, nft)
}

fn mac(phone: &Phone) -> Mac {
    phone.mac.parse().unwrap()
}

fn home(phone: &Phone) -> Homes {
    Homes::from([(mac(phone), [phone.v4].into())])
}

/// What the session of `phone` has received; asks a host in the world first, which answers.
fn after_an_answer(nft: &mut Nft, lab: &Lab, phone: &Phone) -> Bytes {
    assert!(phone.try_udp(lab.world.both(UDP_ECHO)[0]).result.is_ok());
    down_of(nft, mac(phone))
}

fn down_of(nft: &mut Nft, mac: Mac) -> Bytes {
    nft.usage_of(mac).unwrap().unwrap().down
}

#[test]
fn devices_share_the_quota_of_what_was_bought_until_the_last_has_left() {
    let (space, mut nft) = installed("quota", &base());
    let (first, second) = (device(1), device(2));
    change(&mut nft, first, Some(capped(1, 9, 50_000_000)), &at_home(&[(first, 11)]));
    change(&mut nft, second, Some(capped(2, 9, 50_000_000)), &at_home(&[(second, 12)]));
    let names = |space: &Netns| objects(space).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&space), ["e9"]);
    change(&mut nft, first, None, &Homes::new());
    assert_eq!(names(&space), ["e9"], "the other still draws on it");
    change(&mut nft, second, Some(capped(2, 9, 100_000_000)), &Homes::new());
    assert_eq!(objects(&space), [("e9".to_owned(), "100000000".to_owned())].into(), "raised");
    change(&mut nft, second, None, &Homes::new());
    assert_eq!(names(&space), [""; 0]);
}

#[test]
fn another_speed_is_another_limit_and_the_old_one_goes() {
    let (space, mut nft) = installed("speed", &base());
    let mac = device(1);
    change(&mut nft, mac, Some(slow(1, 800_000)), &at_home(&[(mac, 11)]));
    assert_eq!(objects(&space).into_keys().collect::<Vec<_>>(), ["s1 100000"]);
    change(&mut nft, mac, Some(slow(1, 1_600_000)), &Homes::new());
    assert_eq!(objects(&space).into_keys().collect::<Vec<_>>(), ["s1 200000"]);
    let listed = space.nft_list(&["list", "map", "inet", "lango", "speed4"]);
    assert!(listed.contains("10.77.0.11 : \"s1 200000\""), "{listed}");
    change(&mut nft, mac, Some(Pass::Granted(granted(1))), &Homes::new());
    assert_eq!(objects(&space).len(), 0, "no limit, no object");
}

#[test]
fn counts_go_on_over_replacement_and_restart() {
    let (lab, mut nft) = lab();
    let phone = &lab.phones[0];
    let (mac, pass) = (mac(phone), Pass::Granted(granted(1)));
    change(&mut nft, mac, Some(pass), &home(phone));
    let first = after_an_answer(&mut nft, &lab, phone);
    assert!(first > Bytes(0));
    change(&mut nft, mac, Some(slow(1, 8_000_000)), &Homes::new());
    assert_eq!(down_of(&mut nft, mac), first, "with another speed");
    let second = after_an_answer(&mut nft, &lab, phone);
    assert_eq!(second.0, 2 * first.0);
    change(&mut nft, mac, Some(pass), &Homes::new());
    let third = after_an_answer(&mut nft, &lab, phone);
    assert_eq!(third.0, 3 * first.0);

    let mut restarted = lab.gateway.enter(|| Nft::open().unwrap());
    let all = desired([(mac, pass)]);
    let down = restarted.usage().unwrap().into_iter().map(|usage| usage.down).collect::<Vec<_>>();
    assert_eq!(down, [third], "before anything is adopted");
    assert_eq!(restarted.adopt_or_install(&base(), &all, NOW).unwrap(), Start::Adopted);
    assert_eq!(down_of(&mut restarted, mac), third);
    let other = Base { portal_port: 2081, ..base() };
    assert_eq!(restarted.adopt_or_install(&other, &all, NOW).unwrap(), Start::Installed);
    assert_eq!(down_of(&mut restarted, mac), third, "over another table");
    assert_eq!(after_an_answer(&mut restarted, &lab, phone).0, 4 * first.0);
}

#[test]
fn an_address_that_moves_leaves_its_count_behind() {
    let (lab, mut nft) = lab();
    let [one, other] = [&lab.phones[0], &lab.phones[1]];
    let (first, second) = (mac(one), mac(other));
    let passes = OrdMap::from([(first, Pass::Granted(granted(1))), (second, Pass::Granted(granted(2)))]);
    change(&mut nft, first, Some(passes[&first]), &home(one));
    change(&mut nft, second, Some(passes[&second]), &home(other));
    let answer = after_an_answer(&mut nft, &lab, one);
    assert_eq!(after_an_answer(&mut nft, &lab, other), answer);
    nft.settle(&Homes::from([(second, [one.v4].into())]), &passes, NOW).unwrap();
    assert_eq!((down_of(&mut nft, first), down_of(&mut nft, second)), (answer, answer));
    assert_eq!(after_an_answer(&mut nft, &lab, one), answer, "it is the other's now");
    assert_eq!(down_of(&mut nft, second).0, 2 * answer.0);
    nft.settle(&home(one), &passes, NOW).unwrap();
    assert_eq!((down_of(&mut nft, first).0, down_of(&mut nft, second).0), (answer.0, 2 * answer.0));
}

/// Bytes that the kernel has let through to an address that nobody knew.
fn received_unknown(space: &Netns, address: IpAddr, bytes: u64) {
    let element = format!("{{ {address} counter packets 1 bytes {bytes} }}");
    space.nft(&format!("add element inet lango fresh4 {element}"));
}

fn named<const N: usize>(objects: [(&str, u64); N]) -> BTreeMap<String, String> {
    objects.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_string())).collect()
}

#[test]
fn what_came_before_an_address_was_known_is_counted_and_charged_once() {
    let (space, mut nft) = installed("fresh", &base());
    let (mac, other) = (device(1), device(2));
    let mut passes = OrdMap::from([(mac, capped(1, 9, 50_000)), (other, capped(2, 9, 50_000))]);
    for mac in [mac, other] {
        change(&mut nft, mac, Some(passes[&mac]), &Homes::new());
    }
    for (device, last, bytes) in [(mac, 11, 5000), (other, 12, 300)] {
        received_unknown(&space, at(last), bytes);
        for _ in 0..2 {
            nft.settle(&at_home(&[(device, last)]), &passes, NOW).unwrap();
            assert_eq!(down_of(&mut nft, device), Bytes(bytes));
        }
    }
    assert_eq!(objects(&space), named([("e9", 44_700), ("e9 beside", 5300)]), "both draw on it");
    received_unknown(&space, at(13), 40);
    change(&mut nft, mac, Some(passes[&mac]), &at_home(&[(mac, 13)]));
    assert_eq!(objects(&space), named([("e9", 44_660), ("e9 beside", 5340)]));

    let mut restarted = space.enter(|| Nft::open().unwrap());
    let all = desired(passes.clone());
    assert_eq!(restarted.adopt_or_install(&base(), &all, NOW).unwrap(), Start::Adopted);
    let observed = restarted.read_back().unwrap();
    assert!(restarted.intact(&observed, &all, NOW));
    assert_eq!(objects(&space), named([("e9", 44_660), ("e9 beside", 5340)]), "after a restart");
    assert_eq!(down_of(&mut restarted, mac), Bytes(5040));

    passes = passes.into_keys().zip([capped(1, 9, 70_000), capped(2, 9, 70_000)]).collect();
    for mac in [mac, other] {
        change(&mut restarted, mac, Some(passes[&mac]), &Homes::new());
    }
    assert_eq!(objects(&space), named([("e9", 64_660), ("e9 beside", 5340)]), "raised");
    for mac in [mac, other] {
        change(&mut restarted, mac, None, &Homes::new());
    }
    assert_eq!(objects(&space), named([]));
}

#[test]
fn what_came_before_an_address_was_known_outlasts_the_table() {
    let (space, mut nft) = installed("fresh-over", &base());
    let mac = device(1);
    let all = Desired { homes: at_home(&[(mac, 11)]), ..desired([(mac, capped(1, 9, 50_000))]) };
    change(&mut nft, mac, Some(all.passes[&mac]), &Homes::new());
    received_unknown(&space, at(11), 5000);
    let other = Base { portal_port: 2081, ..base() };
    assert_eq!(nft.adopt_or_install(&other, &all, NOW).unwrap(), Start::Installed);
    assert_eq!(down_of(&mut nft, mac), Bytes(5000));
    assert_eq!(objects(&space), named([("e9", 45_000), ("e9 beside", 5000)]));
}

/// More came beside a quota than was left of it.
#[test]
fn a_quota_that_is_nearly_used_up_is_charged_all_the_same() {
    let (space, mut nft) = installed("nearly", &base());
    let mac = device(1);
    let Pass::Granted(grant) = capped(1, 9, 50_000) else { unreachable!("it is a grant") };
    let spent = Traffic { up: Bytes(0), down: Bytes(49_000) };
    let passes = OrdMap::from([(mac, Pass::Granted(Grant { spent, ..grant }))]);
    change(&mut nft, mac, Some(passes[&mac]), &Homes::new());
    received_unknown(&space, at(11), 5000);
    nft.settle(&at_home(&[(mac, 11)]), &passes, NOW).unwrap();
    assert_eq!(objects(&space), named([("e9", 45_000), ("e9 beside", 5000)]));
    change(&mut nft, mac, Some(passes[&mac]), &Homes::new());
    assert_eq!(objects(&space), named([("e9", 45_000), ("e9 beside", 5000)]));
    received_unknown(&space, at(12), 60_000);
    nft.settle(&at_home(&[(mac, 12)]), &passes, NOW).unwrap();
    assert_eq!(objects(&space), named([("e9", 0), ("e9 beside", 65_000)]));
}

/// The count of who was shut is not taken for that of the session that comes after it.
#[test]
fn who_was_shut_and_is_adopted_again_counts_from_what_is_granted() {
    let (_space, mut nft) = installed("shut", &base());
    let mac = device(1);
    let with = |session, down| {
        let counted = Traffic { up: Bytes(0), down: Bytes(down) };
        Pass::Granted(Grant { counted, ..granted(session) })
    };
    change(&mut nft, mac, Some(with(1, 7000)), &at_home(&[(mac, 11)]));
    assert_eq!(nft.shut(&[mac]).unwrap().len(), 1);
    let next = Desired { homes: at_home(&[(mac, 11)]), ..desired([(mac, with(2, 20))]) };
    nft.adopt_or_install(&base(), &next, NOW).unwrap();
    assert_eq!(nft.usage_of(mac).unwrap().unwrap().session, SessionId(2));
    assert_eq!(down_of(&mut nft, mac), Bytes(20));
}

/// A device that makes addresses up fills what the kernel learns; that keeps nobody else out.
#[test]
fn a_full_set_of_learned_addresses_keeps_nobody_out() {
    let (space, mut nft) = installed("full", &base());
    let made_up = |n: u32| IpAddr::from((0x0b00_0000 + n).to_be_bytes()).to_string();
    for set in ["learned4", "fresh4"] {
        let keys = (0..16_384).map(made_up).collect::<Vec<_>>().join(", ");
        space.nft(&format!("add element inet lango {set} {{ {keys} }}"));
    }
    let mac = device(1);
    let pass = Pass::Granted(granted(1));
    change(&mut nft, mac, Some(pass), &at_home(&[(mac, 11)]));
    nft.settle(&at_home(&[(mac, 12)]), &[(mac, pass)].into(), NOW).unwrap();
    assert_eq!(nft.homes_of(mac), [at(11), at(12)].into());
}

#[test]
fn a_phone_that_takes_a_new_address_every_day_keeps_those_it_has() {
    let (_space, mut nft) = installed("days", &base());
    let mac = device(1);
    let passes = OrdMap::from([(mac, Pass::Granted(granted(1)))]);
    change(&mut nft, mac, Some(passes[&mac]), &Homes::new());
    for day in 1..60 {
        let homes = at_home(&[(mac, day)]);
        nft.make_room(&homes, &passes, NOW).unwrap();
        nft.settle(&homes, &passes, NOW).unwrap();
        assert!(nft.homes_of(mac).contains(&at(day)), "day {day}");
        assert!(nft.homes_of(mac).len() <= 32, "day {day}");
    }
}

/// Prints what one guest costs among five thousand.
#[test]
fn one_among_five_thousand_is_admitted_without_a_look_at_the_others() {
    let base = Base { max_clients: 5000, ..base() };
    let (_space, mut nft) = installed("bench", &base);
    let pass = |n: u32, bits| {
        let cap = DataCap { total: Some(Bytes(1_000_000_000)), ..DataCap::default() };
        let rate = Some(Bps(bits));
        Pass::Granted(Grant { cap, down: rate, up: rate, ..granted(u64::from(n)) })
    };
    let home = |n: u32| IpAddr::from((0x0a4d_0000 + n).to_be_bytes());
    let passes = (0..5000).map(|n| (device(n), pass(n, 8_000_000))).collect::<OrdMap<_, _>>();
    let homes = (0..5000).map(|n| (device(n), [home(n)].into())).collect::<Homes>();
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("5,000 devices, {what}: {:?}", start.elapsed());
    };
    timed("installed", &mut || {
        let all = Desired { homes: homes.clone(), ..desired(passes.clone()) };
        nft.install(&base, &all, NOW).unwrap();
    });
    timed("usage", &mut || assert_eq!(nft.usage().unwrap().len(), 5000));
    timed("same again", &mut || {
        let all = passes.iter().map(|(mac, pass)| (*mac, Some(*pass))).collect();
        nft.change(&all, &Homes::new(), NOW).unwrap();
    });
    timed("another speed for all", &mut || {
        let all = (0..5000).map(|n| (device(n), Some(pass(n, 4_000_000)))).collect();
        nft.change(&all, &Homes::new(), NOW).unwrap();
    });
    let one = |nft: &mut Nft, pass: Option<Pass>| {
        let start = Instant::now();
        nft.change(&[(device(6000), pass)].into(), &[(device(6000), [home(6000)].into())].into(), NOW)
            .unwrap();
        start.elapsed()
    };
    let mut times: Vec<_> =
        (0..100).map(|_| (one(&mut nft, Some(pass(6000, 8_000_000))), one(&mut nft, None))).collect();
    times.sort_unstable();
    println!("one admitted and let go: {:?} (median of 100)", times[50]);
    assert!(times[50].0 < Duration::from_millis(100), "{:?}", times[50]);
}
