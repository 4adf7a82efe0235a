//! Hundreds of random schedules of faults, each with a seed of its own, and both ledgers compared to the row
//! after each.
//!
//! Several lanes run at the same time, each a lab with one gateway and one cloud; a lane's schedules follow
//! one another, so what one leaves behind is there for the next. `LANGO_SCHEDULES` says how many, `LANGO_SEED`
//! where the seeds begin.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lango::domain::{Normal, SiteKey, seek};
use serde_json::{Value, json};

use super::{ledger, settings};
use crate::harness::{Browser, Cloud, Daemon, Lab, Names, Phone, Road, portal_v4, wait_until};

const SCHEDULES: u64 = 208;
const LANES: u64 = 10;
/// Phones of a schedule; they are new ones for each, so that none has to wait for what another has guessed.
const PHONES: usize = 3;

/// The same numbers for the same seed: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}

fn from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn after_any_schedule_of_faults_both_ledgers_are_equal() {
    let (count, first) = (from_environment("LANGO_SCHEDULES", SCHEDULES), from_environment("LANGO_SEED", 1));
    let (next, from) = (AtomicU64::new(first), Instant::now());
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES.min(count))
            .map(|lane| {
                let next = &next;
                scope.spawn(move || {
                    let mut lane = Lane::new(lane, usize::try_from(count).unwrap());
                    let mut done = 0_u64;
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + count {
                            return (done, lane.redeemed, lane.sessions);
                        }
                        lane.run(seed);
                        done += 1;
                    }
                })
            })
            .collect();
        let sums = lanes.into_iter().map(|lane| lane.join().unwrap());
        let (done, redeemed, sessions) = sums.fold((0, 0, 0), |(a, b, c), (x, y, z)| (a + x, b + y, c + z));
        say(&format!(
            "{done} schedules, seeds {first} to {}, in {:.0} s: {redeemed} redeemed, {sessions} sessions",
            first + count - 1,
            from.elapsed().as_secs_f64()
        ));
        assert_eq!(done, count);
        assert!(redeemed > usize::try_from(count).unwrap(), "most schedules redeem something");
    });
}

#[expect(clippy::print_stdout, reason = "a schedule that fails is found again by its seed")]
fn say(what: &str) {
    println!("{what}");
}

/// One gateway and one cloud.
struct Lane {
    name: u64,
    daemon: Daemon,
    cloud: Cloud,
    key: SiteKey,
    crowd: Vec<Phone>,
    /// Codes that the gateway knows.
    codes: Vec<String>,
    references: u64,
    boots: u64,
    redeemed: usize,
    sessions: usize,
    lab: Lab,
}

/// What a guest was promised, and has to be in both ledgers.
#[derive(Default)]
struct Promises {
    /// Keys of what was taken at the portal.
    redeemed: Vec<String>,
    /// Keys of what was paid, and claimed before or after.
    claimed: Vec<String>,
    log: String,
}

impl Lane {
    fn new(name: u64, schedules: usize) -> Self {
        let mut lab = Lab::new(1);
        let crowd = lab.crowd(PHONES * schedules.div_ceil(usize::try_from(LANES).unwrap()) * 2);
        lab.put_nat_on_the_road();
        let cloud = Cloud::with_a_name(&lab);
        let codes = cloud.vouchers(3);
        let mut daemon = Daemon::prepare(&lab, &cloud.polled(settings(), "1s", &[]));
        daemon.asks_the_gateway_for_names();
        daemon.wall_step(0);
        daemon.run();
        cloud.is_read();
        let key = SiteKey::new(&std::fs::read(cloud.path("site.key")).unwrap().try_into().unwrap());
        Self {
            name,
            daemon,
            cloud,
            key,
            crowd,
            codes,
            references: 0,
            boots: 0,
            redeemed: 0,
            sessions: 0,
            lab,
        }
    }

    fn run(&mut self, seed: u64) {
        let from = Instant::now();
        let mut dice = Dice(seed);
        let phones: Vec<Phone> = self.crowd.drain(..PHONES).collect();
        let codes = std::mem::take(&mut self.codes);
        let mut promises =
            Promises { log: format!("seed {seed}, lane {}:", self.name), ..Promises::default() };
        for phone in 0..PHONES {
            if dice.below(3) > 0 {
                self.guest(&mut dice, &phones, &codes, phone, &mut promises);
            }
            for _ in 0..1 + dice.below(3) {
                self.happen(&mut dice, &phones, &mut promises);
                let span = if dice.below(8) == 0 { 1000..3000 } else { 0..300 };
                thread::sleep(dice.millis(span));
            }
            if dice.below(3) == 0 {
                self.guest(&mut dice, &phones, &codes, phone, &mut promises);
            }
        }
        say(&promises.log);
        self.settle(&phones, &promises);
        say(&format!("seed {seed} is settled after {:.1} s", from.elapsed().as_secs_f64()));
    }

    /// A guest does something at the portal, which never waits for the cloud longer than it says.
    fn guest(
        &mut self,
        dice: &mut Dice,
        phones: &[Phone],
        codes: &[String],
        phone: usize,
        promises: &mut Promises,
    ) {
        let browser = Browser::of(&phones[phone]);
        match dice.below(9) {
            8 => self.redeem_amid_a_kill(dice, &phones[phone], &codes[phone], promises),
            0..4 => {
                let _ = write!(promises.log, " code by {phone},");
                let answer = browser.login(&codes[phone]);
                assert!([303, 409].contains(&answer.status), "{}: {answer:?}", promises.log);
                promises.redeemed.push(self.key_of(&codes[phone]));
            }
            4..6 => {
                let _ = browser.logout();
                let _ = write!(promises.log, " logout of {phone},");
            }
            _ => self.pay(dice, &browser, promises),
        }
    }

    /// Whether it counts is known only if an answer came; both ledgers have to agree all the same.
    fn redeem_amid_a_kill(&mut self, dice: &mut Dice, phone: &Phone, code: &str, promises: &mut Promises) {
        let browser = Browser::of(phone);
        let fields = [("code", code), ("token", &browser.token())];
        let request = browser.form("/login", &fields).with("Origin", &format!("http://{}", browser.host()));
        let answer = thread::scope(|scope| {
            let asking = scope.spawn(|| phone.send(portal_v4(), &request));
            thread::sleep(dice.millis(0..15));
            self.daemon.kill();
            asking.join().unwrap()
        });
        self.daemon.run();
        let is_taken = answer.is_ok_and(|answer| answer.status == 303);
        let _ = write!(promises.log, " kill -9 amid a code {is_taken},");
        if is_taken {
            promises.redeemed.push(self.key_of(code));
        }
    }

    fn pay(&mut self, dice: &mut Dice, browser: &Browser<'_>, promises: &mut Promises) {
        self.references += 1;
        let reference = format!("DFJ{}B{:04}QX", self.name, self.references);
        let key = self.key.payment(seek(&reference).unwrap().reference()).to_string();
        let when = dice.below(4);
        let with = if when == 1 { json!({ "listed": false }) } else { json!({}) };
        if when < 2 {
            self.cloud.paid(&reference, "hour", with.clone());
        }
        let answer = browser.login(&reference);
        let _ = write!(promises.log, " reference {when} {},", answer.status);
        match answer.status {
            303 => promises.redeemed.push(key),
            // What is not listed is found by whoever asks, and the guest does not ask again.
            202 if when == 1 => {}
            202 => promises.claimed.push(key),
            status => assert_eq!(status, 429, "{}: {answer:?}", promises.log),
        }
        if when >= 2 {
            self.cloud.paid(&reference, "hour", json!({}));
        }
    }

    fn happen(&mut self, dice: &mut Dice, phones: &[Phone], promises: &mut Promises) {
        let lab = &self.lab;
        let what = match dice.below(18) {
            0 => {
                lab.cut_uplink();
                "the cable is cut"
            }
            1 => {
                lab.silence_names(Names::Silent);
                "names are dead"
            }
            2 => {
                lab.road(Road::Lossy);
                "30 % are lost"
            }
            3 => {
                lab.road(Road::Slow);
                "500 ms of delay"
            }
            4 => {
                lab.road(Road::Silent);
                "silence"
            }
            5 => {
                lab.road(Road::Captive);
                "somebody else answers"
            }
            6 => {
                lab.rebind();
                "the NAT forgets"
            }
            7..10 => {
                let (name, value) = dice.one(&FAULTS);
                self.cloud.fault(name, value.map_or(Value::Null, |value| json!(value)), "all");
                name
            }
            10 | 11 => {
                self.daemon.kill();
                self.daemon.run();
                "kill -9"
            }
            17 => {
                self.boots += 1;
                self.daemon.power_cut();
                self.daemon.reboot(&format!("boot-{}", self.boots), Duration::from_secs(5));
                self.daemon.run();
                "a power cut"
            }
            12 => {
                self.daemon.wall_step(i64::try_from(dice.below(3600)).unwrap() - 1800);
                "the clock steps"
            }
            13 => {
                let name = *dice.one(&["kick", "grant"]);
                self.cloud.command(name, json!({ "mac": dice.one(phones).mac, "plan": "hour" }));
                name
            }
            14 => {
                self.cloud.restart();
                "the cloud is started again"
            }
            15 => {
                self.cloud.tell("epoch", json!([]), json!({}));
                "a new epoch"
            }
            _ => {
                self.mend();
                "all is well"
            }
        };
        let _ = write!(promises.log, " {what},");
    }

    fn key_of(&self, code: &str) -> String {
        self.key.voucher(&Normal::of(code).unwrap()).to_string()
    }

    fn mend(&self) {
        self.cloud.mend();
        self.lab.road(Road::Good);
        self.lab.silence_names(Names::Told);
        self.lab.restore_uplink();
    }

    /// Mends everything; then all that was promised has to be in both ledgers, once.
    fn settle(&mut self, phones: &[Phone], promises: &Promises) {
        self.mend();
        let log = &promises.log;
        // They come after everything else that the cloud has to say.
        self.codes = self.cloud.vouchers(3);
        let next: Vec<_> = self.codes.iter().map(|code| self.key_of(code)).collect();
        wait_until(&format!("{log} the feed to be read"), Duration::from_secs(90), || {
            let books = ledger::Books::of(&self.daemon);
            next.iter().all(|key| books.known.contains(key))
        });
        for phone in phones {
            let _ = Browser::of(phone).logout();
        }
        let books = ledger::assert_equal(&self.daemon, &self.cloud, log);
        for key in promises.redeemed.iter().chain(&promises.claimed) {
            assert!(books.redeemed.contains(key), "{log} lost: {key}");
        }
        assert!(self.daemon.sessions().is_empty(), "{log}");
        (self.redeemed, self.sessions) = books.counts();
    }
}

/// Misbehaviours of the cloud itself, with their values.
const FAULTS: [(&str, Option<u32>); 16] = [
    ("lost_acks", None),
    ("duplicate_acks", None),
    ("cut", None),
    ("status", Some(500)),
    ("status", Some(503)),
    ("slow", Some(1)),
    ("trickle", Some(200)),
    ("hang", None),
    ("bad_json", None),
    ("html", None),
    ("wrong_site", None),
    ("old_cursor", None),
    ("skipped", None),
    ("replayed", None),
    ("bad_signature", None),
    ("refuse", None),
];
