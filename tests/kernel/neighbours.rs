//! Who is behind an address, and what happens to interfaces.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use lango::domain::Mac;
use lango::neigh::{LinkWatch, NeighbourNews, NeighbourWatch, Neighbours, Place, Sighting};
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

/// Waits for news that `wanted` likes.
async fn hear<T>(watch: &mut NeighbourWatch, wanted: impl Fn(NeighbourNews) -> Option<T>) -> T {
    let heard = async {
        loop {
            if let Some(found) = watch.next().await.unwrap().into_iter().find_map(&wanted) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3), heard).await.expect("news in time")
}

#[test]
fn who_is_seen_with_an_address_is_told_and_whether_that_was_proved() {
    let lab = Lab::new(2);
    let [asking, asked] = [&lab.phones[0], &lab.phones[1]];
    lab.gateway.enter(|| {
        block_on(async {
            let guests = if_nametoindex(BRIDGE).unwrap();
            let mut watch = NeighbourWatch::open().unwrap();
            asking.space.must("ping", &["-c", "1", "-W", "2", "10.77.0.1"]);
            asking.space.must("ping", &["-c", "1", "-W", "2", "fd77::1"]);
            for address in [asked.v4, asked.v6] {
                lab.gateway.must("ping", &["-c", "1", "-W", "2", &address.to_string()]);
            }
            for (phone, address, proved) in [
                (asking, asking.v4, false),
                (asking, asking.v6, false),
                (asked, asked.v4, true),
                (asked, asked.v6, true),
            ] {
                let found = hear(&mut watch, |news| match news {
                    NeighbourNews::Seen(seen) => (seen.address == address).then_some(seen),
                    NeighbourNews::Moved(_) | NeighbourNews::Lost => None,
                });
                let Sighting { mac: of, interface, proved: age, .. } = found.await;
                assert_eq!((of, interface), (mac(phone), guests));
                assert_eq!(age.unwrap() < Duration::from_secs(1), proved, "{address}: {age:?}");
            }
        });
    });
}

#[test]
fn a_device_that_shows_up_at_another_port_is_told() {
    let lab = Lab::new(2);
    let [phone, other] = [&lab.phones[0], &lab.phones[1]];
    phone.space.must("ping", &["-c", "1", "-W", "2", "10.77.0.1"]);
    lab.gateway.enter(|| {
        block_on(async {
            let [guests, second] = [BRIDGE, "port2"].map(|name| if_nametoindex(name).unwrap());
            let mut watch = NeighbourWatch::open().unwrap();
            other.space.ip(&format!("link set eth0 address {}", phone.mac));
            other.space.must("ping", &["-c", "1", "-W", "2", "10.77.0.1"]);
            let found = hear(&mut watch, |news| match news {
                NeighbourNews::Moved(place) => (place.mac == mac(phone)).then_some(place),
                NeighbourNews::Seen(_) | NeighbourNews::Lost => None,
            });
            let expected = Place { mac: mac(phone), port: second, bridge: guests, vlan: None };
            assert_eq!(found.await, expected);
        });
    });
}

#[test]
fn news_that_nobody_fetched_are_said_to_be_lost() {
    let space = Netns::new("lost");
    space.ip("link add eth0 type bridge\nlink set eth0 up\naddr add 10.77.0.1/16 dev eth0");
    space.enter(|| {
        block_on(async {
            let mut watch = NeighbourWatch::open().unwrap();
            let batch = |n: u32| {
                format!(
                    "neigh add 10.77.{}.{} lladdr 02:00:00:00:00:01 dev eth0 nud stale\n\
                neigh del 10.77.{0}.{1} dev eth0\n",
                    1 + n / 250,
                    1 + n % 250
                )
            };
            space.ip(&(0..2500).map(batch).collect::<String>());
            hear(&mut watch, |news| (news == NeighbourNews::Lost).then_some(())).await;
            space.ip("neigh add 10.77.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud stale");
            let seen =
                |news| matches!(news, NeighbourNews::Seen(seen) if seen.address.to_string() == "10.77.0.9");
            hear(&mut watch, move |news| seen(news).then_some(())).await;
        });
    });
}
