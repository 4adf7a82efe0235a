//! One connection to the cloud: name, TCP, TLS, and one HTTP request after another.
//!
//! Owns: the socket, and when it counts as dead: nothing moved on it for 15 seconds. Never: retries, or what
//! is asked. Neighbours: `cloud` keeps one line and asks over it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, InvalidMessage};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::health::Wire;
use super::tls::{Epoch, Tls};
use super::trouble::{BadCertificate, Interception, Trouble};
use super::url::{Scheme, Url};
use crate::clock::Clock;
use crate::domain::Boot;
use crate::wire::feed::BODY_MAX;

/// Without progress for so long, a request is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// However slowly it goes on, it ends then: 1 MiB at 14 kbit/s.
const IN_ALL: Duration = Duration::from_secs(10 * 60);
const CONNECT: Duration = Duration::from_secs(5);
const ADDRESSES_MAX: usize = 8;
/// Of the head of an answer.
const HEAD_MAX: usize = 32 * 1024;

/// An open connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    gauge: Arc<Gauge>,
    address: SocketAddr,
    /// What its certificate was verified by; `None`: there was none.
    epoch: Option<Epoch>,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

/// Why a line has no answer.
pub(super) enum Lost {
    /// Not a byte of an answer came: on a line that was kept, the other side may have closed it before.
    Unanswered(Trouble),
    Broken(Trouble),
}

impl Line {
    /// Connects. `first`: the address that worked before is tried before all others.
    pub(super) async fn dial(
        url: &Url,
        tls: Option<&Tls>,
        first: Option<SocketAddr>,
        wire: &Arc<Wire>,
        clock: &Clock,
    ) -> Result<Self, Trouble> {
        let (tcp, address) = connect(url, first).await?;
        let gauge = Arc::new(Gauge::new(clock.clone(), Arc::clone(wire)));
        let tcp = Metered { tcp, gauge: Arc::clone(&gauge) };
        let (sender, epoch, driver) = match tls {
            None => {
                let (sender, driver) = speak(tcp).await?;
                (sender, None, driver)
            }
            Some(tls) => {
                let (config, epoch) = tls.config(clock.now())?;
                let name = ServerName::try_from(url.host.clone())
                    .map_err(|_| Trouble::Certificate(BadCertificate::WrongName))?;
                let shaking = TlsConnector::from(config).connect(name, tcp);
                let stream = gauge.watch(PATIENCE, shaking).await?.map_err(|error| of_tls(&error))?;
                let (sender, driver) = speak(stream).await?;
                (sender, Some(epoch), driver)
            }
        };
        Ok(Self { sender, gauge, address, epoch, _driver: driver })
    }

    /// Where it leads.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it can carry another request, as far as is known here.
    pub(super) fn is_good(&self) -> bool {
        let now = self.gauge.clock.now();
        !self.sender.is_closed() && self.epoch.is_none_or(|epoch| epoch.holds(now))
    }

    /// How long nothing has moved on it.
    pub(super) fn idle(&self) -> Duration {
        self.gauge.clock.now().boot.since(self.gauge.moved())
    }

    /// Asks, and waits for the head of the answer. `patience`: how long there may be silence.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Lost> {
        let asking = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        match self.gauge.watch(patience, asking).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_parse() => Err(Lost::Broken(of_hyper(&error))),
            Ok(Err(error)) => Err(Lost::Unanswered(of_hyper(&error))),
            Err(trouble) => Err(Lost::Unanswered(trouble)),
        }
    }

    /// Takes the body of an answer in, if it is not too large.
    pub(super) async fn take_in(&self, mut body: Incoming) -> Result<Vec<u8>, Trouble> {
        let reading = async {
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| of_hyper(&error))?;
                let piece = frame.into_data().unwrap_or_default();
                if whole.len() + piece.len() > BODY_MAX {
                    return Err(Trouble::TooLarge);
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole)
        };
        self.gauge.watch(PATIENCE, reading).await?
    }
}

/// The silence that is borne where the cloud may hold a request for `wait`.
pub(super) fn patience(wait: Duration) -> Duration {
    PATIENCE + wait
}

async fn connect(url: &Url, first: Option<SocketAddr>) -> Result<(TcpStream, SocketAddr), Trouble> {
    let mut trouble = None;
    for address in addresses(url, first).await? {
        let error = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                let millis = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
                let _ = setsockopt(&tcp, sockopt::TcpUserTimeout, &millis);
                return Ok((tcp, address));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        trouble = Some(Trouble::Unreachable { address, error });
    }
    Err(trouble.unwrap_or_else(|| Trouble::Name { host: url.host.clone(), error: "no address".into() }))
}

async fn addresses(url: &Url, first: Option<SocketAddr>) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(ip) = url.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, url.port)]);
    }
    let unknown = |error: String| Trouble::Name { host: url.host.clone(), error };
    let found = match timeout(CONNECT, tokio::net::lookup_host((url.host.as_str(), url.port))).await {
        Ok(Ok(found)) => Ok(found.filter(|address| may_lead(url, address)).collect()),
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(_) => Err(unknown("no answer".into())),
    };
    // Without DNS, where it was is the best guess; the certificate tells whether it still is there.
    let found: Vec<SocketAddr> = found.or_else(|trouble| first.map(|first| vec![first]).ok_or(trouble))?;
    let known = first.filter(|first| found.contains(first));
    let others = found.iter().copied().filter(|address| Some(*address) != known);
    Ok(known.into_iter().chain(others).take(ADDRESSES_MAX).collect())
}

/// In the clear, a name may lead to this machine only.
fn may_lead(url: &Url, address: &SocketAddr) -> bool {
    url.scheme == Scheme::Https || address.ip().is_loopback()
}

async fn speak<S>(stream: S) -> Result<(SendRequest<Full<Bytes>>, JoinSet<()>), Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_hyper(&error))?;
    let mut driver = JoinSet::new();
    // Its end is told to whoever waits for an answer.
    driver.spawn(async move { drop(connection.await) });
    Ok((sender, driver))
}

fn of_hyper(error: &hyper::Error) -> Trouble {
    use std::error::Error;
    let inner = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if error.is_parse_too_large() {
        return Trouble::TooLarge;
    }
    inner.map_or_else(|| Trouble::Cut(error.to_string()), of_tls)
}

/// An error of the stream: of TLS, or of TCP below it.
fn of_tls(error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        None => Trouble::Cut(error.to_string()),
        Some(rustls::Error::InvalidCertificate(error)) => Trouble::Certificate(of_certificate(error)),
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Trouble::Intercepted(Interception::NoTls)
        }
        Some(error) => Trouble::Tls(error.to_string()),
    }
}

fn of_certificate(error: &CertificateError) -> BadCertificate {
    use CertificateError as E;
    let expired = matches!(error, E::Expired | E::ExpiredContext { .. });
    let early = matches!(error, E::NotValidYet | E::NotValidYetContext { .. });
    let other_name = matches!(error, E::NotValidForName | E::NotValidForNameContext { .. });
    match () {
        () if expired => BadCertificate::Expired,
        () if early => BadCertificate::NotYetValid,
        () if other_name => BadCertificate::WrongName,
        () if *error == E::UnknownIssuer => BadCertificate::UnknownIssuer,
        () => BadCertificate::Other(rustls::Error::InvalidCertificate(error.clone()).to_string()),
    }
}

/// When something last moved on a connection.
struct Gauge {
    clock: Clock,
    wire: Arc<Wire>,
    moved: AtomicU64,
}

impl Gauge {
    fn new(clock: Clock, wire: Arc<Wire>) -> Self {
        let moved = AtomicU64::new(clock.now().boot.as_millis());
        Self { clock, wire, moved }
    }

    fn moved(&self) -> Boot {
        Boot::from_millis(self.moved.load(Ordering::Relaxed))
    }

    fn moves(&self) {
        self.moved.store(self.clock.now().boot.as_millis(), Ordering::Relaxed);
    }

    /// Does `work` for as long as something moves at least each `patience`; but not for ever.
    async fn watch<T>(&self, patience: Duration, work: impl Future<Output = T>) -> Result<T, Trouble> {
        let began = self.clock.now().boot;
        let end = began.plus(IN_ALL + patience);
        let mut work = pin!(work);
        loop {
            let now = self.clock.now().boot;
            let due = self.moved().max(began).plus(patience);
            if now >= due {
                return Err(Trouble::Silent);
            }
            if now >= end {
                return Err(Trouble::Endless);
            }
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(due.min(end).since(now)) => {}
            }
        }
    }
}

/// A TCP connection whose bytes are counted.
struct Metered {
    tcp: TcpStream,
    gauge: Arc<Gauge>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.gauge.moves();
            self.gauge.wire.received(count);
        }
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.gauge.moves();
            self.gauge.wire.sent(count);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
