//! One section being read: takes options out of it by name, parsed, or their defaults.
//!
//! Owns: what holds for every option: it exists, is said once, holds no control character, has a default.
//! Never: knows what a particular option means.
//! Neighbours: `spec.rs` says which options there are; `gateway.rs` and `sections.rs` ask for them.

use super::error::{Findings, shown};
use super::spec::{self, OptionSpec, SectionSpec};
use super::uci::{self, RawOption, RawSection, RawValue};

/// So many values a list may have: more would not fit the kernel's sets, and are hardly meant.
const MOST_VALUES: usize = 1000;

/// A value, or what is wrong with the text.
pub(super) type Value<T> = Result<T, String>;

/// Reads one section; what is wrong goes to the findings, and a default stands in.
pub(super) struct Section<'a> {
    raw: &'a RawSection,
    spec: &'static SectionSpec,
    findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    /// Begins to read `raw`: reports the options that do not exist, or are lists and should not be.
    pub(super) fn begin(raw: &'a RawSection, spec: &'static SectionSpec, findings: &'a mut Findings) -> Self {
        for (name, option) in &raw.options {
            match spec.option(name) {
                None => findings.error(option.line, name, unknown_option(name, spec)),
                Some(known) if option.list && !known.many => {
                    findings.error(option.line, name, format!("takes one value; write option {name} '…'"));
                }
                Some(_) => {}
            }
        }
        Self { raw, spec, findings }
    }

    /// The value of an option that has a default.
    pub(super) fn value<T: PartialEq>(&mut self, name: &str, parse: impl Fn(&str) -> Value<T>) -> T {
        let default = parse(self.option(name).default).expect("the defaults of the table are right");
        self.set_value(name, &parse).unwrap_or(default)
    }

    /// The value of an option that may be unset.
    pub(super) fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Value<T>) -> Option<T> {
        self.set_value(name, &parse)
    }

    /// The values of an option that may be given more than once, each with its line; without a line: defaults.
    pub(super) fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Value<T>) -> Vec<(Option<u32>, T)> {
        if !self.is_set(name) {
            let defaults = self.option(name).default.split_ascii_whitespace();
            let parse = |text| parse(text).expect("the defaults of the table are right");
            return defaults.map(|text| (None, parse(text))).collect();
        }
        let raw = self.raw;
        let values = raw.options.get(name).map_or([].as_slice(), |option| &option.values);
        if let Some(beyond) = values.get(MOST_VALUES) {
            self.findings.error(
                beyond.line,
                name,
                format!("has more than {MOST_VALUES} values; take some out"),
            );
        }
        let values = values.iter().take(MOST_VALUES);
        values.filter_map(|raw| Some((Some(raw.line), self.parsed(name, raw, &parse)?))).collect()
    }

    /// Whether the file says anything about the option, right or wrong.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.raw.options.get(name).is_some_and(|option| !option.values.is_empty())
    }

    /// Reports `what` at the option; at the section if the file does not name the option.
    pub(super) fn wrong(&mut self, name: &str, what: impl Into<String>) {
        let line = self.raw.options.get(name).map_or(self.raw.line, |option| option.line);
        self.findings.error(line, name, what);
    }

    /// Reports `what` at one value of a list.
    pub(super) fn wrong_at(&mut self, line: Option<u32>, name: &str, what: impl Into<String>) {
        self.findings.error(line.unwrap_or(self.raw.line), name, what);
    }

    fn option(&self, name: &str) -> &'static OptionSpec {
        self.spec.option(name).expect("every option asked for is in the table")
    }

    /// What the file says of an option that takes one value.
    fn set_value<T>(&mut self, name: &str, parse: &impl Fn(&str) -> Value<T>) -> Option<T> {
        let raw = self.raw;
        let option: &RawOption = raw.options.get(name).filter(|option| !option.list)?;
        self.parsed(name, option.values.last()?, parse)
    }

    fn parsed<T>(&mut self, name: &str, raw: &RawValue, parse: &impl Fn(&str) -> Value<T>) -> Option<T> {
        let value = if raw.text.chars().any(char::is_control) {
            Err(format!("{} holds a line break or another control character; leave it out", shown(&raw.text)))
        } else {
            parse(&raw.text)
        };
        value.map_err(|what| self.findings.error(raw.line, name, what)).ok()
    }
}

fn unknown_option(name: &str, spec: &SectionSpec) -> String {
    let kind = spec.kind;
    let hint = spec::nearest(name, spec.options.iter().map(|option| option.name))
        .map_or("take it out, or see the list of options".to_owned(), uci::did_you_mean);
    format!("section {kind} has no such option; {hint}")
}
