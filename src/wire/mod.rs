//! Codecs: bytes to types and back, nothing else.
//!
//! Owns: the form of what crosses a socket. Never: sockets, clocks, decisions.

pub mod control;
