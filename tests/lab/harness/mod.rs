//! The lab: a gateway, a world and phones in network namespaces of their own.
//!
//! ```text
//! phone ─┐
//! phone ─┤ br-guest [gateway: dnsmasq, NAT, lango] wan0 ── eth0 [world]
//! crowd ─┘ 10.77.0.1/20, fd77::1/64       192.0.2.2      203.0.113.80, 2001:db8:ffff::80 (behind it)
//! ```
//! Owns the topology; everything of it is gone when the [`Lab`] is dropped, also after a panic. `daemon.rs`
//! runs the real program in the gateway.

mod browser;
mod certificate;
mod cloud;
mod crowd;
mod daemon;
mod flow;
mod http;
mod internet;
mod meter;
mod netns;
mod offloads;
pub(crate) mod packet;
mod phone;
pub(crate) mod raw;
mod resolver;
mod stream;
pub(crate) mod tap;
mod traffic;
pub(crate) mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use browser::Browser;
pub(crate) use certificate::{Authority, Key, VALID_DAYS};
pub(crate) use cloud::{Cloud, Names, Road, Tally, pin_hash};
pub(crate) use daemon::{Daemon, Ended, Settings, lango};
pub(crate) use flow::Flows;
pub(crate) use http::{Request, Response, read_response};
pub(crate) use meter::{Meter, Passed};
pub(crate) use netns::Netns;
pub(crate) use netns::ours;
pub(crate) use phone::Phone;
pub(crate) use resolver::{Over, RESOLVER, Resolver, ask};
pub(crate) use stream::Stream;
pub(crate) use traffic::{Load, Way, echo_datagrams, echo_datagrams_here};
use world::World;
pub(crate) use world::{DOWNLOAD, ECHO, GREETING, HTTP, SINK, SOURCE, UDP_ECHO};

/// The gateway's addresses on the guest network.
pub(crate) const GATEWAY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
pub(crate) const GATEWAY_V6: &str = "fd77::1";
/// The gateway's device on the guest network.
pub(crate) const GATEWAY_MAC: &str = "02:4c:00:00:00:01";
/// The guest network's device in the gateway.
pub(crate) const BRIDGE: &str = "br-guest";

/// The second guest network, where a test has one.
pub(crate) const BRIDGE_2: &str = "br-guest2";
pub(crate) const GATEWAY_2_V4: &str = "10.78.0.1";
pub(crate) const GATEWAY_2_V6: &str = "fd78::1";

/// All of it.
pub(crate) struct Lab {
    pub(crate) gateway: Arc<Netns>,
    pub(crate) world: World,
    /// Phones with a namespace each.
    pub(crate) phones: Vec<Phone>,
    folder: tempfile::TempDir,
    dnsmasq: Child,
    ports: usize,
    /// Whether there is a second guest network.
    elsewhere: bool,
    /// Phones in crowds so far.
    gathered: usize,
}

impl Lab {
    /// A lab with `phones` phones of fixed addresses.
    pub(crate) fn new(phones: usize) -> Self {
        // In memory: while the machine writes back what was just compiled, an fsync may take seconds.
        Self::in_place(phones, Path::new("/dev/shm"))
    }

    /// As [`Self::new`], with all files on the disk, where an fsync is one.
    pub(crate) fn on_disk(phones: usize) -> Self {
        Self::in_place(phones, &std::env::temp_dir())
    }

    fn in_place(phones: usize, place: &Path) -> Self {
        let gateway = Netns::new("gateway");
        let outside = Netns::new("world");
        join(&gateway, &outside);
        let [v4, v6] = ["203.0.113.80", "2001:db8:ffff::80"].map(|text| text.parse().expect("an address"));
        let world = World::start(outside, v4, v6);
        let folder = tempfile::Builder::new().prefix("lango-lab-").tempdir_in(place).expect("a folder");
        let dnsmasq = serve_addresses(&gateway, folder.path(), "--no-resolv");
        let mut lab = Self {
            gateway,
            world,
            phones: Vec::new(),
            folder,
            dnsmasq,
            ports: 0,
            elsewhere: false,
            gathered: 0,
        };
        for _ in 0..phones {
            lab.add_phone();
        }
        lab
    }

    /// A folder for files of this lab.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One more phone, with fixed addresses.
    pub(crate) fn add_phone(&mut self) -> &Phone {
        let number = self.phones.len() + 1;
        let (v4, v6) = (format!("10.77.2.{number}"), format!("fd77::2:{number}"));
        let phone = self.plug_phone(BRIDGE, number, &v4, &v6, "0");
        phone.space.ip(&format!(
            "addr add {v4}/20 dev eth0\naddr add {v6}/64 dev eth0 nodad\n\
             route add default via {GATEWAY_V4}\nroute add default via {GATEWAY_V6} dev eth0"
        ));
        phone.space.set_resolver(&GATEWAY_V4.to_string());
        self.phones.push(phone);
        self.phones.last().expect("just pushed")
    }

    /// A phone on a second guest network, [`BRIDGE_2`], which is made with the first one.
    pub(crate) fn add_phone_elsewhere(&mut self) -> &Phone {
        if !self.elsewhere {
            self.elsewhere = true;
            self.gateway.ip(&format!(
                "link add {BRIDGE_2} address {GATEWAY_MAC} type bridge forward_delay 0\nlink set {BRIDGE_2} up\n\
                 addr add {GATEWAY_2_V4}/20 dev {BRIDGE_2}\naddr add {GATEWAY_2_V6}/64 dev {BRIDGE_2} nodad"
            ));
            self.world.space.ip("route add fd78::/64 via 2001:db8:1::2 dev eth0");
        }
        let number = self.phones.len() + 1;
        let (v4, v6) = (format!("10.78.2.{number}"), format!("fd78::2:{number}"));
        let phone = self.plug_phone(BRIDGE_2, number, &v4, &v6, "0");
        phone.space.ip(&format!(
            "addr add {v4}/20 dev eth0\naddr add {v6}/64 dev eth0 nodad\n\
             route add default via {GATEWAY_2_V4}\nroute add default via {GATEWAY_2_V6} dev eth0"
        ));
        self.phones.push(phone);
        self.phones.last().expect("just pushed")
    }

    /// One more phone that gets its IPv4 address by DHCP and its IPv6 address from advertisements.
    pub(crate) fn add_phone_by_dhcp(&mut self) -> &Phone {
        self.add_phone_by_dhcp_as("phone")
    }

    /// The same of one that calls itself `name`.
    pub(crate) fn add_phone_by_dhcp_as(&mut self, name: &str) -> &Phone {
        let mut phone = self.plug_phone(BRIDGE, self.phones.len() + 1, "0.0.0.0", "::", "1");
        let script = self.folder().join("udhcpc.sh");
        std::fs::write(&script, UDHCPC).expect("a folder that can be written");
        let path = script.to_str().expect("a plain path");
        phone.space.must("chmod", &["755", path]);
        phone.space.set_resolver("0.0.0.0");
        let name = format!("hostname:{name}");
        let options = ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", path];
        phone.space.must("busybox", &[&options[..], &["-x", &name]].concat());
        phone.v4 = address(&phone, "-4", "10.77.");
        wait_until("an IPv6 address from advertisements", Duration::from_secs(15), || {
            let listed = phone.space.must("ip", &["-6", "-o", "addr", "show", "dev", "eth0", "-tentative"]);
            listed.contains("fd77:")
        });
        phone.v6 = address(&phone, "-6", "fd77:");
        self.phones.push(phone);
        self.phones.last().expect("just pushed")
    }

    /// `count` phones that share one namespace and one bridge port: cheap, IPv4 only.
    pub(crate) fn crowd(&mut self, count: usize) -> Vec<Phone> {
        self.ports += 1;
        let first = self.gathered;
        self.gathered += count;
        crowd::gather(&self.gateway, self.ports, first..self.gathered)
    }

    /// From now on the gateway's resolver asks this server (ADDRESS or ADDRESS#PORT) for what it does not know.
    pub(crate) fn forward_names(&mut self, server: &str) {
        self.stop_addresses();
        self.dnsmasq = serve_addresses(&self.gateway, self.folder.path(), &format!("--server={server}"));
    }

    /// The gateway's resolver, which gives guests their addresses, has died.
    pub(crate) fn stop_addresses(&mut self) {
        let _ = self.dnsmasq.kill();
        let _ = self.dnsmasq.wait();
    }

    /// The gateway's kernel sends every ICMP error that it is asked for, not only so many a second.
    pub(crate) fn tell_of_every_refusal(&self) {
        for (limit, value) in [
            ("ipv4/icmp_ratelimit", "0"),
            ("ipv6/icmp/ratelimit", "0"),
            ("ipv4/icmp_msgs_per_sec", "100000"),
            ("ipv4/icmp_msgs_burst", "10000"),
        ] {
            self.gateway.sysctl(limit, value);
        }
    }

    /// Shows the program the second address of `phone`, which is online; the first it has seen at the login.
    pub(crate) fn introduce(&self, phone: &Phone) {
        assert_eq!(Browser::at(phone, portal_v6()).get("/status").status, 200);
        wait_until("the address to be known", Duration::from_secs(5), || {
            let table = self.gateway.nft_list(&["list", "table", "inet", "lango"]);
            table.contains(&phone.v6.to_string())
        });
    }

    /// Takes the gateway's default routes away, as netifd does when the WAN drops.
    pub(crate) fn drop_default_routes(&self) {
        self.gateway.ip("route del default via 192.0.2.1\nroute del default via 2001:db8:1::1");
    }

    /// Cuts the cable to the world.
    pub(crate) fn cut_uplink(&self) {
        self.gateway.ip("link set wan0 down");
    }

    /// Joins the cable again, with the default routes.
    pub(crate) fn restore_uplink(&self) {
        self.gateway.ip(&format!("link set wan0 up\n{UPLINK_V6}\n{DEFAULT_ROUTES}"));
    }

    /// Pulls the cable out at its other end: the gateway's device has no carrier, and keeps its routes.
    pub(crate) fn pull_cable(&self) {
        self.world.space.ip("link set eth0 down");
    }

    /// Puts it back.
    pub(crate) fn plug_cable(&self) {
        self.world.space.ip(&format!("link set eth0 up\n{WORLD_V6}"));
    }

    /// A phone with a cable to `bridge`, and no addresses yet.
    pub(crate) fn plug_phone(
        &mut self,
        bridge: &str,
        number: usize,
        v4: &str,
        v6: &str,
        accept_ra: &str,
    ) -> Phone {
        self.ports += 1;
        let space = Netns::new(&format!("phone{number}"));
        space.sysctl("ipv6/conf/default/accept_ra", accept_ra);
        let mac = format!("02:50:00:00:{:02x}:{:02x}", number >> 8, number & 255);
        plug(&self.gateway, bridge, &space, self.ports, &mac);
        let [v4, v6] = [v4, v6].map(|text| text.parse().expect("an address"));
        Phone { space, device: "eth0".to_owned(), mac, v4, v6 }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop_addresses();
        // Namespaces go with their names only when nobody is inside.
        let spaces = self.phones.iter().map(|phone| &phone.space).chain([&self.gateway, &self.world.space]);
        let left: Vec<String> = spaces.flat_map(|space| space.processes()).collect();
        assert!(left.is_empty() || thread::panicking(), "left in the namespaces of a lab: {left:?}");
    }
}

/// Waits until `holds`, looking often; panics after `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let from = Instant::now();
    while !holds() {
        assert!(from.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

const UPLINK_V6: &str = "addr replace 2001:db8:1::2/64 dev wan0 nodad";
const WORLD_V6: &str = "addr replace 2001:db8:1::1/64 dev eth0 nodad\n\
     route replace fd77::/64 via 2001:db8:1::2 dev eth0";
const DEFAULT_ROUTES: &str =
    "route replace default via 192.0.2.1 dev wan0\nroute replace default via 2001:db8:1::1 dev wan0";

/// Makes the gateway and what lies behind its uplink.
fn join(gateway: &Netns, world: &Netns) {
    let there = world.name();
    for (path, value) in [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")] {
        gateway.sysctl(path, value);
    }
    gateway.ip(&format!(
        "link add wan0 type veth peer name eth0 netns {there}\n\
         link add {BRIDGE} address {GATEWAY_MAC} type bridge forward_delay 0\n\
         link set {BRIDGE} up\nlink set wan0 up\n\
         addr add {GATEWAY_V4}/20 dev {BRIDGE}\naddr add {GATEWAY_V6}/64 dev {BRIDGE} nodad\n\
         addr add 192.0.2.2/24 dev wan0\n{UPLINK_V6}"
    ));
    world.ip(&format!(
        "link set eth0 up\naddr add 192.0.2.1/24 dev eth0\n{WORLD_V6}\n\
         addr add 203.0.113.80/32 dev lo\naddr add 2001:db8:ffff::80/128 dev lo nodad"
    ));
    gateway.ip(DEFAULT_ROUTES);
    gateway.nft(
        "table ip lab { chain out { type nat hook postrouting priority srcnat; oifname \"wan0\" masquerade; }; }",
    );
}

/// A cable from `space` to the bridge.
fn plug(gateway: &Netns, bridge: &str, space: &Netns, port: usize, mac: &str) {
    let there = space.name();
    gateway.ip(&format!(
        "link add port{port} type veth peer name eth0 netns {there} address {mac}\n\
         link set port{port} master {bridge} up"
    ));
    space.ip("link set eth0 up");
}

fn serve_addresses(gateway: &Netns, folder: &Path, upstream: &str) -> Child {
    let leases = format!("--dhcp-leasefile={}", folder.join("leases").display());
    // Where the program says what to offer.
    let options = folder.join("run/dhcp-opts");
    std::fs::create_dir_all(&options).expect("a folder");
    let options = format!("--dhcp-optsdir={}", options.display());
    let dnsmasq = gateway.enter(|| {
        Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--user=root",
                "--pid-file=",
                &leases,
                &options,
            ])
            .args([
                upstream,
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--interface=br-guest",
                "--interface=lo",
            ])
            .args(["--dhcp-range=10.77.4.1,10.77.5.250,10m", "--dhcp-range=fd77::,ra-only,64", "--enable-ra"])
            .args(["--address=/wifi.lango/10.77.0.1", "--address=/wifi.lango/fd77::1"])
            .args(["--address=/world.test/203.0.113.80", "--address=/world.test/2001:db8:ffff::80"])
            .arg("--address=/cloud.test/203.0.113.80")
            .args(["--dhcp-authoritative", "--log-facility=-"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq (package dnsmasq-base)")
    });
    // A query for `wifi.lango`, type A.
    let query = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x04wifi\x05lango\0\0\x01\0\x01";
    wait_until("dnsmasq to answer", Duration::from_secs(5), || {
        gateway.enter(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let asked = socket.connect("127.0.0.1:53").and_then(|()| socket.send(query));
            asked.and_then(|_| socket.recv(&mut [0; 512])).is_ok()
        })
    });
    dnsmasq
}

/// What busybox's DHCP client runs when it got an address.
const UDHCPC: &str = "#!/bin/sh
case $1 in bound|renew)
    ip addr replace $ip/$mask dev $interface
    ip route replace default via $router
    echo nameserver $dns > /etc/resolv.conf ;;
esac
";

fn address(phone: &Phone, family: &str, starts: &str) -> IpAddr {
    let listed = phone.space.must("ip", &[family, "-o", "addr", "show", "dev", &phone.device]);
    let found = listed.split([' ', '/']).find(|word| word.starts_with(starts));
    found.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no address {starts}… in: {listed}"))
}

/// Where the portal is, in plain HTTP.
pub(crate) fn portal_v4() -> SocketAddr {
    SocketAddr::new(GATEWAY_V4, 2080)
}

/// As [`portal_v4`], over IPv6.
pub(crate) fn portal_v6() -> SocketAddr {
    SocketAddr::new(GATEWAY_V6.parse().expect("an address"), 2080)
}
