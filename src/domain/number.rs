//! Numbers that guests type: of phones, which the cloud may be asked about, and of payment cards, which nobody
//! is to hear of.
//!
//! Owns: what a number of either kind looks like. Never: whose it is.

use super::code::ascii_digit;
use super::reference::is_invisible;

const PHONE_DIGITS: usize = 15;

/// A phone's number without its accidents; `None`: it is none. Up to 15 digits, with a plus before them or not,
/// and not the number of a card.
pub fn phone(typed: &str) -> Option<String> {
    let is_accident = |symbol: char| {
        symbol.is_whitespace() || is_invisible(symbol) || "-.()/\u{2010}\u{2011}\u{2013}".contains(symbol)
    };
    let text: String = typed.chars().filter(|symbol| !is_accident(*symbol)).map(ascii_digit).collect();
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let is_number = (1..=PHONE_DIGITS).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_digit());
    // No card in use is so short as a number of a phone with its country.
    (is_number && (digits.len() < 14 || !is_card(text.as_bytes()))).then_some(text)
}

/// Whether the number of a payment card stands in `text`, whatever is between its digits.
pub fn holds_card(text: &str) -> bool {
    let kept = text.chars().filter(|symbol| !symbol.is_whitespace() && !"._-".contains(*symbol));
    let bare: String = kept.map(ascii_digit).collect();
    bare.split(|symbol: char| !symbol.is_ascii_digit()).any(|run| is_card(run.as_bytes()))
}

/// 13 to 19 digits of a card's first ones, the last of which checks the others. Some of what providers send
/// begins with the year, so what begins with 22 to 27 is one of 16 digits only.
fn is_card(digits: &[u8]) -> bool {
    let begins = match digits {
        [b'3'..=b'6', ..] => (13..=19).contains(&digits.len()),
        [b'2', b'2'..=b'7', ..] => digits.len() == 16,
        _ => false,
    };
    begins && digits.iter().all(u8::is_ascii_digit) && checks(digits)
}

/// Luhn's sum: every second digit, from the last but one, counts double.
fn checks(digits: &[u8]) -> bool {
    let counted = digits.iter().rev().enumerate().map(|(place, digit)| {
        let value = u32::from(digit - b'0');
        let doubled = if place % 2 == 1 { value * 2 } else { value };
        doubled / 10 + doubled % 10
    });
    counted.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_card_is_known_however_it_is_written() {
        for card in [
            "4111111111111111",
            "4111-1111-1111-1111",
            "4111.1111_1111 1111",
            "٤١١١١١١١١١١١١١١١",
            "4222222222222",
            "30569309025904",
            "3782 822463 10005",
            "5555 5555 5555 4444",
            "2223-0031-2200-3222",
            "6304000000000000000",
            "card 4111 1111 1111 1111 please",
        ] {
            assert!(holds_card(card), "{card}");
        }
        for other in
            ["4111111111111112", "25693126312543", "255712345678", "411111111111", "0000000000000000", ""]
        {
            assert!(!holds_card(other), "{other}");
        }
    }

    #[test]
    fn a_phone_is_digits_with_a_plus_before_them_or_not() {
        for (typed, number) in [
            ("+255 700-000 000", "+255700000000"),
            ("0755 (12) 34.56", "0755123456"),
            ("٠٧٥٥", "0755"),
            ("+378282246310005", "+378282246310005"),
        ] {
            assert_eq!(phone(typed).as_deref(), Some(number), "{typed}");
        }
        for none in
            ["", "+", "0755+", "255 7<b>", "4111-1111-1111-1111", "378282246310005", "Asha", &"7".repeat(16)]
        {
            assert_eq!(phone(none), None, "{none}");
        }
    }
}
