//! The walks of guests of a site with a cloud: who has paid and waits, tops up, has an account, or gets an SMS.

use serde_json::json;

use crate::chromium::{Chromium, SOON};
use crate::harness::{Cloud, Daemon, Lab, pin_hash, wait_until};
use crate::review::Review;
use crate::walks::{end_here, page};
use crate::{languages, settings, text};

/// For a payment to come down, and a page to load itself anew.
const A_WHILE: std::time::Duration = std::time::Duration::from_secs(20);

#[test]
fn pages_of_guests_who_have_paid() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    let daemon = Daemon::start(&lab, &cloud.polled(settings(), "1s", &[]));
    cloud.is_read();
    let window = Chromium::on(&lab, &lab.phones[0]);
    let mut review = Review::new();
    for (number, language) in languages().iter().enumerate() {
        let online = |when: &str| {
            window.sees(language, "online");
            assert!(window.phone.is_open(&lab.world), "{when}");
        };
        window.go(&page("/", language));
        review.look(&window, language, "welcome-paid");

        // The page waits, and goes on by itself.
        let reference = format!("DFJ9B1F{number}Q8");
        window.submit("code", &reference);
        window.sees(language, "waiting_title");
        review.look(&window, language, "waiting");
        cloud.paid(&reference, "hour", json!({}));
        wait_until("the page to go on", A_WHILE, || window.says().contains(&text(language, "online")));
        online("paid");

        // One more, while the first lasts.
        let left = || daemon.session(&lab.phones[0].mac).unwrap()["seconds_left"].as_i64().unwrap();
        let before = left();
        let reference = format!("NLJ7RT{number}1SV");
        cloud.paid(&reference, "hour", json!({}));
        window.go(&page("/", language));
        window.submit("code", &reference);
        wait_until("an hour more", A_WHILE, || left() > before + 3500);
        window.go(&page("/status", language));
        online("topped up");
        review.look(&window, language, "status-paid");
        end_here(&window, language);
    }
    review.close();
}

#[test]
fn pages_of_guests_with_an_account_or_a_phone_number() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    let languages = languages();
    let account = |number: usize| format!("asha{number}");
    let telephone = |number: usize| format!("+25570000041{number}");
    for number in 0..languages.len() {
        cloud.tell("account", json!([account(number), "hour", pin_hash("2468")]), json!({}));
        cloud.tell("phone", json!([telephone(number), "hour"]), json!({}));
    }
    let _daemon = Daemon::start(&lab, &cloud.polled(settings(), "1s", &[]));
    cloud.is_read();
    let window = Chromium::on(&lab, &lab.phones[0]);
    let mut review = Review::new();
    for (number, language) in languages.iter().enumerate() {
        window.go(&page("/", language));
        window.submit("code", &account(number));
        window.sees(language, "pin_title");
        review.look(&window, language, "pin");
        window.submit("pin", "2468");
        window.sees(language, "online");
        assert!(window.phone.is_open(&lab.world));
        end_here(&window, language);

        // A machine that is busy may let the three seconds pass that the cloud has; a guest tries again.
        let comes_by_sms = || {
            window.go(&page("/", language));
            window.submit("phone", &telephone(number));
            window.sees_unless_away(language, "otp_title") && {
                review.look(&window, language, "otp");
                let sent = cloud.tell("otp", json!([telephone(number)]), json!({}));
                window.submit("otp", sent.as_str().unwrap());
                window.sees_unless_away(language, "online")
            }
        };
        assert!(std::iter::repeat_with(comes_by_sms).take(3).any(|came| came), "the cloud never answers");
        wait_until("the internet", SOON, || window.phone.is_open(&lab.world));
        end_here(&window, language);
    }
    review.close();
}
