//! Guests with real browsers and real network managers, in the lab's phones: from the probe to the internet.
//!
//! They need root, what the lab needs, and chromium, chromium-driver, firefox-esr, dbus-daemon, axe-core and what
//! `tests/all browser` unpacks of network-manager and connman; it installs them, and a test that cannot run
//! fails. Screenshots of every page that is walked through are left in `target/screens`.

#![expect(clippy::disallowed_methods, reason = "tests start programs and measure time")]
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod attacks;
mod chromium;
mod firefox;
mod gallery;
#[expect(dead_code, unused_imports, reason = "shared with the lab")]
#[path = "../lab/harness/mod.rs"]
mod harness;
mod join;
mod luci;
mod managers;
mod payments;
mod refresh;
mod review;
mod theme;
mod trial;
mod walks;

use std::path::{Path, PathBuf};

use harness::Settings;

/// What the site of these tests is.
fn settings() -> Settings {
    Settings::default()
        .main("title", "Kariakoo Wi-Fi")
        .main("support_phone", "+255700000000")
        .main("whatsapp", "255700000000")
        .main("controller", "Kariakoo Wi-Fi Ltd, info@example.net")
        .plan("hour", &[("title", "Saa 1"), ("metered", "1h"), ("price", "500"), ("currency", "TZS")])
        .plan(
            "week",
            &[
                ("title", "Wiki"),
                ("metered", "20h"),
                ("validity", "7d"),
                ("data", "2GB"),
                ("price", "5000"),
                ("currency", "TZS"),
            ],
        )
}

/// The languages of the portal.
fn languages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("portal-html/locales");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut languages: Vec<_> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    languages.sort();
    languages
}

/// A text of the portal, which has no placeholders.
fn text(language: &str, key: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("portal-html/locales/{language}.toml"));
    let texts = std::fs::read_to_string(file).unwrap();
    let line = texts.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
    line.unwrap_or_else(|| panic!("no {key} in {language}")).trim_end_matches('"').to_owned()
}

/// Where `tests/setup` keeps what it has fetched; `LANGO_FETCHED` names another place.
fn fetched() -> PathBuf {
    let named = std::env::var_os("LANGO_FETCHED").map(PathBuf::from);
    let cache = || std::env::var_os("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("lango"));
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/lango"));
    named.or_else(cache).or_else(home).unwrap()
}
