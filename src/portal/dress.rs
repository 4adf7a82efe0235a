//! What the pages wear: style and script, and the policy that lets a browser run these two and nothing else.
//!
//! Owns: the operator's colour and own style in the style, the hashes in `Content-Security-Policy`, and that all
//! is made once per configuration read. Never: the markup; which parts are right (`theme`).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::HeaderValue;
use ring::digest::{SHA256, digest};

use super::texts::Edition;
use super::theme::Theme;
use crate::captive::{Accent, Language, Strings};
use crate::config::Config;
use crate::wire::enrolment::base64;

/// Without blanks that only we need, see `build.rs`.
const STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/style.css"));
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/script.js"));

/// The dress of the configuration in force.
#[derive(Default)]
pub struct Wardrobe(RefCell<Option<(Arc<Config>, Rc<Dress>)>>);

impl Wardrobe {
    /// The dress for `config`.
    pub(super) fn dress(&self, config: &Arc<Config>) -> Rc<Dress> {
        let mut worn = self.0.borrow_mut();
        if let Some((_, dress)) = worn.as_ref().filter(|(own, _)| Arc::ptr_eq(own, config)) {
            return Rc::clone(dress);
        }
        let dress = Rc::new(Dress::of(config));
        *worn = Some((Arc::clone(config), Rc::clone(&dress)));
        dress
    }
}

/// What all pages of one configuration wear.
pub(super) struct Dress {
    /// For the browser's own bars.
    pub(super) colour: String,
    pub(super) style: String,
    pub(super) policy: HeaderValue,
    /// The operator's own parts.
    pub(super) theme: Theme,
    pub(super) terms: Edition,
    pub(super) privacy: Edition,
}

impl Dress {
    /// What `config` asks for.
    pub(super) fn of(config: &Config) -> Self {
        let Accent { fill, on_light, on_dark } = Accent::of(&config.gateway.colour);
        let colours = format!(":root{{--fill:{fill};--light:{on_light};--dark:{on_dark}}}");
        let (theme, _) = Theme::read(&config.gateway);
        let style = colours + if theme.style.is_empty() { STYLE } else { &theme.style };
        let policy = policy(&style);
        let (terms, privacy) = (Edition::of_terms(config, &theme), Edition::of_privacy(config, &theme));
        Self { colour: fill, style, policy, theme, terms, privacy }
    }

    /// The words of `language`.
    pub(super) fn strings(&self, language: &'static Language) -> Strings<'_> {
        language.with(self.theme.own(language.tag))
    }

    /// Bytes that a page in that language is longer than one with built-in parts alone, at most.
    pub(super) fn weight(&self, language: &Language) -> usize {
        self.theme.style.len().saturating_sub(STYLE.len()) + self.theme.weight(language)
    }

    pub(super) fn script(&self) -> &'static str {
        SCRIPT
    }
}

/// Everything else is shut out: frames, pictures and scripts of others, forms to others.
fn policy(style: &str) -> HeaderValue {
    let hash = |text: &str| base64(digest(&SHA256, text.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src 'self' data:; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        hash(style),
        hash(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_nothing_in_it_or_in_the_style_ends_its_element() {
        assert!(SCRIPT.len() <= 1024, "{}", SCRIPT.len());
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
    }
}
