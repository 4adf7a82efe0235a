//! The portal over HTTP/1.1: listeners, limits, forms and pages.
//!
//! Owns: the connections of guests, how long and how much each may send, the token of the forms, the
//! markup in `portal-html`. Never: decides who may pass (it asks the desk), finds out devices (it asks
//! [`Who`]), believes anything of a request about whose it is.
//! Neighbours: `captive` says what a request means; `app` runs [`serve`] and is the desk.
//!
//! Way of a request: `listener` accepts, `tls` shakes hands, `connection` limits and hands to hyper, `wire`
//! watches the raw heads, `service` answers, `desk` asks, `pages` writes.

mod advert;
mod back;
mod certificate;
mod connection;
mod connections;
mod desk;
mod dress;
mod entry;
mod form;
mod frame;
mod framing;
mod handshakes;
mod listener;
mod markup;
mod pages;
mod response;
mod service;
mod texts;
mod theme;
mod tls;
mod token;
mod wire;
mod wording;

use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::captive::secure_origin;
use crate::clock::Clock;
use crate::config::{Config, Gateway};
use crate::domain::{Mac, Moving, Reply, TermsVersion, View};

pub use advert::{advert_folder, advertise, is_of_advert};
pub use back::SentBack;
pub use certificate::{Certificates, Flaw, Shown, Standing, check_certificate};
pub use connections::Connections;
pub use dress::Wardrobe;
pub use handshakes::Handshakes;
pub use listener::{serve, serve_securely};
pub use theme::check_theme;
pub use token::FormKey;

/// Finds the device behind an address, from the kernel and not from the request.
pub trait Who {
    /// The device with `address` in the network behind `interface` (an ifindex); `None` if the kernel
    /// knows of none, also after asking the network.
    fn device(&self, interface: u32, address: IpAddr) -> Pin<Box<dyn Future<Output = Option<Mac>> + '_>>;

    /// The gateway's addresses on `interface`.
    fn own(&self, interface: u32) -> Vec<IpAddr>;
}

/// What a guest gave besides the text that finds what was bought, as it was typed.
#[derive(Clone, Default)]
pub struct Given {
    /// The last digits of the phone that paid.
    pub phone_last4: Option<String>,
    /// The PIN of an account.
    pub pin: Option<String>,
    /// The phone that a one-time code is to be sent to, or was.
    pub phone: Option<String>,
    pub one_time_code: Option<String>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(…)")
    }
}

/// What the portal asks of the desk.
#[derive(Debug)]
pub enum Call {
    /// A guest typed a code (as typed, at most 4 KiB), or gave a phone and nothing else. The answer is `Online`,
    /// `Waiting` or `Refused`.
    Login {
        mac: Mac,
        typed: String,
        given: Given,
        moving: Moving,
        accepted: Option<TermsVersion>,
        reply: oneshot::Sender<Reply>,
    },
    /// A guest wants what is free. The answer is `Online` or `Refused`.
    Trial { mac: Mac, accepted: Option<TermsVersion>, reply: oneshot::Sender<Reply> },
    /// A guest ends its session on this device.
    Logout { mac: Mac, reply: oneshot::Sender<Reply> },
    /// A guest ends its session on this device and has the device forgotten. The answer is `Done` or `Refused`.
    Forget { mac: Mac, reply: oneshot::Sender<Reply> },
    /// The response to what was last asked for `mac` is written, or its connection is gone. Flows of
    /// the device may be cut from now on without cutting off the answer.
    Answered { mac: Mac },
}

/// All that the portal needs from outside.
pub struct Context {
    pub config: watch::Receiver<Arc<Config>>,
    pub view: watch::Receiver<Arc<View>>,
    pub desk: mpsc::Sender<Call>,
    pub who: Rc<dyn Who>,
    pub clock: Clock,
    pub key: FormKey,
    /// The connections of all listeners together.
    pub connections: Connections,
    pub sent_back: SentBack,
    /// What connections over TLS are shown; `None`: there are none, and nobody is sent there.
    pub shown: watch::Receiver<Option<Shown>>,
    pub handshakes: Handshakes,
    pub wardrobe: Wardrobe,
}

/// The address of the API of RFC 8908, over TLS.
pub fn api_address(gateway: &Gateway) -> String {
    format!("{}/captive-portal/api", secure_origin(&gateway.portal_name, gateway.https_port))
}

#[cfg(test)]
mod tests;
