//! The languages of the portal: texts laid out by `build.rs` from `portal-html/locales`, and the choice.
//!
//! One method per string; one that nobody calls does not compile. An operator's own string takes the place of one.
//! The browser's wish counts, else the operator's, else English. The switch on the pages goes by the URL, see
//! `route.rs`.

include!(concat!(env!("OUT_DIR"), "/strings.rs"));

/// A language, as it is built in.
pub(crate) struct Language {
    pub(crate) tag: &'static str,
    /// In the language itself.
    pub(crate) name: &'static str,
    /// Of writing: `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    /// The place of a number's form among `forms`.
    plural: fn(u64) -> usize,
    forms: &'static [&'static str],
    /// All strings, one behind the other.
    text: &'static str,
    /// Where in `text` each begins, and the last ends.
    starts: &'static [u16],
}

/// The strings of a language; the operator's own in the place of the built-in ones.
#[derive(Clone, Copy)]
pub(crate) struct Strings<'a> {
    pub(crate) language: &'static Language,
    own: &'a [Own],
}

/// A string of the operator, and its place.
pub(crate) type Own = (usize, String);

impl Language {
    /// The language of `tag`, such as `sw` or `sw-TZ`.
    pub(crate) fn of(tag: &str) -> Option<&'static Self> {
        let primary = tag.split(['-', '_']).next()?;
        LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    /// Its strings, but for those that are the operator's `own`.
    pub(crate) fn with<'a>(&'static self, own: &'a [Own]) -> Strings<'a> {
        Strings { language: self, own }
    }

    /// The built-in string at `place`; empty where there is none.
    pub(crate) fn built_in(&self, place: usize) -> &'static str {
        let start = |place: usize| self.starts.get(place).map(|start| usize::from(*start));
        let range = start(place).zip(start(place + 1));
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }

    /// The key of each place, such as `welcome`, or `days.one` of a plural; empty where the language has no such
    /// form.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for key in KEYS.lines() {
            if key.ends_with('.') {
                let form = |n| self.forms.get(n).map_or_else(String::new, |form| format!("{key}{form}"));
                keys.extend((0..FORMS).map(form));
            } else {
                keys.push(key.to_owned());
            }
        }
        keys
    }
}

impl<'a> Strings<'a> {
    fn text(self, place: usize) -> &'a str {
        let own = self.own.iter().find(|(own, _)| *own == place);
        own.map_or_else(|| self.language.built_in(place), |(_, text)| text)
    }

    /// `text` with each `{name}` replaced. Where one writes from the right, what is written from the left
    /// stands apart, or the signs around it would change sides.
    fn fill(self, text: &str, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = values.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value);
            if self.language.direction == "rtl"
                && value.contains(|c: char| c.is_ascii_alphabetic() || c == ':')
            {
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
pub(crate) fn language(accept: &str, fallback: &str) -> &'static Language {
    let mut best: Option<(u16, &'static Language)> = None;
    for choice in accept.split(',').take(32) {
        let (tag, parameters) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight(parameters);
        let Some(language) = Language::of(tag.trim()) else { continue };
        if weight > best.map_or(0, |(best, _)| best) {
            best = Some((weight, language));
        }
    }
    let english = || LANGUAGES.iter().find(|language| language.tag == "en");
    best.map(|(_, language)| language)
        .or_else(|| Language::of(fallback))
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
        let english = Language::of("en").unwrap().with(&[]);
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
            let language = Language::of(tag).unwrap();
            let chosen = numbers.map(|n| language.forms[(language.plural)(n)]);
            assert_eq!(chosen.join(" "), expected, "{tag}");
        }
        assert_eq!(LANGUAGES.len(), 6);
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
