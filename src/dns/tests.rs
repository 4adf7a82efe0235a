//! The responder over real loopback sockets, with a resolver that misbehaves as it is told.
//!
//! The device behind 127.0.0.N is 02:…:N; of 127.0.0.99 the network knows nothing.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::*;
use crate::domain::{Boot, SessionView, Uplink, UplinkState};
use crate::ordered::OrdMap;
use crate::wire::dns::{Code, Kind, Name, Query, Received, Reply, Response};

mod abuse;
mod answers;
mod resolver;

use resolver::{Mode, Resolver};

const GUEST: u8 = 2;
const CAPTIVE: &str = "198.18.0.1";
const PATIENCE: Duration = Duration::from_secs(20);

type Learned = Rc<RefCell<Vec<(Mac, Vec<IpAddr>, Duration)>>>;

/// The responder, running, its resolver, and what it has learned.
struct Lab {
    at: SocketAddr,
    resolver: Rc<Resolver>,
    view: watch::Sender<Arc<View>>,
    learned: Learned,
    /// Whether those who are told of addresses open them.
    opens: Rc<Cell<Opens>>,
    responder: Rc<Responder>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    AtOnce,
    Later,
    Never,
    /// They say at once that there is no room.
    Full,
}

/// An answer, read from the wire.
#[derive(Debug)]
struct Heard {
    code: u8,
    response: Response,
    took: Duration,
}

impl Heard {
    fn addresses(&self) -> Vec<String> {
        self.response.addresses.iter().map(ToString::to_string).collect()
    }
}

/// Runs `test` against a responder with these further lines of configuration.
fn lab<T: Future<Output = ()>>(more: &str, test: impl FnOnce(Lab) -> T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let resolver = Resolver::start().await;
        let config = config(resolver.at, more);
        let (view, view_seen) = watch::channel(Arc::default());
        let (learn, learns) = mpsc::channel(16);
        let responder = Responder::new(Context {
            config: watch::channel(Arc::new(config)).1,
            view: view_seen,
            network: Rc::new(Loopback),
            clock: Clock::new(),
            learn,
        });
        let (learned, opens) = (Rc::default(), Rc::new(Cell::new(Opens::AtOnce)));
        spawn_local(open(learns, Rc::clone(&learned), Rc::clone(&opens)));
        let (udp, tcp) = sockets().await;
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, udp.local_addr().unwrap().port()));
        spawn_local(Rc::clone(&responder).serve(udp, tcp, 1));
        let test = test(Lab { at, resolver, view, learned, opens, responder });
        timeout(PATIENCE * 2, test).await.expect("the test hangs");
    });
}

/// One port for both: what is free for datagrams may be somebody's connection.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("[::]:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

fn config(upstream: SocketAddr, more: &str) -> Config {
    let text = format!(
        "config gateway 'main'\n list interface 'lo'\n option dns_upstream '{upstream}'\n\
         config garden\n list name 'wa.me'\n list name '*.whatsapp.net'\n list address '192.168.8.0/24'\n\
         config device\n option mac '02:00:00:00:00:ee'\n option policy 'blocked'\n{more}"
    );
    crate::config::parse("test", &text).unwrap().config
}

async fn open(mut learns: mpsc::Receiver<Learn>, learned: Learned, opens: Rc<Cell<Opens>>) {
    let mut held = Vec::new();
    while let Some(Learn { mac, addresses, stays, done }) = learns.recv().await {
        match opens.get() {
            Opens::Never => {
                held.push(done);
                continue;
            }
            Opens::Full => continue,
            Opens::Later => sleep(Duration::from_millis(80)).await,
            Opens::AtOnce => {}
        }
        learned.borrow_mut().push((mac, addresses, stays));
        let _ = done.send(());
    }
}

struct Loopback;

impl Network for Loopback {
    fn device(&self, _: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>> {
        Box::pin(async move {
            match address {
                IpAddr::V4(v4) if v4.octets()[3] == 99 => None,
                IpAddr::V4(v4) => Some(mac(v4.octets()[3])),
                IpAddr::V6(_) => Some(mac(200)),
            }
        })
    }

    fn own(&self) -> io::Result<Vec<(u32, IpAddr)>> {
        let own = [(1, "fe80::1"), (1, "10.77.0.1"), (1, "127.0.0.1"), (1, "fd77::1"), (2, "203.0.113.2")];
        Ok(own.map(|(interface, text)| (interface, text.parse().unwrap())).to_vec())
    }
}

fn mac(n: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, n])
}

const AAAA: Kind = Kind::AAAA;
const HTTPS: Kind = Kind(65);

/// A question as a phone sends it, with EDNS.
fn asked(name: &str, kind: Kind) -> Vec<u8> {
    crate::wire::dns::question(0x4321, &Name::parse(name).unwrap(), kind)
}

fn read(bytes: &[u8], name: &str, kind: Kind, from: Instant) -> Heard {
    let response = crate::wire::dns::read_response(bytes, 0x4321, &Name::parse(name).unwrap(), kind);
    let response = response.unwrap_or_else(|| panic!("no answer to {name}: {bytes:?}"));
    Heard { code: bytes[3] & 0xf, response, took: from.elapsed() }
}

#[expect(clippy::disallowed_methods, reason = "tests measure time")]
fn instant() -> Instant {
    Instant::now()
}

impl Lab {
    /// The socket of the guest 127.0.0.`from`.
    async fn guest(&self, from: u8) -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, from], 0))).await.unwrap();
        socket.connect(self.at).await.unwrap();
        socket
    }

    async fn ask(&self, name: &str, kind: Kind) -> Heard {
        self.ask_from(GUEST, name, kind).await
    }

    async fn ask_from(&self, from: u8, name: &str, kind: Kind) -> Heard {
        let began = instant();
        let bytes = exchange(&self.guest(from).await, &asked(name, kind)).await.expect("an answer");
        read(&bytes, name, kind, began)
    }

    /// What A and AAAA of `name` lead to.
    async fn both(&self, name: &str) -> (Vec<String>, Vec<String>) {
        (self.ask(name, Kind::A).await.addresses(), self.ask(name, AAAA).await.addresses())
    }

    async fn connect(&self, from: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
        socket.connect(self.at).await.unwrap()
    }

    fn put_online(&self, n: u8) {
        let sessions = OrdMap::from([(mac(n), SessionView::unlimited(mac(n)))]);
        self.view.send_modify(|view| *view = Arc::new(View { sessions, ..View::clone(view) }));
    }

    fn set_uplink(&self, uplink: Uplink) {
        let uplink = UplinkState { uplink, since: Boot::from_millis(1) };
        self.view.send_modify(|view| *view = Arc::new(View { uplink, ..View::clone(view) }));
    }

    fn learned(&self) -> Vec<(Mac, Vec<String>, u64)> {
        let texts = |addresses: &Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect();
        let learned = self.learned.borrow();
        learned.iter().map(|(mac, addresses, stays)| (*mac, texts(addresses), stays.as_secs())).collect()
    }

    /// Keeps asking for A of `name` until it leads to `address`.
    async fn until_leads_to(&self, name: &str, address: &str) {
        for from in (100..).step_by(1) {
            if self.ask_from(from, name, Kind::A).await.addresses() == [address] {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn exchange(socket: &UdpSocket, message: &[u8]) -> Option<Vec<u8>> {
    socket.send(message).await.unwrap();
    receive(socket, PATIENCE).await
}

async fn receive(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    let mut answer = vec![0; 4096];
    let length = timeout(patience, socket.recv(&mut answer)).await.ok()?.ok()?;
    answer.truncate(length);
    Some(answer)
}

async fn exchange_over_tcp(stream: &mut TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_u16(message.len().try_into().unwrap()).await?;
    stream.write_all(message).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
