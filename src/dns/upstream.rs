//! Questions to the resolver. It may be dead, slow, or lie.
//!
//! Each question has a socket of its own, at a port and under a number that nobody can foresee; whatever
//! comes from elsewhere, under another number or to another question, is as if it had not come.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::clock::random;
use crate::wire::dns::{self, Kind, Name, Response};

/// How long the first try and the second wait.
pub(super) type Patience = [Duration; 2];

/// Longer than any answer over UDP that we ask for.
const LONGEST: usize = 4096;

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: Kind,
    /// The question in full, under any number.
    pub(super) message: &'a [u8],
}

/// Asks `server` for the records `kind` of `name`.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: Kind, patience: Patience) -> Option<Response> {
    let message = dns::question(0, name, kind);
    let question = Question { name, kind, message: &message };
    Some(relay(server, &question, patience).await?.1)
}

/// Asks `server`; its answer, and what that says. `None`: there was none that helps.
pub(super) async fn relay(
    server: SocketAddr,
    question: &Question<'_>,
    patience: Patience,
) -> Option<(Vec<u8>, Response)> {
    for wait in patience {
        // A failure of ours, such as no more descriptors, is no better than silence.
        let Ok(Ok((answer, response))) = timeout(wait, once(server, question)).await else { continue };
        let helps = response.is_fine() || response.denies();
        return helps.then_some((answer, response));
    }
    None
}

async fn once(server: SocketAddr, question: &Question<'_>) -> io::Result<(Vec<u8>, Response)> {
    let (answer, response) = over_udp(server, question).await?;
    if response.truncated { over_tcp(server, question).await } else { Ok((answer, response)) }
}

async fn over_udp(server: SocketAddr, question: &Question<'_>) -> io::Result<(Vec<u8>, Response)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // From here on the kernel drops what others send.
    socket.connect(server).await?;
    let id = u16::from_be_bytes(random());
    socket.send(&dns::with_id(question.message, id)).await?;
    let mut answer = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        if let Some(response) = read(answer.get(..length), id, question) {
            answer.truncate(length);
            return Ok((answer, response));
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Question<'_>) -> io::Result<(Vec<u8>, Response)> {
    let id = u16::from_be_bytes(random());
    let message = dns::with_id(question.message, id);
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), &*message].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    let response = read(Some(&answer), id, question).filter(|response| !response.truncated);
    response.map(|response| (answer, response)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn read(answer: Option<&[u8]>, id: u16, question: &Question<'_>) -> Option<Response> {
    dns::read_response(answer?, id, question.name, question.kind)
}
