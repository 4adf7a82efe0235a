//! The languages of the portal: tables made by `build.rs` from `portal-html/locales`, and the choice.
//!
//! One method per string; one that nobody calls does not compile. The browser's wish counts, else the
//! operator's, else English. The switch on the pages goes by the URL, see `route.rs`.

include!(concat!(env!("OUT_DIR"), "/strings.rs"));

impl Strings {
    /// The strings of `tag`, such as `sw` or `sw-TZ`.
    pub(crate) fn of(tag: &str) -> Option<&'static Self> {
        let primary = tag.split(['-', '_']).next()?;
        LANGUAGES.iter().find(|strings| strings.tag.eq_ignore_ascii_case(primary))
    }

    /// `text` with each `{name}` replaced. Where one writes from the right, what is written from the left
    /// stands apart, or the signs around it would change sides.
    fn fill(&self, text: &str, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = values.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value);
            if self.direction == "rtl" && value.contains(|c: char| c.is_ascii_alphabetic() || c == ':') {
                filled.extend(["\u{2068}", value, "\u{2069}"]);
            } else {
                filled.push_str(value);
            }
            rest = after;
        }
        filled + rest
    }
}

/// The language to answer in: the best of `accept` (the header `Accept-Language`; may be empty) that
/// there is, else `fallback`, else English.
pub(crate) fn language(accept: &str, fallback: &str) -> &'static Strings {
    let mut best: Option<(u16, &'static Strings)> = None;
    for choice in accept.split(',').take(32) {
        let (tag, parameters) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight(parameters);
        let Some(strings) = Strings::of(tag.trim()) else { continue };
        if weight > best.map_or(0, |(best, _)| best) {
            best = Some((weight, strings));
        }
    }
    let english = || LANGUAGES.iter().find(|strings| strings.tag == "en");
    best.map(|(_, strings)| strings)
        .or_else(|| Strings::of(fallback))
        .or_else(english)
        .expect("build.rs refuses to build without English")
}

/// `q=0.7` in thousandths; 1000 if there is none, 0 if it cannot be read.
fn weight(parameters: &str) -> u16 {
    let Some(text) = parameters.trim().strip_prefix("q=") else { return 1000 };
    match text.trim().split_once('.') {
        None => text.trim().parse().map_or(0, |whole: u16| whole.min(1) * 1000),
        Some(("1", _)) => 1000,
        Some((_, digits)) => format!("{:0<3.3}", digits).parse().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_s_language_wins_then_the_operator_s_then_english() {
        for (accept, fallback, tag) in [
            ("", "en", "en"),
            ("", "sw", "sw"),
            ("", "xx", "en"),
            ("sw", "en", "sw"),
            ("sw-TZ,en;q=0.5", "en", "sw"),
            ("SW_tz", "en", "sw"),
            ("en-GB,sw;q=0.9", "sw", "en"),
            ("nl,de;q=0.9", "sw", "sw"),
            ("fr-CD,en;q=0.9", "en", "fr"),
            ("pt-MZ", "en", "pt"),
            ("ar-SD,ar;q=0.9,en;q=0.8", "en", "ar"),
            ("ur-PK", "en", "ur"),
            ("en;q=0.3, sw;q=0.31", "en", "sw"),
            ("en;q=0.3, sw;q=0.30", "sw", "en"),
            ("sw;q=0, en;q=0.1", "sw", "en"),
            ("*", "sw", "sw"),
            ("sw;q=nonsense,en;q=0.2", "sw", "en"),
            (";;;,,,q=,sw;q=1.000", "en", "sw"),
            ("swahili", "en", "en"),
        ] {
            assert_eq!(language(accept, fallback).tag, tag, "{accept:?} {fallback}");
        }
    }

    #[test]
    fn fills_every_placeholder() {
        let english = Strings::of("en").unwrap();
        assert_eq!(english.fill("{a} of {b}, {a}", &[("a", "{b}"), ("b", "2")]), "{b} of 2, {b}");
        assert_eq!(english.fill("no placeholder", &[]), "no placeholder");
    }

    #[test]
    fn each_language_has_its_plurals() {
        let numbers = [0, 1, 2, 3, 5, 11, 21, 100, 101, 1_000_000];
        for (tag, expected) in [
            ("ar", "zero one two few few many many other other other"),
            ("en", "other one other other other other other other other other"),
            ("fr", "one one other other other other other other other many"),
            ("pt", "other one other other other other other other other many"),
            ("sw", "other one other other other other other other other other"),
            ("ur", "other one other other other other other other other other"),
        ] {
            let (_, categories, rule) = PLURAL_RULES.iter().find(|(known, ..)| *known == tag).unwrap();
            let chosen = numbers.map(|n| categories[rule(n)]);
            assert_eq!(chosen.join(" "), expected, "{tag}");
        }
        assert_eq!(PLURAL_RULES.len(), 6);
    }

    /// Blanks and signs that a keyboard for English gets wrong.
    #[test]
    fn each_language_has_the_signs_of_its_own() {
        for (tag, file, foreign) in [
            (
                "fr",
                include_str!("../../portal-html/locales/fr.toml"),
                &[" :", " ;", " !", " ?", "« ", " »", "e?", "s?", "é?", "'", "..."][..],
            ),
            ("pt", include_str!("../../portal-html/locales/pt.toml"), &[" :", " ?", " !", "'", "..."]),
            ("ar", include_str!("../../portal-html/locales/ar.toml"), &["?", ";", ",", "..."]),
            ("ur", include_str!("../../portal-html/locales/ur.toml"), &["?", ";", ",", ". ", ".\"", "..."]),
        ] {
            let own = file.lines().filter(|line| !line.starts_with('#') && !line.starts_with("decimal"));
            for line in own.filter(|line| !line.contains(" = { ")) {
                assert!(!foreign.iter().any(|sign| line.contains(sign)), "{tag}: {line}");
            }
        }
    }
}
