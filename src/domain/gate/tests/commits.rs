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
fn a_commit_that_failed_leaves_the_gate_as_it_was() {
    let plans = vec![with(family(), |terms| terms.bound_devices = 3), valid("day", DAY)];
    let mut desk = Desk::new(plans);
    let codes = [desk.sell("family"), desk.sell("day"), desk.sell("family"), desk.sell("day")];
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(2), codes[1]);
    desk.pass(LIMITS.checkpoint);
    let unused = desk.find(codes[2]);
    let inputs = [
        typed(mac(2), unused.clone()),
        typed(mac(3), unused),
        typed(mac(4), desk.find(codes[0])),
        Input::Grant { mac: mac(5), plan: id("day") },
        Input::Logout { mac: mac(1) },
        Input::KickDevice { mac: mac(2) },
        Input::RevokeVoucher { voucher: desk.find(codes[1]) },
        Input::RevokeVoucher { voucher: desk.find(codes[3]) },
    ];
    let before = face(&desk);
    for input in &inputs {
        let decision = desk.decide(input.clone());
        desk.gate.apply(&decision.records, desk.now);
        desk.gate.revert();
        assert_eq!(face(&desk), before, "{input:?}");
    }
    for input in &inputs {
        let decision = desk.decide(input.clone());
        desk.gate.apply(&decision.records, desk.now);
    }
    let checkpoint = desk.gate.due(desk.now).records;
    desk.gate.apply(&checkpoint, desk.now);
    assert_ne!(face(&desk), before);
    desk.gate.revert();
    assert_eq!(face(&desk), before, "all of them in one batch");
    assert_eq!(
        desk.gate.due(desk.now).records.len(),
        4,
        "the checkpoint, dates and the floor are tried again"
    );
}

/// Everything of the Gate that shows, and what it would answer next.
fn face(desk: &Desk) -> String {
    let shown = (desk.gate.desired(desk.now), desk.gate.view(desk.now), desk.gate.poll_timeout(desk.now));
    let mut answers = vec![desk.gate.due(desk.now).reply];
    for n in 1..6 {
        for voucher in desk.vouchers.values() {
            answers.push(desk.decide(typed(mac(n), voucher.clone())).reply);
        }
        answers.push(desk.decide(Input::Logout { mac: mac(n) }).reply);
        let wait = desk
            .gate
            .wait(mac(n), desk.now)
            .map_or(Refusal::Full, |retry_after| Refusal::TooManyTries { retry_after });
        answers.push(Reply::Refused(wait));
    }
    // Ids given out to what was not stored are not given out again, so they differ.
    let online = answers.iter().map(|reply| match reply {
        Reply::Online(_) => "online".to_owned(),
        Reply::Closed(_) | Reply::Waiting | Reply::Done | Reply::Refused(_) => format!("{reply:?}"),
    });
    format!("{shown:?} {:?}", online.collect::<Vec<_>>())
}

#[test]
fn who_could_not_be_stored_has_no_lane_of_those_who_paid() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let decision = desk.decide(typed(mac(1), desk.find(code)));
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    for n in 100..130 {
        desk.ask(wrong(mac(n), Blame::DeviceAndSite));
    }
    assert!(desk.gate.wait(mac(1), desk.now).is_some());
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
