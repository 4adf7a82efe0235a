//! All connections of guests, counted per device and together.
//!
//! Whoever has too many loses its own oldest idle one; when all places are taken, the oldest idle one of
//! all makes room. So thousands of slow connections cost their owners their places, not other guests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::wire::Progress;
use crate::domain::Mac;

/// Connections of one device at the same time.
const PER_DEVICE: usize = 16;
/// Connections of all devices at the same time.
const ALL: usize = 1024;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    taken: RefCell<BTreeMap<u64, Place>>,
    next: Cell<u64>,
}

#[derive(Debug)]
struct Place {
    progress: Rc<Progress>,
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
    pub(super) fn enter(&self, progress: Rc<Progress>) -> Option<Seat> {
        let full = self.0.taken.borrow().len() >= ALL;
        if full && !self.give_up_oldest_idle() {
            return None;
        }
        let id = self.0.next.replace(self.0.next.get() + 1);
        self.0.taken.borrow_mut().insert(id, Place { progress, holder: None });
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
        let own = |place: &Place| place.holder == Some(holder);
        if self.places.taken.borrow().values().filter(|place| own(place)).count() > PER_DEVICE {
            self.places.give_up(own);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.taken.borrow_mut().remove(&self.id);
    }
}

impl Places {
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
