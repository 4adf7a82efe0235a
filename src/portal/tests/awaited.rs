//! Payments that have come and have not opened anything yet: the digits of the phone are missing, or room.

use super::cloud::{are_ours, cloud_lab, forms, submitted};
use super::*;
use crate::domain::Awaits;

#[test]
fn who_has_paid_and_has_to_say_the_digits_is_told_so_and_says_them_on_the_spot() {
    cloud_lab(|lab| async move {
        lab.put_waiting(Awaits::Digits);
        for (path, words) in [
            ("/status", "Your payment is here"),
            ("/", "type the last 4 digits of the phone that paid"),
            ("/status?lang=sw", "Malipo yako yamefika"),
        ] {
            let page = lab.get(path).await;
            assert_eq!(page.status, 200);
            assert!(page.body.contains(words) && are_ours(&page), "{words}\n{}", page.body);
            for wrong in ["not heard of your payment", "Bado hatujapata", "http-equiv=\"refresh\""] {
                assert!(!page.body.contains(wrong), "{path} {wrong}: nothing wipes out what is being typed");
            }
        }
        let status = lab.get("/status").await;
        let [form] = forms(&status)[..] else { panic!("one form: {}", status.body) };
        assert!(form.contains("name=\"phone_last4\"") && !form.contains("name=\"code\""), "{form}");

        let wrong = lab.post("/login", &format!("{}phone_last4=9999", submitted(form))).await;
        assert_eq!(wrong.status, 403);
        assert!(wrong.body.contains("These digits do not fit") && are_ours(&wrong));
        let again = forms(&wrong)[0];
        assert!(again.contains("name=\"phone_last4\""), "{again}");
        let right = lab.post("/login", &format!("{}phone_last4=0417", submitted(again))).await;
        assert_eq!((right.status, right.header("location")), (303, Some("/status")));
        let told = lab.until_calls(4).await;
        assert!(told.contains(&"login 02:00:00:00:00:02 \"\" Ask phone_last4=0417".to_owned()), "{told:?}");
    });
}

#[test]
fn digits_are_kept_while_their_page_was_open_too_long() {
    cloud_lab(|lab| async move {
        lab.put_waiting(Awaits::Digits);
        let stale = lab.post("/login", "phone_last4=0417&token=old").await;
        assert_eq!(stale.status, 403);
        assert!(are_ours(&stale) && stale.body.contains("press the button once more"));
        assert_eq!(lab.post("/login", &submitted(forms(&stale)[0])).await.status, 303);
    });
}

#[test]
fn digits_for_nothing_are_no_code() {
    cloud_lab(|lab| async move {
        let digits = |token: &str| format!("phone_last4=0417&token={token}");
        for awaits in [None, Some(Awaits::Payment), Some(Awaits::Room)] {
            awaits.into_iter().for_each(|awaits| lab.put_waiting(awaits));
            let heard = lab.post("/login", &digits(&lab.token(GUEST).await)).await;
            assert_eq!(heard.status, 403, "{awaits:?}");
            assert!(heard.body.contains("No code was typed") && heard.body.contains("name=\"code\""));
        }
        assert!(lab.calls().is_empty());
        lab.put_waiting(Awaits::Digits);
        let token = lab.token(GUEST).await;
        assert!(lab.post("/login", &format!("token={token}")).await.body.contains("No code was typed"));
        let other = lab.post_as(GUEST + 1, "/login", "", &digits(&lab.token(GUEST + 1).await)).await;
        assert!(other.body.contains("No code was typed"), "it is another device that waits");
        assert!(lab.calls().is_empty());

        lab.put_online(|now| session(now, 2400));
        let twice = lab.post("/login", &digits(&token)).await;
        assert_eq!(twice.status, 303, "the button was pressed twice");
    });
}

#[test]
fn who_has_paid_and_finds_no_room_is_told_so_and_has_nothing_to_do() {
    cloud_lab(|lab| async move {
        lab.put_waiting(Awaits::Room);
        for (path, words) in [
            ("/status", "You will be let in as soon as there is room"),
            ("/", "You will be let in as soon as there is room"),
            ("/status?lang=sw", "nafasi ikipatikana"),
        ] {
            let page = lab.get(path).await.body;
            assert!(page.contains(words), "{words}\n{page}");
            for wrong in ["payment yet", "Compare the reference", "See if it has arrived", "phone_last4"] {
                assert!(!page.contains(wrong), "{path} {wrong}");
            }
        }
        let status = lab.get("/status").await.body;
        assert!(status.contains("content=\"5;url=/status\"") && status.contains("Your payment is here"));
    });
}

#[test]
fn who_is_online_and_has_to_say_digits_does_so_without_losing_them_to_a_reload() {
    cloud_lab(|lab| async move {
        lab.put_online(|now| session(now, 2400));
        lab.put_waiting(Awaits::Digits);
        for path in ["/status", "/"] {
            let page = lab.get(path).await;
            assert!(page.body.contains("40 minutes left") && page.body.contains("Your payment is here"));
            assert!(
                are_ours(&page) && forms(&page).iter().any(|form| form.contains("phone_last4")),
                "{path}"
            );
            assert!(!page.body.contains("http-equiv=\"refresh\"") && !page.body.contains("updates itself"));
        }
        lab.put_waiting(Awaits::Room);
        let status = lab.get("/status").await.body;
        assert!(status.contains("http-equiv=\"refresh\"") && status.contains("added by itself as soon as"));
    });
}
