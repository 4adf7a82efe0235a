//! While the uplink is down, metered time stands still, unless the plan says otherwise.
//!
//! Each plan that is used here is metered, so that time left shows what was charged. A restart is a kill:
//! only what records have written comes back.

use super::*;

fn steadfast(name: &str) -> Plan {
    with(metered(name, HOUR), |terms| terms.count_while_uplink_down = true)
}

impl Desk {
    /// The uplink has been so for `ago`.
    fn uplink(&mut self, uplink: Uplink, ago: Duration) -> Decision {
        let since = Boot::from_millis(self.now.boot.since(Boot::default().plus(ago)).as_millis() as u64);
        let decision = self.decide(Input::UplinkChanged(UplinkState { uplink, since }));
        self.take(&decision);
        decision
    }
}

#[test]
fn metered_time_stands_still_while_the_uplink_is_down_and_validity_does_not() {
    let both = with(metered("both", HOUR), |terms| terms.validity = Some(3 * HOUR));
    let mut desk = Desk::new(vec![metered("hour", HOUR), steadfast("steadfast"), both]);
    let codes = ["hour", "steadfast", "both"].map(|plan| desk.sell(plan));
    for (n, code) in (1..).zip(codes) {
        desk.redeem(mac(n), code);
    }
    desk.pass(10 * MINUTE);
    let decision = desk.uplink(Uplink::Down, Duration::ZERO);
    assert_eq!(decision.effects, [Effect::Regrant]);
    assert_eq!(decision.records.len(), 1, "one small write, however many are online: {decision:?}");
    let ends = |desk: &Desk, n| desk.gate.grant(mac(n), desk.now).unwrap().ends;
    let view = desk.gate.view(desk.now);
    assert_eq!(view.uplink, UplinkState { uplink: Uplink::Down, since: desk.now.boot });
    let paused = Clockwork::Paused { metered_left: 50 * MINUTE };
    let clockwork = |n| view.sessions[&mac(n)].clockwork;
    assert_eq!((clockwork(1), clockwork(2), clockwork(3)), (paused, Clockwork::Runs, paused));
    assert_eq!(ends(&desk, 1), None);
    assert_eq!(ends(&desk, 2), Some(desk.now.boot.plus(50 * MINUTE)));
    assert_eq!(ends(&desk, 3), Some(desk.now.boot.plus(170 * MINUTE)));
    desk.pass(30 * MINUTE);
    assert_eq!((desk.left(mac(1)), desk.left(mac(2))), (Some(50 * MINUTE), Some(20 * MINUTE)));
    assert_eq!(desk.uplink(Uplink::Up, Duration::ZERO).effects, [Effect::Regrant]);
    assert_eq!(ends(&desk, 1), Some(desk.now.boot.plus(50 * MINUTE)));
    desk.pass(5 * MINUTE);
    assert_eq!((desk.left(mac(1)), desk.left(mac(3))), (Some(45 * MINUTE), Some(45 * MINUTE)));
    let validity = desk.entitlement_of(codes[2]).validity_left(desk.gate.moment(desk.now));
    assert_eq!(validity, Some(135 * MINUTE));
}

#[test]
fn nobody_is_paused_because_little_is_known() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    for uplink in [Uplink::Up, Uplink::Unknown] {
        desk.uplink(uplink, Duration::ZERO);
        desk.pass(10 * MINUTE);
    }
    assert_eq!(desk.left(mac(1)), Some(40 * MINUTE));
    assert_eq!(desk.uplink(Uplink::Unknown, Duration::ZERO).records, [], "no news");
}

#[test]
fn time_since_the_evidence_is_given_back_whatever_was_written_down_meanwhile() {
    let mut desk = Desk::new(vec![metered("hour", HOUR), metered("late", HOUR), steadfast("steadfast")]);
    let codes = ["hour", "late", "steadfast"].map(|plan| desk.sell(plan));
    desk.redeem(mac(1), codes[0]);
    desk.redeem(mac(3), codes[2]);
    desk.pass(LIMITS.checkpoint - secs(5));
    // From here on there is no uplink, but nobody knows.
    desk.pass(secs(5));
    assert!(!desk.due().records.is_empty(), "a checkpoint");
    desk.redeem(mac(2), codes[1]);
    desk.pass(secs(4));
    desk.uplink(Uplink::Down, secs(9));
    let left = |desk: &Desk| [1, 2, 3].map(|n| HOUR - desk.left(mac(n)).unwrap());
    let charged = [LIMITS.checkpoint - secs(5), Duration::ZERO, LIMITS.checkpoint + secs(4)];
    assert_eq!(left(&desk), charged);
    desk.pass(HOUR - LIMITS.checkpoint - secs(10));
    desk.restart("boot-1", secs(1), Trust::Floor);
    assert_eq!(left(&desk)[..2], charged[..2], "a kill amid the outage charges nothing");
    desk.uplink(Uplink::Up, secs(100));
    assert_eq!(left(&desk)[..2], charged[..2], "what was told to be paused is not charged afterwards");
    desk.pass(MINUTE);
    assert_eq!(left(&desk)[..2], [charged[0] + MINUTE, MINUTE]);
    desk.uplink(Uplink::Down, HOUR);
    assert_eq!(left(&desk)[..2], charged[..2], "not before the last change");
}

#[test]
fn what_was_used_before_the_outage_stays_used_by_who_logs_in_during_it() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(MINUTE);
    desk.redeem(mac(1), code);
    desk.pass(secs(2));
    desk.uplink(Uplink::Down, secs(9));
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE));
    desk.pass(MINUTE);
    desk.ask(Input::Logout { mac: mac(1) });
    desk.pass(MINUTE);
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    desk.uplink(Uplink::Up, Duration::ZERO);
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE));
    desk.pass(MINUTE);
    assert_eq!(desk.left(mac(1)), Some(49 * MINUTE));
}

#[test]
fn a_new_boot_knows_of_no_outage() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(10 * MINUTE);
    desk.uplink(Uplink::Down, Duration::ZERO);
    desk.pass(2 * HOUR);
    desk.due();
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(desk.gate.view(desk.now).uplink.uplink, Uplink::Unknown);
    assert_eq!(desk.left(mac(1)), Some(50 * MINUTE));
    desk.pass(10 * MINUTE);
    assert_eq!(desk.left(mac(1)), Some(40 * MINUTE));
}

#[test]
fn an_outage_that_could_not_be_stored_pauses_nobody() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    desk.pass(MINUTE);
    let down = UplinkState { uplink: Uplink::Down, since: desk.now.boot };
    let decision = desk.decide(Input::UplinkChanged(down));
    desk.gate.apply(&decision.records, desk.now);
    desk.gate.revert();
    desk.pass(MINUTE);
    assert_eq!(desk.left(mac(1)), Some(58 * MINUTE));
    assert_ne!(desk.decide(Input::UplinkChanged(down)).records, [], "told again, it is news again");
}
