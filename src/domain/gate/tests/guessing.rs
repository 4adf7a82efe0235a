//! Guessing is slow, for whoever guesses, and for nobody else.
//!
//! The arithmetic of one device and of the site's bucket is tested beside it, in `attempts.rs`; here is
//! who draws on which, and what an attacker who holds one live code can make of it.

use super::*;

/// Wrong codes of so many fresh devices that the site's budget is gone.
fn exhaust_the_site(desk: &mut Desk) {
    for n in 100..130 {
        assert_eq!(desk.ask(wrong(mac(n), Blame::DeviceAndSite)), refused(Refusal::CodeUnknown), "{n}");
    }
}

fn must_wait(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(Refusal::TooManyTries { .. }))
}

#[test]
fn a_device_that_guesses_has_to_wait_even_with_a_right_code() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    for _ in 0..5 {
        assert_eq!(desk.ask(wrong(mac(1), Blame::DeviceAndSite)), refused(Refusal::CodeUnknown));
    }
    let retry_after = secs(10);
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::TooManyTries { retry_after }));
    assert_eq!(desk.gate.wait(mac(1), desk.now), Some(retry_after), "asked before the code is looked up");
    assert_eq!(desk.gate.wait(mac(2), desk.now), None);
    desk.pass(retry_after);
    assert!(is_online(&desk.redeem(mac(1), code)));
}

/// Claims are few, and what is no claim any more would cost nothing.
#[test]
fn a_device_that_waits_for_payments_has_to_wait_when_it_types_on() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let says = |desk: &mut Desk, n| {
        let code = Found::Reference(ReferenceKey([n; 16]), Reach::Unknown);
        desk.ask(Input::Redeem { mac: mac(1), code, moving: Moving::Ask })
    };
    assert_eq!([101, 102, 103].map(|n| says(&mut desk, n)), [Reply::Waiting, Reply::Waiting, Reply::Waiting]);
    assert_eq!([104, 105].map(|n| says(&mut desk, n)), [(); 2].map(|()| refused(Refusal::TooManyClaims)));
    assert!(must_wait(&says(&mut desk, 106)));
    assert!(must_wait(&desk.redeem(mac(1), code)), "a right one is not told from a wrong one");
    assert_eq!(desk.claims.len(), 3, "what is awaited is awaited on");
}

#[test]
fn right_codes_never_count() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    for n in 1..60 {
        assert!(is_online(&desk.redeem_here(mac(n), code)), "{n}");
        assert!(is_online(&desk.redeem(mac(n), code)), "{n}");
        desk.pass(secs(10));
    }
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::InUse));
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
}

#[test]
fn a_guest_who_paid_is_not_locked_out_by_those_who_guess() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let codes = [desk.sell("hour"), desk.sell("hour"), desk.sell("hour")];
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(2), codes[1]);
    desk.ask(Input::Logout { mac: mac(2) });
    exhaust_the_site(&mut desk);
    assert!(must_wait(&desk.redeem(mac(3), codes[2])));
    for n in [1, 2] {
        assert_eq!(desk.gate.wait(mac(n), desk.now), None, "device {n} has a lane of its own");
    }
    desk.restart("boot-1", Duration::ZERO, Trust::Trusted);
    exhaust_the_site(&mut desk);
    assert_eq!(desk.gate.wait(mac(1), desk.now), None, "and after a restart");
}

#[test]
fn wrong_codes_of_a_guest_who_paid_cost_the_site_nothing() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    for n in 1..=20 {
        let code = desk.sell("hour");
        desk.redeem(mac(n), code);
        for _ in 0..4 {
            desk.ask(wrong(mac(n), Blame::DeviceAndSite));
        }
    }
    assert_eq!(desk.gate.wait(mac(99), desk.now), None);
}

#[test]
fn the_lane_of_a_guest_who_paid_ends_a_day_after_the_last_session() {
    let mut desk = Desk::new(vec![valid("month", 30 * DAY)]);
    let code = desk.sell("month");
    desk.redeem(mac(1), code);
    for _ in 0..20 * 24 * 12 {
        desk.pass(LIMITS.checkpoint);
        desk.due();
    }
    exhaust_the_site(&mut desk);
    assert_eq!(desk.gate.wait(mac(1), desk.now), None, "online for weeks");
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(DAY - secs(200));
    exhaust_the_site(&mut desk);
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
    desk.pass(secs(200));
    exhaust_the_site(&mut desk);
    assert!(desk.gate.wait(mac(1), desk.now).is_some());
}

#[test]
fn one_code_that_is_used_again_and_again_buys_no_guesses() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    let mut guesses = 0;
    for _ in 0..100 {
        desk.ask(Input::Logout { mac: mac(1) });
        desk.redeem(mac(1), code);
        let reply = desk.ask(wrong(mac(1), Blame::DeviceAndSite));
        guesses += usize::from(reply == refused(Refusal::CodeUnknown));
    }
    assert_eq!(guesses, 5, "a login with the same code forgives nothing");
}

#[test]
fn one_code_that_is_moved_from_mac_to_mac_buys_no_guesses() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let mut guesses = 0;
    for n in 1..=100 {
        desk.redeem_here(mac(n), code);
        let reply = desk.ask(wrong(mac(n), Blame::DeviceAndSite));
        guesses += usize::from(reply == refused(Refusal::CodeUnknown));
    }
    // The device that opened the code has a lane; the others share the site's 30.
    assert_eq!(guesses, 31);
}

#[test]
fn a_new_code_forgives_the_typing_before_it() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    for _ in 0..4 {
        desk.ask(wrong(mac(1), Blame::Device));
    }
    desk.redeem(mac(1), code);
    for _ in 0..4 {
        assert_eq!(desk.ask(wrong(mac(1), Blame::Device)), refused(Refusal::CodeUnknown));
    }
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
}

#[test]
fn typing_errors_count_for_the_device_only() {
    let mut desk = Desk::new(vec![]);
    for n in 1..=60 {
        assert_eq!(desk.ask(wrong(mac(n), Blame::Device)), refused(Refusal::CodeUnknown));
    }
    assert_eq!(desk.gate.wait(mac(99), desk.now), None);
    for _ in 0..4 {
        desk.ask(wrong(mac(1), Blame::Device));
    }
    assert!(must_wait(&desk.ask(wrong(mac(1), Blame::Device))));
}
