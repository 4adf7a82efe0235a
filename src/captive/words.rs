//! Durations, sizes and rates as a guest says them, in the guest's language.
//!
//! Two units at most, plurals by the rules of the language, sizes rounded down: nobody is shown more than
//! there is.

use std::time::Duration;

use super::Strings;
use crate::domain::{Bps, Bytes};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `span` in one or two units: "1 day 3 hours", "2 hours 5 minutes", "5 minutes", "45 seconds". To the
/// nearest hour above a day, to the nearest minute above a minute; below that the started second counts.
pub(crate) fn duration(t: Strings<'_>, span: Duration) -> String {
    let exact = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    let minutes = to_nearest(exact, MINUTE);
    if exact < MINUTE {
        t.seconds(exact)
    } else if minutes < DAY {
        both(t, (minutes / HOUR, Strings::hours), (minutes % HOUR / MINUTE, Strings::minutes))
    } else {
        let hours = to_nearest(exact, HOUR);
        both(t, (hours / DAY, Strings::days), (hours % DAY / HOUR, Strings::hours))
    }
}

/// `size` in decimal units, rounded down: "640 KB", "1.5 MB", "320 MB", "1.2 GB".
pub(crate) fn size<'a>(t: Strings<'a>, size: Bytes) -> String {
    let (unit, word): (u64, fn(Strings<'a>, &str) -> String) = match size.0 {
        1_000_000_000.. => (1_000_000_000, Strings::gigabytes),
        1_000_000.. => (1_000_000, Strings::megabytes),
        _ => (1000, Strings::kilobytes),
    };
    word(t, &number(t, size.0, unit))
}

/// `rate` in decimal units: "512 kbit/s", "4 Mbit/s".
pub(crate) fn rate(t: Strings<'_>, rate: Bps) -> String {
    if rate.0 < 1_000_000 {
        t.kilobits(&number(t, rate.0, 1000))
    } else {
        t.megabits(&number(t, rate.0, 1_000_000))
    }
}

type Unit<'a> = (u64, fn(Strings<'a>, u64) -> String);

fn both<'a>(t: Strings<'a>, (first, first_unit): Unit<'a>, (second, second_unit): Unit<'a>) -> String {
    match (first, second) {
        (0, second) => second_unit(t, second),
        (first, 0) => first_unit(t, first),
        (first, second) => t.two_parts(&first_unit(t, first), &second_unit(t, second)),
    }
}

fn to_nearest(value: u64, unit: u64) -> u64 {
    value.saturating_add(unit / 2) / unit * unit
}

/// One decimal below ten, none above, none if it is zero.
fn number(t: Strings<'_>, value: u64, unit: u64) -> String {
    let tenths = value / (unit / 10);
    match (tenths / 10, tenths % 10) {
        (whole, tenth) if whole < 10 && tenth > 0 => format!("{whole}{}{tenth}", t.decimal()),
        (whole, _) => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captive::Language;

    fn in_language(tag: &str) -> Strings<'static> {
        Language::of(tag).unwrap().with(&[])
    }

    fn english() -> Strings<'static> {
        in_language("en")
    }

    fn swahili() -> Strings<'static> {
        in_language("sw")
    }

    #[test]
    fn durations_in_both_languages() {
        for (seconds, en, sw) in [
            (0, "0 seconds", "sekunde 0"),
            (1, "1 second", "sekunde 1"),
            (59, "59 seconds", "sekunde 59"),
            (60, "1 minute", "dakika 1"),
            (89, "1 minute", "dakika 1"),
            (90, "2 minutes", "dakika 2"),
            (3569, "59 minutes", "dakika 59"),
            (3599, "1 hour", "saa 1"),
            (3600, "1 hour", "saa 1"),
            (3660, "1 hour 1 minute", "saa 1 na dakika 1"),
            (7500, "2 hours 5 minutes", "saa 2 na dakika 5"),
            (86_399, "1 day", "siku 1"),
            (86_400, "1 day", "siku 1"),
            (97_200, "1 day 3 hours", "siku 1 na saa 3"),
            (86_400 + 1799, "1 day", "siku 1"),
            (2 * 86_400 - 1, "2 days", "siku 2"),
            (30 * 86_400, "30 days", "siku 30"),
        ] {
            let span = Duration::from_secs(seconds);
            assert_eq!(duration(english(), span), en, "{seconds}");
            assert_eq!(duration(swahili(), span), sw, "{seconds}");
        }
        assert_eq!(duration(english(), Duration::from_millis(1)), "1 second", "not over yet");
        assert!(!duration(english(), Duration::MAX - Duration::from_secs(99)).is_empty());
    }

    #[test]
    fn sizes_and_rates_in_both_languages() {
        for (bytes, en, sw) in [
            (0, "0 KB", "KB 0"),
            (999, "0.9 KB", "KB 0.9"),
            (640_000, "640 KB", "KB 640"),
            (1_500_000, "1.5 MB", "MB 1.5"),
            (499_999_999, "499 MB", "MB 499"),
            (500_000_000, "500 MB", "MB 500"),
            (1_290_000_000, "1.2 GB", "GB 1.2"),
            (20_000_000_000, "20 GB", "GB 20"),
        ] {
            assert_eq!(size(english(), Bytes(bytes)), en);
            assert_eq!(size(swahili(), Bytes(bytes)), sw);
        }
        assert_eq!(rate(english(), Bps(512_000)), "512 kbit/s");
        assert_eq!(rate(english(), Bps(4_000_000)), "4 Mbit/s");
        assert_eq!(rate(english(), Bps(1_500_000)), "1.5 Mbit/s");
        assert_eq!(rate(swahili(), Bps(1_500_000)), "Mbit 1.5 kwa sekunde");
    }

    #[test]
    fn durations_by_the_plurals_of_each_language() {
        let spans = [0, 1, 2, 3, MINUTE, 2 * MINUTE, 5 * MINUTE, 11 * MINUTE, HOUR, 2 * HOUR + 5 * MINUTE]
            .into_iter()
            .chain([DAY, 2 * DAY, 3 * DAY, 11 * DAY, 100 * DAY]);
        for (tag, expected) in [
            (
                "ar",
                "0 ثانية | ثانية واحدة | ثانيتان | 3 ثوانٍ | دقيقة واحدة | دقيقتان | 5 دقائق | 11 دقيقة | \
                 ساعة واحدة | ساعتان و5 دقائق | يوم واحد | يومان | 3 أيام | 11 يوماً | 100 يوم",
            ),
            (
                "fr",
                "0 seconde | 1 seconde | 2 secondes | 3 secondes | 1 minute | 2 minutes | 5 minutes | \
                 11 minutes | 1 heure | 2 heures 5 minutes | 1 jour | 2 jours | 3 jours | 11 jours | 100 jours",
            ),
            (
                "pt",
                "0 segundos | 1 segundo | 2 segundos | 3 segundos | 1 minuto | 2 minutos | 5 minutos | \
                 11 minutos | 1 hora | 2 horas e 5 minutos | 1 dia | 2 dias | 3 dias | 11 dias | 100 dias",
            ),
            (
                "ur",
                "0 سیکنڈ | 1 سیکنڈ | 2 سیکنڈ | 3 سیکنڈ | 1 منٹ | 2 منٹ | 5 منٹ | 11 منٹ | \
                 1 گھنٹہ | 2 گھنٹے 5 منٹ | 1 دن | 2 دن | 3 دن | 11 دن | 100 دن",
            ),
        ] {
            let t = in_language(tag);
            let said = spans.clone().map(|seconds| duration(t, Duration::from_secs(seconds)));
            let said = said.collect::<Vec<_>>().join(" | ");
            // A figure stands by its unit.
            assert_eq!(said.replace('\u{a0}', " "), expected, "{tag}");
        }
    }

    #[test]
    fn sizes_and_rates_as_the_phones_of_each_language_show_them() {
        let sizes = [0, 999, 1_500_000, 500_000_000, 1_290_000_000];
        for (tag, expected) in [
            (
                "ar",
                "0 كيلوبايت | 0.9 كيلوبايت | 1.5 ميغابايت | 500 ميغابايت | 1.2 غيغابايت | \
                 512 كيلوبت في الثانية | 1.5 ميغابت في الثانية",
            ),
            ("fr", "0 Ko | 0,9 Ko | 1,5 Mo | 500 Mo | 1,2 Go | 512 kbit/s | 1,5 Mbit/s"),
            ("pt", "0 KB | 0,9 KB | 1,5 MB | 500 MB | 1,2 GB | 512 kbit/s | 1,5 Mbit/s"),
            ("ur", "0 KB | 0.9 KB | 1.5 MB | 500 MB | 1.2 GB | 512 kbps | 1.5 Mbps"),
        ] {
            let t = in_language(tag);
            let said = sizes.into_iter().map(|bytes| size(t, Bytes(bytes)));
            let rates = [512_000, 1_500_000].into_iter().map(|bps| rate(t, Bps(bps)));
            let said = said.chain(rates).collect::<Vec<_>>().join(" | ").replace('\u{a0}', " ");
            assert_eq!(said, expected, "{tag}");
        }
    }
}
