//! Tables of others, as far as they tell how guests fare.
//!
//! Looks only; another's table is not ours to change.

use super::table::TABLE;
use super::{Nft, NftError};
use crate::ordered::OrdMap;
use crate::wire::nftables::{chain, get_all_chains, get_all_rules, rule};

/// A table that is not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stranger {
    pub name: String,
    pub chains: Vec<String>,
    /// Whether a rule of it gives packets another source: what leaves has an address of the gateway.
    pub masquerades: bool,
}

/// Expressions of such rules: of nftables, and of what iptables leaves there.
const SOURCES: &[&str] = &["masq", "nat", "target"];
const POSTROUTING: u32 = 4;

impl Nft {
    /// The tables of others, in all families; those of two families that are called alike are told as one.
    pub fn strangers(&mut self) -> Result<Vec<Stranger>, NftError> {
        let mut tables: OrdMap<String, Stranger> = OrdMap::new();
        let mut leaving = Vec::new();
        self.ask(get_all_chains, |message| {
            let Some(found) = chain(message).filter(|chain| chain.table != TABLE) else { return };
            let base = found.base.as_ref();
            if base.is_some_and(|(kind, hook, _)| kind == "nat" && *hook == POSTROUTING) {
                leaving.push(found.table.clone());
            }
            tables.entry(found.table).or_default().chains.push(found.name);
        })?;
        self.ask(get_all_rules, |message| {
            let Some(found) = rule(message).filter(|rule| rule.table != TABLE) else { return };
            let changes = found.expressions.iter().any(|name| SOURCES.contains(&name.as_str()));
            if changes && leaving.contains(&found.table) {
                tables.entry(found.table).or_default().masquerades = true;
            }
        })?;
        Ok(tables.into_iter().map(|(name, table)| Stranger { name, ..table }).collect())
    }
}
