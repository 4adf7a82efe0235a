//! Guests among themselves, and the services of the gateway: what a guest reaches besides the world, online
//! or not, is its DHCP, names, neighbour discovery, ping and the portal.
//!
//! On every address that the gateway has, for all of them are its own wherever they are bound.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};

use crate::harness::packet::{ACK, Ip, SYN, TCP, UDP, echo, tcp, udp};
use crate::harness::raw::Cable;
use crate::harness::tap::Tap;
use crate::harness::{
    BRIDGE_2, Browser, Daemon, GATEWAY_2_V4, GATEWAY_2_V6, GATEWAY_V4, GATEWAY_V6, Lab, Netns, Phone,
    Settings,
};

fn settings() -> Settings {
    Settings::default().list("interface", BRIDGE_2).plan("hour", &[("metered", "1h")])
}

/// What a phone reaches of another by way of the router: marks of packets that its device received.
fn crossed(from: &Phone, to: &Phone, round: &str) -> Vec<String> {
    const PORTS: [u16; 4] = [22, 53, 80, 5555];
    let (cable, tap) = (Cable::of(from), Tap::on(&to.space, "eth0"));
    let mut marks = Vec::new();
    for (own, there) in [(from.v4, to.v4), (from.v6, to.v6)] {
        let ip = Ip::new(own, there);
        let mut put = |name: String, make: &dyn Fn(&[u8]) -> Vec<u8>| {
            let mark = format!("{round}: {name} to {there}|");
            cable.send(&make(mark.as_bytes()));
            marks.push(mark);
        };
        for port in PORTS {
            put(format!("TCP {port}"), &|mark| ip.carry(TCP, &tcp(&ip, 4000 + port, port, SYN, mark)));
            put(format!("ACK {port}"), &|mark| ip.carry(TCP, &tcp(&ip, 5000 + port, port, ACK, mark)));
            put(format!("UDP {port}"), &|mark| ip.carry(UDP, &udp(&ip, 4000 + port, port, mark)));
        }
        put("echo".into(), &|mark| echo(&ip, 1, mark));
        put("GRE".into(), &|mark| ip.carry(47, &[&[0, 0, 8, 0][..], mark].concat()));
    }
    // An answer of the gateway to the last of them would be the condition to wait for, but some go silently.
    thread::sleep(Duration::from_millis(100));
    marks.retain(|mark| tap.saw(mark.as_bytes()));
    marks
}

#[test]
fn guests_of_two_networks_do_not_reach_each_other_online_or_not() {
    let mut lab = Lab::new(1);
    lab.add_phone_elsewhere();
    let [one, other] = [&lab.phones[0], &lab.phones[1]];
    let open = crossed(one, other, "no gate").len();
    assert!(open >= 26 && crossed(other, one, "no gate").len() == open, "the control proves nothing: {open}");
    let daemon = Daemon::start(&lab, &settings());
    let apart = |round: &str| {
        for (from, to) in [(one, other), (other, one)] {
            let crossed = crossed(from, to, round);
            assert!(crossed.is_empty(), "from {} came {crossed:#?}", from.v4);
        }
    };
    apart("none online");
    Browser::of(one).must_login(&daemon.voucher("hour"));
    apart("one online");
    let elsewhere = SocketAddr::new(GATEWAY_2_V4.parse().unwrap(), 2080);
    Browser::at(other, elsewhere).must_login(&daemon.voucher("hour"));
    assert!(one.is_open(&lab.world) && other.is_open(&lab.world));
    apart("both online");
}

#[test]
fn guests_reach_no_other_service_of_the_gateway_on_any_of_its_addresses() {
    let mut lab = Lab::new(1);
    lab.add_phone_elsewhere();
    let mut daemon = Daemon::prepare(&lab, &settings());
    let _services = Services::open(&lab.gateway);
    let phone = &lab.phones[0];
    // Without the gate they are there to be found.
    for address in addresses() {
        assert_eq!(found(phone, address), [22, 80, 443, 8080, 123, 161, 1900, 5353], "{address}");
    }
    daemon.run();
    let shut = |who: &str| {
        for phone in &lab.phones {
            for address in addresses() {
                assert_eq!(found(phone, address), [0; 0], "{who}, at {address}");
                let page = phone.get(SocketAddr::new(address, 80), "wifi.lango", "/").unwrap();
                assert_eq!(page.status, 302, "{who}, port 80 of {address}: {page:?}");
                let ping = ["-c", "1", "-W", "2", &address.to_string()];
                assert!(phone.space.output("ping", &ping).status.success(), "{who}: ping {address}");
            }
        }
    };
    shut("held");
    for (phone, gateway) in lab.phones.iter().zip([GATEWAY_V4, GATEWAY_2_V4.parse().unwrap()]) {
        Browser::at(phone, SocketAddr::new(gateway, 2080)).must_login(&daemon.voucher("hour"));
    }
    shut("online");
    daemon.kill();
    for address in addresses() {
        assert_eq!(found(phone, address), [0; 0], "with the program dead, at {address}");
    }
}

/// All addresses of the gateway that are routed to it.
fn addresses() -> [IpAddr; 6] {
    [GATEWAY_V4.to_string().as_str(), GATEWAY_V6, "192.0.2.2", "2001:db8:1::2", GATEWAY_2_V4, GATEWAY_2_V6]
        .map(|text| text.parse().unwrap())
}

const SAYING: &[u8] = b"a service of the gateway";
const TCP_SERVICES: [u16; 4] = [22, 80, 443, 8080];
const UDP_SERVICES: [u16; 4] = [123, 161, 1900, 5353];

/// Ports of [`Services`] that a phone gets an answer from.
fn found(phone: &Phone, address: IpAddr) -> Vec<u16> {
    let streams = TCP_SERVICES.map(|port| (port, phone.tcp((address, port).into())));
    let sockets = UDP_SERVICES.map(|port| (port, phone.udp((address, port).into()).unwrap()));
    for (_, socket) in &sockets {
        let _ = socket.send(b"hello");
    }
    let long = Duration::from_millis(100);
    let mut said = [0; SAYING.len()];
    let mut heard = Vec::new();
    for (port, mut stream) in streams.into_iter().filter_map(|(port, stream)| Some((port, stream.ok()?))) {
        stream.set_read_timeout(Some(long)).unwrap();
        if stream.read_exact(&mut said).is_ok() && said == SAYING {
            heard.push(port);
        }
    }
    thread::sleep(long);
    for (port, socket) in sockets {
        socket.set_nonblocking(true).unwrap();
        if socket.recv(&mut said).is_ok() {
            heard.push(port);
        }
    }
    heard
}

/// Listeners on all addresses of the gateway, as those of its administrator, each of which says something.
struct Services {
    listeners: Vec<TcpListener>,
    sockets: Vec<UdpSocket>,
    threads: Vec<JoinHandle<()>>,
}

impl Services {
    fn open(gateway: &Arc<Netns>) -> Self {
        let (mut listeners, mut sockets, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for port in TCP_SERVICES {
            let listener = gateway.enter(|| TcpListener::bind(("::", port)).unwrap());
            listeners.push(listener.try_clone().unwrap());
            threads.push(thread::spawn(move || {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(SAYING);
                }
            }));
        }
        for (port, address) in
            UDP_SERVICES.iter().flat_map(|port| addresses().map(|address| (*port, address)))
        {
            let socket = gateway.enter(|| UdpSocket::bind((address, port)).unwrap());
            sockets.push(socket.try_clone().unwrap());
            threads.push(thread::spawn(move || {
                while let Ok((1.., from)) = socket.recv_from(&mut [0; 64]) {
                    let _ = socket.send_to(SAYING, from);
                }
            }));
        }
        Self { listeners, sockets, threads }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for fd in self.listeners.iter().map(AsRawFd::as_raw_fd) {
            let _ = shutdown(fd, Shutdown::Both);
        }
        for socket in &self.sockets {
            // A datagram of no length ends the thread.
            let _ = socket.send_to(&[], socket.local_addr().unwrap());
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
