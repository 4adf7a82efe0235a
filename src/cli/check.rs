//! `lango check`: every error of the configuration, where it stands and what to do about it.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::ask::{fail, printed};
use super::{Failure, Style};
use crate::config::{self, ConfigError, LoadError, Notice, Parsed};
use crate::process::Exit;
use crate::wire::control::Code;

/// Reads the configuration at `path` and prints what is wrong with it, one finding a line. `beyond` looks at the
/// files that it names.
pub fn check(path: &Path, style: Style, beyond: impl Fn(&mut Parsed) -> Vec<ConfigError>) -> Exit {
    let read = config::load(path).and_then(|mut parsed| match beyond(&mut parsed) {
        errors if errors.is_empty() => Ok(parsed),
        errors => Err(LoadError::Wrong(errors)),
    });
    match (read, style) {
        (Ok(parsed), _) => printed(|out| good(path, &parsed.notices, style, out).map(|()| Exit::Done)),
        (Err(error), Style::Json) => {
            fail(&Failure::new(Code::Configuration, error.to_string(), "mend the file"), style)
        }
        (Err(error), Style::Plain | Style::Sheet | Style::Csv) => {
            printed(|out| writeln!(out, "{error}").map(|()| Exit::Configuration))
        }
    }
}

fn good(path: &Path, notices: &[Notice], style: Style, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Good {
        notices: Vec<String>,
    }
    let notices = notices.iter().map(ToString::to_string).collect::<Vec<_>>();
    if style == Style::Json {
        return super::print::json(&Good { notices }, out);
    }
    notices.iter().try_for_each(|notice| writeln!(out, "{notice}"))?;
    writeln!(out, "{}: no errors", path.display())
}
