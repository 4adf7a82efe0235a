//! What is said about a configuration: errors, notices, and why a file could not be read at all.
//!
//! Owns: the form `file:line: option: what is wrong`, and the collector that gathers every finding of a file.
//! Never: shows a value of the file unescaped.
//! Neighbours: every other file of this room reports here.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// One thing said about one place of the file, displayed as `file:line: option: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// The option; or the section or keyword where no option is meant. Escaped.
    pub option: String,
    /// What is wrong and what to do about it. Escaped.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.option, self.what)
    }
}

/// Something that must be mended before the configuration can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Finding);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// Something that is right but has, in this version or elsewhere, not the effect one may expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub Finding);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a file gave no configuration.
#[derive(Debug)]
pub enum LoadError {
    Unreadable { path: PathBuf, error: io::Error },
    TooLarge { path: PathBuf, limit: u64 },
    NotUtf8 { path: PathBuf, line: u32 },
    Wrong(Vec<ConfigError>),
}

impl fmt::Display for LoadError {
    /// One line an error, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                let path = path.display();
                write!(f, "{path}: cannot be read: {error}; name another file with --config PATH")
            }
            Self::TooLarge { path, limit } => {
                let path = path.display();
                write!(f, "{path}: larger than {limit} bytes, so hardly a configuration of Lango")
            }
            Self::NotUtf8 { path, line } => {
                let path = path.display();
                write!(f, "{path}:{line}: the text is not UTF-8; save the file in that encoding")
            }
            Self::Wrong(errors) => errors.iter().enumerate().try_for_each(|(index, error)| {
                let gap = if index == 0 { "" } else { "\n" };
                write!(f, "{gap}{error}")
            }),
        }
    }
}

impl std::error::Error for LoadError {}

/// So many errors of a file are kept: a file that is no configuration at all must not fill the memory.
const MOST_ERRORS: usize = 500;

/// Gathers what is found in one file.
pub(super) struct Findings {
    file: String,
    errors: Vec<ConfigError>,
    /// Errors beyond those kept.
    further: usize,
    notices: Vec<Notice>,
}

impl Findings {
    pub(super) fn of(file: &str) -> Self {
        Self { file: file.to_owned(), errors: Vec::new(), further: 0, notices: Vec::new() }
    }

    pub(super) fn error(&mut self, line: u32, option: &str, what: impl Into<String>) {
        if self.errors.len() == MOST_ERRORS {
            self.further += 1;
            return;
        }
        let finding = self.finding(line, option, what.into());
        self.errors.push(ConfigError(finding));
    }

    pub(super) fn notice(&mut self, line: u32, option: &str, what: impl Into<String>) {
        let finding = self.finding(line, option, what.into());
        self.notices.push(Notice(finding));
    }

    /// The notices, or else the errors; each in the order of the file. Of too many errors the last tells how many.
    pub(super) fn verdict(mut self) -> Result<Vec<Notice>, Vec<ConfigError>> {
        self.errors.sort_by_key(|error| error.0.line);
        self.notices.sort_by_key(|notice| notice.0.line);
        if let (1.., Some(last)) = (self.further, self.errors.last()) {
            let what = format!("{} more errors follow; mend these first", self.further);
            self.errors.push(ConfigError(self.finding(last.0.line, "lango", what)));
        }
        if self.errors.is_empty() { Ok(self.notices) } else { Err(self.errors) }
    }

    fn finding(&self, line: u32, option: &str, what: String) -> Finding {
        Finding { file: self.file.clone(), line, option: escaped(option), what }
    }
}

/// A value of the file as it may be shown: in quotes, escaped, cut after 40 characters.
pub(super) fn shown(text: &str) -> String {
    format!("'{}'", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut out = text.chars().take(40).flat_map(char::escape_debug).collect::<String>();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}
