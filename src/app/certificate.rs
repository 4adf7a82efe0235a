//! The certificate of the portal, for the loop: looks at it, shows or withdraws it, tells operators and phones.
//!
//! Owns: what follows from how it stands: the door over TLS, the word to DHCP (`portal::advertise`), the log, and
//! what `lango doctor` says. Never: judges a certificate (`portal::Certificates`). Neighbours: `desk`, `time`,
//! `listen`.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use super::desk::Desk;
use super::doctor::Finding;
use crate::config::{ConfigError, Gateway, Parsed};
use crate::domain::{Now, Wall};
use crate::portal::{self, Certificates, Flaw, Shown, Standing};
use crate::wire::control::Health;

/// A certificate that ends sooner is to be renewed now.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// The certificate, as it stands.
pub(super) struct Secured {
    certificates: Certificates,
    standing: Standing,
    shown: watch::Sender<Option<Shown>>,
    run_dir: PathBuf,
    /// The API that phones are told of.
    advertised: Option<String>,
}

impl Secured {
    /// Of the files of `gateway`, at start; and what guests are shown of it.
    pub(super) fn new(gateway: &Gateway, now: Now) -> (Self, watch::Receiver<Option<Shown>>) {
        let (shown, seen) = watch::channel(None);
        let mut secured = Self {
            certificates: Certificates::default(),
            standing: Standing::Unset,
            shown,
            run_dir: gateway.run_dir.clone(),
            advertised: None,
        };
        // What a daemon that was killed has left there may be true no longer.
        secured.advertise(None);
        secured.look(gateway, now);
        (secured, seen)
    }

    /// Looks whether something has changed: the files, the clock, or that a date is past.
    fn look(&mut self, gateway: &Gateway, now: Now) {
        let (shown, standing) = self.certificates.look(gateway, now);
        if standing != self.standing {
            said(&standing, &gateway.portal_name);
        }
        self.standing = standing;
        let api = shown.is_some().then(|| portal::api_address(gateway));
        self.shown.send_replace(shown);
        if api != self.advertised {
            self.advertise(api);
        }
    }

    /// Nobody is told of the API any more.
    pub(super) fn withdraw(&mut self) {
        self.advertise(None);
    }

    fn advertise(&mut self, api: Option<String>) {
        if let Err(error) = portal::advertise(&self.run_dir, api.as_deref()) {
            let run_dir = self.run_dir.display();
            tracing::warn!(event = "not_advertised", %run_dir, %error, "phones are not told of the portal's API by DHCP");
        }
        self.advertised = api;
    }
}

impl Desk {
    /// Looks at the certificate, and opens or closes the doors over TLS.
    pub(super) fn look_at_certificate(&mut self) {
        let config = self.config.borrow().clone();
        self.secured.look(&config.gateway, self.ledger.clock.now());
        self.doors.keep(&config.gateway, &self.servers);
    }
}

/// What `lango check` finds wrong with the files.
pub(super) fn errors(parsed: &Parsed) -> Option<ConfigError> {
    let gateway = &parsed.config.gateway;
    let flaw = portal::check_certificate(gateway.tls.as_ref()?, &gateway.portal_name).err()?;
    Some(parsed.error("gateway", flaw.option(), format!("{flaw}; {}", flaw.remedy())))
}

/// What is wrong with the certificate, and what to do; nothing, if none is configured.
pub(super) fn checked(desk: &Desk) -> Option<Finding> {
    let left = |until: &Wall| until.since(desk.ledger.clock.now().wall);
    let (state, message, remedy) = match &desk.secured.standing {
        Standing::Unset => return None,
        Standing::InForce { until } if left(until) > RENEW_BEFORE => {
            (Health::Ok, format!("in force until {until}"), "")
        }
        Standing::InForce { until } => {
            let days = left(until).as_secs() / 86_400;
            let message = format!("in force, and ends at {until}, in {days} days");
            (Health::Warn, message, "renew it, and put the new one in its place; it is used by itself")
        }
        Standing::Former { until, flaw } => {
            let message = format!("the one before is in force until {until}, for of the new one: {flaw}");
            (Health::Warn, message, flaw.remedy())
        }
        Standing::Withdrawn(flaw) => (
            match flaw {
                Flaw::Clock => Health::Warn,
                Flaw::Certificate { .. }
                | Flaw::Key { .. }
                | Flaw::Mismatch
                | Flaw::Name(_)
                | Flaw::NotYet(_)
                | Flaw::Expired(_) => Health::Fail,
            },
            format!("not in force, the portal is plain HTTP alone: {flaw}"),
            flaw.remedy(),
        ),
    };
    Some(Finding { state, message, remedy: remedy.to_owned() })
}

fn said(standing: &Standing, name: &str) {
    match standing {
        Standing::Unset => tracing::info!(event = "certificate_unset", "the portal is plain HTTP alone"),
        Standing::InForce { until } => {
            tracing::info!(event = "certificate_in_force", name, %until, "the portal is HTTPS");
        }
        Standing::Former { until, flaw } => tracing::warn!(
            event = "certificate_refused", %until, remedy = flaw.remedy(), "the certificate before stays in force: {flaw}"
        ),
        // As after each start without a battery clock.
        Standing::Withdrawn(flaw @ Flaw::Clock) => {
            tracing::info!(event = "certificate_waits", remedy = flaw.remedy(), "{flaw}");
        }
        Standing::Withdrawn(flaw) => tracing::warn!(
            event = "certificate_withdrawn",
            remedy = flaw.remedy(),
            "the portal is plain HTTP alone: {flaw}"
        ),
    }
}
