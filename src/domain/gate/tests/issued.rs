//! Codes that prove themselves: redeemed once each, so many a day, with a row that is made there and then.

use crate::domain::{IssuedCode, KeyNumber, PlanNumber, Serial, SerialState};

use super::*;

fn numbered(name: &str, number: u8) -> Plan {
    Plan { number: PlanNumber::new(number), ..metered(name, HOUR) }
}

fn site() -> Desk {
    Desk::new(vec![numbered("hour", 4), metered("unnumbered", HOUR)])
}

impl Desk {
    /// Types the code with that serial for the plan with that number.
    fn proves_itself(&mut self, mac: Mac, plan: u8, serial: u16) -> Reply {
        let (key, plan) = (KeyNumber::new(1).unwrap(), PlanNumber::new(plan).unwrap());
        let issued = Issued { key, plan, serial: Serial(serial) };
        let [a, b] = serial.to_be_bytes();
        let key = CodeKey([plan.get(), a, b, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        // A row is found by its key first, and a serial among those used.
        let code = match self.vouchers.get(&key) {
            Some(voucher) => Found::Voucher(Box::new(voucher.clone())),
            None => {
                let used =
                    self.serials.iter().any(|used| (used.key, used.serial) == (issued.key, issued.serial));
                let serial = if used { SerialState::Used } else { SerialState::Fresh };
                Found::Issued(IssuedCode { key, hint: Hint::of("602"), issued, serial })
            }
        };
        self.ask(Input::Redeem { mac, code, moving: Moving::Ask })
    }
}

#[test]
fn a_code_that_proves_itself_opens_its_plan_and_is_a_code_like_any_from_then_on() {
    let mut desk = site();
    assert!(is_online(&desk.proves_itself(mac(1), 4, 7)));
    assert_eq!(desk.left(mac(1)), Some(HOUR));
    assert_eq!(desk.serials.len(), 1);
    assert_eq!(desk.proves_itself(mac(2), 4, 7), refused(Refusal::InUse));
    desk.pass(HOUR);
    desk.due();
    assert_eq!(desk.proves_itself(mac(2), 4, 7), refused(Refusal::CodeSpent));
}

#[test]
fn of_two_who_type_it_in_one_batch_one_wins() {
    let mut desk = site();
    let issued =
        Issued { key: KeyNumber::new(1).unwrap(), plan: PlanNumber::new(4).unwrap(), serial: Serial(7) };
    let code =
        IssuedCode { key: CodeKey([7; 16]), hint: Hint::of("602"), issued, serial: SerialState::Fresh };
    let replies = [1, 2, 1].map(|n| {
        let code = Found::Issued(code.clone());
        desk.ask(Input::Redeem { mac: mac(n), code, moving: Moving::Ask })
    });
    assert_eq!(replies, [Reply::Online(SessionId(1)), refused(Refusal::InUse), Reply::Online(SessionId(1))]);
    desk.pass(HOUR);
    desk.due();
    let code = Found::Issued(code);
    let late = desk.ask(Input::Redeem { mac: mac(2), code, moving: Moving::Ask });
    assert_eq!(late, refused(Refusal::CodeSpent), "looked up before it was redeemed");
}

#[test]
fn a_serial_is_good_for_one_code_whatever_its_plan() {
    let mut desk = Desk::new(vec![numbered("hour", 4), numbered("day", 5)]);
    desk.proves_itself(mac(1), 4, 7);
    assert_eq!(desk.proves_itself(mac(2), 5, 7), refused(Refusal::CodeSpent));
    assert!(is_online(&desk.proves_itself(mac(2), 5, 8)));
}

#[test]
fn so_many_are_redeemed_a_day_and_no_more() {
    let mut desk = site();
    for n in 1..=3 {
        assert!(is_online(&desk.proves_itself(mac(n), 4, u16::from(n))));
    }
    let into_the_day = secs(u64::try_from(NOON % 86_400).unwrap());
    let enough = |rest| refused(Refusal::EnoughForToday { retry_after: rest });
    assert_eq!(desk.proves_itself(mac(4), 4, 4), enough(DAY - into_the_day));
    assert_eq!(desk.gate.wait(mac(4), desk.now), None, "a right code is no guess");
    desk.restart("boot-2", secs(1), Trust::Trusted);
    assert_eq!(desk.proves_itself(mac(4), 4, 4), enough(DAY - into_the_day - secs(1)), "after a restart too");
    assert_eq!(desk.proves_itself(mac(4), 4, 3), refused(Refusal::InUse), "what was redeemed goes on");
    desk.pass(DAY - into_the_day - secs(1));
    assert!(is_online(&desk.proves_itself(mac(4), 4, 4)));
}

#[test]
fn a_clock_that_goes_back_over_midnight_begins_no_new_day() {
    let mut desk = site();
    let into_the_day = secs(u64::try_from(NOON % 86_400).unwrap());
    desk.pass(DAY - into_the_day);
    for n in 1..=3 {
        desk.proves_itself(mac(n), 4, u16::from(n));
    }
    desk.now.wall = Wall::from_secs(desk.now.wall.as_secs() - 300);
    assert!(matches!(
        desk.proves_itself(mac(4), 4, 4),
        Reply::Refused(Refusal::EnoughForToday { retry_after }) if retry_after == secs(300)
    ));
}

#[test]
fn a_number_that_no_plan_has_opens_nothing_and_is_no_guess() {
    let mut desk = site();
    for n in 0..10 {
        assert_eq!(desk.proves_itself(mac(1), 9, n), refused(Refusal::CodeUnknown));
    }
    assert_eq!(desk.gate.wait(mac(1), desk.now), None);
    assert!(desk.serials.is_empty() && desk.vouchers.is_empty());
}

#[test]
fn a_code_that_finds_no_room_stays_as_good_as_it_was() {
    let mut desk = Desk::with_limits(vec![numbered("hour", 4)], Limits { max_clients: 1, ..LIMITS });
    desk.proves_itself(mac(1), 4, 1);
    assert_eq!(desk.proves_itself(mac(2), 4, 2), refused(Refusal::Full));
    assert_eq!((desk.serials.len(), desk.vouchers.len()), (1, 1));
    desk.ask(Input::Logout { mac: mac(1) });
    assert!(is_online(&desk.proves_itself(mac(2), 4, 2)));
}

#[test]
fn it_adds_to_what_the_device_is_using() {
    let mut desk = site();
    desk.proves_itself(mac(1), 4, 1);
    desk.proves_itself(mac(1), 4, 2);
    assert_eq!((desk.left(mac(1)), desk.serials.len()), (Some(2 * HOUR), 2));
}
