//! The operator's own parts of the pages: on the phone at a reload, and the built-in ones when a file is broken.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Browser, Daemon, Lab, Settings, wait_until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn an_operator_s_parts_are_shown_at_a_reload_and_a_broken_one_gives_way_to_the_built_in() {
    let lab = Lab::new(1);
    let folder = lab.folder().join("portal");
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("portal-html/example");
    fs::create_dir(&folder).unwrap();
    let settings = Settings::default().main("portal_dir", folder.to_str().unwrap());
    let daemon = Daemon::start(&lab, &settings);
    let phone = Browser::of(&lab.phones[0]);
    let page = |path: &str, text: &str| phone.get(path).body.contains(text);
    let (built_in, built_in_style) = ("<svg width=\"28\"", "--good:");
    assert!(page("/", built_in) && page("/", built_in_style) && !page("/", "bus station"));

    for file in fs::read_dir(example).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    assert!(!page("/", "bus station"), "before the reload");
    daemon.signal(Signal::SIGHUP);
    wait_until("the header", SOON, || page("/", "<p>The café by the bus station</p>"));
    let start = phone.get("/");
    for part in ["data:image/svg+xml;base64,", "--fill:#8a1c4a", "7:00–22:00", "name=\"code\""] {
        assert!(start.body.contains(part), "{part}");
    }
    assert!(!start.body.contains(built_in) && !start.body.contains(built_in_style));
    for (path, own) in [("/?lang=en", "<h1>Coffee and Wi-Fi</h1>"), ("/?lang=sw", "<h1>Kahawa na Wi-Fi</h1>")]
    {
        assert!(page(path, own), "{own}");
    }
    assert!(page("/terms?lang=en", "<h2>What you buy</h2>") && !page("/terms?lang=sw", "What you buy"));
    assert_eq!(daemon.doctor("theme")[0], "ok");
    let checked = daemon.check();
    assert!(checked.code == 0 && !checked.out.contains("portal_dir"), "{checked:?}");

    // Of the words only what is wrong gives way.
    let words = "welcom = Come in\ncode_label = Your <b>coffee</b> code\nplan_metered = {times} online\n";
    fs::write(folder.join("strings.en.txt"), words).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the words", SOON, || page("/?lang=en", "Your &#60;b&#62;coffee&#60;/b&#62; code</label>"));
    assert!(page("/?lang=en", "<h1>Get online</h1>") && page("/?lang=sw", "<h1>Kahawa na Wi-Fi</h1>"));
    let [state, message, remedy] = daemon.doctor("theme");
    let said =
        format!("{}:1: portal_dir: there is no string welcom", folder.join("strings.en.txt").display());
    assert!(state == "warn" && message.starts_with(&said) && message.contains(", and 1 more"), "{message}");
    assert!(remedy.contains("lango check tells all"), "{remedy}");
    let told = "strings.en.txt:3: portal_dir: plan_metered has no placeholder {times}; it has {time}";
    let checked = daemon.check();
    assert!(checked.code == 0 && checked.out.contains(told), "{checked:?}");
    assert!(daemon.log().contains("did you mean 'welcome'?"));

    // A part that would swallow the form, and one that would load from elsewhere.
    fs::write(folder.join("header.html"), "<p>Karibu</p>\n<textarea>").unwrap();
    fs::write(folder.join("style.css"), "@import 'https://example.net/a.css'").unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the header to be gone", SOON, || !page("/", "bus station"));
    let start = phone.get("/");
    for gone in ["Karibu</p>", "<textarea>", "#8a1c4a", "example.net"] {
        assert!(!start.body.contains(gone), "{gone}");
    }
    for kept in ["name=\"code\"", "7:00–22:00", built_in_style] {
        assert!(start.body.contains(kept), "{kept}");
    }
    let [state, message, remedy] = daemon.doctor("theme");
    assert!(state == "warn" && remedy.contains("mend the files"), "{message}: {remedy}");
    let said =
        format!("{}:2: portal_dir: <textarea> may not be in a part", folder.join("header.html").display());
    let checked = daemon.check();
    assert!(checked.code == 0 && checked.out.contains(&said), "{checked:?}");
    assert!(checked.out.contains("style.css:1: portal_dir: @import"), "{checked:?}");
    assert!(daemon.log().contains("<textarea> may not be in a part"));
}
