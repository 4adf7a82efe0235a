//! Signatures of the cloud: Ed25519, written in base64.
//!
//! Owns: the public key, the signature, and whether the one made the other. Never: what was signed, or what
//! follows if it was not.

use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, UnparsedPublicKey};

/// The key that checks what the cloud signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

/// A signature over some bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// The text is not so many bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl SigningKey {
    /// Whether the owner of the key signed `body`.
    pub fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(body, &signature.0).is_ok()
    }
}

impl FromStr for SigningKey {
    type Err = NotBase64;

    /// 32 bytes in base64, with or without the `=` at the end.
    fn from_str(text: &str) -> Result<Self, NotBase64> {
        exactly(text.strip_suffix('=').unwrap_or(text)).map(Self)
    }
}

impl FromStr for Signature {
    type Err = NotBase64;

    /// 64 bytes in base64, with or without the `==` at the end.
    fn from_str(text: &str) -> Result<Self, NotBase64> {
        exactly(text.strip_suffix("==").unwrap_or(text)).map(Self)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

fn exactly<const N: usize>(text: &str) -> Result<[u8; N], NotBase64> {
    base64(text).and_then(|bytes| bytes.try_into().ok()).ok_or(NotBase64)
}

/// RFC 4648 section 4, without padding; bits left over must be zero.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = Vec::new();
    for symbol in text.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (held == 0 && bits < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 3.
    const KEY: &str = "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=";
    const BODY: [u8; 2] = [0xaf, 0x82];
    const SIGNATURE: &str =
        "YpHWV97sJAJIJ+acOr4BowzlSKKEdDpEXjaA19taw6wY/5tTjRbykK5n92CYTcZZSnwV6XFu0o3AJ77O6h7ECg==";

    #[test]
    fn a_right_signature_is_right_and_any_other_is_not() {
        let key: SigningKey = KEY.parse().unwrap();
        let signature: Signature = SIGNATURE.trim_end_matches('=').parse().unwrap();
        assert_eq!(SIGNATURE.parse(), Ok(signature));
        // The bytes of the RFC, so that the base64 above is checked as well.
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&key.0), "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert!(key.signed(&BODY, &signature));
        assert!(!key.signed(&[0xaf, 0x83], &signature));
        let mut other = signature;
        other.0[0] ^= 1;
        assert!(!key.signed(&BODY, &other));
    }

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let want = SigningKey(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert_eq!(text.parse(), Ok(want));
        assert_eq!(format!("{text}=").parse(), Ok(want));
        let bad_tail = text.replace("Hh8", "Hh9");
        for bad in ["", "AAEC", &text[1..], &format!("{text}=="), &bad_tail, &text.replace('A', "-")] {
            assert_eq!(bad.parse::<SigningKey>(), Err(NotBase64), "{bad}");
        }
    }
}
