//! Names of things, each a type of its own, so that no two can be mixed up.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError {
    what: &'static str,
    text: String,
}

impl IdError {
    fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.chars().take(64).collect() }
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.what)
    }
}

impl std::error::Error for IdError {}

/// Hardware address of a guest's device, and so the name of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address made of these six bytes, in the order they are sent.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The six bytes, in the order they are sent.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// The last three bytes, `…33:44:55`: all that logs above DEBUG may show of a device.
    pub fn tail(self) -> String {
        let [_, _, _, d, e, f] = self.0;
        format!("…{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl FromStr for Mac {
    type Err = IdError;

    /// Six pairs of hex digits with `:` or `-` between; not a group address, not all zero.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("the MAC address of a device, such as 02:00:00:00:00:01", text);
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(wrong)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        let [first, ..] = bytes;
        if parts.next().is_some() || first & 1 == 1 || bytes == [0; 6] {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

macro_rules! keyed_hash {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// 32 hex digits.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::new($what, text);
                if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                u128::from_str_radix(text, 16).map(|key| Self(key.to_be_bytes())).map_err(|_| wrong())
            }
        }
    };
}

keyed_hash!(
    /// Keyed hash of a code: what is stored and looked up instead of the code.
    CodeKey, "the key of a voucher (32 hex digits)"
);
keyed_hash!(
    /// Keyed hash of a payment reference: what is stored and looked up instead of the reference.
    ReferenceKey, "the key of a payment (32 hex digits)"
);
keyed_hash!(
    /// Keyed hash of the name of an account: what is stored and looked up instead of the name.
    AccountKey, "the key of an account (32 hex digits)"
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                digits.parse().map(Self).map_err(|_| IdError::new($what, text))
            }
        }
    };
}

number_id!(
    /// What was bought, once: written `e-77`.
    EntitlementId, "e-", "an entitlement, such as e-77"
);
number_id!(
    /// One device using one entitlement: written `s-310`.
    SessionId, "s-", "a session, such as s-310"
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let fits = (1..=$max).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
                if fits { Ok(Self(text.to_owned())) } else { Err(IdError::new($what, text)) }
            }
        }
    };
}

text_id!(
    /// Name of a plan: 1 to 64 of letters, digits, `-`, `_`, `.`.
    PlanId, 64, "the name of a plan (1 to 64 letters, digits, '-', '_', '.')"
);
text_id!(
    /// Name of a batch of vouchers: 1 to 64 of letters, digits, `-`, `_`, `.`.
    BatchId, 64, "the name of a batch (1 to 64 letters, digits, '-', '_', '.')"
);
text_id!(
    /// The kernel's name of this boot (a UUID).
    BootId, 64, "the id of a boot"
);

/// A cloud's own name of a row or a command: opaque, 1 to 64 printable ASCII characters. It is echoed in
/// every event about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudId(String);

impl CloudId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloudId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CloudId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let wrong = || IdError::new("a cloud's name of something (1 to 64 printable characters)", text);
        if fits { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

/// The last characters of a code: all that is kept of it in the clear, for support.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint(String);

impl Hint {
    /// The last three characters of `code`, without the spaces between its groups.
    pub fn of(code: &str) -> Self {
        let tail = code.chars().rev().filter(|c| !c.is_whitespace()).take(3).collect::<Vec<_>>();
        Self(tail.into_iter().rev().collect())
    }

    /// The characters kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_accepts_the_usual_spellings_only() {
        for good in ["02:00:00:00:00:01", "02-00-00-00-00-01", "A2:bb:CC:0d:0e:0f"] {
            assert!(good.parse::<Mac>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "2:0:0:0:0:1",
            "0g:00:00:00:00:01",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "+2:00:00:00:00:01",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_read_what_they_write() {
        let key = CodeKey([0x00, 0x9f, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        for bad in
            ["", "9f", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32), &format!("+{}", "0".repeat(31))]
        {
            assert!(bad.parse::<CodeKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn number_ids_read_what_they_write() {
        assert_eq!("s-310".parse(), Ok(SessionId(310)));
        assert_eq!("310".parse(), Ok(SessionId(310)));
        assert_eq!(EntitlementId(7).to_string(), "e-7");
        assert!("e-310".parse::<SessionId>().is_err());
    }

    #[test]
    fn text_ids_refuse_what_could_mean_something_elsewhere() {
        assert!("hour".parse::<PlanId>().is_ok());
        for bad in ["", "a b", "a/b", "a'b", "<b>", &"x".repeat(65)] {
            assert!(bad.parse::<PlanId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hint_is_three_characters() {
        assert_eq!(Hint::of("4821993705").as_str(), "705");
        assert_eq!(Hint::of("4821 9937 05").as_str(), "705");
        assert_eq!(Hint::of("ab").as_str(), "ab");
    }
}
