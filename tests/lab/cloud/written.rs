//! What is written down, and shown to who only looks: nothing that is a guest's, but where the inventory of the store
//! (`src/store/inventory.json`) says so.

use std::fs;
use std::net::SocketAddr;

use lango::wire::dns::Kind;
use serde_json::json;

use super::Site;
use crate::harness::{GATEWAY_V4, HTTP, Over, Phone, ask, pin_hash};

const PHONE: &str = "+255712345678";
const PAID: &str = "DFJ9B1FPQ8";
const CLAIMED: &str = "NLJ7RT61SV";
/// What the page never asks for and somebody types all the same; without its dashes.
const CARD: &str = "3782-822463-10005";
const CARD_DIGITS: &str = "378282246310005";
/// What a phone calls itself, and where its guest goes.
const HOST_NAME: &str = "simu-ya-mwanaidi";
const NAME: &str = "clinic.example";
const PATH: &str = "/results-of-the-test";

/// A busy site, and whatever guests typed there.
fn busy(site: &mut Site, code: &str) -> Vec<String> {
    site.browser(0).must_login(code);
    site.browser(1).must_login(PAID);
    assert_eq!(site.browser(2).submit(&[("code", "mwanaidi"), ("pin", "86420")]).status, 303);
    assert_eq!(site.browser(2).login(CLAIMED).status, 202);
    let asked = site.cloud.requests("/lookup").len();
    assert_eq!(site.browser(2).login(CARD).status, 403, "it is not waited for");
    assert_eq!(site.browser(2).submit(&[("phone", CARD)]).status, 403);
    assert_eq!(site.cloud.requests("/lookup").len(), asked, "the cloud does not hear of a card");
    assert_eq!(site.browser(2).submit(&[("phone", PHONE)]).status, 403);
    let otp = site.cloud.tell("otp", json!([PHONE]), json!({})).as_str().unwrap().to_owned();
    assert_eq!(site.browser(2).submit(&[("phone", PHONE), ("otp", &otp)]).status, 303);
    site.cloud.fault("status", json!(500), "feed");
    site.cloud.command("kick", json!({ "mac": site.lab.phones[1].mac }));
    site.cloud.mend();
    site.cloud.hears("done", 2);

    let token = fs::read_to_string(site.cloud.path("token")).unwrap();
    let run_together: String = code.split(' ').collect();
    let typed = [
        token.trim(),
        code,
        &run_together,
        PAID,
        CLAIMED,
        CARD,
        CARD_DIGITS,
        "mwanaidi",
        "Mwanaidi",
        "86420",
        PHONE,
        "712345678",
        &otp,
    ];
    typed.map(str::to_owned).into()
}

fn site() -> (Site, String) {
    let mut codes = Vec::new();
    let site = Site::new(3, |cloud| {
        codes = cloud.vouchers(1);
        cloud.paid(PAID, "hour", json!({}));
        cloud.tell("account", json!(["Mwanaidi", "hour", pin_hash("86420")]), json!({}));
        cloud.tell("phone", json!([PHONE, "hour"]), json!({}));
    });
    (site, codes.remove(0))
}

/// A phone that says its name, and whose guest wants a page before and after paying.
fn wanders(site: &mut Site, code: &str) {
    let phone = site.lab.add_phone_by_dhcp_as(HOST_NAME).clone();
    let looks = |phone: &Phone| {
        ask(phone, (GATEWAY_V4, 53).into(), Over::Udp, NAME, Kind::A);
        let page = phone.get(site.lab.world.both(HTTP)[0], NAME, PATH);
        page.map(|page| page.status).ok()
    };
    assert_eq!(looks(&phone), Some(302), "to the portal");
    assert_eq!(crate::harness::Browser::of(&phone).login(code).status, 409, "another phone has it");
    let at_portal: SocketAddr = (GATEWAY_V4, 80).into();
    assert!(phone.get(at_portal, NAME, PATH).is_ok());
}

/// The log, and each file of the state directory.
fn written(site: &Site) -> Vec<(String, Vec<u8>)> {
    let mut places = vec![("the log".to_owned(), site.daemon.log().into_bytes())];
    for file in fs::read_dir(site.daemon.state()).unwrap().map(Result::unwrap) {
        places.push((file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap()));
    }
    assert!(places.iter().any(|(name, bytes)| name.starts_with("lango.db") && bytes.len() > 4096));
    places
}

/// What operators and their machines look at without asking for a guest.
fn shown(site: &Site) -> Vec<(String, Vec<u8>)> {
    let asked: [&[&str]; 6] =
        [&["metrics"], &["doctor"], &["doctor", "--json"], &["status"], &["status", "--json"], &["audit"]];
    let say = |words: &[&str]| {
        let ended = site.daemon.cli(words);
        assert!(!ended.out.is_empty(), "lango {words:?}: {ended:?}");
        (format!("lango {}", words.join(" ")), ended.out.into_bytes())
    };
    asked.map(say).into()
}

fn assert_none_in(places: &[(String, Vec<u8>)], secrets: &[String]) {
    for (place, bytes) in places {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {place}");
        }
    }
}

/// What the log and the database hold is read by people who should not know whose it was.
#[test]
fn nothing_that_is_a_guests_is_written_down_in_the_clear() {
    let (mut site, code) = site();
    site.daemon.kill();
    site.daemon.logs_everything();
    site.daemon.run();
    let typed = busy(&mut site, &code);
    assert!(site.daemon.log().contains("\ndebug: "), "it says all that it can say");
    assert_none_in(&written(&site), &typed);
}

#[test]
fn nobody_who_only_looks_sees_a_guest_and_where_guests_go_is_written_nowhere() {
    let (mut site, code) = site();
    let typed = busy(&mut site, &code);
    wanders(&mut site, &code);
    let gone = [HOST_NAME, NAME, "clinic", PATH].map(str::to_owned);
    let lease = fs::read_to_string(site.lab.folder().join("leases")).unwrap_or_default();
    assert!(lease.contains(HOST_NAME), "the gateway's DHCP server heard the name: {lease}");
    let (written, shown) = (written(&site), shown(&site));
    for secrets in [&typed[..], &gone] {
        assert_none_in(&written, secrets);
        assert_none_in(&shown, secrets);
    }
    // Devices are in the store, but sealed, while they are online.
    let macs: Vec<_> = site.lab.phones.iter().map(|phone| phone.mac.clone()).collect();
    assert!(!site.daemon.sessions().is_empty());
    assert_none_in(&written, &macs);
    assert_none_in(&shown, &macs);
    for mac in &macs {
        assert_eq!(site.daemon.files_with(mac), [""; 0]);
    }
}
