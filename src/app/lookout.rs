//! Watches the guest network for what should not be there, and for where the devices online are.
//!
//! Owns: what was seen of late, and the counts of it. Never: ends a session; the desk does, for whom it is
//! told to suspect. Neighbours: `neigh` tells what the kernel saw, `domain` what of it is odd, `desk` acts.
//!
//! Guests decide how much there is to hear: a flood of new devices is news by the thousand. So only so much
//! is heard in a second, the kernel drops the rest, and the list of neighbours is read anew now and then.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::{Anomalies, Anomaly, AnomalyCounts, Boot, Mac, Sight, View};
use crate::neigh::{NeighError, NeighbourNews, NeighbourWatch, Neighbours, Place, Sighting};
use crate::ordered::OrdMap;

/// Pieces of news heard in a second. Five hundred phones at work make a tenth of that.
const HEARD: usize = 2000;
const SECOND: Duration = Duration::from_secs(1);
/// The list is read this often, and so soon after news were lost.
const LIST: Duration = Duration::from_secs(30);
const LIST_AGAIN: Duration = Duration::from_secs(5);
/// Addresses remembered of one device online: phones change those of IPv6 every day.
const ADDRESSES: usize = 8;

/// What the desk sees of the lookout.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookout {
    counts: Rc<Cell<AnomalyCounts>>,
    whereabouts: Rc<RefCell<Whereabouts>>,
}

impl Lookout {
    /// What happened since the daemon started.
    pub(super) fn counts(&self) -> AnomalyCounts {
        self.counts.get()
    }

    /// The interfaces that `mac` was seen at while it was online, with its latest addresses there, the last
    /// one last. The kernel forgets neighbours that it does not need.
    pub(super) fn whereabouts(&self, mac: Mac) -> OrdMap<u32, Vec<IpAddr>> {
        self.whereabouts.borrow().of(mac)
    }
}

/// What the lookout needs.
pub(super) struct Watching {
    pub(super) neighbours: Rc<Neighbours>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) clock: Clock,
    /// Devices online that are seen at two places, if their sessions are to end.
    pub(super) suspected: mpsc::Sender<Mac>,
    /// Devices with an address that they were seen with.
    pub(super) homes: mpsc::Sender<(Mac, IpAddr)>,
}

/// The watch.
struct Round {
    watching: Watching,
    watch: NeighbourWatch,
    anomalies: Anomalies,
    guests: Guests,
    out: Lookout,
    /// Since when how much was heard.
    heard: (Boot, usize),
    listed: Boot,
    next_list: Boot,
}

/// Listens from now on; the future ends when nothing can be heard any more.
pub(super) fn look_out(
    watching: Watching,
) -> Result<(Lookout, impl Future<Output = NeighError>), NeighError> {
    let (out, now) = (Lookout::default(), watching.clock.now().boot);
    let guests = Guests::of(&watching.config.borrow());
    let mut round = Round {
        watch: NeighbourWatch::open()?,
        anomalies: Anomalies::default(),
        guests,
        out: out.clone(),
        heard: (now, 0),
        listed: now,
        next_list: now.plus(LIST),
        watching,
    };
    // Who is there already is not new, and has its address.
    for sighting in round.watching.neighbours.sightings()? {
        let kept = round.watching.config.borrow().retention.unpaid_devices;
        round.anomalies.acquaint(sighting.mac, kept, now);
        round.saw(sighting, Sight::News, now);
    }
    Ok((out, async move {
        loop {
            if let Err(error) = round.go_on().await {
                return error;
            }
        }
    }))
}

impl Round {
    async fn go_on(&mut self) -> Result<(), NeighError> {
        let now = self.watching.clock.now().boot;
        tokio::select! {
            news = self.watch.next() => self.hear(news?).await,
            () = tokio::time::sleep(self.next_list.since(now)) => self.list(),
        }
        Ok(())
    }

    async fn hear(&mut self, news: Vec<NeighbourNews>) {
        let now = self.watching.clock.now().boot;
        if now.since(self.heard.0) >= SECOND {
            self.heard = (now, 0);
        }
        self.heard.1 += news.len().max(1);
        for news in news {
            match news {
                NeighbourNews::Seen(sighting) => self.saw(sighting, Sight::News, now),
                NeighbourNews::Moved(place) => self.placed(place, now),
                NeighbourNews::Lost => {
                    self.next_list = self.next_list.min(self.listed.plus(LIST_AGAIN).max(now));
                }
            }
        }
        if self.heard.1 >= HEARD {
            tokio::time::sleep(self.heard.0.plus(SECOND).since(now)).await;
        }
    }

    fn list(&mut self) {
        let now = self.watching.clock.now().boot;
        (self.listed, self.next_list) = (now, now.plus(LIST));
        self.anomalies.forget(now);
        self.guests = Guests::of(&self.watching.config.borrow());
        self.out.whereabouts.borrow_mut().keep(&self.watching.view.borrow());
        match self.watching.neighbours.sightings() {
            Ok(all) => all.into_iter().for_each(|sighting| self.saw(sighting, Sight::Listed, now)),
            Err(error) => {
                tracing::warn!(event = "neighbours_unknown", %error, "guests are not watched for now");
            }
        }
    }

    fn saw(&mut self, sighting: Sighting, sight: Sight, now: Boot) {
        let Sighting { mac, address, interface, proved } = sighting;
        if !self.guests.interfaces.contains(&interface) {
            return;
        }
        if self.watching.view.borrow().sessions.contains_key(&mac) {
            self.out.whereabouts.borrow_mut().note(mac, interface, address);
        }
        // What finds no room is settled at the next look at the table.
        let _ = self.watching.homes.try_send((mac, address));
        self.present(mac, now);
        let odd = self.anomalies.seen(mac, address, sight, proved, now);
        self.note(odd, now);
    }

    fn placed(&mut self, place: Place, now: Boot) {
        if self.guests.includes(place) {
            self.present(place.mac, now);
            let odd = self.anomalies.moved(place.mac, place.port, now);
            self.note(odd, now);
        }
    }

    fn present(&mut self, mac: Mac, now: Boot) {
        let config = Arc::clone(&self.watching.config.borrow());
        let (limit, kept) = (config.gateway.new_devices_per_minute, config.retention.unpaid_devices);
        let odd = self.anomalies.present(mac, limit, kept, now);
        self.note(odd, now);
    }

    /// Counts an anomaly, tells people, and names whom to suspect.
    fn note(&mut self, odd: Option<Anomaly>, now: Boot) {
        let Some(anomaly) = odd else { return };
        self.out.counts.set(self.anomalies.counts());
        if self.anomalies.is_worth_telling(anomaly, now) {
            tell(anomaly, self.anomalies.counts());
        }
        let ends = self.watching.config.borrow().gateway.anomaly == config::Anomaly::End;
        if let Some(mac) = anomaly.suspect().filter(|_| ends)
            && self.watching.view.borrow().sessions.contains_key(&mac)
        {
            // Who is not told of now will be, the next time.
            let _ = self.watching.suspected.try_send(mac);
        }
    }
}

fn tell(anomaly: Anomaly, counts: AnomalyCounts) {
    let AnomalyCounts { addresses, ports, new_devices } = counts;
    match anomaly {
        Anomaly::Address { holder, claimant } => {
            let (holder, claimant) = (holder.tail(), claimant.tail());
            tracing::warn!(event = "address_claimed_twice", %holder, %claimant, so_far = addresses,
                "a second device claims the address of another one");
        }
        Anomaly::Ports { mac } => {
            tracing::warn!(event = "device_at_two_ports", device = %mac.tail(), so_far = ports,
                "a device is at two ports at once: two devices with one MAC, or a loop");
        }
        Anomaly::NewDevice { .. } => {
            tracing::warn!(
                event = "many_new_devices",
                so_far = new_devices,
                "more new devices than option new_devices_per_minute says; guests online are not touched"
            );
        }
    }
}

/// Where guests are, by index.
#[derive(Debug, Default)]
struct Guests {
    interfaces: Vec<u32>,
    /// Bridges that are guest networks, or carry one as this VLAN.
    bridges: Vec<(u32, Option<u16>)>,
}

impl Guests {
    /// An interface that is not there has no guests.
    fn of(config: &Config) -> Self {
        let names = &config.gateway.interfaces;
        let index = |name: &str| if_nametoindex(name).ok();
        let whole = names.iter().filter_map(|name| Some((index(name)?, None)));
        // `br-lan.20` is VLAN 20 of bridge `br-lan`.
        let vlan = |name: &String| {
            let (bridge, vlan) = name.rsplit_once('.')?;
            Some((index(bridge)?, Some(vlan.parse().ok()?)))
        };
        Self {
            interfaces: names.iter().filter_map(|name| index(name)).collect(),
            bridges: whole.chain(names.iter().filter_map(vlan)).collect(),
        }
    }

    fn includes(&self, place: Place) -> bool {
        self.bridges
            .iter()
            .any(|(bridge, vlan)| *bridge == place.bridge && vlan.is_none_or(|vlan| place.vlan == Some(vlan)))
    }
}

/// The latest addresses of devices online: as many devices as there are sessions, a few addresses each.
#[derive(Debug, Default)]
struct Whereabouts(OrdMap<Mac, Vec<(u32, IpAddr)>>);

impl Whereabouts {
    fn note(&mut self, mac: Mac, interface: u32, address: IpAddr) {
        let known = self.0.entry(mac).or_default();
        known.retain(|one| *one != (interface, address));
        if known.len() >= ADDRESSES {
            known.remove(0);
        }
        known.push((interface, address));
    }

    /// Forgets who is not online.
    fn keep(&mut self, view: &View) {
        self.0.retain(|mac, _| view.sessions.contains_key(mac));
    }

    fn of(&self, mac: Mac) -> OrdMap<u32, Vec<IpAddr>> {
        let mut by_interface: OrdMap<u32, Vec<IpAddr>> = OrdMap::new();
        for (interface, address) in self.0.get(&mac).into_iter().flatten() {
            by_interface.entry(*interface).or_default().push(*address);
        }
        by_interface
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_addresses_of_a_device_are_kept_and_no_more() {
        let mac = Mac::new([2, 0, 0, 0, 0, 1]);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut whereabouts = Whereabouts::default();
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 1, 9] {
            whereabouts.note(mac, 7, address(n));
        }
        assert_eq!(whereabouts.of(mac), [(7, [3, 4, 5, 6, 7, 8, 1, 9].map(address).to_vec())].into());
        whereabouts.keep(&View::default());
        assert!(whereabouts.of(mac).is_empty());
    }
}
