//! That a guest accepted the terms of use: which version of them, and when.

use std::fmt;
use std::str::FromStr;

use super::Wall;

/// What names the text of the terms: the first four bytes of its SHA-256. Another text has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermsVersion(pub u32);

impl fmt::Display for TermsVersion {
    /// Eight digits, hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// It is no such name.
#[derive(Debug, PartialEq, Eq)]
pub struct NoVersion;

impl FromStr for TermsVersion {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let is_right = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| is_right).map(Self).ok_or(NoVersion)
    }
}

/// A guest accepted this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    pub version: TermsVersion,
    pub at: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_eight_hexadecimal_digits_and_nothing_else() {
        for version in [0, 1, 0x9f0c_51aa, u32::MAX].map(TermsVersion) {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for wrong in ["", "1", "9f0c51a", "9f0c51aa0", "+f0c51aa", "-f0c51aa", " f0c51aa", "9f0c51ag", "९९९"]
        {
            assert_eq!(wrong.parse::<TermsVersion>(), Err(NoVersion), "{wrong}");
        }
    }
}
