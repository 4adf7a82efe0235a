//! What passes: the rules asked with packets, without the daemon that loads them.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use lango::domain::Mac;
use lango::neigh::{Conntrack, Marked};
use lango::nft::{Desired, Homes, Nft, Route};

use super::harness::{DOWNLOAD, ECHO, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Phone, Stream, UDP_ECHO};
use super::{NOW, base, desired, eventually, lasting, until};

/// Answers whatever is sent, as often as it is, on connections that stay open.
fn serve(lab: &Lab, port: u16, answer: &'static str) {
    let listener = lab.gateway.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
    // The thread is the listener's; it ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer_all(stream, answer));
        }
    });
}

fn answer_all(mut stream: TcpStream, answer: &str) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Sends each datagram back from the responder's port, with the address it came to.
fn respond(lab: &Lab) {
    for address in [GATEWAY_V4, GATEWAY_V6.parse().unwrap()] {
        let socket = lab.gateway.enter(|| UdpSocket::bind((address, 2053)).unwrap());
        // As above.
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let _ = socket.send_to(&query[..length], from);
            }
        });
    }
}

const TO_PORTAL: &str = "HTTP/1.1 302 Found\r\nLocation: http://10.77.0.1:2080/\r\nContent-Length: 0\r\n\r\n";

fn lab(phones: usize) -> (Lab, Nft) {
    let lab = Lab::new(phones);
    serve(&lab, 2080, TO_PORTAL);
    respond(&lab);
    let mut nft = lab.gateway.enter(|| Nft::open().unwrap());
    nft.install(&base(), &Desired::default(), NOW).unwrap();
    (lab, nft)
}

fn mac(phone: &Phone) -> Mac {
    phone.mac.parse().unwrap()
}

fn homes(phone: &Phone) -> Homes {
    Homes::from([(mac(phone), [phone.v4, phone.v6].into())])
}

fn admit(nft: &mut Nft, phone: &Phone) {
    nft.change(&[(mac(phone), Some(lasting(600)))].into(), &homes(phone), NOW).unwrap();
}

fn evict(nft: &mut Nft, phone: &Phone) {
    nft.change(&[(mac(phone), None)].into(), &Homes::new(), NOW).unwrap();
}

/// A query for the address of a name: it only has to be answered.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x05lango\x04test\0\0\x01\0\x01";

fn asks_dns(phone: &Phone, to: SocketAddr) -> bool {
    let socket = phone.udp(to).unwrap();
    socket.send(QUERY).unwrap();
    let mut answer = [0; 512];
    socket.recv(&mut answer).is_ok_and(|length| length > 12 && answer[..2] == QUERY[..2])
}

fn gateways(port: u16) -> [SocketAddr; 2] {
    [SocketAddr::new(GATEWAY_V4, port), SocketAddr::new(GATEWAY_V6.parse().unwrap(), port)]
}

/// What holds for every guest, online or not.
fn assert_gateway_is_as_for_all(phone: &Phone) {
    for to in gateways(80) {
        assert_eq!(phone.get(to, "wifi.lango", "/").unwrap().status, 302, "{to} is the portal");
    }
    for to in gateways(2080) {
        assert_eq!(phone.get(to, "wifi.lango", "/").unwrap().status, 302);
    }
    for to in gateways(22) {
        assert!(phone.try_tcp(to).refused_fast(), "{to}");
    }
    for to in gateways(161) {
        assert!(phone.try_udp(to).refused_fast(), "{to}");
    }
    for to in gateways(53) {
        assert!(asks_dns(phone, to), "{to}");
    }
    for to in [GATEWAY_V4.to_string(), GATEWAY_V6.to_string()] {
        phone.space.must("ping", &["-c", "1", "-W", "2", &to]);
    }
    let uplink = "192.0.2.2:22".parse().unwrap();
    assert!(phone.try_tcp(uplink).refused_fast(), "the gateway's other addresses are the gateway");
}

#[test]
fn an_unpaid_phone_is_held_with_and_without_a_route() {
    let (lab, mut nft) = lab(2);
    serve(&lab, 22, "ssh");
    let [unpaid, paid] = [&lab.phones[0], &lab.phones[1]];
    admit(&mut nft, paid);
    for routes in ["with a default route", "without one"] {
        if routes == "without one" {
            lab.drop_default_routes();
            nft.set_route(&base(), Route::Missing).unwrap();
        }
        unpaid.assert_held(&lab.world);
        for to in lab.world.both(53) {
            assert!(asks_dns(unpaid, to), "{routes}: any resolver is the gateway's: {to}");
        }
        let out = unpaid.space.output("ping", &["-c", "1", "-W", "1", "203.0.113.80"]);
        assert!(!out.status.success());
        assert_gateway_is_as_for_all(unpaid);
        assert_gateway_is_as_for_all(paid);
    }
}

#[test]
fn a_paid_phone_is_open_until_it_is_not() {
    let (lab, mut nft) = lab(2);
    let [paid, unpaid] = [&lab.phones[0], &lab.phones[1]];
    admit(&mut nft, paid);
    assert!(paid.is_open(&lab.world));
    unpaid.assert_held(&lab.world);
    evict(&mut nft, paid);
    paid.assert_held(&lab.world);
}

#[test]
fn a_held_phone_gets_its_addresses_and_others_are_not_held() {
    let (mut lab, _nft) = lab(0);
    let phone = lab.add_phone_by_dhcp().clone();
    phone.assert_held(&lab.world);
    assert_gateway_is_as_for_all(&phone);
    // By its link-local address the gateway is the gateway too.
    let listed = lab.gateway.must("ip", &["-6", "-o", "addr", "show", "dev", "br-guest", "scope", "link"]);
    let address = listed.split([' ', '/']).find(|word| word.starts_with("fe80:")).unwrap();
    phone.space.must("ping", &["-c", "1", "-W", "2", &format!("{address}%eth0")]);
    // The gateway speaks to its guests, and to the world, as before.
    for to in [phone.v4.to_string(), phone.v6.to_string(), "203.0.113.80".into()] {
        lab.gateway.must("ping", &["-c", "1", "-W", "2", &to]);
    }
    lab.world.space.must("ping", &["-c", "1", "-W", "2", "192.0.2.2"]);
}

#[test]
fn the_end_of_time_closes_open_flows_without_a_daemon() {
    let (lab, mut nft) = lab(1);
    let phone = &lab.phones[0];
    admit(&mut nft, phone);
    let mut downloads: Vec<_> =
        lab.world.both(DOWNLOAD).into_iter().map(|to| phone.tcp(to).unwrap()).collect();
    let mut idle: Vec<_> = lab.world.both(ECHO).into_iter().map(|to| phone.tcp(to).unwrap()).collect();
    for stream in &mut downloads {
        stream.read_exact(&mut [0; 100_000]).unwrap();
    }
    let soon = until(Some(NOW.plus(Duration::from_millis(300))));
    nft.change(&[(mac(phone), Some(soon))].into(), &homes(phone), NOW).unwrap();
    drop(nft); // nobody is there any more
    let start = Instant::now();
    for stream in &mut downloads {
        while stream.read(&mut [0; 100_000]).is_ok_and(|read| read > 0) {
            assert!(start.elapsed() < Duration::from_secs(2), "a download goes on after the end");
        }
    }
    for stream in &mut idle {
        let dead = stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut [0; 4]));
        assert!(dead.is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn nothing_comes_down_that_a_paid_device_did_not_begin() {
    let (lab, mut nft) = lab(1);
    let phone = &lab.phones[0];
    // IPv6 has no translation that would keep strangers out.
    let there = SocketAddr::new(phone.v6, 4000);
    let phone_socket = phone.space.enter(|| UdpSocket::bind(there).unwrap());
    phone_socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let stranger = lab.world.space.enter(|| UdpSocket::bind((lab.world.v6, 4001)).unwrap());
    for paid in [false, true] {
        if paid {
            admit(&mut nft, phone);
        }
        stranger.send_to(b"hello", there).unwrap();
        assert!(phone_socket.recv(&mut [0; 9]).is_err(), "paid: {paid}");
    }
    phone_socket.send_to(b"hello", (lab.world.v6, 4001)).unwrap();
    eventually("an answer", || {
        stranger.send_to(b"hello", there).unwrap();
        phone_socket.recv(&mut [0; 9]).is_ok()
    });
    evict(&mut nft, phone);
    // The first packet of the guest closes the way down as well.
    phone_socket.send_to(b"hello", (lab.world.v6, 4001)).unwrap();
    eventually("closed", || {
        stranger.send_to(b"hello", there).unwrap();
        phone_socket.recv(&mut [0; 9]).is_err()
    });
}

#[test]
fn a_connection_that_was_intercepted_is_freed_by_cutting_it() {
    let (lab, mut nft) = lab(1);
    let phone = &lab.phones[0];
    let request = b"GET / HTTP/1.1\r\nHost: world.test\r\n\r\n";
    for to in lab.world.both(HTTP) {
        let mut stream = phone.tcp(to).unwrap();
        let mut answer = [0; 512];
        stream.write_all(request).unwrap();
        assert!(stream.read(&mut answer).unwrap() > 0 && answer.starts_with(b"HTTP/1.1 302"));
        admit(&mut nft, phone);
        stream.write_all(request).unwrap();
        assert!(stream.read(&mut answer).unwrap() > 0, "it stays with the portal");
        assert!(phone.get(to, "world.test", "/").unwrap().status == 200, "new ones go out");
        let mut conntrack = lab.gateway.enter(|| Conntrack::open().unwrap());
        let address = if to.is_ipv4() { phone.v4 } else { phone.v6 };
        let mut fresh = phone.tcp(lab.world.both(ECHO)[usize::from(to.is_ipv6())]).unwrap();
        assert!(conntrack.cut(&[address], Marked::Without(base().mark)).unwrap() > 0);
        fresh.write_all(b"?").and_then(|()| fresh.read_exact(&mut [0])).expect("what it began since lives");
        let start = Instant::now();
        let dead = stream.write_all(request).and_then(|()| stream.read(&mut answer));
        assert!(!dead.is_ok_and(|read| read > 0), "it is dead, and the phone knows it");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        evict(&mut nft, phone);
    }
}

#[test]
fn a_connection_of_the_paid_time_does_not_become_a_visit_to_the_portal() {
    let (lab, mut nft) = lab(1);
    let phone = &lab.phones[0];
    admit(&mut nft, phone);
    let mut streams: Vec<_> = lab.world.both(HTTP).into_iter().map(|to| phone.tcp(to).unwrap()).collect();
    evict(&mut nft, phone);
    lab.drop_default_routes();
    nft.set_route(&base(), Route::Missing).unwrap();
    for stream in &mut streams {
        let start = Instant::now();
        let dead = stream.write_all(b"GET / ").and_then(|()| stream.read(&mut [0; 9]));
        assert!(dead.is_err(), "{dead:?}");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    }
}

/// Packets lost of a paid phone while restarted daemons take over the table, with what `replacing` adds to a
/// port of its base.
fn lost_over(turns: u16, replacing: fn(u16) -> u16) -> u64 {
    let (lab, mut nft) = lab(1);
    let phone = &lab.phones[0];
    admit(&mut nft, phone);
    let desired = Desired { homes: homes(phone), ..desired([(mac(phone), lasting(600))]) };
    let mut lost = 0;
    for version in [4, 6] {
        let stream = Stream::start(phone, &lab.world, version, Duration::from_millis(1));
        for turn in 0..turns {
            let mut base = base();
            base.portal_port += replacing(turn);
            let mut restarted = lab.gateway.enter(|| Nft::open().unwrap());
            restarted.adopt_or_install(&base, &desired, NOW).unwrap();
            let other = [(Mac::new([2, 9, 9, 9, 9, 9]), Some(lasting(9)))].into();
            restarted.change(&other, &Homes::new(), NOW).unwrap();
            stream.flow(10);
        }
        let (sent, came) = stream.finish(&lab.world);
        assert!(sent > 300);
        lost += sent - came.len() as u64;
    }
    lost
}

#[test]
fn no_packet_of_a_paid_phone_is_lost_while_the_table_is_adopted() {
    assert_eq!(lost_over(60, |_| 0), 0);
}

/// When a table is deleted, the kernel takes the elements of its maps away from a packet that is on its way
/// through the old rules: on a busy machine one is lost now and then, but never a row of them.
#[test]
fn at_most_a_packet_on_its_way_is_lost_while_the_table_is_replaced() {
    let turns = 60;
    let lost = lost_over(turns, |turn| turn % 2);
    assert!(lost <= u64::from(turns) / 2, "{lost} in {turns} replacements of each family");
}

#[test]
fn udp_of_a_held_phone_is_answered_by_a_refusal_each_family() {
    let (lab, _nft) = lab(1);
    let phone = &lab.phones[0];
    for to in lab.world.both(UDP_ECHO) {
        let socket = phone.udp(to).unwrap();
        socket.send(b"ping").unwrap();
        let error = socket.recv(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{to}");
    }
}
