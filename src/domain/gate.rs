//! The Gate.
use super::*;
use std::time::Duration;
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_clients: usize,
    pub checkpoint: Duration,
}
pub struct Gate;
