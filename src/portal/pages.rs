//! The pages: what is filled into the templates of `portal-html`, compiled in and checked at build time.
//!
//! A struct per template, a function per page. Every value is escaped by the template engine. No page needs
//! a script, a picture or another request.

use askama::Template;

use super::entry::Entry;
use super::frame::{Frame, Hero, Tone};
use super::texts;
use crate::captive::{Awaited, Door, Notice, Outage, PlanCard, Proof, Standing, Strings, Tried};
use crate::config::Config;

/// How often the page of a guest who waits loads itself anew, in seconds.
const REFRESH_WAITING: u64 = 5;
/// When to try again whether a phone has forgotten the captive address, in seconds.
pub(super) const REFRESH_SOON: u64 = 3;
/// Plans that are shown at once; the rest unfolds.
const PLANS_SHOWN: usize = 6;
/// Plans of which all is told, however little room there is.
const PLANS_TOLD: usize = 3;
/// Plans on the page at most; who sells more than that tells of it.
const PLANS: usize = 30;
/// Bytes of a start page as it is built in: with its head it fits into the first round trip of a connection, 14 KB.
const LONGEST: usize = 13 * 1024;

#[derive(Template)]
#[template(path = "welcome.html", config = "portal-html/askama.toml")]
struct Welcome<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    is_online: bool,
    add_text: &'a str,
    note: Option<Note<'a>>,
    plans: Vec<PlanCard>,
    more: Vec<PlanCard>,
    show_more: String,
    token: &'a str,
    typed: &'a str,
    phone: &'static str,
    digits: &'static str,
    button: &'a str,
}

#[derive(Template)]
#[template(path = "status.html", config = "portal-html/askama.toml")]
struct Status<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    standing: Standing<'a>,
    note: Option<Note<'a>>,
    takes_code: bool,
    token: &'a str,
    typed: &'static str,
    digits: &'static str,
    button: &'a str,
}

#[derive(Template)]
#[template(path = "offline.html", config = "portal-html/askama.toml")]
struct Offline<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    /// What is known of it.
    internet: Option<String>,
    is_down: bool,
    token: &'a str,
    typed: &'static str,
    button: &'a str,
}

#[derive(Template)]
#[template(path = "waiting.html", config = "portal-html/askama.toml")]
struct Waiting<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    awaited: Awaited,
    outage: Option<Outage<'a>>,
    token: &'a str,
    digits: &'static str,
}

#[derive(Template)]
#[template(path = "soon.html", config = "portal-html/askama.toml")]
struct Soon<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
}

#[derive(Template)]
#[template(path = "proof.html", config = "portal-html/askama.toml")]
struct ProofPage<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    label: &'a str,
    field: Field,
    token: &'a str,
    repeated: Vec<(&'static str, String)>,
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

/// A payment that has not opened anything yet, beside what the page is about.
struct Note<'a> {
    title: &'a str,
    text: &'a str,
    takes_digits: bool,
    /// Of the link to the page that waits.
    see: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "move.html", config = "portal-html/askama.toml")]
struct Move<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    token: &'a str,
    repeated: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "notice.html", config = "portal-html/askama.toml")]
struct NoticePage<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    /// Seconds to count down in the guest's sight.
    wait: Option<u64>,
    /// Without a form there is a way back; not for who is shut out.
    offers_start: bool,
    /// With a form, if there is one.
    token: Option<&'a str>,
    typed: &'a str,
    /// It was a phone, and no code, that was typed.
    phone: Option<&'a str>,
    /// Only these were missing.
    digits: Option<&'a str>,
    button: &'a str,
}

#[derive(Template)]
#[template(path = "text.html", config = "portal-html/askama.toml")]
struct TextPage<'a> {
    frame: Frame<'a>,
    hero: Hero<'a>,
    text: String,
    edition: String,
}

/// The start page, for a device that is online too.
pub(super) fn welcome(
    frame: Frame<'_>,
    config: &Config,
    standing: Option<Standing<'_>>,
    outage: Option<Outage<'_>>,
    token: &str,
    typed: &str,
) -> String {
    let t = frame.t;
    let is_online = standing.is_some();
    let intro = if frame.has_cloud { t.welcome_intro_paid() } else { t.welcome_intro() };
    // What is on top is not told again below.
    let (hero, note) = match (&standing, &outage, frame.awaited) {
        (Some(standing), None, awaited) => {
            (Hero::new(Tone::Good, t.online(), standing.left(t)), awaited.map(|it| Note::beside(it, t)))
        }
        (Some(standing), Some(outage), awaited) => {
            let hero = Hero::of_outage(outage);
            let text = format!("{} {}", hero.text, standing.left(t));
            (Hero { text, ..hero }, awaited.map(|it| Note::beside(it, t)))
        }
        (None, Some(outage), awaited) => (Hero::of_outage(outage), awaited.map(|it| Note::alone(it, t))),
        (None, None, awaited) => {
            (Hero::new(Tone::Calm, t.welcome(), intro), awaited.map(|it| Note::alone(it, t)))
        }
    };
    let (plans, more) = folded(for_sale(config, t));
    let mut page = Welcome {
        hero,
        is_online,
        add_text: match &standing {
            Some(Standing { hint, .. }) if hint.is_empty() => t.add_text_codeless(),
            Some(_) | None => t.add_text(),
        },
        note,
        button: if is_online { t.add_code() } else { frame.connect() },
        plans,
        show_more: t.more_plans(more.len() as u64),
        more,
        frame,
        token,
        typed,
        phone: "",
        digits: "",
    };
    let whole = written(&page);
    // The operator's own parts may cost guests a moment, but never a plan.
    let longest = LONGEST + page.frame.dress.weight(t.language);
    if whole.len() <= longest {
        return whole;
    }
    let mut cards = [page.plans, page.more].concat();
    shorten(&mut cards, whole.len() - longest);
    (page.plans, page.more) = folded(cards);
    page.show_more = t.more_plans(page.more.len() as u64);
    written(&page)
}

/// What is sold here.
fn for_sale(config: &Config, t: Strings<'_>) -> Vec<PlanCard> {
    let for_sale = config.plans.iter().filter(|plan| config.trial.as_ref() != Some(&plan.id));
    for_sale.take(PLANS).map(|plan| PlanCard::of(plan, t)).collect()
}

/// What is shown at once, and what unfolds.
fn folded(mut cards: Vec<PlanCard>) -> (Vec<PlanCard>, Vec<PlanCard>) {
    // One more does not take more room than the button that would show it.
    let shown = if cards.len() > PLANS_SHOWN + 1 { PLANS_SHOWN } else { cards.len() };
    let more = cards.split_off(shown);
    (cards, more)
}

/// Takes `excess` bytes out: of the last plans first what they give, then they themselves.
fn shorten(cards: &mut Vec<PlanCard>, excess: usize) {
    let mut saved = 0;
    for card in cards.iter_mut().skip(PLANS_TOLD).rev() {
        if saved >= excess {
            return;
        }
        saved += std::mem::take(&mut card.facts).len();
    }
    while saved < excess {
        let Some(PlanCard { title, price, facts }) = cards.pop() else { return };
        saved += title.len() + price.len() + facts.len();
    }
}

/// The status page of a device that is online; it loads itself anew, unless that would wipe out what is typed.
pub(super) fn status(
    frame: Frame<'_>,
    standing: Standing,
    outage: Option<Outage<'_>>,
    token: &str,
) -> String {
    let t = frame.t;
    let refresh = Some(standing.refresh).filter(|_| !frame.takes_digits());
    let hero = match &outage {
        Some(outage) => Hero::of_outage(outage),
        None => Hero::new(Tone::Good, t.online(), refresh.map_or("", |_| t.refreshes())),
    };
    let note = frame.awaited.map(|awaited| Note { see: None, ..Note::beside(awaited, t) });
    let takes_code = outage.is_none();
    let frame = frame.refreshing(refresh, None);
    written(&Status {
        hero,
        note,
        frame,
        standing,
        takes_code,
        token,
        typed: "",
        digits: "",
        button: t.add_code(),
    })
}

/// The status page of a device that is not online: what is seen of it here, and what to do.
pub(super) fn offline(frame: Frame<'_>, internet: Internet<'_>, token: &str) -> String {
    let t = frame.t;
    let (internet, is_down) = match internet {
        Internet::Up => (Some(t.seen_internet().to_owned()), false),
        Internet::Unknown => (None, false),
        Internet::Down(outage) => (Some(outage.text), true),
    };
    let hero = Hero::new(Tone::Calm, t.not_online(), t.not_online_text());
    written(&Offline { hero, internet, is_down, token, typed: "", button: frame.connect(), frame })
}

/// For a device that the operator lets pass, whatever it has bought.
pub(super) fn trusted(frame: Frame<'_>, outage: Option<&Outage<'_>>) -> String {
    let t = frame.t;
    let hero = outage.map_or_else(|| Hero::new(Tone::Good, t.online(), t.no_end()), Hero::of_outage);
    written(&NoticePage {
        hero,
        wait: None,
        offers_start: false,
        token: None,
        typed: "",
        phone: None,
        digits: None,
        button: "",
        frame,
    })
}

/// What is known of the uplink.
pub(super) enum Internet<'a> {
    Up,
    Unknown,
    Down(Outage<'a>),
}

/// For a device that is not online until its payment opens it; it loads its status again and again, unless
/// there is something to type.
pub(super) fn waiting(frame: Frame<'_>, awaited: Awaited, outage: Option<Outage<'_>>, token: &str) -> String {
    let refresh = Some(REFRESH_WAITING).filter(|_| !awaited.takes_digits());
    let frame = frame.refreshing(refresh, Some("/status"));
    let t = frame.t;
    let effect = |before| if awaited.is_unconfirmed() { t.waiting_outage() } else { before };
    let outage = outage.map(|outage| Outage { effect: effect(outage.effect), ..outage });
    let hero = Hero::new(Tone::Waits, awaited.title(t), awaited.text(t));
    written(&Waiting { hero, awaited, frame, outage, token, digits: "" })
}

/// For a device that is online and takes the captive address for `host` still: it loads the very same URL again
/// and again, until that leads there.
pub(super) fn soon(frame: Frame<'_>, host: &str) -> String {
    let frame = frame.refreshing(Some(REFRESH_SOON), None);
    let hero = Hero::new(Tone::Good, frame.t.online(), frame.t.opens_soon(host));
    written(&Soon { hero, frame })
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
        hero: Hero::new(Tone::of_question(tried), proof.title(tried, t), proof.text(tried, t)),
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
    let hero = Hero::new(Tone::Asks, frame.t.move_title(), frame.t.move_text());
    written(&Move { hero, frame, token, repeated: entry.repeated("move") })
}

/// Why not; with the field again if there is a token for it.
pub(super) fn notice(frame: Frame<'_>, notice: Notice, token: Option<&str>, entry: &Entry) -> String {
    let t = frame.t;
    written(&NoticePage {
        hero: Hero::of_notice(notice, t),
        wait: notice.counts_down(),
        offers_start: notice != Notice::Blocked,
        token: token.filter(|_| notice.offers_form()),
        typed: entry.typed.as_str(),
        phone: entry.phone_alone().filter(|_| frame.has_cloud),
        digits: entry.digits_alone().filter(|_| frame.takes_digits()),
        button: frame.connect(),
        frame,
    })
}

/// The terms of use.
pub(super) fn terms(frame: Frame<'_>, config: &Config) -> String {
    let (t, dress) = (frame.t, frame.dress);
    let hero = Hero::new(Tone::Calm, t.terms_title(), "");
    let text = texts::terms(t, config, &dress.theme);
    written(&TextPage { hero, text, edition: dress.terms.told(t), frame })
}

/// What is kept of a guest.
pub(super) fn privacy(frame: Frame<'_>, config: &Config, door: Door) -> String {
    let (t, dress) = (frame.t, frame.dress);
    let hero = Hero::new(Tone::Calm, t.privacy_title(), "");
    let text = texts::privacy(t, config, &dress.theme, door);
    written(&TextPage { hero, text, edition: dress.privacy.told(t), frame })
}

impl<'a> Note<'a> {
    /// On the page of a device that is not online.
    fn alone(awaited: Awaited, t: Strings<'a>) -> Self {
        let (title, takes_digits, see) = (awaited.title(t), awaited.takes_digits(), awaited.see(t));
        Self { title, text: awaited.text(t), takes_digits, see }
    }

    /// On the page of a device that is online with something else.
    fn beside(awaited: Awaited, t: Strings<'a>) -> Self {
        Self { text: awaited.added(t), ..Self::alone(awaited, t) }
    }
}

/// The page as HTML.
pub(super) fn written(page: &impl Template) -> String {
    page.render().expect("writing to a String cannot fail")
}
