//! Tunnels through names: a real client of iodine, its server in the world, and a resolver that would help.
//!
//! A held device gets no handshake, and no label that it chose is seen in the world; a paid one gets both.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::packet::{Ip, UDP, udp};
use crate::harness::raw::Cable;
use crate::harness::tap::Tap;
use crate::harness::{Browser, Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Phone, Settings, wait_until};

/// The end of the tunnel's names, as text and in a query.
const DOMAIN: &str = "t.example.net";
const LABELS: &[u8] = b"\x01t\x07example\x03net\0";

#[test]
fn no_tunnel_through_names_is_dug_before_login() {
    let mut lab = Lab::new(2);
    lab.forward_names(&lab.world.v4.to_string());
    let daemon = Daemon::start(&lab, &Settings::default().plan("hour", &[("metered", "1h")]));
    let server = Server::start(&lab);
    let tap = Tap::on(&lab.world.space, "eth0");
    let held = &lab.phones[0];
    let ways = [
        ("the gateway's resolver", GATEWAY_V4.to_string(), "TXT"),
        ("the gateway's resolver", GATEWAY_V4.to_string(), "A"),
        ("the gateway's resolver", GATEWAY_V4.to_string(), "NULL"),
        ("port 53 of the world", lab.world.v4.to_string(), "CNAME"),
    ];
    thread::scope(|scope| {
        for (name, resolver, kind) in &ways {
            scope.spawn(move || assert!(!dig(held, resolver, kind), "{kind} by way of {name}"));
        }
    });
    ask_everything(&lab);
    // The paid guest's tunnel works, so the server, the resolver and the client were there all the time.
    let paid = &lab.phones[1];
    assert!(!tap.saw(LABELS), "a label that a held device chose reached the world");
    Browser::of(paid).must_login(&daemon.voucher("hour"));
    assert!(dig(paid, &GATEWAY_V4.to_string(), "TXT"), "the control proves nothing");
    assert!(tap.saw(LABELS));
    drop(server);
}

/// Queries of all types, by datagram and over TCP, to every resolver that there is.
fn ask_everything(lab: &Lab) {
    let (phone, cable) = (&lab.phones[0], Cable::of(&lab.phones[0]));
    let gateway_v6 = GATEWAY_V6.parse().unwrap();
    let kinds = [1_u16, 2, 5, 6, 10, 12, 15, 16, 28, 33, 35, 64, 65, 99, 250, 251, 252, 255, 257, 65399];
    for (from, to) in
        [(phone.v4, GATEWAY_V4), (phone.v4, lab.world.v4), (phone.v6, gateway_v6), (phone.v6, lab.world.v6)]
    {
        let ip = Ip::new(from, to);
        for kind in kinds {
            let query = query(kind);
            cable.send(&ip.carry(UDP, &udp(&ip, 30_000 + kind % 1000, 53, &query)));
        }
        if let Ok(mut stream) = phone.tcp((to, 53).into()) {
            use std::io::{Read, Write};
            for kind in kinds {
                let query = query(kind);
                let length = u16::try_from(query.len()).unwrap().to_be_bytes();
                let _ = stream.write_all(&[&length[..], &query].concat());
                let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
                let _ = stream.read(&mut [0; 512]);
            }
        }
    }
}

fn query(kind: u16) -> Vec<u8> {
    let [high, low] = kind.to_be_bytes();
    [&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x08payload7", LABELS, &[high, low, 0, 1]].concat()
}

/// Whether a client hears of the server in three seconds.
fn dig(phone: &Phone, resolver: &str, kind: &str) -> bool {
    let arguments = ["3", "iodine", "-f", "-P", "secret", "-T", kind, resolver, DOMAIN];
    let tried = phone.space.output("timeout", &arguments);
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(said.contains("Sending DNS queries"), "iodine did not try: {said}");
    said.contains("Version ok")
}

struct Server(Child);

impl Server {
    fn start(lab: &Lab) -> Self {
        let address = lab.world.v4.to_string();
        let arguments = ["-f", "-c", "-P", "secret", "-l", &address, "10.99.0.1/24", DOMAIN];
        let child = lab.world.space.enter(|| {
            let mut command = Command::new("iodined");
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("iodined (package iodine)")
        });
        wait_until("iodined to listen", Duration::from_secs(5), || {
            lab.world.space.must("ss", &["-Hlun", "sport", "=", "53"]).contains(&address)
        });
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
