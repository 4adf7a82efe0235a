//! Codes, devices, grants by hand, and what cuts them.
//!
//! Who may use a code, how many at a time and ever, what a second code does to the first, and what an
//! operator can do without one. What time does to all of it is in `time.rs`.

use super::*;

#[test]
fn the_first_use_opens_the_device_with_all_that_the_plan_promises() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let decision = desk.decide(typed(mac(1), desk.find(code)));
    let ends = Some(desk.now.boot.plus(HOUR));
    assert_eq!(decision.effects, [Effect::Admit { mac: mac(1) }, Effect::CutFlows { mac: mac(1) }]);
    assert_eq!(decision.reply, Reply::Online(SessionId(1)));
    assert!(!desk.is_open(mac(1)), "deciding changes nothing");
    desk.take(&decision);
    assert_eq!(desk.gate.desired(desk.now)[&mac(1)].ends, ends);
    let view = desk.gate.view(desk.now);
    let session = &view.sessions[&mac(1)];
    assert_eq!((session.hint.as_str(), session.batch.as_ref().unwrap().as_str()), ("705", "b1"));
    assert_eq!((session.whole, session.devices_online), (Some(HOUR), 1));
}

#[test]
fn the_device_that_holds_the_code_keeps_its_session() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let first = desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    let decision = desk.decide(typed(mac(1), desk.find(code)));
    assert_eq!(decision, Decision { records: vec![], effects: vec![], reply: first });
}

#[test]
fn a_code_for_two_devices_lets_a_second_join_and_asks_for_the_third() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    assert!(is_online(&desk.redeem(mac(1), code)));
    assert!(is_online(&desk.redeem(mac(2), code)));
    assert_eq!(desk.redeem(mac(3), code), refused(Refusal::InUse));
    assert!(desk.is_open(mac(1)) && desk.is_open(mac(2)) && !desk.is_open(mac(3)));
    assert_eq!(desk.gate.devices_of(EntitlementId(1)).collect::<Vec<_>>(), [mac(1), mac(2)]);
}

#[test]
fn a_move_evicts_the_device_that_came_first() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    for n in [2, 1] {
        desk.redeem(mac(n), code);
    }
    let moving = Moving::Agreed;
    let code = Found::Voucher(Box::new(desk.find(code)));
    let decision = desk.decide(Input::Redeem { mac: mac(3), code, moving });
    assert_eq!(
        decision.effects[..2],
        [Effect::Evict { mac: mac(2) }, Effect::CutFlows { mac: mac(2) }],
        "the oldest goes first"
    );
    assert!(decision.records.iter().any(|record| matches!(
        record,
        Record::SessionClosed { session: SessionId(1), why: Closing::Moved, .. }
    )));
    desk.take(&decision);
    assert!(!desk.is_open(mac(2)) && desk.is_open(mac(1)) && desk.is_open(mac(3)));
}

#[test]
fn bound_devices_limit_how_many_ever_use_a_code() {
    let mut desk = Desk::new(vec![with(metered("hour", HOUR), |terms| terms.bound_devices = 2)]);
    let code = desk.sell("hour");
    for n in [1, 2] {
        assert!(is_online(&desk.redeem(mac(n), code)), "{n}");
        desk.ask(Input::Logout { mac: mac(n) });
    }
    assert_eq!(desk.redeem(mac(3), code), refused(Refusal::WrongDevice));
    assert_eq!(desk.redeem_here(mac(3), code), refused(Refusal::WrongDevice));
    assert!(is_online(&desk.redeem(mac(1), code)), "a device that was bound may come back");
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(desk.redeem_here(mac(3), code), refused(Refusal::WrongDevice), "and so after a reboot");
}

#[test]
fn a_code_has_to_be_begun_by_the_earlier_of_its_own_and_the_plans_last_moment() {
    let (early, late) = (Wall::from_secs(NOON + 10), Wall::from_secs(NOON + 20));
    for (of_plan, of_voucher) in [(Some(early), Some(late)), (Some(late), Some(early)), (None, Some(early))] {
        let mut desk = Desk::new(vec![Plan { activate_by: of_plan, ..metered("hour", HOUR) }]);
        let codes = [desk.sell("hour"), desk.sell("hour")];
        for voucher in desk.vouchers.values_mut() {
            voucher.activate_by = of_voucher;
        }
        desk.pass(secs(10));
        assert!(is_online(&desk.redeem(mac(1), codes[0])), "the last moment still counts");
        desk.pass(secs(1));
        assert_eq!(desk.redeem(mac(2), codes[1]), refused(Refusal::CodeExpired));
        assert!(desk.is_open(mac(1)), "what has begun goes on");
    }
}

#[test]
fn codes_that_are_over_say_how() {
    let mut desk = Desk::new(vec![metered("hour", HOUR), valid("day", DAY)]);
    let (spent, expired, revoked) = (desk.sell("hour"), desk.sell("day"), desk.sell("hour"));
    desk.redeem(mac(1), spent);
    desk.redeem(mac(2), expired);
    desk.ask(Input::RevokeVoucher { voucher: desk.find(revoked) });
    desk.pass(DAY);
    desk.due();
    for (code, why) in
        [(spent, Refusal::CodeSpent), (expired, Refusal::CodeExpired), (revoked, Refusal::CodeRevoked)]
    {
        assert_eq!(desk.redeem(mac(3), code), refused(why));
    }
    assert_eq!(desk.gate.sessions(), 0);
}

#[test]
fn a_code_that_is_over_is_refused_to_its_own_device_too() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(HOUR);
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent), "before `due` was asked");
}

#[test]
fn revoking_a_code_in_use_cuts_all_its_devices() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    let decision = desk.decide(Input::RevokeVoucher { voucher: desk.find(code) });
    for n in [1, 2] {
        assert!(decision.effects.contains(&Effect::Evict { mac: mac(n) }));
        assert!(decision.effects.contains(&Effect::CutFlows { mac: mac(n) }));
    }
    desk.take(&decision);
    assert_eq!(desk.gate.sessions(), 0);
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeRevoked));
    let again = desk.decide(Input::RevokeVoucher { voucher: desk.find(code) });
    assert_eq!((again.records, again.reply), (vec![], Reply::Done), "once is enough");
}

#[test]
fn switching_to_another_code_keeps_the_rest_of_the_first() {
    let mut desk = Desk::new(vec![metered("hour", HOUR), metered("other", HOUR)]);
    let (first, second) = (desk.sell("hour"), desk.sell("other"));
    desk.redeem(mac(1), first);
    desk.pass(10 * MINUTE);
    assert!(is_online(&desk.redeem(mac(1), second)));
    assert_eq!(desk.gate.sessions(), 1);
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    desk.pass(20 * MINUTE);
    assert!(is_online(&desk.redeem(mac(1), first)));
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE));
    desk.pass(MINUTE);
    desk.redeem(mac(1), second);
    assert_eq!(desk.left(mac(1)), Some(40 * MINUTE));
}

#[test]
fn a_full_hotspot_takes_nobody_new_and_keeps_everybody_else() {
    let plans = vec![metered("hour", HOUR), metered("other", HOUR)];
    let mut desk = Desk::with_limits(plans, Limits { max_clients: 1, ..LIMITS });
    let (first, second, third) = (desk.sell("hour"), desk.sell("hour"), desk.sell("other"));
    desk.redeem(mac(1), first);
    assert_eq!(desk.redeem(mac(2), second), refused(Refusal::Full));
    assert_eq!(desk.ask(Input::Grant { mac: mac(2), plan: id("hour") }), refused(Refusal::Full));
    assert!(is_online(&desk.redeem(mac(1), third)), "a guest who is in may use another code");
    assert_eq!(desk.redeem(mac(2), first), refused(Refusal::Full), "the code is free, the hotspot is not");
}

#[test]
fn an_operator_opens_a_device_by_hand() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let grant = |plan| Input::Grant { mac: mac(1), plan: id(plan) };
    assert_eq!(desk.ask(grant("year")), refused(Refusal::NoSuchPlan(id("year"))));
    assert!(is_online(&desk.ask(grant("hour"))));
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    assert_eq!(desk.gate.view(desk.now).sessions[&mac(1)].origin.word(), "manual");
}

#[test]
fn an_operator_cuts_by_session_and_by_device() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    assert_eq!(desk.ask(Input::Kick { session: SessionId(9) }), refused(Refusal::NoSuchSession));
    assert_eq!(desk.ask(Input::Kick { session: SessionId(1) }), Reply::Closed(SessionId(1)));
    assert!(!desk.is_open(mac(1)));
    desk.redeem(mac(1), code);
    assert_eq!(desk.ask(Input::KickDevice { mac: mac(1) }), Reply::Closed(SessionId(2)));
    assert_eq!(desk.ask(Input::KickDevice { mac: mac(1) }), refused(Refusal::NotOnline));
    assert_eq!(desk.ask(Input::Logout { mac: mac(1) }), refused(Refusal::NotOnline));
}

#[test]
fn vouchers_are_made_only_of_plans_that_exist() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let good = desk.sell("hour");
    let good = desk.find(good);
    let bad = Voucher { plan: id("year"), ..good.clone() };
    let refusal = desk.decide(Input::MakeVouchers { vouchers: vec![good.clone(), bad] });
    assert_eq!((refusal.records, refusal.reply), (vec![], refused(Refusal::NoSuchPlan(id("year")))));
    let made = desk.decide(Input::MakeVouchers { vouchers: vec![good.clone()] });
    assert_eq!(made.records, [Record::VouchersMade(vec![good])]);
}

#[test]
fn what_was_sold_stays_as_it_was_sold() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let (begun, unused) = (desk.sell("hour"), desk.sell("hour"));
    desk.redeem(mac(1), begun);
    desk.gate.configure(vec![metered("hour", MINUTE)], LIMITS);
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    desk.redeem(mac(2), unused);
    assert_eq!(desk.left(mac(2)), Some(MINUTE));
    let late = desk.sell("hour");
    desk.gate.configure(vec![], LIMITS);
    assert_eq!(desk.redeem(mac(3), late), refused(Refusal::NoSuchPlan(id("hour"))));
    assert!(desk.is_open(mac(1)) && desk.is_open(mac(2)));
}
