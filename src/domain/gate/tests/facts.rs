//! What the cloud is told: each fact once, after what it tells of, in the same records, and nothing where there
//! is no cloud.

use super::*;
use crate::domain::{Action, Actor, End, Noted};

fn site() -> Desk {
    Desk::with_limits(vec![family(), metered("bridge", MINUTE), valid("day", DAY)], REPORTING)
}

/// The facts of all that follows from `input`, and whether each record stands before its fact.
fn told(desk: &mut Desk, input: Input) -> Vec<Fact> {
    let decision = desk.decide(input);
    desk.take(&decision);
    facts(&decision.records)
}

fn facts(records: &[Record]) -> Vec<Fact> {
    let fact =
        |record: &Record| if let Record::Queued(told) = record { Some(told.fact.clone()) } else { None };
    records.iter().filter_map(fact).collect()
}

fn redeemed(desk: &Desk, code: CodeKey, entitlement: u64, n: u8) -> Fact {
    let voucher = desk.find(code);
    let (id, name, plan) = (voucher.id.clone(), voucher.name(), voucher.plan);
    Fact::Redeemed { id, name, plan, entitlement: EntitlementId(entitlement), mac: mac(n) }
}

const fn opened(session: u64, entitlement: u64, n: u8) -> Fact {
    let (session, entitlement) = (SessionId(session), EntitlementId(entitlement));
    Fact::SessionOpened { session, entitlement, mac: mac(n) }
}

const fn closed(session: u64, why: Closing, seconds: u64) -> Fact {
    Fact::SessionClosed { session: SessionId(session), why, seconds, used: none() }
}

const fn none() -> Traffic {
    Traffic { up: Bytes(0), down: Bytes(0) }
}

#[test]
fn a_redemption_is_told_before_its_session_and_a_switch_in_its_order() {
    let mut desk = site();
    let (first, second) = (desk.sell("family"), desk.sell("day"));
    desk.vouchers.get_mut(&first).unwrap().id = Some("v-81".parse().unwrap());
    let input = typed(mac(1), desk.find(first));
    assert_eq!(told(&mut desk, input), [redeemed(&desk, first, 1, 1), opened(1, 1, 1)]);
    let input = typed(mac(1), desk.find(first));
    assert_eq!(told(&mut desk, input), [], "asked again, nothing has happened");
    let input = typed(mac(2), desk.find(first));
    assert_eq!(told(&mut desk, input), [opened(2, 1, 2)], "a second device redeems nothing");
    desk.pass(MINUTE);
    let input = typed(mac(1), desk.find(second));
    let should = [redeemed(&desk, second, 2, 1), closed(1, Closing::Switched, 60), opened(3, 2, 1)];
    assert_eq!(told(&mut desk, input), should);
}

#[test]
fn each_fact_follows_its_record() {
    let mut desk = site();
    let code = desk.sell("family");
    let records = desk.decide(typed(mac(1), desk.find(code))).records;
    let kinds: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
    let at = |what: &str| kinds.iter().position(|kind| kind.contains(what)).unwrap();
    assert!(kinds[0].starts_with("EntitlementOpened") && kinds[1].contains("Redeemed {"), "{kinds:?}");
    assert_eq!(at("fact: SessionOpened"), 3, "{kinds:?}");
    assert!(kinds[2].starts_with("SessionOpened"), "{kinds:?}");
}

#[test]
fn a_top_up_is_a_redemption_without_a_session() {
    let mut desk = site();
    let codes = [desk.sell("family"), desk.sell("family")];
    desk.redeem(mac(1), codes[0]);
    let input = typed(mac(1), desk.find(codes[1]));
    assert_eq!(told(&mut desk, input), [redeemed(&desk, codes[1], 1, 1)]);
}

#[test]
fn a_claim_is_told_once_and_so_is_what_came_of_it() {
    let limits = Limits { provisional_plan: Some(id("bridge")), ..REPORTING };
    let mut desk = Desk::with_limits(vec![family(), metered("bridge", MINUTE)], limits);
    let reference = ReferenceKey([9; 16]);
    let code = Found::Reference(reference, Reach::Away);
    let input = Input::Redeem { mac: mac(1), code, moving: Moving::Ask };
    assert_eq!(told(&mut desk, input.clone()), [opened(1, 1, 1), Fact::Claimed { reference, mac: mac(1) }]);
    assert_eq!(told(&mut desk, input), []);
    let made = desk.issue("family", Kind::Payment, None);
    let payment = Voucher { key: CodeKey(reference.0), ..desk.vouchers.remove(&made).unwrap() };
    desk.vouchers.insert(payment.key, payment.clone());
    let input = Input::Paid { payment: Box::new(payment), mac: None };
    let code = CodeKey(reference.0);
    let should = [redeemed(&desk, code, 2, 1), closed(1, Closing::Switched, 0), opened(2, 2, 1)];
    assert_eq!(told(&mut desk, input), should);
}

#[test]
fn what_a_command_brought_about_is_told_before_that_it_is_done() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    let command: CloudId = "c-1".parse().unwrap();
    let input = Input::Do { id: command.clone(), command: CloudCommand::Kick(mac(1)) };
    let done = Fact::Done { command: command.clone(), result: Outcome::Done };
    let row = Noted::after(&End::default(), &Actor::Cloud(command), Action::Logout, "s-1", desk.now);
    let noted = Fact::Noted(Box::new(row));
    assert_eq!(told(&mut desk, input), [closed(1, Closing::Kicked, 0), noted, done]);
}

#[test]
fn what_time_ends_is_told_by_due_and_in_the_last_words() {
    for is_last in [false, true] {
        let mut desk = site();
        let code = desk.sell("family");
        desk.redeem(mac(1), code);
        desk.redeem(mac(2), code);
        desk.pass(HOUR + 3 * MINUTE);
        let records = if is_last { desk.gate.last_words(desk.now) } else { desk.due().records };
        let should = [closed(1, Closing::Spent, 3600), closed(2, Closing::Spent, 3600)];
        assert_eq!(facts(&records), should, "the kernel ended them in time");
    }
}

#[test]
fn what_is_used_up_is_told_with_its_bytes() {
    let capped = with(family(), |terms| terms.data.total = Some(Bytes(100)));
    let mut desk = Desk::with_limits(vec![capped], REPORTING);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    let reading = Usage { session: SessionId(1), up: Bytes(40), down: Bytes(70) };
    let used = Traffic { up: Bytes(40), down: Bytes(60) };
    let should = Fact::SessionClosed { session: SessionId(1), why: Closing::Spent, seconds: 60, used };
    assert_eq!(told(&mut desk, Input::Counted(vec![reading])), [should]);
}

#[test]
fn usage_is_told_at_each_twelfth_checkpoint_of_who_goes_on() {
    let mut desk = site();
    let (short, long) = (desk.sell("family"), desk.sell("day"));
    desk.redeem(mac(1), short);
    desk.redeem(mac(2), long);
    for round in 1..=24_u32 {
        desk.pass(LIMITS.checkpoint);
        let now = facts(&desk.due().records);
        let usage = |seconds| Fact::Usage { session: SessionId(2), seconds, used: none() };
        match round {
            // The first session ends at this very moment.
            12 => assert_eq!(now, [closed(1, Closing::Spent, 3600), usage(3600)]),
            24 => assert_eq!(now, [usage(7200)]),
            _ => assert_eq!(now, [], "{round}"),
        }
        assert_eq!(facts(&desk.due().records), [], "between checkpoints");
    }
}

#[test]
fn how_long_a_session_was_goes_on_over_a_restart_and_from_the_last_checkpoint_over_a_power_cut() {
    let mut desk = site();
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.pass(LIMITS.checkpoint);
    desk.due();
    desk.restart("boot-1", MINUTE, Trust::Trusted);
    desk.pass(LIMITS.checkpoint);
    desk.due();
    desk.pass(4 * MINUTE);
    for boot in ["boot-2", "boot-3"] {
        desk.restart(boot, 5 * HOUR, Trust::Trusted);
    }
    desk.pass(MINUTE);
    assert_eq!(
        told(&mut desk, Input::Logout { mac: mac(1) }),
        [closed(1, Closing::Logout, 300 + 60 + 300 + 60)]
    );
}

#[test]
fn what_is_not_applied_is_told_once_until_a_page_is_read() {
    let mut desk = site();
    let refusal = |why: &str| Input::NotApplied { cursor: None, id: None, why: why.to_owned() };
    assert_eq!(told(&mut desk, refusal("it does not parse")).len(), 1);
    assert_eq!(told(&mut desk, refusal("it does not parse")), []);
    assert_eq!(told(&mut desk, refusal("it is too large")).len(), 1);
    desk.ask(Input::FeedRead { stand: desk.gate.stand(), page: crate::domain::PageKind::Changes });
    assert_eq!(told(&mut desk, refusal("it does not parse")).len(), 1);
    let many = (0..500).map(|n| told(&mut desk, refusal(&n.to_string())).len()).sum::<usize>();
    assert!(many < 64, "{many}");
}

#[test]
fn where_there_is_no_cloud_nothing_is_kept_for_it() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.ask(Input::NotApplied { cursor: None, id: None, why: String::new() });
    for _ in 0..13 {
        desk.pass(LIMITS.checkpoint);
        desk.due();
    }
    assert_eq!(desk.facts, []);
    assert_eq!(desk.gate.sessions(), 0);
}

#[test]
fn a_site_without_a_cloud_writes_no_more_than_it_did() {
    let mut desk = Desk::new(vec![plan("free")]);
    let code = desk.sell("free");
    desk.redeem(mac(1), code);
    desk.now.trust = Trust::Floor;
    for _ in 0..24 {
        desk.pass(LIMITS.checkpoint);
        assert_eq!(desk.due().records, []);
    }
}
