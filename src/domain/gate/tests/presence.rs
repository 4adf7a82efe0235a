//! Devices that fall silent, devices at two places, codes that log in and out in a loop, and how much the
//! Gate looks at for each of them.

use super::*;

const QUARTER: Duration = Duration::from_secs(15 * 60);

fn fleeting(name: &str) -> Plan {
    with(metered(name, 10 * HOUR), |terms| terms.idle_timeout = Some(QUARTER))
}

fn moved(session: u64, bytes: u64) -> Input {
    Input::Counted(vec![Usage { session: SessionId(session), up: Bytes(bytes), down: Bytes(0) }])
}

/// One guest of a plan that bounds silence.
fn one_guest() -> (Desk, CodeKey) {
    let limits = Limits { checkpoint: 10 * HOUR, ..LIMITS };
    let mut desk = Desk::with_limits(vec![fleeting("hour"), metered("patient", 10 * HOUR)], limits);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    (desk, code)
}

#[test]
fn who_shows_no_traffic_is_asked_and_closed_only_without_an_answer() {
    let (mut desk, code) = one_guest();
    let patient = desk.sell("patient");
    desk.redeem(mac(2), patient);
    desk.pass(10 * MINUTE);
    desk.ask(moved(1, 500));
    let asked_at = desk.now.boot.plus(QUARTER);
    assert_eq!(desk.gate.poll_timeout(desk.now), asked_at);
    desk.pass(QUARTER - secs(1));
    assert_eq!(desk.gate.take_quiet(desk.now), []);
    assert_eq!(desk.ask(Input::Gone { mac: mac(1) }), Reply::Done, "nobody asked, nobody is gone");
    assert!(desk.is_open(mac(1)));
    desk.pass(secs(1));
    assert_eq!(desk.gate.take_quiet(desk.now), [mac(1)]);
    assert_eq!(desk.gate.poll_timeout(desk.now), desk.now.boot.plus(MINUTE), "asked again after a minute");
    desk.ask(Input::Seen { mac: mac(1) });
    assert_eq!(desk.gate.poll_timeout(desk.now), desk.now.boot.plus(QUARTER));
    desk.pass(QUARTER);
    assert_eq!(desk.gate.take_quiet(desk.now), [mac(1)]);
    desk.ask(moved(1, 501));
    assert_eq!(desk.ask(Input::Gone { mac: mac(1) }), Reply::Done, "it has woken up meanwhile");
    desk.pass(QUARTER);
    desk.gate.take_quiet(desk.now);
    let decision = desk.decide(Input::Gone { mac: mac(1) });
    assert!(decision.records.iter().any(|r| matches!(r, Record::SessionClosed { why: Closing::Idle, .. })));
    assert_eq!(decision.effects, [Effect::Evict { mac: mac(1) }, Effect::CutFlows { mac: mac(1) }]);
    desk.take(&decision);
    desk.pass(HOUR);
    assert!(is_online(&desk.redeem(mac(1), code)));
    assert_eq!(desk.left(mac(1)), Some(10 * HOUR - 10 * MINUTE - 3 * QUARTER), "its rest is kept");
    assert_eq!(desk.ask(Input::Gone { mac: mac(9) }), refused(Refusal::NotOnline));
}

#[test]
fn nobody_is_quiet_while_there_is_no_uplink() {
    let (mut desk, _) = one_guest();
    let uplink = |desk: &mut Desk, uplink| {
        let since = desk.now.boot;
        desk.ask(Input::UplinkChanged(UplinkState { uplink, since }));
    };
    uplink(&mut desk, Uplink::Down);
    desk.pass(HOUR);
    assert_eq!(desk.gate.take_quiet(desk.now), []);
    assert!(desk.gate.poll_timeout(desk.now) > desk.now.boot, "there is nothing to do");
    assert_eq!(desk.ask(Input::Gone { mac: mac(1) }), Reply::Done);
    uplink(&mut desk, Uplink::Up);
    assert_eq!(desk.gate.take_quiet(desk.now), [], "everybody starts afresh");
    desk.pass(QUARTER);
    assert_eq!(desk.gate.take_quiet(desk.now), [mac(1)]);
}

#[test]
fn a_device_at_two_places_is_cut_and_its_rest_kept() {
    let (mut desk, code) = one_guest();
    let decision = desk.decide(Input::Suspect { mac: mac(1) });
    assert!(
        decision.records.iter().any(|r| matches!(r, Record::SessionClosed { why: Closing::Anomaly, .. }))
    );
    desk.take(&decision);
    assert!(!desk.is_open(mac(1)));
    assert!(is_online(&desk.redeem(mac(1), code)));
}

#[test]
fn a_grant_by_hand_ends_with_its_last_session_and_not_by_silence() {
    let (mut desk, _) = one_guest();
    desk.ask(Input::Grant { mac: mac(3), plan: id("hour") });
    desk.pass(QUARTER);
    assert_eq!(desk.gate.take_quiet(desk.now), [mac(1)], "it could not come back to what it would lose");
    let id = desk.gate.view(desk.now).sessions[&mac(3)].entitlement;
    let decision = desk.decide(Input::Logout { mac: mac(3) });
    assert!(decision.records.iter().any(|record| matches!(
        record,
        Record::EntitlementEnded { how: Ending::Revoked, stamp } if stamp.entitlement == id
    )));
    desk.take(&decision);
    assert!(desk.gate.entitlement(id).is_none());
}

#[test]
fn one_code_that_logs_in_and_out_in_a_loop_has_to_wait() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    let mut logins = 0;
    for _ in 0..50 {
        logins += usize::from(is_online(&desk.redeem(mac(1), code)));
        desk.ask(Input::Logout { mac: mac(1) });
    }
    assert_eq!(logins, 11);
    let retry_after = secs(10);
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::TooManyTries { retry_after }));
    assert_eq!(desk.gate.wait(mac(1), desk.now), None, "it has guessed nothing");
    desk.pass(retry_after);
    assert!(is_online(&desk.redeem(mac(1), code)));
    assert!(is_online(&desk.redeem(mac(1), code)), "who is online already writes nothing");
    assert_eq!(desk.redeem(mac(2), code), refused(Refusal::InUse), "nor does a question");
}

#[test]
fn all_devices_of_a_large_family_come_in_at_once() {
    let mut desk = Desk::new(vec![with(metered("school", HOUR), |terms| terms.devices = 60)]);
    let code = desk.sell("school");
    for n in 1..=60 {
        assert!(is_online(&desk.redeem(mac(n), code)), "{n}");
    }
}

/// Where tens of thousands of codes lie part-used, who comes and goes does not walk past them.
#[test]
fn what_lies_unused_costs_nobody_anything() {
    let limits = Limits { max_clients: 10_000, ..LIMITS };
    let plans = vec![metered("hour", HOUR), valid("month", 30 * DAY)];
    let mut desk = Desk::with_limits(plans, limits);
    let looks = |desk: &mut Desk| {
        desk.gate.entitlements.looks.set(0);
        desk.gate.poll_timeout(desk.now);
        let polled = desk.gate.entitlements.looks.replace(0);
        desk.gate.due(desk.now);
        let looked = desk.gate.entitlements.looks.replace(0);
        desk.gate.view(desk.now);
        (polled, looked, desk.gate.entitlements.looks.replace(0))
    };
    let open = |desk: &mut Desk, n: u16| {
        let [a, b] = n.to_be_bytes();
        let mac = Mac::new([2, 0, 0, 0, a, b]);
        let plan = if n.is_multiple_of(2) { "hour" } else { "month" };
        let mut entitlement = Entitlement::of(
            EntitlementId(desk.gate.next_entitlement),
            crate::domain::Origin::Voucher,
            desk.gate.plan(&id(plan)).unwrap(),
            desk.now.into(),
        );
        entitlement.code = Some(CodeKey(u128::from(n).to_be_bytes()));
        let session = super::super::Session::open(SessionId(u64::from(n)), entitlement.id, mac, desk.now);
        let opened = [Record::EntitlementOpened(Box::new(entitlement)), Record::SessionOpened(session)];
        desk.gate.apply(&opened, desk.now);
        mac
    };
    for n in 1..=20 {
        open(&mut desk, n);
    }
    let few = looks(&mut desk);
    for n in 21..=5000 {
        let mac = open(&mut desk, n);
        let closed = desk.decide(Input::Logout { mac });
        desk.gate.apply(&closed.records, desk.now);
        desk.gate.settle();
    }
    assert_eq!(looks(&mut desk), few, "nobody looks at what lies unused");
    assert!(few.0 <= 21 && few.1 <= 20 && few.2 <= 20, "{few:?}");
    desk.pass(30 * DAY);
    let ended = desk.gate.due(desk.now).records;
    let ended = ended.iter().filter(|record| matches!(record, Record::EntitlementEnded { .. })).count();
    assert_eq!(ended, 2500 + 10, "what has run out unused is found all the same");
}
