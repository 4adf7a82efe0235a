//! What is known of addresses: where devices live, and which places in the garden are open to whom.
//!
//! Owns: that addresses come to devices while they are online, and the elements of `asked4` and `asked6`.
//! Never: finds addresses out; the neighbour table and the responder do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::books::{Change, NewHome};
use super::sets::{ASKED, FRESH, LEARNED, joined, octets};
use super::table::TABLE;
use super::{Homes, Nft, NftError, Pass};
use crate::domain::{Boot, Bytes, Mac, Usage};
use crate::wire::nftables::{self, Batch, Put, State};

/// Addresses that a device is let have. With more it still has what an unknown address gets.
const ADDRESSES_EACH: usize = 32;

impl Nft {
    /// Devices live at `homes` too; whoever was thought to live there does not any more, and is returned.
    pub fn settle(
        &mut self,
        homes: &Homes,
        passes: &BTreeMap<Mac, Pass>,
        now: Boot,
    ) -> Result<BTreeSet<Mac>, NftError> {
        let moved = self.moved(homes);
        self.give_up(&moved, passes, now)?;
        let (mut batch, mut settled) = (Batch::new(TABLE), Vec::new());
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
                settled.push(*address);
            }
        }
        self.commit_books(batch)?;
        self.forget_learned(&settled);
        Ok(moved.into_keys().collect())
    }

    /// Where `mac` lives.
    pub fn homes_of(&self, mac: Mac) -> BTreeSet<IpAddr> {
        self.books.devices.get(&mac).map(|kept| kept.homes.clone()).unwrap_or_default()
    }

    /// Devices that have as many addresses as they are let have do not live any more at those that are not
    /// among `homes`: phones take new ones every day.
    pub fn make_room(
        &mut self,
        homes: &Homes,
        passes: &BTreeMap<Mac, Pass>,
        now: Boot,
    ) -> Result<(), NftError> {
        let lost = homes.iter().filter_map(|(mac, homes)| {
            let kept = self.books.devices.get(mac).filter(|kept| kept.homes.len() >= ADDRESSES_EACH)?;
            Some((*mac, kept.homes.difference(homes).copied().collect::<BTreeSet<_>>()))
        });
        let lost = lost.filter(|(_, lost)| !lost.is_empty()).collect();
        self.give_up(&lost, passes, now)
    }

    /// Addresses that are known now are no longer among those that the kernel has learned. That is apart from
    /// the change itself, which must not fail where guests have filled those sets: they run out.
    pub(super) fn forget_learned(&mut self, homes: &[IpAddr]) {
        let mut batch = Batch::new(TABLE);
        for (set, keys) in [LEARNED, FRESH].into_iter().flat_map(|sets| sets.split(homes.iter().copied())) {
            batch.remove_elements(set, &keys);
        }
        let _ = self.commit(batch);
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
            batch.remove_elements(ASKED.of(*address), &keys);
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
