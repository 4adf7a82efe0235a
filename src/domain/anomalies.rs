//! What a guest network should not show: an address with two devices, a device at two places, a flood of
//! devices nobody has seen before.
//!
//! Owns: what was seen of late, bounded, what of it is odd, and how often that happened. Never: what is done
//! about it, the network, time. Neighbours: `app` says what the kernel saw, and acts on an [`Anomaly`].
//!
//! Ordinary things are none: an address that is handed on after its device fell silent, a phone that roams
//! from one radio to the next, a device that comes back after an hour.

use std::net::IpAddr;
use std::time::Duration;

use super::{Boot, Mac};
use crate::expiring::ExpiringMap;

/// An address belongs to the device that was last seen with it, for this long.
const HELD: Duration = Duration::from_secs(60);
/// This many moves between ports within so long, and back to where it was, are not a walk.
const MOVES: usize = 3;
const RESTLESS: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// Addresses, restless devices and known devices remembered, at most.
const ADDRESSES: usize = 4096;
const WANDERERS: usize = 4096;
const DEVICES: usize = 8192;

/// Something that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// `claimant` took an address with which `holder` was seen just before.
    Address { holder: Mac, claimant: Mac },
    /// The device is at two ports at once.
    Ports { mac: Mac },
    /// One more new device than there may be in a minute.
    NewDevice { mac: Mac },
}

impl Anomaly {
    /// The device to blame. Of two with one address that is the one that came later; who of two with one
    /// MAC it is cannot be told.
    pub fn suspect(self) -> Option<Mac> {
        match self {
            Self::Address { claimant, .. } => Some(claimant),
            Self::Ports { mac } => Some(mac),
            // To be new is no fault of the one that comes after the others.
            Self::NewDevice { .. } => None,
        }
    }
}

/// How often each of them happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnomalyCounts {
    /// Addresses claimed by a second device.
    pub addresses: u64,
    /// Devices found at two ports.
    pub ports: u64,
    /// New devices past the limit of a minute.
    pub new_devices: u64,
}

/// How the kernel came to tell of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It changed just now. Where it has another device than before, that device has just claimed it.
    News,
    /// It stands in the list, maybe of old: only a proof says for how long.
    Listed,
}

/// What was seen of late.
#[derive(Clone, Debug)]
pub struct Anomalies {
    holders: ExpiringMap<IpAddr, Holder>,
    wanderers: ExpiringMap<Mac, Trail>,
    known: ExpiringMap<Mac, ()>,
    minute: Minute,
    counts: AnomalyCounts,
    told: Told,
}

/// Who has an address.
#[derive(Clone, Copy, Debug)]
struct Holder {
    mac: Mac,
    /// Until when it is its own, if it is not seen again.
    until: Boot,
    /// Who was seen with it last; another one while two fight for it.
    last: Mac,
}

/// The latest ports of a device, and when it left each; the newest last.
#[derive(Clone, Debug)]
struct Trail {
    port: u32,
    left: Vec<(u32, Boot)>,
}

/// New devices since `from`, for a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    from: Boot,
    new: u32,
}

/// When each kind of anomaly was last told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    address: Option<Boot>,
    ports: Option<Boot>,
    new_device: Option<Boot>,
}

impl Default for Anomalies {
    fn default() -> Self {
        Self {
            holders: ExpiringMap::with_capacity(ADDRESSES),
            wanderers: ExpiringMap::with_capacity(WANDERERS),
            known: ExpiringMap::with_capacity(DEVICES),
            minute: Minute::default(),
            counts: AnomalyCounts::default(),
            told: Told::default(),
        }
    }
}

impl Anomalies {
    /// `mac` was seen with `address`, and `proved` so long ago that it has it.
    pub fn seen(
        &mut self,
        mac: Mac,
        address: IpAddr,
        sight: Sight,
        proved: Option<Duration>,
        now: Boot,
    ) -> Option<Anomaly> {
        let before = self.holders.get(&address, now).copied();
        let claims = before.is_none_or(|before| before.last != mac);
        let age = match sight {
            Sight::News if claims => Some(Duration::ZERO),
            Sight::News | Sight::Listed => proved,
        };
        let until = age.filter(|age| *age < HELD).map(|age| now.plus(HELD.saturating_sub(age)));
        match (before, until) {
            (Some(before), _) if before.mac != mac => {
                self.hold(address, Holder { last: mac, ..before }, now);
                if !claims {
                    return None;
                }
                self.counts.addresses += 1;
                return Some(Anomaly::Address { holder: before.mac, claimant: mac });
            }
            (Some(before), until) => {
                let until = until.map_or(before.until, |until| until.max(before.until));
                self.hold(address, Holder { mac, until, last: mac }, now);
            }
            (None, Some(until)) => self.hold(address, Holder { mac, until, last: mac }, now),
            (None, None) => {}
        }
        None
    }

    fn hold(&mut self, address: IpAddr, holder: Holder, now: Boot) {
        self.holders.insert(address, holder, now, holder.until.since(now));
    }

    /// `mac` showed up at `port` of a bridge.
    pub fn moved(&mut self, mac: Mac, port: u32, now: Boot) -> Option<Anomaly> {
        let trail = self.wanderers.remove(&mac);
        let mut trail = trail.unwrap_or(Trail { port, left: Vec::new() });
        if trail.port != port {
            trail.left.retain(|(_, when)| now.since(*when) < RESTLESS);
            trail.left.push((trail.port, now));
            trail.port = port;
        }
        let restless = trail.left.len() >= MOVES && trail.left.iter().any(|(was, _)| *was == port);
        if restless {
            trail.left.clear();
            self.counts.ports += 1;
        }
        self.wanderers.insert(mac, trail, now, RESTLESS);
        restless.then_some(Anomaly::Ports { mac })
    }

    /// `mac` is there; `limit` is how many new devices a minute may bring. One that was not seen for as long as
    /// `kept`, a minute at least, is new.
    pub fn present(&mut self, mac: Mac, limit: u32, kept: Duration, now: Boot) -> Option<Anomaly> {
        let is_new = self.known.get(&mac, now).is_none();
        self.acquaint(mac, kept, now);
        if !is_new {
            return None;
        }
        if now.since(self.minute.from) >= MINUTE {
            self.minute = Minute { from: now, new: 0 };
        }
        self.minute.new = self.minute.new.saturating_add(1);
        (self.minute.new > limit).then(|| {
            self.counts.new_devices += 1;
            Anomaly::NewDevice { mac }
        })
    }

    /// `mac` was there before anybody looked.
    pub fn acquaint(&mut self, mac: Mac, kept: Duration, now: Boot) {
        self.known.insert(mac, (), now, kept.max(MINUTE));
    }

    /// Nothing is kept of devices that have been away for their time.
    pub fn forget(&mut self, now: Boot) {
        self.holders.handle_timeout(now);
        self.wanderers.handle_timeout(now);
        self.known.handle_timeout(now);
    }

    /// Whether `anomaly` should be told to people: of each kind one in a minute.
    pub fn is_worth_telling(&mut self, anomaly: Anomaly, now: Boot) -> bool {
        let last = match anomaly {
            Anomaly::Address { .. } => &mut self.told.address,
            Anomaly::Ports { .. } => &mut self.told.ports,
            Anomaly::NewDevice { .. } => &mut self.told.new_device,
        };
        let worth = last.is_none_or(|last| now.since(last) >= MINUTE);
        if worth {
            *last = Some(now);
        }
        worth
    }

    /// How often each of them happened.
    pub fn counts(&self) -> AnomalyCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const KEPT: Duration = Duration::from_secs(600);

    const fn at(s: u64) -> Boot {
        Boot::from_millis(1_000_000 + s * 1000)
    }

    const fn device(n: u32) -> Mac {
        let [a, b, c, d] = n.to_be_bytes();
        Mac::new([2, 0, a, b, c, d])
    }

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    const LONG_AGO: Option<Duration> = Some(Duration::from_secs(3600));
    const JUST_NOW: Option<Duration> = Some(Duration::ZERO);

    /// Device `n` claims [`HOME`] at second `s`.
    fn claim(anomalies: &mut Anomalies, n: u32, s: u64) -> Option<Anomaly> {
        anomalies.seen(device(n), HOME, Sight::News, LONG_AGO, at(s))
    }

    /// Device `n` stands in the list with [`HOME`] at second `s`.
    fn listed(anomalies: &mut Anomalies, n: u32, proved: Option<Duration>, s: u64) -> Option<Anomaly> {
        anomalies.seen(device(n), HOME, Sight::Listed, proved, at(s))
    }

    fn by(holder: u32, claimant: u32) -> Option<Anomaly> {
        Some(Anomaly::Address { holder: device(holder), claimant: device(claimant) })
    }

    #[test]
    fn an_address_with_two_devices_is_an_anomaly_and_the_later_one_is_to_blame() {
        let mut anomalies = Anomalies::default();
        assert_eq!(claim(&mut anomalies, 1, 0), None);
        assert_eq!(claim(&mut anomalies, 2, 59), by(1, 2));
        assert_eq!(by(1, 2).and_then(Anomaly::suspect), Some(device(2)));
        assert_eq!(anomalies.counts(), AnomalyCounts { addresses: 1, ..AnomalyCounts::default() });
    }

    #[test]
    fn the_first_holder_stays_it_while_both_fight_and_is_never_to_blame() {
        let mut anomalies = Anomalies::default();
        claim(&mut anomalies, 1, 0);
        for round in 0..20 {
            assert_eq!(claim(&mut anomalies, 2, 10 * round + 5), by(1, 2), "round {round}");
            assert_eq!(listed(&mut anomalies, 2, LONG_AGO, 10 * round + 6), None, "counted already");
            assert_eq!(claim(&mut anomalies, 1, 10 * round + 8), None);
        }
        assert_eq!(anomalies.counts().addresses, 20);
    }

    #[test]
    fn an_address_is_handed_on_after_a_minute_of_silence() {
        let mut anomalies = Anomalies::default();
        claim(&mut anomalies, 1, 0);
        assert_eq!(claim(&mut anomalies, 2, 60), None);
        assert_eq!(claim(&mut anomalies, 1, 70), by(2, 1), "it belongs to the other one now");
        // What only stands in the list from before is no sign of life.
        let mut anomalies = Anomalies::default();
        claim(&mut anomalies, 1, 0);
        for s in [30, 60, 90] {
            assert_eq!(listed(&mut anomalies, 1, LONG_AGO, s), None);
        }
        assert_eq!(claim(&mut anomalies, 2, 91), None);
    }

    #[test]
    fn who_goes_on_proving_its_address_holds_it() {
        let mut anomalies = Anomalies::default();
        claim(&mut anomalies, 1, 0);
        for s in (30..=600).step_by(30) {
            assert_eq!(listed(&mut anomalies, 1, Some(Duration::from_secs(20)), s), None);
        }
        assert_eq!(claim(&mut anomalies, 2, 630), by(1, 2), "proved 50 s before");
        assert_eq!(claim(&mut anomalies, 2, 640), None, "still the same claim");
        // Where news were lost, the list tells.
        let mut anomalies = Anomalies::default();
        listed(&mut anomalies, 1, JUST_NOW, 0);
        assert_eq!(listed(&mut anomalies, 2, LONG_AGO, 30), by(1, 2));
    }

    /// The ports that a device shows up at, one every `step` seconds, and the anomalies that makes.
    fn walk(ports: &[u32], step: u64) -> u64 {
        let mut anomalies = Anomalies::default();
        for (port, n) in ports.iter().zip(0..) {
            anomalies.moved(device(1), *port, at(n * step));
        }
        anomalies.counts().ports
    }

    #[test]
    fn back_and_forth_between_ports_is_an_anomaly_and_roaming_is_none() {
        assert_eq!(walk(&[1, 2, 1, 2], 1), 1);
        assert_eq!(walk(&[1, 2, 3, 1], 1), 1);
        assert_eq!(walk(&[1, 2, 1, 2, 1, 2, 1], 1), 2, "each time it takes three moves");
        for (ports, step) in
            [(&[1, 2, 1][..], 1), (&[1, 2, 3, 4, 5], 1), (&[1, 1, 1, 1, 1], 1), (&[1, 2, 1, 2, 1, 2], 6)]
        {
            assert_eq!(walk(ports, step), 0, "{ports:?} every {step} s");
        }
        let mut anomalies = Anomalies::default();
        for n in 0..100 {
            assert_eq!(anomalies.moved(device(n), n % 2, at(0)), None, "each its own port");
        }
    }

    #[test]
    fn more_new_devices_in_a_minute_than_may_be_are_counted() {
        let mut anomalies = Anomalies::default();
        let mut come = |from: u32, to: u32, s| {
            (from..to).filter(|n| anomalies.present(device(*n), 120, KEPT, at(s)).is_some()).count()
        };
        assert_eq!(come(0, 120, 0), 0);
        assert_eq!(come(0, 120, 1), 0, "they are known");
        assert_eq!(come(120, 130, 59), 10);
        assert_eq!(come(130, 250, 60), 0, "another minute");
        assert_eq!(come(0, 120, 3000), 0, "known for an hour");
        assert_eq!(come(0, 121, 7000), 1, "and no longer");
        assert_eq!(anomalies.counts().new_devices, 11);
        let mut anomalies = Anomalies::default();
        (0..500).for_each(|n| anomalies.acquaint(device(n), KEPT, at(0)));
        assert_eq!(anomalies.present(device(7), 1, KEPT, at(1)), None, "it was there before");
    }

    #[test]
    fn of_each_kind_one_in_a_minute_is_told() {
        let mut anomalies = Anomalies::default();
        let kinds = [Anomaly::Ports { mac: device(1) }, Anomaly::NewDevice { mac: device(1) }];
        for (s, told) in [(0, true), (1, false), (59, false), (60, true)] {
            for anomaly in kinds {
                assert_eq!(anomalies.is_worth_telling(anomaly, at(s)), told, "{anomaly:?} at {s}");
            }
        }
    }

    #[test]
    fn a_flood_is_not_remembered_whole() {
        let mut anomalies = Anomalies::default();
        for n in 0..50_000 {
            let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
            anomalies.seen(device(n), address, Sight::News, None, at(1));
            anomalies.moved(device(n), 1, at(1));
            anomalies.present(device(n), 120, KEPT, at(1));
        }
        let Anomalies { holders, wanderers, known, .. } = &anomalies;
        assert_eq!((holders.len(), wanderers.len(), known.len()), (ADDRESSES, WANDERERS, DEVICES));
        assert_eq!(anomalies.counts().new_devices, 50_000 - 120);
    }
}
