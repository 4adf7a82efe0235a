//! Codes as guests type them: one normal form, one check symbol, one keyed hash.
//!
//! Two forms are made here. *Digits*: ten random digits, easy on a numeric keypad, without a check
//! symbol. *Letters*: eight random symbols of Crockford's base 32 and a ninth that checks them, over
//! GF(32), so that every single wrong symbol and every swap of two neighbours is noticed. Either may
//! carry a prefix that names the batch. Eight digits can be guessed, so they are made only for an operator
//! who insists: see `attempts.rs` for the arithmetic.

use std::fmt;

use ring::hmac;

use super::{AccountKey, AccountName, CodeKey, IssuingKey, KeyNumber, Reference, ReferenceKey};

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS_MADE: usize = 10;
const WEAK_DIGITS_MADE: usize = 8;
const LETTERS_MADE: usize = 8;
/// Bytes of a code's normal form that are accepted; longer is no code.
const LONGEST: usize = 32;
const LONGEST_PREFIX: usize = 6;

/// A typed voucher code without its accidents: upper case, no spaces or dashes, look-alikes mapped
/// (O to 0, I and L to 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normal(String);

impl Normal {
    /// The normal form of `typed`; `None` if it cannot be a voucher code at all.
    pub fn of(typed: &str) -> Option<Self> {
        let mut text = String::new();
        for symbol in typed.chars() {
            let symbol = match symbol.to_ascii_uppercase() {
                ' ' | '-' | '\t' | '\r' | '\n' | '\u{a0}' | '\u{2013}' | '\u{2014}' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                other if other.is_ascii_alphanumeric() => other,
                other => Some(ascii_digit(other)).filter(char::is_ascii_digit)?,
            };
            text.push(symbol);
            if text.len() > LONGEST {
                return None;
            }
        }
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Phones set to Arabic, Persian or Urdu type their own digits; anything else is left as it is.
pub(super) fn ascii_digit(symbol: char) -> char {
    let value = match symbol {
        '\u{660}'..='\u{669}' => symbol as u32 - 0x660,
        '\u{6f0}'..='\u{6f9}' => symbol as u32 - 0x6f0,
        _ => return symbol,
    };
    char::from_digit(value, 10).unwrap_or(symbol)
}

/// What a text that is no live code looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Like one of ours with letters, but its check symbol is wrong: a typing error.
    Mistyped,
    /// Anything else: perhaps a guess.
    Other,
}

/// What `code` looks like.
pub fn shape(code: &Normal) -> Shape {
    let symbols = code.as_str().as_bytes();
    let lettered = symbols.iter().any(u8::is_ascii_alphabetic);
    let made = LETTERS_MADE + 1;
    if !lettered || !(made..=made + LONGEST_PREFIX).contains(&symbols.len()) {
        return Shape::Other;
    }
    if checks(symbols) { Shape::Other } else { Shape::Mistyped }
}

/// Whether `code` is eight letters and the symbol that checks them, without a prefix.
pub(super) fn has_right_check(code: &Normal) -> bool {
    let symbols = code.as_str().as_bytes();
    symbols.len() == LETTERS_MADE + 1 && checks(symbols)
}

fn checks(symbols: &[u8]) -> bool {
    symbols.split_last().is_some_and(|(check, body)| check_symbol(body) == Some(*check))
}

/// Shape of codes to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeForm {
    Digits,
    /// Easier to type, and to guess.
    WeakDigits,
    Letters,
}

/// Why codes of that shape are not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    PrefixTooLong,
    /// Holds something else than letters and digits, or a look-alike (O, I, L, U).
    PrefixSymbol(char),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrefixTooLong => write!(f, "a prefix has at most {LONGEST_PREFIX} symbols"),
            Self::PrefixSymbol(symbol) => {
                write!(f, "{symbol:?} cannot be in a prefix: take digits and letters, but not I, L, O, U")
            }
        }
    }
}

impl std::error::Error for FormError {}

/// A code as it is printed, in groups, from random bytes.
pub fn make_code(form: CodeForm, prefix: &str, random: [u8; 16]) -> Result<String, FormError> {
    let prefix = prefix.to_ascii_uppercase();
    if prefix.len() > LONGEST_PREFIX {
        return Err(FormError::PrefixTooLong);
    }
    if let Some(bad) = prefix.chars().find(|c| !SYMBOLS.contains(&(*c as u32 as u8)) || !c.is_ascii()) {
        return Err(FormError::PrefixSymbol(bad));
    }
    // 128 random bits reduced to 27, 33 or 40: the bias is below 2^-88.
    let mut number = u128::from_le_bytes(random);
    let (base, length) = match form {
        CodeForm::Digits => (10, DIGITS_MADE),
        CodeForm::WeakDigits => (10, WEAK_DIGITS_MADE),
        CodeForm::Letters => (32, LETTERS_MADE),
    };
    let mut body = prefix.into_bytes();
    for _ in 0..length {
        let digit = usize::try_from(number % base).unwrap_or(0);
        body.extend(SYMBOLS.get(digit));
        number /= base;
    }
    if form == CodeForm::Letters {
        body.extend(check_symbol(&body));
    }
    Ok(grouped(&body))
}

/// Groups that are easy to read out and to type: 4 and the rest of 2 to 5.
pub(super) fn grouped(symbols: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = symbols;
    while !rest.is_empty() {
        let size = if rest.len() <= 5 { rest.len() } else { 4 };
        let (group, after) = rest.split_at(size);
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(group.iter().map(|symbol| char::from(*symbol)));
        rest = after;
    }
    text
}

/// Sum of the symbols, each times a different power of x in `GF(32) = GF(2)[x]/(x^5+x^2+1)`.
fn check_symbol(body: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for symbol in body {
        let value = SYMBOLS.iter().position(|s| s == symbol)?;
        sum = times_x(sum ^ u8::try_from(value).ok()?);
    }
    SYMBOLS.get(usize::from(sum)).copied()
}

const fn times_x(value: u8) -> u8 {
    let doubled = value << 1;
    if doubled & 0b10_0000 == 0 { doubled } else { doubled ^ 0b10_0101 }
}

/// The secret under which codes of this site are hashed.
#[derive(Clone)]
pub struct SiteKey(hmac::Key);

impl SiteKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key of a voucher code.
    pub fn voucher(&self, code: &Normal) -> CodeKey {
        CodeKey(self.hash(b"voucher\0", code.as_str()))
    }

    /// The key of a payment reference.
    pub fn payment(&self, reference: &Reference) -> ReferenceKey {
        ReferenceKey(self.hash(b"payment\0", reference.as_str()))
    }

    /// The key of an account.
    pub fn account(&self, name: &AccountName) -> AccountKey {
        AccountKey(self.hash(b"account\0", name.as_str()))
    }

    /// The key that issues self-verifying codes of a number.
    pub fn issuing(&self, number: KeyNumber) -> IssuingKey {
        IssuingKey::derive(&self.0, number)
    }

    /// HMAC-SHA256 over the label, which ends in a zero byte, and the normal form; its first 16 bytes.
    fn hash(&self, label: &[u8], normal: &str) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(label);
        context.update(normal.as_bytes());
        let tag = context.sign();
        let mut key = [0; 16];
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        key
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Normal {
        Normal::of(text).unwrap()
    }

    #[test]
    fn case_spaces_dashes_and_look_alikes_do_not_matter() {
        for typed in
            ["4821 9937 05", "4821-9937-05", " 4821993705\n", "48219937o5", "482I9937O5", "٤٨٢١٩٩٣٧٠٥"]
        {
            assert_eq!(normal(typed).as_str(), "4821993705", "{typed}");
        }
        assert_eq!(normal("ab-cl").as_str(), "ABC1");
        for bad in ["", "  ", "12<34", "a;b", "../x", &"1".repeat(33)] {
            assert_eq!(Normal::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn made_codes_have_their_form() {
        let digits = make_code(CodeForm::Digits, "", [7; 16]).unwrap();
        assert_eq!((digits.len(), normal(&digits).as_str().len()), (12, 10));
        let weak = make_code(CodeForm::WeakDigits, "", [7; 16]).unwrap();
        assert_eq!((weak.len(), normal(&weak).as_str().len()), (9, 8));
        let letters = make_code(CodeForm::Letters, "k2", [7; 16]).unwrap();
        let letters = normal(&letters);
        assert_eq!((letters.as_str().len(), &letters.as_str()[..2]), (11, "K2"));
        assert_eq!(shape(&letters), Shape::Other);
    }

    #[test]
    fn the_check_symbol_catches_one_wrong_symbol_and_any_swap_of_neighbours() {
        for seed in 0..50u8 {
            let code = make_code(CodeForm::Letters, "", [seed.wrapping_mul(37); 16]).unwrap();
            let code = normal(&code).as_str().as_bytes().to_vec();
            for at in 0..code.len() {
                for symbol in SYMBOLS {
                    let mut wrong = code.clone();
                    wrong[at] = *symbol;
                    check_is_noticed(&code, &wrong);
                }
                if at > 0 {
                    let mut swapped = code.clone();
                    swapped.swap(at - 1, at);
                    check_is_noticed(&code, &swapped);
                }
            }
        }
    }

    fn check_is_noticed(right: &[u8], typed: &[u8]) {
        let (check, body) = typed.split_last().unwrap();
        assert_eq!(check_symbol(body) == Some(*check), right == typed, "{right:?} {typed:?}");
    }

    #[test]
    fn digits_are_never_called_mistyped() {
        assert_eq!(shape(&normal("4821993705")), Shape::Other);
        assert_eq!(shape(&normal("482199370")), Shape::Other);
    }

    #[test]
    fn prefixes_are_checked() {
        assert_eq!(make_code(CodeForm::Digits, "TOOLONGX", [0; 16]), Err(FormError::PrefixTooLong));
        assert_eq!(make_code(CodeForm::Digits, "A-", [0; 16]), Err(FormError::PrefixSymbol('-')));
        assert_eq!(make_code(CodeForm::Digits, "AO", [0; 16]), Err(FormError::PrefixSymbol('O')));
    }

    #[test]
    fn the_key_follows_the_wire_format() {
        // HMAC-SHA256(key = 32 x 0x0b, "voucher" 00 "4821993705"), by another implementation.
        let key = SiteKey::new(&[0x0b; 32]).voucher(&normal("4821 9937 05"));
        assert_eq!(key.to_string(), "cb5031ca86094cad52327af49309c509");
    }
}
