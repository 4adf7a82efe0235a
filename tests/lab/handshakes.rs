//! Handshakes of TLS with the portal, by rustls: one after the other, and the flood of a device that begins all
//! it can; and the plain portal, as others see it meanwhile. Who shakes hands is in the namespace of a phone, and
//! the stream says of which device. `https_floods.rs` sees what that does to others, `tls.rs` measures it.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::harness::{GATEWAY_V4, Phone, portal_v4};

/// A connection over TLS.
pub(crate) type Shaken = StreamOwned<ClientConnection, TcpStream>;

/// How many handshakes a flood holds half-done.
pub(crate) const HALF_DONE: usize = 1000;
/// Whole ones that it tries in a second, by so many threads.
const FULL: u64 = 200;
const THREADS: u64 = 4;

/// Trusts the authority with the certificate in the file `root`, and begins each connection anew.
pub(crate) fn client(root: &str) -> Arc<ClientConfig> {
    Arc::new(client_of(root, rustls::DEFAULT_VERSIONS))
}

/// As [`client`], of these versions alone.
pub(crate) fn client_of(root: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut client = versions.with_root_certificates(roots).with_no_client_auth();
    client.resumption = Resumption::disabled();
    client
}

/// Where the portal is, over TLS.
pub(crate) fn secure() -> SocketAddr {
    SocketAddr::new(GATEWAY_V4, 2443)
}

/// One device begins handshakes, until it is told to stop.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    over: AtomicBool,
    tried: AtomicUsize,
    done: AtomicUsize,
}

impl Flood {
    /// Many that never end, and many whole ones, on threads of `scope`.
    pub(crate) fn begin<'s>(
        &'s self,
        scope: &'s thread::Scope<'s, '_>,
        flooder: &'s Phone,
        client: &'s Arc<ClientConfig>,
    ) {
        scope.spawn(|| flooder.space.enter(|| self.hold()));
        for _ in 0..THREADS {
            scope.spawn(|| flooder.space.enter(|| self.shake(client)));
        }
    }

    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How many whole ones were tried, and how many of them succeeded.
    pub(crate) fn tally(&self) -> [usize; 2] {
        [&self.tried, &self.done].map(|count| count.load(Ordering::Relaxed))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Greetings that begin and never end.
    fn hold(&self) {
        let begin = |_| {
            let mut stream = connect().ok()?;
            let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1]);
            Some(stream)
        };
        let held: Vec<_> = (0..HALF_DONE).filter_map(begin).collect();
        assert!(held.len() > HALF_DONE / 2, "{} connections", held.len());
        while !self.is_over() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn shake(&self, client: &Arc<ClientConfig>) {
        while !self.is_over() {
            let from = Instant::now();
            let shaken = connect().and_then(|stream| shake_hands(stream, client));
            self.done.fetch_add(usize::from(shaken.is_ok()), Ordering::Relaxed);
            self.tried.fetch_add(1, Ordering::Relaxed);
            let pause = Duration::from_millis(1000 * THREADS / FULL);
            thread::sleep(pause.saturating_sub(from.elapsed()));
        }
    }
}

/// As one connects who is in a hurry.
fn connect() -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&secure(), Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}

/// TLS over `stream`, as soon as both ends know each other.
pub(crate) fn shake_hands(mut stream: TcpStream, client: &Arc<ClientConfig>) -> io::Result<Shaken> {
    let name = ServerName::try_from("wifi.lango").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// How long `phone` waits for the plain portal, which leads to the one over TLS: again and again.
pub(crate) fn plain(phone: &Phone, spell: Duration) -> Vec<Duration> {
    let from = Instant::now();
    let mut times = Vec::new();
    while from.elapsed() < spell {
        let began = Instant::now();
        let page = phone.get(portal_v4(), "captive.apple.com", "/").unwrap();
        times.push(began.elapsed());
        assert_eq!(page.status, 302);
        thread::sleep(Duration::from_millis(3));
    }
    times
}
