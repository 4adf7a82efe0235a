//! How a gateway joins a site: the claim that its operator was given, for all that it has to know.
//!
//! Owns: the JSON of both. Never: where the answer is kept. A token is a secret: no `Debug` shows it.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::SigningKey;

/// Characters of a token; HTTP servers take heads of 8 KiB.
const TOKEN_MAX: usize = 4096;

/// What a gateway shows with every request, and nobody else may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The text is no token: 1 to 4,096 printable ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAToken;

impl Token {
    /// The text, to be sent or stored.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    /// As a file has it: space around it does not count.
    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let text = text.trim();
        let fits = (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAToken) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The body of an enrolment. `public_key`: Ed25519.
pub fn write(claim: &str, device: &str, public_key: &[u8; 32]) -> String {
    #[derive(Serialize)]
    struct Enrolment<'a> {
        claim: &'a str,
        device: &'a str,
        public_key: String,
    }
    let enrolment = Enrolment { claim, device, public_key: base64(public_key) };
    serde_json::to_string(&enrolment).unwrap_or_default()
}

/// What the cloud answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    pub site: String,
    pub token: Token,
    /// `None`: the gateway makes its own.
    pub site_key: Option<SiteSecret>,
    /// `None`: pages are not signed.
    pub signing_key: Option<SigningKey>,
    /// The same as the cloud wrote it, for the configuration.
    pub signing_key_text: Option<String>,
    /// PEM, to be trusted besides the gateway's own roots.
    pub ca: Option<String>,
}

/// The 32 bytes of a key of the site.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteSecret([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret;

impl SiteSecret {
    /// The bytes, to be stored or used.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for SiteSecret {
    type Err = NotASecret;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotASecret);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotASecret)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotASecret)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SiteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteSecret(…)")
    }
}

/// What about the answer is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAJoining(pub &'static str);

impl fmt::Display for NotAJoining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotAJoining {}

/// Reads the key of the store, where the cloud hands it out.
///
/// # Errors
/// If it is not there, or is none.
pub fn read_store_key(body: &[u8]) -> Result<SiteSecret, NotASecret> {
    #[derive(Deserialize)]
    struct Answer {
        key: String,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| NotASecret)?;
    answer.key.parse()
}

/// Reads the answer to an enrolment.
///
/// # Errors
/// If a field is missing or wrong.
pub fn read(body: &[u8]) -> Result<Joining, NotAJoining> {
    #[derive(Deserialize)]
    struct Answer {
        site: String,
        token: String,
        site_key: Option<String>,
        signing_key: Option<String>,
        ca: Option<String>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| NotAJoining("it has no site, no token, or a wrong type"))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if !(1..=64).contains(&answer.site.len()) || !answer.site.bytes().all(plain) {
        return Err(NotAJoining("site is not 1 to 64 letters, digits, '-', '_', '.'"));
    }
    let signing_key = (answer.signing_key.as_deref())
        .map(|text| text.parse().map_err(|_| NotAJoining("signing_key is not 32 bytes in base64")));
    let site_key = answer.site_key.map(|text| text.parse());
    let site_key = site_key.map(|key| key.map_err(|NotASecret| NotAJoining("site_key is not 64 hex digits")));
    Ok(Joining {
        site: answer.site,
        token: answer.token.parse().map_err(|_| NotAJoining("token is not printable ASCII"))?,
        site_key: site_key.transpose()?,
        signing_key: signing_key.transpose()?,
        signing_key_text: answer.signing_key,
        ca: answer.ca,
    })
}

/// An enrolment as it is kept: what the cloud answered, and where that cloud is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub url: String,
    pub joining: Joining,
}

impl Enrolled {
    /// The text to keep, which holds secrets.
    pub fn write(&self) -> String {
        #[derive(Serialize)]
        struct Kept<'a> {
            url: &'a str,
            site: &'a str,
            token: &'a str,
            site_key: Option<String>,
            signing_key: Option<&'a str>,
            ca: Option<&'a str>,
        }
        let Self { url, joining } = self;
        let hex = |secret: &SiteSecret| secret.reveal().iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = Kept {
            url,
            site: &joining.site,
            token: joining.token.reveal(),
            site_key: joining.site_key.as_ref().map(hex),
            signing_key: joining.signing_key_text.as_deref(),
            ca: joining.ca.as_deref(),
        };
        let mut text = serde_json::to_string_pretty(&kept).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads it back.
    ///
    /// # Errors
    /// If a field is missing or wrong.
    pub fn read(text: &[u8]) -> Result<Self, NotAJoining> {
        #[derive(Deserialize)]
        struct Place {
            url: String,
        }
        let place: Place = serde_json::from_slice(text).map_err(|_| NotAJoining("it has no url"))?;
        Ok(Self { url: place.url, joining: read(text)? })
    }
}

/// RFC 4648 section 4, with padding.
pub fn base64(bytes: &[u8]) -> String {
    let symbol = |value: u32| match u8::try_from(value & 63).unwrap_or(0) {
        low @ 0..26 => b'A' + low,
        low @ 26..52 => b'a' + low - 26,
        low @ 52..62 => b'0' + low - 52,
        62 => b'+',
        _ => b'/',
    };
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let shown = if place <= group.len() { char::from(symbol(bits >> (18 - 6 * place))) } else { '=' };
            let _ = text.write_char(shown);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_store_is_64_hex_digits() {
        let of = |key: &str| read_store_key(format!(r#"{{"key":"{key}","more":1}}"#).as_bytes());
        assert_eq!(of(&"5a".repeat(32)).map(|key| *key.reveal()), Ok([0x5a; 32]));
        for wrong in ["", "5a", &"5a".repeat(33), &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(of(wrong), Err(NotASecret), "{wrong}");
        }
        for wrong in ["{}", "[]", "", "<html>", r#"{"key":7}"#] {
            assert_eq!(read_store_key(wrong.as_bytes()), Err(NotASecret), "{wrong}");
        }
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8 + 7).unwrap());
        assert!(base64(&key).parse::<SigningKey>().is_ok());
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let key = "0f".repeat(32);
        let right = format!(r#"{{"site":"a-1","token":"t.T_9","site_key":"{key}","weather":1}}"#);
        let joining = read(right.as_bytes()).unwrap();
        assert_eq!(joining.token.reveal(), "t.T_9");
        assert_eq!(joining.site_key.as_ref().map(SiteSecret::reveal), Some(&[15; 32]));
        assert!(!format!("{joining:?}").contains("t.T_9"));
        for (from, to) in
            [("a-1", "a/1"), ("t.T_9", "t\\nx"), (key.as_str(), "0f"), (r#""site":"#, r#""x":"#)]
        {
            assert!(read(right.replace(from, to).as_bytes()).is_err(), "{from}");
        }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let key = "0f".repeat(32);
        let full = format!(
            r#"{{"site":"a","token":"t","site_key":"{key}","signing_key":"{}","ca":"pem\n"}}"#,
            base64(&[9; 32])
        );
        for answer in [full.as_str(), r#"{"site":"a","token":"t"}"#] {
            // Not every 32 bytes are a signing key.
            let Ok(joining) = read(answer.as_bytes()) else { continue };
            let enrolled = Enrolled { url: "https://a.b/c".to_owned(), joining };
            assert_eq!(Enrolled::read(enrolled.write().as_bytes()), Ok(enrolled));
        }
        assert!(Enrolled::read(br#"{"site":"a","token":"t"}"#).is_err());
    }

    #[test]
    fn a_token_is_what_a_header_can_hold() {
        assert_eq!(" abc\n".parse::<Token>().unwrap().reveal(), "abc");
        for bad in ["", " \n", "a b", "a\nb", "é", &"x".repeat(TOKEN_MAX + 1)] {
            assert_eq!(bad.parse::<Token>(), Err(NotAToken), "{bad}");
        }
    }
}
