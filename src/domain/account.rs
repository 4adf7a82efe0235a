//! Names of guests who have an account.

use std::fmt;

const LONGEST: usize = 64;

/// The name of an account in its normal form: lower case, trimmed. Its `Debug` does not show it, so that no
/// log can.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// The normal form of `typed`; `None` if it is empty, longer than 64 bytes, or has control characters.
    pub fn of(typed: &str) -> Option<Self> {
        let name = typed.trim();
        if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
            return None;
        }
        Some(Self(name.to_lowercase()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountName(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_outer_spaces_do_not_matter() {
        assert_eq!(AccountName::of("  Asha Juma \n").unwrap().as_str(), "asha juma");
        for bad in ["", "   ", "a\0b", "a\nb", &"x".repeat(65)] {
            assert_eq!(AccountName::of(bad), None, "{bad:?}");
        }
    }
}
