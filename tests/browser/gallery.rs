//! Every page in every state and language, as the program writes it: nothing for axe-core to find, light and
//! dark, and nothing cut off on the smallest screen.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::chromium::Chromium;
use crate::harness::Lab;
use crate::languages;
use crate::review::Review;

/// The program's own test that writes its pages.
const WRITER: &str = "cargo test --lib every_page_is_there_to_be_looked_at";

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

fn written(file: &Path) -> SystemTime {
    file.metadata().and_then(|file| file.modified()).unwrap()
}

/// The files with the pages of `language`, which are of the program as it is now.
fn pages(language: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/pages").join(language);
    assert!(folder.exists(), "first: {WRITER}");
    let mut pages = below(&folder);
    pages.sort();
    let oldest = pages.iter().map(|page| written(page)).min().unwrap();
    let sources = ["src", "portal-html"].into_iter().flat_map(|folder| below(&root.join(folder)));
    let newer: Vec<_> = sources.filter(|source| written(source) > oldest).collect();
    assert!(newer.is_empty(), "first: {WRITER}; newer than its pages are {newer:?}");
    pages
}

#[test]
fn no_page_of_all_shuts_anybody_out() {
    let lab = Lab::new(1);
    let window = Chromium::on(&lab, &lab.phones[0]);
    let mut review = Review::new();
    window.go("about:blank");
    for language in languages() {
        for page in pages(&language) {
            let name = page.file_stem().unwrap().to_str().unwrap();
            review.examine(&window, &language, name, &fs::read_to_string(&page).unwrap());
        }
    }
    review.close();
}
