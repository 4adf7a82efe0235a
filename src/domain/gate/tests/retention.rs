//! What is too old: when that can be told, and what is written of a purge.

use super::*;
use crate::domain::{End, Limit, OldTrail, Overdue};

fn checkpoint(desk: &mut Desk) -> Vec<Record> {
    desk.gate.checkpoint_soon(desk.now);
    let due = desk.gate.due(desk.now);
    desk.take(&due);
    due.records
}

fn dated(records: &[Record]) -> Vec<(Wall, Wall)> {
    let dating = |record: &Record| {
        if let Record::SessionsDated { from, to } = record { Some((*from, *to)) } else { None }
    };
    records.iter().filter_map(dating).collect()
}

fn rows(records: &[Record]) -> Vec<String> {
    let row = |record: &Record| {
        if let Record::Noted(row) = record { Some(format!("{} {}", row.action, row.detail)) } else { None }
    };
    records.iter().filter_map(row).collect()
}

#[test]
fn a_clock_that_becomes_trusted_dates_what_another_one_has_before_anything_is_too_old() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    desk.now.trust = Trust::Floor;
    assert_eq!(dated(&checkpoint(&mut desk)), [], "nobody knows better yet");
    assert!(matches!(desk.gate.overdue(desk.now).unwrap().limit, Limit::Count { .. }));
    let floor = desk.gate.floor();
    desk.now = Now { wall: desk.now.wall.plus(1000 * DAY), trust: Trust::Trusted, ..desk.now };
    assert_eq!(desk.gate.overdue(desk.now), None, "an hour ago may look like years");
    // A commit that failed leaves it to the next.
    desk.gate.checkpoint_soon(desk.now);
    let due = desk.gate.due(desk.now);
    desk.gate.apply(&due.records, desk.now);
    desk.gate.revert();
    assert_eq!(desk.gate.overdue(desk.now), None);
    assert_eq!(dated(&checkpoint(&mut desk)), [(floor, desk.now.wall)]);
    let before = Wall::from_secs(desk.now.wall.as_secs() - 86_400);
    let limit =
        Limit::Age { sessions: before, trail: before, claims: Wall::from_secs(before.as_secs() - 86_400) };
    assert_eq!(desk.gate.overdue(desk.now).unwrap().limit, limit);
    desk.pass(HOUR);
    assert_eq!(dated(&checkpoint(&mut desk)), [], "once is enough");
}

#[test]
fn a_purge_and_its_row_are_one_decision_and_nothing_is_written_of_none() {
    let mut desk = Desk::with_limits(vec![metered("hour", HOUR)], REPORTING);
    let none = desk.decide(Input::Purge(Overdue::default()));
    assert!(none.records.is_empty(), "{none:?}");
    let until = End { seq: 9, hash: "0".repeat(64) };
    let overdue = Overdue {
        sessions: vec![SessionId(1), SessionId(2)],
        purchases: vec![EntitlementId(1)],
        trail: Some(OldTrail { rows: 7, until }),
        claims: vec![ReferenceKey([1; 16])],
    };
    let purge = desk.decide(Input::Purge(overdue.clone()));
    let [Record::Purged(gone), Record::Noted(row), Record::Queued(_)] = purge.records.as_slice() else {
        panic!("{purge:?}")
    };
    assert_eq!(**gone, overdue);
    let words = (row.who.as_str(), row.action.as_str(), row.detail.as_str());
    assert_eq!(words, ("gateway", "purge", "2 sessions, 1 purchases, 7 rows of the trail, 1 claims"));
    desk.take(&purge);
}

#[test]
fn claims_that_nobody_confirmed_leave_their_number() {
    let mut desk = Desk::with_limits(vec![metered("hour", HOUR)], Limits { claims_kept: HOUR, ..REPORTING });
    for n in 1..=3 {
        let reference = ReferenceKey([n; 16]);
        let code = Found::Reference(reference, Reach::Unknown);
        desk.ask(Input::Redeem { mac: mac(n), code, moving: Moving::Ask });
    }
    assert!(!rows(&checkpoint(&mut desk)).contains(&"purge 3 claims".to_owned()));
    desk.pass(HOUR);
    assert_eq!(rows(&checkpoint(&mut desk)), ["purge 3 claims"]);
    desk.pass(HOUR);
    assert_eq!(rows(&checkpoint(&mut desk)), [""; 0]);
}
