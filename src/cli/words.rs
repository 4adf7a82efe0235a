//! Numbers in the form that an operator reads; in English, like all that the commands print.

/// A span in its two largest units: `45 s`, `12 min`, `1 h 05 min`, `3 d 4 h`, `30 d`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours % 24, minutes % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// An amount of data, decimal, as operators write it: `980 B`, `1.5 MB`, `500 MB`.
pub(super) fn size(bytes: u64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A speed: `512 kbit/s`, `4 Mbit/s`.
pub(super) fn rate(bps: u64) -> String {
    scaled(bps, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s", "Ebit/s"])
}

/// Rounded down, so that nobody is told of more than there is left.
fn scaled(number: u64, units: &[&str; 7]) -> String {
    let step = (0..6).find(|step| number < 1000_u64.pow(step + 1)).unwrap_or(6);
    let factor = 1000_u64.pow(step);
    let unit = units.get(step as usize).copied().unwrap_or_default();
    let (whole, tenth) = (number / factor, number % factor * 10 / factor);
    if whole < 10 && tenth > 0 { format!("{whole}.{tenth} {unit}") } else { format!("{whole} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3900, "1 h 05 min"),
            (86_399, "23 h 59 min"),
            (7200, "2 h"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn amounts_are_told_in_decimal_units_and_never_rounded_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1_999_999, "1.9 MB"),
            (500_000_000, "500 MB"),
            (999_999_999, "999 MB"),
            (2_300_000_000, "2.3 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((rate(512_000), rate(4_000_000)), ("512 kbit/s".to_owned(), "4 Mbit/s".to_owned()));
    }
}
