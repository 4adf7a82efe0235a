//! `application/x-www-form-urlencoded`, decoded strictly and once.
//!
//! A `%` without two hex digits, a byte sequence that is no UTF-8, or a NUL makes the whole text
//! malformed. Of a field given twice the first counts: no second value can hide behind it.

use std::fmt::Write as _;

/// The text is not form-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Names and values, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// The pairs in `text`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let (name, value) = match part.iter().position(|byte| *byte == b'=') {
                    Some(at) => (part.get(..at), part.get(at + 1..)),
                    None => (Some(part), None),
                };
                Ok((decode(name.unwrap_or_default())?, decode(value.unwrap_or_default())?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn decode(text: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || hex(*rest.next()?);
                let (high, low) = (digit().ok_or(Malformed)?, digit().ok_or(Malformed)?);
                high << 4 | low
            }
            0x21..=0x7e => *byte,
            // Bytes that no browser sends bare.
            _ => return Err(Malformed),
        });
    }
    if bytes.contains(&0) {
        return Err(Malformed);
    }
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Appends `text` to `url`, with everything escaped that is not a letter, a digit or one of `-._~`.
pub(super) fn encode_into(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// The link that opens WhatsApp with `number` (digits), with `message` ready to be sent.
pub(crate) fn whatsapp_link(number: &str, message: Option<&str>) -> String {
    let mut url = format!("https://wa.me/{number}");
    if let Some(message) = message {
        url.push_str("?text=");
        encode_into(&mut url, message);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, name: &str) -> Option<String> {
        Pairs::parse(text.as_bytes()).unwrap().get(name).map(str::to_owned)
    }

    #[test]
    fn decodes_what_browsers_send() {
        for (text, code) in [
            ("code=4821+9937+05&token=ab", "4821 9937 05"),
            ("code=4821%209937%0d%0A05", "4821 9937\r\n05"),
            ("token=ab&code=%D9%A4%D9%A8", "٤٨"),
            ("code=a%3Db%26c%2B%25", "a=b&c+%"),
            ("code=a=b", "a=b"),
            ("&&code=x&", "x"),
            ("c%6fde=x", "x"),
            ("code=first&code=second", "first"),
            ("code=", ""),
            ("code", ""),
        ] {
            assert_eq!(first(text, "code").as_deref(), Some(code), "{text}");
        }
        assert_eq!(first("Code=x&code2=y", "code"), None);
    }

    #[test]
    fn refuses_what_is_not_form_encoded() {
        for text in [
            &b"code=%"[..],
            b"code=%4",
            b"code=%zz",
            b"code=%u0041",
            b"code=%00",
            b"code=%ff%fe",
            b"code=%c3",
            b"%=x",
            b"a=1&code=%+1",
            b"code=a b",
            b"code=\xc3\xa9",
            b"code=\0",
            b"{\"code\":\"\x01\"}",
        ] {
            assert_eq!(Pairs::parse(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn encodes_so_that_nothing_of_it_means_anything() {
        let mut url = String::new();
        encode_into(&mut url, "a-1 é&\"<>\r\n/");
        assert_eq!(url, "a-1%20%C3%A9%26%22%3C%3E%0D%0A%2F");
        assert_eq!(first(&format!("code={url}"), "code").as_deref(), Some("a-1 é&\"<>\r\n/"));
    }
}
