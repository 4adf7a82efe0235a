//! All connections of guests, counted per device and together.
//!
//! Whoever has too many loses its own oldest idle one; when all places are taken, the oldest idle one of
//! all makes room. So thousands of slow connections cost their owners their places, not other guests.
//! Those over TLS, which take more memory, and those whose handshake is not done have bounds besides.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use super::wire::{Progress, Stage};
use crate::captive::Door;
use crate::domain::Mac;
use crate::ordered::OrdMap;

/// Connections of one device at the same time.
const PER_DEVICE: usize = 16;
/// Connections of all devices at the same time.
const ALL: usize = 1024;
/// Those of them over TLS.
const SECURE: usize = 256;
/// Those of them whose handshake is not done; and of one device.
const SHAKING: usize = 128;
const SHAKING_PER_DEVICE: usize = 6;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    Device(Mac),
    /// The kernel knows no device with that address.
    Address(IpAddr),
}

/// The places of all connections.
#[derive(Clone, Debug, Default)]
pub struct Connections(Rc<Places>);

#[derive(Debug, Default)]
struct Places {
    taken: RefCell<OrdMap<u64, Place>>,
    next: Cell<u64>,
}

#[derive(Debug)]
struct Place {
    progress: Rc<Progress>,
    by: Door,
    holder: Option<Holder>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    places: Rc<Places>,
    id: u64,
}

impl Connections {
    /// A place for a new connection; `None` if all are taken by guests who are being answered.
    pub(super) fn enter(&self, progress: Rc<Progress>, by: Door) -> Option<Seat> {
        let full = self.0.taken.borrow().len() >= ALL;
        if full && !self.give_up_oldest_idle() {
            return None;
        }
        let id = self.0.next.replace(self.0.next.get() + 1);
        self.0.taken.borrow_mut().insert(id, Place { progress, by, holder: None });
        Some(Seat { places: Rc::clone(&self.0), id })
    }

    /// Ends the connection that has been idle for longest. Returns whether there was one.
    pub(super) fn give_up_oldest_idle(&self) -> bool {
        self.0.give_up(|_| true)
    }
}

impl Seat {
    /// The connection is `holder`'s: its oldest idle one, perhaps this, ends if it has too many.
    pub(super) fn belongs_to(&self, holder: Holder) {
        if let Some(place) = self.places.taken.borrow_mut().get_mut(&self.id) {
            place.holder = Some(holder);
        }
        self.places.keep_to(PER_DEVICE, |place| place.holder == Some(holder));
    }

    /// The handshake of `holder` begins: its oldest, or the oldest of all, ends if there are too many.
    pub(super) fn shakes_hands(&self, holder: Holder) {
        let shakes = |place: &Place| place.progress.stage() == Stage::Handshake;
        self.places.keep_to(SHAKING_PER_DEVICE, |place| shakes(place) && place.holder == Some(holder));
        self.places.keep_to(SHAKING, shakes);
        self.places.keep_to(SECURE, |place| place.by == Door::Secure);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.taken.borrow_mut().remove(&self.id);
    }
}

impl Places {
    /// Ends the oldest idle one of those that count, if they are more than `most`.
    fn keep_to(&self, most: usize, counts: impl Fn(&Place) -> bool) {
        if self.taken.borrow().values().filter(|place| counts(place)).count() > most {
            self.give_up(counts);
        }
    }

    fn give_up(&self, whose: impl Fn(&Place) -> bool) -> bool {
        let mut taken = self.taken.borrow_mut();
        let idle = taken.iter().filter(|(_, place)| place.progress.is_idle() && whose(place));
        let Some(oldest) = idle.min_by_key(|(id, place)| (place.progress.since(), **id)).map(|(id, _)| *id)
        else {
            return false;
        };
        if let Some(place) = taken.remove(&oldest) {
            place.progress.given_up.notify_one();
        }
        true
    }
}
