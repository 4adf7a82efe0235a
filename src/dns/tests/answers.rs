//! What a name leads to, for whom, and in which weather.

use super::*;

#[test]
fn every_other_name_leads_to_the_portal_and_never_leaves() {
    lab("", async |lab| {
        for name in ["example.com", "m.facebook.com", "a.b.c.tunnel.example", "whatsapp.net", "x.wa.me"] {
            let heard = lab.ask(name, Kind::A).await;
            assert_eq!((heard.code, heard.addresses()), (0, vec![CAPTIVE.to_owned()]), "{name}");
            assert!(heard.response.ttl <= 5 && heard.took < Duration::from_millis(300), "{heard:?}");
            // AAAA HTTPS SVCB PTR SOA NS TXT ANY
            for kind in [28, 65, 64, 12, 6, 2, 16, 255] {
                let heard = lab.ask_from(kind.min(90) as u8 + 100, name, Kind(kind)).await;
                assert!(heard.code == 0 && !heard.response.has_records, "{name} {kind}: {heard:?}");
            }
        }
        assert_eq!(lab.resolver.asked.borrow().len(), 0);
        assert_eq!(lab.learned(), []);
    });
}

#[test]
fn the_portals_name_leads_to_the_gateway_in_the_family_asked() {
    lab("", async |lab| {
        assert_eq!(lab.both("wifi.lango").await, (vec!["127.0.0.1".into()], vec!["fd77::1".into()]));
        assert!(!lab.ask("wifi.lango", HTTPS).await.response.has_records);
        // Online it is the same.
        lab.put_online(GUEST);
        assert_eq!(lab.ask("wifi.lango", Kind::A).await.addresses(), ["127.0.0.1"]);
        assert_eq!(lab.resolver.asked.borrow().len(), 0);
    });
}

#[test]
fn some_names_have_answers_of_their_own() {
    lab("", async |lab| {
        let ncsi = (vec!["131.107.255.255".to_owned()], vec!["fd3e:4f5a:5b81::1".to_owned()]);
        assert_eq!(lab.both("dns.msftncsi.com").await, ncsi);
        for name in ["use-application-dns.net", "mask.icloud.com", "MASK-h2.icloud.com"] {
            for kind in [Kind::A, AAAA, HTTPS] {
                let heard = lab.ask(name, kind).await;
                assert!(heard.code == 3 && heard.response.denies(), "{name}: {heard:?}");
            }
        }
    });
}

#[test]
fn the_question_comes_back_byte_for_byte() {
    lab("", async |lab| {
        let mut mixed = asked("www.example.com", Kind::A);
        mixed[13..28].copy_from_slice(b"wWw\x07eXaMpLE\x03cOm");
        let answer = exchange(&lab.guest(GUEST).await, &mixed).await.unwrap();
        assert_eq!(answer[12..33], mixed[12..33]);
    });
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    lab("", async |lab| {
        for (guest, gateway) in [("127.0.0.2", "127.0.0.1"), ("127.0.0.2", "127.0.0.77"), ("::1", "::1")] {
            // Connected, so it hears nobody else.
            let socket = UdpSocket::bind((guest, 0)).await.unwrap();
            socket.connect((gateway, lab.at.port())).await.unwrap();
            let answer = exchange(&socket, &asked("example.com", Kind::A)).await;
            assert!(answer.is_some(), "{gateway}");
        }
    });
}

#[test]
fn names_of_the_garden_are_asked_and_opened_before_the_answer_leaves() {
    lab("", async |lab| {
        lab.opens.set(Opens::Later);
        lab.resolver.knows("static.whatsapp.net", 300, &["203.0.113.7", "203.0.113.8"]);
        let heard = lab.ask("wa.me", Kind::A).await;
        assert_eq!(lab.learned(), [(mac(GUEST), vec!["203.0.113.80".to_owned()], 60)]);
        assert!(heard.took >= Duration::from_millis(80), "{heard:?}");
        assert_eq!((heard.addresses(), heard.response.ttl), (vec!["203.0.113.80".to_owned()], 30));

        assert_eq!(lab.ask("wa.me", AAAA).await.addresses(), ["2001:db8:ffff::80"]);
        let many = lab.ask("Static.WhatsApp.net", Kind::A).await;
        assert_eq!(many.addresses(), ["203.0.113.7", "203.0.113.8"]);
        assert_eq!(lab.learned()[2], (mac(GUEST), many.addresses(), 300));

        // Remembered, but every device gets its own opening.
        lab.ask_from(3, "wa.me", Kind::A).await;
        assert_eq!(lab.learned()[3], (mac(3), vec!["203.0.113.80".to_owned()], 60));
        assert_eq!(lab.resolver.times("wa.me"), 2);

        // Only addresses are asked for.
        assert!(!lab.ask("wa.me", HTTPS).await.response.has_records);
        assert!(!lab.ask("wa.me", Kind(16)).await.response.has_records);
        assert_eq!((lab.resolver.times("wa.me"), lab.ask("no.whatsapp.net", Kind::A).await.code), (2, 3));
        // A device that the kernel does not know cannot be let through.
        assert_eq!(lab.ask_from(99, "wa.me", Kind::A).await.addresses(), [CAPTIVE]);
    });
}

#[test]
fn an_opening_that_takes_long_holds_the_answer_for_a_moment_only() {
    lab("", async |lab| {
        lab.opens.set(Opens::Never);
        let heard = lab.ask("wa.me", Kind::A).await;
        assert_eq!(heard.addresses(), ["203.0.113.80"]);
        let bounds = Duration::from_millis(190)..Duration::from_millis(1000);
        assert!(bounds.contains(&heard.took), "{heard:?}");
    });
}

#[test]
fn what_could_not_be_opened_is_not_given_out() {
    lab("", async |lab| {
        lab.opens.set(Opens::Full);
        assert_eq!(lab.ask("wa.me", Kind::A).await.addresses(), [CAPTIVE]);
        assert_eq!(lab.ask("wa.me", AAAA).await.addresses(), [""; 0]);
        lab.opens.set(Opens::AtOnce);
        assert_eq!(lab.ask("wa.me", Kind::A).await.addresses(), ["203.0.113.80"]);
    });
}

#[test]
fn a_name_of_the_garden_opens_nothing_but_hosts_of_the_internet() {
    lab("", async |lab| {
        let inner = ["10.77.0.1", "127.0.0.1", "169.254.1.1", "0.0.0.0", CAPTIVE, "203.0.113.2", "224.0.0.1"];
        lab.resolver.knows("rebind.whatsapp.net", 0, &inner);
        lab.resolver.knows("mixed.whatsapp.net", 0, &["10.0.0.1", "203.0.113.9"]);
        lab.resolver.knows("six.whatsapp.net", 0, &["fd77::1", "::1", "fe80::1", "::ffff:10.0.0.1"]);
        lab.resolver.knows("local.whatsapp.net", 0, &["192.168.8.10"]);
        assert_eq!(lab.ask("rebind.whatsapp.net", Kind::A).await.addresses(), [CAPTIVE]);
        assert_eq!(lab.ask("six.whatsapp.net", AAAA).await.addresses(), [""; 0]);
        assert_eq!(lab.ask("local.whatsapp.net", Kind::A).await.addresses(), ["192.168.8.10"]);
        assert_eq!(lab.learned(), [], "an address that is open by itself is not learned");
        assert_eq!(lab.ask("mixed.whatsapp.net", Kind::A).await.addresses(), ["203.0.113.9"]);
        assert_eq!(lab.learned(), [(mac(GUEST), vec!["203.0.113.9".to_owned()], 60)]);
    });
}

#[test]
fn probes_get_real_answers_while_the_uplink_works_and_never_enter_the_garden() {
    let more = "config garden\n list name '*.google.com'\n list name 'captive.apple.com'\n";
    lab(more, async |lab| {
        lab.resolver.knows("captive.apple.com", 900, &["203.0.113.17", "2001:db8::17"]);
        lab.resolver.knows("www.google.com", 900, &["203.0.113.18"]);
        lab.resolver.knows("mail.google.com", 900, &["203.0.113.18", "203.0.113.19"]);
        // Nothing is known yet: it does not wait, and it does not ask.
        let first = lab.ask("captive.apple.com", Kind::A).await;
        assert_eq!((first.addresses(), lab.resolver.asked.borrow().len()), (vec![CAPTIVE.to_owned()], 0));
        assert!(first.took < Duration::from_millis(300), "{first:?}");

        spawn_local(Rc::clone(&lab.responder).keep_probes());
        lab.until_leads_to("www.google.com", "203.0.113.18").await;
        let real = lab.ask("captive.apple.com", Kind::A).await;
        assert_eq!((real.addresses(), real.response.ttl), (vec!["203.0.113.17".to_owned()], 5));
        assert_eq!(lab.ask("captive.apple.com", AAAA).await.addresses(), ["2001:db8::17"]);
        assert_eq!(lab.ask("www.google.com", AAAA).await.addresses(), [""; 0]);
        assert!(!lab.ask("captive.apple.com", HTTPS).await.response.has_records);
        assert_eq!(lab.resolver.times("captive.apple.com"), 2, "the gateway's own questions");
        assert_eq!(lab.learned(), []);
        // Nor by another name for the same host.
        assert_eq!(lab.ask("mail.google.com", Kind::A).await.addresses(), ["203.0.113.19"]);
        assert_eq!(lab.learned(), [(mac(GUEST), vec!["203.0.113.19".to_owned()], 900)]);

        lab.set_uplink(Uplink::Down);
        assert_eq!(lab.ask_from(3, "captive.apple.com", Kind::A).await.addresses(), [CAPTIVE]);
        assert_eq!(lab.ask_from(3, "captive.apple.com", AAAA).await.addresses(), [""; 0]);
        lab.set_uplink(Uplink::Up);
        assert_eq!(lab.ask_from(3, "captive.apple.com", Kind::A).await.addresses(), ["203.0.113.17"]);
    });
}

#[test]
fn a_resolver_that_lies_or_is_dead_leaves_the_captive_answer() {
    let modes = [
        Mode::Silent,
        Mode::ServFail,
        Mode::Refuses,
        Mode::Garbage,
        Mode::WrongNumber,
        Mode::WrongQuestion,
        Mode::OtherSource,
    ];
    std::thread::scope(|scope| {
        for mode in modes {
            scope.spawn(move || lab("", async |lab| answers_and_heals(&lab, mode).await));
        }
    });
}

async fn answers_and_heals(lab: &Lab, mode: Mode) {
    lab.resolver.mode.set(mode);
    let heard = lab.ask("wa.me", Kind::A).await;
    assert_eq!(heard.addresses(), [CAPTIVE], "{mode:?}");
    assert!(heard.took < Duration::from_secs(3), "{mode:?}: {heard:?}");
    assert_eq!(lab.learned(), [], "{mode:?}");
    // It is no worse for who has paid, while the monitor believes in the uplink.
    lab.put_online(GUEST);
    let heard = lab.ask("example.com", Kind::A).await;
    assert_eq!(heard.addresses(), [CAPTIVE], "{mode:?}");
    assert!(heard.took < Duration::from_millis(1900), "{mode:?}: {heard:?}");
    // And it heals.
    lab.resolver.mode.set(Mode::Good);
    lab.resolver.knows("example.com", 60, &["203.0.113.1"]);
    assert_eq!(lab.ask("example.com", Kind::A).await.addresses(), ["203.0.113.1"], "{mode:?}");
}

#[test]
fn a_resolver_that_is_not_there_is_noticed_at_once() {
    lab("", async |lab| {
        // A port that nobody has.
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let from = instant();
        let none = upstream::ask(free, &Name::parse("wa.me").unwrap(), Kind::A, [PATIENCE; 2]).await;
        assert!(none.is_none() && from.elapsed() < Duration::from_secs(1));
        drop(lab);
    });
}

#[test]
fn a_slow_resolver_is_heard_by_the_next_question() {
    lab("", async |lab| {
        lab.resolver.mode.set(Mode::Slow(Duration::from_secs(5)));
        let heard = lab.ask("wa.me", Kind::A).await;
        assert_eq!(heard.addresses(), [CAPTIVE]);
        assert!(heard.took < Duration::from_secs(3), "{heard:?}");
        lab.until_leads_to("wa.me", "203.0.113.80").await;
        assert!(lab.learned().iter().all(|(_, addresses, _)| addresses == &["203.0.113.80"]));
        assert!(lab.resolver.times("wa.me") <= 2, "one question, asked twice");
    });
}

#[test]
fn what_is_cut_short_is_asked_for_over_tcp() {
    lab("", async |lab| {
        lab.resolver.mode.set(Mode::Short);
        let many: Vec<String> = (50..=90).map(|n| format!("203.0.113.{n}")).collect();
        lab.resolver.knows("wa.me", 60, &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(lab.ask("wa.me", Kind::A).await.addresses(), many[..16]);
        assert_eq!(lab.resolver.times("wa.me"), 2);
    });
}

#[test]
fn who_is_online_gets_what_the_resolver_says() {
    lab("", async |lab| {
        lab.put_online(GUEST);
        lab.resolver.knows("nas.example", 77, &["192.168.1.7"]);
        let heard = lab.ask("nas.example", Kind::A).await;
        assert_eq!((heard.addresses(), heard.response.ttl), (vec!["192.168.1.7".to_owned()], 77));
        assert_eq!(lab.ask("nowhere.example", Kind::A).await.code, 3);
        assert_eq!(lab.learned(), []);
        // Others are not.
        assert_eq!(lab.ask_from(3, "nas.example", Kind::A).await.addresses(), [CAPTIVE]);
    });
}

#[test]
fn without_uplink_who_is_online_gets_the_portal_where_the_resolver_is_at_a_loss() {
    lab("", async |lab| {
        lab.put_online(GUEST);
        lab.set_uplink(Uplink::Down);
        lab.resolver.knows("nas.example", 77, &["192.168.1.7"]);
        assert_eq!(lab.ask("nas.example", Kind::A).await.addresses(), ["192.168.1.7"]);
        for mode in [Mode::Silent, Mode::ServFail, Mode::Refuses, Mode::Empty] {
            lab.resolver.mode.set(mode);
            assert_eq!(lab.ask("www.example", Kind::A).await.addresses(), [CAPTIVE], "{mode:?}");
            assert!(!lab.ask("www.example", HTTPS).await.response.has_records);
        }
        // Nobody waits for a garden that cannot be reached.
        let garden = lab.ask_from(3, "wa.me", Kind::A).await;
        assert_eq!(garden.addresses(), [CAPTIVE]);
        assert!(garden.took < Duration::from_millis(300), "{garden:?}");
        assert_eq!(lab.resolver.times("wa.me"), 0);
    });
}
