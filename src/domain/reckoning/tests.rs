use super::TimeSource::{Cloud, Ntp};
use super::*;

const BUILT: i64 = 1_800_000_000;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

/// A reckoning, and the moment at which it is asked.
struct Site {
    reckoning: Reckoning,
    boot: Boot,
}

impl Site {
    /// Ten seconds after the power came back, with nothing known but the floor.
    fn new() -> Self {
        let boot = Boot::from_millis(10_000);
        Self { reckoning: Reckoning::new(Wall::from_secs(BUILT), boot), boot }
    }

    /// One that NTP has told the time: a day after the floor.
    fn synchronised() -> Self {
        let mut site = Self::new();
        assert_eq!(site.told(Ntp, right(DAY)), Refreshed::Moved);
        site
    }

    fn pass(&mut self, seconds: u64) {
        self.boot = self.boot.plus(Duration::from_secs(seconds));
    }

    fn told(&mut self, source: TimeSource, wall: Wall) -> Refreshed {
        self.reckoning.told(source, wall, self.boot)
    }

    fn wall(&self) -> Wall {
        self.reckoning.now(self.boot).wall
    }

    fn trust(&self) -> Trust {
        self.reckoning.now(self.boot).trust
    }

    fn disbelieved(&self) -> Vec<(TimeSource, Wall)> {
        self.reckoning.standing(self.boot).disbelieved
    }

    fn reset(&mut self, ntp: Option<Wall>) -> Repair {
        let repair = self.reckoning.repair(ntp, Wall::from_secs(BUILT), self.boot);
        self.reckoning.mend(repair, self.boot);
        repair
    }
}

/// So many seconds after the floor.
fn right(seconds: u64) -> Wall {
    Wall::from_secs(BUILT).plus(Duration::from_secs(seconds))
}

fn disbelieved(claimed: Wall) -> Refreshed {
    Refreshed::Disbelieved { claimed }
}

#[test]
fn without_trust_the_wall_is_a_lower_bound_that_goes_on() {
    let mut site = Site::new();
    site.pass(90);
    assert_eq!((site.wall(), site.trust()), (right(90), Trust::Floor));
    site.reckoning.not_before(right(MONTH), site.boot);
    site.reckoning.not_before(right(0), site.boot);
    assert_eq!((site.wall(), site.trust()), (right(MONTH), Trust::Floor));
    assert_eq!(site.reckoning.standing(site.boot).source, None);
}

#[test]
fn without_trust_either_source_is_believed_at_once_if_it_is_ahead() {
    for source in TimeSource::ALL {
        let mut site = Site::new();
        assert_eq!(site.told(source, right(5 * YEAR)), Refreshed::Moved);
        assert_eq!((site.wall(), site.trust()), (right(5 * YEAR), Trust::Trusted));
        site.pass(30);
        assert_eq!(site.reckoning.standing(site.boot).source, Some((source, right(5 * YEAR))));
        assert_eq!(site.told(source, right(5 * YEAR + 30)), Refreshed::Unchanged);
    }
}

#[test]
fn without_trust_a_source_that_is_behind_is_not_believed() {
    for (source, claimed) in [(Ntp, Wall::from_secs(0)), (Cloud, Wall::from_secs(BUILT - 601))] {
        let mut site = Site::new();
        assert_eq!(site.told(source, claimed), disbelieved(claimed));
        assert_eq!(site.told(source, claimed), Refreshed::Unchanged, "it is said once");
        assert_eq!((site.wall(), site.trust()), (right(0), Trust::Floor));
        assert_eq!(site.disbelieved(), [(source, claimed)]);
    }
    // The floor was written by a clock that was a little ahead.
    let mut site = Site::new();
    assert_eq!(site.told(Ntp, Wall::from_secs(BUILT - 599)), Refreshed::Moved);
    assert_eq!((site.wall(), site.trust()), (right(0), Trust::Trusted), "and yet not backwards");
}

#[test]
fn a_month_without_any_source_costs_no_trust() {
    let mut site = Site::synchronised();
    site.pass(MONTH);
    assert_eq!((site.wall(), site.trust()), (right(DAY + MONTH), Trust::Trusted));
}

#[test]
fn what_drift_can_explain_is_followed_and_no_more() {
    // 200 ppm of a year are 105 minutes, and ten are always believed.
    let bound = 10 * MINUTE + YEAR / 5000;
    for (off, expected) in
        [(bound - 1, Refreshed::Moved), (bound + 1, disbelieved(right(DAY + YEAR + bound + 1)))]
    {
        let mut site = Site::synchronised();
        site.pass(YEAR);
        assert_eq!(site.told(Ntp, right(DAY + YEAR + off)), expected, "{off} s");
    }
    let mut site = Site::synchronised();
    site.pass(YEAR);
    assert_eq!(site.told(Ntp, right(DAY + YEAR - bound + 1)), Refreshed::Unchanged, "it was fast");
    assert_eq!(site.wall(), right(DAY + YEAR), "and yet not backwards");
}

#[test]
fn a_source_that_goes_back_is_not_believed_and_moves_nothing() {
    for back in [11 * MINUTE, DAY] {
        let mut site = Site::synchronised();
        let claimed = right(DAY - back);
        assert_eq!(site.told(Ntp, claimed), disbelieved(claimed));
        assert_eq!(site.told(Cloud, claimed), disbelieved(claimed), "nor do two");
        assert_eq!((site.wall(), site.trust()), (right(DAY), Trust::Trusted));
        assert_eq!(site.disbelieved(), [(Ntp, claimed), (Cloud, claimed)]);
        assert_eq!(site.told(Ntp, right(DAY)), Refreshed::Unchanged, "it has come to its senses");
        assert_eq!(site.disbelieved(), [(Cloud, claimed)]);
        assert_eq!(site.told(Ntp, claimed), disbelieved(claimed), "and lost them again");
    }
}

#[test]
fn a_jump_ahead_needs_two_who_say_the_same_in_either_order() {
    for (first, second) in [(Ntp, Cloud), (Cloud, Ntp)] {
        let mut site = Site::synchronised();
        assert_eq!(site.told(first, right(YEAR)), disbelieved(right(YEAR)));
        assert_eq!(site.wall(), right(DAY));
        site.pass(MINUTE);
        assert_eq!(site.told(second, right(YEAR + MINUTE + 5)), Refreshed::Moved);
        assert_eq!(site.wall(), right(YEAR + MINUTE), "what both say at least");
        assert_eq!(site.disbelieved(), []);
        assert_eq!(site.told(first, right(YEAR + MINUTE)), Refreshed::Unchanged);
    }
}

#[test]
fn two_who_contradict_each_other_move_nothing() {
    let mut site = Site::synchronised();
    site.told(Ntp, right(YEAR));
    assert_eq!(site.told(Cloud, right(YEAR + 11 * MINUTE)), disbelieved(right(YEAR + 11 * MINUTE)));
    assert_eq!(site.wall(), right(DAY));
    assert_eq!(site.told(Cloud, right(DAY)), Refreshed::Unchanged, "the cloud is right, NTP is not");
    assert_eq!(site.disbelieved(), [(Ntp, right(YEAR))]);
}

#[test]
fn who_has_fallen_silent_seconds_nobody_and_keeps_its_trust() {
    let mut site = Site::synchronised();
    site.told(Ntp, right(YEAR));
    site.reckoning.silent(Ntp);
    assert_eq!(site.disbelieved(), []);
    assert_eq!(site.told(Cloud, right(YEAR)), disbelieved(right(YEAR)));
    assert_eq!((site.wall(), site.trust()), (right(DAY), Trust::Trusted));
}

#[test]
fn one_source_repeating_itself_is_no_second_one() {
    let mut site = Site::synchronised();
    for _ in 0..10 {
        site.told(Ntp, right(YEAR));
    }
    assert_eq!(site.wall(), right(DAY));
}

#[test]
fn small_steps_of_one_source_lead_no_further_than_one() {
    let mut site = Site::synchronised();
    for step in 1..100 {
        site.pass(10);
        site.told(Ntp, right(DAY + 10 * step + 9 * MINUTE * step));
    }
    assert!(site.wall() <= right(DAY + 1000 + 11 * MINUTE), "{}", site.wall());
}

#[test]
fn a_reset_goes_where_the_cloud_says_or_ntp_or_to_the_floor() {
    for (cloud, ntp, source, to) in [
        (Some(right(DAY)), Some(right(YEAR)), Some(Cloud), right(DAY)),
        (Some(right(DAY)), None, Some(Cloud), right(DAY)),
        (None, Some(right(DAY)), Some(Ntp), right(DAY)),
        (None, None, None, right(0)),
    ] {
        let mut site = Site::new();
        site.told(Ntp, right(5 * YEAR));
        cloud.map(|wall| site.told(Cloud, wall));
        let repair = site.reset(ntp);
        assert_eq!((repair.source, repair.wall(site.boot)), (source, to));
        assert_eq!((site.wall(), site.trust() == Trust::Trusted), (to, source.is_some()));
        assert_eq!(site.disbelieved(), []);
    }
}

#[test]
fn after_a_reset_the_rules_are_those_of_the_new_anchor() {
    let mut site = Site::new();
    site.told(Ntp, right(5 * YEAR));
    site.told(Cloud, right(DAY));
    site.reset(Some(right(5 * YEAR)));
    assert_eq!(site.told(Ntp, right(5 * YEAR)), disbelieved(right(5 * YEAR)), "it is wrong still");
    site.pass(MINUTE);
    assert_eq!(site.told(Cloud, right(DAY + MINUTE)), Refreshed::Unchanged);
    assert_eq!(site.told(Ntp, right(DAY)), Refreshed::Unchanged, "it is mended, and a little slow");
    // Without any source a lower bound remains, and whoever is ahead of it is believed.
    let mut site = Site::synchronised();
    site.reset(None);
    assert_eq!(site.told(Cloud, right(3 * DAY)), Refreshed::Moved);
    assert_eq!((site.wall(), site.trust()), (right(3 * DAY), Trust::Trusted));
}

#[test]
fn claims_out_of_this_world_do_not_overflow() {
    for wall in [Wall::from_secs(i64::MIN), Wall::from_secs(i64::MAX)] {
        let mut site = Site::synchronised();
        assert_eq!(site.told(Cloud, wall), disbelieved(wall));
        let _ = site.disbelieved();
    }
}
