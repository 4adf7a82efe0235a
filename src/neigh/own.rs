//! The gateway's own addresses.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockaddrStorage;

use crate::ordered::OrdMap;

/// All addresses of this gateway, each with the ifindex of its interface.
pub fn own_addresses() -> io::Result<Vec<(u32, IpAddr)>> {
    // To ask for an index takes a file descriptor.
    let mut known: OrdMap<String, Option<u32>> = OrdMap::new();
    let mut found = Vec::new();
    for entry in getifaddrs()? {
        let Some(address) = entry.address.as_ref().and_then(ip) else { continue };
        let name = entry.interface_name;
        let index = *known.entry(name).or_insert_with_key(|name| if_nametoindex(name.as_str()).ok());
        found.extend(index.map(|index| (index, address)));
    }
    Ok(found)
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_with_their_interface() {
        let loopback = if_nametoindex("lo").unwrap();
        let own = own_addresses().unwrap();
        assert!(own.contains(&(loopback, IpAddr::from([127, 0, 0, 1]))), "{own:?}");
        assert!(own.iter().all(|(index, address)| *index == loopback || !address.is_loopback()), "{own:?}");
    }
}
