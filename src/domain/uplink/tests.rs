//! Lives of an uplink, second by second.

use proptest::prelude::*;

use super::*;

fn at(seconds: f64) -> Boot {
    Boot::from_millis(0).plus(Duration::from_secs_f64(1000.0 + seconds))
}

fn new() -> UplinkJudge {
    UplinkJudge::new(UplinkState { uplink: Uplink::Unknown, since: at(0.0) }, at(0.0))
}

/// An uplink that has been up since second 0.
fn up() -> UplinkJudge {
    let mut judge = new();
    judge.observe(Evidence::Path(None), at(0.0));
    judge.probing(at(0.0));
    judge.observe(Evidence::Heard, at(0.0));
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Up, since: at(0.0) });
    judge
}

/// What is shown at each second from `from` to `to`, as changes only.
fn changes(judge: &mut UplinkJudge, from: f64, to: f64) -> Vec<(f64, Uplink)> {
    let mut shown = Vec::new();
    let mut now = from;
    while now <= to {
        let before = judge.state().uplink;
        judge.tick(at(now));
        if judge.state().uplink != before {
            shown.push((now, judge.state().uplink));
        }
        now += 0.25;
    }
    shown
}

/// A round of probes that began at `began` and has found nobody.
fn fail(judge: &mut UplinkJudge, began: f64) {
    judge.probing(at(began));
    judge.observe(Evidence::ProbesFailed { began: at(began) }, at(began + 3.0));
}

#[test]
fn nothing_is_known_until_something_is_heard_and_then_at_once() {
    let mut judge = new();
    judge.observe(Evidence::Path(None), at(0.0));
    assert_eq!(judge.state().uplink, Uplink::Unknown);
    assert_eq!(judge.next_probe(), Some(at(0.0)), "it is asked at once");
    judge.observe(Evidence::Heard, at(0.1));
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Up, since: at(0.1) });
}

#[test]
fn what_was_known_before_stands_until_there_is_evidence() {
    let known = UplinkState { uplink: Uplink::Down, since: at(-500.0) };
    for (evidence, then) in [(Some(Evidence::Heard), Uplink::Up), (None, Uplink::Unknown)] {
        let mut judge = UplinkJudge::new(known, at(0.0));
        judge.observe(Evidence::Path(None), at(0.0));
        assert_eq!(judge.state(), known);
        if let Some(evidence) = evidence {
            judge.observe(evidence, at(0.0));
        }
        assert_eq!(changes(&mut judge, 0.0, 100.0), [(5.0, then)]);
    }
    let mut judge = UplinkJudge::new(known, at(0.0));
    judge.observe(Evidence::Path(Some(Lack::Carrier)), at(0.0));
    assert_eq!(changes(&mut judge, 0.0, 100.0), []);
    assert_eq!(judge.state(), known);
}

#[test]
fn without_a_way_out_it_is_down_after_5_s_since_the_cut_and_nobody_is_asked() {
    for lack in [Lack::Device, Lack::Carrier, Lack::Route] {
        let mut judge = up();
        judge.observe(Evidence::Path(Some(lack)), at(100.0));
        assert_eq!(judge.next_probe(), None);
        assert_eq!(judge.poll_timeout(), Some(at(105.0)));
        assert_eq!(changes(&mut judge, 100.0, 300.0), [(105.0, Uplink::Down)]);
        assert_eq!(judge.state().since, at(100.0));
        assert_eq!(judge.lack(), Some(lack));
    }
}

#[test]
fn a_new_way_out_is_asked_at_once_and_up_5_s_after_the_answer() {
    let mut judge = up();
    judge.observe(Evidence::Path(Some(Lack::Carrier)), at(100.0));
    judge.tick(at(105.0));
    judge.observe(Evidence::Path(None), at(200.0));
    assert_eq!(judge.next_probe(), Some(at(200.0)));
    judge.probing(at(200.0));
    judge.observe(Evidence::Heard, at(200.5));
    assert_eq!(judge.state().uplink, Uplink::Down, "not yet believed");
    assert_eq!(changes(&mut judge, 200.5, 260.0), [(205.5, Uplink::Up)]);
    assert_eq!(judge.state().since, at(200.5));
}

#[test]
fn a_new_way_out_on_which_nobody_answers_is_still_down() {
    let mut judge = up();
    judge.observe(Evidence::Path(Some(Lack::Carrier)), at(100.0));
    judge.tick(at(105.0));
    judge.observe(Evidence::Path(None), at(200.0));
    fail(&mut judge, 200.0);
    assert_eq!(changes(&mut judge, 203.0, 260.0), []);
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Down, since: at(100.0) });
    assert_eq!(judge.lack(), Some(Lack::Answer));
}

#[test]
fn a_new_way_out_where_nobody_can_be_asked_is_unknown() {
    let mut judge = up();
    judge.observe(Evidence::Path(Some(Lack::Route)), at(100.0));
    judge.tick(at(105.0));
    judge.observe(Evidence::Path(None), at(200.0));
    assert_eq!(changes(&mut judge, 200.0, 260.0), [(205.0, Uplink::Unknown)]);
}

#[test]
fn an_unanswered_question_leads_to_a_probe_and_8_s_of_silence_to_down() {
    let mut judge = up();
    assert_eq!(judge.next_probe(), Some(at(60.0)), "no doubt, no haste");
    judge.observe(Evidence::Unanswered { asked: at(30.0) }, at(31.0));
    assert!(judge.next_probe().unwrap() <= at(31.0));
    assert_eq!(changes(&mut judge, 31.0, 33.75), []);
    fail(&mut judge, 31.0);
    assert_eq!(judge.poll_timeout(), Some(at(38.0)));
    assert_eq!(changes(&mut judge, 34.0, 300.0), [(38.0, Uplink::Down)]);
    assert_eq!(judge.state().since, at(30.0), "as long as nobody was answered");
    assert_eq!(judge.next_probe(), Some(at(36.0)), "every 5 s while it is down");
}

#[test]
fn who_asks_in_vain_soon_after_a_sign_of_life_has_asked_since_then() {
    let mut judge = up();
    judge.observe(Evidence::Heard, at(30.0));
    judge.observe(Evidence::Unanswered { asked: at(29.0) }, at(30.5));
    assert_eq!(judge.poll_timeout(), Some(at(30.0).plus(STALE)), "it was answered");
    judge.observe(Evidence::Unanswered { asked: at(34.0) }, at(35.0));
    fail(&mut judge, 35.0);
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Down, since: at(30.0) });
}

#[test]
fn a_line_that_dies_while_nobody_uses_it_is_found_dead_by_the_next_probe() {
    let mut judge = up();
    fail(&mut judge, 60.0);
    assert_eq!(judge.next_probe(), Some(at(65.0)));
    assert_eq!(changes(&mut judge, 63.0, 100.0), [(68.0, Uplink::Down)]);
    assert_eq!(judge.state().since, at(60.0));
}

#[test]
fn probes_that_fail_while_something_comes_say_nothing() {
    let mut judge = up();
    for round in 1..20 {
        let began = f64::from(round) * 5.0;
        judge.observe(Evidence::Heard, at(began + 1.0));
        fail(&mut judge, began);
        judge.tick(at(began + 4.9));
        assert_eq!(judge.state(), UplinkState { uplink: Uplink::Up, since: at(0.0) });
    }
    assert_eq!(judge.next_probe(), Some(at(96.0 + 60.0)), "who talks need not be asked");
}

#[test]
fn silence_without_failed_probes_is_not_evidence_enough() {
    let mut judge = up();
    judge.observe(Evidence::Unanswered { asked: at(10.0) }, at(11.0));
    assert_eq!(changes(&mut judge, 11.0, 170.0), []);
    // In the end nothing is known of it.
    assert_eq!(changes(&mut judge, 170.0, 200.0), [(185.0, Uplink::Unknown)]);
}

#[test]
fn a_link_that_toggles_changes_nothing_while_somebody_answers_in_between() {
    let mut judge = up();
    for turn in 0..10 {
        let from = 100.0 + f64::from(turn) * 4.0;
        judge.observe(Evidence::Path(Some(Lack::Carrier)), at(from));
        assert_eq!(changes(&mut judge, from, from + 1.75), []);
        judge.observe(Evidence::Path(None), at(from + 2.0));
        judge.observe(Evidence::Heard, at(from + 2.1));
        assert_eq!(changes(&mut judge, from + 2.1, from + 3.9), []);
    }
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Up, since: at(0.0) });
}

#[test]
fn a_link_that_toggles_and_never_answers_is_down() {
    let mut judge = up();
    for turn in 0..3 {
        let from = 100.0 + f64::from(turn) * 4.0;
        judge.observe(Evidence::Path(Some(Lack::Carrier)), at(from));
        judge.observe(Evidence::Path(None), at(from + 1.0));
        fail(&mut judge, from + 1.0);
    }
    assert_eq!(judge.state(), UplinkState { uplink: Uplink::Down, since: at(100.0) });
}

#[test]
fn a_life_shorter_than_5_s_does_not_end_an_outage() {
    let mut judge = up();
    judge.observe(Evidence::Path(Some(Lack::Carrier)), at(100.0));
    judge.tick(at(105.0));
    for turn in 0..10 {
        let from = 110.0 + f64::from(turn) * 6.0;
        judge.observe(Evidence::Path(None), at(from));
        judge.observe(Evidence::Heard, at(from + 0.5));
        judge.tick(at(from + 4.0));
        judge.observe(Evidence::Path(Some(Lack::Carrier)), at(from + 4.0));
        assert_eq!(judge.state(), UplinkState { uplink: Uplink::Down, since: at(100.0) });
    }
}

fn evidence() -> impl Strategy<Value = (u64, u8)> {
    (0_u64..12_000, 0_u8..6)
}

proptest! {
    /// Whatever happens: states follow each other in time, none is shorter than it is held, and each
    /// moment that asks to be looked at leads to something.
    #[test]
    fn no_evidence_makes_it_flap(steps in proptest::collection::vec(evidence(), 0..60)) {
        let mut judge = new();
        let mut now = at(0.0);
        let (mut known, mut shown_at) = (judge.state(), now);
        for (wait, kind) in steps {
            let next = now.plus(Duration::from_millis(wait));
            // As the monitor does: it looks when it is told to.
            while let Some(due) = judge.poll_timeout().filter(|due| *due <= next) {
                now = now.max(due);
                let before = (judge.state(), judge.poll_timeout());
                judge.tick(now);
                prop_assert_ne!(before, (judge.state(), judge.poll_timeout()), "it would look for ever");
                note(&judge, now, &mut known, &mut shown_at)?;
            }
            now = next;
            let evidence = match kind {
                0 => Evidence::Path(Some(Lack::Carrier)),
                1 => Evidence::Path(None),
                2 | 3 => Evidence::Heard,
                4 => Evidence::Unanswered { asked: now },
                _ => Evidence::ProbesFailed { began: now },
            };
            judge.observe(evidence, now);
            note(&judge, now, &mut known, &mut shown_at)?;
            prop_assert!(judge.state().since <= now);
            prop_assert!(judge.next_probe().is_none() || judge.path.0.is_none());
        }
    }
}

fn note(
    judge: &UplinkJudge,
    now: Boot,
    known: &mut UplinkState,
    shown_at: &mut Boot,
) -> Result<(), TestCaseError> {
    let state = judge.state();
    if state != *known {
        prop_assert_ne!(state.uplink, known.uplink, "a state that only changed its time");
        let first = known.uplink == Uplink::Unknown;
        prop_assert!(first || now.since(state.since) >= HELD, "{known:?} {state:?}");
        prop_assert!(state.since >= known.since, "{known:?} {state:?}");
        (*known, *shown_at) = (state, now);
    }
    Ok(())
}
