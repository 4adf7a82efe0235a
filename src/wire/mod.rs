//! Codecs: bytes to types and back, nothing else.
//!
//! Owns: the form of what crosses a socket. Never: sockets, clocks, decisions.
//! What is read may be hostile or garbage: nothing here panics on any bytes, which the lint below and the
//! tests hold.

#![deny(clippy::indexing_slicing)]

pub mod conntrack;
pub mod control;
pub mod dns;
pub mod enrolment;
pub mod events;
pub mod exposition;
pub mod feed;
pub mod gzip;
pub mod ip;
pub mod lookup;
pub mod neighbour;
pub mod netlink;
pub mod nftables;
pub mod route;
pub mod x509;
