//! The control socket: how the commands reach the daemon.
//!
//! Owns: `run_dir/lango.sock` (mode 0660), who may connect, how many at a time and for how long.
//! Never: what a request means; that is `app`'s, which gets it as a [`Call`].
//! Neighbours: `wire::control` has the messages; `cli` uses the [`Client`].

mod client;
mod groups;
mod server;

pub use client::{Client, ClientError};
pub use server::{BindError, Call, Peer, Server};

/// Name of the socket in `run_dir`.
pub const SOCKET: &str = "lango.sock";
