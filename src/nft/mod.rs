//! Table `inet lango` in the kernel: installed, adopted, changed, read back, watched.
//!
//! Owns: the netlink socket to nftables and all that stands in our table; nobody else writes there.
//! Never: who may be online (the domain decides), other tables, processes (`nft` is not needed).
//! Read `ruleset.nft` first: what the table does and why. `table.rs` is the same for the kernel.
//!
//! A change is one transaction: all of it or nothing, and a packet sees the table before or after it.

mod table;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

pub use table::{Base, Shape};
pub use watch::Watch;

use self::table::{GUESTS, ONLINE, TABLE};
use crate::domain::{Boot, Grant, Mac};
use crate::netlink::{Outcome, Socket};
use crate::wire::netlink::{Message, Refusal};
use crate::wire::nftables::{self, ANONYMOUS, Batch};

/// Kernel timeouts that differ by less are left alone.
const TOLERANCE: Duration = Duration::from_secs(2);
/// Grants that end later never end: the kernel counts in a limited number of ticks.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How often something is tried again that a concurrent change spoiled.
const TRIES: u32 = 5;

/// What [`Nft::adopt_or_install`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The living table was the right one: only its elements were compared.
    Adopted,
    /// There was none, or another one: replaced, in one transaction.
    Installed,
}

/// The table as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Devices that are let through, and for how long still; `None`: until told otherwise.
    pub members: BTreeMap<Mac, Option<Duration>>,
    /// The rest of it.
    pub shape: Shape,
}

/// What went wrong between us and nftables.
#[derive(Debug)]
pub enum NftError {
    /// The socket failed while `doing`.
    Socket { doing: &'static str, error: io::Error },
    /// The kernel refused a step of a transaction; nothing of it was done.
    Refused { step: String, refusal: Refusal },
    /// The table changed faster than it could be read.
    Restless,
}

impl fmt::Display for NftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { doing, error } => write!(f, "nftables socket, {doing}: {error}"),
            Self::Refused { step, refusal } => write!(f, "nftables refused to {step}: {refusal}"),
            Self::Restless => write!(f, "table inet {TABLE} changes faster than it can be read"),
        }
    }
}

impl std::error::Error for NftError {}

/// The only one who writes to table `inet lango`.
#[derive(Debug)]
pub struct Nft {
    socket: Socket,
    /// What was installed or adopted.
    expected: Option<Shape>,
}

impl Nft {
    /// A connection to the nftables of this network namespace. Needs CAP_NET_ADMIN.
    pub fn open() -> Result<Self, NftError> {
        let socket = Socket::open(SockProtocol::NetlinkNetFilter)
            .map_err(|error| NftError::Socket { doing: "opening", error })?;
        Ok(Self { socket, expected: None })
    }

    /// Takes over the living table if it is the one that `base` makes, correcting its elements; replaces
    /// it otherwise. Either way no packet of a device in `desired` is lost that was let through before.
    pub fn adopt_or_install(
        &mut self,
        base: &Base,
        desired: &BTreeMap<Mac, Grant>,
        now: Boot,
    ) -> Result<Start, NftError> {
        let observed = self.read_back()?;
        if observed.shape != base.shape() {
            self.install(base, desired, now)?;
            return Ok(Start::Installed);
        }
        self.change(&difference(&observed.members, desired, now), now)?;
        self.expected = Some(observed.shape);
        Ok(Start::Adopted)
    }

    /// Replaces the table, whatever there was, by the one of `base` with the elements of `desired`.
    pub fn install(
        &mut self,
        base: &Base,
        desired: &BTreeMap<Mac, Grant>,
        now: Boot,
    ) -> Result<(), NftError> {
        let mut batch = Batch::new(TABLE);
        // A table can only be deleted if there is one.
        batch.add_table("");
        batch.delete_table();
        base.write(&mut batch);
        let stays = desired.iter().filter_map(|(mac, grant)| Some((mac.bytes(), stay(*grant, now)?)));
        add(&mut batch, &stays.collect::<Vec<_>>());
        self.commit(batch)?;
        self.expected = Some(base.shape());
        Ok(())
    }

    /// Lets devices through until their grants end, `None`: no longer. One transaction; what the kernel
    /// held of these devices before does not matter.
    pub fn change(&mut self, changes: &BTreeMap<Mac, Option<Grant>>, now: Boot) -> Result<(), NftError> {
        if changes.is_empty() {
            return Ok(());
        }
        for attempt in 1.. {
            match self.commit(changing(changes, now)) {
                // Kernels before 6.8 may let an element run out in the middle of a transaction.
                Err(NftError::Refused { refusal, .. })
                    if refusal.code == Errno::ENOENT as i32 && attempt < TRIES => {}
                other => return other,
            }
        }
        Ok(())
    }

    /// Everything that stands in the table now.
    pub fn read_back(&mut self) -> Result<Observed, NftError> {
        for _ in 0..TRIES {
            if let Some(observed) = self.read_once()? {
                return Ok(observed);
            }
        }
        Err(NftError::Restless)
    }

    /// Whether what was read is what was installed or adopted, with the elements that `desired` asks for.
    pub fn intact(&self, observed: &Observed, desired: &BTreeMap<Mac, Grant>, now: Boot) -> bool {
        self.expected.as_ref() == Some(&observed.shape)
            && difference(&observed.members, desired, now).is_empty()
    }

    fn commit(&mut self, batch: Batch) -> Result<(), NftError> {
        let first = self.socket.numbers(batch.numbers());
        let (bytes, steps) = batch.finish(first);
        match self.socket.request(&bytes, first, |_| {}) {
            Ok(Outcome::Done | Outcome::Torn) => Ok(()),
            Ok(Outcome::Refused(number, refusal)) => {
                let at = usize::try_from(number.wrapping_sub(first).wrapping_sub(1)).ok();
                let step = at.and_then(|at| steps.get(at));
                let step = step.map_or_else(|| "commit".to_owned(), ToString::to_string);
                Err(NftError::Refused { step, refusal })
            }
            Err(error) => Err(NftError::Socket { doing: "changing the table", error }),
        }
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
        let members = &mut observed.members;
        whole &= self.ask(
            |n| nftables::get_elements(TABLE, ONLINE, n),
            |message| members.extend(nftables::elements(message).filter_map(member)),
        )?;
        Ok(whole.then_some(observed))
    }

    /// Whether the answers are of one piece; so does `read_sets`.
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
        let sets = self.ask(
            |n| nftables::get_sets(TABLE, n),
            |message| {
                let named = nftables::set(message).filter(|set| set.flags & ANONYMOUS == 0);
                shape.sets.extend(named.map(|set| (set.name.clone(), set)));
            },
        )?;
        let guests = self.ask(
            |n| nftables::get_elements(TABLE, GUESTS, n),
            |message| shape.guests.extend(nftables::elements(message).map(|element| element.key.to_vec())),
        )?;
        Ok(sets && guests)
    }

    /// Whether the answer is of one piece. What does not exist gives an empty answer.
    fn ask(
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

fn member(element: nftables::Element<'_>) -> Option<(Mac, Option<Duration>)> {
    let stays = element.stays.map(Duration::from_millis);
    // Run out, but not yet swept out.
    if stays == Some(Duration::ZERO) {
        return None;
    }
    Some((Mac::new(element.key.try_into().ok()?), stays))
}

/// Milliseconds a device stays, `Some(None)`: for ever; `None`: not at all.
#[expect(clippy::option_option, reason = "the outer one says whether, the inner one how long")]
fn stay(grant: Grant, now: Boot) -> Option<Option<u64>> {
    let Some(ends) = grant.ends else { return Some(None) };
    let left = ends.since(now);
    if left >= NEVER {
        return Some(None);
    }
    (!left.is_zero()).then(|| Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
}

/// Before kernel 6.12 adding an element again leaves its timeout as it was, so it is deleted and added;
/// and only what is there can be deleted, so first it is added: then the outcome does not depend on what
/// there was. None of it shows before the transaction is complete.
fn changing(changes: &BTreeMap<Mac, Option<Grant>>, now: Boot) -> Batch {
    let mut batch = Batch::new(TABLE);
    let keys: Vec<_> = changes.keys().map(|mac| mac.bytes()).collect();
    let all: Vec<(&[u8], _)> = keys.iter().map(|key| (key.as_slice(), None)).collect();
    batch.add_elements(ONLINE, &all);
    batch.delete_elements(ONLINE, &all);
    let stays = changes.iter().filter_map(|(mac, grant)| Some((mac.bytes(), stay((*grant)?, now)?)));
    add(&mut batch, &stays.collect::<Vec<_>>());
    batch
}

fn add(batch: &mut Batch, stays: &[([u8; 6], Option<u64>)]) {
    let elements: Vec<_> = stays.iter().map(|(key, stays)| (key.as_slice(), *stays)).collect();
    batch.add_elements(ONLINE, &elements);
}

/// What has to change so that `members` become what `desired` asks for.
fn difference(
    members: &BTreeMap<Mac, Option<Duration>>,
    desired: &BTreeMap<Mac, Grant>,
    now: Boot,
) -> BTreeMap<Mac, Option<Grant>> {
    let wanted = |mac: &Mac| desired.get(mac).filter(|grant| stay(**grant, now).is_some());
    let superfluous = members.keys().filter(|mac| wanted(mac).is_none()).map(|mac| (*mac, None));
    let wrong = desired.iter().filter(|(mac, grant)| {
        let right = |stays: u64, has: Duration| Duration::from_millis(stays).abs_diff(has) <= TOLERANCE;
        match (stay(**grant, now), members.get(mac)) {
            (None, _) | (Some(None), Some(None)) => false,
            (Some(Some(stays)), Some(Some(has))) => !right(stays, *has),
            (Some(_), _) => true,
        }
    });
    superfluous.chain(wrong.map(|(mac, grant)| (*mac, Some(*grant)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bytes, DataCap, EntitlementId, SessionId, Traffic};

    const fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    const fn device(n: u8) -> Mac {
        Mac::new([2, 0, 0, 0, 0, n])
    }

    const FOREVER: Grant = Grant {
        session: SessionId(1),
        entitlement: EntitlementId(1),
        ends: None,
        down: None,
        up: None,
        cap: DataCap { total: None, up: None, down: None },
        spent: Traffic { up: Bytes(0), down: Bytes(0) },
        counted: Traffic { up: Bytes(0), down: Bytes(0) },
    };

    const fn until(s: u64) -> Grant {
        Grant { ends: Some(at(s)), ..FOREVER }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let left = |s| Some(Duration::from_secs(s));
        let members = BTreeMap::from([
            (device(1), left(100)),
            (device(2), left(50)),
            (device(3), None),
            (device(4), left(100)),
            (device(5), left(10)),
        ]);
        let desired = BTreeMap::from([
            (device(1), until(1102)),
            (device(2), until(1100)),
            (device(3), FOREVER),
            (device(4), FOREVER),
            (device(6), until(1001)),
            (device(7), until(1000)),
        ]);
        let changes = difference(&members, &desired, at(1000));
        let expected = BTreeMap::from([
            (device(2), Some(until(1100))),
            (device(4), Some(FOREVER)),
            (device(5), None),
            (device(6), Some(until(1001))),
        ]);
        assert_eq!(changes, expected);
    }

    #[test]
    fn grants_beyond_the_kernels_ticks_never_end() {
        let far = Grant { ends: Some(Boot::from_millis(u64::MAX)), ..FOREVER };
        assert_eq!(stay(far, at(5)), Some(None));
        assert_eq!(stay(until(5), at(5)), None);
        assert_eq!(stay(until(6), at(5)), Some(Some(1000)));
    }
}
