//! The free trial: who is offered it, and what comes of asking.

use super::*;
use crate::domain::{TrialView, TrialsHad};

/// Ten minutes for free.
fn offer() -> TrialView {
    let ten = Terms { metered: Some(Duration::from_secs(600)), ..Terms::UNLIMITED };
    let plan = Plan { terms: ten, ..Plan::unlimited("free".parse().unwrap(), PlanSource::File) };
    TrialView { plan, had: TrialsHad::of(&[mac(HAD_ITS_TRIAL)]) }
}

#[test]
fn it_is_offered_to_who_may_have_it_now() {
    lab(|lab| async move {
        let form = "<form method=\"post\" action=\"/trial\">";
        assert!(!lab.get("/").await.body.contains(form), "nothing is free here");
        lab.view.send_modify(|view| Arc::make_mut(view).trial = Some(offer()));
        let heard = lab.get("/").await;
        assert!(heard.body.contains(form) && heard.body.contains("10 minutes online"), "{}", heard.body);
        assert!(lab.get("/?lang=sw").await.body.contains("action=\"/trial?lang=sw\""));
        assert!(!lab.get_from(HAD_ITS_TRIAL, "/").await.body.contains(form));
        let online = session(lab.clock.now(), 100);
        lab.view.send_modify(|view| drop(Arc::make_mut(view).sessions.insert(online.mac, online)));
        assert!(!lab.get("/").await.body.contains(form), "who is online needs none");
    });
}

#[test]
fn whatever_comes_of_it_has_its_status() {
    lab(|lab| async move {
        let token = lab.token(GUEST).await;
        let heard = lab.post("/trial", &format!("token={token}")).await;
        assert_eq!((heard.status, heard.header("location")), (303, Some("/status")));
        assert_eq!(heard.header("connection"), Some("close"));
        let calls = lab.until_calls(2).await;
        assert_eq!(calls, ["trial 02:00:00:00:00:02", "answered 02:00:00:00:00:02"]);
        for (device, status, words, retry) in [
            (HAD_ITS_TRIAL, 429, "The next one in 5 hours.", Some("18000")),
            (FINDS_MANY, 429, "Please wait 20 seconds", Some("20")),
            (FINDS_IT_FULL, 503, "The hotspot is full", Some("60")),
            (FINDS_NO_TRIAL, 403, "No free trial here", None),
        ] {
            let token = lab.token(device).await;
            let heard = lab.post_as(device, "/trial", "", &format!("token={token}")).await;
            assert_eq!(heard.status, status, "{words}");
            assert!(heard.body.contains(words), "{words}: {}", heard.body);
            assert_eq!(heard.header("retry-after"), retry, "{words}");
            assert!(heard.body.contains("action=\"/login\""), "{words}: a code can be typed at once");
        }
    });
}
