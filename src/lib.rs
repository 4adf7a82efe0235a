//! Lango, the gateway of a pay-as-you-go Wi-Fi hotspot: a guest types a voucher code at the portal, and the
//! kernel lets the guest's device through until what was bought is used up.
//!
//! # The map
//! Pure rooms: values in, values out. No tokio, no sockets, no files, no clock, no randomness, no log.
//! - [`domain`]: what was sold and what is left of it; the [`Gate`](domain::Gate) that decides
//! - `captive`: what a request means, and what it is answered
//! - [`wire`]: codecs, bytes to types and back: netlink, DNS and the control socket
//! - [`ordered`]: maps and sets as sorted slices, for little code
//! - [`expiring`]: a bounded map with deadlines
//! - [`backoff`]: when to try again
//!
//! Adapters: each owns one thing outside the program, knows the domain's types, and no other adapter.
//! - [`clock`]: time and randomness
//! - [`nft`]: table `inet lango`, which lets packets through
//! - [`neigh`]: whose address it is; cutting flows
//! - [`presence`]: whether a quiet device is still there: ARP and ND probes
//! - [`uplink`]: whether the internet can be reached: links, routes, what is heard, probes
//! - [`netlink`]: the socket under `nft`, `neigh` and `uplink`
//! - [`store`]: SQLite on a thread of its own: open, repair, commit, load
//! - [`portal`]: HTTP for guests: limits, forms, pages
//! - [`dns`]: DNS for guests: what a name leads to before login; learns the garden's addresses
//! - [`sync`]: the client of the cloud: the feed down, the outbox up, lookups
//! - [`backup`]: the file that a backup is: a state in one piece, hashed, and sealed if there is a passphrase
//! - [`control`]: the socket between the commands and the daemon
//! - [`process`]: exit codes, signals, the panic hook, what the process may do
//! - [`telemetry`]: log lines to stderr or syslog
//!
//! And what puts them to use:
//! - [`config`]: UCI text in, checked types out; every error has its file, line and option
//! - [`app`]: the wiring: order of start, the one loop that owns the Gate, performing what it decides
//! - [`cli`]: the commands as seen from a terminal
//!
//! # Who may name whom
//! `main` names `cli`, `app`, `process` and `telemetry`; `app` names every room, and nobody but `main` names
//! `app`. Adapters name `domain`, `wire`, `config`, `expiring`, `ordered`, `backoff` and `clock`, never each other;
//! two exceptions: `portal` names `captive` too, `nft`, `neigh` and `uplink` name `netlink`. `cli` names `clock`,
//! `control`, `process` and `telemetry` besides `domain`, `wire` and `config`; `telemetry` names `clock` and `domain`.
//! `captive` names `domain` and the types of
//! `config`; `config` and `wire` may name `domain`; `domain` names `expiring` and `backoff`, which count in the
//! domain's time. `domain`, `wire`, `config` and `expiring` keep things in `ordered`, which names nobody.
//! `tests/architecture.rs` reads the sources and holds all this.
//!
//! # What always holds
//! - The domain never reads time: every decision gets [`Now`](domain::Now).
//! - Only [`nft`] talks to nftables, only [`store`] to SQLite, only [`clock`] to the clocks.
//! - Nothing is admitted in the kernel before its record is committed.
//! - The kernel's state is derivable from the store and the time: it is a projection, compared and healed.
//! - A device leaves the kernel's set when what was bought ends, with or without a daemon.
//! - No lock is held across an await.
//! - The running daemon starts no process.
//! - Nothing that a guest can send makes memory or the log grow without bound, or the program panic.
//! - No log line holds a code, a reference or a phone; of a MAC above DEBUG at most its
//!   [tail](domain::Mac::tail).
//!
//! # Order of reading
//! 1. `domain/gate.rs`: what is decided, and how a decision becomes a fact.
//! 2. `app/desk.rs`, then `app/ledger.rs` and `app/kernel.rs`: the loop around it.
//! 3. `nft/ruleset.nft`: what the kernel does by itself.
//! 4. `captive/route.rs` and `portal/mod.rs`: the way of a guest's request.
//! 5. `store/schema.rs`: what survives a power cut.

pub mod app;
pub mod backoff;
pub mod backup;
mod captive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod dns;
pub mod domain;
pub mod expiring;
pub mod neigh;
pub mod netlink;
pub mod nft;
pub mod ordered;
pub mod portal;
pub mod presence;
pub mod process;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod uplink;
pub mod wire;
