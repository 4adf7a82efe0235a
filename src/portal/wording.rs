//! The operator's own words: the lines `KEY = TEXT` of a file `strings.LANGUAGE.txt`.
//!
//! Owns: what a line may be, and why one is left out, so that the built-in string stands in its place. Never: the
//! file (`theme` reads it); markup, for words are escaped like all that is no template.
//! Neighbours: `captive` has the keys and the built-in strings.

use super::markup::shown;
use super::theme::Wrong;
use crate::captive::{Language, Own};
use crate::config::{did_you_mean, nearest};

/// Bytes of a text at most: no built-in one has half of it.
const LONGEST: usize = 1000;
/// Faults that are told of one file.
const MOST_TOLD: usize = 20;

/// The strings of `language` in `file` that are right, and what is wrong with other lines.
pub(super) fn read(file: &[u8], language: &Language) -> (Vec<Own>, Vec<Wrong>) {
    let keys = language.keys();
    let (mut own, mut wrong) = (Vec::<Own>::new(), Vec::new());
    let mut untold = 0_usize;
    let lines = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).split(|byte| *byte == b'\n');
    for (line, bytes) in (1..).zip(lines) {
        let what = match string(bytes, &keys, language) {
            Ok(None) => continue,
            Ok(Some((place, text))) if own.iter().all(|(taken, _)| *taken != place) => {
                own.push((place, text));
                continue;
            }
            Ok(Some(_)) => {
                "sets a string anew that an earlier line has set, which counts; take out one".into()
            }
            Err(what) => what,
        };
        if wrong.len() < MOST_TOLD {
            wrong.push(Wrong { line, what });
        } else {
            untold += 1;
        }
    }
    if let Some(last) = wrong.last_mut().filter(|_| untold > 0) {
        last.what += &format!("; and {untold} more lines are wrong");
    }
    (own, wrong)
}

/// What a line sets; `None`: it says nothing.
fn string(line: &[u8], keys: &[String], language: &Language) -> Result<Option<Own>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8; save the file in that encoding")?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (key, text) = line.split_once('=').ok_or("has no =; a line is KEY = TEXT, or begins with #")?;
    let (key, text) = (key.trim(), unquoted(text.trim()));
    let known = keys.iter().position(|own| own == key).filter(|_| !key.is_empty());
    let place = known.ok_or_else(|| unknown(key, keys))?;
    judge(key, text, language.built_in(place))
        .map_err(|what| format!("{key} {what}; the built-in text is shown"))?;
    Ok(Some((place, text.to_owned())))
}

/// A line taken from the built-in strings has its text in quotes.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn unknown(key: &str, keys: &[String]) -> String {
    let name = key.split('.').next().unwrap_or(key);
    let form = |own: &&String| own.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let forms: Vec<_> = keys.iter().filter(form).map(String::as_str).collect();
    if !forms.is_empty() {
        return format!("{name} has a text for each of {}; write one line for each", forms.join(", "));
    }
    let hint = nearest(key, keys.iter().map(String::as_str).filter(|own| !own.is_empty()));
    let hint = hint.map_or("the keys stand in portal-html/locales/en.toml".to_owned(), did_you_mean);
    format!("there is no string {}; {hint}", shown(key))
}

/// Whether `text` may stand for `built_in`.
fn judge(key: &str, text: &str, built_in: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("has no text; take the line out".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes; shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Err("holds a tab or another control character; take it out".to_owned());
    }
    // A plural has one. "One minute" may do without the figure; the form of all other numbers may not.
    let (names, all) = match key.split_once('.') {
        Some((_, form)) => (vec!["n"], form == "other"),
        None => (placeholders(built_in), true),
    };
    let used = placeholders(text);
    if let Some(strange) = used.iter().find(|name| !names.contains(name)) {
        return Err(format!("has no placeholder {{{}}}; {}", shown(strange), told(&names)));
    }
    match names.iter().find(|name| all && !used.contains(name)) {
        Some(missing) => Err(format!("lacks {{{missing}}}; put it where the value belongs")),
        None => Ok(()),
    }
}

/// The names in braces.
fn placeholders(text: &str) -> Vec<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name)).collect()
}

fn told(names: &[&str]) -> String {
    if names.is_empty() { "it has none".to_owned() } else { format!("it has {{{}}}", names.join("}, {")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captive::{LANGUAGES, Strings};

    fn english() -> &'static Language {
        Language::of("en").unwrap()
    }

    fn faults(file: &[u8]) -> Vec<(u32, String)> {
        read(file, english()).1.into_iter().map(|Wrong { line, what }| (line, what)).collect()
    }

    #[test]
    fn takes_the_lines_that_are_right_whatever_the_others_are() {
        let file = b"\xef\xbb\xbf# ours\r\n\r\nwelcome = Karibu = <b>welcome</b>\r\n  online=Yes \r\nnonsense\n\
            \xff = x\nhours.one = an hour\nhours.other = {n} h\nplan_metered = \"{time} in all\"\nend_here = \xff\n";
        let (own, wrong) = read(file, english());
        let t = english().with(&own);
        assert_eq!(
            [t.welcome(), t.online(), t.end_here()],
            ["Karibu = <b>welcome</b>", "Yes", "End on this device"]
        );
        assert_eq!([t.hours(1), t.hours(2), t.days(2)], ["an hour", "2 h", "2 days"]);
        assert_eq!(t.plan_metered("3 h"), "3 h in all");
        assert_eq!(wrong.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [5, 6, 10]);
        assert_eq!(own.len(), 5);
    }

    #[test]
    fn tells_what_is_wrong_with_a_line_and_what_to_do() {
        let long = format!("welcome = {}", "x".repeat(LONGEST + 1));
        for (line, expected) in [
            ("welcome", "has no =; a line is KEY = TEXT"),
            ("welcom = x", "there is no string welcom; did you mean 'welcome'?"),
            ("Welcome = x", "did you mean 'welcome'?"),
            ("frobnicate = x", "the keys stand in portal-html/locales/en.toml"),
            (" = x", "there is no string ; the keys"),
            ("language_name = x", "there is no string language_name; "),
            ("days = { one = \"{n} day\", other = \"{n} days\" }", "each of days.one, days.other; write one"),
            ("days.few = {n}", "each of days.one, days.other; write one"),
            ("day.one = {n}", "did you mean 'days.one'?"),
            ("days.other = many", "days.other lacks {n}; put it where"),
            ("days.one = {m}", "days.one has no placeholder {m}; it has {n}"),
            ("welcome = {time}", "welcome has no placeholder {time}; it has none"),
            ("welcome = { x", "welcome has no placeholder { x}; it has none"),
            ("help_say = {site}", "help_say lacks {device}; put it"),
            ("help_say = {site} {device} {x}", "no placeholder {x}; it has {site}, {device}"),
            ("time_left = {{time}}", "no placeholder {}; it has {time}"),
            ("welcome =", "welcome has no text; take the line out; the built-in text is shown"),
            ("welcome = \"\"", "welcome has no text"),
            ("welcome = a\tb", "holds a tab or another"),
            ("welcome = a\rb", "control character"),
            ("welcome = a\u{7f}", "control character"),
            (&long, "is longer than 1000 bytes"),
            ("online = x\nonline = y", "an earlier line has set"),
        ] {
            let (own, wrong) = read(line.as_bytes(), english());
            let [Wrong { what, .. }] = wrong.as_slice() else { panic!("{line}: {wrong:?}") };
            assert!(what.contains(expected), "{line}: {what}");
            assert_eq!(own.len(), usize::from(line.starts_with("online")));
        }
    }

    #[test]
    fn a_file_of_another_kind_is_told_in_few_words() {
        let noise: Vec<u8> = (0..30_000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        let utf16: Vec<u8> = "welcome = x\n".repeat(500).encode_utf16().flat_map(u16::to_le_bytes).collect();
        for file in [noise, utf16, b"a\n".repeat(15_000), b"= = =\n".repeat(900), vec![0; 30_000]] {
            let faults = faults(&file);
            assert!((1..=MOST_TOLD).contains(&faults.len()));
            assert!(faults.iter().all(|(_, what)| what.len() < 200 && !what.contains(char::is_control)));
        }
        assert!(faults(&b"a\n".repeat(30))[19].1.ends_with("; and 10 more lines are wrong"));
    }

    /// Every string of every language, set to what it is.
    #[test]
    fn every_string_can_be_the_operator_s() {
        for language in LANGUAGES {
            let set = |(place, key): (usize, String)| match language.built_in(place) {
                "" => String::new(),
                text => format!("{key} = {text} ж\n"),
            };
            let file: String = language.keys().into_iter().enumerate().map(set).collect();
            let (own, wrong) = read(file.as_bytes(), language);
            assert!(wrong.is_empty() && own.len() > 200, "{}: {wrong:?}", language.tag);
            let t: Strings<'_> = language.with(&own);
            assert!(t.welcome().ends_with('ж') && t.days(3).ends_with('ж') && t.decimal().ends_with('ж'));
        }
    }
}
