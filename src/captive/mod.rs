//! What a request means and what it is answered, before anything is read, looked up or written.
//!
//! Owns: which requests are intercepted and where they are sent, the paths of the portal, RFC 8908,
//! the words of the pages (languages, durations, sizes), what each refusal says. Never: sockets, time,
//! the markup. `portal` brings the requests and writes the pages.
//!
//! Read `route.rs` first.

mod api;
mod awaited;
mod colour;
mod language;
mod notice;
mod outage;
mod proof;
mod query;
mod route;
mod site;
mod stale;
mod standing;
mod words;

pub(crate) use api::{Access, api};
pub(crate) use awaited::Awaited;
pub(crate) use colour::Accent;
pub(crate) use language::{LANGUAGES, Language, Own, Strings, language};
pub(crate) use notice::{AfterLogin, Notice, after_login};
pub(crate) use outage::Outage;
pub(crate) use proof::{Proof, Tried};
pub(crate) use query::{Pairs, whatsapp_link};
pub(crate) use route::{Answer, Asked, Form, Head, Hosts, Page, answer, clipped, origin_is_ours};
pub(crate) use site::{Door, Here, link_address, secure_origin};
pub(crate) use stale::{SamePage, same_page};
pub(crate) use standing::{PlanCard, Standing};
pub(crate) use words::duration;
