//! Guests as persons: by what one is known here, what is found of one, and how one is forgotten.
//!
//! Owns: who is meant, and the [`Alias`] that takes the place of a device where a row or a fact has to stay.
//! Never: looks anything up, that is the store's; what ends with a person, that is the Gate's (`gate/persons.rs`).
//!
//! A MAC, a code, a reference and the name of an account each find a person, and all that any of them finds is of
//! that one. The last digits of a phone are shared by one guest in ten thousand: they narrow what the others find,
//! and find somebody by themselves only where nothing else is given.
//!
//! What stays of one who is forgotten: keyed hashes of codes, so that none is redeemed twice, and amounts.

use ring::hmac;

use super::{Acceptance, BatchId, Origin, PlanId, VoucherState};
use super::{
    Bytes, Claim, CodeKey, EntitlementId, Hint, Mac, Noted, PhoneTail, ReferenceKey, SessionId, Traffic, Wall,
};
use crate::ordered::OrdSet;

/// Whose data is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Everybody,
    Person(Person),
}

/// A guest, by whatever is known; at least one of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub mac: Option<Mac>,
    /// Of codes, references and names of accounts: any of them.
    pub keys: Vec<CodeKey>,
    pub phone_last4: Option<PhoneTail>,
}

impl Person {
    /// Whether only the last digits of a phone are known, which many share.
    pub fn is_vague(&self) -> bool {
        self.mac.is_none() && self.keys.is_empty()
    }
}

/// Where a person left something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Devices of which every trace is the person's.
    pub devices: OrdSet<Mac>,
    /// What was bought and nobody else used, with every device that used it.
    pub entitlements: OrdSet<EntitlementId>,
    /// Payments and accounts that nobody has begun.
    pub rows: OrdSet<CodeKey>,
    /// Payments that were claimed.
    pub references: OrdSet<ReferenceKey>,
    /// Whether it is everybody's, also of whom nobody can tell any more who it was.
    pub everybody: bool,
}

impl Traces {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        let Self { devices, entitlements, rows, references, everybody: _ } = self;
        devices.is_empty() && entitlements.is_empty() && rows.is_empty() && references.is_empty()
    }

    /// How many things were bought.
    pub fn purchases(&self) -> usize {
        self.entitlements.len() + self.rows.len()
    }

    /// Whether a use of `entitlement` by `mac` is one of them.
    pub fn has_use(&self, mac: Mac, entitlement: EntitlementId) -> bool {
        self.devices.contains(&mac) || self.entitlements.contains(&entitlement)
    }

    /// Whether a claim is.
    pub fn has_claim(&self, mac: Mac, reference: ReferenceKey) -> bool {
        self.devices.contains(&mac) || self.references.contains(&reference)
    }
}

/// Names for devices that are forgotten: the same device has the same one within one forgetting, and nobody can
/// tell later whose it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Alias([u8; 32]);

impl Alias {
    /// `random`: never used before, and kept nowhere.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// What `mac` is called from now on: an address as phones make them up, of no maker.
    pub fn of(&self, mac: Mac) -> Mac {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), &mac.bytes());
        let mut bytes = [0; 6];
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(byte, random)| *byte = *random);
        let [first, ..] = &mut bytes;
        *first = (*first | 0x02) & !0x01;
        Mac::new(bytes)
    }
}

impl std::fmt::Debug for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alias(…)")
    }
}

/// A person to be forgotten, and what the devices are called where something has to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    pub traces: Traces,
    pub alias: Alias,
    pub who: Forgetter,
}

/// Who has a person forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetter {
    /// The operator or the cloud: nothing is held against the person any more.
    Keeper,
    /// The guest, on its own device: what keeps guests from gaining by it stays. That is a ban, and until a day is
    /// over that the device had something for free.
    Guest,
}

/// All that is stored of a person. Devices of others who used the same are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dossier {
    pub devices: Vec<KnownDevice>,
    pub purchases: Vec<Purchase>,
    pub visits: Vec<Visit>,
    pub claims: Vec<Claim>,
    /// What operators and the cloud did to it.
    pub deeds: Vec<Noted>,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    pub mac: Mac,
    pub standing: Permission,
}

/// Whether the cloud wants a device kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Granted,
    Blocked,
}

/// Something that was bought, begun or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// None: nobody has begun it.
    pub entitlement: Option<EntitlementId>,
    pub origin: Origin,
    pub plan: PlanId,
    pub batch: Option<BatchId>,
    pub hint: Hint,
    pub phone: Option<PhoneTail>,
    pub state: VoucherState,
    pub opened: Option<Wall>,
    pub used: std::time::Duration,
    pub bytes_up: Bytes,
    pub bytes_down: Bytes,
}

/// A session, open or over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub session: SessionId,
    pub entitlement: EntitlementId,
    pub mac: Mac,
    pub since: Wall,
    /// None: it goes on.
    pub closed: Option<Wall>,
    /// The word for why.
    pub why: Option<String>,
    pub used: Traffic,
    pub accepted: Option<Acceptance>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_an_address_of_no_maker_and_the_same_within_one_forgetting() {
        let (one, other) = (Alias::new([7; 32]), Alias::new([8; 32]));
        for n in 0..=255 {
            let mac = Mac::new([0x3c, 0x22, 0xfb, 0, 0, n]);
            let alias = one.of(mac);
            assert_eq!(alias.bytes()[0] & 0x03, 0x02, "locally administered, of one device: {alias}");
            assert_eq!(alias, one.of(mac));
            assert!(alias != other.of(mac) && alias != mac);
            assert_ne!(alias, one.of(Mac::new([0x3c, 0x22, 0xfb, 0, 1, n])));
        }
        assert_eq!(format!("{one:?}"), "Alias(…)");
    }
}
