//! Two purchases of one person become one: nothing is lost, nothing doubled, and each code leads to the whole.

use proptest::prelude::*;

use super::orders::{all, hindered};
use super::*;
use crate::domain::{Acceptance, DataCap, TermsVersion};

impl Desk {
    fn merge(&mut self, kept: CodeKey, other: CodeKey) -> Reply {
        let [kept, other] = [kept, other].map(|code| self.find(code).entitlement.expect("it was redeemed"));
        let input = Box::new(Input::Merge { kept, other });
        self.ask(Input::Ordered { by: Actor::Gateway, action: Action::Merge, input })
    }

    /// Two of `plan`: the first used by `mac(1)` for ten minutes, and 400 bytes; then the second by `mac(2)` for five,
    /// and 100 bytes, by the second session.
    fn with_two(plan: Plan) -> (Self, [CodeKey; 2]) {
        let name = plan.id.to_string();
        let mut desk = Self::with_limits(vec![plan], REPORTING);
        let codes = [desk.sell(&name), desk.sell(&name)];
        desk.redeem(mac(1), codes[0]);
        desk.pass(10 * MINUTE);
        desk.uses(1, 400);
        desk.ask(Input::Logout { mac: mac(1) });
        desk.redeem(mac(2), codes[1]);
        desk.pass(5 * MINUTE);
        desk.uses(2, 100);
        (desk, codes)
    }

    /// As real clocks go on: the wall clock is at this part of a second when the other one begins another.
    fn really_pass(&mut self, ms: u64, phase: u64) {
        let boot = self.now.boot.as_millis() + ms;
        let wall = NOON + i64::try_from((boot + phase) / 1000).unwrap();
        self.now = Now { boot: Boot::from_millis(boot), wall: Wall::from_secs(wall), ..self.now };
    }

    fn closings(&self) -> Vec<Closing> {
        let why = |fact: &Fact| if let Fact::SessionClosed { why, .. } = fact { Some(*why) } else { None };
        self.facts.iter().filter_map(why).collect()
    }
}

#[test]
fn what_was_left_of_both_is_left_of_one_and_who_is_online_stays_so() {
    let (mut desk, codes) = Desk::with_two(all());
    assert_eq!(desk.merge(codes[0], codes[1]), Reply::Done);
    let left = (Some(105 * MINUTE), Some(2 * DAY - 20 * MINUTE), Some(Bytes(1500)));
    assert_eq!(desk.all_left(codes[0]), left);
    let grant = desk.gate.grant(mac(2), desk.now).unwrap();
    assert_eq!((grant.entitlement, grant.cap.total), (EntitlementId(1), Some(Bytes(1900))));
    let detail = "e-2, left 3300 s online, 86100 s of validity, 900 bytes, \
                  into e-1, left 3000 s online, 85500 s of validity, 600 bytes";
    assert_eq!(desk.noted(), ("merge".to_owned(), detail.to_owned()));
    assert_eq!(desk.closings(), [Closing::Logout, Closing::Switched]);
    for boot in ["boot-1", "boot-2"] {
        for code in codes {
            assert_eq!(desk.all_left(code), left, "{boot}");
            assert!(is_online(&desk.redeem_here(mac(3), code)), "{boot}");
            desk.ask(Input::Logout { mac: mac(3) });
        }
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
    }
    desk.redeem(mac(2), codes[1]);
    desk.pass(105 * MINUTE);
    desk.due();
    assert!(codes.map(|code| desk.redeem(mac(2), code)) == [(); 2].map(|()| refused(Refusal::CodeSpent)));
}

#[test]
fn the_kernel_is_told_of_all_that_changed() {
    let (mut desk, codes) = Desk::with_two(family());
    desk.redeem(mac(1), codes[0]);
    let [kept, other] = [EntitlementId(1), EntitlementId(2)];
    let decision = desk.decide(Input::Merge { kept, other });
    let [evict, cut, admit] =
        [Effect::Evict { mac: mac(2) }, Effect::CutFlows { mac: mac(2) }, Effect::Admit { mac: mac(2) }];
    assert_eq!(decision.effects, [evict, cut, admit, cut, Effect::Regrant]);
    desk.take(&decision);
    assert_eq!((desk.left(mac(1)), desk.left(mac(2))), (Some(105 * MINUTE), Some(105 * MINUTE)));
}

#[test]
fn who_finds_no_place_is_cut_and_those_who_came_first_have_the_places() {
    for (devices, stay) in [(1, 0), (2, 1), (3, 2)] {
        let (mut desk, codes) = Desk::with_two(with(all(), |terms| terms.devices = devices));
        desk.redeem(mac(1), codes[0]);
        desk.redeem(mac(3), codes[1]);
        desk.merge(codes[0], codes[1]);
        assert_eq!([1, 2, 3].map(|n| desk.is_open(mac(n))), [true, stay > 0, stay > 1], "{devices}");
        let count = |why| desk.closings().iter().filter(|closing| **closing == why).count();
        let cut = if devices == 1 { 1 } else { 2 - stay };
        assert_eq!((count(Closing::Switched), count(Closing::Moved)), (stay, cut), "{devices}");
    }
}

#[test]
fn what_the_guest_accepted_is_of_the_session_that_goes_on() {
    let (mut desk, codes) = Desk::with_two(all());
    desk.ask(Input::Accepted { mac: mac(2), terms: TermsVersion(3) });
    let at = desk.now.wall;
    desk.pass(MINUTE);
    desk.merge(codes[0], codes[1]);
    assert_eq!(desk.session(SessionId(3)).accepted, Some(Acceptance { version: TermsVersion(3), at }));
}

#[test]
fn what_has_no_limit_has_none_afterwards() {
    let (mut desk, codes) = Desk::with_two(plan("free"));
    assert_eq!(desk.merge(codes[0], codes[1]), Reply::Done);
    assert_eq!(desk.all_left(codes[1]), (None, None, None));
    assert!(desk.is_open(mac(2)));
}

#[test]
fn devices_that_are_bound_to_either_are_bound_to_the_one_if_so_many_may() {
    let bound = |most| with(all(), |terms| terms.bound_devices = most);
    let (mut desk, codes) = Desk::with_two(bound(1));
    assert_eq!(desk.merge(codes[0], codes[1]), hindered(Hindrance::TooManyDevices));
    let (mut desk, codes) = Desk::with_two(bound(2));
    desk.merge(codes[0], codes[1]);
    assert_eq!(desk.entitlement_of(codes[0]).bound, [mac(1), mac(2)].into());
    assert_eq!(desk.redeem_here(mac(3), codes[1]), refused(Refusal::WrongDevice));
    assert!(is_online(&desk.redeem_here(mac(1), codes[1])));
}

#[test]
fn a_payment_stays_with_the_devices_of_its_owner() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let (code, payment) = (desk.sell("hour"), desk.issue("hour", Kind::Payment, None));
    desk.redeem(mac(1), payment);
    desk.redeem(mac(2), code);
    desk.merge(code, payment);
    assert_eq!(desk.redeem_here(mac(3), payment), refused(Refusal::WrongDevice), "a reference is no secret");
    assert!(is_online(&desk.redeem_here(mac(1), payment)));
}

#[test]
fn codes_that_were_added_before_go_along() {
    let (mut desk, codes) = Desk::with_two(metered("hour", HOUR));
    let more = desk.sell("hour");
    desk.redeem(mac(2), more);
    desk.merge(codes[0], codes[1]);
    for boot in ["boot-1", "boot-2"] {
        assert!(is_online(&desk.redeem_here(mac(3), more)), "{boot}");
        assert_eq!(desk.left(mac(3)), Some(165 * MINUTE));
        desk.restart(boot, Duration::ZERO, Trust::Trusted);
    }
}

#[test]
fn only_what_is_bought_alike_and_not_over_becomes_one() {
    let (mut desk, [one, other]) = Desk::with_two(all());
    assert_eq!(desk.merge(one, one), hindered(Hindrance::OneAlready(EntitlementId(1))));
    desk.merge(one, other);
    assert_eq!(desk.merge(one, other), hindered(Hindrance::OneAlready(EntitlementId(1))), "once more");

    let (mut desk, [one, other]) = Desk::with_two(all());
    desk.pass(2 * HOUR);
    let over = hindered(Hindrance::NothingLeft(EntitlementId(2)));
    assert_eq!((desk.merge(one, other), desk.merge(other, one)), (over.clone(), over));

    let mut desk = Desk::with_limits(vec![all(), family()], Limits { trial: Some(id("all")), ..LIMITS });
    let codes = ["all", "family"].map(|plan| desk.sell(plan));
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(2), codes[1]);
    let plans = Box::new((id("all"), id("family")));
    assert_eq!(desk.merge(codes[0], codes[1]), hindered(Hindrance::OtherPlan(plans)));
    desk.ask(Input::Trial { mac: mac(3) });
    let unpaid = hindered(Hindrance::Unpaid(EntitlementId(3)));
    let [kept, other] = [EntitlementId(1), EntitlementId(3)];
    assert_eq!(desk.ask(Input::Merge { kept, other }), unpaid);
    assert_eq!(desk.ask(Input::Merge { kept: other, other: kept }), unpaid);
    assert_eq!(desk.gate.sessions(), 3, "what is refused cuts nobody");
    let for_two = with(all(), |terms| terms.devices = 2);
    desk.gate.configure(vec![for_two], LIMITS);
    let later = desk.sell("all");
    desk.redeem(mac(4), later);
    assert_eq!(desk.merge(codes[0], later), hindered(Hindrance::OtherTerms));
}

#[test]
fn what_was_opened_by_hand_goes_into_what_a_code_leads_to_and_not_the_other_way() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.ask(Input::Logout { mac: mac(1) });
    desk.ask(Input::Grant { mac: mac(2), plan: id("hour") });
    let [by_code, by_hand] = [EntitlementId(1), EntitlementId(2)];
    let order = Input::Merge { kept: by_hand, other: by_code };
    assert_eq!(desk.ask(order), hindered(Hindrance::NoCode));
    desk.ask(Input::Merge { kept: by_code, other: by_hand });
    assert_eq!(desk.left(mac(2)), Some(2 * HOUR));
    desk.ask(Input::Logout { mac: mac(2) });
    assert!(is_online(&desk.redeem(mac(2), code)), "its rest is not lost with the session");
}

#[test]
fn a_merge_that_could_not_be_stored_is_none() {
    let (mut desk, codes) = Desk::with_two(all());
    let before = codes.map(|code| desk.entitlement_of(code).clone());
    let decision = desk.decide(Input::Merge { kept: before[0].id, other: before[1].id });
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    assert_eq!(codes.map(|code| desk.entitlement_of(code).clone()), before);
    assert!(is_online(&desk.redeem_here(mac(3), codes[1])));
    assert_eq!(desk.left(mac(3)), Some(55 * MINUTE), "of the second alone");
}

#[test]
fn nothing_overflows_that_is_counted() {
    let mut desk = Desk::new(vec![metered("long", Duration::from_secs(60_000 * 86_400))]);
    let codes = [desk.sell("long"), desk.sell("long")];
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(2), codes[1]);
    assert_eq!(desk.merge(codes[0], codes[1]), hindered(Hindrance::TooMuch));
}

proptest! {
    /// Whatever clocks and caps there are, whoever is online, whether the wall clock can be told or not.
    #[test]
    fn the_sum_is_exact(
        limits in proptest::array::uniform5(proptest::option::of(1_000_000_u64..200_000_000)),
        waits in proptest::array::uniform4(0_u64..200_000),
        used in proptest::array::uniform4(0_u64..400_000),
        (trusted, devices, after, phase) in (any::<bool>(), 1_u16..4, 0_u64..900_000, 0_u64..1000),
    ) {
        let [metered, validity, total, up, down] = limits;
        let sold = with(plan("any"), |terms| {
            terms.metered = metered.map(Duration::from_millis);
            terms.validity = validity.map(Duration::from_millis);
            terms.data = DataCap { total: total.map(Bytes), up: up.map(Bytes), down: down.map(Bytes) };
            terms.devices = devices;
        });
        let mut desk = Desk::new(vec![sold]);
        desk.now.trust = if trusted { Trust::Trusted } else { Trust::Floor };
        let codes = [desk.sell("any"), desk.sell("any")];
        for (n, code) in (1..).zip(codes) {
            desk.really_pass(waits[n - 1], phase);
            desk.redeem(mac(u8::try_from(n).unwrap()), code);
            desk.really_pass(waits[n + 1], phase);
            let (up, down) = (Bytes(used[n - 1]), Bytes(used[n + 1]));
            desk.ask(Input::Counted(vec![Usage { session: SessionId(n as u64), up, down }]));
        }
        let rests = codes.map(|code| desk.entitlement_of(code).rest(desk.gate.moment(desk.now)));
        let online = (1..3).filter(|n| desk.is_open(mac(*n))).count();
        prop_assert_eq!(desk.merge(codes[0], codes[1]), Reply::Done);
        let sum = rests[0].with(&rests[1]).unwrap();
        let rest = |desk: &Desk, code| desk.entitlement_of(code).rest(desk.gate.moment(desk.now));
        prop_assert_eq!(codes.map(|code| rest(&desk, code)), [sum.clone(), sum.clone()]);
        prop_assert_eq!(desk.gate.sessions(), online.min(usize::from(devices)));
        // Nor do the clocks take any of it back later.
        desk.really_pass(after, phase);
        let after = Duration::from_millis(after);
        let later = rest(&desk, codes[0]);
        prop_assert_eq!(later.metered, sum.metered.map(|left| left - after));
        prop_assert_eq!(later.validity, sum.validity.map(|left| left - after));
        desk.restart("boot-1", Duration::ZERO, desk.now.trust);
        prop_assert_eq!(codes.map(|code| rest(&desk, code)), [later.clone(), later]);
    }
}
