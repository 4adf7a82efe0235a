//! Whether some firewall offloads flows: hands them to a flowtable, past all rules.
//!
//! Looks only. What keeps guests out of it stands in `ruleset.nft`, offload or not.

use super::{Nft, NftError};
use crate::wire::nftables::{flowtable, get_flowtables};

impl Nft {
    /// The flowtables of all tables, each as its table and its name.
    pub fn flowtables(&mut self) -> Result<Vec<String>, NftError> {
        let mut found = Vec::new();
        self.ask(get_flowtables, |message| {
            found.extend(flowtable(message).map(|it| format!("{} {}", it.table, it.name)));
        })?;
        found.sort();
        Ok(found)
    }
}
