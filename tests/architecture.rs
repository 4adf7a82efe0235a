//! Reads the sources and holds what the compiler does not: which room may name which, what a pure room stays free
//! of, and the form of a file. A refusal names the file and the rule. `clippy.toml` and `[lints]` hold the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ADAPTER: &str = "domain wire config expiring ordered backoff clock";

/// Room, and the rooms it may name. A room that is not here may not exist.
const MAY_NAME: &[(&str, &str)] = &[
    ("main", "cli app process telemetry"),
    (
        "app",
        "cli config domain captive wire expiring ordered backoff clock nft neigh presence uplink store portal dns sync backup control process telemetry",
    ),
    ("cli", "domain wire config clock control process telemetry"),
    ("config", "domain ordered"),
    // Pure: values in, values out.
    ("domain", "expiring ordered backoff"),
    ("captive", "domain config"),
    ("wire", "domain ordered"),
    ("ordered", ""),
    // These two count in the domain's time.
    ("expiring", "domain ordered"),
    ("backoff", "domain"),
    // Adapters: each owns one outside thing and knows no other adapter.
    ("clock", "domain"),
    // The socket that three adapters share.
    ("netlink", "wire"),
    ("nft", "domain wire config expiring ordered backoff clock netlink"),
    ("neigh", "domain wire config expiring ordered backoff clock netlink"),
    ("presence", ADAPTER),
    ("uplink", "domain wire config expiring ordered backoff clock netlink"),
    ("store", ADAPTER),
    ("portal", "domain wire config expiring ordered backoff clock captive"),
    ("dns", ADAPTER),
    ("sync", ADAPTER),
    ("backup", ADAPTER),
    ("control", ADAPTER),
    ("process", ""),
    ("telemetry", "clock domain"),
];

const PURE: &[&str] = &["domain", "captive", "wire", "expiring", "ordered", "backoff"];

/// Words that would bring the outside into a pure room.
const IMPURE: &str = "tokio fs OpenOptions TcpStream TcpListener UdpSocket UnixStream UnixListener UnixDatagram \
    Instant SystemTime Command SystemRandom getrandom";

/// The files that hold `unsafe`: those that expect the lint `unsafe_code`, which is denied everywhere.
const UNSAFE: &[&str] = &["src/clock.rs", "src/control/groups.rs", "src/process/seal.rs"];

const LONGEST_FILE: usize = 400;
const LONGEST_HEADER: usize = 12;

#[test]
fn rooms_name_only_the_rooms_they_may() {
    let allowed: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    refuse(sources().flat_map(|file| {
        match allowed.get(file.room.as_str()) {
            _ if file.room == "lib" => Vec::new(), // the map names every room
            None => vec![format!("{}: room `{}` is not in the table", file.path, file.room)],
            Some(may) => (file.named_rooms().into_iter())
                .filter(|named| *named != file.room && !has(may, named))
                .map(|named| format!("{}: `{}` may not name `{named}`", file.path, file.room))
                .collect(),
        }
    }));
}

#[test]
fn pure_rooms_stay_pure() {
    refuse(sources().filter(|file| PURE.contains(&file.room.as_str())).flat_map(|file| {
        (file.words().filter(|word| has(IMPURE, word)))
            .map(|word| format!("{}: `{word}` in a pure room", file.path))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn files_have_the_form_of_files() {
    refuse(sources().flat_map(|file| {
        let header = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        let lines = file.code.lines().filter(|line| !line.trim().is_empty()).count();
        let mut wrong = Vec::new();
        if header == 0 || (header > LONGEST_HEADER && file.room != "lib") {
            wrong.push(format!("a header of {header} lines, not 1 to {LONGEST_HEADER}"));
        }
        if lines > LONGEST_FILE {
            wrong.push(format!("{lines} lines of code, more than {LONGEST_FILE}"));
        }
        if file.words().any(|word| word == "unsafe_code") && !UNSAFE.contains(&file.path.as_str()) {
            wrong.push("`unsafe` outside the files that may hold it".into());
        }
        wrong.into_iter().map(move |what| format!("{}: {what}", file.path))
    }));
}

/// Who reads a line of the log finds it in the README, and what to do; nothing there has gone from the program.
#[test]
fn what_an_operator_reads_in_the_log_stands_in_the_readme() {
    let mut said = BTreeSet::new();
    refuse(sources().flat_map(|file| {
        let events = file.events();
        said.extend(events.iter().filter_map(|(level, name)| Some((level.clone(), name.clone()?))));
        let nameless = events.iter().filter(|(_, name)| name.is_none());
        nameless.map(|(level, _)| format!("{}: {level}! without a name", file.path)).collect::<Vec<_>>()
    }));
    let readme = read(Path::new("README.md"));
    let rows = readme.lines().filter_map(|line| {
        let [name, level, what, to_do] =
            line.strip_prefix("| `")?.split(" | ").collect::<Vec<_>>().try_into().ok()?;
        let is_level = ["error", "warning", "info"].contains(&level);
        let full = what.len() > 5 && to_do.len() > 5;
        is_level.then(|| (level.to_owned(), name.trim_end_matches('`').to_owned(), full))
    });
    let rows: Vec<_> = rows.collect();
    let listed: BTreeSet<_> = rows.iter().map(|(level, name, _)| (level.clone(), name.clone())).collect();
    refuse(rows.iter().filter(|row| !row.2).map(|row| format!("README.md: {}: a column is empty", row.1)));
    refuse(
        said.difference(&listed).map(|(level, name)| format!("README.md has no row for `{name}` ({level})")),
    );
    refuse(
        listed.difference(&said).map(|(level, name)| format!("README.md: nothing says `{name}` ({level})")),
    );
    assert!(said.len() > 50, "the reader has lost its eyes: {said:?}");
}

#[test]
fn no_test_is_switched_off() {
    let switched_off = concat!("#[", "ignore");
    refuse(
        (rust_files("src").into_iter().chain(rust_files("tests")))
            .filter(|path| read(path).contains(switched_off))
            .map(|path| format!("{}: {switched_off}]", path.display())),
    );
}

/// The reader has to see what it is there to refuse, or the tests above hold nothing.
#[test]
fn the_reader_finds_paths_in_every_form() {
    let file = Source::new(
        "src/nft/set.rs".into(),
        concat!(
            "use crate::{domain::Mac, store::{Store, Report}};\nuse super::super::portal::Page;\n",
            "// crate::sync\nfn f() -> crate::clock::Clock { super::install() }\n",
            "#[cfg(test)]\nmod tests { use crate::dns::Name; }\n",
        ),
    );
    assert_eq!(file.room, "nft");
    assert_eq!(file.named_rooms(), ["clock", "domain", "portal", "store"].map(String::from).into());
}

/// One file of `src/`, as far as it runs in the product: `code` has no comments and no tests.
struct Source {
    path: String,
    room: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: String, text: impl Into<String>) -> Self {
        let text = text.into();
        let room = path.split('/').nth(1).unwrap_or_default().trim_end_matches(".rs").to_owned();
        let code = match text.find("#[cfg(test)]\nmod tests") {
            Some(tests) => &text[..tests],
            None => &text,
        };
        let code = code
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        Self { path, room, text, code }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.code.split(|c: char| !c.is_alphanumeric() && c != '_')
    }

    /// What it logs at INFO and above: the level, and the name if it has one.
    fn events(&self) -> Vec<(String, Option<String>)> {
        let levels = [("error!", "error"), ("warn!", "warning"), ("info!", "info")];
        let said = |part: &str| {
            let level = levels.iter().find(|(word, _)| part.starts_with(word))?.1.to_owned();
            let name = part.split_once("event = \"").and_then(|(_, rest)| rest.split('"').next());
            Some((level, name.map(str::to_owned)))
        };
        self.code.split("tracing::").skip(1).filter_map(said).collect()
    }

    /// Every `x` of `crate::x`, `lango::x`, `crate::{x, ..}` and of a `super::x` that climbs to the top.
    fn named_rooms(&self) -> BTreeSet<String> {
        let depth = self.path.split('/').count() - if self.path.ends_with("/mod.rs") { 2 } else { 1 };
        let top = "super::".repeat(depth);
        (["crate::", "lango::", &top].iter())
            .flat_map(|start| self.code.match_indices(*start).map(|(at, _)| &self.code[at + start.len()..]))
            .flat_map(first_names)
            .filter(|name| MAY_NAME.iter().any(|(room, _)| room == name))
            .collect()
    }
}

/// The first name of each path at the start of `text`: one, or those of a group in braces.
fn first_names(text: &str) -> Vec<String> {
    let name = |path: &str| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let mut depth = 0;
    let mut names = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            c if depth == 0 => names.last_mut().expect("starts with one").push(c),
            _ => {}
        }
    }
    names.iter().map(|path| name(path)).collect()
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

fn sources() -> impl Iterator<Item = Source> {
    rust_files("src")
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| Source::new(path.display().to_string(), read(&path)))
}

fn rust_files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files.extend(rust_files(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a readable file")
}

#[track_caller]
fn refuse(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
