//! Whose an address is: nobody writes in the name of who has paid, and who comes to an address after a guest
//! is not taken for a forger.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use crate::harness::packet::{ACK, ICMP, ICMPV6, Ip, PSH, SYN, TCP, UDP, tcp, udp};
use crate::harness::raw::Cable;
use crate::harness::tap::{Frame, Tap};
use crate::harness::{
    Browser, DOWNLOAD, Daemon, ECHO, GATEWAY_V4, GATEWAY_V6, Lab, Phone, Settings, UDP_ECHO, portal_v4,
    wait_until,
};

/// From a phone's first word to the portal's answer.
const AT_LAST: Duration = Duration::from_secs(2);

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

/// Waits until the gateway knows where `phone`, which is online, lives.
fn until_known(lab: &Lab, phone: &Phone) {
    for (set, address) in [("taken4", phone.v4), ("taken6", phone.v6)] {
        let known =
            || lab.gateway.nft_list(&["list", "set", "inet", "lango", set]).contains(&address.to_string());
        wait_until("the gateway to know where a phone lives", Duration::from_secs(2), known);
    }
}

/// Has `forger` write in the name of `victim` whatever is answered or refused: the last is what an open
/// socket of the victim would send.
fn forge(forger: &Phone, victim: &Phone, lab: &Lab, ports: [[u16; 2]; 2]) {
    let cable = Cable::of(forger);
    let gateway = |v6: bool| if v6 { GATEWAY_V6.parse().unwrap() } else { GATEWAY_V4 };
    for (own, world, [tcp_port, udp_port]) in
        [(victim.v4, lab.world.v4, ports[0]), (victim.v6, lab.world.v6, ports[1])]
    {
        for to in [world, gateway(own.is_ipv6())] {
            let ip = Ip::new(own, to);
            for port in [22, 80, 443, 2080, ECHO, DOWNLOAD] {
                for flags in [SYN, ACK, ACK | PSH] {
                    cable.send(&ip.carry(TCP, &tcp(&ip, tcp_port, port, flags, b"forged")));
                }
            }
            for port in [123, 443, UDP_ECHO] {
                cable.send(&ip.carry(UDP, &udp(&ip, udp_port, port, b"forged")));
            }
        }
    }
}

#[test]
fn who_forges_the_address_of_a_paid_guest_disturbs_nothing() {
    let lab = Lab::new(2);
    lab.tell_of_every_refusal();
    let daemon = Daemon::start(&lab, &settings());
    let [victim, forger] = [&lab.phones[0], &lab.phones[1]];
    Browser::of(victim).must_login(&daemon.voucher("hour"));
    assert!(victim.is_open(&lab.world));
    until_known(&lab, victim);
    let mut streams = lab.world.both(ECHO).map(|to| victim.tcp(to).unwrap());
    let sockets = lab.world.both(UDP_ECHO).map(|to| victim.udp(to).unwrap());
    let ports =
        [0, 1].map(|n| [streams[n].local_addr(), sockets[n].local_addr()].map(|at| at.unwrap().port()));
    let mut speak = |when: &str| {
        for stream in &mut streams {
            let spoken = stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut [0; 4]));
            spoken.unwrap_or_else(|error| panic!("{when}: {stream:?}: {error}"));
        }
        for socket in &sockets {
            let spoken = socket.send(b"ping").and_then(|_| socket.recv(&mut [0; 4]));
            spoken.unwrap_or_else(|error| panic!("{when}: {socket:?}: {error}"));
        }
    };
    speak("before");
    let heard = Tap::on(&victim.space, "eth0");
    forge(forger, victim, &lab, ports);
    // What the forger sends in its own name is refused after all of that.
    assert!(forger.try_tcp(lab.world.both(ECHO)[0]).refused_fast());
    let frames = heard.frames();
    let strange: Vec<&Frame> = frames.iter().filter(|frame| speaks_of_flows(frame)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    speak("after");
}

/// Whether it is of a flow or says that one is refused; neighbours may look for each other.
fn speaks_of_flows(frame: &Frame) -> bool {
    frame.parties().is_some_and(|parties| match parties.protocol {
        ICMPV6 => frame.content()[40] < 128,
        protocol => [ICMP, TCP, UDP].contains(&protocol),
    })
}

#[test]
fn who_comes_to_the_address_that_a_paid_guest_had_is_served_and_the_guest_stays_online() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let [guest, newcomer] = [&lab.phones[0], &lab.phones[1]];
    Browser::of(guest).must_login(&daemon.voucher("hour"));
    lab.introduce(guest);
    until_known(&lab, guest);
    let moves = |phone: &Phone, from: IpAddr, to: IpAddr| {
        phone.space.ip(&format!("addr del {from}/20 dev eth0"));
        phone.space.ip(&format!("addr add {to}/20 dev eth0"));
        phone.space.ip("route replace default via 10.77.0.1 dev eth0");
    };
    let portal = |phone: &Phone| {
        wait_until("the portal to answer", AT_LAST, || {
            phone.get(portal_v4(), &portal_v4().to_string(), "/").is_ok_and(|page| page.status == 200)
        });
    };
    // A lease was forgotten, and the address is given to somebody else.
    moves(guest, guest.v4, newcomer.v4);
    moves(newcomer, newcomer.v4, guest.v4);
    portal(newcomer);
    newcomer.assert_held(&lab.world);
    assert!(guest.is_open(&lab.world));
    assert_eq!(daemon.sessions().len(), 1);
    // Whoever is seen there is the owner again.
    moves(newcomer, guest.v4, newcomer.v4);
    moves(guest, newcomer.v4, guest.v4);
    portal(guest);
    assert!(guest.is_open(&lab.world));
    until_known(&lab, guest);
    portal(newcomer);
    newcomer.assert_held(&lab.world);
}
