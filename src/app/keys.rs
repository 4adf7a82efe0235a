//! Keys of this gateway, all from one secret on flash.
//!
//! Owns: which key is made from what. Never: the file of the secret (`store`), what is hashed or signed.
//! A key per purpose, so that none serves two. The operator may give the site key, which the cloud then
//! shares, or an enrolment brings it; else it is derived like the others.

use std::path::Path;

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::fault::Fault;
use crate::config::Config;
use crate::domain::{IssuingKey, SiteKey};
use crate::portal::FormKey;
use crate::store::{self, Found, Report, derive};
use crate::wire::enrolment::Enrolled;

/// The keys a running gateway needs.
pub(super) struct Keys {
    /// Hashes codes.
    pub(super) site: SiteKey,
    /// Read codes that prove themselves, of the numbers that are accepted.
    pub(super) issuing: Vec<IssuingKey>,
    /// Signs the tokens of forms.
    pub(super) form: FormKey,
}

impl Keys {
    /// Reads the device key, which the store has made at first start, and the site key if the operator gave one.
    /// `report`: of the store whose codes were hashed under them. `enrolled`: may have brought the site key.
    pub(super) fn load(config: &Config, enrolled: Option<&Enrolled>, report: &Report) -> Result<Self, Fault> {
        let gateway = &config.gateway;
        if report.key_is_new && report.found != Found::Nothing {
            tracing::error!(
                event = "key_lost",
                "device.key is gone from state_dir: a new one is made, and codes made under the old one are unknown"
            );
        }
        let device = store::device_key(&gateway.state_dir).map_err(Fault::Key)?;
        let site = match &gateway.site_key_file {
            Some(path) => read_site_key(path)?,
            None => match enrolled.and_then(|enrolled| enrolled.joining.site_key.as_ref()) {
                Some(secret) => *secret.reveal(),
                None => derive(&device, b"lango site key 1"),
            },
        };
        let site = SiteKey::new(&site);
        Ok(Self {
            issuing: gateway.issuing_keys.iter().map(|number| site.issuing(*number)).collect(),
            site,
            form: FormKey::new(&derive(&device, b"lango form key 1")),
        })
    }
}

/// The public half of the Ed25519 pair by which a cloud knows this gateway again.
pub(super) fn public_key(state_dir: &Path) -> Result<[u8; 32], Fault> {
    let device = store::device_key(state_dir).map_err(Fault::Key)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&derive(&device, b"lango enrolment key 1"))
        .expect("32 bytes make a pair of keys");
    let mut public = [0; 32];
    public.copy_from_slice(pair.public_key().as_ref());
    Ok(public)
}

/// The 32 bytes of a file.
pub(super) fn read_site_key(path: &Path) -> Result<[u8; 32], Fault> {
    let wrong = |why: String| Fault::SiteKey { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| wrong(format!("has {length} bytes; a site key has exactly 32")))
}
