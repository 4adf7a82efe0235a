//! The configuration: UCI text, parsed into types that cannot hold a wrong value.
//!
//! Owns: the grammar of UCI, the options, their defaults and limits, and the words of every error.
//! Never: anything but reading; `/etc/config` is not written at run time.

mod model;

pub use model::{
    Anomaly, Cloud, Config, Device, Garden, Gateway, Network, Policy, Retention, Tls, UplinkProbe,
};
