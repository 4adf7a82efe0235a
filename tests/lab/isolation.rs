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

use crate::harness::{
    BRIDGE_2, Browser, Daemon, GATEWAY_2_V4, GATEWAY_2_V6, GATEWAY_V4, GATEWAY_V6, Lab, Netns, Phone,
    Settings,
};

fn settings() -> Settings {
    Settings::default().list("interface", BRIDGE_2).plan("hour", &[("metered", "1h")])
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
