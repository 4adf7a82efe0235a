//! The walks of guests who have no voucher: the free trial, once a day, and the device that is blocked.

use nix::sys::signal::Signal;

use crate::chromium::{Chromium, SOON};
use crate::harness::{Daemon, Lab, Settings, wait_until};
use crate::review::Review;
use crate::walks::{end_here, is_at_portal, page};
use crate::{languages, settings};

/// Of the languages, so many are seen on each phone: a device has one trial a day.
const A_PHONE: usize = 3;

fn offering() -> Settings {
    settings()
        .plan("free", &[("title", "Free"), ("metered", "10m"), ("data", "50MB")])
        .section("trial", &[("plan", "free")])
}

/// Types an address that nobody has typed before, is led to the portal, and takes it in `language`.
fn arrive(window: &Chromium<'_>, name: &str, language: &str) {
    window.go(&format!("http://{name}.{language}.world.test/"));
    assert!(is_at_portal(window), "{}", window.url());
    window.tap(&format!("a[hreflang={language}]"));
}

/// From a typed address over the free trial to the internet, and to the end; a second one is refused.
fn try_free(window: &Chromium<'_>, languages: &[String], review: &mut Review, lab: &Lab) {
    // Tabs that stay open with the offer on them, as somebody leaves them who looks around.
    let first = window.tab();
    let offers = languages.iter().map(|language| {
        let tab = window.open_tab();
        window.go(&page("/", language));
        window.sees(language, "trial_title");
        review.look(window, language, "welcome-trial");
        tab
    });
    let offers: Vec<_> = offers.collect();
    window.speak_to(&first);
    arrive(window, "trial", &languages[0]);
    window.press("/trial");
    for language in languages {
        window.tap(&format!("a[hreflang={language}]"));
        window.sees(language, "online");
        window.sees(language, "add_text_codeless");
        review.look(window, language, "status-trial");
    }
    assert!(window.phone.is_open(&lab.world));
    end_here(window, languages.last().unwrap());
    for (language, tab) in languages.iter().zip(offers) {
        window.go(&page("/", language));
        window.sees(language, "welcome");
        assert_eq!(
            window.run("return document.querySelector(\"[action*='/trial']\")"),
            serde_json::Value::Null
        );
        window.speak_to(&tab);
        window.press("/trial");
        window.sees(language, "trial_had_title");
        review.look(window, language, "trial-had");
        window.phone.assert_held(&lab.world);
        window.speak_to(&first);
    }
}

/// Online by a voucher, then blocked by the operator: told so wherever the guest looks, until that is over.
fn be_blocked(window: &Chromium<'_>, languages: &[String], review: &mut Review, site: (&Lab, &Daemon)) {
    let (lab, daemon) = site;
    let read_anew = |settings: &Settings| {
        daemon.configure(settings);
        daemon.signal(Signal::SIGHUP);
    };
    let (first, form) = (window.tab(), window.open_tab());
    window.go(&page("/", &languages[0]));
    window.speak_to(&first);
    arrive(window, "voucher", &languages[0]);
    window.submit("code", &daemon.voucher("hour"));
    window.sees(&languages[0], "online");
    assert!(window.phone.is_open(&lab.world));
    let device = [("mac", &*window.phone.mac), ("policy", "blocked")];
    read_anew(&offering().section("device", &device));
    wait_until("the block", SOON, || !window.phone.is_open(&lab.world));
    for language in languages {
        arrive(window, "blocked", language);
        window.sees(language, "blocked_title");
        review.look(window, language, "blocked");
        window.go(&page("/status", language));
        window.sees(language, "blocked_title");
    }
    // A form that was open before is of no use either.
    window.speak_to(&form);
    window.submit("code", &daemon.voucher("hour"));
    window.sees(&languages[0], "blocked_title");
    window.phone.assert_held(&lab.world);
    read_anew(&offering());
    window.speak_to(&first);
    wait_until("the end of the block", SOON, || {
        window.go(&page("/", &languages[0]));
        window.run("return document.querySelector('#code') !== null") == true
    });
}

#[test]
fn pages_of_guests_who_try_for_free_or_are_blocked() {
    let languages = languages();
    let lab = Lab::new(languages.chunks(A_PHONE).len());
    let daemon = Daemon::start(&lab, &offering());
    let mut review = Review::new();
    for (languages, phone) in languages.chunks(A_PHONE).zip(&lab.phones) {
        let window = Chromium::on(&lab, phone);
        try_free(&window, languages, &mut review, &lab);
        be_blocked(&window, languages, &mut review, (&lab, &daemon));
    }
    review.close();
}
