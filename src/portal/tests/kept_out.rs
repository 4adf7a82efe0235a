//! What a device sees that is kept out: why, whom to ask, and nothing to fill in.

use super::*;
use crate::config::{Device, Policy};

const BARRED: u8 = 9;

#[test]
fn every_way_in_says_that_the_device_is_kept_out() {
    let listed = vec![
        Device { mac: mac(BARRED), policy: Policy::Blocked },
        Device { mac: mac(BARRED + 1), policy: Policy::Trusted },
    ];
    with(
        "127.0.0.1:0",
        |config| config.devices = listed,
        |lab| async move {
            let barred = |heard: &Heard, what: &str| {
                assert_eq!(heard.status, 403, "{what}");
                assert!(heard.body.contains("This device is blocked"), "{what}: {}", heard.body);
                assert!(heard.body.contains("href=\"tel:+255700000000\""), "{what}: whom to ask");
                assert!(!heard.body.contains("<form") && !heard.body.contains("Back to the"), "{what}");
            };
            for path in ["/", "/status", "/?code=4821993705"] {
                barred(&lab.get_from(BARRED, path).await, path);
            }
            let token = FormKey::new(&[7; 32]).token(mac(BARRED), lab.clock.now().wall);
            for path in ["/login", "/trial", "/logout", "/forget"] {
                let heard = lab.post_as(BARRED, path, "", &format!("code=1&token={token}")).await;
                barred(&heard, path);
            }
            assert!(lab.calls().is_empty(), "the desk is not asked");
            assert!(lab.get_from(BARRED, "/?lang=sw").await.body.contains("Kifaa hiki kimezuiwa"));
            assert_eq!(lab.get_from(BARRED, "/terms").await.status, 200);
            let api = lab.get_from(BARRED, "/captive-portal/api").await;
            assert!(api.body.contains("\"captive\":true"), "{}", api.body);
            let probe = "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n";
            assert_eq!(lab.send(BARRED, probe).await.status, 302, "the sheet opens");
            for path in ["/", "/status"] {
                let trusted = lab.get_from(BARRED + 1, path).await;
                assert!(trusted.status == 200 && trusted.body.contains("<h1>You are online</h1>"), "{path}");
                assert!(!trusted.body.contains("<form"), "{path}: it needs no code");
            }
            assert_eq!(lab.get("/").await.status, 200);
        },
    );
}
