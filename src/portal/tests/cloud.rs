//! Where there is a cloud: payments that are waited for, and what is asked for besides a code.

use super::*;
use crate::domain::{Awaits, Uplink, UplinkState};
use crate::ordered::OrdMap;

pub(super) fn cloud_lab<T: Future<Output = ()>>(test: impl FnOnce(Lab) -> T) {
    on("127.0.0.1:0", Some(a_cloud()), test);
}

pub(super) fn a_cloud() -> Cloud {
    Cloud {
        url: "https://bos.example.net".into(),
        token_file: None,
        ca_file: None,
        signing_key: None,
        poll: Duration::from_secs(60),
        provisional_plan: None,
        allow_http: false,
    }
}

/// What the desk says to a payment of a phone that ends in 0417, typed or claimed before, to an account whose PIN is 2468 and which is
/// online elsewhere, and to a phone that is sent 135790; `None`: none of these.
pub(super) fn shown(typed: &str, given: &Given, moving: Moving) -> Option<Reply> {
    let online = Reply::Online(SessionId(1));
    let ask = |right: &str, given: &Option<String>, needed, wrong, then: Reply| match given.as_deref() {
        None => Reply::Refused(needed),
        Some(given) if given == right => then,
        Some(_) => Reply::Refused(wrong),
    };
    let digits_alone = typed.is_empty() && given.phone.is_none() && given.phone_last4.is_some();
    if typed.starts_with("paid") || digits_alone {
        return Some(ask("0417", &given.phone_last4, Refusal::PhoneNeeded, Refusal::PhoneWrong, online));
    }
    if typed == "asha" {
        let moved = if moving == Moving::Agreed { online } else { Reply::Refused(Refusal::InUse) };
        return Some(ask("2468", &given.pin, Refusal::PinNeeded, Refusal::PinWrong, moved));
    }
    (typed.is_empty() && given.phone.is_some()).then(|| {
        let (needed, wrong) = (Refusal::OneTimeCodeNeeded, Refusal::OneTimeCodeWrong);
        ask("135790", &given.one_time_code, needed, wrong, online)
    })
}

impl Lab {
    pub(super) fn put_waiting(&self, awaits: Awaits) {
        self.view.send_modify(|view| {
            let waiting = OrdMap::from([(mac(GUEST), awaits)]);
            *view = Arc::new(View { waiting, ..View::clone(view) });
        });
    }
}

/// The forms of a page, in order.
pub(super) fn forms(page: &Heard) -> Vec<&str> {
    page.body.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap()).collect()
}

/// The values that `form` holds before anything is typed, as a browser encodes them.
pub(super) fn submitted(form: &str) -> String {
    let mut body = String::new();
    for input in form.split("<input ").skip(1) {
        let attribute = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let Some(value) = attribute("value").filter(|value| !value.is_empty()) else { continue };
        let _ = write!(body, "{}=", attribute("name").unwrap());
        let plain = value
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#38;", "&");
        for byte in plain.bytes() {
            let _ = write!(body, "%{byte:02X}");
        }
        body.push('&');
    }
    body
}

/// Whether each form goes to the portal and carries a token of the guest.
pub(super) fn are_ours(page: &Heard) -> bool {
    let key = FormKey::new(&[7; 32]);
    forms(page).iter().all(|form| {
        let (_, rest) = form.split_once("name=\"token\" value=\"").expect("a token");
        let token = rest.split('"').next().unwrap();
        ["login", "logout", "forget"]
            .iter()
            .any(|path| form.starts_with(&format!("method=\"post\" action=\"/{path}")))
            && key.accepts(token, mac(GUEST), Clock::new().now().wall)
    })
}

#[test]
fn a_payment_that_is_not_confirmed_is_waited_for_on_a_page_that_loads_the_status() {
    cloud_lab(|lab| async move {
        let heard = lab.login("awaited").await;
        assert_eq!((heard.status, heard.header("connection")), (202, Some("close")));
        for part in [
            "<meta http-equiv=\"refresh\" content=\"5;url=/status\">",
            "We have not heard of your payment yet",
            "You may close this page",
            "you go online by itself",
            "Compare the reference",
            "href=\"/\"",
        ] {
            assert!(heard.body.contains(part), "{part}\n{}", heard.body);
        }
        let token = lab.token(GUEST).await;
        let swahili = lab.post("/login?lang=sw", &format!("code=awaited&token={token}")).await;
        assert_eq!(swahili.status, 202);
        assert!(swahili.body.contains("content=\"5;url=/status?lang=sw\""), "{}", swahili.body);
        assert!(swahili.body.contains("Bado hatujapata taarifa ya malipo yako"));
    });
}

#[test]
fn who_waits_is_told_so_until_the_payment_arrives() {
    cloud_lab(|lab| async move {
        lab.put_waiting(Awaits::Payment);
        let status = lab.get("/status").await;
        assert_eq!(status.status, 200);
        assert!(status.body.contains("We have not heard of your payment yet"));
        assert!(status.body.contains("content=\"5;url=/status\""));

        let start = lab.get("/").await;
        for part in ["We have not heard of your payment yet", "href=\"/status\"", "name=\"code\""] {
            assert!(start.body.contains(part), "{part}");
        }
        assert!(!start.body.contains("http-equiv=\"refresh\""), "it must not wipe out what is being typed");
        let other = lab.get_from(GUEST + 1, "/status").await.body;
        assert!(other.contains("This device is not online") && !other.contains("payment yet"));

        lab.put_online(|now| session(now, 2400));
        let status = lab.get("/status").await.body;
        assert!(status.contains("40 minutes left") && !status.contains("payment yet"), "{status}");
    });
}

#[test]
fn who_is_online_and_waits_for_more_sees_both() {
    cloud_lab(|lab| async move {
        lab.put_online(|now| session(now, 2400));
        lab.put_waiting(Awaits::Payment);
        let status = lab.get("/status").await.body;
        for part in ["You are online", "40 minutes left", "not heard of your payment yet", "added by itself"]
        {
            assert!(status.contains(part), "{part}");
        }
    });
}

#[test]
fn who_waits_while_the_uplink_is_down_is_told_what_works() {
    cloud_lab(|lab| async move {
        lab.put_waiting(Awaits::Payment);
        let since = lab.clock.now().boot;
        lab.view.send_modify(|view| {
            let uplink = UplinkState { uplink: Uplink::Down, since };
            *view = Arc::new(View { uplink, ..View::clone(view) });
        });
        for page in [lab.get("/status").await, lab.login("awaited").await] {
            for part in ["No internet at the moment", "A voucher works all the same", "payment yet"] {
                assert!(page.body.contains(part), "{part}\n{}", page.body);
            }
        }
    });
}

#[test]
fn the_digits_of_the_phone_are_asked_for_with_the_whole_message_repeated() {
    cloud_lab(|lab| async move {
        let message = "paid \"<b>DFJ9B1FPQ8</b>\" & 'TZS 500' \u{202e}\r\nfrom +255 ";
        let typed = format!("{message}{}", "x".repeat(1500));
        let encoded: String = typed.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert!(encoded.len() > 4096, "a browser leaves letters as they are");
        let encoded = encoded.replace("%78", "x");
        let first = lab.login(&encoded).await;
        assert_eq!(first.status, 403);
        assert!(first.body.contains("Last 4 digits of the phone that paid"), "{}", first.body);
        assert!(!first.body.contains("<b>DFJ"), "escaped");
        assert!(are_ours(&first));
        let [form] = forms(&first)[..] else { panic!("one form: {}", first.body) };
        for part in ["name=\"phone_last4\" type=\"text\" inputmode=\"numeric\"", "maxlength=\"4\""] {
            assert!(form.contains(part), "{part} {form}");
        }
        let again = submitted(form).replace("%78", "x");

        let wrong = lab.post("/login", &format!("{again}phone_last4=9999")).await;
        assert_eq!(wrong.status, 403);
        assert!(wrong.body.contains("These digits do not fit") && !wrong.body.contains("9999"));
        let again = submitted(forms(&wrong)[0]).replace("%78", "x");
        let right = lab.post("/login", &format!("{again}phone_last4=+0417+")).await;
        assert_eq!((right.status, right.header("location")), (303, Some("/status")));

        let asked = lab.until_calls(6).await;
        let kept = typed.replace('\r', "");
        let login = format!("login 02:00:00:00:00:02 {kept:?} Ask");
        for given in ["", " phone_last4=9999", " phone_last4=0417"] {
            assert!(asked.contains(&format!("{login}{given}")), "{given} {asked:?}");
        }
    });
}

#[test]
fn a_pin_is_never_shown_and_goes_along_when_the_session_is_moved() {
    cloud_lab(|lab| async move {
        let first = lab.login("asha").await;
        assert_eq!(first.status, 403);
        assert!(are_ours(&first) && first.body.contains("Never type the PIN of your mobile money"));
        let form = forms(&first)[0];
        for part in ["name=\"pin\" type=\"password\" inputmode=\"numeric\"", "autocomplete=\"off\""] {
            assert!(form.contains(part), "{part} {form}");
        }
        let wrong = lab.post("/login", &format!("{}pin=1111", submitted(form))).await;
        assert_eq!(wrong.status, 403);
        assert!(wrong.body.contains("This PIN is not right") && !wrong.body.contains("1111"));

        let in_use = lab.post("/login", &format!("{}pin=2468", submitted(form))).await;
        assert_eq!(in_use.status, 409);
        let moved = lab.post("/login", &submitted(forms(&in_use)[0])).await;
        assert_eq!(moved.status, 303, "the PIN is not asked for again");

        let agreed = lab.post("/login", &format!("code=asha&move=1&token={}", first.token())).await;
        assert_eq!(agreed.status, 403);
        let moved = lab.post("/login", &format!("{}pin=2468", submitted(forms(&agreed)[0]))).await;
        assert_eq!(moved.status, 303, "nor whether to move");
    });
}

#[test]
fn a_phone_gets_a_code_by_sms_and_types_it() {
    cloud_lab(|lab| async move {
        let start = lab.get("/").await;
        assert!(are_ours(&start));
        let [code, phone] = forms(&start)[..] else { panic!("two forms: {}", start.body) };
        assert!(code.contains("name=\"code\"") && code.contains("payment reference"), "{code}");
        assert!(phone.contains("name=\"phone\"") && !phone.contains("name=\"code\""), "{phone}");

        let asked = lab.post("/login", &format!("{}phone=%2B255+700-0", submitted(phone))).await;
        assert_eq!(asked.status, 403);
        assert!(are_ours(&asked) && asked.body.contains("We have sent you an SMS"));
        let [code, again] = forms(&asked)[..] else { panic!("two forms: {}", asked.body) };
        for part in ["name=\"phone\" value=\"+2557000\"", "name=\"otp\"", "autocomplete=\"one-time-code\""] {
            assert!(code.contains(part), "{part} {code}");
        }
        assert!(again.contains("value=\"+2557000\"") && !again.contains("name=\"otp\""), "{again}");

        let wrong = lab.post("/login", &format!("{}otp=1", submitted(code))).await;
        assert_eq!(wrong.status, 403);
        assert!(wrong.body.contains("not the code from the SMS"));
        let right = lab.post("/login", &format!("{}otp=135790", submitted(forms(&wrong)[0]))).await;
        assert_eq!(right.status, 303);
        let calls = lab.until_calls(6).await;
        assert!(
            calls.contains(&"login 02:00:00:00:00:02 \"\" Ask phone=+2557000 otp=135790".to_owned()),
            "{calls:?}"
        );
    });
}

#[test]
fn a_phone_whose_page_was_open_too_long_is_kept() {
    cloud_lab(|lab| async move {
        let stale = lab.post("/login", "phone=0755&token=old").await;
        assert_eq!(stale.status, 403);
        assert!(are_ours(&stale) && stale.body.contains("press the button once more"));
        let again = lab.post("/login", &submitted(forms(&stale)[0])).await;
        assert!(again.body.contains("We have sent you an SMS"), "{}", again.body);
    });
}

#[test]
fn what_is_no_number_of_a_phone_is_not_sent_anywhere() {
    cloud_lab(|lab| async move {
        let token = lab.token(GUEST).await;
        for typed in ["4111+1111+1111+1111", "378282246310005", "Asha+Juma", "%2B255+7%3Cb%3E"] {
            let heard = lab.post("/login", &format!("phone={typed}&token={token}")).await;
            assert_eq!(heard.status, 403, "{typed}");
        }
        let heard = lab.post("/login", &format!("phone=0755&otp=4111111111111111&token={token}")).await;
        assert!(heard.body.contains("We have sent you an SMS"), "{}", heard.body);
        let calls = lab.until_calls(2).await;
        assert_eq!(calls[0], "login 02:00:00:00:00:02 \"\" Ask phone=0755");
    });
}

#[test]
fn without_a_cloud_no_phone_is_asked_for() {
    lab(|lab| async move {
        let start = lab.get("/").await;
        assert!(!start.body.contains("name=\"phone\"") && !start.body.contains("payment reference"));
        let heard = lab.post("/login", &format!("phone=0755&token={}", start.token())).await;
        assert_eq!(heard.status, 403);
        assert!(heard.body.contains("No code was typed"));
        assert!(lab.calls().is_empty());
    });
}

#[test]
fn what_the_cloud_would_have_to_say_is_refused_with_the_time_to_come_back() {
    cloud_lab(|lab| async move {
        for (code, status, words, retry) in [
            ("cloud-away", 503, "A voucher works all the same", "60"),
            ("claims", 429, "Too many payments to wait for", "60"),
            ("enough", 503, "try again in 2 hours", "7200"),
        ] {
            let heard = lab.login(code).await;
            assert_eq!((heard.status, heard.header("retry-after")), (status, Some(retry)), "{code}");
            assert!(
                heard.body.contains(words) && heard.body.contains(&format!("{code}</textarea>")),
                "{code}"
            );
            assert!(are_ours(&heard), "{code}: it can be tried again at once");
        }
    });
}

#[test]
fn what_is_given_is_bounded() {
    cloud_lab(|lab| async move {
        let long = "7".repeat(300);
        let token = lab.token(GUEST).await;
        let body = format!("code=1&token={token}&phone_last4={long}&pin={long}&phone={long}&otp={long}");
        assert_eq!(lab.post("/login", &body).await.status, 303);
        let cut = "7".repeat(64);
        let told = format!("\"1\" Ask phone_last4={cut} pin={cut} otp={cut}");
        assert!(lab.until_calls(1).await[0].ends_with(&told), "{:?}", lab.calls());
        let typed = "y".repeat(2500);
        lab.post("/login", &format!("code={typed}&token={token}")).await;
        let calls = lab.until_calls(3).await;
        assert!(calls.iter().any(|call| call.contains(&format!("{:?} Ask", "y".repeat(2000)))));
    });
}
