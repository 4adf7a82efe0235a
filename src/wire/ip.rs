//! The two ends of an IP packet, and nothing else of it.
//!
//! Owns: where the addresses stand in a header of either version. Never: what is in a packet.

use std::net::IpAddr;

/// As much of a packet as it takes.
pub const ENOUGH: usize = 40;

/// Where a packet comes from and where it goes; `None`: it is no IP packet.
pub fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => Some((address::<4>(packet, 12)?, address::<4>(packet, 16)?)),
        6 => Some((address::<16>(packet, 8)?, address::<16>(packet, 24)?)),
        _ => None,
    }
}

fn address<const LENGTH: usize>(packet: &[u8], at: usize) -> Option<IpAddr>
where
    IpAddr: From<[u8; LENGTH]>,
{
    packet.get(at..)?.first_chunk::<LENGTH>().copied().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ends_are_read_of_both_versions() {
        let mut v4 = [0; 20];
        v4[0] = 0x45;
        v4[12..20].copy_from_slice(&[192, 0, 2, 1, 203, 0, 113, 80]);
        let ends_of = |from: &str, to: &str| Some((from.parse().unwrap(), to.parse().unwrap()));
        assert_eq!(ends(&v4), ends_of("192.0.2.1", "203.0.113.80"));
        let mut v6 = [0; ENOUGH];
        v6[0] = 0x60;
        (v6[8], v6[23], v6[24], v6[39]) = (0x20, 1, 0xfd, 2);
        assert_eq!(ends(&v6), ends_of("2000::1", "fd00::2"));
        assert_eq!(ends(&v4[..19]), None);
        assert_eq!(ends(&v6[..39]), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(packet in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = ends(&packet);
        }
    }
}
