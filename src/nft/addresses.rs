//! What is known of addresses: where devices live, and which places in the garden are open to whom.
//!
//! Owns: that addresses come to devices while they are online, and the elements of `asked4` and `asked6`.
//! Never: finds addresses out; the neighbour table and the responder do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::books::{Change, NewHome};
use super::sets::{ASKED, FRESH, joined, octets};
use super::table::TABLE;
use super::{Homes, Nft, NftError, Pass};
use crate::domain::{Boot, Bytes, Mac, Usage};
use crate::wire::nftables::{self, Batch, Put, State};

/// Addresses that a device is let have. With more it still has what an unknown address gets.
const ADDRESSES_EACH: usize = 32;

impl Nft {
    /// Devices live at `homes` too; whoever was thought to live there does not any more.
    pub fn settle(&mut self, homes: &Homes, passes: &BTreeMap<Mac, Pass>, now: Boot) -> Result<(), NftError> {
        self.give_up(&self.moved(homes), passes, now)?;
        let mut batch = Batch::new(TABLE);
        for (mac, addresses) in homes {
            for address in addresses {
                let room = self.books.devices.get(mac).is_some_and(|kept| kept.homes.len() < ADDRESSES_EACH);
                let Some(pass) = passes.get(mac).filter(|_| room) else { continue };
                if self.books.homes.contains_key(address) {
                    continue;
                }
                let received = self.received(*address)?;
                let home = NewHome { mac: *mac, pass, address: *address, received };
                self.books.add_home(&mut batch, &home, now);
            }
        }
        self.commit_books(batch)
    }

    /// Devices do not live at these addresses any more; what they have received there stays counted.
    fn give_up(&mut self, lost: &Homes, passes: &BTreeMap<Mac, Pass>, now: Boot) -> Result<(), NftError> {
        let mut changes = Vec::new();
        for (mac, lost) in lost {
            let Some(kept) = self.books.devices.get(mac) else { continue };
            let homes = kept.homes.difference(lost).copied().collect();
            let counted = self.usage_of(*mac)?.map(Usage::used);
            changes.push(Change { mac: *mac, pass: passes.get(mac), counted, homes });
        }
        let mut batch = Batch::new(TABLE);
        if !changes.is_empty() {
            self.books.write(&mut batch, changes, now);
        }
        self.commit_books(batch)
    }

    /// Opens `addresses` of the garden at `ports` to `mac`, for a while.
    pub fn open_garden(
        &mut self,
        mac: Mac,
        addresses: &[IpAddr],
        ports: &[u16],
        stay: Duration,
    ) -> Result<(), NftError> {
        let stays = Some(u64::try_from(stay.as_millis()).unwrap_or(u64::MAX));
        let mut batch = Batch::new(TABLE);
        for address in addresses {
            let keys =
                ports.iter().map(|port| joined(&[&mac.bytes(), &octets(*address), &port.to_be_bytes()]));
            let keys: Vec<_> = keys.map(|key| Put::key(&key)).collect();
            // So that the time of one that is there begins anew.
            batch.add_elements(ASKED.of(*address), &keys);
            batch.delete_elements(ASKED.of(*address), &keys);
            let elements = keys.into_iter().map(|key| Put { stays, ..key });
            batch.add_elements(ASKED.of(*address), &elements.collect::<Vec<_>>());
        }
        self.commit(batch)
    }

    /// Devices that live at addresses of others, by what is known now.
    fn moved(&self, homes: &Homes) -> Homes {
        let mut moved = Homes::new();
        for (mac, addresses) in homes {
            for address in addresses {
                if let Some(other) = self.books.homes.get(address).filter(|other| *other != mac) {
                    moved.entry(*other).or_default().insert(*address);
                }
            }
        }
        moved
    }

    fn received(&mut self, address: IpAddr) -> Result<Bytes, NftError> {
        let mut received = Bytes(0);
        self.ask(
            |n| nftables::get_element(TABLE, FRESH.of(address), &octets(address), n),
            |message| {
                let states = nftables::elements(message).flat_map(|element| element.state);
                received = Bytes(states.map(used).sum());
            },
        )?;
        Ok(received)
    }
}

fn used(state: State) -> u64 {
    match state {
        State::Quota { used, .. } => used,
        State::Counter { .. }
        | State::ByteLimit { .. }
        | State::PacketLimit { .. }
        | State::PacketsOver { .. } => 0,
    }
}
