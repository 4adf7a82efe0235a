//! The token of the forms: proof that a form was shown to this very device, not long ago.
//!
//! HMAC-SHA256 under the device key over the MAC address and the hour. Nothing is stored, so it survives
//! a restart. One token is good for every form of the device for 12 hours.

use std::fmt;
use std::fmt::Write as _;

use ring::hmac;

use crate::domain::{Mac, Wall};

const HOUR: i64 = 3600;
/// Hours that a token is good for. Also accepted ahead of time: a wall clock that nobody has set yet may
/// step back when it is.
const GOOD_FOR: i64 = 12;

/// The secret under which tokens are made.
#[derive(Clone)]
pub struct FormKey(hmac::Key);

impl FormKey {
    /// A key from the 32 bytes of the device key.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The token of `mac` at `now`: 64 hex digits.
    pub(super) fn token(&self, mac: Mac, now: Wall) -> String {
        let tag = hmac::sign(&self.0, &message(mac, hour(now)));
        tag.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether `token` is one of `mac`, and young enough. Takes as long for a wrong one as for a right one.
    pub(super) fn accepts(&self, token: &str, mac: Mac, now: Wall) -> bool {
        let Some(tag) = bytes(token) else { return false };
        let tries = -GOOD_FOR..=GOOD_FOR;
        let good = |age: i64| hmac::verify(&self.0, &message(mac, hour(now) - age), &tag).is_ok();
        tries.fold(false, |found, age| good(age) | found)
    }
}

impl fmt::Debug for FormKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormKey")
    }
}

fn hour(now: Wall) -> i64 {
    now.as_secs().div_euclid(HOUR)
}

/// The domain of this use of the key, the device, the hour.
fn message(mac: Mac, hour: i64) -> Vec<u8> {
    [&b"portal form\0"[..], &mac.bytes(), &hour.to_be_bytes()].concat()
}

fn bytes(token: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if token.len() != 64 || !token.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(token.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * HOUR;
    const MAC: Mac = Mac::new([2, 0, 0, 0, 0, 1]);

    fn at(s: i64) -> Wall {
        Wall::from_secs(s)
    }

    #[test]
    fn good_for_twelve_hours_also_after_a_restart_and_a_small_step_back() {
        let token = FormKey::new(&[7; 32]).token(MAC, at(DAY));
        let restarted = FormKey::new(&[7; 32]);
        for (hours, good) in [
            (0, true),
            (1, true),
            (11, true),
            (12, true),
            (13, false),
            (100, false),
            (-12, true),
            (-13, false),
        ] {
            assert_eq!(restarted.accepts(&token, MAC, at(DAY + hours * HOUR)), good, "{hours}");
        }
        assert!(restarted.accepts(&token.to_uppercase(), MAC, at(DAY)));
    }

    #[test]
    fn good_for_one_device_and_one_key_only() {
        let key = FormKey::new(&[7; 32]);
        let token = key.token(MAC, at(DAY));
        assert!(!key.accepts(&token, Mac::new([2, 0, 0, 0, 0, 2]), at(DAY)));
        assert!(!FormKey::new(&[8; 32]).accepts(&token, MAC, at(DAY)));
    }

    #[test]
    fn anything_else_is_no_token() {
        let key = FormKey::new(&[7; 32]);
        let token = key.token(MAC, at(DAY));
        let mut flipped = token.clone().into_bytes();
        flipped[63] = if flipped[63] == b'0' { b'1' } else { b'0' };
        let flipped = String::from_utf8(flipped).unwrap();
        for bad in ["", "0", &token[1..], &format!("{token}0"), &flipped, &"+1".repeat(32), &"é".repeat(32)]
        {
            assert!(!key.accepts(bad, MAC, at(DAY)), "{bad}");
        }
    }
}
