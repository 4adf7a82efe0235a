//! A hotspot in the operator's own clothes, as a guest sees it: the example that the README sends operators to.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::chromium::{Chromium, SOON};
use crate::harness::{Daemon, Lab, wait_until};
use crate::review::Review;
use crate::walks::page;
use crate::{settings, text};

/// One with terms and words of its own in the example, one with words, and one that has neither and runs from right
/// to left.
const LANGUAGES: [&str; 3] = ["en", "sw", "ar"];

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("portal-html/example")
}

/// The first text between tags of a file of the example.
fn first_text(file: &str) -> String {
    let html = fs::read_to_string(example().join(file)).unwrap();
    let mut texts = html.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text.trim());
    texts.find(|text| !text.is_empty()).unwrap().to_owned()
}

/// What the example says in place of the heading of the start page; the built-in text where it has none.
fn heading(language: &str) -> String {
    let words = fs::read_to_string(example().join(format!("strings.{language}.txt"))).unwrap_or_default();
    let own = words.lines().find_map(|line| line.strip_prefix("welcome = "));
    own.map_or_else(|| text(language, "welcome"), str::to_owned)
}

/// In what the band on top and the button are painted.
fn colours(window: &Chromium<'_>) -> Value {
    window.run(
        "return ['header', 'form button:not([type=button])'].map(
             one => getComputedStyle(document.querySelector(one)).backgroundColor)",
    )
}

#[test]
fn a_hotspot_in_its_own_clothes_is_seen_so_and_shuts_nobody_out() {
    let lab = Lab::new(1);
    let folder = lab.folder().join("portal");
    fs::create_dir(&folder).unwrap();
    let daemon = Daemon::start(&lab, &settings().main("portal_dir", folder.to_str().unwrap()));
    let window = Chromium::on(&lab, &lab.phones[0]);
    window.go(&page("/", "en"));
    let (built_in, says) = (colours(&window), window.says());
    let [header, footer, terms] = ["header.html", "footer.html", "terms.en.html"].map(first_text);
    assert!([&header, &footer].iter().all(|part| !says.contains(*part)), "{says}");

    for file in fs::read_dir(example()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    daemon.signal(Signal::SIGHUP);
    wait_until("the operator's clothes", SOON, || {
        window.go(&page("/", "en"));
        window.says().contains(&header)
    });
    assert_ne!(heading("en"), text("en", "welcome"));
    let mut review = Review::new();
    for language in LANGUAGES {
        for (path, name) in
            [("/", "theme-welcome"), ("/status", "theme-not-online"), ("/terms", "theme-terms")]
        {
            window.go(&page(path, language));
            let says = window.says();
            assert!(says.contains(&header) && says.contains(&footer), "{path} in {language}: {says}");
            assert_eq!(says.contains(&terms), path == "/terms" && language == "en", "{path} in {language}");
            let logo = window.run(
                "const logo = document.querySelector('header img');
                 return logo && logo.complete && logo.naturalWidth > 0 && logo.getBoundingClientRect().width >= 20",
            );
            assert_eq!(logo, true, "the logo on {path} in {language}");
            if path == "/" {
                assert!(says.contains(&heading(language)), "{language}: {says}");
                let worn = colours(&window);
                assert!(worn[0] != built_in[0] && worn[1] != built_in[1], "{worn}, {built_in}");
            }
            review.look(&window, language, name);
        }
    }
    review.close();
}
