//! A flood of handshakes: one device begins all it can, and the others do not feel it.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lango::process::raise_file_limit;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::harness::{Authority, Daemon, GATEWAY_V4, Key, Lab, Phone, Settings, portal_v4};

const SPELL: Duration = Duration::from_secs(5);
const HALF_DONE: usize = 1000;
/// Handshakes a second, tried, by so many threads.
const FULL: u64 = 200;
const THREADS: u64 = 4;

#[test]
fn a_flood_of_handshakes_of_one_device_leaves_the_portal_to_the_others() {
    raise_file_limit().unwrap();
    let lab = Lab::new(3);
    let authority = Authority::new(lab.folder());
    authority.issue("wifi.lango", Key::Rsa);
    let [certificate, key] = authority.files();
    let mut daemon =
        Daemon::prepare(&lab, &Settings::default().main("certificate", &certificate).main("key", &key));
    daemon.wall_step(0);
    daemon.run();
    let (before, secure) = (daemon.memory(), SocketAddr::new(GATEWAY_V4, 2443));
    let [flooder, plain, other] = [0, 1, 2].map(|n| &lab.phones[n]);
    let (stop, done, tried) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let client = client(&authority.root());
    thread::scope(|scope| {
        scope.spawn(|| flooder.space.enter(|| begin_and_hold(secure, &stop)));
        for _ in 0..THREADS {
            scope.spawn(|| {
                flooder.space.enter(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let from = Instant::now();
                        done.fetch_add(usize::from(shake_hands(&client, secure).is_ok()), Ordering::Relaxed);
                        tried.fetch_add(1, Ordering::Relaxed);
                        let pause = Duration::from_millis(1000 * THREADS / FULL);
                        thread::sleep(pause.saturating_sub(from.elapsed()));
                    }
                });
            });
        }
        let pages = scope.spawn(|| {
            let times = probe(plain);
            stop.store(true, Ordering::Relaxed);
            times
        });
        let from = Instant::now();
        let mut opened = Vec::new();
        while from.elapsed() < SPELL {
            let began = Instant::now();
            let page = authority.fetch(other, "", "https://wifi.lango:2443/");
            assert_eq!(page.map(|page| page.status), Ok(200));
            opened.push(began.elapsed());
            thread::sleep(Duration::from_millis(700));
        }
        let mut times = pages.join().unwrap();
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100];
        let (tried, done) = (tried.load(Ordering::Relaxed), done.load(Ordering::Relaxed));
        let grown = daemon.memory() - before;
        println!(
            "plain p99 {p99:?} of {}; others' HTTPS {opened:?}; {done} of {tried}; {grown:.1} MB",
            times.len()
        );
        assert!(p99 < Duration::from_millis(100), "{p99:?}");
        assert!(opened.iter().max().unwrap() < &Duration::from_secs(2), "{opened:?}");
        // It was a flood, and it was held back: a burst, and two a second.
        assert!(tried > 400 && done < 40, "{done} of {tried}");
        assert!(grown < 10.0, "{grown} MB");
    });
    assert!(daemon.is_alive());
}

/// Greetings that begin and never end.
fn begin_and_hold(to: SocketAddr, stop: &AtomicBool) {
    let begin = |_| {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(200)).ok()?;
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1]);
        Some(stream)
    };
    let held: Vec<_> = (0..HALF_DONE).filter_map(begin).collect();
    assert!(held.len() > HALF_DONE / 2, "{} connections", held.len());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
}

/// How long `phone` waits for the plain portal, again and again.
fn probe(phone: &Phone) -> Vec<Duration> {
    let from = Instant::now();
    let mut times = Vec::new();
    while from.elapsed() < SPELL {
        let began = Instant::now();
        let page = phone.get(portal_v4(), "captive.apple.com", "/").unwrap();
        times.push(began.elapsed());
        assert_eq!(page.status, 302);
        thread::sleep(Duration::from_millis(3));
    }
    times
}

/// Trusts the authority with the certificate in the file `root`, and begins each connection anew.
pub(crate) fn client(root: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut client = versions.with_root_certificates(roots).with_no_client_auth();
    client.resumption = Resumption::disabled();
    Arc::new(client)
}

fn shake_hands(client: &Arc<ClientConfig>, to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let name = ServerName::try_from("wifi.lango").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}
