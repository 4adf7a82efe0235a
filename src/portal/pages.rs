//! The pages: what is filled into the templates of `portal-html`, compiled in and checked at build time.
//!
//! A struct per template, a function per page. Every value is escaped by the template engine. No page needs a script, a picture or another request.

use askama::Template;

use super::entry::Entry;
use crate::captive::{
    Accent, Asked, Awaited, LANGUAGES, Notice, Outage, PlanCard, Proof, Standing, Strings, Tried, duration,
};
use crate::config::{Config, Gateway};

/// How often the page of a guest who waits loads itself anew, in seconds.
const REFRESH_WAITING: u64 = 5;

/// What all pages share.
pub(super) struct Frame<'a> {
    t: &'static Strings,
    gateway: &'a Gateway,
    accent: Accent,
    /// The path the language switch leads to.
    path: &'static str,
    chosen: bool,
    /// Payments can be typed in, and codes sent to phones.
    has_cloud: bool,
    /// What is missing for the payment of this guest to open something.
    awaited: Option<Awaited>,
    refresh: Option<u64>,
    /// The path to load then; `None`: the same again.
    onto: Option<&'static str>,
}

impl<'a> Frame<'a> {
    /// For a page at `path`.
    pub(super) fn new(asked: &Asked, config: &'a Config, path: &'static str) -> Self {
        let gateway = &config.gateway;
        Self {
            t: asked.strings,
            gateway,
            accent: Accent::of(&gateway.colour),
            path,
            chosen: asked.chosen,
            has_cloud: config.cloud.is_some(),
            awaited: None,
            refresh: None,
            onto: None,
        }
    }

    /// For a guest whose payment waits for that, or who has none.
    pub(super) fn awaiting(self, awaited: Option<Awaited>) -> Self {
        Self { awaited, ..self }
    }

    fn takes_digits(&self) -> bool {
        self.awaited.is_some_and(Awaited::takes_digits)
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
    phone: &'static str,
    digits: &'static str,
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
    digits: &'static str,
}

#[derive(Template)]
#[template(path = "offline.html", config = "portal-html/askama.toml")]
struct Offline<'a> {
    frame: Frame<'a>,
    heading: &'static str,
}

#[derive(Template)]
#[template(path = "waiting.html", config = "portal-html/askama.toml")]
struct Waiting<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    awaited: Awaited,
    outage: Option<Outage>,
    token: &'a str,
    digits: &'static str,
}

#[derive(Template)]
#[template(path = "proof.html", config = "portal-html/askama.toml")]
struct ProofPage<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    wrong: bool,
    text: &'static str,
    label: &'static str,
    field: Field,
    token: &'a str,
    repeated: Vec<(&'static str, &'a str)>,
    /// Where an SMS went that may not have come.
    phone: Option<&'a str>,
}

/// An input of HTML.
struct Field {
    name: &'static str,
    kind: &'static str,
    shortest: u8,
    longest: u8,
    autocomplete: &'static str,
}

#[derive(Template)]
#[template(path = "move.html", config = "portal-html/askama.toml")]
struct Move<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    token: &'a str,
    repeated: Vec<(&'static str, &'a str)>,
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
    /// It was a phone, and no code, that was typed.
    phone: Option<&'a str>,
    /// Only these were missing.
    digits: Option<&'a str>,
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
        phone: "",
        digits: "",
    })
}

/// The status page of a device that is online; it loads itself anew, unless that would wipe out what is typed.
pub(super) fn status(frame: Frame<'_>, standing: Standing, outage: Option<Outage>, token: &str) -> String {
    let refresh = Some(standing.refresh).filter(|_| !frame.takes_digits());
    let frame = Frame { refresh, ..frame };
    written(&Status { heading: frame.t.status(), frame, standing, outage, token, digits: "" })
}

/// The status page of a device that is not.
pub(super) fn offline(frame: Frame<'_>) -> String {
    written(&Offline { heading: frame.t.not_online(), frame })
}

/// For a device that is not online until its payment opens it; it loads its status again and again, unless
/// there is something to type.
pub(super) fn waiting(frame: Frame<'_>, awaited: Awaited, outage: Option<Outage>, token: &str) -> String {
    let refresh = Some(REFRESH_WAITING).filter(|_| !awaited.takes_digits());
    let frame = Frame { refresh, onto: Some("/status"), ..frame };
    let effect = |before| if awaited.is_unconfirmed() { frame.t.waiting_outage() } else { before };
    let outage = outage.map(|outage| Outage { effect: effect(outage.effect), ..outage });
    written(&Waiting { heading: awaited.title(frame.t), awaited, frame, outage, token, digits: "" })
}

/// What shows that it is the guest's; repeats what else was typed.
pub(super) fn prove(frame: Frame<'_>, proof: Proof, tried: Tried, token: &str, entry: &Entry) -> String {
    let t = frame.t;
    let field = match proof {
        Proof::Phone => {
            Field { name: "phone_last4", kind: "text", shortest: 4, longest: 4, autocomplete: "off" }
        }
        Proof::Pin => Field { name: "pin", kind: "password", shortest: 1, longest: 64, autocomplete: "off" },
        Proof::OneTimeCode => {
            Field { name: "otp", kind: "text", shortest: 1, longest: 32, autocomplete: "one-time-code" }
        }
    };
    written(&ProofPage {
        heading: proof.title(tried, t),
        wrong: tried == Tried::Wrong,
        text: proof.text(tried, t),
        label: proof.label(t),
        repeated: entry.repeated(field.name),
        phone: entry.given.phone.as_deref().filter(|_| proof == Proof::OneTimeCode),
        field,
        frame,
        token,
    })
}

/// Whether the other device shall give way.
pub(super) fn ask_to_move(frame: Frame<'_>, token: &str, entry: &Entry) -> String {
    written(&Move { heading: frame.t.move_title(), frame, token, repeated: entry.repeated("move") })
}

/// Why not; with the field again if there is a token for it.
pub(super) fn notice(frame: Frame<'_>, notice: Notice, token: Option<&str>, entry: &Entry) -> String {
    let t = frame.t;
    let token = token.filter(|_| notice.offers_form());
    let (heading, text, button) = (notice.title(t), notice.text(t), t.connect());
    let (typed, phone) = (entry.typed.as_str(), entry.phone_alone().filter(|_| frame.has_cloud));
    let digits = entry.digits_alone().filter(|_| frame.takes_digits());
    written(&NoticePage { frame, heading, text, token, typed, phone, digits, button })
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
