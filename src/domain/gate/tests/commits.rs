//! Commits that are shared, and commits that fail.
//!
//! Between a look into the store and the decision others may have been quicker, and what was decided may
//! never reach the flash: neither may give anything away, or take it.

use super::*;

#[test]
fn of_twenty_guests_with_one_code_in_one_batch_exactly_one_wins() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let voucher = desk.find(code);
    let mut replies = Vec::new();
    for n in 1..=20 {
        let decision = desk.decide(typed(mac(n), voucher.clone()));
        desk.gate.apply(&decision.records, desk.now);
        replies.push(decision.reply);
    }
    desk.gate.settle();
    assert_eq!(replies[0], Reply::Online(SessionId(1)));
    assert!(replies[1..].iter().all(|reply| *reply == refused(Refusal::InUse)), "{replies:?}");
    assert_eq!(desk.gate.desired(desk.now).len(), 1);
}

#[test]
fn a_code_looked_up_before_it_was_revoked_stays_revoked() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let (unused, used) = (desk.sell("hour"), desk.sell("hour"));
    let stale = [desk.find(unused), desk.find(used)];
    desk.redeem(mac(1), used);
    for code in [unused, used] {
        desk.ask(Input::RevokeVoucher { voucher: desk.find(code) });
    }
    for voucher in stale {
        assert_eq!(desk.ask(typed(mac(2), voucher)), refused(Refusal::CodeRevoked));
    }
}

#[test]
fn a_code_looked_up_before_it_was_used_up_opens_no_second_entitlement() {
    let mut desk = Desk::new(vec![metered("second", secs(1)), valid("second2", secs(1))]);
    let (spent, expired) = (desk.sell("second"), desk.sell("second2"));
    let stale = [desk.find(spent), desk.find(expired)];
    desk.redeem(mac(1), spent);
    desk.redeem(mac(2), expired);
    desk.pass(secs(1));
    desk.due();
    let replies = stale.map(|voucher| desk.ask(typed(mac(3), voucher)));
    assert_eq!(replies, [refused(Refusal::CodeSpent), refused(Refusal::CodeExpired)]);
}

#[test]
fn a_revocation_that_could_not_be_stored_is_none() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let decision = desk.decide(Input::RevokeVoucher { voucher: desk.find(code) });
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert!(is_online(&desk.redeem(mac(1), code)));
}

#[test]
fn wrong_codes_count_although_a_commit_failed() {
    let mut desk = Desk::new(vec![]);
    for _ in 0..5 {
        let decision = desk.decide(wrong(mac(1), Blame::DeviceAndSite));
        desk.gate.apply(&decision.records, desk.now);
        desk.gate.revert();
    }
    assert!(desk.gate.wait(mac(1), desk.now).is_some());
}

#[test]
fn ids_are_never_given_out_twice() {
    let mut desk = Desk::new(vec![metered("second", secs(1))]);
    let mut seen = Vec::new();
    for round in 0..12 {
        let code = desk.sell("second");
        let decision = desk.decide(typed(mac(1), desk.find(code)));
        desk.gate.apply(&decision.records, desk.now);
        let Reply::Online(session) = decision.reply else { panic!("{decision:?}") };
        let entitlement = desk.gate.view(desk.now).sessions[&mac(1)].entitlement;
        assert!(!seen.contains(&(session.0, entitlement.0)), "{session} {entitlement}");
        seen.push((session.0, entitlement.0));
        match round % 3 {
            0 => desk.gate.revert(),
            1 => desk.gate.settle(),
            _ => desk.restart("boot-1", Duration::ZERO, Trust::Trusted),
        }
        desk.pass(secs(2));
        desk.due();
    }
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{seen:?}");
}
