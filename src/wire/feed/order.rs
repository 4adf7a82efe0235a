//! Whether a page may be applied: it is of this site, follows what was applied before, and goes forward.
//!
//! Owns: the order of pages, and every reason to refuse one. Never: the page's ops.

use std::fmt;

use super::{FieldError, Page};
use crate::domain::{Cursor, Now, SigningKey, Stand, Trust, Walk};

impl Stand {
    /// Where the reading stands after `page`, if that may be applied.
    ///
    /// # Errors
    /// Every [`Refusal`] but those of reading and of signatures. `site`: ours. `key`: set if pages have to be
    /// signed, which is when they may be stored by others and go stale.
    pub fn after(self, page: &Page, site: &str, key: Option<&SigningKey>, now: Now) -> Result<Self, Refusal> {
        if page.site != site {
            return Err(Refusal::OtherSite);
        }
        if page.since != self.at {
            return Err(Refusal::NotNext { asked: self.at, follows: page.since });
        }
        let stale = page.not_after.is_some_and(|end| now.trust == Trust::Trusted && now.wall > end);
        if key.is_some() && stale {
            return Err(Refusal::Stale);
        }
        self.goes_forward(page)?;
        let walk = if page.full && page.more { Walk::Resetting } else { Walk::Following };
        let highest = match walk {
            Walk::Resetting => self.highest,
            Walk::Following => self.highest.max(Some(page.cursor)),
        };
        Ok(Self { at: Some(page.cursor), walk, highest })
    }

    fn goes_forward(self, page: &Page) -> Result<(), Refusal> {
        let back = Refusal::Backwards { to: page.cursor, from: self.at.max(self.highest) };
        if !page.full && (self.at.is_none() || self.walk == Walk::Resetting) {
            return Err(Refusal::NotFull);
        }
        // A reset begins below what was reached, and has to end above it; its pages grow among themselves.
        let begins_reset = page.full && self.walk == Walk::Following;
        let same_epoch = self.at.is_none_or(|at| at.epoch == page.cursor.epoch);
        if !begins_reset && (!same_epoch || Some(page.cursor) < self.at) {
            return Err(back);
        }
        if !begins_reset && page.more && Some(page.cursor) == self.at {
            return Err(Refusal::Endless);
        }
        let ends = !page.full || !page.more;
        let old_epoch = self.highest.is_some_and(|highest| page.cursor.epoch < highest.epoch);
        if old_epoch || (ends && Some(page.cursor) < self.highest) {
            return Err(back);
        }
        Ok(())
    }
}

/// Why a page was refused, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooLarge,
    Malformed(FieldError),
    Unsigned,
    WrongSignature,
    /// It is of another site.
    OtherSite,
    /// It follows another cursor than was asked with.
    NotNext {
        asked: Option<Cursor>,
        follows: Option<Cursor>,
    },
    /// It leads back behind what was reached.
    Backwards {
        to: Cursor,
        from: Option<Cursor>,
    },
    /// It holds changes where all rows were due.
    NotFull,
    /// It says that there is more, and leads nowhere.
    Endless,
    /// It is signed, and past its date.
    Stale,
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |cursor: &Option<Cursor>| cursor.map_or_else(|| "the start".to_owned(), |c| c.to_string());
        match self {
            Self::TooLarge => f.write_str("the page is larger than 1 MiB"),
            Self::Malformed(error) => write!(f, "the page is malformed: {error}"),
            Self::Unsigned => f.write_str("the page is not signed, and signing_key is set"),
            Self::WrongSignature => f.write_str("the page was not signed by the owner of signing_key"),
            Self::OtherSite => f.write_str("the page is of another site"),
            Self::NotNext { asked, follows } => {
                write!(f, "the page follows {}, not {}", shown(follows), shown(asked))
            }
            Self::Backwards { to, from } => write!(f, "the page leads back to {to}, from {}", shown(from)),
            Self::NotFull => f.write_str("the page holds changes where all rows were due"),
            Self::Endless => f.write_str("the page says that there is more and leads nowhere"),
            Self::Stale => f.write_str("the page is past its not_after"),
        }
    }
}

impl std::error::Error for Refusal {}
