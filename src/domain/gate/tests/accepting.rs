//! Who accepted which terms, and since when: of a session, of a wait for a payment, over a restart.

use super::*;
use crate::domain::{Acceptance, TermsVersion};

const FIRST: TermsVersion = TermsVersion(0x9f0c_51aa);
const SECOND: TermsVersion = TermsVersion(2);

fn accepts(desk: &mut Desk, n: u8, terms: TermsVersion) -> Decision {
    let decision = desk.decide(Input::Accepted { mac: mac(n), terms });
    desk.take(&decision);
    decision
}

/// What the guest on `mac` is known to have accepted.
fn accepted(desk: &Desk, n: u8) -> Option<Acceptance> {
    desk.gate.sessions.of_device(mac(n)).unwrap().accepted
}

#[test]
fn a_session_says_which_terms_and_since_when_and_each_is_written_once() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let code = desk.sell("hour");
    desk.redeem(mac(1), code);
    assert_eq!(accepted(&desk, 1), None, "it was let in without being asked");
    let at = desk.now.wall;
    assert_eq!(accepts(&mut desk, 1, FIRST).records.len(), 1);
    assert_eq!(accepted(&desk, 1), Some(Acceptance { version: FIRST, at }));
    desk.pass(MINUTE);
    assert_eq!(accepts(&mut desk, 1, FIRST).records, [], "it did before");
    assert_eq!(accepted(&desk, 1), Some(Acceptance { version: FIRST, at }));
    accepts(&mut desk, 1, SECOND);
    let new = Acceptance { version: SECOND, at: desk.now.wall };
    assert_eq!(accepted(&desk, 1), Some(new));
    desk.restart("b2", MINUTE, Trust::Trusted);
    assert_eq!(accepted(&desk, 1), Some(new));
}

#[test]
fn who_was_only_refused_leaves_no_trace() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    desk.ask(wrong(mac(1), Blame::DeviceAndSite));
    assert_eq!(accepts(&mut desk, 1, FIRST).records, []);
}

#[test]
fn what_was_accepted_with_a_claim_holds_for_the_session_that_its_payment_opens() {
    let mut desk = Desk::new(vec![metered("hour", HOUR)]);
    let reference = ReferenceKey([7; 16]);
    let code = Found::Reference(reference, Reach::Unknown);
    for n in [1, 2] {
        desk.ask(Input::Redeem { mac: mac(n), code: code.clone(), moving: Moving::Ask });
    }
    desk.pass(MINUTE);
    let at = desk.now.wall;
    accepts(&mut desk, 1, FIRST);
    assert_eq!(accepts(&mut desk, 1, FIRST).records, []);
    desk.restart("b2", HOUR, Trust::Trusted);
    let made = desk.issue("hour", Kind::Payment, None);
    let payment = Voucher { key: CodeKey(reference.0), ..desk.vouchers.remove(&made).unwrap() };
    desk.vouchers.insert(payment.key, payment.clone());
    desk.ask(Input::Paid { payment: Box::new(payment), mac: None });
    assert_eq!(accepted(&desk, 1), Some(Acceptance { version: FIRST, at }), "when the guest did");
}
