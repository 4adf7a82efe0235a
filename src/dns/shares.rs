//! How much of the garden is open by name, device by device, so that one cannot take the places of all.
//!
//! Owns: which addresses were opened to whom, until when. What finds no place is not opened, and must then
//! not be given out either. A place is an address at one port, as the kernel's set counts.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::{Boot, Mac};
use crate::ordered::OrdMap;

/// Places of one device in each family: a sixteenth of what the kernel has room for.
const PLACES_EACH: usize = 1024;
/// Addresses of all devices, of both families: more than the kernel has room for.
const ALL: usize = 32_768;
/// Those of others that ran out are looked for so often, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Shares {
    open: OrdMap<Mac, OrdMap<IpAddr, Boot>>,
    swept: Option<Boot>,
}

impl Shares {
    /// Those of `addresses` that have a place among those of `mac`, each at so many `ports`; it is theirs
    /// until `stays` from `now`. Those that have one keep it.
    pub(super) fn admit(
        &mut self,
        mac: Mac,
        addresses: &[IpAddr],
        ports: usize,
        stays: Duration,
        now: Boot,
    ) -> Vec<IpAddr> {
        let is_full = self.count() + addresses.len() > ALL && !self.sweep(addresses.len(), now);
        let own = self.open.entry(mac).or_default();
        own.retain(|_, until| now < *until);
        let most = (PLACES_EACH / ports.max(1)).max(1);
        let mut admitted = Vec::new();
        for address in addresses {
            let of_family = own.keys().filter(|open| open.is_ipv4() == address.is_ipv4()).count();
            let has_place = own.contains_key(address) || (of_family < most && !is_full);
            if has_place {
                let until = own.get(address).copied().unwrap_or(now).max(now.plus(stays));
                own.insert(*address, until);
                admitted.push(*address);
            }
        }
        if own.is_empty() {
            self.open.remove(&mac);
        }
        admitted
    }

    /// These were not opened after all.
    pub(super) fn take_back(&mut self, mac: Mac, addresses: &[IpAddr]) {
        let Some(own) = self.open.get_mut(&mac) else { return };
        own.retain(|address, _| !addresses.contains(address));
        if own.is_empty() {
            self.open.remove(&mac);
        }
    }

    fn count(&self) -> usize {
        self.open.values().map(OrdMap::len).sum()
    }

    /// Forgets what ran out. Whether there is room for so many now.
    fn sweep(&mut self, wanted: usize, now: Boot) -> bool {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP) {
            return false;
        }
        self.swept = Some(now);
        self.open.retain(|_, own| {
            own.retain(|_, until| now < *until);
            !own.is_empty()
        });
        self.count() + wanted <= ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn mac(n: u16) -> Mac {
        let [high, low] = n.to_be_bytes();
        Mac::new([2, 0, 0, 0, high, low])
    }

    fn v4(from: u32, count: u32) -> Vec<IpAddr> {
        (from..from + count).map(|n| IpAddr::V4(n.into())).collect()
    }

    fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    #[test]
    fn a_device_gets_its_share_in_each_family_and_no_more() {
        let mut shares = Shares::default();
        let mut admit = |who, addresses: &[IpAddr], s| shares.admit(mac(who), addresses, 2, MINUTE, at(s));
        assert_eq!(admit(1, &v4(0, 600), 1), v4(0, 512));
        assert!(admit(1, &v4(700, 1), 2).is_empty());
        let v6 = [IpAddr::V6(1_u128.into())];
        assert_eq!(admit(1, &v6, 2), v6);
        assert_eq!(admit(2, &v4(700, 1), 2), v4(700, 1), "others have their own");
        assert_eq!(admit(1, &v4(0, 100), 40), v4(0, 100), "what is open stays open");
        // 412 of them have run out.
        assert_eq!(admit(1, &v4(1000, 500), 61), v4(1000, 412));
    }

    #[test]
    fn at_many_ports_it_is_fewer_addresses_but_one_always() {
        for (ports, most) in [(0, 1024), (1, 1024), (31, 33), (5000, 1)] {
            let admitted = Shares::default().admit(mac(1), &v4(0, 2000), ports, MINUTE, at(1));
            assert_eq!(admitted.len(), most, "{ports} ports");
        }
    }

    #[test]
    fn what_was_not_opened_takes_no_place() {
        let mut shares = Shares::default();
        assert_eq!(shares.admit(mac(1), &v4(0, 1024), 1, MINUTE, at(1)).len(), 1024);
        shares.take_back(mac(1), &v4(0, 10));
        assert_eq!(shares.admit(mac(1), &v4(5000, 20), 1, MINUTE, at(2)), v4(5000, 10));
        shares.take_back(mac(1), &v4(0, 6000));
        assert!(shares.open.is_empty());
    }

    #[test]
    fn many_devices_do_not_make_it_grow_for_ever() {
        let mut shares = Shares::default();
        for n in 0..40 {
            shares.admit(mac(n), &v4(0, 1024), 1, MINUTE, at(1));
        }
        assert_eq!(shares.count(), ALL);
        assert!(shares.admit(mac(99), &v4(0, 1), 1, MINUTE, at(30)).is_empty());
        assert_eq!(shares.admit(mac(99), &v4(0, 1), 1, MINUTE, at(61)), v4(0, 1));
        assert_eq!(shares.count(), 1);
    }
}
