//! What operators do to what was bought: what is left afterwards is what was left before, and so much more.

use super::*;

/// An hour online within a day, a thousand bytes.
pub(super) fn all() -> Plan {
    with(metered("all", HOUR), |terms| {
        (terms.validity, terms.data.total) = (Some(DAY), Some(Bytes(1000)));
    })
}

fn time(metered: Duration) -> More {
    More { metered, ..More::default() }
}

fn data(bytes: u64) -> More {
    More { data: Bytes(bytes), ..More::default() }
}

fn later(validity: Duration) -> More {
    More { validity, ..More::default() }
}

pub(super) fn hindered(why: Hindrance) -> Reply {
    refused(Refusal::Hindered(why))
}

impl Desk {
    /// As the app finds it.
    fn bought(&self, id: EntitlementId, device: Option<Mac>) -> Bought {
        let over = self.over.get(&id).filter(|_| self.gate.entitlement(id).is_none());
        Bought { id, over: over.cloned().map(Box::new), device }
    }

    fn grow(&mut self, code: CodeKey, device: Option<Mac>, more: More) -> Reply {
        let id = self.find(code).entitlement.expect("the code was redeemed");
        let bought = Box::new(self.bought(id, device));
        self.ask(Input::Grow { bought, more })
    }

    /// Time online, validity and data left.
    pub(super) fn all_left(&self, code: CodeKey) -> (Option<Duration>, Option<Duration>, Option<Bytes>) {
        let (bought, moment) = (self.entitlement_of(code), self.gate.moment(self.now));
        (bought.metered_left(moment), bought.validity_left(moment), bought.data_left())
    }

    /// What the trail was told last.
    pub(super) fn noted(&self) -> (String, String) {
        let noted = self.facts.iter().rev().find_map(|fact| {
            let Fact::Noted(row) = fact else { return None };
            Some((row.action.clone(), row.detail.clone()))
        });
        noted.expect("something was noted")
    }

    pub(super) fn uses(&mut self, session: u64, down: u64) {
        let usage = Usage { session: SessionId(session), up: Bytes(0), down: Bytes(down) };
        self.ask(Input::Counted(vec![usage]));
    }

    /// `mac(1)` uses one of `plan` for ten minutes, and 400 bytes of it.
    fn using(plan: Plan) -> (Self, CodeKey) {
        let name = plan.id.to_string();
        let mut desk = Self::with_limits(vec![plan], REPORTING);
        let code = desk.sell(&name);
        desk.redeem(mac(1), code);
        desk.pass(10 * MINUTE);
        desk.uses(1, 400);
        (desk, code)
    }
}

#[test]
fn what_is_left_grows_by_as_much_and_the_kernel_is_told() {
    let (mut desk, code) = Desk::using(all());
    let id = desk.find(code).entitlement.unwrap();
    let bought = Box::new(desk.bought(id, None));
    let decision = desk.decide(Input::Grow { bought, more: time(HOUR) });
    assert_eq!(decision.effects, [Effect::Regrant], "no flow is cut");
    desk.take(&decision);
    desk.grow(code, None, data(500));
    desk.grow(code, None, later(DAY));
    let left = (Some(110 * MINUTE), Some(2 * DAY - 10 * MINUTE), Some(Bytes(1100)));
    assert_eq!(desk.all_left(code), left);
    let grant = desk.gate.grant(mac(1), desk.now).unwrap();
    assert_eq!((grant.session, grant.ends), (SessionId(1), Some(desk.now.boot.plus(110 * MINUTE))));
    assert_eq!(grant.cap.total, Some(Bytes(1500)));
    for boot in ["boot-1", "boot-2"] {
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
        assert_eq!(desk.all_left(code), left, "{boot}");
    }
}

#[test]
fn where_directions_are_capped_apart_each_grows() {
    let split = with(plan("split"), |terms| {
        (terms.data.up, terms.data.down) = (Some(Bytes(1000)), Some(Bytes(2000)));
    });
    let (mut desk, code) = Desk::using(split);
    desk.grow(code, None, data(100));
    let cap = desk.entitlement_of(code).terms.data;
    assert_eq!((cap.up, cap.down, cap.total), (Some(Bytes(1100)), Some(Bytes(2100)), None));
}

#[test]
fn what_is_used_up_goes_on_at_once_with_what_was_added() {
    let (mut desk, code) = Desk::using(all());
    desk.uses(1, 2000);
    assert!(!desk.is_open(mac(1)));
    desk.pass(HOUR);
    assert_eq!(desk.grow(code, Some(mac(1)), data(500)), Reply::Online(SessionId(2)));
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE), "nothing ran meanwhile but validity");
    assert_eq!(desk.all_left(code).1, Some(DAY - 70 * MINUTE));
    assert_eq!(desk.all_left(code).2, Some(Bytes(500)), "what the cap dropped is nobody's");
    desk.pass(10 * MINUTE);
    desk.restart("boot-2", Duration::ZERO, Trust::Trusted);
    assert_eq!(desk.all_left(code).2, Some(Bytes(500)));
    desk.pass(2 * HOUR);
    desk.due();
    assert!(!desk.is_open(mac(1)), "it ends again, by the other clock");
    assert_eq!(desk.redeem(mac(2), code), refused(Refusal::CodeSpent));
}

#[test]
fn what_time_has_just_ended_loses_nothing_and_gains_nothing_by_that() {
    let (mut desk, code) = Desk::using(all());
    desk.pass(2 * HOUR);
    // Nobody has written down yet that it is over.
    assert_eq!(desk.grow(code, None, time(HOUR)), Reply::Online(SessionId(2)));
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    assert_eq!(desk.gate.sessions(), 1);
}

#[test]
fn without_a_device_the_code_is_good_again() {
    let (mut desk, code) = Desk::using(all());
    desk.pass(HOUR);
    desk.due();
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent));
    assert_eq!(desk.grow(code, None, time(30 * MINUTE)), Reply::Done);
    assert!(is_online(&desk.redeem(mac(2), code)));
    assert_eq!(desk.left(mac(2)), Some(30 * MINUTE));
}

#[test]
fn all_codes_of_what_goes_on_are_good_again() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let codes = [desk.sell("hour"), desk.sell("hour")];
    codes.iter().for_each(|code| drop(desk.redeem(mac(1), *code)));
    desk.pass(2 * HOUR);
    desk.due();
    desk.grow(codes[0], None, time(HOUR));
    for boot in ["boot-1", "boot-2"] {
        for code in codes {
            assert!(is_online(&desk.redeem_here(mac(2), code)), "{boot}");
            desk.ask(Input::Logout { mac: mac(2) });
        }
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
    }
}

#[test]
fn what_has_expired_is_put_off_from_now_on() {
    let (mut desk, code) = Desk::using(all());
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(3 * DAY);
    desk.due();
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeExpired));
    assert_eq!(desk.grow(code, None, later(HOUR)), Reply::Done);
    assert_eq!(desk.all_left(code), (Some(50 * MINUTE), Some(HOUR), Some(Bytes(600))));
    assert_eq!(desk.entitlement_of(code).last_stamp().expires, Some(desk.now.wall.plus(HOUR)));
}

#[test]
fn what_both_clocks_have_ended_takes_both_orders_in_any_order() {
    for first in [time(HOUR), later(DAY)] {
        let (mut desk, code) = Desk::using(all());
        desk.pass(HOUR);
        desk.due();
        desk.pass(2 * DAY);
        assert_eq!(desk.grow(code, Some(mac(1)), first), Reply::Done);
        assert!(!desk.is_open(mac(1)), "the other clock still ends it: {first:?}");
        let second = if first == time(HOUR) { later(DAY) } else { time(HOUR) };
        assert!(is_online(&desk.grow(code, Some(mac(1)), second)));
        assert_eq!(desk.all_left(code), (Some(HOUR), Some(DAY), Some(Bytes(600))), "{first:?}");
    }
}

#[test]
fn while_the_clock_is_not_trusted_what_goes_on_waits_for_it_to_charge_the_gap() {
    let (mut desk, code) = Desk::using(all());
    desk.uses(1, 2000);
    desk.restart("boot-2", 5 * HOUR, Trust::Floor);
    desk.grow(code, None, data(500));
    assert_eq!(desk.all_left(code).1, Some(DAY - 10 * MINUTE));
    desk.now = Now { wall: Wall::from_secs(NOON).plus(5 * HOUR), trust: Trust::Trusted, ..desk.now };
    assert_eq!(desk.all_left(code).1, Some(19 * HOUR));
}

#[test]
fn what_has_no_limit_has_none_to_raise() {
    let (mut desk, code) = Desk::using(plan("free"));
    assert_eq!(desk.grow(code, None, time(HOUR)), hindered(Hindrance::NoMeter));
    assert_eq!(desk.grow(code, None, data(1)), hindered(Hindrance::NoDataCap));
    assert_eq!(desk.grow(code, None, later(HOUR)), hindered(Hindrance::NoValidity));
}

#[test]
fn nothing_overflows() {
    let (mut desk, code) = Desk::using(all());
    for more in [time(Duration::MAX), later(Duration::MAX), data(u64::MAX), data(1 << 60)] {
        assert_eq!(desk.grow(code, None, more), hindered(Hindrance::TooMuch), "{more:?}");
    }
    assert_eq!(desk.all_left(code).2, Some(Bytes(600)));
}

#[test]
fn what_was_withdrawn_stays_so() {
    let (mut desk, code) = Desk::using(all());
    desk.ask(Input::RevokeVoucher { voucher: desk.find(code) });
    assert_eq!(desk.grow(code, Some(mac(1)), time(HOUR)), hindered(Hindrance::Withdrawn));
}

#[test]
fn whoever_is_online_with_something_else_or_kept_out_is_not_let_in_by_it() {
    let (mut desk, code) = Desk::using(all());
    let other = desk.sell("all");
    desk.uses(1, 2000);
    desk.redeem(mac(1), other);
    assert_eq!(desk.grow(code, Some(mac(1)), data(500)), Reply::Done, "its code is good again");
    assert_eq!(desk.gate.grant(mac(1), desk.now).unwrap().session, SessionId(2));

    let (mut desk, code) = Desk::using(all());
    desk.uses(1, 2000);
    desk.ask(Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(1)) });
    assert_eq!(desk.grow(code, Some(mac(1)), data(500)), Reply::Done);
    assert!(!desk.is_open(mac(1)));
}

#[test]
fn what_no_code_leads_to_goes_on_only_with_its_device() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    desk.ask(Input::Grant { mac: mac(1), plan: id("hour") });
    desk.pass(HOUR);
    desk.due();
    let one = EntitlementId(1);
    let order =
        |desk: &Desk, device| Input::Grow { bought: Box::new(desk.bought(one, device)), more: time(HOUR) };
    let input = order(&desk, None);
    assert_eq!(desk.ask(input), hindered(Hindrance::NoDevice));
    let input = order(&desk, Some(mac(1)));
    assert!(is_online(&desk.ask(input)));
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    let input = order(&desk, Some(mac(1)));
    desk.ask(input);
    assert_eq!(desk.left(mac(1)), Some(2 * HOUR));
}

#[test]
fn an_order_that_could_not_be_stored_is_none() {
    let (mut desk, code) = Desk::using(all());
    desk.uses(1, 2000);
    let id = desk.find(code).entitlement.unwrap();
    let bought = Box::new(desk.bought(id, Some(mac(1))));
    let decision = desk.decide(Input::Grow { bought, more: data(500) });
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert!(desk.gate.entitlement(id).is_none() && !desk.is_open(mac(1)));
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeSpent));
}

#[test]
fn the_trail_names_what_grew_and_by_how_much_and_nothing_of_who() {
    let (mut desk, code) = Desk::using(all());
    let id = desk.find(code).entitlement.unwrap();
    let bought = Box::new(desk.bought(id, None));
    let more = More { metered: HOUR, data: Bytes(500), ..More::default() };
    let input = Box::new(Input::Grow { bought, more });
    desk.ask(Input::Ordered { by: Actor::Gateway, action: Action::Topup, input });
    assert_eq!(desk.noted(), ("topup".to_owned(), format!("{id}, 3600 s online and 500 bytes more")));
}

/// Pays back what the code opened, as an operator.
fn refund(desk: &mut Desk, code: CodeKey, reason: &str) -> Reply {
    let entitlement = desk.find(code).entitlement.expect("the code was redeemed");
    let input = Box::new(Input::Refund { entitlement, reason: reason.to_owned() });
    desk.ask(Input::Ordered { by: Actor::Gateway, action: Action::Refund, input })
}

#[test]
fn an_unused_voucher_that_is_paid_back_is_noted_with_the_reason() {
    let (mut desk, code) = Desk::using(all());
    let unused = desk.sell(&desk.find(code).plan.to_string());
    let input = Input::RefundUnused { voucher: desk.find(unused), reason: "misprint".to_owned() };
    desk.ask(Input::Ordered { by: Actor::Gateway, action: Action::Refund, input: Box::new(input) });
    assert!(desk.noted().1.ends_with("unused; misprint") && !is_online(&desk.redeem(mac(7), unused)));
}

#[test]
fn what_is_paid_back_ends_for_good_and_what_was_left_is_noted_and_told() {
    let family = with(all(), |terms| terms.devices = 2);
    let (mut desk, code) =
        Desk::using(Plan { price: "500".to_owned(), currency: "TZS".to_owned(), ..family });
    desk.redeem(mac(2), code);
    assert_eq!(refund(&mut desk, code, "no signal"), Reply::Done);
    assert!(!desk.is_open(mac(1)) && !desk.is_open(mac(2)));
    assert_eq!(desk.redeem(mac(1), code), refused(Refusal::CodeRevoked));
    let detail =
        "e-1 of plan all, left 3000 s online, 85800 s of validity, 600 bytes, price 500 TZS; no signal";
    assert_eq!(desk.noted(), ("refund".to_owned(), detail.to_owned()));
    let closed = |fact: &&Fact| matches!(fact, Fact::SessionClosed { why: Closing::Refunded, .. });
    assert_eq!(desk.facts.iter().filter(closed).count(), 2);
    assert_eq!(desk.grow(code, Some(mac(1)), time(HOUR)), hindered(Hindrance::Withdrawn));
}

#[test]
fn nothing_is_paid_back_twice_nor_of_what_is_over() {
    let (mut desk, code) = Desk::using(all());
    desk.ask(Input::Logout { mac: mac(1) });
    assert_eq!(refund(&mut desk, code, ""), Reply::Done, "nobody has to be online");
    assert_eq!(refund(&mut desk, code, ""), hindered(Hindrance::NothingLeft(EntitlementId(1))));
    let rows = desk.facts.iter().filter(|fact| matches!(fact, Fact::Noted(_))).count();
    assert_eq!(rows, 1, "what was refused leaves none");
    let (mut desk, code) = Desk::using(all());
    desk.pass(2 * HOUR);
    assert_eq!(
        refund(&mut desk, code, ""),
        hindered(Hindrance::NothingLeft(EntitlementId(1))),
        "over, though nobody wrote it down"
    );
}

impl Desk {
    fn move_to(&mut self, code: CodeKey, from: Option<Mac>, to: Mac) -> Reply {
        let entitlement = self.find(code).entitlement.expect("the code was redeemed");
        self.ask(Input::Move { entitlement, from, to })
    }
}

/// As `all`, for one device ever.
fn for_one() -> Plan {
    with(all(), |terms| terms.bound_devices = 1)
}

#[test]
fn what_goes_to_another_device_takes_all_that_is_left_along() {
    let (mut desk, code) = Desk::using(for_one());
    let before = desk.all_left(code);
    assert_eq!(desk.move_to(code, None, mac(2)), Reply::Online(SessionId(2)));
    assert!(!desk.is_open(mac(1)) && desk.is_open(mac(2)));
    assert_eq!(desk.all_left(code), before);
    for boot in ["boot-1", "boot-2"] {
        assert_eq!(
            desk.redeem_here(mac(1), code),
            refused(Refusal::WrongDevice),
            "it no longer counts: {boot}"
        );
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
        assert!(desk.is_open(mac(2)));
    }
    let closed = |fact: &Fact| matches!(fact, Fact::SessionClosed { why: Closing::Moved, .. });
    assert!(desk.facts.iter().any(closed));
}

#[test]
fn the_same_order_again_changes_nothing() {
    let (mut desk, code) = Desk::using(for_one());
    desk.move_to(code, None, mac(2));
    let session = desk.gate.grant(mac(2), desk.now).unwrap().session;
    assert_eq!(desk.move_to(code, None, mac(2)), Reply::Online(session));
    assert_eq!(desk.move_to(code, Some(mac(1)), mac(2)), Reply::Online(session));
    assert_eq!(desk.gate.sessions(), 1);
}

#[test]
fn nobody_has_to_be_online_for_a_move_and_the_meter_did_not_run() {
    let (mut desk, code) = Desk::using(for_one());
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(HOUR);
    assert!(is_online(&desk.move_to(code, None, mac(2))));
    assert_eq!(desk.left(mac(2)), Some(50 * MINUTE));
}

#[test]
fn a_payment_that_opened_the_wrong_device_opens_the_right_one() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let payment = desk.issue("hour", Kind::Payment, None);
    desk.redeem(mac(1), payment);
    assert_eq!(desk.redeem_here(mac(2), payment), refused(Refusal::WrongDevice));
    assert!(is_online(&desk.move_to(payment, None, mac(2))));
    assert_eq!(desk.redeem_here(mac(1), payment), refused(Refusal::WrongDevice));
    desk.ask(Input::Logout { mac: mac(2) });
    assert!(is_online(&desk.redeem(mac(2), payment)));
}

#[test]
fn what_no_code_leads_to_moves_without_ending() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    desk.ask(Input::Grant { mac: mac(1), plan: id("hour") });
    desk.pass(10 * MINUTE);
    assert!(is_online(&desk.ask(Input::Move { entitlement: EntitlementId(1), from: None, to: mac(2) })));
    assert!(!desk.is_open(mac(1)));
    assert_eq!(desk.left(mac(2)), Some(50 * MINUTE));
}

#[test]
fn of_several_devices_the_one_that_leaves_is_named() {
    let mut desk = Desk::new(vec![family()]);
    let code = desk.sell("family");
    desk.redeem(mac(1), code);
    desk.redeem(mac(2), code);
    assert_eq!(desk.move_to(code, None, mac(3)), hindered(Hindrance::WhichDevice));
    assert_eq!(
        desk.move_to(code, Some(mac(9)), mac(3)),
        hindered(Hindrance::WhichDevice),
        "no place gets free"
    );
    assert!(is_online(&desk.move_to(code, Some(mac(1)), mac(3))));
    assert!(!desk.is_open(mac(1)) && desk.is_open(mac(2)) && desk.is_open(mac(3)));
}

#[test]
fn a_move_is_refused_where_the_other_device_is_taken_kept_out_or_nothing_is_left() {
    let (mut desk, code) = Desk::using(all());
    let other = desk.sell("all");
    desk.redeem(mac(2), other);
    assert_eq!(desk.move_to(code, None, mac(2)), hindered(Hindrance::OnlineOtherwise(SessionId(2))));
    desk.ask(Input::Do { id: "c-1".parse().unwrap(), command: CloudCommand::Block(mac(3)) });
    assert_eq!(desk.move_to(code, None, mac(3)), hindered(Hindrance::KeptOut));
    assert!(desk.is_open(mac(1)), "what is refused cuts nobody");
    desk.pass(2 * HOUR);
    assert_eq!(desk.move_to(code, None, mac(4)), hindered(Hindrance::NothingLeft(EntitlementId(1))));
}

#[test]
fn a_full_hotspot_moves_who_is_online_and_takes_nobody_more() {
    let mut desk = Desk::with_limits(vec![all()], Limits { max_clients: 1, ..LIMITS });
    let (code, other) = (desk.sell("all"), desk.sell("all"));
    desk.redeem(mac(1), code);
    assert!(is_online(&desk.move_to(code, None, mac(2))));
    desk.ask(Input::Logout { mac: mac(2) });
    desk.redeem(mac(3), other);
    assert_eq!(desk.move_to(code, None, mac(4)), refused(Refusal::Full));
}

#[test]
fn a_trial_belongs_to_its_device() {
    let limits = Limits { trial: Some(id("hour")), ..LIMITS };
    let mut desk = Desk::with_limits(vec![metered("hour", HOUR)], limits);
    desk.ask(Input::Trial { mac: mac(1) });
    let order = Input::Move { entitlement: EntitlementId(1), from: None, to: mac(2) };
    assert_eq!(desk.ask(order), hindered(Hindrance::OfTrial));
}
