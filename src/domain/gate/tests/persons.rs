//! Persons who are forgotten: what ends, what goes on, what the cloud hears.

use super::*;
use crate::domain::{Alias, Forgetter, Forgotten, Traces};

const ALIAS: [u8; 32] = [7; 32];

fn site() -> Desk {
    Desk::with_limits(vec![metered("hour", HOUR), with(family(), |terms| terms.bound_devices = 2)], REPORTING)
}

fn gone(traces: Traces) -> Box<Forgotten> {
    Box::new(Forgotten { traces, alias: Alias::new(ALIAS), who: Forgetter::Keeper })
}

fn forget(traces: Traces, by: Option<&str>) -> Input {
    Input::Forget { person: gone(traces), by: by.map(|id| id.parse().unwrap()) }
}

#[test]
fn what_a_person_bought_ends_at_once_and_its_code_opens_nothing_again() {
    let mut desk = site();
    let codes = [desk.sell("hour"), desk.sell("hour")];
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(2), codes[1]);
    let traces = Traces {
        devices: [mac(1)].into(),
        entitlements: [desk.find(codes[0]).entitlement.unwrap()].into(),
        ..Traces::default()
    };
    let decision = desk.decide(forget(traces.clone(), None));
    assert!(decision.effects.contains(&Effect::Evict { mac: mac(1) }), "in the kernel too");
    assert!(decision.effects.contains(&Effect::CutFlows { mac: mac(1) }));
    assert_eq!(decision.records.last(), Some(&Record::Forgotten(gone(traces))), "after all that it ends");
    desk.take(&decision);
    assert!(!desk.is_open(mac(1)) && desk.is_open(mac(2)));
    assert_eq!(desk.redeem(mac(1), codes[0]), refused(Refusal::CodeSpent));
    assert_eq!(desk.redeem(mac(3), codes[0]), refused(Refusal::CodeSpent));
    let closed = desk.facts.iter().find(|fact| matches!(fact, Fact::SessionClosed { .. }));
    assert!(matches!(closed, Some(Fact::SessionClosed { why: Closing::Kicked, .. })), "{closed:?}");
}

#[test]
fn what_others_use_as_well_goes_on_and_the_forgotten_device_keeps_its_place() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    desk.ask(forget(Traces { devices: [mac(1)].into(), ..Traces::default() }, None));
    assert!(!desk.is_open(mac(1)) && desk.is_open(mac(2)));
    let alias = Alias::new(ALIAS).of(mac(1));
    assert_eq!(desk.entitlement_of(code).bound, [mac(2), alias].into());
    assert_eq!(desk.redeem(mac(3), code), refused(Refusal::WrongDevice), "to be forgotten frees no place");
}

#[test]
fn claims_and_bans_of_a_person_go() {
    let mut desk = site();
    let claim = |desk: &mut Desk, n, reference| {
        let code = Found::Reference(ReferenceKey([reference; 16]), Reach::Unknown);
        desk.ask(Input::Redeem { mac: mac(n), code, moving: Moving::Ask })
    };
    claim(&mut desk, 1, 8);
    claim(&mut desk, 2, 9);
    claim(&mut desk, 3, 10);
    desk.ask(Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(4)) });
    let traces = Traces {
        devices: [mac(1), mac(4)].into(),
        references: [ReferenceKey([9; 16])].into(),
        ..Traces::default()
    };
    let decision = desk.decide(forget(traces, None));
    assert!(decision.effects.contains(&Effect::KeepOut));
    desk.take(&decision);
    assert_eq!(desk.claims.keys().map(|(_, mac)| *mac).collect::<Vec<_>>(), [mac(3)]);
    assert_eq!(desk.gate.claims().count(), 1);
    assert_eq!(desk.gate.kept_out().count(), 0);
}

#[test]
fn a_command_of_the_cloud_forgets_once_and_is_answered_once_also_after_a_restart() {
    let mut desk = site();
    let traces = Traces { devices: [mac(1)].into(), ..Traces::default() };
    desk.ask(forget(traces.clone(), Some("c-1")));
    let remark = Outcome::Remarked("nothing".to_owned());
    let told = Input::Told { command: "c-2".parse().unwrap(), result: remark.clone() };
    desk.ask(told.clone());
    desk.restart("boot-2", MINUTE, Trust::Trusted);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.ask(forget(traces, Some("c-1")));
    desk.ask(told);
    assert!(desk.is_open(mac(1)), "it was meant for what was there then");
    let done = desk.facts.iter().filter_map(|fact| {
        let Fact::Done { command, result } = fact else { return None };
        Some((command.as_str(), result.clone()))
    });
    assert_eq!(done.collect::<Vec<_>>(), [("c-1", Outcome::Done), ("c-2", remark)]);
}

#[test]
fn a_forgetting_that_could_not_be_stored_leaves_everything_as_it_was() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    let bound = desk.entitlement_of(code).bound.clone();
    let traces = Traces { devices: [mac(1)].into(), ..Traces::default() };
    let decision = desk.decide(forget(traces, Some("c-1")));
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert!(desk.is_open(mac(1)) && desk.entitlement_of(code).bound == bound);
    assert!(!desk.gate.has_done(&"c-1".parse().unwrap()));
}

/// A guest's own wish, by the button.
fn be_forgotten(desk: &mut Desk, n: u8) -> Reply {
    desk.ask(Input::ForgetDevice { mac: mac(n), alias: Alias::new(ALIAS) })
}

#[test]
fn a_guest_who_is_forgotten_is_cut_and_what_is_left_stays_on_the_code() {
    let mut desk = site();
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    let decision = desk.decide(Input::ForgetDevice { mac: mac(1), alias: Alias::new(ALIAS) });
    assert!(decision.effects.contains(&Effect::Evict { mac: mac(1) }), "in the kernel too");
    assert!(decision.effects.contains(&Effect::CutFlows { mac: mac(1) }));
    let last = decision.records.last();
    assert!(
        matches!(last, Some(Record::Forgotten(_))),
        "after all that it ends, so that this is forgotten too"
    );
    desk.take(&decision);
    assert!(!desk.is_open(mac(1)));
    let closed = desk.facts.iter().find(|fact| matches!(fact, Fact::SessionClosed { .. }));
    assert!(matches!(closed, Some(Fact::SessionClosed { why: Closing::Logout, .. })), "{closed:?}");
    assert!(is_online(&desk.redeem(mac(1), code)));
    assert_eq!(desk.left(mac(1)), Some(HOUR - MINUTE));
}

#[test]
fn a_guest_who_is_forgotten_frees_no_place_and_closes_its_claims() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    let claim = Found::Reference(ReferenceKey([8; 16]), Reach::Unknown);
    desk.ask(Input::Redeem { mac: mac(3), code: claim, moving: Moving::Ask });
    assert_eq!(be_forgotten(&mut desk, 3), Reply::Done, "it is not online, but waits");
    assert_eq!(desk.gate.claims().count(), 0);
    assert_eq!(be_forgotten(&mut desk, 1), Reply::Done);
    let bound = [mac(2), Alias::new(ALIAS).of(mac(1))].into();
    assert_eq!(desk.entitlement_of(code).bound, bound);
    for n in [1, 4] {
        assert_eq!(
            desk.redeem(mac(n), code),
            refused(Refusal::WrongDevice),
            "to be forgotten frees no place"
        );
    }
    assert!(desk.is_open(mac(2)));
}

/// Or a guest with a code could have whole tables read as often as it likes.
#[test]
fn what_is_not_known_any_more_is_not_forgotten_again() {
    let mut desk = site();
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    assert_eq!(be_forgotten(&mut desk, 1), Reply::Done);
    for n in [1, 2] {
        let decision = desk.decide(Input::ForgetDevice { mac: mac(n), alias: Alias::new(ALIAS) });
        assert_eq!((decision.reply, decision.records), (refused(Refusal::NotOnline), Vec::new()));
    }
}

#[test]
fn a_guest_lifts_no_ban_by_being_forgotten() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.ask(Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(1)) });
    assert!(desk.entitlement_of(code).bound.contains(&mac(1)));
    assert_eq!(be_forgotten(&mut desk, 1), refused(Refusal::NotOnline));
    assert_eq!(desk.gate.kept_out().collect::<Vec<_>>(), [mac(1)]);
    // As if the ban came between the decision and the commit.
    let traces = Traces { devices: [mac(1)].into(), ..Traces::default() };
    let gone = Forgotten { traces, alias: Alias::new(ALIAS), who: Forgetter::Guest };
    desk.gate.apply(&[Record::Forgotten(Box::new(gone))], desk.now);
    assert_eq!(desk.gate.kept_out().collect::<Vec<_>>(), [mac(1)]);
}

#[test]
fn a_guest_is_forgiven_no_wrong_code_by_being_forgotten() {
    let mut desk = site();
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    let guess = |desk: &mut Desk| {
        let code = Found::Nothing(Blame::DeviceAndSite);
        desk.ask(Input::Redeem { mac: mac(1), code, moving: Moving::Ask })
    };
    let before = std::iter::repeat_with(|| guess(&mut desk))
        .take_while(|reply| *reply == refused(Refusal::CodeUnknown));
    assert!(before.count() > 2);
    let waits = |reply: &Reply| matches!(reply, Reply::Refused(Refusal::TooManyTries { .. }));
    assert!(waits(&guess(&mut desk)));
    assert_eq!(be_forgotten(&mut desk, 1), Reply::Done);
    assert!(waits(&guess(&mut desk)));
}
