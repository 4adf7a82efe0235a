//! Looks at a page as everybody may: on small and wide screens, light and dark, and with what helps those who
//! do not see. What is found wrong is collected, so that one run tells all of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::fetched;

const WIDTHS: [u32; 3] = [320, 390, 1280];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// The width at which rules are checked that do not depend on it.
const USUAL: u32 = 390;

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
        let mut found = Vec::new();
        let shown = window.run("return [document.documentElement.lang, document.documentElement.dir]");
        if shown[0] != language {
            found.push(format!("it is in {shown}"));
        }
        for width in WIDTHS {
            window.debug(
                "Emulation.setDeviceMetricsOverride",
                &json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1000 }),
            );
            let over = window.run("return document.documentElement.scrollWidth - window.innerWidth");
            if over.as_i64() > Some(0) {
                found.push(format!("at {width} px it is {over} px too wide"));
            }
            for scheme in SCHEMES {
                let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
                window.debug("Emulation.setEmulatedMedia", &json!({ "features": features }));
                picture(window, &screens().join(language).join(format!("{name}-{width}-{scheme}.png")));
                if width == USUAL {
                    found.extend(self.violations(window).into_iter().map(|one| format!("{scheme}: {one}")));
                }
            }
        }
        self.wrong.extend(found.into_iter().map(|one| format!("{name} in {language}: {one}")));
    }

    /// Asserts that nothing was wrong.
    pub(crate) fn close(self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }

    /// What axe-core finds against WCAG 2, A and AA, and against good practice.
    fn violations(&self, window: &Chromium<'_>) -> Vec<String> {
        if window.run("return typeof axe") != "object" {
            window.run(&self.axe);
        }
        let found = window.run_slowly(
            "const done = arguments[arguments.length - 1];
             const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
             axe.run(document, { runOnly: tags }).then(
                 r => done({ checked: r.passes.length, wrong: r.violations.map(v => v.id + ': ' + v.help + ' at ' +
                     v.nodes.map(n => n.target.join(' ') + ' (' + n.any.map(a => a.message).join('; ') + ')').join(', ')) }),
                 e => done({ checked: 0, wrong: [String(e)] }));",
        );
        assert!(found["checked"].as_u64() > Some(5), "axe-core checked nothing: {found}");
        let wrong = found["wrong"].as_array().unwrap().iter();
        wrong.map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}

/// Leaves a picture of the whole page.
fn picture(window: &Chromium<'_>, file: &Path) {
    let size = window.debug("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
    let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
    let shot = window.debug(
        "Page.captureScreenshot",
        &json!({ "captureBeyondViewport": true, "clip": clip, "optimizeForSpeed": true }),
    );
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, from_base64(&shot["data"])).unwrap();
}

fn screens() -> PathBuf {
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
