//! Table `inet lango` in the kernel: installed, adopted, changed, read, watched.
//!
//! Owns: the netlink socket to nftables and all that stands in our table; nobody else writes there.
//! Never: who may be online (the domain decides), other tables, processes (`nft` is not needed).
//! Read `ruleset.nft` first: what the table does and why. `sets.rs` and `rules.rs` are the same for the
//! kernel, `table.rs` compares; `guest.rs` and `books.rs` are what comes and goes with a guest.
//!
//! A change is one transaction: all of it or nothing, and a packet sees the table before or after it.

mod addresses;
mod books;
mod fresh;
mod guest;
mod offload;
mod read;
mod rules;
mod sets;
mod strangers;
mod table;
mod watch;

use std::fmt;
use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

pub use guest::Pass;
pub use read::Observed;
pub use strangers::Stranger;
pub use table::{Base, Garden, Place, Shape};
pub use watch::{Change as Noticed, Watch};

use self::books::{Books, Change};
use self::sets::{LEARNED, OFFLINE, interface_key};
use self::table::TABLE;
use crate::domain::{Boot, Mac, Usage};
use crate::netlink::{Outcome, Socket};
use crate::ordered::{OrdMap, OrdSet};
use crate::wire::netlink::Refusal;
use crate::wire::nftables::{Batch, Put};

/// Counts of more devices than that are read all at once.
const ONE_BY_ONE: usize = 16;
/// How often something is tried again that a concurrent change spoiled.
const TRIES: u32 = 5;

/// What the table should hold besides what it is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    pub passes: OrdMap<Mac, Pass>,
    /// Where they live, as far as it is known.
    pub homes: Homes,
    pub line: Line,
    pub route: Route,
}

/// Addresses of devices.
pub type Homes = OrdMap<Mac, OrdSet<IpAddr>>;

/// Whether there is a default route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    #[default]
    There,
    /// Who has not paid is refused before routing.
    Missing,
}

/// Where port 80 and DNS of a device lead that may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// Out.
    #[default]
    Alive,
    /// To the portal and the responder.
    Dead,
}

/// What [`Nft::adopt_or_install`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The living table was the right one: only its elements were compared.
    Adopted,
    /// There was none, or another one: replaced, in one transaction.
    Installed,
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
    /// What stands in the table for devices.
    books: Books,
}

impl Nft {
    /// A connection to the nftables of this network namespace. Needs CAP_NET_ADMIN.
    pub fn open() -> Result<Self, NftError> {
        let socket = Socket::open(SockProtocol::NetlinkNetFilter)
            .map_err(|error| NftError::Socket { doing: "opening", error })?;
        Ok(Self { socket, expected: None, books: Books::default() })
    }

    /// Takes over the living table if it is the one that `base` makes, correcting its elements; replaces
    /// it otherwise. Either way no packet of a device in `desired` is lost that was let through before.
    pub fn adopt_or_install(&mut self, base: &Base, desired: &Desired, now: Boot) -> Result<Start, NftError> {
        let observed = self.read_back()?;
        if observed.shape != base.shape() {
            self.install_over(&observed, base, desired, now)?;
            return Ok(Start::Installed);
        }
        if let Err(error) = self.adopt(&observed, base, desired, now) {
            if !error.is_about_what_is_there() {
                return Err(error);
            }
            // Half of something stands there.
            self.install_over(&observed, base, desired, now)?;
            return Ok(Start::Installed);
        }
        Ok(Start::Adopted)
    }

    fn adopt(
        &mut self,
        observed: &Observed,
        base: &Base,
        desired: &Desired,
        now: Boot,
    ) -> Result<(), NftError> {
        let mut books = observed.books.clone();
        let mut batch = Batch::new(TABLE);
        let differences = differences(observed, desired, now);
        let homes =
            if differences.is_empty() { Vec::new() } else { books.write(&mut batch, differences, now) };
        books.sweep(&mut batch);
        write_ways(&mut batch, base, desired, (observed.line, observed.route));
        self.commit(batch)?;
        self.books = books;
        self.expected = Some(observed.shape.clone());
        self.moved_in(&homes)
    }

    /// Installs the table of `base` for nobody, unless there is one: whoever passes there goes on passing. Called
    /// again, the table has to be as it was then.
    pub fn hold(&mut self, base: &Base, now: Boot) -> Result<Start, NftError> {
        let shape = self.read_back()?.shape;
        let is_as_it_was = self.expected.as_ref().is_none_or(|expected| *expected == shape);
        if is_as_it_was && !shape.chains.is_empty() {
            self.expected = Some(shape);
            return Ok(Start::Adopted);
        }
        self.install(base, &Desired::default(), now)?;
        Ok(Start::Installed)
    }

    /// Replaces the table, whatever there was, by the one of `base` with the elements of `desired`.
    pub fn install(&mut self, base: &Base, desired: &Desired, now: Boot) -> Result<(), NftError> {
        self.install_over(&Observed::default(), base, desired, now)
    }

    /// With what the table has counted that is replaced.
    fn install_over(
        &mut self,
        observed: &Observed,
        base: &Base,
        desired: &Desired,
        now: Boot,
    ) -> Result<(), NftError> {
        let mut batch = Batch::new(TABLE);
        // A table can only be deleted if there is one.
        batch.add_table("");
        batch.delete_table();
        base.write(&mut batch);
        let mut books = Books::default();
        let all = desired.passes.iter().map(|(mac, pass)| observed.going_on(*mac, pass, &desired.homes));
        books.write(&mut batch, all.collect(), now);
        write_ways(&mut batch, base, desired, (Some(Line::Alive), Route::There));
        self.commit(batch)?;
        self.books = books;
        self.expected = Some(base.shape());
        // What addresses had received that were not known before.
        self.charge(&self.whose(&observed.fresh), &[])
    }

    /// Lets devices through as their passes say, `None`: no longer. One transaction. What a session has
    /// counted goes on being counted, and a device lives where it lived, and at `homes` besides.
    pub fn change(
        &mut self,
        changes: &OrdMap<Mac, Option<Pass>>,
        homes: &Homes,
        now: Boot,
    ) -> Result<(), NftError> {
        if changes.is_empty() {
            return Ok(());
        }
        for attempt in 1.. {
            let mut batch = Batch::new(TABLE);
            let steps = self.changes(changes, homes)?;
            let homes = self.books.write(&mut batch, steps, now);
            match self.commit_books(batch) {
                Ok(()) => return self.moved_in(&homes),
                // Kernels before 6.8 may let an element run out in the middle of a transaction; and somebody
                // else may have changed what we believe to be there.
                Err(error) if attempt < TRIES && error.is_about_what_is_there() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets nothing of these devices go up any more, and says what their sessions have counted. What comes
    /// down to them is stopped by the next [`Nft::change`]; until then it makes the phone answer, and learn
    /// that its connection is over.
    pub fn shut(&mut self, devices: &[Mac]) -> Result<Vec<Usage>, NftError> {
        let known: Vec<_> =
            devices.iter().copied().filter(|mac| self.books.devices.contains_key(mac)).collect();
        let mut usages = Vec::new();
        for mac in &known {
            usages.extend(self.usage_of(*mac)?);
        }
        let mut batch = Batch::new(TABLE);
        let kept: Vec<_> =
            known.iter().filter_map(|mac| Some((*mac, self.books.devices.get(mac)?))).collect();
        if !kept.is_empty() {
            books::write_shut(&mut batch, &kept);
        }
        self.commit_books(batch)?;
        Ok(usages)
    }

    /// Makes the kernel tell what it has to tell: from 6.12 on it keeps the news of a used up quota until the
    /// next transaction.
    pub fn nudge(&mut self) -> Result<(), NftError> {
        let mut batch = Batch::new(TABLE);
        batch.remove_elements(LEARNED.v4, &[Put::key(&[0; 4])]);
        self.commit(batch)
    }

    /// Sends port 80 and DNS of who is online where they belong.
    pub fn set_line(&mut self, base: &Base, line: Line) -> Result<(), NftError> {
        let mut batch = Batch::new(TABLE);
        write_line(&mut batch, base, line);
        self.commit(batch)
    }

    /// Refuses before routing while there is no default route.
    pub fn set_route(&mut self, base: &Base, route: Route) -> Result<(), NftError> {
        let mut batch = Batch::new(TABLE);
        base.write_route(&mut batch, route);
        match self.commit(batch) {
            // As it should be already.
            Err(error) if error.is_about_what_is_there() => Ok(()),
            done => done,
        }
    }

    /// Whether what was read is what was installed or adopted, with the elements that `desired` asks for.
    pub fn intact(&self, observed: &Observed, desired: &Desired, now: Boot) -> bool {
        self.expected.as_ref() == Some(&observed.shape)
            && observed.line == Some(desired.line)
            && observed.route == desired.route
            && differences(observed, desired, now).is_empty()
    }

    /// With what the sessions that go on have counted.
    fn changes<'a>(
        &mut self,
        changes: &'a OrdMap<Mac, Option<Pass>>,
        homes: &Homes,
    ) -> Result<Vec<Change<'a>>, NftError> {
        let goes_on = |mac: &Mac, pass: &Pass| {
            self.books.devices.get(mac).is_some_and(|kept| kept.name == pass.name(*mac))
        };
        let going_on: Vec<_> = changes
            .iter()
            .filter_map(|(mac, pass)| pass.as_ref().filter(|pass| goes_on(mac, pass)).map(|_| *mac))
            .collect();
        let mut counted = OrdMap::new();
        if going_on.len() > ONE_BY_ONE {
            counted.extend(self.usage()?.into_iter().map(|usage| (usage.session, usage.used())));
        } else {
            for mac in going_on {
                counted.extend(self.usage_of(mac)?.map(|usage| (usage.session, usage.used())));
            }
        }
        let change = |(mac, pass): (&Mac, &'a Option<Pass>)| {
            let counted = match pass {
                Some(Pass::Granted(grant)) => counted.get(&grant.session).copied(),
                Some(Pass::Trusted) | None => None,
            };
            let lived = self.books.devices.get(mac).map(|kept| kept.homes.clone()).unwrap_or_default();
            let homes = lived.into_iter().chain(homes.get(mac).into_iter().flatten().copied()).collect();
            Change { mac: *mac, pass: pass.as_ref(), counted, homes }
        };
        Ok(changes.iter().map(change).collect())
    }

    /// After a failure the books are what the kernel says they are.
    fn commit_books(&mut self, batch: Batch) -> Result<(), NftError> {
        let done = self.commit(batch);
        if done.is_err() {
            self.books = self.read_back()?.books;
        }
        done
    }

    fn commit(&mut self, batch: Batch) -> Result<(), NftError> {
        if batch.is_empty() {
            return Ok(());
        }
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
}

impl NftError {
    /// Whether something was not there that should have been, or the other way round.
    fn is_about_what_is_there(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => {
                [Errno::ENOENT, Errno::EEXIST, Errno::EBUSY].map(|errno| errno as i32).contains(&refusal.code)
            }
            Self::Socket { .. } | Self::Restless => false,
        }
    }
}

/// What of the ways out is not yet as desired.
fn write_ways(batch: &mut Batch, base: &Base, desired: &Desired, (line, route): (Option<Line>, Route)) {
    if line != Some(desired.line) {
        write_line(batch, base, desired.line);
    }
    if route != desired.route {
        base.write_route(batch, desired.route);
    }
}

fn write_line(batch: &mut Batch, base: &Base, line: Line) {
    let all: Vec<_> = base.names().into_iter().map(|name| Put::key(&interface_key(name))).collect();
    match line {
        Line::Alive => batch.remove_elements(OFFLINE, &all),
        Line::Dead => batch.add_elements(OFFLINE, &all),
    }
}

impl Observed {
    /// A device with `pass`, which goes on from what its session has counted.
    fn going_on<'a>(&self, mac: Mac, pass: &'a Pass, homes: &Homes) -> Change<'a> {
        let kept = self.books.devices.get(&mac);
        let same = kept.is_some_and(|kept| kept.name == pass.name(mac));
        let counted = self.counted.get(&mac).copied().filter(|_| same);
        let lived = kept.into_iter().flat_map(|kept| &kept.homes);
        let homes = lived.chain(homes.get(&mac).into_iter().flatten()).copied().collect();
        Change { mac, pass: Some(pass), counted, homes }
    }
}

/// What has to change so that the devices that were observed become those of `desired`.
fn differences<'a>(observed: &Observed, desired: &'a Desired, now: Boot) -> Vec<Change<'a>> {
    let stays = |mac: &Mac| desired.passes.get(mac).is_some_and(|pass| pass.stay(now).is_some());
    let known = observed.books.devices.keys().chain(observed.online.keys());
    let superfluous: OrdSet<_> = known.filter(|mac| !stays(mac)).copied().collect();
    let gone = |mac| Change { mac, pass: None, counted: None, homes: OrdSet::new() };
    let passes = desired.passes.iter().filter(|(_, pass)| pass.stay(now).is_some());
    let wrong = passes.filter_map(|(mac, pass)| {
        let kept = observed.books.devices.get(mac);
        let right = kept.is_some_and(|kept| kept.is_like(&pass.kept(*mac, OrdSet::new())))
            && pass.is_timed(observed.online.get(mac), now)
            && pass.is_timed(observed.counting.get(mac), now)
            && observed.books.has_objects_of(pass, *mac)
            && !observed.torn.contains(mac);
        (!right).then(|| observed.going_on(*mac, pass, &desired.homes))
    });
    superfluous.into_iter().map(gone).chain(wrong).collect()
}
