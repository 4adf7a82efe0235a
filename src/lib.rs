//! Lango, the gateway of a pay-as-you-go Wi-Fi hotspot.
//!
//! # The map
//! Pure rooms: no tokio, no sockets, no files, no clock, no randomness.
//! - `captive`: what a request means and what it is answered
//! - [`domain`]: what was sold and what is left of it; the `Gate` that decides
//! - [`expiring`]: a bounded map with deadlines
//! - [`wire`]: codecs, bytes to types and back
//!
//! - [`app`]: the wiring of all rooms
//! - [`clock`]: the only reader of time and randomness
//! - [`cli`]: the commands as seen from a terminal
//! - [`config`]: UCI text in, checked types out
//! - [`control`]: the socket between the commands and the daemon
//! - [`neigh`]: who is behind an address; cutting flows
//! - [`netlink`]: the socket under `nft` and `neigh`
//! - [`nft`]: table `inet lango`
//! - [`portal`]: HTTP for guests, limits, forms and pages
//! - [`process`]: exit codes, signals, the panic hook
//! - [`store`]: SQLite on a thread of its own: open, repair, commit, load
//! - [`telemetry`]: log lines to stderr or syslog
//!
//! Read `domain/gate.rs` first.

pub mod app;
mod captive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod expiring;
pub mod neigh;
pub mod netlink;
pub mod nft;
pub mod portal;
pub mod process;
pub mod store;
pub mod telemetry;
pub mod wire;
