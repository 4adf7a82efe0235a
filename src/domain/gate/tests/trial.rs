//! The free trial: one a device and day, whatever the power does, and no more of the hotspot than its share.

use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn limits() -> Limits {
    Limits { trial: Some(id("free")), trials_a_minute: 30, ..LIMITS }
}

fn desk() -> Desk {
    Desk::with_limits(vec![metered("free", TEN_MINUTES), metered("hour", HOUR)], limits())
}

fn wants_free(desk: &mut Desk, n: u8) -> Reply {
    desk.ask(Input::Trial { mac: mac(n) })
}

/// How long the device has to wait for its next trial.
fn wait(reply: &Reply) -> Duration {
    let Reply::Refused(Refusal::TrialHad { retry_after }) = reply else { panic!("{reply:?}") };
    *retry_after
}

#[test]
fn a_trial_lasts_as_long_as_its_plan_and_comes_once_a_day() {
    let mut desk = desk();
    assert!(is_online(&wants_free(&mut desk, 1)));
    assert_eq!(desk.left(mac(1)), Some(TEN_MINUTES));
    let view = desk.gate.view(desk.now);
    assert_eq!(view.sessions[&mac(1)].origin.word(), "trial");
    let trial = view.trial.unwrap();
    assert_eq!((trial.plan.id, trial.had.wait(mac(1), desk.now)), (id("free"), Some(DAY)));
    assert_eq!(trial.had.wait(mac(2), desk.now), None);
    assert!(is_online(&wants_free(&mut desk, 1)), "who is online stays so");
    desk.pass(TEN_MINUTES);
    desk.due();
    assert!(!desk.is_open(mac(1)));
    assert_eq!(wait(&wants_free(&mut desk, 1)), DAY - TEN_MINUTES);
    assert!(is_online(&wants_free(&mut desk, 2)));
    desk.pass(DAY - TEN_MINUTES - secs(1));
    desk.due();
    assert_eq!(wait(&wants_free(&mut desk, 1)), secs(1));
    desk.pass(secs(1));
    assert!(is_online(&wants_free(&mut desk, 1)));
}

#[test]
fn what_is_left_of_a_trial_goes_with_its_session_and_not_to_another_one() {
    let mut desk = desk();
    wants_free(&mut desk, 1);
    desk.pass(MINUTE);
    let code = desk.sell("hour");
    assert!(is_online(&desk.redeem(mac(1), code)));
    assert_eq!(desk.left(mac(1)), Some(HOUR), "of the code alone");
    desk.ask(Input::Logout { mac: mac(1) });
    assert_eq!(wait(&wants_free(&mut desk, 1)), DAY - MINUTE);
}

#[test]
fn where_nothing_is_free_nobody_gets_it() {
    for (trial, plan) in [(None, metered("free", HOUR)), (Some(id("gone")), metered("free", HOUR))] {
        let mut desk = Desk::with_limits(vec![plan], Limits { trial, ..LIMITS });
        assert_eq!(wants_free(&mut desk, 1), refused(Refusal::NoTrial));
        assert!(desk.gate.view(desk.now).trial.is_none());
    }
    let mut over = metered("free", HOUR);
    over.activate_by = Some(Wall::from_secs(NOON - 1));
    assert_eq!(wants_free(&mut Desk::with_limits(vec![over], limits()), 1), refused(Refusal::NoTrial));
}

#[test]
fn so_many_begin_in_a_minute_and_they_leave_half_of_the_places() {
    let mut desk = Desk::with_limits(
        vec![metered("free", TEN_MINUTES), metered("hour", HOUR)],
        Limits { max_clients: 9, trials_a_minute: 4, ..limits() },
    );
    for n in 0..4 {
        assert!(is_online(&wants_free(&mut desk, n)));
    }
    let soon = refused(Refusal::TooManyTrials { retry_after: secs(15) });
    assert_eq!(wants_free(&mut desk, 4), soon);
    desk.pass(secs(15));
    assert!(is_online(&wants_free(&mut desk, 4)));
    desk.pass(MINUTE);
    assert_eq!(wants_free(&mut desk, 5), refused(Refusal::Full));
    for n in 5..9 {
        let code = desk.sell("hour");
        assert!(is_online(&desk.redeem(mac(n), code)), "a guest who pays finds room");
    }
    desk.pass(TEN_MINUTES);
    desk.due();
    assert!(is_online(&wants_free(&mut desk, 9)), "what was refused was not had");
}

#[test]
fn a_commit_that_failed_gave_nothing_away() {
    let mut desk = desk();
    let had = |desk: &Desk| desk.gate.view(desk.now).trial.unwrap().had.wait(mac(1), desk.now);
    let decision = desk.decide(Input::Trial { mac: mac(1) });
    desk.gate.apply(&decision.records, desk.now);
    assert_eq!(had(&desk), Some(DAY));
    desk.gate.revert();
    assert_eq!(had(&desk), None);
    assert!(is_online(&wants_free(&mut desk, 1)));
}

/// Or a fresh MAC with a fresh trial would buy five guesses, and the next one five more.
#[test]
fn a_trial_is_no_reason_to_trust_a_guesser() {
    let mut desk = desk();
    for n in 0..20 {
        let _ = wants_free(&mut desk, n);
        for _ in 0..2 {
            desk.ask(wrong(mac(n), Blame::DeviceAndSite));
        }
    }
    assert!(desk.gate.wait(mac(99), desk.now).is_some(), "the site's budget is used up");
    assert!(desk.gate.wait(mac(1), desk.now).is_some(), "for who has a trial too");
    desk.restart("boot-1", secs(1), Trust::Trusted);
    for n in 20..50 {
        desk.ask(wrong(mac(n), Blame::DeviceAndSite));
    }
    assert!(desk.gate.wait(mac(1), desk.now).is_some(), "and after a restart");
}

#[test]
fn a_restart_forgets_no_trial() {
    for (boot, gap) in [("boot-1", HOUR), ("boot-2", HOUR)] {
        let mut desk = desk();
        wants_free(&mut desk, 1);
        desk.pass(TEN_MINUTES);
        desk.due();
        desk.restart(boot, gap, Trust::Trusted);
        assert_eq!(wait(&wants_free(&mut desk, 1)), DAY - TEN_MINUTES - gap, "{boot}");
    }
}

/// Without a clock the day goes on with every start where it was, or begins anew: never is it shorter.
#[test]
fn the_power_gains_nobody_a_trial() {
    let mut desk = desk();
    desk.now.trust = Trust::Floor;
    wants_free(&mut desk, 1);
    desk.pass(TEN_MINUTES);
    desk.due();
    for boot in ["boot-2", "boot-3", "boot-4"] {
        desk.restart(boot, HOUR, Trust::Floor);
        assert_eq!(wait(&wants_free(&mut desk, 1)), DAY, "{boot}");
        desk.pass(20 * HOUR);
        desk.due();
    }
    // The internet is back, and three days are over on the wall; of which nobody knows when the trial was.
    desk.now.wall = desk.now.wall.plus(3 * DAY);
    desk.now.trust = Trust::Trusted;
    desk.gate.checkpoint_soon(desk.now);
    desk.due();
    assert_eq!(wait(&wants_free(&mut desk, 1)), 4 * HOUR);
    desk.restart("boot-5", HOUR, Trust::Trusted);
    assert_eq!(wait(&wants_free(&mut desk, 1)), 3 * HOUR);
    desk.restart("boot-6", 4 * HOUR, Trust::Floor);
    assert!(!is_online(&wants_free(&mut desk, 1)), "nobody knows how long it was off");
    desk.now.wall = desk.now.wall.plus(4 * HOUR);
    desk.now.trust = Trust::Trusted;
    assert!(is_online(&wants_free(&mut desk, 1)), "now it is known");
}

/// Nobody is shut out for years by a clock that was.
#[test]
fn a_clock_that_was_far_ahead_costs_a_day_at_most() {
    let mut desk = desk();
    desk.now.wall = desk.now.wall.plus(400 * DAY);
    wants_free(&mut desk, 1);
    desk.pass(TEN_MINUTES);
    desk.due();
    desk.ask(Input::ResetFloor { to: Wall::from_secs(NOON) });
    desk.now.wall = Wall::from_secs(NOON);
    desk.restart("boot-2", HOUR, Trust::Floor);
    assert_eq!(wait(&wants_free(&mut desk, 1)), DAY);
    desk.pass(DAY);
    desk.due();
    assert!(is_online(&wants_free(&mut desk, 1)));
}

#[test]
fn a_guest_who_has_itself_forgotten_gets_no_second_trial() {
    let mut desk = desk();
    assert!(is_online(&wants_free(&mut desk, 1)));
    desk.pass(MINUTE);
    let alias = crate::domain::Alias::new([7; 32]);
    assert_eq!(desk.ask(Input::ForgetDevice { mac: mac(1), alias }), Reply::Done);
    assert!(!desk.is_open(mac(1)));
    assert_eq!(wait(&wants_free(&mut desk, 1)), DAY - MINUTE);
}

/// A clock that nobody had set is set by hand, months ahead, and the power is cut before it was said what that means.
#[test]
fn a_clock_that_is_set_makes_no_trial_a_day_old() {
    let mut desk = desk();
    desk.now.trust = Trust::Floor;
    wants_free(&mut desk, 1);
    desk.pass(TEN_MINUTES);
    desk.due();
    let set = desk.now.wall.plus(90 * DAY);
    desk.ask(Input::ResetFloor { to: set });
    desk.now.wall = set;
    desk.restart("boot-2", MINUTE, Trust::Trusted);
    assert_eq!(wait(&wants_free(&mut desk, 1)), DAY - TEN_MINUTES - MINUTE);
}
