//! The portal over real loopback sockets, with a fake desk and a fake network.
//!
//! The device behind 127.0.0.N is 02:…:N; of 127.0.0.99 the network knows nothing.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::*;
use crate::config::{Anomaly, Cloud, Gateway, Retention};
use crate::domain::{
    Bps, Bytes, Clockwork, Now, Plan, PlanSource, Refusal, SessionId, SessionView, Terms, Wall,
};
use crate::ordered::OrdMap;
use std::collections::BTreeMap;

mod answers;
mod awaited;
mod cloud;
mod gallery;
mod hostile;
mod kept_out;
mod oddities;
mod outage;
mod refusals;
mod texts;
mod trial;

const GUEST: u8 = 2;
/// Devices, by what comes of asking for a free trial.
const HAD_ITS_TRIAL: u8 = 20;
const FINDS_MANY: u8 = 21;
const FINDS_IT_FULL: u8 = 22;
const FINDS_NO_TRIAL: u8 = 23;
const PATIENCE: Duration = Duration::from_secs(20);

/// The portal, running, and what its desk heard.
struct Lab {
    port: u16,
    view: watch::Sender<Arc<View>>,
    clock: Clock,
    calls: Rc<RefCell<Vec<String>>>,
}

/// Runs `test` against a portal at `address`, which has a `cloud` or none.
fn on<T: Future<Output = ()>>(address: &str, cloud: Option<Cloud>, test: impl FnOnce(Lab) -> T) {
    with(address, |config| config.cloud = cloud, test);
}

/// Runs `test` against a portal at `address`, its configuration changed.
fn with<T: Future<Output = ()>>(
    address: &str,
    change: impl FnOnce(&mut Config),
    test: impl FnOnce(Lab) -> T,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = config(port);
        change(&mut config);
        let (view, view_seen) = watch::channel(Arc::default());
        let (desk, asked) = mpsc::channel(16);
        let clock = Clock::new();
        let calls = Rc::default();
        let context = Context {
            config: watch::channel(Arc::new(config)).1,
            view: view_seen,
            desk,
            who: Rc::new(Loopback),
            clock: clock.clone(),
            key: FormKey::new(&[7; 32]),
            connections: Connections::default(),
            sent_back: SentBack::default(),
            shown: watch::channel(None).1,
            handshakes: Handshakes::default(),
            wardrobe: Wardrobe::default(),
        };
        tokio::task::spawn_local(fake_desk(asked, Rc::clone(&calls)));
        tokio::task::spawn_local(serve(listener, 1, Rc::new(context)));
        let test = test(Lab { port, view, clock, calls });
        tokio::time::timeout(PATIENCE * 2, test).await.expect("the test hangs");
    });
}

fn lab<T: Future<Output = ()>>(test: impl FnOnce(Lab) -> T) {
    on("127.0.0.1:0", None, test);
}

struct Loopback;

impl Who for Loopback {
    fn device(&self, _: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>> {
        let IpAddr::V4(address) = address else { return Box::pin(async { None }) };
        let [.., last] = address.octets();
        Box::pin(async move { (last != 99).then(|| mac(last)) })
    }

    fn own(&self, _: u32) -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into()]
    }
}

fn mac(n: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, n])
}

/// Answers by the code typed; notes what it hears.
async fn fake_desk(mut asked: mpsc::Receiver<Call>, calls: Rc<RefCell<Vec<String>>>) {
    while let Some(call) = asked.recv().await {
        match call {
            Call::Login { mac, typed, given, moving, accepted, reply } => {
                let (given_too, terms) = (told(&given), agreed(accepted));
                calls.borrow_mut().push(format!("login {mac} {typed:?} {moving:?}{given_too}{terms}"));
                let refused = |refusal| super::Reply::Refused(refusal);
                let answer = match typed.as_str() {
                    "1" => super::Reply::Online(SessionId(1)),
                    "spent" => refused(Refusal::CodeSpent),
                    "expired" => refused(Refusal::CodeExpired),
                    "revoked" => refused(Refusal::CodeRevoked),
                    "other-device" => refused(Refusal::WrongDevice),
                    "in-use" if moving == Moving::Agreed => super::Reply::Online(SessionId(1)),
                    "in-use" => refused(Refusal::InUse),
                    "often" => refused(Refusal::TooManyTries { retry_after: Duration::from_millis(9_500) }),
                    "full" => refused(Refusal::Full),
                    "disk" => refused(Refusal::NotStored),
                    "no-plan" => refused(Refusal::NoSuchPlan("gone".parse().unwrap())),
                    "silence" => continue,
                    "cloud-away" => refused(Refusal::CloudAway),
                    "claims" => refused(Refusal::TooManyClaims),
                    "enough" => refused(Refusal::EnoughForToday { retry_after: Duration::from_secs(7200) }),
                    "awaited" => super::Reply::Waiting,
                    _ => match cloud::shown(&typed, &given, moving) {
                        Some(answer) => answer,
                        None => refused(Refusal::CodeUnknown),
                    },
                };
                // A guest may be gone by now.
                let _ = reply.send(answer);
            }
            Call::Trial { mac, accepted, reply } => {
                calls.borrow_mut().push(format!("trial {mac}{}", agreed(accepted)));
                let _ = reply.send(tried(mac));
            }
            Call::Logout { mac, reply } => {
                calls.borrow_mut().push(format!("logout {mac}"));
                let _ = reply.send(super::Reply::Closed(SessionId(1)));
            }
            Call::Forget { mac, reply } => {
                calls.borrow_mut().push(format!("forget {mac}"));
                let _ = reply.send(super::Reply::Done);
            }
            Call::Answered { mac } => calls.borrow_mut().push(format!("answered {mac}")),
        }
    }
}

/// Answers by the device.
fn tried(by: Mac) -> super::Reply {
    let [.., device] = by.bytes();
    super::Reply::Refused(match device {
        HAD_ITS_TRIAL => Refusal::TrialHad { retry_after: Duration::from_secs(5 * 3600) },
        FINDS_MANY => Refusal::TooManyTrials { retry_after: Duration::from_secs(20) },
        FINDS_IT_FULL => Refusal::Full,
        FINDS_NO_TRIAL => Refusal::NoTrial,
        _ => return super::Reply::Online(SessionId(1)),
    })
}

fn agreed(accepted: Option<TermsVersion>) -> String {
    accepted.map(|version| format!(" terms={version}")).unwrap_or_default()
}

/// What the guest gave besides, by the names of the fields.
fn told(given: &Given) -> String {
    let fields = [
        ("phone_last4", &given.phone_last4),
        ("pin", &given.pin),
        ("phone", &given.phone),
        ("otp", &given.one_time_code),
    ];
    let named =
        |(name, value): (&str, &Option<String>)| value.as_ref().map(|value| format!(" {name}={value}"));
    fields.into_iter().filter_map(named).collect()
}

pub(super) fn config(portal_port: u16) -> Config {
    let hour = Plan {
        title: BTreeMap::from([("sw".into(), "Saa 1".into()), ("en".into(), "One hour".into())]),
        terms: Terms {
            metered: Some(Duration::from_secs(3600)),
            validity: Some(Duration::from_secs(86_400)),
            down: Some(Bps(4_000_000)),
            ..Terms::UNLIMITED
        },
        price: "500".into(),
        currency: "TZS".into(),
        ..Plan::unlimited("hour".parse().unwrap(), PlanSource::File)
    };
    Config {
        gateway: Gateway {
            enabled: true,
            site: "test".into(),
            interfaces: vec!["lo".into()],
            portal_name: "wifi.lango".into(),
            portal_port,
            https_port: 2443,
            tls: None,
            dns_port: 2053,
            dns_upstream: SocketAddr::from(([127, 0, 0, 1], 53)),
            captive_address: Ipv4Addr::new(198, 18, 0, 1),
            state_dir: "/nowhere".into(),
            run_dir: "/nowhere".into(),
            language: "en".into(),
            portal_dir: None,
            title: "Kariakoo <Wi-Fi>".into(),
            support_phone: "+255700000000".into(),
            whatsapp: "255700000000".into(),
            checkpoint: Duration::from_secs(300),
            max_clients: 10,
            user: None,
            mark: 0x0100_0000,
            uplink_probes: Vec::new(),
            uplink: None,
            site_key_file: None,
            issuing_keys: Vec::new(),
            colour: "#0b7285".into(),
            controller: "Kariakoo Ltd, info@example.net".into(),
            terms_required: false,
            key_from_cloud: false,
            anomaly: Anomaly::Report,
            new_devices_per_minute: 120,
        },
        plans: vec![hour, Plan::unlimited("free".parse().unwrap(), PlanSource::File)],
        gardens: Vec::new(),
        devices: Vec::new(),
        trial: Some("free".parse().unwrap()),
        cloud: None,
        retention: Retention {
            sessions: Duration::from_secs(90 * 86_400),
            audit: Duration::from_secs(365 * 86_400),
            unpaid_devices: Duration::from_secs(600),
            claims: Duration::from_secs(48 * 3600),
            minimum: None,
        },
        roles: Vec::new(),
    }
}

/// A response, read from the wire.
#[derive(Debug)]
struct Heard {
    status: u16,
    head: String,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Lab {
    /// The portal's authority.
    fn own(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn connect(&self, from: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
        socket.connect(SocketAddr::from(([127, 0, 0, 1], self.port))).await.unwrap()
    }

    /// Sends `bytes` from 127.0.0.`from` and reads one response.
    async fn send(&self, from: u8, bytes: impl AsRef<[u8]>) -> Heard {
        let mut stream = self.connect(from).await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        let is_head = bytes.as_ref().starts_with(b"HEAD");
        one_response(&mut stream, is_head).await.expect("a whole response")
    }

    async fn get(&self, target: &str) -> Heard {
        self.get_from(GUEST, target).await
    }

    async fn get_from(&self, from: u8, target: &str) -> Heard {
        self.send(from, format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.own())).await
    }

    /// A form, as a browser sends it.
    async fn post(&self, target: &str, body: &str) -> Heard {
        self.post_as(GUEST, target, "", body).await
    }

    async fn post_as(&self, from: u8, target: &str, headers: &str, body: &str) -> Heard {
        let mut text = format!("POST {target} HTTP/1.1\r\nHost: {}\r\n{headers}", self.own());
        let _ = write!(
            text,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(from, text).await
    }

    /// A token of 127.0.0.`from`.
    async fn token(&self, from: u8) -> String {
        self.get_from(from, "/").await.token()
    }

    async fn login(&self, code: &str) -> Heard {
        let token = self.token(GUEST).await;
        self.post("/login", &format!("code={code}&token={token}")).await
    }

    fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    async fn until_calls(&self, count: usize) -> Vec<String> {
        while self.calls.borrow().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.calls()
    }

    fn put_online(&self, session: impl FnOnce(Now) -> SessionView) {
        let session = session(self.clock.now());
        self.view.send_replace(Arc::new(View {
            sessions: OrdMap::from([(session.mac, session)]),
            ..View::default()
        }));
    }
}

fn session(now: Now, left: u64) -> SessionView {
    SessionView {
        ends: Some(now.boot.plus(Duration::from_secs(left))),
        whole: Some(Duration::from_secs(3600)),
        bytes_left: Some(Bytes(320_000_000)),
        bytes_whole: Some(Bytes(500_000_000)),
        devices: 2,
        ..SessionView::unlimited(mac(GUEST))
    }
}

/// Reads the next response of `stream`; `None` if it ends before one is complete.
async fn one_response(stream: &mut TcpStream, is_head: bool) -> Option<Heard> {
    tokio::time::timeout(PATIENCE, read_response(stream, is_head)).await.expect("an answer in time").ok()
}

async fn read_response(stream: &mut TcpStream, is_head: bool) -> io::Result<Heard> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut heard = Heard { status, head, body: String::new() };
    let length = heard.header("content-length").expect("a length").parse().unwrap();
    let mut body = vec![0; if is_head { 0 } else { length }];
    stream.read_exact(&mut body).await?;
    heard.body = String::from_utf8(body).unwrap();
    Ok(heard)
}

/// Whether the portal closes `stream` without another byte.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    read.is_ok_and(|outcome| outcome.is_err() || rest.is_empty())
}
