//! The Gate against a model of it: what `tests/model.rs` and `tests/crash.rs` share.
//!
//! [`world`] makes up guests, operators, time, power cuts and disks that fail, and lets the Gate, the
//! reference and a flash live through them; after each step all three have to agree. [`reference`] says
//! what ought to happen in the plainest way; [`memory`] says what the records mean to a store.

mod agree;
mod facts;
mod guests;
pub(crate) mod memory;
mod orders;
mod random;
mod reference;
mod watchers;
pub(crate) mod world;

/// The number in an environment variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
