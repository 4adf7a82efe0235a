//! What all pages share: the language, the operator's looks, the head of the page, where to get help.
//!
//! Owns: the frame that `base.html` draws, and the [`Hero`] on top, which says in a few words how it stands.
//! Never: the words (they are the locales'), what a page is about (that is `pages`).

use super::dress::Dress;
use crate::captive::{
    Asked, Awaited, LANGUAGES, Language, Notice, Outage, PlanCard, Strings, Tried, whatsapp_link,
};
use crate::config::{Config, Gateway};
use crate::domain::{Mac, TermsVersion};

/// Stands where an element goes into a text. No configuration holds one.
const GAP: &str = "\0";

/// What all pages share.
pub(super) struct Frame<'a> {
    pub(super) t: Strings<'a>,
    pub(super) gateway: &'a Gateway,
    pub(super) dress: &'a Dress,
    /// What precedes the paths of links: nothing, at the portal's own address.
    pub(super) origin: String,
    /// The path the language switch leads to.
    pub(super) path: &'static str,
    chosen: bool,
    /// Payments can be typed in, and codes sent to phones.
    pub(super) has_cloud: bool,
    /// Whose page it is; `None`: nobody knows.
    device: Option<Mac>,
    /// What is missing for the payment of this guest to open something.
    pub(super) awaited: Option<Awaited>,
    /// What this guest may try for nothing.
    pub(super) trial: Option<PlanCard>,
    pub(super) refresh: Option<u64>,
    /// The path to load then; `None`: the same again.
    pub(super) onto: Option<&'static str>,
}

impl<'a> Frame<'a> {
    /// For a page at `path`.
    pub(super) fn new(asked: &Asked, config: &'a Config, dress: &'a Dress, path: &'static str) -> Self {
        let gateway = &config.gateway;
        Self {
            t: dress.strings(asked.language),
            gateway,
            dress,
            origin: String::new(),
            path,
            chosen: asked.chosen,
            has_cloud: config.cloud.is_some(),
            device: None,
            awaited: None,
            trial: None,
            refresh: None,
            onto: None,
        }
    }

    /// For the guest with that device.
    pub(super) fn of_device(self, device: Option<Mac>) -> Self {
        Self { device, ..self }
    }

    /// For a page under the name of another host, whose links lead to the portal at `origin`.
    pub(super) fn leading_to(self, origin: String) -> Self {
        Self { origin, ..self }
    }

    /// For a guest whose payment waits for that, or who has none.
    pub(super) fn awaiting(self, awaited: Option<Awaited>) -> Self {
        Self { awaited, ..self }
    }

    /// For a guest who may try that, or nothing.
    pub(super) fn offering(self, trial: Option<PlanCard>) -> Self {
        Self { trial, ..self }
    }

    /// For a page that loads itself anew after those seconds, or its successor at `onto`.
    pub(super) fn refreshing(self, refresh: Option<u64>, onto: Option<&'static str>) -> Self {
        Self { refresh, onto, ..self }
    }

    /// The version of the terms that a form accepts for the guest, where the operator wants that.
    pub(super) fn to_accept(&self) -> Option<TermsVersion> {
        self.gateway.terms_required.then_some(self.dress.terms.version)
    }

    /// On the button that lets in.
    pub(super) fn connect(&self) -> &'a str {
        if self.gateway.terms_required { self.t.accept_connect() } else { self.t.connect() }
    }

    pub(super) fn takes_digits(&self) -> bool {
        self.awaited.is_some_and(Awaited::takes_digits)
    }

    /// `path` with the language, if the guest chose one.
    pub(super) fn link(&self, path: &str) -> String {
        self.origin.clone() + &localized(path, self.t.language, self.chosen)
    }

    pub(super) fn languages(&self) -> impl Iterator<Item = &'static Language> {
        LANGUAGES.iter()
    }

    /// Whom to ask, if the operator says so.
    pub(super) fn help(&self) -> Option<Help<'a>> {
        let Gateway { support_phone, whatsapp, site, .. } = self.gateway;
        if support_phone.is_empty() && whatsapp.is_empty() {
            return None;
        }
        let device = self.device.map(Mac::tail);
        let message = device.as_ref().map(|device| self.t.whatsapp_text(device, site));
        let parts = |text: String| text.split(GAP).map(str::to_owned).collect();
        Some(Help {
            phone: Some(support_phone.as_str()).filter(|phone| !phone.is_empty()),
            whatsapp: (!whatsapp.is_empty()).then(|| whatsapp_link(whatsapp, message.as_deref())),
            say: parts(self.t.help_say(GAP, site)),
            device,
        })
    }
}

/// Where to get help.
pub(super) struct Help<'a> {
    pub(super) phone: Option<&'a str>,
    /// A link.
    pub(super) whatsapp: Option<String>,
    /// The guest's, as who helps knows it.
    pub(super) device: Option<String>,
    /// What to tell who helps, around the device.
    pub(super) say: Vec<String>,
}

/// `path`, with the language if the guest chose it by the switch.
pub(super) fn localized(path: &str, language: &Language, chosen: bool) -> String {
    if chosen { format!("{path}?lang={}", language.tag) } else { path.to_owned() }
}

/// The top of a page.
pub(super) struct Hero<'a> {
    pub(super) tone: Tone,
    pub(super) title: &'a str,
    /// Empty: the title says it all.
    pub(super) text: String,
}

/// How the top of a page looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing has happened.
    Calm,
    Good,
    /// The guest is asked.
    Asks,
    /// It takes time, or will pass.
    Waits,
    /// It was refused.
    Refuses,
}

impl<'a> Hero<'a> {
    pub(super) fn new(tone: Tone, title: &'a str, text: impl Into<String>) -> Self {
        Self { tone, title, text: text.into() }
    }

    /// Of a page that says why not.
    pub(super) fn of_notice(notice: Notice, t: Strings<'a>) -> Self {
        let tone = if notice.passes() { Tone::Waits } else { Tone::Refuses };
        Self::new(tone, notice.title(t), notice.text(t))
    }

    pub(super) fn of_outage(outage: &Outage<'a>) -> Self {
        Self::new(Tone::Waits, outage.title, format!("{} {}", outage.text, outage.effect).trim())
    }
}

impl Tone {
    pub(super) fn of_question(tried: Tried) -> Self {
        match tried {
            Tried::NotYet => Self::Asks,
            Tried::Wrong => Self::Refuses,
        }
    }

    /// A class of the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Good => "good",
            Self::Asks => "asks",
            Self::Waits => "waits",
            Self::Refuses => "refuses",
        }
    }

    /// Beside the title.
    pub(super) fn mark(self) -> Option<&'static str> {
        match self {
            Self::Calm => None,
            Self::Good => Some("✓"),
            Self::Asks => Some("?"),
            Self::Waits | Self::Refuses => Some("!"),
        }
    }

    /// For who hears the page.
    pub(super) fn role(self) -> Option<&'static str> {
        match self {
            Self::Calm => None,
            Self::Good | Self::Waits => Some("status"),
            Self::Asks | Self::Refuses => Some("alert"),
        }
    }

    pub(super) fn is_refusal(self) -> bool {
        self == Self::Refuses
    }

    /// Whether the title tells something, and does not only name the page.
    pub(super) fn is_told(self) -> bool {
        self != Self::Calm
    }
}
