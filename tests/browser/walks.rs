//! The walks of guests who have a voucher: the way in, the move from another phone, what goes wrong, the way out.

use std::time::Duration;

use crate::chromium::{Chromium, SOON};
use crate::harness::world::World;
use crate::harness::{Browser, Daemon, GREETING, Lab, Phone, portal_v4, portal_v6, wait_until};
use crate::review::Review;
use crate::{languages, settings, text};

/// The languages in which a whole walk is walked.
pub(crate) const TWO: [&str; 2] = ["en", "sw"];
/// Fewer than the wrong codes that one device may type.
const FEW: usize = 3;

/// A page of the portal, as a URL.
pub(crate) fn page(path: &str, language: &str) -> String {
    format!("http://{}{path}?lang={language}", portal_v4())
}

/// Ends on this device, by its button.
pub(crate) fn end_here(window: &Chromium<'_>, language: &str) {
    window.go(&page("/status", language));
    window.press("/logout");
    wait_until("the end", SOON, || window.phone.try_tcp("203.0.113.80:443".parse().unwrap()).refused_fast());
}

/// Whether the window is at the portal, over either family.
pub(crate) fn is_at_portal(window: &Chromium<'_>) -> bool {
    let url = window.url();
    [portal_v4(), portal_v6()].iter().any(|portal| url.starts_with(&format!("http://{portal}/")))
}

/// From any address that is typed to the portal, by a voucher to the internet, and out again.
fn walk(window: &Chromium<'_>, world: &World, language: &str, name: &str, code: &str) {
    let typed = format!("http://{name}.world.test/");
    window.go(&typed);
    assert!(is_at_portal(window), "{}", window.url());
    window.tap(&format!("a[hreflang={language}]"));
    window.submit("code", code);
    window.sees(language, "online");
    assert!(window.url().contains("/status"), "{}", window.url());
    assert!(window.phone.is_open(world));
    window.go(&format!("http://www.{name}.world.test/"));
    assert_eq!(window.says(), GREETING);
    // Chromium remembers for a minute what this name led to, whatever it is told.
    window.go(&typed);
    let (is_online, says) = (text("en", "online"), window.says());
    assert!(says == GREETING || window.url() == typed && says.contains(&is_online), "{says}");
    end_here(window, language);
    window.go(&format!("http://www.{name}.world.test/"));
    assert!(is_at_portal(window) && window.says().contains(&text("en", "welcome")), "{}", window.says());
}

#[test]
fn from_a_typed_address_to_the_internet() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let window = Chromium::on(&lab, &lab.phones[0]);
    for language in TWO {
        walk(&window, &lab.world, language, language, &daemon.voucher("hour"));
    }
    window.debug("Emulation.setScriptExecutionDisabled", &serde_json::json!({ "value": true }));
    walk(&window, &lab.world, "en", "scriptless", &daemon.voucher("hour"));
}

#[test]
fn what_was_typed_before_the_login_opens_by_itself_after_it() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let window = Chromium::on(&lab, &lab.phones[0]);
    let typed = "http://typed.world.test/a?b=c";
    window.go(typed);
    assert!(is_at_portal(&window), "{}", window.url());
    window.submit("code", &daemon.voucher("hour"));
    window.sees("en", "online");
    window.go(typed);
    let says = window.says();
    assert!(says == GREETING || says.contains("typed.world.test opens"), "{says}");
    // Chromium remembers for a minute; nobody touches anything.
    wait_until("the page that was wanted", Duration::from_secs(75), || window.says() == GREETING);
    assert_eq!(window.url(), typed);
}

#[test]
fn pages_of_guests_with_a_voucher() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let window = Chromium::on(&lab, &lab.phones[0]);
    let mut review = Review::new();
    for language in &languages() {
        let mut look = |name| review.look(&window, language, name);
        for (path, name) in [("/", "welcome"), ("/terms", "terms"), ("/privacy", "privacy")] {
            window.go(&page(path, language));
            look(name);
        }
        for (path, name) in [("/status", "not-online"), ("/nowhere", "not-found"), ("/login", "wrong-method")]
        {
            window.go(&page(path, language));
            look(name);
        }
        // As much as the field takes, in letters that are long on the wire.
        window.go(&page("/", language));
        window.run("const code = document.querySelector('#code'); code.value = 'م'.repeat(code.maxLength)");
        window.tap("form:has(#code) button:not([type=button])");
        window.sees(language, "too_large_title");
        look("too-large");
        let code = daemon.voucher("week");
        Browser::of(&lab.phones[1]).must_login(&code);
        window.go(&page("/", language));
        window.submit("code", &code);
        window.sees(language, "move_title");
        look("move");
        window.tap("form:has([name=move]) button:not([type=button])");
        window.sees(language, "online");
        assert!(window.phone.is_open(&lab.world));
        lab.phones[1].assert_held(&lab.world);
        look("status");
        window.go(&page("/", language));
        look("welcome-online");
        window.go(&page("/status", language));
        window.press("/forget");
        window.sees(language, "welcome");
        lab.phones[0].assert_held(&lab.world);
        look("ended");
    }
    review.close();
}

#[test]
fn pages_of_guests_with_a_wrong_code() {
    let languages = languages();
    let lab = Lab::new(languages.chunks(FEW).len());
    let daemon = Daemon::start(&lab, &settings().plan("short", &[("metered", "1s")]));
    let mut review = Review::new();
    for (languages, phone) in languages.chunks(FEW).zip(&lab.phones) {
        let spent = spent(&daemon, phone);
        let window = Chromium::on(&lab, phone);
        let mut look = |code: &str, language: &String, key: &str| {
            window.go(&page("/", language));
            window.submit("code", code);
            window.sees(language, key);
            review.look(&window, language, key.trim_end_matches("_title"));
        };
        for language in languages {
            look("234567ABCD", language, "unknown_title");
            look(&spent, language, "spent_title");
        }
        let guest = Browser::of(phone);
        wait_until("too many tries", SOON, || guest.login("234567ABCD").status == 429);
        for language in languages {
            look("234567ABCD", language, "too_many_title");
        }
    }
    review.close();
}

/// A code of which nothing is left.
fn spent(daemon: &Daemon, phone: &Phone) -> String {
    let code = daemon.voucher("short");
    Browser::of(phone).must_login(&code);
    wait_until("its end", SOON, || daemon.session(&phone.mac).is_none());
    code
}

#[test]
fn pages_of_a_hotspot_that_is_full_or_cut_off() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings().main("max_clients", "1"));
    let uplink = |state: &str| {
        wait_until(state, SOON, || daemon.json(&["status"])["uplink"] == state);
    };
    let window = Chromium::on(&lab, &lab.phones[0]);
    let mut review = Review::new();
    for language in &languages() {
        let other = Browser::of(&lab.phones[1]);
        other.must_login(&daemon.voucher("hour"));
        window.go(&page("/", language));
        window.submit("code", &daemon.voucher("hour"));
        window.sees(language, "full_title");
        review.look(&window, language, "full");
        assert_eq!(other.logout().status, 303);
        lab.cut_uplink();
        uplink("down");
        // The address is typed before anything is said of an outage.
        window.go("http://world.test/");
        assert!(is_at_portal(&window), "{}", window.url());
        window.go(&page("/", language));
        window.sees(language, "outage_title");
        review.look(&window, language, "outage-welcome");
        window.submit("code", &daemon.voucher("hour"));
        window.sees(language, "outage_title");
        review.look(&window, language, "outage-status");
        lab.restore_uplink();
        uplink("up");
        window.go(&page("/status", language));
        window.sees(language, "online");
        end_here(&window, language);
    }
    review.close();
}
