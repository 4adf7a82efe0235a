//! Every page that says why not: its status, its words, its way on, in every language.

use super::*;
use crate::captive::{Asked, LANGUAGES, Notice};
use crate::portal::dress::Dress;
use crate::portal::entry::Entry;
use crate::portal::frame::Frame;
use crate::portal::pages::notice;

const WAIT: Duration = Duration::from_secs(90);

/// What the interface promises, and the English heading. Form: there is a field for another code.
pub(super) const PAGES: [(Notice, u16, Option<u64>, bool, &str); 25] = [
    (Notice::Empty, 403, None, true, "No code was typed"),
    (Notice::Unknown, 403, None, true, "We do not know this code"),
    (Notice::Spent, 403, None, true, "This code is used up"),
    (Notice::Expired, 403, None, true, "This code has expired"),
    (Notice::Revoked, 403, None, true, "This code was withdrawn"),
    (Notice::WrongDevice, 403, None, true, "This code belongs to other devices"),
    (Notice::Stale, 403, None, true, "Please press the button once more"),
    (Notice::Unaccepted, 403, None, true, "Please accept the terms"),
    (Notice::Blocked, 403, None, false, "This device is blocked"),
    (Notice::NoTrial, 403, None, true, "No free trial here"),
    (Notice::TrialHad { wait: WAIT }, 429, Some(90), true, "You had your free time today"),
    (Notice::TooManyTrials { wait: WAIT }, 429, Some(90), true, "Many want to try it just now"),
    (Notice::TooManyTries { wait: WAIT }, 429, Some(90), true, "Too many wrong codes"),
    (Notice::TooManyClaims, 429, Some(60), true, "Too many payments to wait for"),
    (Notice::Full, 503, Some(60), true, "The hotspot is full"),
    (Notice::CloudAway, 503, Some(60), true, "We cannot check that now"),
    (Notice::EnoughForToday { wait: WAIT }, 503, Some(90), true, "No more vouchers of this kind today"),
    (Notice::NotStored, 503, Some(5), true, "That did not work"),
    (Notice::NoPlan, 503, Some(60), true, "This code cannot be used right now"),
    (Notice::NoDevice, 503, Some(5), false, "One moment, please"),
    (Notice::Malformed, 400, None, false, "We did not understand that"),
    (Notice::NotFound, 404, None, false, "There is no such page"),
    (Notice::WrongMethod { allow: "POST" }, 405, None, false, "This page cannot be opened that way"),
    (Notice::TooSlow, 408, None, false, "That took too long"),
    (Notice::TooLarge, 413, None, false, "That was too much text"),
];

#[test]
fn each_has_its_status_and_all_wear_the_same_dress() {
    let config = config(2080);
    let dress = Dress::of(&config);
    for (why, status, retry_after, has_form, heading) in PAGES {
        assert_eq!((why.status(), why.retry_after()), (status, retry_after), "{why:?}");
        for language in LANGUAGES {
            let asked = Asked { language, ..Asked::unread("en") };
            let page = notice(Frame::new(&asked, &config, &dress, "/"), why, Some("token"), &Entry::none());
            let what = format!("{why:?} in {}: {page}", language.tag);
            assert!(language.tag != "en" || page.contains(&format!("<h1>{heading}</h1>")), "{what}");
            assert!(page.contains(&format!("<html lang=\"{}\"", language.tag)), "{what}");
            assert_eq!(page.matches("<h1>").count(), 1, "{what}");
            assert_eq!(page.contains("<form"), has_form, "{what}");
            for part in ["<header>", "class=\"hero\" role=\"", "href=\"tel:", "href=\"/terms\"", "?lang=sw\""]
            {
                assert!(page.contains(part), "{part}: {what}");
            }
        }
    }
}

/// A new one does not compile before it is counted here, and then has to be in the table.
#[test]
fn every_notice_is_in_the_table() {
    let place = |why: Notice| match why {
        Notice::Empty => 0,
        Notice::Unknown => 1,
        Notice::Spent => 2,
        Notice::Expired => 3,
        Notice::Revoked => 4,
        Notice::WrongDevice => 5,
        Notice::Stale => 6,
        Notice::Unaccepted => 7,
        Notice::Blocked => 8,
        Notice::NoTrial => 9,
        Notice::TrialHad { .. } => 10,
        Notice::TooManyTrials { .. } => 11,
        Notice::TooManyTries { .. } => 12,
        Notice::TooManyClaims => 13,
        Notice::Full => 14,
        Notice::CloudAway => 15,
        Notice::EnoughForToday { .. } => 16,
        Notice::NotStored => 17,
        Notice::NoPlan => 18,
        Notice::NoDevice => 19,
        Notice::Malformed => 20,
        Notice::NotFound => 21,
        Notice::WrongMethod { .. } => 22,
        Notice::TooSlow => 23,
        Notice::TooLarge => 24,
    };
    let places: Vec<usize> = PAGES.iter().map(|(why, ..)| place(*why)).collect();
    assert_eq!(places, (0..PAGES.len()).collect::<Vec<_>>());
}
