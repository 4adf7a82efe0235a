//! A folder of an operator: what of it reaches the pages, and what is left out and why.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::captive::Strings;
use crate::portal::dress::Dress;
use crate::portal::tests::config;

/// What is written to the folder, read.
fn read(files: &[(&str, &[u8])]) -> (Theme, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    of(folder.path())
}

/// The theme in `folder`, and the notices without the folder's name.
fn of(folder: &Path) -> (Theme, Vec<String>) {
    let (theme, notices) = Theme::read(&Gateway { portal_dir: Some(folder.into()), ..config(1).gateway });
    let folder = folder.display().to_string();
    (theme, notices.iter().map(|notice| notice.to_string().replace(&folder, "")).collect())
}

/// Bytes that reach every English page.
fn weight(theme: &Theme) -> usize {
    theme.style.len() + theme.weight(Language::of("en").unwrap())
}

/// What is on the pages in the language `tag`.
fn strings<'a>(theme: &'a Theme, tag: &str) -> Strings<'a> {
    Language::of(tag).unwrap().with(theme.own(tag))
}

#[test]
fn what_is_right_is_taken_as_it_is() {
    let (theme, notices) = read(&[
        ("style.css", b"\xef\xbb\xbf.hero{color:red}\r\nb{background:url( \"data:image/png;base64,AA\")}"),
        ("logo.png", b"\x89PNG\r\n\x1a\nrest"),
        ("header.html", b"<p>Karibu</p>\r\n"),
        ("footer.html", "<small>Asante ж</small>".as_bytes()),
        ("terms.sw.html", b"<p>Masharti</p>"),
        ("privacy.en.html", b"<p>We keep little</p>"),
        ("strings.sw.txt", b"# Yetu\r\nwelcome = Karibu kwetu\r\n"),
        (".hidden", b"\0"),
    ]);
    assert_eq!(notices, [""; 0]);
    assert_eq!(theme.style, ".hero{color:red}\nb{background:url( \"data:image/png;base64,AA\")}");
    assert_eq!(theme.logo, "<img height=\"28\" alt=\"\" src=\"data:image/png;base64,iVBORw0KGgpyZXN0\">");
    assert_eq!([theme.header.as_str(), &theme.footer], ["<p>Karibu</p>\n", "<small>Asante ж</small>"]);
    assert_eq!([theme.terms("sw"), theme.terms("en")], [Some("<p>Masharti</p>"), None]);
    assert_eq!([theme.privacy("sw"), theme.privacy("en")], [None, Some("<p>We keep little</p>")]);
    assert_eq!(["sw", "en"].map(|tag| strings(&theme, tag).welcome()), ["Karibu kwetu", "Get online"]);
}

#[test]
fn of_words_only_the_lines_that_are_wrong_are_left_out() {
    let (theme, mut notices) = read(&[
        ("strings.en.txt", b"welcom = Hello\nonline = Enjoy\n\nhelp_say = Call us\nterms = \xff\n"),
        ("strings.fr.txt", &[b'\n'; LARGEST_WORDS + 1]),
        ("strings.xx.txt", b""),
    ]);
    notices.sort();
    for (notice, expected) in notices.iter().zip([
        "/strings.en.txt:1: portal_dir: there is no string welcom; did you mean 'welcome'?",
        "/strings.en.txt:4: portal_dir: help_say lacks {site}; put it",
        "/strings.en.txt:5: portal_dir: is not UTF-8",
        "/strings.fr.txt:1: portal_dir: is larger than 32768",
        "/strings.xx.txt:1: portal_dir: is no part",
    ]) {
        assert!(notice.starts_with(expected), "{notice}");
    }
    assert_eq!(notices.len(), 5);
    let t = strings(&theme, "en");
    assert_eq!([t.welcome(), t.online(), t.terms()], ["Get online", "Enjoy", "Terms"]);
    assert_eq!(t.help_say("a", "b"), "If asked: this is b, and your device is a.");
}

#[test]
fn what_is_wrong_is_left_out_alone_and_told_with_its_line() {
    for (name, bytes, expected) in [
        ("style.css", &b"a{}\nb{background:url(https://example.net/a.png)}"[..], ":2: portal_dir: url() has"),
        ("style.css", b"a{}\n\n@IMPORT 'a.css'", ":3: portal_dir: @import has"),
        ("style.css", b"a{}</style><script>", ":1: portal_dir: a style may not"),
        ("style.css", b"a{}\0", ":1: portal_dir: holds a zero"),
        ("style.css", &[b' '; LARGEST_STYLE + 1], ":1: portal_dir: is larger than 16384"),
        ("header.html", b"<b>\n<script>", ":2: portal_dir: <script> may not"),
        ("header.html", b"\xff", ":1: portal_dir: is not UTF-8"),
        ("footer.html", &[b' '; LARGEST_FRAME + 1], ":1: portal_dir: is larger than 2048"),
        ("terms.en.html", b"<div>", ":1: portal_dir: <div> is not closed"),
        ("terms.xx.html", b"", ":1: portal_dir: is no part"),
        ("logo.svg", b"<html>", ":1: portal_dir: is no picture"),
        ("logo.png", b"GIF89a", ":1: portal_dir: is no picture"),
        ("logo.svg", &[b' '; LARGEST_LOGO + 1], ":1: portal_dir: is larger than 4096"),
    ] {
        let (theme, notices) = read(&[(name, bytes), ("privacy.en.html", b"<p>kept</p>")]);
        let [notice] = notices.as_slice() else { panic!("{name}: {notices:?}") };
        assert!(notice.starts_with(&format!("/{name}{expected}")), "{notice}");
        assert_eq!((weight(&theme), theme.terms("en")), (0, None), "{name}");
        assert_eq!(theme.privacy("en"), Some("<p>kept</p>"));
    }
}

#[test]
fn nothing_outside_the_folder_is_read_and_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, folder.path().join("header.html")).unwrap();
    fs::create_dir(folder.path().join("footer.html")).unwrap();
    nix::unistd::mkfifo(&folder.path().join("style.css"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let (theme, mut notices) = of(folder.path());
    notices.sort();
    assert_eq!(weight(&theme), 0);
    assert_eq!(
        notices,
        [
            "/footer.html:1: portal_dir: cannot be read: it is no file",
            "/header.html:1: portal_dir: is a link, and only files of the folder itself are read",
            "/style.css:1: portal_dir: cannot be read: it is no file",
        ]
    );
    let (theme, notices) = of(&folder.path().join("gone"));
    assert_eq!(weight(&theme), 0);
    assert!(notices[0].starts_with("/:1: portal_dir: cannot be read: No such file"), "{notices:?}");
}

#[test]
fn the_example_is_without_a_fault() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("portal-html/example");
    let (theme, notices) = of(&example);
    assert_eq!(notices, [""; 0]);
    assert!(theme.style.contains("--fill") && theme.logo.contains("svg+xml"));
    assert!(!theme.header.is_empty() && !theme.footer.is_empty() && theme.terms("en").is_some());
    // It costs guests no second round trip.
    let mut config = config(1);
    config.gateway.portal_dir = Some(example);
    let weight = Dress::of(&config).weight(Language::of("en").unwrap());
    assert!(weight < 1024, "{weight}");
}
