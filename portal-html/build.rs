//! Turns `portal-html/locales/*.toml` into Rust: one text and the places in it per language, one method per string;
//! and takes out of style and script what only we read.
//!
//! English is the reference. A language that lacks a string, has one too many, or one with other
//! placeholders, fails the build here; a string that nobody uses fails it by `dead_code` in the
//! generated file. Adding a language takes its file, and a row in `PLURAL_RULES` if it has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use toml::{Table, Value};

const DIRECTORY: &str = "portal-html/locales";
const STYLE: &str = "portal-html/style.css";
const SCRIPT: &str = "portal-html/script.js";
const REFERENCE: &str = "en";
/// Two forms, the first for exactly one.
const ONE: (&[&str], &str) = (&["one", "other"], "usize::from(n != 1)");
/// Places that a plural takes in every language.
const FORMS: usize = 6;
/// Language, its plural categories (CLDR, cardinal), and the place of `n`'s category among them.
const PLURAL_RULES: &[(&str, &[&str], &str)] = &[
    (
        "ar",
        &["zero", "one", "two", "few", "many", "other"],
        "match (n, n % 100) { (0..=2, _) => n as usize, (_, 3..=10) => 3, (_, 11..) => 4, _ => 5 }",
    ),
    ("en", ONE.0, ONE.1),
    // Whole millions are "many": they take a "de" before the noun.
    ("fr", &["one", "many", "other"], "if n < 2 { 0 } else { 2 - usize::from(n.is_multiple_of(1_000_000)) }"),
    // As in Portugal and Mozambique: nought is no singular.
    ("pt", &["one", "many", "other"], "match n { 1 => 0, 1.. if n.is_multiple_of(1_000_000) => 1, _ => 2 }"),
    ("sw", ONE.0, ONE.1),
    ("ur", ONE.0, ONE.1),
];

fn main() -> ExitCode {
    for path in [DIRECTORY, STYLE, SCRIPT, "portal-html/build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), String> {
    let mut files: Vec<_> = fs::read_dir(DIRECTORY)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{DIRECTORY}: {error}"))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let languages = files.iter().map(|path| Language::read(path)).collect::<Result<Vec<_>, _>>()?;
    let reference = languages
        .iter()
        .find(|language| language.tag == REFERENCE)
        .ok_or_else(|| format!("{DIRECTORY}/{REFERENCE}.toml is missing"))?;
    languages.iter().try_for_each(|language| language.agrees_with(reference))?;
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let path = Path::new(&out).join("strings.rs");
    fs::write(&path, source(reference, &languages)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    for (from, tight) in [(STYLE, tight_style as fn(&str) -> String), (SCRIPT, tight_script)] {
        let text = fs::read_to_string(from).map_err(|error| format!("{from}: {error}"))?;
        let to = Path::new(&out).join(Path::new(from).file_name().unwrap_or_default());
        fs::write(&to, tight(&text)).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

/// Without comments, and without blanks around what separates. Ours holds no text with either.
fn tight_style(text: &str) -> String {
    let mut rest = text;
    let mut bare = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        bare.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    bare.lines().map(str::trim).collect::<String>().replace(";}", "}")
}

/// Without comments on lines of their own, and without blanks around signs. Ours ends every statement.
fn tight_script(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let mut tight = lines.collect::<String>();
    for sign in [
        "=", "==", "=>", ">=", "<=", "+", "-", "*", "/", "%", "?", ":", ",", ";", "{", "}", "(", ")", "&&",
        "||",
    ] {
        tight = tight.replace(&format!(" {sign} "), sign);
        tight = tight.replace(&format!(" {sign}"), sign).replace(&format!("{sign} "), sign);
    }
    tight
}

struct Language {
    tag: String,
    /// The language's own name and its direction of writing.
    head: [String; 2],
    /// Key to the forms of its plural, or to the one text.
    strings: BTreeMap<String, Vec<String>>,
    plurals: BTreeSet<String>,
    categories: &'static [&'static str],
    rule: &'static str,
}

impl Language {
    fn read(path: &Path) -> Result<Self, String> {
        let wrong = |what: &str| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| wrong(&error.to_string()))?;
        let tag = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let (_, categories, rule) = PLURAL_RULES
            .iter()
            .find(|(known, ..)| *known == tag)
            .ok_or_else(|| wrong("build.rs has no plural rule of this language"))?;
        let mut head = |key: &str| match table.remove(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(wrong(&format!("{key} is missing"))),
        };
        let head = [head("language_name")?, head("direction")?];
        let (mut strings, mut plurals) = (BTreeMap::new(), BTreeSet::new());
        for (key, value) in table {
            let forms = match value {
                Value::String(text) => vec![text],
                Value::Table(forms) => {
                    plurals.insert(key.clone());
                    plural_forms(&forms, categories).map_err(|error| wrong(&format!("{key}: {error}")))?
                }
                Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_) => return Err(wrong(&format!("{key} is no text"))),
            };
            strings.insert(key, forms);
        }
        Ok(Self { tag, head, strings, plurals, categories, rule })
    }

    fn agrees_with(&self, reference: &Self) -> Result<(), String> {
        let wrong = |key: &str, what: &str| Err(format!("{DIRECTORY}/{}.toml: {key}: {what}", self.tag));
        for (key, forms) in &reference.strings {
            let Some(own) = self.strings.get(key) else { return wrong(key, "this string is missing") };
            if self.plurals.contains(key) != reference.plurals.contains(key) {
                return wrong(key, "a plural in one language is a plural in all");
            }
            let expected = placeholders(forms);
            // "One minute", "two minutes" may do without the figure; the form of all other numbers may not.
            let complete = own.last().is_some_and(|last| placeholders([last]) == expected);
            if !complete || own.iter().any(|form| !placeholders([form]).is_subset(&expected)) {
                return wrong(key, &format!("its placeholders differ from English: {expected:?}"));
            }
        }
        match self.strings.keys().find(|key| !reference.strings.contains_key(*key)) {
            Some(key) => wrong(key, "English has no such string"),
            None => Ok(()),
        }
    }

    /// All strings as one text, and where each begins; the end of the last is behind. One text takes far less room
    /// in the program than a table of texts, each with its address and length.
    fn laid_out(&self) -> Result<(String, Vec<u16>), String> {
        let (mut text, mut starts) = (String::new(), vec![0]);
        for (key, forms) in &self.strings {
            let places = if self.plurals.contains(key) { FORMS } else { 1 };
            for place in 0..places {
                text.push_str(forms.get(place).map_or("", String::as_str));
                let end = u16::try_from(text.len());
                starts.push(end.map_err(|_| format!("{DIRECTORY}/{}.toml is too long", self.tag))?);
            }
        }
        Ok((text, starts))
    }
}

fn plural_forms(forms: &Table, categories: &[&str]) -> Result<Vec<String>, String> {
    if let Some(extra) = forms.keys().find(|key| !categories.contains(&key.as_str())) {
        return Err(format!("the language has no plural category {extra:?}"));
    }
    let form = |category: &&str| {
        let text = forms.get(*category).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("plural category {category:?} is missing"))
    };
    categories.iter().map(form).collect()
}

/// The names in braces.
fn placeholders<'a>(forms: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
    let inside = |form: &'a String| form.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    forms.into_iter().flat_map(inside).collect()
}

fn source(reference: &Language, languages: &[Language]) -> Result<String, String> {
    let (mut keys, mut methods, mut tables) = (String::new(), String::new(), String::new());
    let mut place = 0;
    for (key, forms) in &reference.strings {
        let plural = reference.plurals.contains(key);
        let _ = writeln!(keys, "{key}{}", if plural { "." } else { "" });
        methods.push_str(&method(key, plural, place, &placeholders(forms)));
        place += if plural { FORMS } else { 1 };
    }
    for language in languages {
        let (tag, [name, direction], rule) = (&language.tag, &language.head, language.rule);
        let (text, starts) = language.laid_out()?;
        let _ = writeln!(
            tables,
            "    Language {{\n        tag: {tag:?},\n        name: {name:?},\n        direction: {direction:?},\n        \
             plural: |n| {rule},\n        forms: &{:?},\n        text: {text:?},\n        starts: &{starts:?},\n    }},",
            language.categories
        );
    }
    Ok(format!(
        "/// The keys in their order, a plural's with a dot at its end.\nconst KEYS: &str = {keys:?};\n\
         /// Places that a plural takes.\nconst FORMS: usize = {FORMS};\n\n\
         #[deny(dead_code)]\nimpl<'a> Strings<'a> {{\n{methods}}}\n\n\
         /// Every language there is, in the order of their tags.\n\
         pub(crate) static LANGUAGES: &[Language] = &[\n{tables}];\n"
    ))
}

fn method(key: &str, plural: bool, place: usize, names: &BTreeSet<&str>) -> String {
    if plural {
        return format!(
            "    pub(crate) fn {key}(self, n: u64) -> String {{\n        \
             self.fill(self.text({place} + (self.language.plural)(n)), &[(\"n\", &n.to_string())])\n    }}\n"
        );
    }
    if names.is_empty() {
        return format!("    pub(crate) fn {key}(self) -> &'a str {{\n        self.text({place})\n    }}\n");
    }
    let (mut parameters, mut pairs) = (String::new(), String::new());
    for name in names {
        let _ = write!(parameters, ", {name}: &str");
        let _ = write!(pairs, "(\"{name}\", {name}), ");
    }
    format!(
        "    pub(crate) fn {key}(self{parameters}) -> String {{\n        \
         self.fill(self.text({place}), &[{pairs}])\n    }}\n"
    )
}
