//! Quiet devices: who sleeps stays online, who left is closed, and nothing of what it had left is lost.

use std::time::{Duration, Instant};

use crate::harness::{Browser, Daemon, Lab, Phone, Settings, wait_until};

const IDLE: Duration = Duration::from_secs(6);

#[test]
fn who_is_quiet_stays_and_who_has_left_is_closed_with_its_rest() {
    let lab = Lab::new(4);
    let [silent4, silent6, both, leaving] = &lab.phones[..] else { unreachable!() };
    let plan = [("metered", "1h"), ("idle_timeout", "6s")];
    let daemon = Daemon::start(&lab, &Settings::default().plan("hour", &plan));
    let codes = daemon.vouchers("hour", 4);
    let from = Instant::now();
    for (phone, code) in lab.phones.iter().zip(&codes) {
        Browser::of(phone).must_login(code);
        assert!(phone.is_open(&lab.world), "each has used both families");
    }
    // It is awake for neighbour discovery only, the next one for ARP only.
    silent4.space.ip(&format!("addr del {}/20 dev eth0", silent4.v4));
    silent6.space.sysctl("ipv6/conf/eth0/disable_ipv6", "1");
    leaving.space.ip("link set eth0 down");

    wait_until("the one that left to be closed", 3 * IDLE, || daemon.session(&leaving.mac).is_none());
    let took = from.elapsed();
    assert!(took > IDLE && took < IDLE + Duration::from_secs(8), "{took:?}");
    let left = || daemon.json(&["voucher", "show", &codes[3]])["seconds_left"].as_u64().expect("a number");
    let rest = left();
    assert!(rest >= 3600 - took.as_secs() - 1, "{rest}");

    // The others are asked a second time meanwhile.
    std::thread::sleep((2 * IDLE + Duration::from_secs(5)).saturating_sub(from.elapsed()));
    for phone in [silent4, silent6, both] {
        assert!(daemon.session(&phone.mac).is_some(), "{} was there all the time", phone.mac);
    }
    assert_eq!(left(), rest, "nobody uses it");

    come_back(leaving);
    // Its first packets may be lost while the link comes up.
    assert_eq!(Browser::of(leaving).get("/").status, 200);
    leaving.assert_held(&lab.world);
    Browser::of(leaving).must_login(&codes[3]);
    assert!(leaving.is_open(&lab.world));
}

fn come_back(phone: &Phone) {
    phone.space.ip(&format!(
        "link set eth0 up\naddr replace {}/64 dev eth0 nodad\nroute replace default via 10.77.0.1\n\
         route replace default via fd77::1 dev eth0",
        phone.v6
    ));
}
