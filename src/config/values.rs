//! Values that are quantities or words: text in, a checked type out.
//!
//! Owns: durations, sizes, rates, numbers, yes and no, colours, prices, words from a fixed set, base64.
//! Never: knows which option it reads; control characters never get here.
//! Each error says what the text is not, and what to write instead. Neighbour: `names.rs` for names and addresses.

use std::time::Duration;

use super::error::shown;
use super::model::{Anomaly, Policy};
use super::section::Value;
use crate::domain::{Bps, Bytes, KeyNumber, NotBase64, SigningKey, Wall};

const DAY: u64 = 24 * 60 * 60;
/// A hundred years: far beyond any use, and no sum of such spans can overflow.
const LONGEST: Duration = Duration::from_secs(36_500 * DAY);

/// `text` is not `what`.
pub(super) fn not<T>(text: &str, what: &str) -> Value<T> {
    Err(format!("{} is not {what}", shown(text)))
}

/// The spellings that OpenWrt's own scripts know.
pub(super) fn boolean(text: &str) -> Value<bool> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Ok(true),
        "0" | "off" | "false" | "no" | "disabled" => Ok(false),
        _ => not(text, "yes or no; write 1 or 0"),
    }
}

/// `90s 15m 12h 30d`, more than nothing.
pub(super) fn duration(text: &str) -> Value<Duration> {
    let what = "a duration; write a whole number with its unit, as in 90s, 15m, 12h or 30d";
    let Some((number, unit)) = quantity(text) else { return not(text, what) };
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY,
        _ => return not(text, what),
    };
    match number.checked_mul(unit).map(Duration::from_secs) {
        Some(Duration::ZERO) => Err(format!("{} is no time at all; leave it empty for none", shown(text))),
        Some(span) if span <= LONGEST => Ok(span),
        _ => Err(format!("{} is too long; at most 36500d", shown(text))),
    }
}

/// What a profile of `retention` keeps for how long, unless an option says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) sessions: Duration,
    pub(super) audit: Duration,
}

/// `default`, `90d`, `12m`.
pub(super) fn retention_profile(text: &str) -> Value<Profile> {
    let days = |sessions, audit| {
        let days = |days: u64| Duration::from_secs(days * DAY);
        Ok(Profile { sessions: days(sessions), audit: days(audit) })
    };
    match text {
        "default" => days(90, 365),
        "90d" => days(90, 90),
        "12m" => days(365, 365),
        _ => not(text, "a profile; write default, 90d or 12m"),
    }
}

/// A duration from `least` to `most`, both as they would be written.
pub(super) fn duration_within(least: &'static str, most: &'static str) -> impl Fn(&str) -> Value<Duration> {
    move |text| {
        let span = duration(text)?;
        let bound = |text| duration(text).expect("bounds in the source are durations");
        if (bound(least)..=bound(most)).contains(&span) {
            Ok(span)
        } else {
            Err(format!("{} is out of range; write {least} to {most}", shown(text)))
        }
    }
}

/// `500MB 2GB` in thousands, `512MiB` in 1024s, more than nothing.
pub(super) fn bytes(text: &str) -> Value<Bytes> {
    let what = "a size; write a whole number with its unit, as in 500MB, 2GB or 512MiB";
    let Some((number, unit)) = quantity(text) else { return not(text, what) };
    let unit = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return not(text, what),
    };
    // SQLite and netlink count in signed 64 bits.
    match number.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok()) {
        Some(0) => Err(format!("{} is nothing at all; leave it empty for no limit", shown(text))),
        Some(bytes) => Ok(Bytes(bytes)),
        None => Err(format!("{} is too large; leave it empty for no limit", shown(text))),
    }
}

/// `512kbit 4mbit`, also `bit` and `gbit`: bits a second, more than nothing.
pub(super) fn rate(text: &str) -> Value<Bps> {
    let what = "a rate; write a whole number with its unit, as in 512kbit or 4mbit";
    let Some((number, unit)) = quantity(text) else { return not(text, what) };
    let unit = match unit.to_ascii_lowercase().as_str() {
        "bit" => 1,
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        _ => return not(text, what),
    };
    match number.checked_mul(unit) {
        Some(0) => Err(format!("{} lets nothing through; leave it empty for no limit", shown(text))),
        Some(bits) if bits <= 100_000_000_000 => Ok(Bps(bits)),
        _ => Err(format!("{} is too fast; at most 100gbit, or leave it empty for no limit", shown(text))),
    }
}

/// Digits, and what follows them. `None`: no digits, or more than a number can hold.
fn quantity(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    // A number too large becomes the largest, so that the caller's bound speaks, not "not a number".
    let number = if number.is_empty() { None } else { Some(number.parse().unwrap_or(u64::MAX)) };
    Some((number?, unit))
}

/// A whole number from `least` to `most`.
pub(super) fn number<T: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(&str) -> Value<T> {
    move |text| {
        let number =
            quantity(text).filter(|(number, rest)| rest.is_empty() && (least..=most).contains(number));
        match number.and_then(|(number, _)| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => not(text, &format!("a whole number from {least} to {most}")),
        }
    }
}

/// The number of a key that issues self-verifying codes.
pub(super) fn key_number(text: &str) -> Value<KeyNumber> {
    number(0, 9)(text).and_then(|number| KeyNumber::new(number).ok_or_else(|| shown(text)))
}

/// A TCP or UDP port.
pub(super) fn port(text: &str) -> Value<u16> {
    number(1, 65_535)(text).map_err(|_| format!("{} is not a port; write 1 to 65535", shown(text)))
}

/// One bit of 32, hex with `0x` or decimal.
pub(super) fn mark(text: &str) -> Value<u32> {
    let lower = text.to_ascii_lowercase();
    let number = match lower.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => number(0, u32::MAX.into())(text).ok(),
    };
    match number {
        Some(mark) if mark.is_power_of_two() => Ok(mark),
        _ => not(text, "exactly one bit of 32; write for example 0x01000000"),
    }
}

/// `#rrggbb`; lower case comes out.
pub(super) fn colour(text: &str) -> Value<String> {
    match text.strip_prefix('#') {
        Some(digits) if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => not(text, "a colour; write '#' and six hex digits in quotes, as in '#0b7285'"),
    }
}

/// Text that people read, of at most `most` characters.
pub(super) fn text(most: usize) -> impl Fn(&str) -> Value<String> {
    move |text| {
        if text.chars().count() <= most {
            Ok(text.to_owned())
        } else {
            Err(format!("{} is too long; at most {most} characters", shown(text)))
        }
    }
}

/// Decimal text in major units, kept as it is written.
pub(super) fn price(text: &str) -> Value<String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if digits(whole) && digits(fraction) && text.len() <= 16 {
        Ok(text.to_owned())
    } else {
        not(text, "a price; write digits, with a point for parts, as in 500 or 1.50")
    }
}

/// A currency's letters, as in `TZS`.
pub(super) fn currency(text: &str) -> Value<String> {
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        not(text, "a currency; write its three capital letters, as in TZS")
    }
}

/// One of the languages that the portal speaks.
pub(super) fn language(text: &str) -> Value<String> {
    if ["en", "sw", "fr", "ur", "ar", "pt"].contains(&text) {
        Ok(text.to_owned())
    } else {
        not(text, "a language of the portal; write en, sw, fr, ur, ar or pt")
    }
}

/// What is done about a device seen at two places.
pub(super) fn anomaly(text: &str) -> Value<Anomaly> {
    match text {
        "report" => Ok(Anomaly::Report),
        "end" => Ok(Anomaly::End),
        _ => not(text, "a choice here; write report or end"),
    }
}

/// What a listed device may do.
pub(super) fn policy(text: &str) -> Value<Policy> {
    match text {
        "trusted" => Ok(Policy::Trusted),
        "blocked" => Ok(Policy::Blocked),
        _ => not(text, "a policy; write trusted or blocked"),
    }
}

/// A moment, as RFC 3339 writes it.
pub(super) fn moment(text: &str) -> Value<Wall> {
    let what = "a moment; write it as RFC 3339 does, as in 2026-12-31T23:59:59Z or …+03:00";
    Wall::parse(text).map_or_else(|| not(text, what), Ok)
}

/// 32 bytes in base64, with or without the `=` at the end.
pub(super) fn public_key(text: &str) -> Value<SigningKey> {
    let what = "an Ed25519 public key; write its 32 bytes in base64, 44 characters";
    text.parse().or_else(|_: NotBase64| not(text, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_what_their_units_say() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("007s", 7)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, want) in [("500MB", 500_000_000), ("2GB", 2_000_000_000), ("512MiB", 536_870_912)] {
            assert_eq!(bytes(text), Ok(Bytes(want)), "{text}");
        }
        for (text, want) in [
            ("512kbit", 512_000),
            ("4mbit", 4_000_000),
            ("4Mbit", 4_000_000),
            ("1gbit", 1_000_000_000),
            ("64bit", 64),
        ] {
            assert_eq!(rate(text), Ok(Bps(want)), "{text}");
        }
    }

    #[test]
    fn quantities_without_a_number_a_unit_or_a_bound_are_refused() {
        for bad in [
            "",
            "s",
            "90",
            "1.5h",
            "-5m",
            "+5m",
            "1 h",
            "1h30m",
            "5w",
            "0s",
            "36501d",
            "99999999999999999999s",
            "٣m",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["500", "500mb", "500Mb", "0MB", "1.5GB", "500 MB", "9223372036855TB", "MB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for bad in ["4", "4mbps", "0kbit", "4MB", "101gbit", "kbit"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mark_is_one_bit() {
        for (good, want) in
            [("0x01000000", 1 << 24), ("16777216", 1 << 24), ("0X1", 1), ("0x80000000", 1 << 31)]
        {
            assert_eq!(mark(good), Ok(want), "{good}");
        }
        for bad in ["0", "3", "0x3", "0x", "0x+1", "0x100000000", "one", ""] {
            assert!(mark(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn booleans_are_those_of_the_shell_functions() {
        for yes in ["1", "on", "true", "yes", "enabled"] {
            assert_eq!(boolean(yes), Ok(true), "{yes}");
        }
        for no in ["0", "off", "false", "no", "disabled"] {
            assert_eq!(boolean(no), Ok(false), "{no}");
        }
        assert!(boolean("maybe").is_err());
    }
}
