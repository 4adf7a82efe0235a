//! What the table holds now, as the kernel tells it.
//!
//! Owns: all questions to the kernel. Never: changes anything. Neighbours: `mod.rs` compares and changes.

use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;

use super::books::Books;
use super::guest::{Counted, Home, Kept, Lane, bytes, session};
use super::sets::{
    CAPS, CAPS_UP, CARRIED, COUNTS, DOWN, FIXED, FRESH, GUESTS, OFFLINE, ONLINE, SPEED, TAKEN, UP, octets,
};
use super::table::{Shape, TABLE};
use super::{Line, Nft, NftError, Route, TRIES};
use crate::domain::{Bytes, Mac, SessionId, Traffic, Usage};
use crate::netlink::Outcome;
use crate::ordered::{OrdMap, OrdSet};
use crate::wire::netlink::Message;
use crate::wire::nftables::{self, ANONYMOUS, Element};

/// The table as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Devices that are let through, and for how long still; `None`: until told otherwise.
    pub online: OrdMap<Mac, Option<Duration>>,
    /// What their sessions have counted.
    pub counted: OrdMap<Mac, Traffic>,
    /// Where port 80 and DNS of who is online lead; `None`: neither out nor to the portal altogether.
    pub(super) line: Option<Line>,
    pub(super) route: Route,
    /// How long they are still counted.
    pub(super) counting: OrdMap<Mac, Option<Duration>>,
    /// Devices that not everything is there of.
    pub(super) torn: OrdSet<Mac>,
    pub(super) books: Books,
    /// What addresses have received that the daemon did not know.
    pub(super) fresh: OrdMap<IpAddr, Bytes>,
    /// The rest of it.
    pub(super) shape: Shape,
}

impl Nft {
    /// Everything that stands in the table now.
    pub fn read_back(&mut self) -> Result<Observed, NftError> {
        for _ in 0..TRIES {
            if let Some(observed) = self.read_once()? {
                return Ok(observed);
            }
        }
        Err(NftError::Restless)
    }

    /// What all sessions have counted.
    pub fn usage(&mut self) -> Result<Vec<Usage>, NftError> {
        let mut used = Vec::new();
        // Torn or not: what was changed meanwhile is read another time.
        self.elements(UP, |element| {
            if let Some((session, up)) = session(&element).zip(bytes(&element)) {
                used.push((session, Traffic { up, ..Traffic::default() }));
            }
        })?;
        let mut used: OrdMap<SessionId, Traffic> = used.into_iter().collect();
        for set in [CARRIED].into_iter().chain(DOWN.both()).chain(COUNTS.both()) {
            self.elements(set, |element| {
                if let Some((session, Bytes(bytes))) = session(&element).zip(bytes(&element)) {
                    let down = &mut used.entry(session).or_default().down.0;
                    *down = down.saturating_add(bytes);
                }
            })?;
        }
        Ok(used.into_iter().map(|(session, Traffic { up, down })| Usage { session, up, down }).collect())
    }

    /// What the session of a device has counted.
    pub fn usage_of(&mut self, mac: Mac) -> Result<Option<Usage>, NftError> {
        let homes = self.books.devices.get(&mac).map(|kept| kept.homes.clone()).unwrap_or_default();
        let Some((session, up)) = self.counter(UP, &mac.bytes())? else { return Ok(None) };
        let mut down = 0_u64;
        let places =
            homes.into_iter().flat_map(|home| [DOWN, COUNTS].map(|sets| (sets.of(home), octets(home))));
        for (set, key) in [(CARRIED, mac.bytes().to_vec())].into_iter().chain(places) {
            if let Some((whose, Bytes(bytes))) = self.counter(set, &key)?
                && whose == session
            {
                down = down.saturating_add(bytes);
            }
        }
        Ok(Some(Usage { session, up, down: Bytes(down) }))
    }

    fn counter(&mut self, set: &'static str, key: &[u8]) -> Result<Option<(SessionId, Bytes)>, NftError> {
        let mut found = None;
        self.ask(
            |n| nftables::get_element(TABLE, set, key, n),
            |message| {
                found =
                    nftables::elements(message).find_map(|element| session(&element).zip(bytes(&element)));
            },
        )?;
        Ok(found)
    }

    /// `None`: the table changed meanwhile.
    fn read_once(&mut self) -> Result<Option<Observed>, NftError> {
        let mut table = None;
        let mut whole =
            self.ask(|n| nftables::get_table(TABLE, n), |message| table = nftables::table(message))?;
        let mut observed = Observed { shape: Shape { table, ..Shape::default() }, ..Observed::default() };
        if observed.shape.table.is_none() {
            return Ok(Some(observed));
        }
        whole &= self.read_rules(&mut observed.shape)?;
        whole &= self.read_sets(&mut observed.shape)?;
        whole &= self.elements(ONLINE, |element| observed.online.extend(member(&element)))?;
        whole &= self.read_books(&mut observed)?;
        whole &= self.read_line(&mut observed)?;
        observed.route = observed.shape.take_route();
        Ok(whole.then_some(observed))
    }

    /// Whether the answers are of one piece; so do the others.
    fn read_rules(&mut self, shape: &mut Shape) -> Result<bool, NftError> {
        let chains = self.ask(nftables::get_chains, |message| {
            if let Some(chain) = nftables::chain(message).filter(|chain| chain.table == TABLE) {
                shape.add_chain(chain);
            }
        })?;
        let rules = self.ask(
            |n| nftables::get_rules(TABLE, n),
            |message| {
                if let Some(rule) = nftables::rule(message) {
                    shape.add_rule(rule);
                }
            },
        )?;
        Ok(chains && rules)
    }

    fn read_sets(&mut self, shape: &mut Shape) -> Result<bool, NftError> {
        let mut whole = self.ask(
            |n| nftables::get_sets(TABLE, n),
            |message| {
                let named = nftables::set(message).filter(|set| set.flags & ANONYMOUS == 0);
                shape.sets.extend(named.map(|set| (set.name.clone(), set)));
            },
        )?;
        for set in FIXED {
            let mut keys = OrdSet::new();
            whole &= self.elements(set, |element| {
                keys.insert(element.key.to_vec());
            })?;
            shape.fixed.insert(set.to_owned(), keys);
        }
        Ok(whole)
    }

    fn read_books(&mut self, observed: &mut Observed) -> Result<bool, NftError> {
        let Observed { books, counted, counting, .. } = observed;
        let (mut devices, mut sent, mut objects) = (Vec::new(), Vec::new(), Vec::new());
        let mut whole = self.elements(UP, |element| {
            let Some(mac) = device(&element) else { return };
            let (name, up) = (element.comment.clone(), Lane::read(&element));
            devices.push((mac, Kept { name, up, ..Kept::default() }));
            counting.extend(member(&element));
            sent.push((mac, Traffic { up: bytes(&element).unwrap_or_default(), ..Traffic::default() }));
        })?;
        books.devices.extend(devices);
        counted.extend(sent);
        whole &= self.elements(CAPS_UP, |element| {
            let Some(mac) = device(&element) else { return };
            books.devices.entry(mac).or_default().cap_up.clone_from(&element.object);
        })?;
        whole &= self.elements(CARRIED, |element| {
            let Some(mac) = device(&element) else { return };
            if books.devices.get(&mac).is_some_and(|kept| kept.name == element.comment) {
                counted.entry(mac).or_default().down = bytes(&element).unwrap_or_default();
            }
        })?;
        whole &= self.ask(
            |n| nftables::get_objects(TABLE, n),
            |message| {
                let object = nftables::object(message);
                objects.extend(object.map(|object| (object.name, object.state)));
            },
        )?;
        books.objects.extend(objects);
        whole &= self.read_homes(observed)?;
        Ok(whole)
    }

    fn read_homes(&mut self, observed: &mut Observed) -> Result<bool, NftError> {
        let mut homes = Vec::new();
        let mut whole = true;
        for set in DOWN.both() {
            whole &= self.elements(set, |element| {
                let Some(address) = address(element.key) else { return };
                let mut home = Found::default();
                home.name.clone_from(&element.comment);
                home.kept.chain.clone_from(&element.chain);
                home.count(&element, Counted::AtOnce);
                homes.push((address, home));
            })?;
        }
        let mut found: OrdMap<IpAddr, Found> = homes.into_iter().collect();
        for set in COUNTS.both() {
            whole &= self.elements(set, |element| {
                let Some(address) = address(element.key) else { return };
                found.entry(address).or_default().count(&element, Counted::BehindTheLimit);
            })?;
        }
        for set in SPEED.both() {
            whole &= self.elements(set, |element| {
                let Some(address) = address(element.key) else { return };
                found.entry(address).or_default().kept.speed.clone_from(&element.object);
            })?;
        }
        for set in CAPS.both() {
            whole &= self.elements(set, |element| {
                let Some(address) = address(element.key) else { return };
                found.entry(address).or_default().kept.cap.clone_from(&element.object);
            })?;
        }
        for set in TAKEN.both() {
            whole &= self.elements(set, |element| {
                let Some(address) = address(element.key) else { return };
                found.entry(address).or_default().taken = true;
            })?;
        }
        whole &= self.read_fresh(&mut observed.fresh)?;
        observed.settle(found);
        Ok(whole)
    }

    pub(super) fn read_fresh(&mut self, fresh: &mut OrdMap<IpAddr, Bytes>) -> Result<bool, NftError> {
        let mut whole = true;
        for set in FRESH.both() {
            whole &= self.elements(set, |element| fresh.extend(address(element.key).zip(bytes(&element))))?;
        }
        Ok(whole)
    }

    fn read_line(&mut self, observed: &mut Observed) -> Result<bool, NftError> {
        let mut offline = OrdSet::new();
        let whole = self.elements(OFFLINE, |element| {
            offline.insert(element.key.to_vec());
        })?;
        observed.line = match observed.shape.fixed.get(GUESTS) {
            _ if offline.is_empty() => Some(Line::Alive),
            Some(guests) if *guests == offline => Some(Line::Dead),
            Some(_) | None => None,
        };
        Ok(whole)
    }

    pub(super) fn elements(
        &mut self,
        set: &'static str,
        mut each: impl FnMut(Element<'_>),
    ) -> Result<bool, NftError> {
        self.ask(
            |n| nftables::get_elements(TABLE, set, n),
            |message| nftables::elements(message).for_each(&mut each),
        )
    }

    /// Whether the answer is of one piece. What does not exist gives an empty answer.
    pub(super) fn ask(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<bool, NftError> {
        let number = self.socket.numbers(1);
        match self.socket.request(&request(number), number, |message| each(&message)) {
            Ok(Outcome::Done) => Ok(true),
            Ok(Outcome::Torn) => Ok(false),
            Ok(Outcome::Refused(_, refusal)) if refusal.code == Errno::ENOENT as i32 => Ok(true),
            // The kernel could not list a set that was being changed.
            Ok(Outcome::Refused(_, refusal)) if refusal.code == Errno::EINTR as i32 => Ok(false),
            Ok(Outcome::Refused(_, refusal)) => {
                Err(NftError::Refused { step: "read the table".to_owned(), refusal })
            }
            Err(error) => Err(NftError::Socket { doing: "reading the table", error }),
        }
    }
}

/// What stands in the table for an address.
#[derive(Default)]
struct Found {
    name: String,
    kept: Home,
    received: Bytes,
    taken: bool,
}

impl Found {
    fn count(&mut self, element: &Element<'_>, counted: Counted) {
        if let Some(Bytes(bytes)) = bytes(element) {
            self.kept.counted = counted;
            self.received = Bytes(self.received.0.saturating_add(bytes));
        }
    }
}

impl Observed {
    /// Gives addresses to the devices that they are of.
    fn settle(&mut self, found: OrdMap<IpAddr, Found>) {
        let names: OrdMap<_, _> =
            self.books.devices.iter().map(|(mac, kept)| (kept.name.clone(), *mac)).collect();
        for (address, Found { name, kept: home, received, taken }) in found {
            // What is nobody's is given to no device, so that it is deleted with it.
            let mac = names.get(&name).copied().unwrap_or(NOBODY);
            let kept = self.books.devices.entry(mac).or_default();
            if mac == NOBODY || !taken || !(kept.homes.is_empty() || kept.home == home) {
                self.torn.insert(mac);
            }
            kept.home = home;
            kept.homes.insert(address);
            self.books.homes.insert(address, mac);
            let down = &mut self.counted.entry(mac).or_default().down.0;
            *down = down.saturating_add(received.0);
        }
    }
}

/// No device has this MAC.
const NOBODY: Mac = Mac::new([0; 6]);

fn address(key: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(key).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(key).map(IpAddr::from)).ok()
}

fn device(element: &Element<'_>) -> Option<Mac> {
    Some(Mac::new(element.key.try_into().ok()?))
}

fn member(element: &Element<'_>) -> Option<(Mac, Option<Duration>)> {
    let stays = element.stays.map(Duration::from_millis);
    // Run out, but not yet swept out.
    if stays == Some(Duration::ZERO) {
        return None;
    }
    Some((device(element)?, stays))
}
