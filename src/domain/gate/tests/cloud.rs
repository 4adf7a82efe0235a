//! Plans, rows and commands of the cloud, and accounts.
//!
//! Inputs of one page are decided one after another and committed together: nothing that one of them did is
//! left when the commit fails.

use crate::domain::{Cursor, Generation, PageKind, RowName, Stand, Walk};

use super::*;

fn of_cloud(name: &str, span: Duration) -> Input {
    Input::PlanPut(Box::new(Plan { source: PlanSource::Cloud, ..metered(name, span) }))
}

fn site() -> Desk {
    Desk::with_limits(vec![metered("hour", HOUR)], REPORTING)
}

impl Desk {
    fn commands(&mut self, name: &str, command: CloudCommand) -> Option<Outcome> {
        let before = self.facts.len();
        self.ask(Input::Do { id: name.parse().unwrap(), command });
        self.facts[before..]
            .iter()
            .find_map(|fact| if let Fact::Done { result, .. } = fact { Some(result.clone()) } else { None })
    }

    fn drops(&mut self, code: CodeKey) -> Decision {
        let voucher = self.find(code);
        let decision = self.decide(Input::RowGone { name: voucher.name(), known: Some(Box::new(voucher)) });
        self.take(&decision);
        decision
    }

    fn reads(&mut self, seq: u64, page: PageKind, walk: Walk) -> Generation {
        let at = Some(Cursor { epoch: 1, seq });
        self.ask(Input::FeedRead { stand: Stand { at, walk, highest: None }, page });
        self.gate.cloud.read().1
    }
}

#[test]
fn plans_of_the_cloud_are_for_sale_until_they_are_taken_back_and_the_files_win() {
    let mut desk = site();
    desk.ask(of_cloud("day", DAY));
    desk.ask(of_cloud("hour", DAY));
    let spans = |desk: &Desk| desk.gate.plans().map(|plan| plan.terms.metered).collect::<Vec<_>>();
    assert_eq!(spans(&desk), [Some(DAY), Some(HOUR)]);
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(spans(&desk), [Some(DAY), Some(HOUR)]);
    let code = desk.sell("day");
    assert!(is_online(&desk.redeem(mac(1), code)));
    let gone = desk.decide(Input::RowGone { name: RowName::Plan(id("day")), known: None });
    assert_eq!(gone.effects, [Effect::Regrant], "its speed is now as it was sold");
    desk.take(&gone);
    assert_eq!(desk.left(mac(1)), Some(DAY), "what was sold stays as it was sold");
    let late = desk.sell("day");
    assert_eq!(desk.redeem(mac(2), late), refused(Refusal::NoSuchPlan(id("day"))));
}

#[test]
fn what_a_reset_does_not_name_is_gone_when_its_last_page_is_in_and_not_before() {
    let mut desk = site();
    let old = desk.reads(1, PageKind::Changes, Walk::Following);
    desk.ask(of_cloud("old", HOUR));
    let new = desk.reads(2, PageKind::Reset, Walk::Resetting);
    assert!(new > old);
    desk.ask(of_cloud("new", HOUR));
    desk.restart("boot-1", secs(1), Trust::Trusted);
    assert_eq!(desk.reads(3, PageKind::Reset, Walk::Following), new, "the same reset goes on");
    assert!(desk.gate.plan(&id("old")).is_some() && desk.gate.plan(&id("new")).is_some());
    desk.ask(Input::ResetEnded);
    assert!(desk.gate.plan(&id("old")).is_none() && desk.gate.plan(&id("new")).is_some());
    assert!(desk.reads(4, PageKind::Reset, Walk::Resetting) > new, "the next one");
    desk.ask(Input::StartOver);
    assert_eq!(desk.gate.stand().at, None);
    assert!(desk.reads(1, PageKind::Reset, Walk::Resetting) > Generation(new.0 + 1), "one that begins anew");
}

#[test]
fn a_row_that_is_taken_back_ends_what_the_cloud_knows_to_be_used() {
    let mut desk = site();
    let (used, unused, spent) = (desk.sell("hour"), desk.sell("hour"), desk.sell("hour"));
    desk.redeem(mac(2), spent);
    desk.pass(HOUR);
    desk.due();
    desk.redeem(mac(1), used);
    desk.drops(used);
    assert!(!desk.is_open(mac(1)));
    assert_eq!(desk.redeem(mac(1), used), refused(Refusal::CodeRevoked));
    for code in [unused, spent] {
        let name = desk.find(code).name();
        assert_eq!(desk.drops(code).records, [Record::RowGone(name)], "nothing else has changed");
    }
    assert_eq!(desk.redeem(mac(1), spent), refused(Refusal::CodeSpent), "and not revoked");
}

#[test]
fn what_was_redeemed_since_a_page_was_looked_into_goes_on() {
    let mut desk = site();
    let code = desk.sell("hour");
    let known = desk.find(code);
    desk.redeem(mac(1), code);
    desk.ask(Input::RowGone { name: known.name(), known: Some(Box::new(known)) });
    assert!(desk.is_open(mac(1)), "the cloud has yet to hear of it");
}

#[test]
fn each_command_is_done_once_and_answered_once_also_after_a_restart() {
    let mut desk = site();
    let grant = || CloudCommand::Grant { mac: mac(1), plan: id("hour") };
    assert_eq!(desk.commands("c-1", grant()), Some(Outcome::Done));
    assert_eq!(desk.gate.view(desk.now).sessions[&mac(1)].origin.word(), "cloud");
    desk.pass(MINUTE);
    assert_eq!(desk.commands("c-1", grant()), None);
    desk.restart("boot-2", secs(1), Trust::Trusted);
    assert_eq!(desk.commands("c-1", grant()), None);
    assert!(desk.gate.has_done(&"c-1".parse().unwrap()));
    assert_eq!(desk.commands("c-2", CloudCommand::Kick(mac(1))), Some(Outcome::Done));
    assert!(!desk.is_open(mac(1)));
    assert_eq!(desk.commands("c-3", CloudCommand::Kick(mac(1))), Some(Outcome::Done), "cut before");
    let nowhere = CloudCommand::Grant { mac: mac(1), plan: id("year") };
    let why = Some(Outcome::Failed("there is no plan year".to_owned()));
    assert_eq!(desk.commands("c-4", nowhere), why);
    assert_eq!(desk.commands("c-4", grant()), None, "a failure is an answer too");
    let decision = desk.decide(Input::Do { id: "c-5".parse().unwrap(), command: CloudCommand::ReloadPlans });
    assert_eq!(decision.effects, [Effect::ReadPlans]);
}

#[test]
fn a_thousand_commands_are_remembered_and_memory_is_bounded() {
    let mut desk = site();
    for n in 0..1100 {
        assert_eq!(desk.commands(&format!("c-{n}"), CloudCommand::Kick(mac(1))), Some(Outcome::Done));
    }
    let known =
        |desk: &Desk| (0..1100).filter(|n| desk.gate.has_done(&format!("c-{n}").parse().unwrap())).count();
    assert_eq!(known(&desk), 1024);
    desk.restart("boot-2", secs(1), Trust::Trusted);
    assert_eq!(known(&desk), 1024);
    assert!(desk.gate.has_done(&"c-76".parse().unwrap()) && !desk.gate.has_done(&"c-75".parse().unwrap()));
}

#[test]
fn a_device_that_is_kept_out_is_cut_and_not_opened_by_the_cloud_again() {
    let mut desk = site();
    let (code, payment) = (desk.sell("hour"), desk.issue("hour", Kind::Payment, None));
    desk.redeem(mac(1), code);
    let decision =
        desk.decide(Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(1)) });
    assert!(decision.effects.contains(&Effect::Evict { mac: mac(1) }), "{decision:?}");
    assert_eq!(decision.effects.last(), Some(&Effect::KeepOut));
    desk.take(&decision);
    desk.restart("boot-2", secs(1), Trust::Trusted);
    assert_eq!(desk.gate.kept_out().collect::<Vec<_>>(), [mac(1)]);
    desk.ask(Input::Paid { payment: Box::new(desk.find(payment)), mac: Some(mac(1)) });
    let grant = CloudCommand::Grant { mac: mac(1), plan: id("hour") };
    assert_eq!(desk.commands("c-2", grant), Some(Outcome::Failed("the device is kept out".to_owned())));
    assert!(!desk.is_open(mac(1)));
    assert!(is_online(&desk.redeem(mac(2), payment)), "what was paid is not lost");
}

#[test]
fn an_account_opens_with_its_pin_only() {
    let mut desk = site();
    let account = desk.issue("hour", Kind::Account, Some(Proof::Pin("hash".to_owned())));
    let shows = |desk: &mut Desk, n, shown| {
        let code = Found::Proved(Box::new(desk.find(account)), shown);
        desk.ask(Input::Redeem { mac: mac(n), code, moving: Moving::Agreed })
    };
    assert_eq!(shows(&mut desk, 1, Shown::Nothing), refused(Refusal::PinNeeded));
    assert_eq!(
        shows(&mut desk, 1, Shown::Phone(PhoneTail::of("0417").unwrap())),
        refused(Refusal::PinNeeded)
    );
    for _ in 0..5 {
        assert_eq!(shows(&mut desk, 2, Shown::WrongPin), refused(Refusal::PinWrong));
    }
    assert!(desk.gate.wait(mac(2), desk.now).is_some(), "a wrong PIN is a guess");
    assert!(is_online(&shows(&mut desk, 1, Shown::RightPin)));
    assert_eq!(shows(&mut desk, 3, Shown::Nothing), refused(Refusal::PinNeeded), "on another device too");
    assert!(is_online(&shows(&mut desk, 3, Shown::RightPin)));
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn an_account_that_was_paid_for_again_opens_anew_when_the_first_is_over() {
    let mut desk = site();
    let account = desk.issue("hour", Kind::Account, Some(Proof::Pin("hash".to_owned())));
    let shows = |desk: &mut Desk| {
        let code = Found::Proved(Box::new(desk.find(account)), Shown::RightPin);
        desk.ask(Input::Redeem { mac: mac(1), code, moving: Moving::Ask })
    };
    shows(&mut desk);
    desk.pass(HOUR);
    desk.due();
    assert_eq!(shows(&mut desk), refused(Refusal::CodeSpent));
    // As the store has it once the cloud has put it under a new id.
    desk.vouchers.get_mut(&account).unwrap().state = VoucherState::Unused;
    assert!(is_online(&shows(&mut desk)), "at once");
    assert_eq!(desk.left(mac(1)), Some(HOUR));
}

#[test]
fn a_page_that_could_not_be_stored_leaves_nothing_behind() {
    let mut desk = site();
    let code = desk.sell("hour");
    let payment = desk.issue("hour", Kind::Payment, None);
    desk.redeem(mac(1), code);
    let before = |desk: &Desk| {
        let gate = &desk.gate;
        let known = gate.has_done(&"c-1".parse().unwrap());
        let kept_out = gate.kept_out().collect::<Vec<_>>();
        let plans = gate.plans().cloned().collect::<Vec<_>>();
        let now = (gate.stand(), gate.cloud.read(), known, kept_out, plans);
        format!("{now:?} {:?} {:?}", gate.desired(desk.now), gate.claims().collect::<Vec<_>>())
    };
    let should = before(&desk);
    let stand = Stand { at: Some(Cursor { epoch: 1, seq: 1 }), walk: Walk::Following, highest: None };
    let known = Some(Box::new(desk.find(code)));
    let page = vec![
        Input::FeedRead { stand, page: PageKind::Reset },
        of_cloud("day", DAY),
        Input::Paid { payment: Box::new(desk.find(payment)), mac: Some(mac(2)) },
        Input::RowGone { name: desk.find(code).name(), known },
        Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(2)) },
        Input::ResetEnded,
    ];
    for input in page {
        let decision = desk.decide(input);
        desk.gate.apply(&decision.records, desk.now);
    }
    assert_ne!(before(&desk), should);
    assert_eq!(desk.gate.sessions(), 0, "each was decided after the one before it");
    desk.gate.revert();
    assert_eq!(before(&desk), should);
}
