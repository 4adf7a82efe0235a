//! The operator's colour, made readable: shades of it that keep a contrast of 4.5:1 (WCAG AA).
//!
//! Any colour may be configured; text in it must be readable on a light page, on a dark one, and under
//! white letters. So it is darkened or lightened as far as each of them takes, and no further.

/// The brightness of a page, relative luminance: ours is a little off white and black.
const LIGHT_PAGE: f64 = 0.90;
const DARK_PAGE: f64 = 0.02;
const CONTRAST: f64 = 4.6;

/// Colours as CSS hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accent {
    /// Of a button, with white text on it.
    pub(crate) fill: String,
    /// Of text on the light page.
    pub(crate) on_light: String,
    /// Of text on the dark page.
    pub(crate) on_dark: String,
}

type Rgb = [f64; 3];

impl Accent {
    /// The shades of `colour` (`#rrggbb`); of a calm blue if it is none.
    pub(crate) fn of(colour: &str) -> Self {
        let rgb = parse(colour).unwrap_or([11.0, 114.0, 133.0]);
        let darker = shade(rgb, 0.0, |luminance| contrast(1.0, luminance) >= CONTRAST);
        Self {
            fill: hex(darker),
            on_light: hex(shade(rgb, 0.0, |luminance| contrast(LIGHT_PAGE, luminance) >= CONTRAST)),
            on_dark: hex(shade(rgb, 255.0, |luminance| contrast(DARK_PAGE, luminance) >= 1.4 * CONTRAST)),
        }
    }
}

/// `rgb` moved towards `end` just as far as it takes.
fn shade(rgb: Rgb, end: f64, enough: impl Fn(f64) -> bool) -> Rgb {
    let mixed = |step: u32| rgb.map(|part| part + (end - part) * f64::from(step) / 32.0);
    (0..=32).map(mixed).find(|rgb| enough(luminance(*rgb))).unwrap_or([end; 3])
}

/// WCAG 2: contrast of two luminances.
fn contrast(a: f64, b: f64) -> f64 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(rgb: Rgb) -> f64 {
    let [r, g, b] = rgb.map(|part| {
        let part = part / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn parse(colour: &str) -> Option<Rgb> {
    let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok().map(f64::from);
    Some([part(0)?, part(2)?, part(4)?])
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", r as u8, g as u8, b as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_stays_readable() {
        for colour in ["#0b7285", "#ffff00", "#000000", "#ffffff", "#ff0000", "#808080", "#00ff00", "junk"] {
            let accent = Accent::of(colour);
            let of = |shade: &str| luminance(parse(shade).unwrap());
            assert!(contrast(1.0, of(&accent.fill)) >= 4.5, "{colour} {accent:?}");
            assert!(contrast(LIGHT_PAGE, of(&accent.on_light)) >= 4.5, "{colour} {accent:?}");
            assert!(contrast(DARK_PAGE, of(&accent.on_dark)) >= 4.5, "{colour} {accent:?}");
        }
    }

    #[test]
    fn a_colour_that_is_readable_is_kept() {
        assert_eq!(Accent::of("#0b7285").fill, "#0b7285");
    }
}
