//! Looks at a page as everybody may: on small and wide screens, light and dark, and with what helps those who
//! do not see. What is found wrong is collected, so that one run tells all of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::fetched;

const WIDTHS: [u32; 3] = [320, 390, 1280];
/// Light and dark, and what is examined in each: the colours are all that differs.
const SCHEMES: [(&str, Rules); 2] = [("light", ALL), ("dark", OF_COLOUR)];
/// The width at which rules are checked that do not depend on it.
const USUAL: u32 = 390;

/// Rules of axe-core: how it is asked for them, and how many of them a page cannot but keep or break.
#[derive(Clone, Copy)]
struct Rules {
    asked: &'static str,
    fewest: u64,
}

/// Against WCAG 2, A and AA, and against good practice.
const ALL: Rules =
    Rules { asked: "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']", fewest: 6 };
/// Those which the colours alone decide.
const OF_COLOUR: Rules = Rules { asked: "['color-contrast', 'link-in-text-block']", fewest: 1 };

/// What was found; panics when it is dropped and there is something.
pub(crate) struct Review {
    axe: String,
    wrong: Vec<String>,
}

impl Review {
    pub(crate) fn new() -> Self {
        let file = fetched().join("npm/node_modules/axe-core/axe.min.js");
        let axe =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("axe-core: {}: {error}", file.display()));
        Self { axe, wrong: Vec::new() }
    }

    /// Looks at the page that is shown, and leaves a picture of each way to see it.
    pub(crate) fn look(&mut self, window: &Chromium<'_>, language: &str, name: &str) {
        let mut found = ill_fitting(window, language);
        for width in WIDTHS {
            set_width(window, width);
            for (scheme, rules) in SCHEMES {
                set_scheme(window, scheme);
                picture(window, &screens().join(language).join(format!("{name}-{width}-{scheme}.png")));
                if width == USUAL {
                    found.extend(self.violations(window, scheme, rules));
                }
            }
        }
        self.add(found, language, name);
    }

    /// Has `window` show this page with all that is folded, and looks at it without leaving a picture. The tab is to
    /// be of no other use: pages take turns in one document, for which axe-core is loaded once, and stay as they are.
    pub(crate) fn examine(&mut self, window: &Chromium<'_>, language: &str, name: &str, html: &str) {
        let html = Value::from(html);
        window.run(&format!(
            "window.setInterval = () => 0; document.open(); document.write({html}); document.close();
             for (const fold of document.querySelectorAll('details')) fold.open = true"
        ));
        let mut found = ill_fitting(window, language);
        for (scheme, rules) in SCHEMES {
            set_scheme(window, scheme);
            found.extend(self.violations(window, scheme, rules));
        }
        self.add(found, language, name);
    }

    fn add(&mut self, found: Vec<String>, language: &str, name: &str) {
        self.wrong.extend(found.into_iter().map(|one| format!("{name} in {language}: {one}")));
    }

    /// Asserts that nothing was wrong.
    pub(crate) fn close(self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }

    /// What axe-core finds against these of its rules, in the colours of `scheme`.
    fn violations(&self, window: &Chromium<'_>, scheme: &str, rules: Rules) -> Vec<String> {
        if window.run("return typeof axe") != "object" {
            window.run(&self.axe);
        }
        let found = window.run_slowly(&format!(
            "const done = arguments[arguments.length - 1];
             axe.run(document, {{ runOnly: {} }}).then(
                 r => done({{ checked: r.passes.length, wrong: r.violations.map(v => v.id + ': ' + v.help + ' at ' +
                     v.nodes.map(n => n.target.join(' ') + ' (' + n.any.map(a => a.message).join('; ') + ')').join(', ')) }}),
                 e => done({{ checked: 0, wrong: [String(e)] }}));",
            rules.asked
        ));
        assert!(found["checked"].as_u64() >= Some(rules.fewest), "axe-core checked nothing: {found}");
        let wrong = found["wrong"].as_array().unwrap().iter();
        wrong.map(|one| format!("{scheme}: {}", one.as_str().unwrap())).collect()
    }
}

fn set_width(window: &Chromium<'_>, width: u32) {
    window.debug(
        "Emulation.setDeviceMetricsOverride",
        &json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1000 }),
    );
}

fn set_scheme(window: &Chromium<'_>, scheme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    window.debug("Emulation.setEmulatedMedia", &json!({ "features": features }));
}

/// What does not fit: the language, a page that is wider than the screen, what reaches over its edge, and what is
/// larger than the box that it is in.
fn ill_fitting(window: &Chromium<'_>, language: &str) -> Vec<String> {
    let is_in = window.run("return document.documentElement.lang");
    let mut found: Vec<_> = (is_in != language).then(|| format!("it is in {is_in}")).into_iter().collect();
    for width in WIDTHS {
        set_width(window, width);
        found.extend(cut_off(window).into_iter().map(|one| format!("at {width} px: {one}")));
    }
    found
}

fn cut_off(window: &Chromium<'_>) -> Vec<String> {
    let found = window.run(
        "const wide = innerWidth, wrong = [];
         if (document.documentElement.scrollWidth > wide)
             wrong.push(`the page is ${document.documentElement.scrollWidth - wide} px too wide`);
         for (const one of document.body.querySelectorAll('*')) {
             const box = one.getBoundingClientRect(), name = one.tagName + '.' + one.className + ' ' + one.textContent.trim().slice(0, 30);
             if (!box.width || !one.checkVisibility()) continue;
             if (box.left < -1 || box.right > wide + 1) wrong.push(`${name} reaches over the edge: ${box.left} to ${box.right}`);
             if (getComputedStyle(one).display !== 'inline' && one.clientWidth && one.scrollWidth > one.clientWidth + 1)
                 wrong.push(`${name}: ${one.scrollWidth} px of text in ${one.clientWidth}`);
         }
         return wrong",
    );
    found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Leaves a picture of the whole page.
pub(crate) fn picture(window: &Chromium<'_>, file: &Path) {
    let size = window.debug("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
    let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
    let shot = window.debug(
        "Page.captureScreenshot",
        &json!({ "captureBeyondViewport": true, "clip": clip, "optimizeForSpeed": true }),
    );
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, from_base64(&shot["data"])).unwrap();
}

pub(crate) fn screens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screens")
}

fn from_base64(text: &Value) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.as_str().unwrap().bytes().filter_map(digit).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let all =
            four.iter().fold(0_u32, |all, digit| all << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bytes.extend(&all.to_be_bytes()[1..four.len()]);
    }
    bytes
}
