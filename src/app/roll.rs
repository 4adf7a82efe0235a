//! Asks devices that are quiet whether they are there.
//!
//! Owns: who is being asked now. Never: what an answer means for a session; that is the Gate's. Neighbours:
//! `desk` says who is quiet and hears the answers, `presence` asks, `lookout` and `neigh` know the addresses.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::fault::Fault;
use super::lookout::Lookout;
use crate::domain::Mac;
use crate::neigh::{Neighbours, Sighting};
use crate::ordered::{OrdMap, OrdSet};
use crate::presence::{Answer, Presence};

/// Answers that wait for the loop, at most.
const ANSWERS: usize = 64;

/// Addresses by interface.
type Places = OrdMap<u32, Vec<IpAddr>>;

/// Asks, one question at a time to each device.
#[derive(Clone)]
pub(super) struct Roll {
    presence: Rc<Presence>,
    neighbours: Rc<Neighbours>,
    lookout: Lookout,
    asking: Rc<RefCell<OrdSet<Mac>>>,
    answers: mpsc::Sender<(Mac, Answer)>,
    /// Whether nobody could be asked, and that was said.
    complained: Rc<Cell<bool>>,
}

impl Roll {
    /// And where the answers come out.
    pub(super) fn open(
        neighbours: &Rc<Neighbours>,
        lookout: &Lookout,
    ) -> Result<(Self, mpsc::Receiver<(Mac, Answer)>), Fault> {
        let presence = Presence::open().map_err(|error| Fault::System { what: "packet socket", error })?;
        let (answers, found) = mpsc::channel(ANSWERS);
        let roll = Self {
            presence: Rc::new(presence),
            neighbours: Rc::clone(neighbours),
            lookout: lookout.clone(),
            asking: Rc::default(),
            answers,
            complained: Rc::default(),
        };
        Ok((roll, found))
    }

    /// Asks each of `quiet`. The answers come when they come: three seconds later from who is silent, and
    /// after that from those who had to wait for their turn.
    pub(super) fn call(&self, quiet: Vec<Mac>) {
        if quiet.is_empty() {
            return;
        }
        // The kernel forgets neighbours, and the lookout those who are not online.
        let known = self.neighbours.sightings().unwrap_or_default();
        for mac in quiet {
            if self.asking.borrow_mut().insert(mac) {
                let places = places(mac, &self.lookout, &known);
                let roll = self.clone();
                spawn_local(async move { roll.ask(mac, places).await });
            }
        }
    }

    async fn ask(self, mac: Mac, places: Places) {
        let answer = self.answer(mac, &places).await;
        self.asking.borrow_mut().remove(&mac);
        let failed = answer.is_err();
        match answer {
            Ok(answer) => {
                // Without a loop nobody wants to know.
                let _ = self.answers.send((mac, answer)).await;
            }
            // Who could not be asked is not gone: it is named again in a minute.
            Err(error) if !self.complained.get() => {
                tracing::warn!(event = "cannot_ask", %error, "quiet devices stay online until they can be asked");
            }
            Err(_) => {}
        }
        self.complained.set(failed);
    }

    async fn answer(&self, mac: Mac, places: &Places) -> io::Result<Answer> {
        for (interface, addresses) in places {
            if self.presence.probe(*interface, mac, addresses).await? == Answer::Here {
                return Ok(Answer::Here);
            }
        }
        Ok(Answer::Silent)
    }
}

/// Where `mac` can be asked, its latest address first.
fn places(mac: Mac, lookout: &Lookout, known: &[Sighting]) -> Places {
    let mut places = lookout.whereabouts(mac);
    for Sighting { address, interface, .. } in known.iter().filter(|sighting| sighting.mac == mac) {
        let there: &mut Vec<IpAddr> = places.entry(*interface).or_default();
        if !there.contains(address) {
            there.push(*address);
        }
    }
    places.values_mut().for_each(|addresses| addresses.reverse());
    places
}
