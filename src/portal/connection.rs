//! One connection of a guest, from accept to close.
//!
//! hyper reads and writes; here is what it leaves open: the deadlines, the place that may be taken away,
//! the page for what could not be parsed, the word to the desk when the response is out, and a close that
//! does not destroy what was just sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connections::{Holder, Seat};
use super::framing::LONGEST_HEAD;
use super::tls::{self, Channel};
use super::wire::{Progress, Stage, Wire};
use super::{Call, Context, service};
use crate::captive::{Door, Here, Notice};
use crate::config::Config;
use crate::domain::Mac;

/// A closing connection swallows so much of what is still coming, for so long: closing with unread bytes
/// resets it, and the guest's browser would drop the page it has just got.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_TIME: Duration = Duration::from_millis(500);

/// One connection, as seen by those who answer its requests.
pub(super) struct Visit {
    pub(super) context: Rc<Context>,
    pub(super) progress: Rc<Progress>,
    by: Door,
    interface: u32,
    peer: IpAddr,
    /// The gateway's address, fit for a URL.
    address: IpAddr,
    /// Where the guest has sent its packets, before the kernel led them here.
    sent_to: Option<Ipv4Addr>,
    device: Cell<Option<Mac>>,
    /// The desk waits to hear that this device got its answer.
    awaited: Cell<Option<Mac>>,
    has_unread: Cell<bool>,
}

impl Visit {
    pub(super) fn new(
        context: Rc<Context>,
        by: Door,
        interface: u32,
        peer: IpAddr,
        address: IpAddr,
        sent_to: Option<Ipv4Addr>,
        progress: Rc<Progress>,
    ) -> Rc<Self> {
        let (device, awaited, has_unread) = (Cell::default(), Cell::default(), Cell::default());
        Rc::new(Self {
            context,
            progress,
            by,
            interface,
            peer,
            address,
            sent_to,
            device,
            awaited,
            has_unread,
        })
    }

    /// The gateway's end.
    pub(super) fn here<'a>(&self, config: &'a Config) -> Here<'a> {
        let gateway = &config.gateway;
        let (port, https_port, name) = (gateway.portal_port, gateway.https_port, &gateway.portal_name);
        let to = if self.context.shown.borrow().is_some() { Door::Secure } else { Door::Plain };
        Here { address: self.address, port, https_port, name, by: self.by, to }
    }

    /// The door that the guest came by.
    pub(super) fn by(&self) -> Door {
        self.by
    }

    /// Whether the guest took the captive address for the host that it wants.
    pub(super) fn is_captive(&self, config: &Config) -> bool {
        self.sent_to == Some(config.gateway.captive_address)
    }

    /// Whose connection it is: what the kernel says, never what the request says.
    pub(super) async fn device(&self) -> Option<Mac> {
        if self.device.get().is_none() {
            self.device.set(self.context.who.device(self.interface, self.peer).await);
        }
        self.device.get()
    }

    /// The desk is asked something for `mac`: it will hear when the answer is out, or the guest gone.
    pub(super) fn owes_word(&self, mac: Mac) {
        self.awaited.set(Some(mac));
    }

    /// The response goes out before the body of its request was read.
    pub(super) fn leaves_unread(&self) {
        self.has_unread.set(true);
    }
}

/// Serves the connection until it ends, by whomever.
pub(super) async fn run(stream: TcpStream, visit: Rc<Visit>, seat: Seat) {
    // Pages fit into one window: nothing is gained by waiting to fill segments.
    let _ = stream.set_nodelay(true);
    let device = visit.device().await;
    let holder = device.map_or(Holder::Address(visit.peer), Holder::Device);
    seat.belongs_to(holder);
    let Some(channel) = tls::channel(stream, &visit, &seat, holder).await else { return };

    let (mut stream, rest) = requests(channel, &visit).await;
    if let Some(notice) = rest.notice {
        let page = service::bare_notice(&visit, notice);
        let _ = tokio::time::timeout(LINGER_TIME, stream.write_all(&page)).await;
    }
    if let Some(mac) = visit.awaited.take() {
        // A desk that is gone needs no word.
        let _ = visit.context.desk.send(Call::Answered { mac }).await;
    }
    if rest.lingers {
        linger(stream).await;
    }
}

/// What is left to do when no more requests are read.
struct Rest {
    /// To be shown as the last page.
    notice: Option<Notice>,
    lingers: bool,
}

async fn requests(stream: Channel, visit: &Rc<Visit>) -> (Channel, Rest) {
    let progress = &visit.progress;
    let wire = TokioIo::new(Wire::new(stream, Rc::clone(progress)));
    let answering = Rc::clone(visit);
    let service = service_fn(move |request| Box::pin(service::respond(Rc::clone(&answering), request)));
    let mut connection = http1::Builder::new()
        .half_close(true)
        .auto_date_header(false)
        .max_buf_size(2 * LONGEST_HEAD)
        .serve_connection(wire, service);
    let notice = tokio::select! {
        outcome = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
            let unparsed = outcome.is_err_and(|error| error.is_parse()).then_some(Notice::Malformed);
            progress.fault().or(unparsed)
        }
        () = progress.overdue() => {
            matches!(progress.stage(), Stage::Head | Stage::Busy).then_some(Notice::TooSlow)
        }
        () = progress.given_up.notified() => None,
    };
    let lingers = notice.is_some() || visit.has_unread.get();
    (connection.into_parts().io.into_inner().into_stream(), Rest { notice, lingers })
}

async fn linger(mut stream: Channel) {
    let swallow = async {
        stream.shutdown().await?;
        let mut scrap = [0; 2048];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scrap).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever goes wrong now, the connection ends either way.
    let _ = tokio::time::timeout(LINGER_TIME, swallow).await;
}
