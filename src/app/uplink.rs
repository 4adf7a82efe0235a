//! What becomes of news of the uplink.
//!
//! Owns: the way from the monitor to everybody who lives by it. Never: whether the uplink is alive.
//! Neighbours: `crate::uplink` watches it, the Gate pauses clocks by it, `doctor` and `status` show it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

use super::desk::Desk;
use super::fault::Fault;
use crate::clock::Clock;
use crate::config::Config;
use crate::dns::Responder;
use crate::domain::{Input, Lack, Reply, Uplink, UplinkState};
use crate::uplink::{Monitor, Report};

/// Where phones try whether they are online.
const HTTP: u16 = 80;

/// Tells the loop whenever more is known of the uplink than was `known` at first.
pub(super) fn watch(
    known: UplinkState,
    config: watch::Receiver<Arc<Config>>,
    responder: &Rc<Responder>,
    clock: Clock,
    ends: mpsc::Sender<Fault>,
) -> Result<watch::Receiver<Report>, Fault> {
    let responder = Rc::clone(responder);
    let offer = Box::new(move || {
        let hosts = responder.probe_hosts().into_iter();
        hosts.map(|host| SocketAddr::new(host, HTTP)).collect()
    });
    let (monitor, reports) = Monitor::open(known, config, offer, clock).map_err(Fault::Uplink)?;
    spawn_local(async move {
        let _ = ends.send(Fault::Uplink(monitor.run().await)).await;
    });
    Ok(reports)
}

impl Desk {
    /// Something else is known of the uplink: whoever lives by that hears it here.
    pub(super) async fn uplink_changed(&mut self, report: Report) {
        let before = std::mem::replace(&mut self.uplink, report).state;
        self.kernel.follow_uplink(&self.uplink);
        if self.uplink.state.uplink == before.uplink {
            return;
        }
        self.log_uplink();
        if let Some(link) = self.cloud.link().filter(|_| self.uplink.state.uplink == Uplink::Up) {
            link.uplink_is_back();
        }
        self.tell_gate_of_uplink().await;
    }

    /// Clocks stop and start by what the Gate knows; what the flash did not take is told again.
    pub(super) async fn tell_gate_of_uplink(&mut self) {
        let state = self.uplink.state;
        if self.ledger.gate.moment(self.ledger.clock.now()).uplink == state.uplink {
            return;
        }
        let replies = self.transact(vec![Input::UplinkChanged(state)]).await;
        if replies.iter().any(|reply| matches!(reply, Reply::Refused(_))) {
            tracing::debug!(
                event = "uplink_not_stored",
                "clocks follow the uplink when the store takes records"
            );
        }
    }

    fn log_uplink(&self) {
        let Report { state, lack, device, .. } = &self.uplink;
        let (lack, device) = (lack.map(Lack::word), device.as_deref());
        let ago_s = self.ledger.clock.now().boot.since(state.since).as_secs();
        match state.uplink {
            Uplink::Down => {
                tracing::warn!(event = "uplink_down", device, lack, ago_s, "the internet cannot be reached");
            }
            Uplink::Up => tracing::info!(event = "uplink_up", device, ago_s, "the internet can be reached"),
            Uplink::Unknown => {
                tracing::info!(
                    event = "uplink_unknown",
                    device,
                    ago_s,
                    "nobody says whether the internet is there"
                );
            }
        }
    }
}
