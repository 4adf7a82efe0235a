//! What time does: metered, validity, restarts, power cuts, clocks that lie, checkpoints.
//!
//! Ends are asserted to the millisecond, on both sides: not before, and not after. A restart here is a
//! kill: only what records have written comes back.

use super::*;

#[test]
fn time_ends_a_code_exactly_at_its_end_and_not_before() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    let end = desk.now.boot.plus(HOUR);
    desk.pass(HOUR - Duration::from_millis(1));
    assert!(!desk.due().effects.contains(&Effect::Evict { mac: mac(1) }));
    assert!(desk.is_open(mac(1)));
    desk.now.boot = end;
    let decision = desk.due();
    assert_eq!(decision.effects, [Effect::Evict { mac: mac(1) }, Effect::CutFlows { mac: mac(1) }]);
    assert!(
        decision.records.iter().any(|r| matches!(r, Record::EntitlementEnded { how: Ending::Spent, .. }))
    );
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn nobody_is_desired_past_the_end_even_before_it_was_written_down() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(HOUR);
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn a_session_whose_entitlement_is_gone_opens_nothing() {
    let desk = Desk::new(vec![]);
    let session = super::super::Session::open(SessionId(1), EntitlementId(7), mac(1), desk.now);
    let restored = Restored { sessions: vec![session], last_session: 1, ..Restored::default() };
    let (gate, _) = Gate::restore(restored, vec![], LIMITS, &desk.boot, desk.now);
    assert!(gate.desired(desk.now).is_empty());
    assert_eq!(gate.sessions(), 0);
}

#[test]
fn metered_time_stands_still_while_nobody_is_online() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(5 * HOUR);
    desk.due();
    desk.redeem(mac(1), code);
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE), "logging in again gives nothing back and takes nothing");
}

#[test]
fn after_a_pause_the_kernel_is_told_the_same_end_as_everybody_else() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(5 * HOUR);
    let decision = desk.decide(typed(mac(1), desk.find(code)));
    let ends = Some(desk.now.boot.plus(50 * MINUTE));
    assert!(decision.effects.contains(&Effect::Admit { mac: mac(1) }), "{:?}", decision.effects);
    desk.take(&decision);
    let grant = desk.gate.grant(mac(1), desk.now).unwrap();
    assert_eq!(grant.ends, ends);
    assert_eq!(desk.gate.desired(desk.now)[&mac(1)], grant);
}

#[test]
fn metered_time_counts_once_for_all_devices_of_a_code() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.redeem(mac(2), code);
    desk.pass(10 * MINUTE);
    assert_eq!((desk.left(mac(1)), desk.left(mac(2))), (Some(40 * MINUTE), Some(40 * MINUTE)));
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(10 * MINUTE);
    assert_eq!(desk.left(mac(2)), Some(30 * MINUTE));
}

#[test]
fn validity_runs_from_first_use_whether_online_or_not() {
    let mut desk = Desk::new(vec![with(metered("both", HOUR), |terms| terms.validity = Some(DAY))]);
    let code = desk.sell("both");
    desk.pass(3 * DAY);
    desk.redeem(mac(1), code);
    assert_eq!(desk.left(mac(1)), Some(HOUR), "the lesser of both clocks");
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(DAY - MINUTE);
    desk.redeem(mac(1), code);
    assert_eq!(desk.left(mac(1)), Some(MINUTE));
    desk.pass(MINUTE);
    desk.due();
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeExpired));
}

#[test]
fn a_restart_within_the_same_boot_loses_no_time() {
    let mut desk = Desk::new(vec![with(metered("both", 2 * HOUR), |terms| terms.validity = Some(DAY))]);
    let code = desk.sell("both");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.restart("boot-1", 20 * MINUTE, Trust::Floor);
    assert_eq!(desk.left(mac(1)), Some(90 * MINUTE), "time went on while nobody watched");
    assert_eq!(desk.entitlement_of(code).validity_left(desk.now.into()), Some(DAY - 30 * MINUTE));
    desk.restart("boot-1", 3 * HOUR, Trust::Floor);
    assert!(!desk.is_open(mac(1)));
    desk.due();
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent));
}

#[test]
fn a_power_cut_neither_ends_nor_prolongs_metered_time() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.due();
    desk.pass(4 * MINUTE);
    for trust in [Trust::Trusted, Trust::Floor] {
        desk.restart("boot-2", 30 * DAY, trust);
        assert_eq!(desk.left(mac(1)), Some(50 * MINUTE), "at most one checkpoint is lost");
        desk.boot = "boot-1".parse().unwrap();
    }
    desk.now.wall = Wall::from_secs(0);
    desk.pass(10 * MINUTE);
    desk.now.wall = Wall::from_secs(NOON + 365 * 86_400);
    assert_eq!(desk.left(mac(1)), Some(40 * MINUTE), "steps of the wall move no metered end");
}

#[test]
fn the_gap_of_a_power_cut_is_charged_to_validity_once_the_clock_is_trusted() {
    let mut desk = Desk::new(vec![valid("day", DAY)]);
    let code = desk.sell("day");
    desk.redeem(mac(1), code);
    desk.pass(HOUR);
    desk.due();
    let right = desk.now.wall;
    desk.restart("boot-2", 3 * HOUR, Trust::Floor);
    assert_eq!(desk.left(mac(1)), Some(23 * HOUR), "the gap is not known yet");
    desk.pass(HOUR);
    assert_eq!(desk.left(mac(1)), Some(22 * HOUR), "what passes is charged, trusted or not");
    desk.now = Now { wall: right.plus(4 * HOUR), trust: Trust::Trusted, ..desk.now };
    assert_eq!(desk.left(mac(1)), Some(19 * HOUR));
    desk.restart("boot-3", 20 * HOUR, Trust::Trusted);
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn a_clock_set_back_revives_and_prolongs_nothing() {
    let mut desk = Desk::new(vec![valid("day", DAY)]);
    let (code, over) = (desk.sell("day"), desk.sell("day"));
    desk.redeem(mac(2), over);
    desk.pass(23 * HOUR);
    desk.redeem(mac(1), code);
    desk.pass(HOUR);
    desk.due();
    for (boot, back) in [("boot-1", DAY), ("boot-2", 400 * DAY)] {
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
        desk.now.wall = Wall::from_secs(desk.now.wall.as_secs() - i64::try_from(back.as_secs()).unwrap());
        assert_eq!(desk.left(mac(1)), Some(23 * HOUR), "{boot}");
        assert_eq!(desk.redeem(mac(2), over), refused(Refusal::CodeExpired), "{boot}");
    }
}

#[test]
fn a_step_that_was_charged_is_not_given_back() {
    let mut desk = Desk::new(vec![valid("day", DAY)]);
    let code = desk.sell("day");
    desk.redeem(mac(1), code);
    desk.now.wall = desk.now.wall.plus(HOUR);
    desk.gate.checkpoint_soon(desk.now);
    desk.due();
    desk.now.wall = Wall::from_secs(NOON);
    assert_eq!(desk.left(mac(1)), Some(23 * HOUR));
}

#[test]
fn a_step_that_could_not_be_stored_still_revives_nothing() {
    let mut desk = Desk::new(vec![valid("blink", secs(5))]);
    let code = desk.sell("blink");
    desk.redeem(mac(1), code);
    desk.now.wall = desk.now.wall.plus(HOUR);
    for _ in 0..6 {
        assert!(!desk.is_open(mac(1)), "{} ms", desk.now.boot.as_millis());
        desk.pass(secs(1));
    }
}

#[test]
fn whole_seconds_of_the_wall_never_shorten_validity() {
    // Wherever in its second the wall clock stands, and however long the validity is.
    for (opened_at, validity) in [(0, 4_999), (999, 5_000), (999, 4_999), (1, 5_001), (500, 5_500)] {
        let mut desk = Desk::new(vec![valid("short", Duration::from_millis(validity))]);
        let clock = |ms: u64| Now {
            boot: Boot::from_millis(100_000 + ms),
            wall: Wall::from_secs(NOON + i64::try_from((opened_at + ms) / 1000).unwrap()),
            trust: Trust::Trusted,
        };
        desk.now = clock(0);
        let code = desk.sell("short");
        desk.redeem(mac(1), code);
        for ms in 0..validity {
            desk.now = clock(ms);
            let left = Some(Duration::from_millis(validity - ms));
            assert_eq!(desk.left(mac(1)), left, "{opened_at} {validity} {ms}");
        }
        desk.now = clock(validity);
        assert!(!desk.is_open(mac(1)));
    }
}

#[test]
fn a_clock_that_becomes_trusted_is_written_down_at_once() {
    let mut desk = Desk::new(vec![valid("day", DAY)]);
    let code = desk.sell("day");
    desk.now.trust = Trust::Floor;
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    assert_eq!(desk.due().records, [], "nothing is due yet");
    desk.now.trust = Trust::Trusted;
    desk.gate.checkpoint_soon(desk.now);
    assert_eq!(desk.gate.poll_timeout(desk.now), desk.now.boot);
    desk.due();
    let expires = desk.entitlement_of(code).last_stamp().expires;
    assert_eq!(expires, Some(Wall::from_secs(NOON).plus(DAY)));
    assert_eq!(desk.gate.floor, desk.now.wall);
}

#[test]
fn a_checkpoint_writes_news_only() {
    let mut desk = Desk::new(vec![metered("hour", HOUR), plan("free")]);
    let (running, paused, free) = (desk.sell("hour"), desk.sell("hour"), desk.sell("free"));
    for (n, code) in [(1, running), (2, paused), (3, free)] {
        desk.redeem(mac(n), code);
    }
    desk.ask(Input::Logout { mac: mac(2) });
    desk.now.trust = Trust::Floor;
    desk.pass(LIMITS.checkpoint - secs(1));
    assert_eq!(desk.due().records, []);
    desk.pass(secs(1));
    let mut records = desk.due().records;
    records.retain(|record| !matches!(record, Record::EntitlementStamped(s) if s.entitlement.0 == 3));
    let [Record::EntitlementStamped(stamp)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((stamp.entitlement, stamp.used), (EntitlementId(1), LIMITS.checkpoint));
    assert_eq!(desk.due().records, [], "until the next one");
}

#[test]
fn the_floor_rises_with_a_trusted_clock_only_and_never_falls() {
    let mut desk = Desk::new(vec![]);
    for (trust, wall, floor) in [
        (Trust::Floor, NOON + 50, 0),
        (Trust::Trusted, NOON + 60, NOON + 60),
        (Trust::Trusted, NOON + 10, NOON + 60),
        (Trust::Floor, NOON + 900, NOON + 60),
    ] {
        desk.now = Now { wall: Wall::from_secs(wall), trust, ..desk.now };
        desk.gate.checkpoint_soon(desk.now);
        desk.due();
        assert_eq!(desk.gate.floor, Wall::from_secs(floor));
    }
}

#[test]
fn a_wrong_floor_is_reset_and_revives_and_gives_back_nothing() {
    let mut desk = Desk::new(vec![valid("day", DAY), valid("week", 7 * DAY)]);
    let (day, week) = (desk.sell("day"), desk.sell("week"));
    desk.redeem(mac(1), day);
    desk.redeem(mac(2), week);
    desk.due();
    let right = desk.now.wall;
    desk.restart("boot-2", HOUR, Trust::Trusted);
    // Two days too late: the day is over, and nobody has looked yet.
    desk.now.wall = right.plus(2 * DAY);
    let evening = desk.sell("day");
    desk.redeem(mac(3), evening);
    let decision = desk.decide(Input::ResetFloor { to: right.plus(HOUR) });
    assert!(decision.effects.contains(&Effect::Evict { mac: mac(1) }));
    desk.take(&decision);
    assert_eq!(desk.gate.floor, right.plus(HOUR));
    desk.now.wall = right.plus(HOUR);
    assert_eq!(desk.redeem(mac(1), day), refused(Refusal::CodeExpired));
    assert_eq!(desk.left(mac(2)), Some(5 * DAY), "what the wrong clock took is gone");
    assert_eq!(desk.left(mac(3)), Some(DAY));
    desk.gate.checkpoint_soon(desk.now);
    desk.due();
    // The ends are told by the right clock now: a gap is charged in full, and nothing else.
    desk.restart("boot-3", 3 * HOUR, Trust::Trusted);
    assert_eq!((desk.left(mac(2)), desk.left(mac(3))), (Some(5 * DAY - 3 * HOUR), Some(DAY - 3 * HOUR)));
}

#[test]
fn a_reset_that_could_not_be_stored_changes_nothing() {
    let mut desk = Desk::new(vec![valid("day", DAY)]);
    let code = desk.sell("day");
    desk.redeem(mac(1), code);
    desk.gate.checkpoint_soon(desk.now);
    desk.due();
    let (floor, expires) = (desk.gate.floor, desk.entitlement_of(code).last_stamp().expires);
    let decision = desk.decide(Input::ResetFloor { to: Wall::from_secs(0) });
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert_eq!((desk.gate.floor, desk.entitlement_of(code).last_stamp().expires), (floor, expires));
}

#[test]
fn the_next_look_is_at_the_nearest_end_or_the_next_checkpoint() {
    let mut desk =
        Desk::new(vec![metered("hour", HOUR), valid("minute", MINUTE), metered("second", secs(1))]);
    let start = desk.now.boot;
    let poll = |desk: &Desk| desk.gate.poll_timeout(desk.now).since(start);
    assert_eq!(poll(&desk), LIMITS.checkpoint);
    let (hour, minute, second) = (desk.sell("hour"), desk.sell("minute"), desk.sell("second"));
    desk.redeem(mac(1), hour);
    assert_eq!(poll(&desk), LIMITS.checkpoint);
    desk.redeem(mac(2), minute);
    assert_eq!(poll(&desk), MINUTE);
    desk.ask(Input::Logout { mac: mac(2) });
    assert_eq!(poll(&desk), MINUTE, "validity ends with nobody online");
    desk.redeem(mac(3), second);
    assert_eq!(poll(&desk), secs(1));
    desk.pass(secs(2));
    desk.ask(Input::Logout { mac: mac(3) });
    assert_eq!(poll(&desk), secs(2), "what is over is looked at now");
    desk.due();
    assert_eq!(poll(&desk), MINUTE);
}

#[test]
fn last_words_save_what_ran_since_the_checkpoint() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    let records = desk.gate.last_words(desk.now);
    desk.gate.apply(&records, desk.now);
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(desk.left(mac(1)), Some(59 * MINUTE));
}
