//! Texts that are scripts, shown by a real browser: as text.

use crate::chromium::Chromium;
use crate::harness::{Daemon, Lab, Settings};
use crate::walks::page;

/// Each would run in a page that does not escape it: in text, in an attribute, in a text area, in a title.
const SCRIPTS: [&str; 5] = [
    "<script>owned=1</script>",
    "\"><img src=x onerror=owned=1>",
    "</textarea><svg onload=owned=1>",
    "</title><script>owned=1</script>",
    "\" autofocus onfocus=owned=1 x=\"",
];

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn no_text_of_a_guest_or_an_operator_runs_as_a_script() {
    let lab = Lab::new(1);
    let hostile = "</title></style><script>owned=1</script>\"><img src=x onerror=owned=1>";
    let settings = Settings::default()
        .main("title", "<script>owned=1</script>\"><svg onload=owned=1>")
        .main("controller", hostile)
        .plan("hour", &[("title", "\"><img src=x onerror=owned=1>"), ("metered", "1h")]);
    let daemon = Daemon::start(&lab, &settings);
    let window = Chromium::on(&lab, &lab.phones[0]);
    let looks_well = |what: &str| {
        let found = window.run(
            "return [typeof owned, document.querySelectorAll('svg[onload],img[onerror],[onfocus]').length]",
        );
        assert_eq!(found, serde_json::json!(["undefined", 0]), "{what} at {}", window.url());
    };
    for path in ["/", "/status", "/terms", "/privacy", "/nowhere"] {
        window.go(&page(path, "en"));
        looks_well(path);
    }
    for text in SCRIPTS {
        window.go(&format!("{}&code={}", page("/", "en"), escaped(text)));
        assert_eq!(window.run("return document.querySelector('[name=code]').value"), text);
        looks_well(text);
        window.submit("code", text);
        looks_well(text);
        window.go(&page(&format!("/{}", escaped(text)), "en"));
        looks_well(text);
    }
    // Were something not escaped, the browser would not run it either.
    window.go(&page("/", "en"));
    let run = "const s = document.createElement('script'); s.textContent = 'owned=1'; document.body.append(s); \
               document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=owned=1>'); \
               setTimeout(arguments[0], 300)";
    window.run_slowly(run);
    assert_eq!(window.run("return typeof owned"), "undefined");
    assert!(daemon.is_alive());
}
