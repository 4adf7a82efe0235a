//! The two texts that a guest is to rely on: the terms of use, and what is kept of whom; each with its edition.
//!
//! Owns: what they say, the operator's own words before ours, filled from the configuration in force; and the
//! [`Edition`], a version that no two texts share and the day of the youngest part. Never: who has accepted what.
//! Neighbours: `dress` keeps the editions of a configuration; `pages` puts a text on its page.

use std::time::Duration;

use askama::Template;
use ring::digest::{Context, SHA256};

use super::pages::written;
use super::theme::Theme;
use crate::captive::{Door, LANGUAGES, Language, Strings, duration};
use crate::config::Config;
use crate::domain::{LONGEST_WAIT, TermsVersion};

/// The day on which the built-in texts were written.
const WRITTEN: &str = "2026-11-23";
/// The kernel counts for so long what a device uses of the garden: its allowance is one of an hour.
const OF_GARDEN: Duration = Duration::from_secs(60 * 60);

#[derive(Template)]
#[template(path = "terms.html", config = "portal-html/askama.toml")]
struct Terms<'a> {
    t: Strings<'a>,
    own: Option<&'a str>,
    controller: &'a str,
}

#[derive(Template)]
#[template(path = "privacy.html", config = "portal-html/askama.toml")]
struct Privacy<'a> {
    t: Strings<'a>,
    own: Option<&'a str>,
    controller: &'a str,
    has_cloud: bool,
    asks_to_accept: bool,
    /// Others can read along.
    is_open: bool,
    sessions: String,
    unpaid: String,
    claims: String,
    minimum: Option<String>,
}

/// The terms of use, as HTML.
pub(super) fn terms(t: Strings<'_>, config: &Config, theme: &Theme) -> String {
    let own = theme.terms(t.language.tag);
    written(&Terms { t, own, controller: &config.gateway.controller })
}

/// What is kept of a guest who looks by `door`, as HTML.
pub(super) fn privacy(t: Strings<'_>, config: &Config, theme: &Theme, door: Door) -> String {
    let retention = &config.retention;
    written(&Privacy {
        t,
        own: theme.privacy(t.language.tag),
        controller: &config.gateway.controller,
        has_cloud: config.cloud.is_some(),
        asks_to_accept: config.gateway.terms_required,
        is_open: door == Door::Plain,
        sessions: duration(t, retention.sessions),
        unpaid: duration(t, unpaid(config)),
        claims: duration(t, retention.claims),
        minimum: retention.minimum.map(|minimum| duration(t, minimum)),
    })
}

/// How long a device that never paid is remembered at most, in memory: who typed wrong codes has to wait.
fn unpaid(config: &Config) -> Duration {
    let of_garden = if config.gardens.is_empty() { Duration::ZERO } else { OF_GARDEN };
    config.retention.unpaid_devices.saturating_add(LONGEST_WAIT).max(of_garden)
}

/// Which text it is, in all languages together: who changes one of them changes what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) version: TermsVersion,
    /// Such as 2026-11-22: of an operator's text, the day its file was changed last.
    date: String,
}

impl Edition {
    pub(super) fn of_terms(config: &Config, theme: &Theme) -> Self {
        let text = |language: &'static Language| terms(strings(language, theme), config, theme);
        Self::of(text, |tag| theme.terms_changed(tag))
    }

    pub(super) fn of_privacy(config: &Config, theme: &Theme) -> Self {
        let text =
            |language: &'static Language| privacy(strings(language, theme), config, theme, Door::Plain);
        Self::of(text, |tag| theme.privacy_changed(tag))
    }

    fn of<'a>(
        text: impl Fn(&'static Language) -> String,
        changed: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Self {
        let mut all = Context::new(&SHA256);
        let mut date = "";
        for language in LANGUAGES {
            let text = text(language);
            all.update(text.as_bytes());
            // No text holds one.
            all.update(&[0]);
            date = date.max(changed(language.tag).unwrap_or(WRITTEN));
        }
        let digest = all.finish();
        let version = digest.as_ref().iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        Self { version: TermsVersion(version), date: date.to_owned() }
    }

    /// For guests.
    pub(super) fn told(&self, t: Strings<'_>) -> String {
        t.edition(&self.date, &self.version.to_string())
    }
}

fn strings<'a>(language: &'static Language, theme: &'a Theme) -> Strings<'a> {
    language.with(theme.own(language.tag))
}
