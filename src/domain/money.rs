//! Sums of money, exactly: decimal text in, decimal text out. Nothing is ever rounded.

use std::fmt;

/// An amount in some currency, not below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In units of the last place.
    units: u64,
    /// Digits behind the point.
    places: u32,
}

impl Money {
    pub const NOTHING: Self = Self { units: 0, places: 0 };

    /// The amount of a price such as `500` or `1.50`; `None`: it is none, or too large to be counted.
    pub fn of(price: &str) -> Option<Self> {
        let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || price.ends_with('.') {
            return None;
        }
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { units, places: u32::try_from(fraction.len()).ok()? })
    }

    /// So many times as much.
    pub fn times(self, count: u64) -> Option<Self> {
        Some(Self { units: self.units.checked_mul(count)?, ..self })
    }

    /// Both together, with as many places as the longer has.
    pub fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let units = self.in_places(places)?.checked_add(other.in_places(places)?)?;
        Some(Self { units, places })
    }

    fn in_places(self, places: u32) -> Option<u64> {
        self.units.checked_mul(10_u64.checked_pow(places - self.places)?)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places as usize;
        let digits = format!("{:0>1$}", self.units, places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        f.write_str(whole)?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let sum = |parts: &[(&str, u64)]| {
            let mut amounts = parts.iter().map(|(price, count)| Money::of(price)?.times(*count));
            amounts.try_fold(Money::NOTHING, |sum, one| sum.plus(one?)).map(|sum| sum.to_string())
        };
        for (parts, expected) in [
            ([].as_slice(), Some("0")),
            (&[("500", 20)], Some("10000")),
            (&[("0.1", 3), ("0.20", 1)], Some("0.50")),
            (&[("0.07", 1)], Some("0.07")),
            (&[("1.999", 3), ("1", 1)], Some("6.997")),
            (&[("0", 9), ("0.00", 9)], Some("0.00")),
            (&[("9999999999999999", 1000)], Some("9999999999999999000")),
            (&[("9999999999999999", 10_000)], None),
            (&[("1", u64::MAX), ("1", 1)], None),
            (&[("0.0000000000000000001", 1), ("10", 1)], None),
        ] {
            assert_eq!(sum(parts).as_deref(), expected, "{parts:?}");
        }
        for wrong in ["", ".", "5.", ".5", "-5", "1,000", "5 000", "1.2.3", "x", "99999999999999999999"] {
            assert_eq!(Money::of(wrong), None, "{wrong}");
        }
    }
}
