//! Joining a cloud: what `lango enrol` brought, what of it is used, and what the configuration says against it.
//!
//! Owns: that options win, and an enrolment fills what they leave out. Never: the file (`store`), the request
//! (`sync`), its words (`wire::enrolment`).
//!
//! Without an `option url` the cloud is the one of the enrolment. For that cloud the enrolment has site, token,
//! signing key and roots, each where no option says otherwise; for another one it has nothing. Its site key
//! holds in any case, unless there is a `site_key_file`: codes were hashed under it.

use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::ask::{Answered, Asked};
use super::desk::Desk;
use super::fault::Fault;
use super::keys::{self, Keys};
use super::ledger::Ledger;
use super::link::{busy, failure_of};
use super::trail;
use super::vouchers::unreadable;
use crate::clock::Clock;
use crate::config::{self, Cloud, Config, ConfigError, Parsed};
use crate::domain::{Action, Actor, Normal, SiteKey};
use crate::portal;
use crate::store;
use crate::sync::{self, BadCertificate, InTheClear, Trouble, Url};
use crate::wire::control::{Answer, Code, Failure, Joined, Joining as Wish};
use crate::wire::enrolment::{Enrolled, Joining, Token};

/// Reads the configuration at `path`, filled from the enrolment.
pub(super) fn load(path: &Path) -> Result<(Parsed, Option<Enrolled>), Fault> {
    let mut parsed = config::load(path).map_err(Fault::Load)?;
    let enrolled = read(&parsed.config.gateway.state_dir)?;
    if let Some(enrolled) = &enrolled {
        fill(&mut parsed, enrolled);
    }
    Ok((parsed, enrolled))
}

/// What an earlier enrolment brought.
pub(super) fn read(state_dir: &Path) -> Result<Option<Enrolled>, Fault> {
    let wrong = |why: String| Fault::Enrolment(why);
    let kept = store::enrolment(state_dir).map_err(|error| wrong(error.to_string()))?;
    kept.map(|text| Enrolled::read(&text).map_err(|error| wrong(error.to_string()))).transpose()
}

fn fill(parsed: &mut Parsed, enrolled: &Enrolled) {
    parsed.join(&enrolled.url);
    if is_of(parsed.cloud_options(), enrolled) && !parsed.names("gateway", "site") {
        parsed.config.gateway.site.clone_from(&enrolled.joining.site);
    }
}

/// Whether the enrolment is one of that cloud.
pub(super) fn is_of(cloud: &Cloud, enrolled: &Enrolled) -> bool {
    cloud.url == enrolled.url
}

/// What is wrong with the configuration beyond its own text: with the files it names, and with the enrolment.
/// What the portal goes on without is noted in `parsed`.
pub fn look_beyond(parsed: &mut Parsed) -> Vec<ConfigError> {
    parsed.notices.extend(portal::check_theme(&parsed.config.gateway));
    let mut parsed = parsed.clone();
    let mut errors = Vec::new();
    let enrolled = read(&parsed.config.gateway.state_dir).unwrap_or_else(|fault| {
        errors.push(parsed.error("gateway", "state_dir", format!("{fault}; {}", fault.remedy())));
        None
    });
    if let Some(enrolled) = &enrolled {
        fill(&mut parsed, enrolled);
    }
    let wrong = |section, option, what: String| parsed.error(section, option, what);
    if let Some(path) = &parsed.config.gateway.site_key_file {
        errors.extend(
            keys::read_site_key(path).err().map(|fault| wrong("gateway", "site_key_file", fault.to_string())),
        );
    }
    errors.extend(super::certificate::errors(&parsed));
    errors.extend(super::owner::errors(&parsed));
    errors.extend(super::roles::errors(&parsed));
    let Some(cloud) = &parsed.config.cloud else {
        if parsed.config.gateway.key_from_cloud {
            let what = "there is no cloud to keep the key; join one with lango enrol, then set it".to_owned();
            errors.push(wrong("gateway", "key_from_cloud", what));
        }
        return errors;
    };
    let enrolled = enrolled.filter(|enrolled| is_of(cloud, enrolled));
    let (ours, theirs) = (&parsed.config.gateway.site, enrolled.as_ref().map(|one| &one.joining.site));
    if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
        let what = format!(
            "the gateway was enrolled as '{theirs}'; leave the option out, or join anew with lango enrol"
        );
        errors.push(wrong("gateway", "site", what));
    }
    if let Err(error) = Url::read(&cloud.url, clear(cloud)) {
        errors.push(wrong("cloud", "url", error.to_string()));
    }
    if let Err((path, why)) = token(cloud, enrolled.as_ref()) {
        let what = format!("{}: {why}; write the token there, or join with lango enrol", path.display());
        errors.push(wrong("cloud", "token_file", what));
    }
    if let Some(path) = &cloud.ca_file {
        let why = std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|pem| sync::check_roots(&pem).map_err(|trouble| trouble.to_string()));
        errors.extend(why.err().map(|why| wrong("cloud", "ca_file", format!("{}: {why}", path.display()))));
    }
    errors
}

pub(super) fn clear(cloud: &Cloud) -> InTheClear {
    if cloud.allow_http { InTheClear::OnThisMachine } else { InTheClear::Never }
}

/// The token for `cloud`, or where it should be and why it is not. `enrolled`: at that cloud.
pub(super) fn token(cloud: &Cloud, enrolled: Option<&Enrolled>) -> Result<Token, (PathBuf, String)> {
    let path = match (&cloud.token_file, enrolled) {
        (None, Some(enrolled)) => return Ok(enrolled.joining.token.clone()),
        (None, None) => PathBuf::from(Cloud::TOKEN_FILE),
        (Some(path), _) => path.clone(),
    };
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let token = read.and_then(|bytes| {
        let token = String::from_utf8(bytes).ok().and_then(|text| text.parse::<Token>().ok());
        token.ok_or_else(|| "is no token: one line without spaces".to_owned())
    });
    token.map_err(|why| (path, why))
}

impl Desk {
    /// Joins a cloud. The loop does not wait for it.
    pub(super) async fn enrol(&mut self, wish: Wish, by: &Actor) -> Asked<Answered> {
        let place = self.waiters.clone().try_acquire_owned().map_err(|_| busy())?;
        let (path, state_dir) = (self.path.clone(), self.config.borrow().gateway.state_dir.clone());
        let joiner = Joiner::of(path, state_dir, self.device.clone(), &self.keys, &self.ledger, wish).await?;
        let origin = joiner.url.origin();
        let joining = async move {
            let _place = place;
            joiner.join().await
        };
        Ok(Answered::noted(Box::pin(joining), by, Action::Enrol, origin))
    }
}

/// Does the same without a daemon. `path`: of the configuration, with what is in `config`.
pub(super) async fn enrol_now(
    path: &Path,
    config: &Config,
    device: String,
    keys: &Keys,
    ledger: &mut Ledger,
    wish: Wish,
    by: &Actor,
) -> Asked<Answer> {
    let state_dir = config.gateway.state_dir.clone();
    let joiner = Joiner::of(path.to_owned(), state_dir, device, keys, ledger, wish).await?;
    let origin = joiner.url.origin();
    let joined = joiner.join().await?;
    trail::note(ledger, by, Action::Enrol, origin).await;
    Ok(joined)
}

/// What has to be known to join a cloud.
struct Joiner {
    parsed: Parsed,
    wish: Wish,
    /// Of the cloud.
    url: Url,
    state_dir: PathBuf,
    device: String,
    /// Under which codes are hashed now.
    site_key: SiteKey,
    /// How many vouchers can still be of use.
    vouchers: u64,
    clock: Clock,
}

impl Joiner {
    /// `path`: of the configuration.
    async fn of(
        path: PathBuf,
        state_dir: PathBuf,
        device: String,
        keys: &Keys,
        ledger: &Ledger,
        wish: Wish,
    ) -> Asked<Self> {
        let parsed = config::load(&path).map_err(|error| failure(&Fault::Load(error)))?;
        let url = Url::read(wish.address(), clear(parsed.cloud_options())).map_err(|error| {
            Failure::new(Code::Usage, format!("the url is {error}"), "see 'lango enrol --help'")
        })?;
        let counts = ledger.store.counts().await.map_err(unreadable)?;
        let (site_key, clock) = (keys.site.clone(), ledger.clock.clone());
        let vouchers = counts.unused + counts.active;
        Ok(Self { parsed, wish, url, state_dir, device, site_key, vouchers, clock })
    }

    /// Has this gateway join, and keeps what the cloud answers for the next start.
    async fn join(self) -> Asked<Answer> {
        let roots = match (&self.wish.ca, &self.parsed.cloud_options().ca_file) {
            (Some(pem), _) => Some(pem.clone().into_bytes()),
            (None, Some(path)) => Some(std::fs::read(path).map_err(|error| {
                Failure::new(
                    Code::Configuration,
                    format!("{}: {error}", path.display()),
                    "correct option ca_file",
                )
            })?),
            (None, None) => None,
        };
        let public_key = keys::public_key(&self.state_dir).map_err(|fault| failure(&fault))?;
        let (url, claim) = (self.url.clone(), self.wish.claim.reveal());
        let answer = sync::enrol(url, claim, &self.device, &public_key, roots.as_deref(), self.clock.clone());
        let joining = answer.await.map_err(|trouble| refused(&trouble))?;
        let warnings = self.warnings(&joining);
        let enrolled = Enrolled { url: self.wish.address().to_owned(), joining };
        keep(self.state_dir, enrolled.write()).await?;
        let site = enrolled.joining.site;
        tracing::info!(
            event = "enrolled",
            site,
            "the gateway has joined a cloud; it is used from the next start on"
        );
        Ok(Answer::Enrol(Joined { site, url: enrolled.url, restart_needed: true, warnings }))
    }

    /// What an operator may not expect to follow.
    fn warnings(&self, joining: &Joining) -> Vec<String> {
        let (gateway, cloud) = (&self.parsed.config.gateway, self.parsed.cloud_options());
        let mut warnings = Vec::new();
        let probe = Normal::of("LANGO").expect("letters have a normal form");
        let brought = joining.site_key.as_ref().map(|secret| SiteKey::new(secret.reveal()));
        let is_new = brought.is_some_and(|key| key.voucher(&probe) != self.site_key.voucher(&probe));
        match (is_new, &gateway.site_key_file) {
            (true, Some(path)) => warnings.push(format!(
                "option site_key_file stays in force, and the cloud has another key than {}: codes that it sends \
                 as keys will not be known; leave the option out to use the cloud's",
                path.display()
            )),
            (true, None) if self.vouchers > 0 => warnings.push(format!(
                "{} vouchers were made under another site key: after the restart their codes are unknown, so make \
                 new ones then; to stay with the old key, remove enrolment.json from state_dir instead",
                self.vouchers
            )),
            (true | false, _) => {}
        }
        if self.parsed.names("gateway", "site") && gateway.site != joining.site {
            warnings.push(format!(
                "option site is '{}', and the cloud calls this site '{}': leave the option out",
                gateway.site, joining.site
            ));
        }
        if !cloud.url.is_empty() && cloud.url != self.wish.address() {
            warnings.push(format!(
                "option url names {}, so another cloud is used: leave the option out",
                cloud.url
            ));
        }
        if cloud.token_file.is_some() {
            warnings.push(
                "option token_file stays in force; leave it out to use the token of the enrolment".to_owned(),
            );
        }
        warnings
    }
}

async fn keep(state_dir: PathBuf, text: String) -> Asked<()> {
    let kept = spawn_blocking(move || store::keep_enrolment(&state_dir, &text)).await;
    let why = match kept {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let remedy = "lango doctor says what is wrong with the storage; then enrol again with the same claim";
    Err(Failure::new(Code::NotStored, why, remedy))
}

fn refused(trouble: &Trouble) -> Failure {
    let failure = failure_of(trouble);
    if *trouble == Trouble::Certificate(BadCertificate::UnknownIssuer) {
        let remedy =
            "name the issuer's certificate with --ca FILE; or is a login page of the uplink in between?";
        return Failure { remedy: remedy.to_owned(), ..failure };
    }
    if let Trouble::Denied(status) = trouble {
        // Nothing is wrong with a token: there is none yet.
        return Failure::new(
            failure.code,
            format!("the cloud refuses (status {status})"),
            "ask who runs the cloud",
        );
    }
    failure
}

/// A fault as the interface calls it.
pub(super) fn failure(fault: &Fault) -> Failure {
    Failure::new(fault.code(), fault.to_string(), fault.remedy())
}
