//! Who is behind an address, and what happens to interfaces.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use lango::domain::Mac;
use lango::neigh::{LinkWatch, Neighbours};
use nix::net::if_::if_nametoindex;

use super::block_on;
use super::harness::{BRIDGE, Lab, Netns, Phone};

fn mac(phone: &Phone) -> Mac {
    phone.mac.parse().unwrap()
}

#[test]
fn a_device_is_known_by_each_of_its_addresses() {
    let lab = Lab::new(2);
    lab.gateway.enter(|| {
        let guests = if_nametoindex(BRIDGE).unwrap();
        let uplink = if_nametoindex("wan0").unwrap();
        let neighbours = Neighbours::open().unwrap();
        for phone in &lab.phones {
            for address in [phone.v4, phone.v6] {
                assert_eq!(neighbours.lookup(guests, address).unwrap(), None, "nothing was said yet");
                assert_eq!(
                    block_on(neighbours.resolve(guests, address)).unwrap(),
                    Some(mac(phone)),
                    "probed"
                );
                assert_eq!(neighbours.lookup(guests, address).unwrap(), Some(mac(phone)));
                assert_eq!(neighbours.lookup(uplink, address).unwrap(), None, "on that link only");
            }
            let IpAddr::V4(v4) = phone.v4 else { unreachable!() };
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            assert_eq!(neighbours.lookup(guests, mapped).unwrap(), Some(mac(phone)));
            let mut addresses = neighbours.addresses(mac(phone)).unwrap();
            addresses.retain(|address| *address == phone.v4 || *address == phone.v6);
            assert_eq!(addresses.len(), 2);
        }
    });
}

#[test]
fn nobody_answers_for_an_address_that_nobody_has() {
    let lab = Lab::new(1);
    lab.gateway.enter(|| {
        let guests = if_nametoindex(BRIDGE).unwrap();
        let neighbours = Neighbours::open().unwrap();
        for address in ["10.77.3.3", "fd77::3:3"] {
            let address = address.parse().unwrap();
            let start = Instant::now();
            assert_eq!(block_on(neighbours.resolve(guests, address)).unwrap(), None);
            assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
            assert_eq!(
                neighbours.lookup(guests, address).unwrap(),
                None,
                "incomplete or failed is not known"
            );
        }
        // Groups stand in the table too, with addresses nobody chose.
        let multicast: SocketAddr = "[ff02::1]:9".parse().unwrap();
        assert_eq!(neighbours.lookup(guests, multicast.ip()).unwrap(), None);
    });
}

#[test]
fn changes_of_links_are_told() {
    let space = Netns::new("links");
    space.ip("link add other type bridge\nlink add eth0 type veth peer name peer");
    space.enter(|| {
        block_on(async {
            let mut watch = LinkWatch::open().unwrap();
            for (commands, told) in [
                ("link set eth0 up", true),
                ("addr add 10.77.0.1/20 dev eth0", false),
                ("link add br-guest type bridge", true),
                ("link set br-guest name br-other", true),
                ("link del br-other", true),
            ] {
                // Links go on changing by themselves for a while, such as to their running state.
                while tokio::time::timeout(Duration::from_millis(50), watch.changed()).await.is_ok() {}
                space.ip(commands);
                let heard = tokio::time::timeout(Duration::from_millis(200), watch.changed()).await;
                assert_eq!(heard.is_ok(), told, "{commands}");
            }
        });
    });
}
