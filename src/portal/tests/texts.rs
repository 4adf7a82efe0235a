//! Terms and privacy: what they say of the configuration in force, their editions, and that the terms are accepted
//! where the operator wants it.

use std::path::Path;

use super::*;
use crate::domain::TermsVersion;
use crate::portal::dress::Dress;
use crate::portal::texts::Edition;

fn required(config: &mut Config) {
    config.gateway.terms_required = true;
}

fn editions(config: &Config) -> [Edition; 2] {
    let dress = Dress::of(config);
    [dress.terms, dress.privacy]
}

/// A configuration with these files of the operator's.
fn with_files(folder: &Path, files: &[(&str, &str)]) -> Config {
    files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    let mut config = config(2080);
    config.gateway.portal_dir = Some(folder.into());
    config
}

/// The version that the form at `page` would accept.
fn version(page: &Heard) -> TermsVersion {
    let (_, after) = page.body.split_once("name=\"terms\" value=\"").expect("a form that accepts");
    after.get(..8).unwrap().parse().unwrap()
}

#[test]
fn another_text_is_another_version_whatever_its_language_and_nothing_else_is() {
    let usual = config(2080);
    let [terms, privacy] = editions(&usual);
    assert_eq!(editions(&usual), [terms.clone(), privacy.clone()]);
    let mut other = config(2080);
    other.gateway.title = "Another name".into();
    assert_eq!(editions(&other), [terms.clone(), privacy.clone()], "the title is in neither");
    other.retention.sessions = Duration::from_secs(7 * 86_400);
    let [same, longer] = editions(&other);
    assert!(same == terms && longer != privacy, "how long things are kept is");
    other.gateway.controller = "Somebody Ltd".into();
    assert_ne!(editions(&other)[0], terms);
    let folder = tempfile::tempdir().unwrap();
    let [own, same] = editions(&with_files(folder.path(), &[("terms.ur.html", "<p>Own</p>")]));
    assert!(own.version != terms.version && same.version == privacy.version);
}

#[test]
fn an_operator_s_text_is_of_the_day_its_file_was_changed_last() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["en", "sw", "fr", "pt", "ar", "ur"].map(|tag| format!("terms.{tag}.html"));
    let all: Vec<_> = files.iter().map(|name| (name.as_str(), "<p>Own</p>")).collect();
    let config = with_files(folder.path(), &all);
    let changed = |name: &str, day: u64| {
        let at = std::time::UNIX_EPOCH + Duration::from_secs(day * 86_400);
        std::fs::File::open(folder.path().join(name)).unwrap().set_modified(at).unwrap();
    };
    files.iter().for_each(|name| changed(name, 20_000));
    let told = || {
        let dress = Dress::of(&config);
        dress.terms.told(dress.strings(crate::captive::Language::of("en").unwrap()))
    };
    assert!(told().ends_with(" of 2024-10-04"), "{}", told());
    changed("terms.fr.html", 20_001);
    assert!(told().ends_with(" of 2024-10-05"), "the youngest: {}", told());
}

/// Who changes a built-in text changes its date too; the second of the two is then what stands here.
#[test]
fn the_built_in_texts_are_of_the_day_they_say() {
    let [terms, privacy] = editions(&config(2080)).map(|edition| {
        let dress = Dress::of(&config(2080));
        edition.told(dress.strings(crate::captive::Language::of("en").unwrap()))
    });
    assert_eq!(
        [terms.as_str(), &privacy],
        ["Version c67e462c of 2026-11-23", "Version 082d3246 of 2026-11-23"]
    );
}

#[test]
fn both_pages_say_their_version_and_date_in_every_language() {
    lab(|lab| async move {
        for path in ["/terms", "/privacy"] {
            let versions = ["en", "sw", "fr", "pt", "ar", "ur"].map(|tag| format!("{path}?lang={tag}"));
            let mut seen = Vec::new();
            for target in versions {
                let body = lab.get(&target).await.body;
                let (_, small) = body.split_once("<small>").expect("an edition");
                let (edition, _) = small.split_once("</small>").unwrap();
                assert!(edition.contains("2026-11-23"), "{target}: {edition}");
                let word = |c: char| !c.is_ascii_hexdigit();
                let version = edition.split(word).find(|word| word.len() == 8).expect("a version");
                seen.push(version.to_owned());
            }
            seen.dedup();
            assert_eq!(seen.len(), 1, "{path}: one version in all languages: {seen:?}");
        }
    });
}

#[test]
fn where_nobody_has_to_accept_nothing_of_it_is_on_the_page() {
    lab(|lab| async move {
        let page = lab.get("/").await.body;
        assert!(!page.contains("name=\"terms\"") && page.contains("<button>Connect</button>"));
        let token = lab.token(GUEST).await;
        lab.post("/login", &format!("code=1&terms=9f0c51aa&token={token}")).await;
        assert_eq!(lab.until_calls(1).await[0], "login 02:00:00:00:00:02 \"1\" Ask", "and nothing is noted");
    });
}

#[test]
fn where_it_is_required_only_who_accepts_the_terms_as_they_are_is_let_in() {
    with("127.0.0.1:0", required, |lab| async move {
        let page = lab.get("/").await;
        let now = version(&page);
        assert!(page.body.contains("<button>Accept and connect</button>"), "{}", page.body);
        assert!(page.body.contains("With this button you accept the terms"), "{}", page.body);
        let token = lab.token(GUEST).await;
        let other = TermsVersion(now.0 ^ 1);
        for wrong in [String::new(), "&terms=".into(), format!("&terms={other}"), "&terms=zzzzzzzz".into()] {
            let heard = lab.post("/login", &format!("code=1&token={token}{wrong}")).await;
            assert_eq!(heard.status, 403, "{wrong}");
            assert!(heard.body.contains("<h1>Please accept the terms</h1>"), "{wrong}: {}", heard.body);
            assert!(heard.body.contains(">1</textarea>"), "what was typed is there: {}", heard.body);
            assert_eq!(version(&heard), now);
        }
        assert_eq!(lab.post("/trial", &format!("token={token}")).await.status, 403);
        assert_eq!(lab.calls(), [""; 0], "the desk was not asked");
        let heard = lab.post("/login", &format!("code=1&terms={now}&token={token}")).await;
        assert_eq!(heard.status, 303);
        lab.post("/trial", &format!("terms={now}&token={token}")).await;
        let calls = lab.until_calls(4).await;
        assert_eq!(calls[0], format!("login 02:00:00:00:00:02 \"1\" Ask terms={now}"));
        assert_eq!(calls[2], format!("trial 02:00:00:00:00:02 terms={now}"));
        let asked = lab.post("/login", &format!("code=in-use&terms={now}&token={token}")).await;
        assert_eq!((asked.status, version(&asked)), (409, now), "a question in between repeats it");
        assert_eq!(lab.post("/logout", &format!("token={token}")).await.status, 303, "to leave needs none");
    });
}
