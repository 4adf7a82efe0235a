//! From the head of a request to its [`Answer`]: intercepted, a page, a form to read, or refused.
//!
//! The same for every phone: there is no table of probe names. Whatever host and path a probe asks for,
//! it is sent to the portal by a 302, which is what every system understands.

use super::language::Language;
use super::query::{Pairs, encode_into};
use super::site::{Aim, Here};
use super::{Notice, language};

/// Characters of a code or SMS that are carried along in a URL; a longer text is cut.
const LONGEST_IN_URL: usize = 640;

/// What is looked at of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// Of an absolute-form target; it then counts instead of the header.
    pub(crate) authority: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) hosts: Hosts<'a>,
    pub(crate) accept_language: &'a str,
}

/// The `Host` headers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hosts<'a> {
    /// As HTTP/1.0 permits.
    Missing,
    /// The value; empty if it is not even text.
    One(&'a str),
    /// Two, which are a smuggler's trick, or none in HTTP/1.1: refused (RFC 9112, 3.2).
    Improper,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 302 to this URL, which is ours.
    ToPortal(String),
    Show(Page),
    /// Read the form, then do as it says.
    Read(Form),
    Refuse(Notice),
}

/// What the portal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Welcome,
    Status,
    Terms,
    Privacy,
    /// RFC 8908.
    Api,
}

/// What the portal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Login,
    Logout,
    Trial,
    Forget,
}

/// How the guest wants it: from the URL and the headers.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) language: &'static Language,
    /// The language was chosen by the switch, so links carry it on: cookies do not live in these browsers.
    pub(crate) chosen: bool,
    /// `?code=`, from a QR code.
    pub(crate) typed: String,
}

impl Asked {
    /// For a request that could not be read: the operator's language.
    pub(crate) fn unread(fallback: &str) -> Self {
        Self { language: language("", fallback), chosen: false, typed: String::new() }
    }
}

/// What `head`, arriving `here`, is answered, and how.
pub(crate) fn answer(head: &Head<'_>, here: Here<'_>, fallback: &str) -> (Answer, Asked) {
    let asked = Asked { language: language(head.accept_language, fallback), ..Asked::unread(fallback) };
    let aim = match (head.hosts, head.authority) {
        (Hosts::Improper, _) => return (Answer::Refuse(Notice::Malformed), asked),
        (_, Some(authority)) => here.aim(authority),
        (Hosts::One(host), None) => here.aim(host),
        (Hosts::Missing, None) => Aim::Foreign,
    };
    match aim {
        Aim::Foreign => (Answer::ToPortal(format!("{here}/")), asked),
        Aim::Gateway => (Answer::ToPortal(with_code(here, "/", head.query)), asked),
        Aim::Portal => match Pairs::parse(head.query.unwrap_or_default().as_bytes()) {
            Ok(query) => (led_on(own(head), head, here), asked.with(&query)),
            Err(_) => (Answer::Refuse(Notice::Malformed), asked),
        },
    }
}

/// Whether a form may come from a page of `origin`, as the browser names it: only from our own, by the same
/// door.
pub(crate) fn origin_is_ours(origin: &str, here: Here<'_>) -> bool {
    let (scheme, ..) = here.scheme();
    origin.strip_prefix(scheme).is_some_and(|authority| here.aim(authority) == Aim::Portal)
}

/// The first `longest` characters, without those that cannot be seen.
pub(crate) fn clipped(text: &str, longest: usize) -> String {
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(keep).take(longest).collect()
}

impl Asked {
    fn with(self, query: &Pairs) -> Self {
        let chosen = query.get("lang").and_then(Language::of);
        Self {
            language: chosen.unwrap_or(self.language),
            chosen: chosen.is_some(),
            typed: code(query).unwrap_or_default(),
        }
    }
}

/// A page that is to be looked at by the other door is not shown at this one. What a program asks, and what a
/// guest has typed already, is taken by either.
fn led_on(answer: Answer, head: &Head<'_>, here: Here<'_>) -> Answer {
    match answer {
        Answer::Show(Page::Welcome | Page::Status | Page::Terms | Page::Privacy) if here.leads_on() => {
            Answer::ToPortal(with_code(here, head.path, head.query))
        }
        Answer::Show(_) | Answer::Read(_) | Answer::Refuse(_) | Answer::ToPortal(_) => answer,
    }
}

/// The portal's address with `path`, one of our own, with the code of a printed QR code and the language,
/// escaped anew.
fn with_code(here: Here<'_>, path: &str, query: Option<&str>) -> String {
    let mut url = format!("{here}{path}");
    let Some(Ok(query)) = query.map(|query| Pairs::parse(query.as_bytes())) else { return url };
    let language = query.get("lang").and_then(Language::of).map(|language| language.tag);
    let values = [("code", code(&query)), ("lang", language.map(str::to_owned))];
    let mut separator = '?';
    for (name, value) in values {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            encode_into(&mut url, &value);
            separator = '&';
        }
    }
    url
}

fn code(query: &Pairs) -> Option<String> {
    query.get("code").map(|code| clipped(code, LONGEST_IN_URL))
}

fn own(head: &Head<'_>) -> Answer {
    let what = match head.path {
        "/" => Answer::Show(Page::Welcome),
        "/status" => Answer::Show(Page::Status),
        "/terms" => Answer::Show(Page::Terms),
        "/privacy" => Answer::Show(Page::Privacy),
        "/captive-portal/api" => Answer::Show(Page::Api),
        "/login" => Answer::Read(Form::Login),
        "/logout" => Answer::Read(Form::Logout),
        "/trial" => Answer::Read(Form::Trial),
        "/forget" => Answer::Read(Form::Forget),
        _ => return Answer::Refuse(Notice::NotFound),
    };
    match (&what, head.method) {
        (Answer::Show(_), "GET" | "HEAD") | (Answer::Read(_), "POST") => what,
        (Answer::Show(_), _) => Answer::Refuse(Notice::WrongMethod { allow: "GET, HEAD" }),
        _ => Answer::Refuse(Notice::WrongMethod { allow: "POST" }),
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
