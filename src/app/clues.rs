//! What a guest may have meant by what was typed: a code, a reference, the name of an account.
//!
//! Owns: which keys are looked up, in which order, and who is to blame if none is found. Never: looks up.

use super::keys::Keys;
use crate::domain::{
    AccountName, Blame, CodeKey, Hint, Issued, Normal, ReferenceKey, Shape, Sought, seek, shape,
};

/// What can be said of a text without looking it up. The text itself is not kept, but for a reference, which
/// the cloud may have to be asked for.
pub(super) struct Clues {
    /// As a code, as a reference, as a name.
    keys: [Option<CodeKey>; 3],
    pub(super) blame: Blame,
    /// A code that proves itself.
    pub(super) issued: Option<(CodeKey, Issued)>,
    pub(super) sought: Option<(ReferenceKey, Sought)>,
    pub(super) hint: Hint,
}

impl Clues {
    pub(super) fn of(typed: &str, keys: &Keys) -> Self {
        let normal = Normal::of(typed);
        let code = normal.as_ref().map(|normal| keys.site.voucher(normal));
        let read = |normal: &Normal| keys.issuing.iter().find_map(|key| key.read(normal));
        let sought = seek(typed).map(|sought| (keys.site.payment(sought.reference()), sought));
        let account = AccountName::of(typed).map(|name| CodeKey(keys.site.account(&name).0));
        let blame = match normal.as_ref().map(shape) {
            Some(Shape::Other) => Blame::DeviceAndSite,
            // No code can look like that, so it is no guess at one.
            Some(Shape::Mistyped) | None => Blame::Device,
        };
        Self {
            issued: code.zip(normal.as_ref().and_then(read)),
            hint: normal.map(|normal| Hint::of(normal.as_str())).unwrap_or_default(),
            keys: [code, sought.as_ref().map(|(key, _)| CodeKey(key.0)), account],
            blame,
            sought,
        }
    }

    /// Nothing was typed, and nothing had to be: the guest claimed `reference` before.
    pub(super) fn of_claim(reference: ReferenceKey) -> Self {
        Self {
            keys: [Some(CodeKey(reference.0)), None, None],
            blame: Blame::Device,
            issued: None,
            sought: None,
            hint: Hint::default(),
        }
    }

    /// The keys under which it may be found, the likeliest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = CodeKey> {
        self.keys.into_iter().flatten()
    }
}
