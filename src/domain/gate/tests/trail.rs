//! The trail: who did what, in the same records as the deed.

use super::*;
use crate::domain::{Action, Actor, CloudCommand, End, Noted, Operator, Role, Verifier};

const ROOT: Actor = Actor::Operator(Operator { uid: 0, name: None, role: Role::Admin, ubus: None });

fn site() -> Desk {
    Desk::with_limits(vec![metered("hour", HOUR)], REPORTING)
}

fn order(action: Action, input: Input) -> Input {
    Input::Ordered { by: ROOT, action, input: Box::new(input) }
}

fn rows(decision: &Decision) -> Vec<Noted> {
    let noted =
        |record: &Record| if let Record::Noted(row) = record { Some(row.as_ref().clone()) } else { None };
    decision.records.iter().filter_map(noted).collect()
}

/// The words of the one row of `decision`.
fn told(decision: &Decision) -> (String, String, String) {
    let [row] = <[Noted; 1]>::try_from(rows(decision)).expect("one deed, one row");
    (row.who, row.action, row.detail)
}

fn words(who: &str, action: &str, detail: &str) -> (String, String, String) {
    (who.to_owned(), action.to_owned(), detail.to_owned())
}

#[test]
fn a_deed_and_its_row_are_one_decision() {
    let mut desk = site();
    let grant = Input::Grant { mac: mac(1), plan: "hour".parse().unwrap() };
    let opened = desk.decide(order(Action::Login, grant));
    assert_eq!(told(&opened), words("uid 0, admin", "login", "s-1 of plan hour"));
    desk.take(&opened);
    let cut = desk.decide(order(Action::Logout, Input::KickDevice { mac: mac(1) }));
    assert_eq!(told(&cut), words("uid 0, admin", "logout", "s-1"));
    desk.take(&cut);
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn what_was_refused_leaves_no_row() {
    let desk = site();
    let decision = desk.decide(order(Action::Logout, Input::KickDevice { mac: mac(1) }));
    assert_eq!(decision.reply, refused(Refusal::NotOnline));
    assert!(decision.records.is_empty(), "{decision:?}");
}

#[test]
fn the_cloud_is_told_of_each_row_with_its_hash() {
    let mut desk = site();
    desk.ask(Input::Noted { by: Actor::Gateway, action: Action::Start, detail: "1.0".to_owned() });
    let end = desk.gate.trail.end().clone();
    let heard: Vec<_> = desk
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Noted(row) = fact { Some(row.end()) } else { None })
        .collect();
    assert_eq!(heard, [end]);
}

#[test]
fn what_the_cloud_has_done_is_noted_once_under_its_command() {
    let mut desk = site();
    let block = || Input::Do { id: "c-17".parse().unwrap(), command: CloudCommand::Block(mac(1)) };
    let decision = desk.decide(block());
    assert_eq!(told(&decision), words("cloud c-17", "block", ""));
    desk.take(&decision);
    assert!(rows(&desk.decide(block())).is_empty());
}

#[test]
fn a_trail_goes_on_over_failed_commits_and_restarts() {
    let mut desk = site();
    let note = |n| Input::Noted { by: ROOT, action: Action::Reload, detail: format!("{n}") };
    let mut written = Vec::new();
    let decision = desk.decide(note(1));
    written.extend(rows(&decision));
    desk.take(&decision);
    let lost = desk.decide(note(2));
    desk.gate.apply(&lost.records, desk.now);
    desk.gate.revert();
    desk.gate.settle();
    for n in 3..5 {
        let decision = desk.decide(note(n));
        written.extend(rows(&decision));
        desk.take(&decision);
        desk.restart("again", HOUR, Trust::Floor);
    }
    let mut verifier = Verifier::from(End::default());
    written.iter().try_for_each(|row| verifier.read(row)).unwrap();
    assert_eq!(verifier.finish(desk.gate.trail.end()), Ok(3));
}

#[test]
fn no_row_names_a_device_or_a_code() {
    let mut desk = site();
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    let revoked =
        desk.decide(order(Action::VoucherRevoke, Input::RevokeVoucher { voucher: desk.find(code) }));
    assert_eq!(told(&revoked), words("uid 0, admin", "voucher_revoke", "1 of plan hour, batch b1, e-1"));
}
