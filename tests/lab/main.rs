//! The lab tests: the real program, phones and a world in network namespaces, asserted with packets.
//!
//! They need root and nftables, iproute2, dnsmasq-base, conntrack, curl, ethtool, iputils-ping, busybox-static,
//! strace, iodine, python3, openssl, util-linux (2.36 or later, for `unshare --time`); a test that cannot run fails.
//! Each file is a part of what issue and design promise; `harness/` is shared.

#![expect(clippy::disallowed_methods, reason = "tests start programs and measure time")]
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod anomaly;
mod attacks;
mod caps;
mod cloud;
mod counting;
mod detection;
mod dns;
mod doctor;
mod floods;
mod forms;
mod garden;
mod handshakes;
mod harness;
mod hold;
mod http_floods;
mod https;
mod https_floods;
mod isolation;
mod jailed;
mod keys;
mod leak;
mod log;
mod orders;
mod owners;
mod presence;
mod retention;
mod roles;
mod sealed;
mod service;
mod speed;
mod stale;
mod states;
mod survive;
mod terms;
mod theme;
mod time;
mod topology;
mod trial;
mod uplink;
mod vouchers;
