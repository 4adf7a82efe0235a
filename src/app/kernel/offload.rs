//! Flow offload: whether a firewall of this gateway uses it, and that no guest's flow is in it.
//!
//! A flow in a flowtable goes past all rules: nothing counts it, slows it or ends it. The rules keep each flow
//! of a guest out from its first packet on; what began while they were not there is cut here.

use super::Kernel;
use crate::nft::{NftError, Stranger};

/// What is known of offload on this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::app) enum Offload {
    /// Nobody has a flowtable.
    #[default]
    Off,
    /// These flowtables are there, as `table name`.
    On(Vec<String>),
    /// Why it could not be found out.
    Unknown(String),
}

impl Kernel {
    /// The tables of others.
    pub(in crate::app) fn strangers(&mut self) -> Result<Vec<Stranger>, NftError> {
        self.nft.strangers()
    }

    /// Looks for flowtables, and cuts the flows of guests that are in one.
    pub(in crate::app) fn look_for_offload(&mut self) {
        self.offload = match self.nft.flowtables() {
            Ok(tables) if tables.is_empty() => Offload::Off,
            Ok(tables) => Offload::On(tables),
            Err(error) => Offload::Unknown(error.to_string()),
        };
        if self.offload != Offload::Off {
            self.cut_offloaded();
        }
    }

    fn cut_offloaded(&mut self) {
        let cut = self.neighbours.all().and_then(|known| {
            let addresses = self.desired.passes.keys().filter_map(|mac| known.get(mac)).flatten().copied();
            self.flows.cut_offloaded(&addresses.collect::<Vec<_>>())
        });
        match cut {
            Ok(0) => {}
            Ok(flows) => {
                tracing::warn!(event = "offloaded_flows_cut", flows, "flows of guests went past the rules");
            }
            Err(error) => {
                tracing::warn!(event = "offloaded_flows_not_cut", %error, "tried again in a minute")
            }
        }
    }
}
