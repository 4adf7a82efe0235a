//! Codes that prove themselves: sold by phone while the site is cut off, and redeemed there all the same.
//!
//! Owns: their 16 digits, the key that issues them, and the memory of used serials. Never: which keys and
//! plan numbers a site accepts, how many a day; that is the Gate's. Neighbours: `code.rs` has the listed ones.
//!
//! The first digit is the key's number. The other 15 are `tag * 2^20 + (payload ^ mask)`: payload is the
//! plan's number (4 bits) and a serial (16 bits); tag is an HMAC of the payload modulo 953,674,316; mask is
//! an HMAC of the tag. So neighbours in serial look nothing alike. A key's serials are spent once each;
//! then, or when a key leaked, the next number is issued, and the old one no longer accepted.

use std::fmt;

use ring::hmac;

use super::code::{self, Normal};

const DIGITS: usize = 16;
const PAYLOADS: u64 = 1 << 20;
const SERIALS: u64 = 1 << 16;
/// As many tags as fit 15 digits: 29.8 bits.
///
/// Guessing: with 4 plans on sale, 4 * 65,536 of the 10^15 codes that begin with a number in use are right,
/// sold or not. That is one in 3.8 thousand million, 725 years at the site's 10 tries a minute; with all 16
/// plan numbers, 181 years. Over 100,000 sites attacked day and night, one code falls every 2.6 days
/// somewhere. Whoever has a key makes codes at will: the daily cap bounds that, the next number ends it.
const TAGS: u64 = 1_000_000_000_000_000 / PAYLOADS;

const fn fits(value: u8, below: u8) -> Option<u8> {
    if value < below { Some(value) } else { None }
}

/// Which of a site's keys issued a code: 0 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyNumber(u8);

impl KeyNumber {
    /// `None` above 9.
    pub fn new(number: u8) -> Option<Self> {
        fits(number, 10).map(Self)
    }

    /// The number that `code` claims; `None` if it does not have the shape of a self-verifying code.
    pub fn of(code: &Normal) -> Option<Self> {
        let digits = code.as_str().as_bytes();
        let shaped = digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit);
        digits.first().filter(|_| shaped).and_then(|digit| Self::new(digit.wrapping_sub(b'0')))
    }

    /// 0 to 9.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// What stands for a plan inside a code: 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanNumber(u8);

impl PlanNumber {
    /// `None` above 15.
    pub fn new(number: u8) -> Option<Self> {
        fits(number, 16).map(Self)
    }

    /// 0 to 15.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// What tells the codes of one key apart, whatever their plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(pub u16);

impl Serial {
    /// Which [`UsedSerials`] remembers it: 0 to 31.
    pub fn chunk(self) -> u8 {
        let [high, _] = self.0.to_be_bytes();
        high >> 3
    }
}

/// What a self-verifying code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    pub key: KeyNumber,
    pub plan: PlanNumber,
    pub serial: Serial,
}

/// The key under which codes of one number are written and read. It can be given to whoever issues codes:
/// neither the site key nor the key of another number follows from it.
#[derive(Clone)]
pub struct IssuingKey {
    number: KeyNumber,
    key: hmac::Key,
}

impl IssuingKey {
    /// Key `number` of the site with that key.
    pub(super) fn derive(site: &hmac::Key, number: KeyNumber) -> Self {
        let mut context = hmac::Context::with_key(site);
        context.update(b"self-verifying\0");
        context.update(&[number.0]);
        Self { number, key: hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref()) }
    }

    /// Which of the site's keys it is.
    pub fn number(&self) -> KeyNumber {
        self.number
    }

    /// The code, in groups of four digits.
    pub fn write(&self, plan: PlanNumber, serial: Serial) -> String {
        let payload = u64::from(plan.0) * SERIALS + u64::from(serial.0);
        let tag = self.tag(payload);
        let digits = format!("{}{:015}", self.number.0, tag * PAYLOADS + (payload ^ self.mask(tag)));
        code::grouped(digits.as_bytes())
    }

    /// What `code` says, if this key wrote it.
    pub fn read(&self, code: &Normal) -> Option<Issued> {
        let key = KeyNumber::of(code).filter(|number| *number == self.number)?;
        let number: u64 = code.as_str().get(1..)?.parse().ok()?;
        let (tag, hidden) = (number / PAYLOADS, number % PAYLOADS);
        let payload = hidden ^ self.mask(tag);
        if self.tag(payload) != tag {
            return None;
        }
        let plan = PlanNumber::new(u8::try_from(payload / SERIALS).ok()?)?;
        Some(Issued { key, plan, serial: Serial(u16::try_from(payload % SERIALS).ok()?) })
    }

    fn tag(&self, payload: u64) -> u64 {
        self.number_from(b"tag\0", payload) % TAGS
    }

    fn mask(&self, tag: u64) -> u64 {
        self.number_from(b"mask\0", tag) % PAYLOADS
    }

    /// The first 8 bytes, as a big-endian number, of the HMAC over label and value.
    fn number_from(&self, label: &[u8], value: u64) -> u64 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label);
        context.update(&value.to_be_bytes());
        let signed = context.sign();
        signed.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for IssuingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuingKey({})", self.number.0)
    }
}

/// Which of 2,048 neighbouring serials of a key were used: one row of the store. A key has 32 of them, 8 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct UsedSerials([u8; Self::BYTES]);

impl UsedSerials {
    /// Bytes of a row.
    pub const BYTES: usize = 256;

    /// None was used.
    pub const fn none() -> Self {
        Self([0; Self::BYTES])
    }

    /// The row as it was stored.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The row to store: bit `serial % 8` of byte `serial / 8 % 256`.
    pub const fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Whether the serial was used; it has to be of this row's [`Serial::chunk`].
    pub fn has(&self, serial: Serial) -> bool {
        let (at, bit) = place(serial);
        self.0.get(at).is_some_and(|byte| byte & bit != 0)
    }

    /// Remembers that the serial was used.
    pub fn mark(&mut self, serial: Serial) {
        let (at, bit) = place(serial);
        if let Some(byte) = self.0.get_mut(at) {
            *byte |= bit;
        }
    }

    /// How many were used.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }
}

impl fmt::Debug for UsedSerials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UsedSerials({} used)", self.count())
    }
}

fn place(serial: Serial) -> (usize, u8) {
    (usize::from(serial.0 / 8) % UsedSerials::BYTES, 1 << (serial.0 % 8))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::SiteKey;

    fn key(number: u8) -> IssuingKey {
        SiteKey::new(&[0x0b; 32]).issuing(KeyNumber::new(number).unwrap())
    }

    fn plan(number: u8) -> PlanNumber {
        PlanNumber::new(number).unwrap()
    }

    fn normal(text: &str) -> Normal {
        Normal::of(text).unwrap()
    }

    #[test]
    fn a_code_is_sixteen_digits_in_groups_of_four() {
        let code = key(3).write(plan(15), Serial(u16::MAX));
        assert_eq!(code.split(' ').map(str::len).collect::<Vec<_>>(), [4; 4], "{code}");
        assert!(code.starts_with('3') && code.bytes().all(|b| b == b' ' || b.is_ascii_digit()), "{code}");
        assert_eq!(KeyNumber::of(&normal(&code)), KeyNumber::new(3));
    }

    #[test]
    fn only_the_key_that_wrote_a_code_reads_it() {
        let code = normal(&key(3).write(plan(2), Serial(77)));
        let issued = Issued { key: KeyNumber(3), plan: plan(2), serial: Serial(77) };
        assert_eq!(key(3).read(&code), Some(issued));
        assert_eq!(key(4).read(&code), None, "another number");
        let other_site = SiteKey::new(&[0x0c; 32]).issuing(KeyNumber(3));
        assert_eq!(other_site.read(&code), None, "another site");
        let renumbered = normal(&code.as_str().replacen('3', "4", 1));
        assert_eq!(key(4).read(&renumbered), None);
    }

    #[test]
    fn every_wrong_digit_and_swapped_pair_is_noticed() {
        let code = normal(&key(0).write(plan(1), Serial(4711))).as_str().as_bytes().to_vec();
        for at in 0..DIGITS {
            for digit in b'0'..=b'9' {
                let mut wrong = code.clone();
                wrong[at] = digit;
                is_noticed(&code, &wrong);
            }
            let mut swapped = code.clone();
            swapped.swap(at, (at + 1) % DIGITS);
            is_noticed(&code, &swapped);
        }
    }

    fn is_noticed(right: &[u8], typed: &[u8]) {
        let read = key(0).read(&normal(std::str::from_utf8(typed).unwrap()));
        assert_eq!(read.is_some(), right == typed, "{typed:?}");
    }

    #[test]
    fn what_is_no_sixteen_digits_has_another_shape() {
        for text in ["4821993705", "041520757979160", "04152075797916023", "04152075797916A2"] {
            assert_eq!(KeyNumber::of(&normal(text)), None, "{text}");
        }
        let beyond = format!("0{}", TAGS * PAYLOADS);
        assert_eq!(key(0).read(&normal(&beyond)), None, "no code is that high");
        assert_eq!(key(0).read(&normal("0999999999999999")), None);
    }

    #[test]
    fn neighbours_in_serial_look_nothing_alike() {
        let codes: Vec<String> = (0..500).map(|serial| key(0).write(plan(0), Serial(serial))).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 500);
        let alike = |a: &str, b: &str| a.bytes().zip(b.bytes()).filter(|(a, b)| a == b && *a != b' ').count();
        let same: usize = codes.windows(2).map(|pair| alike(&pair[0], &pair[1])).sum();
        // The first digit is the same; of the other 15, one in ten by chance.
        assert!((2.0..3.0).contains(&(same as f64 / 499.0)), "{same}");
    }

    #[test]
    fn guesses_fail() {
        let mut right = 0;
        for guess in 0..100_000_u64 {
            let number = guess.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000_000_000_000;
            right += u32::from(key_zero_reads(number));
        }
        assert_eq!(right, 0);
    }

    fn key_zero_reads(number: u64) -> bool {
        thread_local!(static KEY: IssuingKey = key(0));
        KEY.with(|key| key.read(&normal(&format!("0{number:015}"))).is_some())
    }

    #[test]
    fn used_serials_are_remembered_apart() {
        let mut chunk = UsedSerials::none();
        for serial in [0, 7, 8, 2047] {
            assert!(!chunk.has(Serial(serial)));
            chunk.mark(Serial(serial));
            chunk.mark(Serial(serial));
            assert!(chunk.has(Serial(serial)));
        }
        assert_eq!(chunk.count(), 4);
        assert!(!chunk.has(Serial(1)) && !chunk.has(Serial(2046)));
        assert_eq!(UsedSerials::new(*chunk.bytes()), chunk);
        assert_eq!([0, 2047, 2048, 65535].map(|serial| Serial(serial).chunk()), [0, 0, 1, 31]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 0_u8..10, plan in 0_u8..16, serial: u16) {
            let (number, plan) = (KeyNumber(number), PlanNumber(plan));
            let key = SiteKey::new(&[7; 32]).issuing(number);
            let code = normal(&key.write(plan, Serial(serial)));
            prop_assert_eq!(key.read(&code), Some(Issued { key: number, plan, serial: Serial(serial) }));
        }
    }
}
