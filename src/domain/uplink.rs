//! Whether the way to the internet is alive, and since when.
//!
//! Owns: the two words for it. Never: finds out; who watches the uplink does.
//! Neighbours: the [`Gate`](super::Gate), which pauses clocks while it is down.

use super::Boot;

/// What is known of the uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uplink {
    Up,
    Down,
    /// Too little evidence; counts as up for clocks.
    #[default]
    Unknown,
}

/// What is known of the uplink, and the time of the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkState {
    pub uplink: Uplink,
    pub since: Boot,
}
