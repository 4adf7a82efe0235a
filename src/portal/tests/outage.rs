//! What the pages say while the uplink is down.

use super::*;
use crate::domain::{Uplink, UplinkState};

#[test]
fn an_outage_is_told_with_what_becomes_of_the_time() {
    lab(|lab| async move {
        lab.put_online(|now| session(now, 20));
        let cut = |view: &mut Arc<View>| {
            let mut changed = View::clone(view);
            let since = lab.clock.now().boot;
            changed.uplink = UplinkState { uplink: Uplink::Down, since };
            for session in changed.sessions.values_mut() {
                session.clockwork = Clockwork::Paused { metered_left: Duration::from_secs(20) };
            }
            *view = Arc::new(changed);
        };
        lab.view.send_modify(cut);
        for path in ["/status", "/"] {
            let page = lab.get(path).await.body;
            assert!(
                page.contains("No internet at the moment") && page.contains("Your time is paused"),
                "{page}"
            );
            assert!(!page.contains("You are online") && !page.contains("almost over"), "{page}");
        }
        assert!(lab.get("/status").await.body.contains("http-equiv=\"refresh\" content=\"10\""));
        let another = lab.get_from(GUEST + 1, "/").await.body;
        assert!(another.contains("No internet at the moment") && another.contains("name=\"code\""));
    });
}
