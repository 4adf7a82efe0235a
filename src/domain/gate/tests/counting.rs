//! Bytes: readings of the counters, caps, what of them reaches the flash.
//!
//! A reading says all that a session has used since it opened. The arithmetic of caps is tested beside it,
//! in `traffic.rs`; here is what it leads to.

use super::*;

const fn traffic(up: u64, down: u64) -> Traffic {
    Traffic { up: Bytes(up), down: Bytes(down) }
}

const fn reading(session: u64, up: u64, down: u64) -> Usage {
    Usage { session: SessionId(session), up: Bytes(up), down: Bytes(down) }
}

fn capped(total: u64) -> Plan {
    with(family(), |terms| terms.data.total = Some(Bytes(total)))
}

/// Both directions of the session of `mac`, as everybody may see them.
fn shown(desk: &Desk, mac: Mac) -> (u64, u64) {
    let view = desk.gate.view(desk.now);
    (view.sessions[&mac].bytes_up.0, view.sessions[&mac].bytes_down.0)
}

#[test]
fn readings_add_up_over_devices_and_sessions_and_twice_is_once() {
    let mut desk = Desk::new(vec![capped(1000)]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    let readings = vec![reading(1, 10, 20), reading(2, 100, 200), reading(1, 10, 20), reading(9, 5, 5)];
    assert_eq!(desk.ask(Input::Counted(readings.clone())), Reply::Done);
    assert_eq!(desk.decide(Input::Counted(readings)).records, [], "the same again is no news");
    assert_eq!((shown(&desk, mac(1)), shown(&desk, mac(2))), ((10, 20), (100, 200)));
    assert_eq!(desk.entitlement_of(code).data_left(), Some(Bytes(670)));
    desk.ask(Input::Counted(vec![reading(1, 4, 50)]));
    assert_eq!(shown(&desk, mac(1)), (10, 50), "what is lower than known is ignored");
    desk.ask(Input::Logout { mac: mac(1) });
    desk.redeem(mac(1), code);
    assert_eq!(shown(&desk, mac(1)), (0, 0), "a new session counts from the beginning");
    let grant = desk.gate.grant(mac(1), desk.now).unwrap();
    assert_eq!((grant.spent, grant.counted), (traffic(110, 250), traffic(0, 0)));
    assert_eq!(grant.cap.total, Some(Bytes(1000)));
    let grant = desk.gate.grant(mac(2), desk.now).unwrap();
    assert_eq!((grant.spent, grant.counted), (traffic(110, 250), traffic(100, 200)));
}

#[test]
fn the_reading_that_reaches_a_cap_ends_the_code_for_all_its_devices() {
    let mut desk = Desk::new(vec![capped(1000)]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    desk.ask(Input::Counted(vec![reading(1, 100, 300)]));
    let decision = desk.decide(Input::Counted(vec![reading(2, 0, 900)]));
    for n in [1, 2] {
        assert!(decision.effects.contains(&Effect::Evict { mac: mac(n) }), "{n}");
        assert!(decision.effects.contains(&Effect::CutFlows { mac: mac(n) }), "{n}");
    }
    let closed = |session, used| Record::SessionClosed {
        session: SessionId(session),
        at: desk.now.wall,
        why: Closing::Spent,
        used,
    };
    assert!(decision.records.contains(&closed(1, traffic(100, 300))));
    assert!(decision.records.contains(&closed(2, traffic(0, 600))), "what is over the cap nobody got");
    let Some(Record::EntitlementEnded { stamp, how: Ending::Spent }) = decision.records.last() else {
        panic!("{decision:?}")
    };
    assert_eq!((stamp.bytes_up, stamp.bytes_down), (Bytes(100), Bytes(900)));
    desk.take(&decision);
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent));
}

#[test]
fn each_direction_has_its_own_cap_and_one_of_them_is_enough() {
    let split = with(plan("split"), |terms| {
        (terms.data.up, terms.data.down) = (Some(Bytes(100)), Some(Bytes(1000)));
    });
    let mut desk = Desk::new(vec![split]);
    let code = desk.sell("split");
    desk.redeem(mac(1), code);
    desk.ask(Input::Counted(vec![reading(1, 99, 999)]));
    assert!(desk.is_open(mac(1)));
    assert_eq!(desk.entitlement_of(code).data_left(), Some(Bytes(1)));
    desk.ask(Input::Counted(vec![reading(1, 100, 999)]));
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn a_cap_that_could_not_be_written_down_is_met_by_the_next_reading() {
    let mut desk = Desk::new(vec![capped(1000)]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    let decision = desk.decide(Input::Counted(vec![reading(1, 0, 5000)]));
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert!(desk.is_open(mac(1)));
    desk.ask(Input::Counted(vec![reading(1, 0, 5000)]));
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent));
}

#[test]
fn counts_reach_the_flash_with_a_checkpoint_or_a_close_and_not_before() {
    let mut desk = Desk::new(vec![capped(10_000)]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    let decision = desk.decide(Input::Counted(vec![reading(1, 1, 2), reading(2, 3, 4)]));
    assert!(decision.records.iter().all(|record| !record.is_durable()), "{decision:?}");
    desk.take(&decision);
    desk.ask(Input::Counted(vec![reading(1, 10, 20)]));
    desk.pass(LIMITS.checkpoint);
    let records = desk.due().records;
    let stamped = |record: &&Record| matches!(record, Record::SessionStamped(_));
    let sessions: Vec<_> = records.iter().filter(stamped).collect();
    assert_eq!(
        sessions,
        [&Record::SessionStamped(reading(1, 10, 20)), &Record::SessionStamped(reading(2, 3, 4))]
    );
    desk.pass(LIMITS.checkpoint);
    assert!(!desk.due().records.iter().any(|record| stamped(&record)), "nothing has changed");
    desk.ask(Input::Counted(vec![reading(2, 30, 40)]));
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(shown(&desk, mac(2)), (3, 4), "at most one checkpoint is lost");
    assert_eq!(desk.entitlement_of(code).spent(), traffic(13, 24));
    desk.ask(Input::Counted(vec![reading(2, 33, 44)]));
    let decision = desk.decide(Input::Logout { mac: mac(2) });
    let used = traffic(33, 44);
    assert!(
        decision.records.iter().any(|r| matches!(r, Record::SessionClosed { used: u, .. } if *u == used))
    );
    desk.take(&decision);
    desk.restart("boot-3", HOUR, Trust::Floor);
    assert_eq!(desk.entitlement_of(code).spent(), traffic(43, 64));
}

#[test]
fn a_plan_changes_the_speed_of_what_was_sold_and_nothing_else() {
    let slow = |bits| with(capped(1000), |terms| terms.down = Some(Bps(bits)));
    let mut desk = Desk::new(vec![slow(1000)]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    let rates = |desk: &Desk| {
        let grant = desk.gate.grant(mac(1), desk.now).unwrap();
        let view = desk.gate.view(desk.now);
        assert_eq!((view.sessions[&mac(1)].down, view.sessions[&mac(1)].up), (grant.down, grant.up));
        assert_eq!(grant.cap.total, Some(Bytes(1000)), "as it was sold");
        (grant.down, grant.up)
    };
    assert_eq!(rates(&desk), (Some(Bps(1000)), None));
    let faster = with(slow(9000), |terms| (terms.up, terms.data.total) = (Some(Bps(7)), Some(Bytes(5))));
    desk.gate.configure(vec![faster], LIMITS);
    assert_eq!(rates(&desk), (Some(Bps(9000)), Some(Bps(7))));
    desk.gate.configure(vec![], LIMITS);
    assert_eq!(rates(&desk), (Some(Bps(1000)), None), "no longer for sale: as it was sold");
}
