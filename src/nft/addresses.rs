//! What is known of addresses: where devices live, and which places in the garden are open to whom.
//!
//! Owns: that addresses come to devices while they are online, and the elements of `asked4` and `asked6`.
//! Never: finds addresses out; the neighbour table and the responder do.

use std::net::IpAddr;
use std::time::Duration;

use super::books::{Change, NewHome};
use super::sets::{ASKED, LEARNED, joined, octets};
use super::table::TABLE;
use super::{Homes, Nft, NftError, Pass};
use crate::domain::{Boot, Mac, Usage};
use crate::ordered::{OrdMap, OrdSet};
use crate::wire::nftables::{Batch, Put};

/// Addresses that a device is let have. With more it still has what an unknown address gets, again each time
/// that this is counted and charged.
const ADDRESSES_EACH: usize = 32;

impl Nft {
    /// Devices live at `homes` too; whoever was thought to live there does not any more, and is returned.
    pub fn settle(
        &mut self,
        homes: &Homes,
        passes: &OrdMap<Mac, Pass>,
        now: Boot,
    ) -> Result<OrdSet<Mac>, NftError> {
        let moved = self.moved(homes);
        self.give_up(&moved, passes, now)?;
        let fresh = self.fresh_at(&self.unknown(homes))?;
        let (mut batch, mut settled) = (Batch::new(TABLE), Vec::new());
        for (mac, addresses) in homes {
            for address in addresses {
                let room = self.books.devices.get(mac).is_some_and(|kept| kept.homes.len() < ADDRESSES_EACH);
                let Some(pass) = passes.get(mac).filter(|_| room) else { continue };
                if self.books.homes.contains_key(address) {
                    continue;
                }
                self.books.add_home(&mut batch, &NewHome { mac: *mac, pass, address: *address }, now);
                settled.push(*address);
            }
        }
        // A cap may end before all of it is charged.
        for (mac, received) in self.whose(&fresh) {
            self.books.hold(&mut batch, mac, received);
        }
        self.commit_books(batch)?;
        // Also what came to those that found no room.
        let of = homes.iter().filter(|(mac, _)| self.books.devices.contains_key(mac));
        let all = of.flat_map(|(mac, homes)| homes.iter().map(|home| (*home, *mac))).collect();
        self.take_in(&all)?;
        self.forget_learned(&settled);
        Ok(moved.into_keys().collect())
    }

    /// Those of `homes` that are not in the table.
    fn unknown(&self, homes: &Homes) -> OrdMap<IpAddr, Mac> {
        let all = homes.iter().flat_map(|(mac, homes)| homes.iter().map(|home| (*home, *mac)));
        all.filter(|(home, _)| !self.books.homes.contains_key(home)).collect()
    }

    /// Where `mac` lives.
    pub fn homes_of(&self, mac: Mac) -> OrdSet<IpAddr> {
        self.books.devices.get(&mac).map(|kept| kept.homes.clone()).unwrap_or_default()
    }

    /// Devices that have as many addresses as they are let have do not live any more at those that are not
    /// among `homes`: phones take new ones every day.
    pub fn make_room(
        &mut self,
        homes: &Homes,
        passes: &OrdMap<Mac, Pass>,
        now: Boot,
    ) -> Result<(), NftError> {
        let lost = homes.iter().filter_map(|(mac, homes)| {
            let kept = self.books.devices.get(mac).filter(|kept| kept.homes.len() >= ADDRESSES_EACH)?;
            Some((*mac, kept.homes.difference(homes).copied().collect::<OrdSet<_>>()))
        });
        let lost = lost.filter(|(_, lost)| !lost.is_empty()).collect();
        self.give_up(&lost, passes, now)
    }

    /// Addresses that are known now are no longer among those that the kernel has learned. That is apart from
    /// the change itself, which must not fail where guests have filled those sets: they run out.
    fn forget_learned(&mut self, homes: &[IpAddr]) {
        let mut batch = Batch::new(TABLE);
        for (set, keys) in LEARNED.split(homes.iter().copied()) {
            batch.remove_elements(set, &keys);
        }
        let _ = self.commit(batch);
    }

    /// What follows when `homes` have come to devices in the table.
    pub(super) fn moved_in(&mut self, homes: &[IpAddr]) -> Result<(), NftError> {
        let whose = |home: &IpAddr| Some((*home, *self.books.homes.get(home)?));
        self.take_in(&homes.iter().filter_map(whose).collect())?;
        self.forget_learned(homes);
        Ok(())
    }

    /// Devices do not live at these addresses any more; what they have received there stays counted.
    fn give_up(&mut self, lost: &Homes, passes: &OrdMap<Mac, Pass>, now: Boot) -> Result<(), NftError> {
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
}
