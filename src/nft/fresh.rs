//! What addresses have received before they were known: `fresh4` and `fresh6`.
//!
//! Owns: that it is counted as that of the device whose address it is, and charged to what that bought, to the
//! byte and once. Never: finds addresses out. Neighbours: `addresses.rs` makes them known first, from when on
//! nothing is added here; `books.rs` keeps what was charged.
//!
//! The count goes to `carried`, where no packet is looked up; so nothing is lost while it is written anew. A
//! quota cannot be made to have used more, but to allow less, while packets draw on it.

use std::net::IpAddr;

use super::guest::bytes;
use super::sets::{CARRIED, FRESH, octets};
use super::table::TABLE;
use super::{Nft, NftError, ONE_BY_ONE, TRIES};
use crate::domain::{Bytes, Mac};
use crate::ordered::OrdMap;
use crate::wire::nftables::{self, Batch, Put, State};

impl Nft {
    /// What `homes` have received before they were known is what these devices have received.
    pub(super) fn take_in(&mut self, homes: &OrdMap<IpAddr, Mac>) -> Result<(), NftError> {
        for attempt in 1.. {
            let fresh = self.fresh_at(homes)?;
            let devices = fresh.iter().filter_map(|(home, bytes)| Some((*homes.get(home)?, *bytes)));
            match self.charge(&sums(devices), &fresh.keys().copied().collect::<Vec<_>>()) {
                // Something ran out in the middle of it.
                Err(error) if attempt < TRIES && error.is_about_what_is_there() => {}
                done => return done,
            }
        }
        Ok(())
    }

    /// What the devices have received that live at these addresses.
    pub(super) fn whose(&self, fresh: &OrdMap<IpAddr, Bytes>) -> OrdMap<Mac, Bytes> {
        sums(fresh.iter().filter_map(|(home, bytes)| Some((*self.books.homes.get(home)?, *bytes))))
    }

    /// Counts and charges to devices what they have received, and forgets where; all of it or nothing.
    pub(super) fn charge(
        &mut self,
        received: &OrdMap<Mac, Bytes>,
        forgotten: &[IpAddr],
    ) -> Result<(), NftError> {
        let mut carried = Vec::new();
        for (mac, received) in received {
            carried.extend(self.carried_with(*mac, *received)?);
        }
        let mut batch = Batch::new(TABLE);
        batch.remove_elements(CARRIED, &carried);
        batch.add_elements(CARRIED, &carried);
        for (mac, received) in received {
            self.books.charge(&mut batch, *mac, *received);
        }
        for (set, keys) in FRESH.split(forgotten.iter().copied()) {
            batch.remove_elements(set, &keys);
        }
        self.commit_books(batch)
    }

    /// The element of what a device has received elsewhere, with so much more in it.
    fn carried_with(&mut self, mac: Mac, Bytes(more): Bytes) -> Result<Option<Put>, NftError> {
        let mut carried = None;
        self.ask(
            |n| nftables::get_element(TABLE, CARRIED, &mac.bytes(), n),
            |message| {
                carried = nftables::elements(message).find_map(|element| {
                    let Bytes(bytes) = bytes(&element)?;
                    let state = vec![State::Counter { bytes: bytes.saturating_add(more) }];
                    // At its very end it is left alone: no time at all would be for ever.
                    let (stays, comment) = (element.stays, element.comment);
                    (stays != Some(0)).then(|| Put { stays, state, comment, ..Put::key(element.key) })
                });
            },
        )?;
        Ok(carried)
    }

    /// Those of `homes` that have received something.
    pub(super) fn fresh_at(
        &mut self,
        homes: &OrdMap<IpAddr, Mac>,
    ) -> Result<OrdMap<IpAddr, Bytes>, NftError> {
        let mut fresh = OrdMap::new();
        if homes.len() > ONE_BY_ONE {
            // Torn or not: what was missed is found another time.
            self.read_fresh(&mut fresh)?;
            fresh.retain(|home, _| homes.contains_key(home));
            return Ok(fresh);
        }
        for home in homes.keys() {
            self.ask(
                |n| nftables::get_element(TABLE, FRESH.of(*home), &octets(*home), n),
                |message| {
                    let received = nftables::elements(message).find_map(|element| bytes(&element));
                    fresh.extend(received.map(|received| (*home, received)));
                },
            )?;
        }
        Ok(fresh)
    }
}

fn sums(received: impl Iterator<Item = (Mac, Bytes)>) -> OrdMap<Mac, Bytes> {
    let mut sums = OrdMap::new();
    for (mac, Bytes(bytes)) in received.filter(|(_, received)| received.0 > 0) {
        let Bytes(sum) = sums.entry(mac).or_default();
        *sum = sum.saturating_add(bytes);
    }
    sums
}
