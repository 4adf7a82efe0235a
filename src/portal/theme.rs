//! The operator's own parts of the pages: the files of the folder `portal_dir`.
//!
//! Owns: which files there may be, their bounds, that no file outside the folder is read, and why a part is left
//! out, so that the built-in one stands in its place. Never: a name that a guest sent; when to read.
//! Neighbours: `markup` judges HTML, `dress` wears the parts, `app` tells the operator what is wrong with them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{markup, wording};
use crate::captive::{LANGUAGES, Language, Own};
use crate::config::{Finding, Gateway, Notice};
use crate::domain::Wall;
use crate::wire::enrolment::base64;

const STYLE: &str = "style.css";
const LOGOS: [(&str, &str); 2] = [("logo.svg", "image/svg+xml"), ("logo.png", "image/png")];
const HEADER: &str = "header.html";
const FOOTER: &str = "footer.html";
/// Bytes of each file, at most. A logo is sent with every page, and a third larger.
const LARGEST_STYLE: usize = 16 * 1024;
const LARGEST_LOGO: usize = 4 * 1024;
const LARGEST_FRAME: usize = 2 * 1024;
const LARGEST_TEXT: usize = 8 * 1024;
/// Room for all strings of a language.
const LARGEST_WORDS: usize = 32 * 1024;
/// Names of the folder that are looked at: it may hold all but the operator's photographs.
const MOST_NAMES: usize = 100;

/// The parts that are there and right. What is not is empty.
#[derive(Default)]
pub(super) struct Theme {
    /// In the place of the built-in one.
    pub(super) style: String,
    /// An element, in the place of the built-in one.
    pub(super) logo: String,
    /// In the band on top, under the title.
    pub(super) header: String,
    /// At the end, before the languages.
    pub(super) footer: String,
    /// By the tag of the language.
    terms: Vec<(&'static str, Text)>,
    privacy: Vec<(&'static str, Text)>,
    /// In the place of the built-in strings.
    words: Vec<(&'static str, Vec<Own>)>,
}

struct Text {
    html: String,
    /// The day its file was changed.
    changed: String,
}

/// Why a part is left out.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: u32,
    pub(super) what: String,
}

/// What is wrong with the files of `portal_dir` as they are now.
pub fn check_theme(gateway: &Gateway) -> Vec<Notice> {
    Theme::read(gateway).1
}

impl Theme {
    /// The parts of `portal_dir`, and what is wrong with the others.
    pub(super) fn read(gateway: &Gateway) -> (Self, Vec<Notice>) {
        let Some(path) = &gateway.portal_dir else { return Default::default() };
        let mut folder = Folder { path, notices: Vec::new() };
        let theme = if folder.lists() { folder.theme() } else { Self::default() };
        (theme, folder.notices)
    }

    /// The operator's terms of use in the language `tag`.
    pub(super) fn terms(&self, tag: &str) -> Option<&str> {
        of_language(&self.terms, tag).map(|text| text.html.as_str())
    }

    /// The day the operator's terms in that language were changed, such as 2026-11-22.
    pub(super) fn terms_changed(&self, tag: &str) -> Option<&str> {
        of_language(&self.terms, tag).map(|text| text.changed.as_str())
    }

    /// What the operator says of privacy in the language `tag`.
    pub(super) fn privacy(&self, tag: &str) -> Option<&str> {
        of_language(&self.privacy, tag).map(|text| text.html.as_str())
    }

    /// The day that text was changed.
    pub(super) fn privacy_changed(&self, tag: &str) -> Option<&str> {
        of_language(&self.privacy, tag).map(|text| text.changed.as_str())
    }

    /// The operator's own strings in the language `tag`.
    pub(super) fn own(&self, tag: &str) -> &[Own] {
        of_language(&self.words, tag).map_or(&[], Vec::as_slice)
    }

    /// Bytes that a page in that language is longer, at most, but for the style.
    pub(super) fn weight(&self, language: &Language) -> usize {
        let parts: usize = [&self.logo, &self.header, &self.footer].map(String::len).iter().sum();
        let longer = |(place, text): &Own| text.len().saturating_sub(language.built_in(*place).len());
        parts + self.own(language.tag).iter().map(longer).sum::<usize>()
    }
}

fn of_language<'a, T>(parts: &'a [(&str, T)], tag: &str) -> Option<&'a T> {
    parts.iter().find(|(own, _)| *own == tag).map(|(_, part)| part)
}

impl Wrong {
    /// In `text`, at a place counted in bytes.
    pub(super) fn at(text: &str, place: usize, what: String) -> Self {
        let breaks = text.bytes().take(place).filter(|byte| *byte == b'\n').count();
        Self { line: u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1), what }
    }

    fn whole(what: impl Into<String>) -> Self {
        Self { line: 1, what: what.into() }
    }
}

/// A folder while it is read.
struct Folder<'a> {
    path: &'a Path,
    notices: Vec<Notice>,
}

impl Folder<'_> {
    /// Whether there is such a folder. Tells of files in it that nothing reads.
    fn lists(&mut self) -> bool {
        let entries = match fs::read_dir(self.path) {
            Ok(entries) => entries,
            Err(error) => {
                self.notice(
                    "",
                    Wrong::whole(format!("cannot be read: {error}; the built-in pages are shown")),
                );
                return false;
            }
        };
        for entry in entries.flatten().take(MOST_NAMES) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && !is_part(&name) {
                let what = "is no part of the pages; there are style.css, logo.svg, logo.png, header.html, \
                    footer.html, terms.LANGUAGE.html, privacy.LANGUAGE.html and strings.LANGUAGE.txt";
                let name = name.escape_debug().to_string();
                self.notice(&name, Wrong::whole(what));
            }
        }
        true
    }

    fn theme(&mut self) -> Theme {
        let logos = LOGOS.map(|(name, kind)| self.logo(name, kind));
        Theme {
            style: self.text(STYLE, LARGEST_STYLE, style).unwrap_or_default(),
            logo: logos.into_iter().flatten().next().unwrap_or_default(),
            header: self.text(HEADER, LARGEST_FRAME, markup::check).unwrap_or_default(),
            footer: self.text(FOOTER, LARGEST_FRAME, markup::check).unwrap_or_default(),
            terms: self.texts("terms"),
            privacy: self.texts("privacy"),
            words: LANGUAGES.iter().filter_map(|language| self.words(language)).collect(),
        }
    }

    fn texts(&mut self, page: &str) -> Vec<(&'static str, Text)> {
        let read = |tag| {
            let name = text_name(page, tag);
            let html = self.text(&name, LARGEST_TEXT, markup::check)?;
            Some((tag, Text { html, changed: day_of(&self.path.join(name)) }))
        };
        LANGUAGES.iter().map(|language| language.tag).filter_map(read).collect()
    }

    /// Line by line: a broken one is left out alone.
    fn words(&mut self, language: &'static Language) -> Option<(&'static str, Vec<Own>)> {
        let name = words_name(language.tag);
        let (own, wrong) = wording::read(&self.bytes(&name, LARGEST_WORDS)?, language);
        wrong.into_iter().for_each(|wrong| self.notice(&name, wrong));
        Some((language.tag, own))
    }

    fn logo(&mut self, name: &str, kind: &str) -> Option<String> {
        let bytes = self.bytes(name, LARGEST_LOGO)?;
        let is_right = match kind {
            "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            _ => std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg")),
        };
        if !is_right {
            self.notice(name, Wrong::whole("is no picture of this kind; the built-in one is shown"));
            return None;
        }
        Some(format!("<img height=\"28\" alt=\"\" src=\"data:{kind};base64,{}\">", base64(&bytes)))
    }

    /// A text with the line ends that browsers make of any: the hash of a style is that of what they see.
    fn text(&mut self, name: &str, limit: usize, check: fn(&str) -> Result<(), Wrong>) -> Option<String> {
        let bytes = self.bytes(name, limit)?;
        let judged = String::from_utf8(bytes)
            .map_err(|_| Wrong::whole("is not UTF-8; save it in that encoding"))
            .map(|text| text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
            .and_then(|text| match text.find('\0') {
                Some(place) => Err(Wrong::at(&text, place, "holds a zero byte".to_owned())),
                None => check(&text).map(|()| text),
            });
        judged.map_err(|wrong| self.notice(name, wrong)).ok()
    }

    /// What the file holds; `None` if there is none, or none that may be read.
    fn bytes(&mut self, name: &str, limit: usize) -> Option<Vec<u8>> {
        let what = match read(&self.path.join(name), limit) {
            Ok(bytes) if bytes.len() <= limit => return Some(bytes),
            Ok(_) => format!("is larger than {limit} bytes"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                "is a link, and only files of the folder itself are read".to_owned()
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        self.notice(name, Wrong::whole(what));
        None
    }

    fn notice(&mut self, name: &str, Wrong { line, what }: Wrong) {
        let file = self.path.join(name).display().to_string();
        self.notices.push(Notice(Finding { file, line, option: "portal_dir".to_owned(), what }));
    }
}

/// One byte more than allowed, at most. Neither follows a link nor waits for a pipe.
fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file: File =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The day on which the file was changed last, such as 2026-11-22.
fn day_of(path: &Path) -> String {
    let changed = fs::symlink_metadata(path).map_or(0, |metadata| metadata.mtime());
    Wall::from_secs(changed).to_string().chars().take("2026-11-22".len()).collect()
}

fn text_name(page: &str, tag: &str) -> String {
    format!("{page}.{tag}.html")
}

fn words_name(tag: &str) -> String {
    format!("strings.{tag}.txt")
}

fn is_part(name: &str) -> bool {
    [STYLE, HEADER, FOOTER].contains(&name)
        || LOGOS.iter().any(|(logo, _)| *logo == name)
        || LANGUAGES.iter().any(|own| {
            [text_name("terms", own.tag), text_name("privacy", own.tag), words_name(own.tag)]
                .iter()
                .any(|own| own == name)
        })
}

/// A style may end neither its element nor load anything.
fn style(text: &str) -> Result<(), Wrong> {
    let small = text.to_ascii_lowercase();
    let wrong = |place, what: &str| Err(Wrong::at(text, place, what.to_owned()));
    for (sign, what) in [
        ("<", "a style may not hold <"),
        ("@import", "@import has no effect, for pages load nothing from elsewhere"),
    ] {
        if let Some(place) = small.find(sign) {
            return wrong(place, what);
        }
    }
    for (place, sign) in small.match_indices("url(") {
        let address = small.get(place + sign.len()..).unwrap_or_default();
        if !address
            .trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''))
            .starts_with("data:")
        {
            return wrong(place, "url() has to begin with data:, for pages load nothing from elsewhere");
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "theme_tests.rs"]
mod tests;
