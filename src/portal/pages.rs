//! The pages: what is filled into the templates of `portal-html`, compiled in and checked at build time.
//!
//! A struct per template, a function per page. Every value is escaped by the template engine. No page needs a script, a picture or another request.

use askama::Template;

use crate::captive::{Accent, Asked, LANGUAGES, Notice, Outage, PlanCard, Standing, Strings, duration};
use crate::config::{Config, Gateway};

/// What all pages share.
pub(super) struct Frame<'a> {
    t: &'static Strings,
    gateway: &'a Gateway,
    accent: Accent,
    /// The path the language switch leads to.
    path: &'static str,
    chosen: bool,
    refresh: Option<u64>,
}

impl<'a> Frame<'a> {
    /// For a page at `path`.
    pub(super) fn new(asked: &Asked, config: &'a Config, path: &'static str) -> Self {
        let gateway = &config.gateway;
        let accent = Accent::of(&gateway.colour);
        Self { t: asked.strings, gateway, accent, path, chosen: asked.chosen, refresh: None }
    }

    /// `path` with the language, if the guest chose one.
    fn link(&self, path: &str) -> String {
        localized(path, self.t, self.chosen)
    }

    fn languages(&self) -> impl Iterator<Item = &'static Strings> {
        LANGUAGES.iter()
    }

    fn has_help(&self) -> bool {
        !self.gateway.support_phone.is_empty() || !self.gateway.whatsapp.is_empty()
    }
}

/// `path`, with the language if the guest chose it by the switch.
pub(super) fn localized(path: &str, t: &Strings, chosen: bool) -> String {
    if chosen { format!("{path}?lang={}", t.tag) } else { path.to_owned() }
}

#[derive(Template)]
#[template(path = "welcome.html", config = "portal-html/askama.toml")]
struct Welcome<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    standing: Option<Standing>,
    outage: Option<Outage>,
    plans: Vec<PlanCard>,
    token: &'a str,
    typed: &'a str,
    button: &'static str,
}

#[derive(Template)]
#[template(path = "status.html", config = "portal-html/askama.toml")]
struct Status<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    standing: Standing,
    outage: Option<Outage>,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "offline.html", config = "portal-html/askama.toml")]
struct Offline<'a> {
    frame: Frame<'a>,
    heading: &'static str,
}

#[derive(Template)]
#[template(path = "move.html", config = "portal-html/askama.toml")]
struct Move<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    token: &'a str,
    typed: &'a str,
}

#[derive(Template)]
#[template(path = "notice.html", config = "portal-html/askama.toml")]
struct NoticePage<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    text: String,
    /// With a form, if there is one.
    token: Option<&'a str>,
    typed: &'a str,
    button: &'static str,
}

#[derive(Template)]
#[template(path = "terms.html", config = "portal-html/askama.toml")]
struct Terms<'a> {
    frame: Frame<'a>,
    heading: &'static str,
}

#[derive(Template)]
#[template(path = "privacy.html", config = "portal-html/askama.toml")]
struct Privacy<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    sessions: String,
    unpaid: String,
}

/// The start page, for a device that is online too.
pub(super) fn welcome(
    frame: Frame<'_>,
    config: &Config,
    standing: Option<Standing>,
    outage: Option<Outage>,
    token: &str,
    typed: &str,
) -> String {
    let t = frame.t;
    let for_sale = config.plans.iter().filter(|plan| config.trial.as_ref() != Some(&plan.id));
    written(&Welcome {
        heading: match (&standing, &outage) {
            (Some(_), Some(_)) => t.outage_title(),
            (Some(_), None) => t.online(),
            (None, _) => t.welcome(),
        },
        button: if standing.is_some() { t.add_code() } else { t.connect() },
        plans: for_sale.map(|plan| PlanCard::of(plan, t)).collect(),
        frame,
        standing,
        outage,
        token,
        typed,
    })
}

/// The status page of a device that is online; it loads itself anew.
pub(super) fn status(frame: Frame<'_>, standing: Standing, outage: Option<Outage>, token: &str) -> String {
    let frame = Frame { refresh: Some(standing.refresh), ..frame };
    written(&Status { heading: frame.t.status(), frame, standing, outage, token })
}

/// The status page of a device that is not.
pub(super) fn offline(frame: Frame<'_>) -> String {
    written(&Offline { heading: frame.t.not_online(), frame })
}

/// Whether the other device shall give way.
pub(super) fn ask_to_move(frame: Frame<'_>, token: &str, typed: &str) -> String {
    written(&Move { heading: frame.t.move_title(), frame, token, typed })
}

/// Why not; with the field again if there is a token for it.
pub(super) fn notice(frame: Frame<'_>, notice: Notice, token: Option<&str>, typed: &str) -> String {
    let t = frame.t;
    let token = token.filter(|_| notice.offers_form());
    let (heading, text, button) = (notice.title(t), notice.text(t), t.connect());
    written(&NoticePage { frame, heading, text, token, typed, button })
}

/// The terms of use.
pub(super) fn terms(frame: Frame<'_>) -> String {
    written(&Terms { heading: frame.t.terms_title(), frame })
}

/// What is kept of a guest.
pub(super) fn privacy(frame: Frame<'_>, config: &Config) -> String {
    let t = frame.t;
    let sessions = duration(t, config.retention.sessions);
    let unpaid = duration(t, config.retention.unpaid_devices);
    written(&Privacy { heading: t.privacy_title(), frame, sessions, unpaid })
}

fn written(page: &impl Template) -> String {
    page.render().expect("writing to a String cannot fail")
}
