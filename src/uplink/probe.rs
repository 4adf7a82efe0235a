//! Asks whether anybody answers beyond the link, by beginning a TCP connection.
//!
//! Owns: the sockets of one round. Never: what a round means. A refusal is an answer; nothing is sent over
//! a connection that comes about.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

/// Time enough for a second try over a slow line.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came of asking one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Answered,
    Failed,
    /// It could not be asked, for a reason that lies here.
    Unasked,
}

/// What came of asking all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// The first who answered; the others were not waited for.
    pub(super) answered: Option<SocketAddr>,
    /// Who did not.
    pub(super) failed: Vec<SocketAddr>,
}

/// Asks all of `targets` at the same time, through `device` and no other; one answer is enough.
pub(super) async fn round(device: String, targets: Vec<SocketAddr>) -> Findings {
    let mut asking = JoinSet::new();
    for target in targets {
        let device = device.clone();
        asking.spawn_local(async move { (target, ask(&device, target).await) });
    }
    let mut findings = Findings::default();
    while let Some(finding) = asking.join_next().await {
        match finding {
            Ok((target, Finding::Answered)) => {
                findings.answered = Some(target);
                return findings;
            }
            Ok((target, Finding::Failed)) => findings.failed.push(target),
            Ok((_, Finding::Unasked)) | Err(_) => {}
        }
    }
    findings
}

async fn ask(device: &str, target: SocketAddr) -> Finding {
    match tokio::time::timeout(PATIENCE, connect(device, target)).await {
        Ok(Ok(())) => Finding::Answered,
        Ok(Err(error)) => meaning(&error),
        Err(_) => Finding::Failed,
    }
}

async fn connect(device: &str, target: SocketAddr) -> io::Result<()> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.connect(target).await.map(drop)
}

fn meaning(error: &io::Error) -> Finding {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED | Errno::ECONNRESET) => Finding::Answered,
        Some(
            Errno::ENETUNREACH
            | Errno::EHOSTUNREACH
            | Errno::ENETDOWN
            | Errno::EHOSTDOWN
            | Errno::ETIMEDOUT
            | Errno::EADDRNOTAVAIL
            | Errno::EACCES
            | Errno::ENODEV,
        ) => Finding::Failed,
        // No descriptors, no memory, no such family, forbidden by the gateway's own firewall.
        Some(_) | None => Finding::Unasked,
    }
}
