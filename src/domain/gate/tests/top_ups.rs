//! A second code of the plan that a device is using: it adds up, live, and both belong together from then on.

use super::*;

/// An hour, a day, a thousand bytes.
fn all() -> Plan {
    with(metered("all", HOUR), |terms| {
        (terms.validity, terms.data.total) = (Some(DAY), Some(Bytes(1000)));
    })
}

/// Two codes of `plan`, the first in use by `mac(1)` for ten minutes, the second typed there too.
fn topped_up(plan: Plan) -> (Desk, [CodeKey; 2]) {
    let name = plan.id.to_string();
    let mut desk = Desk::new(vec![plan]);
    let codes = [desk.sell(&name), desk.sell(&name)];
    desk.redeem(mac(1), codes[0]);
    desk.pass(10 * MINUTE);
    assert_eq!(desk.redeem(mac(1), codes[1]), Reply::Online(SessionId(1)), "the session goes on");
    (desk, codes)
}

#[test]
fn all_that_was_bought_adds_up_live() {
    let (mut desk, [first, second]) = topped_up(all());
    let entitlement = desk.entitlement_of(first);
    let moment = desk.gate.moment(desk.now);
    assert_eq!(entitlement.metered_left(moment), Some(110 * MINUTE));
    assert_eq!(entitlement.validity_left(moment), Some(2 * DAY - 10 * MINUTE));
    assert_eq!(entitlement.data_left(), Some(Bytes(2000)));
    assert_eq!(entitlement.last_stamp().expires, Some(Wall::from_secs(NOON).plus(2 * DAY)));
    assert_eq!(desk.find(second).entitlement, desk.find(first).entitlement);
    let grant = desk.gate.grant(mac(1), desk.now).unwrap();
    assert_eq!((grant.ends, grant.cap.total), (Some(desk.now.boot.plus(110 * MINUTE)), Some(Bytes(2000))));
    desk.pass(109 * MINUTE);
    desk.due();
    assert!(desk.is_open(mac(1)));
    desk.pass(MINUTE);
    desk.due();
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn the_kernel_is_told_of_the_new_end_and_no_flow_is_cut() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let codes = [desk.sell("hour"), desk.sell("hour")];
    desk.redeem(mac(1), codes[0]);
    let decision = desk.decide(typed(mac(1), desk.find(codes[1])));
    assert_eq!(decision.effects, [Effect::Regrant]);
}

#[test]
fn either_code_leads_back_to_the_whole_also_after_a_restart() {
    let (mut desk, codes) = topped_up(metered("hour", HOUR));
    for boot in ["boot-1", "boot-2"] {
        for code in codes {
            desk.ask(Input::Logout { mac: mac(1) });
            assert!(is_online(&desk.redeem(mac(1), code)), "{boot}");
            assert_eq!(desk.left(mac(1)), Some(110 * MINUTE));
        }
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
    }
    assert_eq!(desk.redeem(mac(2), codes[1]), refused(Refusal::InUse), "for one device still");
}

#[test]
fn when_the_whole_is_over_so_is_each_code_whenever_it_was_looked_up() {
    let (mut desk, codes) = topped_up(metered("hour", HOUR));
    let third = desk.sell("hour");
    let stale = desk.find(third);
    desk.redeem(mac(1), third);
    desk.pass(4 * HOUR);
    desk.due();
    assert_eq!(desk.ask(typed(mac(2), stale)), refused(Refusal::CodeSpent), "looked up before");
    for code in [codes[0], codes[1], third] {
        assert_eq!(desk.redeem(mac(2), code), refused(Refusal::CodeSpent));
    }
    assert_eq!(desk.gate.sessions(), 0);
}

#[test]
fn what_has_no_limit_does_not_swallow_a_code() {
    let mut desk = Desk::new(vec![plan("free")]);
    let codes = [desk.sell("free"), desk.sell("free")];
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(1), codes[1]);
    assert!(is_online(&desk.redeem(mac(2), codes[0])), "the first code is free again");
    assert!(desk.is_open(mac(1)));
}

#[test]
fn what_is_sold_otherwise_by_now_does_not_add_up() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let codes = [desk.sell("hour"), desk.sell("hour")];
    desk.redeem(mac(1), codes[0]);
    let for_two = with(metered("hour", HOUR), |terms| terms.devices = 2);
    desk.gate.configure(vec![for_two], LIMITS);
    desk.pass(10 * MINUTE);
    assert!(is_online(&desk.redeem(mac(1), codes[1])));
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    desk.redeem(mac(2), codes[0]);
    assert_eq!(desk.left(mac(2)), Some(50 * MINUTE), "the rest of the first is kept");
}

#[test]
fn what_was_opened_by_hand_is_not_topped_up_for_no_code_leads_back_to_it() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.ask(Input::Grant { mac: mac(1), plan: id("hour") });
    desk.pass(10 * MINUTE);
    desk.redeem(mac(1), code);
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    desk.ask(Input::Logout { mac: mac(1) });
    assert!(is_online(&desk.redeem(mac(1), code)));
}

#[test]
fn a_second_code_counts_as_paid_like_the_first() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let codes = [desk.sell("hour"), desk.sell("hour")];
    desk.redeem(mac(1), codes[0]);
    for _ in 0..4 {
        desk.ask(wrong(mac(1), Blame::Device));
    }
    desk.redeem(mac(1), codes[1]);
    for _ in 0..4 {
        assert_eq!(desk.ask(wrong(mac(1), Blame::Device)), refused(Refusal::CodeUnknown));
    }
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
}

#[test]
fn to_withdraw_one_of_the_codes_ends_the_whole() {
    let (mut desk, [first, second]) = topped_up(metered("hour", HOUR));
    desk.ask(Input::RevokeVoucher { voucher: desk.find(second) });
    assert!(!desk.is_open(mac(1)));
    for code in [first, second] {
        assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeRevoked));
    }
}

#[test]
fn a_top_up_that_could_not_be_stored_is_none() {
    let mut desk = Desk::new(vec![all()]);
    let codes = [desk.sell("all"), desk.sell("all")];
    desk.redeem(mac(1), codes[0]);
    let before = desk.entitlement_of(codes[0]).clone();
    let decision = desk.decide(typed(mac(1), desk.find(codes[1])));
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert_eq!(*desk.entitlement_of(codes[0]), before);
    assert!(is_online(&desk.redeem(mac(2), codes[1])), "the second code is as good as new");
    assert_eq!(desk.gate.sessions(), 2);
}
