//! The grammar of UCI: text in, sections with their options out, each with the line it stands in.
//!
//! Owns: words and quotes, `package`, `config`, `option`, `list`, merging of sections and options as libuci does it.
//! Never: knows an option or a section by name.
//! Differences from libuci, all towards safety. An error is: a word too many, not dropped; a `#` glued to a bare
//! word, not a silent cut; an option without a value, not an unset one; one name for two types of section; a quote
//! that does not end on its line, not a text that swallows the next ones.

use std::iter::Peekable;
use std::str::Chars;

use super::error::{Findings, shown};
use super::spec;
use crate::ordered::OrdMap;

/// One `config` and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawSection {
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) line: u32,
    pub(super) options: OrdMap<String, RawOption>,
}

/// What `option` or `list` lines said under one name; nothing in it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawOption {
    pub(super) line: u32,
    /// Said with `list`.
    pub(super) list: bool,
    pub(super) values: Vec<RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawValue {
    pub(super) line: u32,
    pub(super) text: String,
}

/// The sections of a file.
pub(super) struct Raw {
    pub(super) sections: Vec<RawSection>,
    /// Whether every statement was understood: if not, something missing is no finding of its own.
    pub(super) whole: bool,
}

/// Reads `text`; what is wrong goes to `findings`, and reading goes on behind it.
pub(super) fn read(text: &str, findings: &mut Findings) -> Raw {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut builder = Builder::default();
    loop {
        match lexer.statement() {
            Ok(Some(statement)) => {
                if let Err(fault) = builder.take(&statement) {
                    findings.error(statement.line, &fault.subject, fault.what);
                    builder.broken = true;
                }
            }
            Ok(None) => return Raw { sections: builder.sections, whole: !builder.broken },
            Err(Stop { fault, line, begins_section }) => {
                findings.error(line, &fault.subject, fault.what);
                builder.broken = true;
                if begins_section {
                    builder.current = Current::Lost;
                }
            }
        }
    }
}

/// One command: words up to the end of the line or a `;`.
struct Statement {
    words: Vec<String>,
    line: u32,
}

struct Fault {
    subject: String,
    what: String,
}

impl Fault {
    fn new(subject: &str, what: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), what: what.into() }
    }
}

struct Stop {
    fault: Fault,
    line: u32,
    begins_section: bool,
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: u32,
}

/// Why a word could not be read.
enum WordFault {
    Unterminated { quote: char },
    GluedComment,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next == Some('\n') {
            self.line = self.line.saturating_add(1);
        }
        next
    }

    /// The next statement that has a word; `None` at the end of the text.
    fn statement(&mut self) -> Result<Option<Statement>, Stop> {
        let mut words = Vec::new();
        let mut line = self.line;
        loop {
            self.skip_blanks();
            match self.rest.peek() {
                None if words.is_empty() => return Ok(None),
                None => return Ok(Some(Statement { words, line })),
                Some('\n' | ';') => {
                    self.next();
                    if !words.is_empty() {
                        return Ok(Some(Statement { words, line }));
                    }
                }
                Some(_) => {
                    if words.is_empty() {
                        line = self.line;
                    }
                    let word = self.word().map_err(|fault| self.stop(fault, &words, line))?;
                    words.push(word);
                }
            }
        }
    }

    /// Up to the next word or end of statement: blanks, a comment, a backslash before a line break.
    fn skip_blanks(&mut self) {
        while let Some(&next) = self.rest.peek() {
            match next {
                '\n' => return,
                '#' => self.skip_line(),
                '\\' => {
                    let mut ahead = self.rest.clone();
                    ahead.next();
                    ahead.next_if_eq(&'\r');
                    if ahead.peek() != Some(&'\n') {
                        return;
                    }
                    while self.next() != Some('\n') {}
                }
                blank if is_blank(blank) => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        while self.rest.next_if(|next| *next != '\n').is_some() {}
    }

    /// One word, of pieces in quotes and bare ones.
    fn word(&mut self) -> Result<String, WordFault> {
        let mut word = String::new();
        let mut bare = false;
        while let Some(&next) = self.rest.peek() {
            match next {
                '\n' | ';' => break,
                '#' if bare => return Err(WordFault::GluedComment),
                '#' => break,
                '\'' | '"' => self.quoted(next, &mut word)?,
                '\\' => self.escape(&mut word),
                blank if is_blank(blank) => break,
                plain => {
                    self.next();
                    word.push(plain);
                }
            }
            bare = !matches!(next, '\'' | '"');
        }
        Ok(word)
    }

    /// From one `quote` to the next on the same line; none of our options holds a line break.
    fn quoted(&mut self, quote: char, word: &mut String) -> Result<(), WordFault> {
        self.next();
        while let Some(&next) = self.rest.peek() {
            if next == '\n' {
                break;
            }
            if next == '\\' && quote == '"' {
                self.escape(word);
                continue;
            }
            self.next();
            if next == quote {
                return Ok(());
            }
            word.push(next);
        }
        Err(WordFault::Unterminated { quote })
    }

    /// A backslash: before a line break it joins the lines, else the next character stands for itself.
    fn escape(&mut self, word: &mut String) {
        self.next();
        match self.next() {
            Some('\r') if self.rest.peek() == Some(&'\n') => {
                self.next();
            }
            Some('\n') | None => {}
            Some(plain) => word.push(plain),
        }
    }

    /// What to report of a word that could not be read; the rest of its line is left out.
    fn stop(&mut self, fault: WordFault, words: &[String], line: u32) -> Stop {
        let subject = match words {
            [keyword, option, ..] if matches!(keyword.as_str(), "option" | "o" | "list" | "l") => option,
            [keyword, ..] => keyword,
            [] => "syntax",
        };
        let begins_section = matches!(words.first().map(String::as_str), Some("config" | "c"));
        self.skip_line();
        let (line, what) = match fault {
            WordFault::Unterminated { quote } => {
                (self.line, format!("the quote {quote} does not end on this line; close it"))
            }
            WordFault::GluedComment => (
                line,
                "a # right behind a word; put the value in quotes, or a blank before the comment".to_owned(),
            ),
        };
        Stop { fault: Fault::new(subject, what), line, begins_section }
    }
}

/// What `isspace` of C says, but for the line break, which ends a statement.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

const KEYWORDS: [&str; 4] = ["package", "config", "option", "list"];

/// Where the options that follow belong.
#[derive(Default)]
enum Current {
    #[default]
    Nowhere,
    /// A section whose `config` was wrong: its options are not reported as well.
    Lost,
    At(usize),
}

#[derive(Default)]
struct Builder {
    sections: Vec<RawSection>,
    named: OrdMap<String, usize>,
    current: Current,
    broken: bool,
}

impl Builder {
    fn take(&mut self, statement: &Statement) -> Result<(), Fault> {
        let (keyword, rest) = statement.words.split_first().map_or(("", [].as_slice()), |(k, r)| (k, r));
        match keyword {
            "package" | "p" => Self::package(rest),
            "config" | "c" => {
                self.current = Current::Lost;
                self.config(rest, statement.line)
            }
            "option" | "o" => self.option(rest, statement.line),
            "list" | "l" => self.list(rest, statement.line),
            other => Err(self.unknown(other)),
        }
    }

    fn unknown(&mut self, keyword: &str) -> Fault {
        let hint = spec::nearest(keyword, KEYWORDS);
        if hint == Some("config") {
            self.current = Current::Lost;
        }
        let hint = hint.map_or("a line begins with config, option or list".to_owned(), did_you_mean);
        Fault::new("syntax", format!("unknown command {}; {hint}", shown(keyword)))
    }

    fn package(words: &[String]) -> Result<(), Fault> {
        match words {
            [name] if name == "lango" => Ok(()),
            [name] => {
                let what = format!("this is package {}; the file must hold package lango", shown(name));
                Err(Fault::new("package", what))
            }
            [] => Err(Fault::new("package", "the name is missing; write package lango, or nothing")),
            [_, extra, ..] => Err(too_many("package", extra)),
        }
    }

    fn config(&mut self, words: &[String], line: u32) -> Result<(), Fault> {
        let (kind, name) = match words {
            [] => return Err(Fault::new("config", "the type is missing; write for example config gateway")),
            [kind] => (kind, None),
            [kind, name] => (kind, Some(name).filter(|name| !name.is_empty())),
            [_, _, extra, ..] => return Err(too_many("config", extra)),
        };
        let known = name.and_then(|name| self.named.get(name).copied());
        let at = known.unwrap_or(self.sections.len());
        match (self.sections.get(at), name) {
            (Some(section), Some(name)) if section.kind != *kind => {
                let what = format!(
                    "the name {} belongs to the section of type {} in line {}; give this one another",
                    shown(name),
                    shown(&section.kind),
                    section.line
                );
                return Err(Fault::new(kind, what));
            }
            (Some(_), _) => {}
            (None, _) => {
                self.named.extend(name.map(|name| (name.clone(), at)));
                let (kind, name) = (kind.clone(), name.cloned());
                self.sections.push(RawSection { kind, name, line, options: OrdMap::new() });
            }
        }
        self.current = Current::At(at);
        Ok(())
    }

    /// The options of the current section, unless they are lost.
    fn options(&mut self, keyword: &str) -> Result<Option<&mut OrdMap<String, RawOption>>, Fault> {
        match self.current {
            Current::Nowhere => {
                let what = "stands before the first section; write config gateway 'main' above it";
                Err(Fault::new(keyword, what))
            }
            Current::Lost => Ok(None),
            Current::At(index) => Ok(self.sections.get_mut(index).map(|section| &mut section.options)),
        }
    }

    /// `option`: replaces what was said before; empty: takes it back.
    fn option(&mut self, words: &[String], line: u32) -> Result<(), Fault> {
        let (name, value) = name_and_value("option", words)?;
        if let Some(options) = self.options(name)? {
            let values = Vec::from_iter(value.map(|text| RawValue { line, text: text.to_owned() }));
            options.insert(name.to_owned(), RawOption { line, list: false, values });
        }
        Ok(())
    }

    /// `list`: adds to what was said before.
    fn list(&mut self, words: &[String], line: u32) -> Result<(), Fault> {
        let (name, value) = name_and_value("list", words)?;
        if let Some(options) = self.options(name)? {
            let option = options.entry(name.to_owned()).or_insert(RawOption { line, ..RawOption::default() });
            option.list = true;
            option.values.extend(value.map(|text| RawValue { line, text: text.to_owned() }));
        }
        Ok(())
    }
}

fn name_and_value<'a>(keyword: &str, words: &'a [String]) -> Result<(&'a str, Option<&'a str>), Fault> {
    match words {
        [name, ..] if name.is_empty() => Err(Fault::new(keyword, "the name is empty")),
        [] => Err(Fault::new(keyword, format!("the name is missing; write {keyword} NAME 'VALUE'"))),
        [name] => {
            Err(Fault::new(name, "the value is missing; write '' for none, and what begins with # in quotes"))
        }
        [name, value] => Ok((name, Some(value.as_str()).filter(|value| !value.is_empty()))),
        [name, _, extra, ..] => Err(too_many(name, extra)),
    }
}

fn too_many(subject: &str, extra: &str) -> Fault {
    Fault::new(subject, format!("{} is one word too many; put the whole value in quotes", shown(extra)))
}

/// The remedy for a name that is almost right.
pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean '{name}'?")
}
