//! Whether a device is there: what real phones answer, and what counts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use lango::domain::Mac;
use lango::presence::{Answer, Presence};
use nix::net::if_::if_nametoindex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::block_on;
use super::harness::{BRIDGE, Lab, Phone};

fn probe(lab: &Lab, device: &str, addresses: &[IpAddr]) -> (Answer, Duration) {
    lab.gateway.enter(|| {
        let guests = if_nametoindex(BRIDGE).unwrap();
        let start = Instant::now();
        let presence = Presence::open().unwrap();
        let answer = block_on(presence.probe(guests, mac(device), addresses)).unwrap();
        (answer, start.elapsed())
    })
}

fn mac(device: &str) -> Mac {
    device.parse().unwrap()
}

/// Packet sockets in the namespace of the calling thread.
fn packet_sockets() -> usize {
    std::fs::read_to_string("/proc/thread-self/net/packet").unwrap().lines().count() - 1
}

/// No socket outlives its probe for long: the thread that closes the last one may be a moment behind.
fn assert_no_packet_sockets() {
    let begun = Instant::now();
    while packet_sockets() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{} sockets outlived their probes",
            packet_sockets()
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_phone_that_is_there_answers_at_once_in_either_family() {
    let lab = Lab::new(1);
    let Phone { mac, v4, v6, .. } = &lab.phones[0];
    let unknown = "10.77.3.3".parse().unwrap();
    for addresses in [vec![*v4], vec![*v6], vec![*v4, *v6], vec![unknown, *v6]] {
        let (answer, took) = probe(&lab, mac, &addresses);
        assert_eq!(answer, Answer::Here, "{addresses:?}");
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
    lab.gateway.enter(assert_no_packet_sockets);
}

#[test]
fn a_phone_that_misses_the_first_question_is_asked_again() {
    let lab = Lab::new(1);
    let phone = &lab.phones[0];
    phone.space.ip("link set eth0 down");
    let woken = phone.space.spawn({
        let phone = phone.clone();
        move || {
            std::thread::sleep(Duration::from_millis(1200));
            phone.space.ip("link set eth0 up");
        }
    });
    let (answer, took) = probe(&lab, &phone.mac, &[phone.v4]);
    woken.join().unwrap();
    assert_eq!(answer, Answer::Here);
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_phone_that_is_gone_is_silent_and_nobody_can_answer_for_it() {
    let lab = Lab::new(2);
    let [gone, liar] = [&lab.phones[0], &lab.phones[1]];
    let Phone { mac, v4, v6, .. } = gone;
    gone.space.ip("link set eth0 down");
    // Answers the question that goes to all, with its own MAC.
    liar.space.ip(&format!("addr add {v4}/20 dev eth0\naddr add {v6}/64 dev eth0 nodad"));
    let (answer, took) = probe(&lab, mac, &[*v4, *v6]);
    assert_eq!(answer, Answer::Silent);
    assert!(took > Duration::from_millis(2900) && took < Duration::from_millis(3600), "{took:?}");
    let (answer, _) = probe(&lab, &liar.mac, &[*v4]);
    assert_eq!(answer, Answer::Here, "the address is with the other phone");
}

#[test]
fn who_cannot_be_asked_is_silent_at_once() {
    let lab = Lab::new(1);
    let Phone { mac: device, v4, .. } = &lab.phones[0];
    lab.gateway.enter(|| {
        let guests = if_nametoindex(BRIDGE).unwrap();
        let presence = Presence::open().unwrap();
        block_on(async {
            for (interface, addresses) in [(guests, &[][..]), (9999, &[*v4])] {
                let probe =
                    timeout(Duration::from_millis(200), presence.probe(interface, mac(device), addresses));
                assert_eq!(probe.await.unwrap().unwrap(), Answer::Silent, "{interface} {addresses:?}");
            }
        });
    });
    lab.gateway.ip(&format!("link set {BRIDGE} down"));
    assert_eq!(probe(&lab, device, &[*v4]).0, Answer::Silent, "the interface is down");
}

#[test]
fn few_probes_run_at_once_and_none_holds_up_the_others() {
    let lab = Lab::new(1);
    let Phone { mac: device, v4, .. } = &lab.phones[0];
    lab.gateway.enter(|| {
        let guests = if_nametoindex(BRIDGE).unwrap();
        let presence = std::sync::Arc::new(Presence::open().unwrap());
        block_on(async {
            let mut probes = JoinSet::new();
            for n in 0..31 {
                let (presence, v4) = (std::sync::Arc::clone(&presence), *v4);
                probes.spawn(async move {
                    presence.probe(guests, Mac::new([2, 0, 0, 0, 1, n]), &[v4]).await.unwrap()
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(packet_sockets(), 31);
            let here = timeout(Duration::from_millis(500), presence.probe(guests, mac(device), &[*v4])).await;
            assert_eq!(here.unwrap().unwrap(), Answer::Here);
            for n in 31..40 {
                let (presence, v4) = (std::sync::Arc::clone(&presence), *v4);
                probes.spawn(async move {
                    presence.probe(guests, Mac::new([2, 0, 0, 0, 1, n]), &[v4]).await.unwrap()
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(packet_sockets(), 32, "the others wait");
            assert_eq!(probes.join_all().await, [Answer::Silent; 40]);
            assert_no_packet_sockets();
        });
    });
}
