//! Conntrack: the flows of one device are cut, and nobody else's.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use lango::neigh::{Conntrack, Marked};

use super::harness::{ECHO, Lab, Phone};

fn open_flows(lab: &Lab, phone: &Phone) -> Vec<TcpStream> {
    lab.world.both(ECHO).into_iter().map(|to| spoken(phone.tcp(to).unwrap())).collect()
}

fn spoken(mut stream: TcpStream) -> TcpStream {
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
}

/// How many TCP flows the gateway follows that have this address at an end.
fn followed(lab: &Lab, address: IpAddr) -> usize {
    let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    let listed = lab.gateway.must("conntrack", &["-L", "-f", family, "-p", "tcp"]);
    listed.lines().filter(|line| line.contains(&format!("={address} "))).count()
}

#[test]
fn only_the_flows_of_the_given_addresses_are_cut() {
    let lab = Lab::new(2);
    // Connections are only followed where somebody asks for it.
    lab.gateway
        .nft("table inet follow { chain c { type filter hook forward priority 0; ct state new accept; }; }");
    let [first, second] = [&lab.phones[0], &lab.phones[1]];
    let held = (open_flows(&lab, first), open_flows(&lab, second));
    let counts = || [first.v4, first.v6, second.v4, second.v6].map(|address| followed(&lab, address));
    assert_eq!(counts(), [1, 1, 1, 1]);

    let mut conntrack = lab.gateway.enter(|| Conntrack::open().unwrap());
    assert_eq!(conntrack.cut(&[first.v4, first.v6], Marked::With(1)).unwrap(), 0, "none is marked");
    let mut cut = |addresses: &[IpAddr]| conntrack.cut(addresses, Marked::Without(1)).unwrap();
    assert_eq!(cut(&[]), 0, "without an address nothing is cut");
    assert_eq!(cut(&["10.77.9.9".parse().unwrap(), "fd77::9".parse().unwrap()]), 0);
    assert_eq!(counts(), [1, 1, 1, 1]);

    let IpAddr::V4(v4) = first.v4 else { unreachable!() };
    assert!(cut(&[IpAddr::V6(v4.to_ipv6_mapped())]) >= 1);
    assert_eq!(counts(), [0, 1, 1, 1], "an IPv4 address in IPv6 clothes");
    assert!(cut(&[second.v6, first.v6]) >= 2);
    assert_eq!(counts(), [0, 0, 1, 0]);
    drop(held);
}
