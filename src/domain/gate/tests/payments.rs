//! Payments that come in, payments that guests wait for, and who is helped over the wait.
//!
//! The reference of a payment is no secret: its first claimant gets it. What was paid is never lost: not by a
//! full hotspot, a restart, a plan that is not known yet, or being let in ahead.

use super::*;

/// A reference that nobody knows.
const fn unknown(n: u8) -> ReferenceKey {
    ReferenceKey([n; 16])
}

fn bridging() -> Limits {
    Limits { provisional_plan: Some(id("bridge")), ..LIMITS }
}

fn site() -> Desk {
    Desk::with_limits(vec![metered("hour", HOUR), metered("bridge", 5 * MINUTE)], bridging())
}

impl Desk {
    fn claims_payment(&mut self, mac: Mac, reference: ReferenceKey, reach: Reach) -> Reply {
        self.ask(Input::Redeem { mac, code: Found::Reference(reference, reach), moving: Moving::Ask })
    }

    /// A payment of `plan` under `reference`, as a row.
    fn pay(&mut self, plan: &str, reference: ReferenceKey, proof: Option<Proof>) -> CodeKey {
        let made = self.issue(plan, Kind::Payment, proof);
        let payment = Voucher { key: CodeKey(reference.0), ..self.vouchers.remove(&made).unwrap() };
        self.vouchers.insert(payment.key, payment.clone());
        payment.key
    }

    /// The cloud names the payment, as the store has it; a second time if it was named before.
    fn comes(&mut self, payment: CodeKey, mac: Option<Mac>) -> Decision {
        let decision = self.decide(Input::Paid { payment: Box::new(self.find(payment)), mac });
        self.take(&decision);
        decision
    }

    fn awaits(&self, mac: Mac) -> Option<Awaits> {
        self.gate.view(self.now).waiting.get(&mac).copied()
    }

    fn proves(&mut self, mac: Mac, payment: CodeKey, shown: Shown) -> Reply {
        let code = Found::Proved(Box::new(self.find(payment)), shown);
        self.ask(Input::Redeem { mac, code, moving: Moving::Ask })
    }
}

#[test]
fn a_payment_that_is_awaited_opens_by_itself_also_after_a_restart() {
    for restarts in [false, true] {
        let mut desk = site();
        assert_eq!(desk.claims_payment(mac(1), unknown(7), Reach::Unknown), Reply::Waiting);
        assert_eq!(desk.awaits(mac(1)), Some(Awaits::Payment));
        assert_eq!(desk.claims_payment(mac(1), unknown(7), Reach::Unknown), Reply::Waiting, "asked again");
        if restarts {
            desk.restart("boot-2", HOUR, Trust::Floor);
        }
        let payment = desk.pay("hour", unknown(7), None);
        desk.comes(payment, None);
        assert_eq!((desk.left(mac(1)), desk.awaits(mac(1))), (Some(HOUR), None));
        assert!(desk.claims.is_empty());
        assert_eq!(desk.gate.view(desk.now).sessions[&mac(1)].origin.word(), "payment");
    }
}

#[test]
fn nobody_who_did_not_ask_is_opened_by_a_payment() {
    let mut desk = site();
    let payment = desk.pay("hour", unknown(7), None);
    assert_eq!(desk.comes(payment, None).records, []);
    assert!(is_online(&desk.redeem(mac(3), payment)), "it is there to be typed");
}

#[test]
fn the_first_device_that_claimed_it_gets_it_though_the_second_came_in_the_same_second() {
    for restarts in [false, true] {
        let mut desk = site();
        desk.claims_payment(mac(9), unknown(7), Reach::Unknown);
        desk.pass(secs(u64::from(restarts)));
        desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
        if restarts {
            desk.restart("boot-1", secs(1), Trust::Trusted);
        }
        let payment = desk.pay("hour", unknown(7), None);
        desk.comes(payment, None);
        assert!(desk.is_open(mac(9)) && !desk.is_open(mac(1)));
        assert_eq!(desk.awaits(mac(1)), None, "there is nothing to wait for");
    }
}

#[test]
fn a_payment_that_names_a_device_opens_that_one_whoever_claimed_it() {
    let mut desk = site();
    desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
    let payment = desk.pay("hour", unknown(7), Some(Proof::Phone(PhoneTail::of("0417").unwrap())));
    desk.comes(payment, Some(mac(2)));
    assert!(desk.is_open(mac(2)) && !desk.is_open(mac(1)));
    assert!(desk.claims.is_empty());
}

#[test]
fn a_payment_that_comes_again_opens_nothing_again() {
    let mut desk = site();
    let payment = desk.pay("hour", unknown(7), None);
    let unread = desk.find(payment);
    let again = || Input::Paid { payment: Box::new(unread.clone()), mac: Some(mac(2)) };
    desk.comes(payment, Some(mac(1)));
    assert_eq!(desk.decide(again()).records, [], "in the same page");
    assert_eq!(desk.comes(payment, Some(mac(2))).records, []);
    desk.pass(HOUR);
    desk.due();
    assert_eq!(desk.decide(again()).records, [], "looked up before it was used up");
    desk.restart("boot-2", HOUR, Trust::Trusted);
    desk.vouchers.get_mut(&payment).unwrap().state = VoucherState::Spent;
    desk.claims_payment(mac(3), unknown(7), Reach::Unknown);
    desk.comes(payment, Some(mac(2)));
    assert_eq!((desk.gate.sessions(), desk.claims.len()), (0, 0));
}

#[test]
fn who_has_to_say_the_digits_is_told_so_and_gets_in_with_them_only() {
    let mut desk = site();
    let (right, other) = (PhoneTail::of("0417").unwrap(), PhoneTail::of("0418").unwrap());
    desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
    let payment = desk.pay("hour", unknown(7), Some(Proof::Phone(right)));
    desk.comes(payment, None);
    assert_eq!((desk.is_open(mac(1)), desk.awaits(mac(1))), (false, Some(Awaits::Digits)));
    desk.restart("boot-1", secs(1), Trust::Trusted);
    assert_eq!(desk.awaits(mac(1)), Some(Awaits::Digits));
    assert_eq!(desk.comes(payment, None).records, [], "it is told once");
    assert_eq!(desk.redeem(mac(1), payment), refused(Refusal::PhoneNeeded));
    for _ in 0..5 {
        assert_eq!(desk.proves(mac(2), payment, Shown::Phone(other)), refused(Refusal::PhoneWrong));
    }
    assert!(desk.gate.wait(mac(2), desk.now).is_some(), "wrong digits are guesses");
    assert!(is_online(&desk.proves(mac(1), payment, Shown::Phone(right))));
    assert_eq!(desk.awaits(mac(1)), None);
    assert_eq!(desk.redeem(mac(3), payment), refused(Refusal::PhoneNeeded), "whoever joins later too");
    assert!(is_online(&desk.redeem(mac(1), payment)), "who is in with it is not asked");
}

#[test]
fn what_finds_no_room_waits_and_opens_when_it_is_offered_again() {
    let plans = vec![metered("hour", HOUR)];
    let mut desk = Desk::with_limits(plans, Limits { max_clients: 1, ..LIMITS });
    let code = desk.sell("hour");
    desk.redeem(mac(9), code);
    desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
    let (claimed, named) = (desk.pay("hour", unknown(7), None), desk.pay("year", unknown(8), None));
    desk.comes(claimed, None);
    desk.comes(named, Some(mac(2)));
    assert_eq!((desk.awaits(mac(1)), desk.awaits(mac(2))), (Some(Awaits::Room), Some(Awaits::Room)));
    assert_eq!(desk.gate.claims().count(), 2, "those are what the store is asked for");
    desk.restart("boot-1", secs(1), Trust::Trusted);
    desk.ask(Input::Logout { mac: mac(9) });
    desk.comes(claimed, None);
    assert!(desk.is_open(mac(1)));
    desk.ask(Input::Logout { mac: mac(1) });
    desk.ask(Input::PlanPut(Box::new(Plan { source: PlanSource::Cloud, ..metered("year", DAY) })));
    desk.comes(named, None);
    assert_eq!((desk.left(mac(2)), desk.claims.len()), (Some(DAY), 0));
}

#[test]
fn of_several_payments_that_await_digits_the_one_claimed_last_is_meant() {
    let mut desk = site();
    let right = PhoneTail::of("0417").unwrap();
    for (n, reference) in [(1, 9), (1, 7), (2, 8)] {
        desk.claims_payment(mac(n), unknown(reference), Reach::Unknown);
        assert_eq!(desk.gate.awaiting_digits(mac(n)), None, "it has not come yet");
        desk.pass(secs(1));
    }
    let [first, last, _] = [9, 7, 8].map(|reference| {
        let payment = desk.pay("hour", unknown(reference), Some(Proof::Phone(right)));
        desk.comes(payment, None);
        payment
    });
    desk.restart("boot-1", secs(1), Trust::Trusted);
    let meant = [1, 2, 3].map(|n| desk.gate.awaiting_digits(mac(n)));
    assert_eq!(meant, [Some(unknown(7)), Some(unknown(8)), None]);
    desk.proves(mac(1), last, Shown::Phone(right));
    assert_eq!(desk.gate.awaiting_digits(mac(1)), Some(ReferenceKey(first.0)));
    desk.proves(mac(1), first, Shown::Phone(right));
    assert_eq!((desk.gate.awaiting_digits(mac(1)), desk.left(mac(1))), (None, Some(2 * HOUR)));
}

#[test]
fn room_is_offered_to_who_waits_longest_and_asks_for_no_digits() {
    let mut desk = Desk::with_limits(vec![metered("hour", HOUR)], Limits { max_clients: 1, ..LIMITS });
    let code = desk.sell("hour");
    desk.redeem(mac(9), code);
    let proof = Some(Proof::Phone(PhoneTail::of("0417").unwrap()));
    for (n, reference) in [(1, 8), (2, 7)] {
        let payment = desk.pay("hour", unknown(reference), proof.clone());
        desk.comes(payment, Some(mac(n)));
        desk.pass(secs(1));
    }
    desk.claims_payment(mac(3), unknown(6), Reach::Unknown);
    desk.restart("boot-1", secs(1), Trust::Trusted);
    let waiting = desk.gate.awaiting_room();
    assert_eq!(waiting.iter().map(|claim| claim.mac).collect::<Vec<_>>(), [mac(1), mac(2)]);
    for claim in &waiting {
        assert_eq!(desk.comes(CodeKey(claim.reference.0), Some(claim.mac)).records, [], "full as before");
    }
    desk.ask(Input::Logout { mac: mac(9) });
    for claim in waiting {
        desk.comes(CodeKey(claim.reference.0), Some(claim.mac));
    }
    assert!(desk.is_open(mac(1)) && !desk.is_open(mac(2)));
    assert_eq!((desk.awaits(mac(1)), desk.awaits(mac(2))), (None, Some(Awaits::Room)));
}

#[test]
fn nobody_waits_for_what_can_never_be_begun() {
    let over = Plan { activate_by: Some(Wall::from_secs(NOON - 1)), ..metered("over", HOUR) };
    let mut desk = Desk::new(vec![over]);
    desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
    let payment = desk.pay("over", unknown(7), None);
    assert_eq!(desk.comes(payment, None).reply, refused(Refusal::CodeExpired));
    assert_eq!(desk.awaits(mac(1)), None);
}

#[test]
fn who_is_online_gets_more_of_the_same_plan_and_begins_another_one() {
    let mut desk = Desk::new(vec![metered("hour", HOUR), metered("two", 2 * HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    let (same, other) = (desk.pay("hour", unknown(7), None), desk.pay("two", unknown(8), None));
    desk.comes(same, Some(mac(1)));
    assert_eq!((desk.left(mac(1)), desk.gate.sessions()), (Some(110 * MINUTE), 1));
    desk.comes(other, Some(mac(1)));
    assert_eq!(desk.left(mac(1)), Some(2 * HOUR));
    desk.redeem(mac(1), code);
    assert_eq!(desk.left(mac(1)), Some(110 * MINUTE), "the rest is kept");
}

#[test]
fn a_device_is_let_in_ahead_only_while_the_cloud_cannot_be_asked_and_loses_nothing_by_it() {
    let mut desk = site();
    assert_eq!(desk.claims_payment(mac(2), unknown(8), Reach::Unknown), Reply::Waiting);
    assert!(is_online(&desk.claims_payment(mac(1), unknown(7), Reach::Away)));
    assert_eq!((desk.left(mac(1)), desk.awaits(mac(1))), (Some(5 * MINUTE), Some(Awaits::Payment)));
    desk.pass(4 * MINUTE);
    let payment = desk.pay("hour", unknown(7), None);
    desk.comes(payment, None);
    assert_eq!((desk.left(mac(1)), desk.awaits(mac(1))), (Some(HOUR), None));
}

#[test]
fn a_payment_of_the_plan_that_bridges_is_not_begun_by_bridging() {
    let mut desk = site();
    desk.claims_payment(mac(1), unknown(7), Reach::Away);
    desk.pass(4 * MINUTE);
    let payment = desk.pay("bridge", unknown(7), None);
    desk.comes(payment, None);
    assert_eq!(desk.left(mac(1)), Some(5 * MINUTE));
    desk.ask(Input::Logout { mac: mac(1) });
    assert!(is_online(&desk.redeem(mac(1), payment)), "and its reference leads back to it");
}

#[test]
fn a_device_is_let_in_ahead_once_a_day_whatever_became_of_its_claim() {
    let limits = Limits { claims_kept: HOUR, ..bridging() };
    let mut desk = Desk::with_limits(vec![metered("hour", HOUR), metered("bridge", 5 * MINUTE)], limits);
    desk.claims_payment(mac(1), unknown(1), Reach::Away);
    desk.claims_payment(mac(2), unknown(2), Reach::Away);
    let payment = desk.pay("hour", unknown(1), None);
    desk.comes(payment, None);
    desk.pass(2 * HOUR);
    desk.due();
    desk.due();
    assert_eq!(desk.gate.view(desk.now).waiting.len(), 0, "one is confirmed, the other forgotten");
    desk.restart("boot-2", secs(1), Trust::Trusted);
    for n in [1, 2] {
        assert_eq!(desk.claims_payment(mac(n), unknown(10 + n), Reach::Away), Reply::Waiting, "{n}");
    }
    desk.pass(DAY - 2 * HOUR);
    desk.due();
    assert!(desk.claims.is_empty(), "a day later nothing is remembered");
    for n in [1, 2] {
        assert!(is_online(&desk.claims_payment(mac(n), unknown(20 + n), Reach::Away)), "{n}");
    }
}

#[test]
fn to_be_let_in_ahead_is_not_to_have_paid() {
    let mut desk = site();
    for _ in 0..4 {
        desk.ask(wrong(mac(1), Blame::Device));
    }
    assert!(is_online(&desk.claims_payment(mac(1), unknown(7), Reach::Away)));
    assert!(desk.gate.wait(mac(1), desk.now).is_some(), "the fifth try, and none is forgiven");
    desk.restart("boot-1", secs(1), Trust::Trusted);
    for n in 100..130 {
        desk.ask(wrong(mac(n), Blame::DeviceAndSite));
    }
    assert!(desk.gate.wait(mac(1), desk.now).is_some(), "no lane of those who paid");
}

#[test]
fn an_unknown_reference_is_a_guess_until_it_is_confirmed() {
    let mut desk = site();
    for n in 1..=30 {
        assert_eq!(desk.claims_payment(mac(n), unknown(n), Reach::Unknown), Reply::Waiting);
    }
    assert!(desk.gate.wait(mac(99), desk.now).is_some(), "the site's budget is gone");
    assert!(desk.gate.wait(mac(1), desk.now).is_some());
    let payment = desk.pay("hour", unknown(1), None);
    desk.comes(payment, None);
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
    assert_eq!(desk.gate.wait(mac(99), desk.now), None, "one is given back to the site");
    desk.ask(wrong(mac(99), Blame::DeviceAndSite));
    assert!(desk.gate.wait(mac(98), desk.now).is_some(), "and no more than one");
}

#[test]
fn a_device_has_three_claims_and_the_site_five_hundred() {
    let mut desk = Desk::new(vec![]);
    let mut claimed = 0;
    for n in 0..600_u16 {
        let [a, b] = n.to_be_bytes();
        let mut key = [0; 16];
        (key[0], key[1]) = (a, b);
        let device = Mac::new([2, 0, 0, 1, a, b]);
        let reply = desk.claims_payment(device, ReferenceKey(key), Reach::Unknown);
        assert!(reply == Reply::Waiting || reply == refused(Refusal::TooManyClaims), "{reply:?}");
        claimed += u32::from(reply == Reply::Waiting);
        desk.pass(secs(6));
    }
    assert_eq!(claimed, 500);
    desk.pass(2 * DAY);
    desk.due();
    assert_eq!(desk.gate.claims().count(), 0, "forgotten after two days");
    let replies = [1, 2, 3, 4].map(|n| desk.claims_payment(mac(1), unknown(n), Reach::Unknown));
    assert_eq!(replies[2..], [Reply::Waiting, refused(Refusal::TooManyClaims)]);
}

#[test]
fn a_reference_that_was_redeemed_since_it_was_looked_up_is_not_claimed() {
    let mut desk = site();
    let payment = desk.pay("hour", unknown(7), None);
    desk.comes(payment, Some(mac(1)));
    let claim = |desk: &mut Desk, n| desk.claims_payment(mac(n), unknown(7), Reach::Unknown);
    assert_eq!(claim(&mut desk, 1), Reply::Online(SessionId(1)));
    assert_eq!(claim(&mut desk, 2), refused(Refusal::InUse));
    desk.pass(HOUR);
    desk.due();
    assert_eq!(claim(&mut desk, 2), refused(Refusal::CodeSpent));
    assert!(desk.claims.is_empty());
}

#[test]
fn a_payment_belongs_to_who_claimed_it_first_whatever_a_neighbour_taps() {
    let mut desk = site();
    for (reference, plan) in [(unknown(7), "hour"), (unknown(8), "hour")] {
        let payment = desk.pay(plan, reference, None);
        let code = |desk: &Desk| Found::Voucher(Box::new(desk.find(payment)));
        let types = |desk: &mut Desk, n, moving| {
            let code = code(desk);
            desk.ask(Input::Redeem { mac: mac(n), code, moving })
        };
        // The second adds up with the first.
        assert_eq!(types(&mut desk, 1, Moving::Ask), Reply::Online(SessionId(1)));
        desk.restart("boot-2", MINUTE, Trust::Floor);
        for moving in [Moving::Ask, Moving::Agreed] {
            assert_eq!(types(&mut desk, 2, moving), refused(Refusal::WrongDevice));
        }
        assert!(desk.is_open(mac(1)) && !desk.is_open(mac(2)));
    }
}

#[test]
fn a_payment_goes_along_to_another_phone_for_who_knows_the_digits() {
    let mut desk = site();
    let tail = PhoneTail::of("0417").unwrap();
    let payment = desk.pay("hour", unknown(7), Some(Proof::Phone(tail)));
    assert_eq!(desk.proves(mac(1), payment, Shown::Phone(tail)), Reply::Online(SessionId(1)));
    assert_eq!(desk.proves(mac(2), payment, Shown::Phone(tail)), refused(Refusal::InUse));
}

#[test]
fn a_payment_that_is_taken_back_is_awaited_again() {
    let mut desk = site();
    desk.claims_payment(mac(1), unknown(7), Reach::Unknown);
    let proof = Some(Proof::Phone(PhoneTail::of("0417").unwrap()));
    let payment = desk.pay("hour", unknown(7), proof);
    desk.comes(payment, None);
    let name = desk.find(payment).name();
    desk.ask(Input::RowGone { name, known: Some(Box::new(desk.find(payment))) });
    assert_eq!(desk.awaits(mac(1)), Some(Awaits::Payment));
}

#[test]
fn a_payment_that_could_not_be_stored_is_still_awaited() {
    let mut desk = site();
    desk.claims_payment(mac(1), unknown(7), Reach::Away);
    let payment = desk.pay("hour", unknown(7), None);
    let decision = desk.decide(Input::Paid { payment: Box::new(desk.find(payment)), mac: None });
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert_eq!((desk.awaits(mac(1)), desk.left(mac(1))), (Some(Awaits::Payment), Some(5 * MINUTE)));
    desk.comes(payment, None);
    assert_eq!(desk.left(mac(1)), Some(HOUR));
}
