//! What a cloud says about a site: rows that it issues and takes back, commands, and how far it was heard.
//!
//! Owns: the words of the feed as types, and the order of its cursors. Never: their JSON (`wire::feed`), or
//! what follows from them. Neighbours: `outbox.rs` is the other direction.

use std::fmt;
use std::str::FromStr;

use super::{
    AccountKey, Action, BatchId, CloudId, CodeKey, Hint, Mac, Person, Plan, PlanId, ReferenceKey, Wall,
};

/// How far the feed was read: `epoch.seq`, both growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub epoch: u64,
    pub seq: u64,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    /// Two decimal numbers without leading zeros, up to 2^63 - 1, so that they fit every store.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            text.parse().ok().filter(|number| plain && *number <= i64::MAX.unsigned_abs()).ok_or(NotACursor)
        };
        let (epoch, seq) = text.split_once('.').ok_or(NotACursor)?;
        Ok(Self { epoch: number(epoch)?, seq: number(seq)? })
    }
}

/// Where the reading of the feed stands; kept in one transaction with what a page brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// What the next page has to follow; `None`: the very first is asked for.
    pub at: Option<Cursor>,
    pub walk: Walk,
    /// The highest cursor at which all rows were in force. No page leads back behind it, or an old feed
    /// could be replayed, signatures and all.
    pub highest: Option<Cursor>,
}

/// Whether the pages that come are changes, or all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Walk {
    #[default]
    Following,
    /// In the middle of a reset: the rows before it are in force until its last page is in.
    Resetting,
}

impl Stand {
    /// The reading begins anew: the cloud said 410, or the digest differs. What was reached stays reached.
    #[must_use]
    pub fn over(self) -> Self {
        Self { at: None, walk: Walk::Following, highest: self.highest }
    }
}

/// One word of the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// This is so from now on.
    Put { id: Option<CloudId>, row: Row },
    /// This is no more.
    Delete { id: Option<CloudId>, name: RowName },
    /// Do this, once.
    Do { id: CloudId, command: CloudCommand },
    /// Do this about a person, once.
    About { id: CloudId, person: Person, wish: Wish },
}

/// What the cloud issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Plan(Box<Plan>),
    Voucher(Listed),
    Payment(Payment),
    Account(Account),
}

impl Row {
    /// What tells it from all others.
    pub fn name(&self) -> RowName {
        match self {
            Self::Plan(plan) => RowName::Plan(plan.id.clone()),
            Self::Voucher(listed) => RowName::Voucher(listed.key),
            Self::Payment(payment) => RowName::Payment(payment.key),
            Self::Account(account) => RowName::Account(account.key),
        }
    }
}

/// A row's kind and key. Ordered as their texts are, and so as the digest goes through them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowName {
    Account(AccountKey),
    Payment(ReferenceKey),
    Plan(PlanId),
    Voucher(CodeKey),
}

impl RowName {
    /// The word of the protocol.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Payment(_) => "payment",
            Self::Plan(_) => "plan",
            Self::Voucher(_) => "voucher",
        }
    }

    /// The key under which guests find it; a plan has none.
    pub fn code_key(&self) -> Option<CodeKey> {
        match self {
            Self::Plan(_) => None,
            Self::Voucher(key) => Some(*key),
            Self::Payment(key) => Some(CodeKey(key.0)),
            Self::Account(key) => Some(CodeKey(key.0)),
        }
    }

    /// The key in hex; of a plan its id.
    pub fn key(&self) -> String {
        match self {
            Self::Account(key) => key.to_string(),
            Self::Payment(key) => key.to_string(),
            Self::Plan(id) => id.to_string(),
            Self::Voucher(key) => key.to_string(),
        }
    }
}

/// A line of the digest: `voucher:9f0c…`.
impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.key())
    }
}

/// A voucher that the cloud made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: CodeKey,
    /// Empty where the cloud sent the key only.
    pub hint: Hint,
    pub plan: PlanId,
    pub batch: Option<BatchId>,
    /// Last moment to begin, besides the plan's own.
    pub activate_by: Option<Wall>,
}

/// A payment that the cloud has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub key: ReferenceKey,
    /// Empty where the cloud sent the key only.
    pub hint: Hint,
    pub plan: PlanId,
    pub paid_at: Option<Wall>,
    /// The guest is asked for them.
    pub phone_last4: Option<PhoneTail>,
    /// This device is opened without typing.
    pub mac: Option<Mac>,
}

/// A guest with a name and a PIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub key: AccountKey,
    /// argon2id, in its own text form.
    pub pin_hash: String,
    pub plan: PlanId,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, {}, …)", self.key, self.plan)
    }
}

/// The last four digits of a phone number. Its `Debug` does not show them, so that no log can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PhoneTail([u8; 4]);

impl PhoneTail {
    /// `None`: not four digits.
    pub fn of(text: &str) -> Option<Self> {
        let digits: [u8; 4] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The four digits.
    pub const fn digits(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Debug for PhoneTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneTail(…)")
    }
}

/// What the cloud wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudCommand {
    Kick(Mac),
    Grant { mac: Mac, plan: PlanId },
    Block(Mac),
    ReloadPlans,
}

impl CloudCommand {
    /// What the trail calls it.
    pub fn action(&self) -> Action {
        match self {
            Self::Kick(_) => Action::Logout,
            Self::Grant { .. } => Action::Login,
            Self::Block(_) => Action::Block,
            Self::ReloadPlans => Action::Reload,
        }
    }
}

/// What the cloud wants done about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Delete what is stored.
    Forget,
    /// Say what is stored.
    Export,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    #[test]
    fn cursors_are_ordered_by_epoch_first() {
        assert!(cursor("7.1034") < cursor("7.1042"));
        assert!(cursor("7.1042") < cursor("8.0"));
        assert!(cursor("9.5") < cursor("10.5"));
        assert_eq!(cursor("7.1042").to_string(), "7.1042");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for bad in ["", "7", "7.", ".7", "7.1.2", "+7.1", "7.-1", "07.1", "7.01", " 7.1", "7.1a", "٧.١"] {
            assert_eq!(bad.parse::<Cursor>(), Err(NotACursor), "{bad}");
        }
        assert!("0.9223372036854775807".parse::<Cursor>().is_ok());
        assert!("0.9223372036854775808".parse::<Cursor>().is_err());
    }

    #[test]
    fn names_of_rows_are_ordered_as_their_texts() {
        let names = [
            RowName::Account(AccountKey([9; 16])),
            RowName::Payment(ReferenceKey([0; 16])),
            RowName::Payment(ReferenceKey([0xff; 16])),
            RowName::Plan("a".parse().unwrap()),
            RowName::Plan("a-b".parse().unwrap()),
            RowName::Plan("a.b".parse().unwrap()),
            RowName::Plan("b".parse().unwrap()),
            RowName::Voucher(CodeKey([0x0a; 16])),
            RowName::Voucher(CodeKey([0x9f; 16])),
        ];
        assert!(names.is_sorted());
        assert!(names.iter().map(RowName::to_string).is_sorted());
    }

    #[test]
    fn a_phone_tail_is_four_digits() {
        assert_eq!(PhoneTail::of("0417").unwrap().digits(), *b"0417");
        for bad in ["", "417", "04170", "041a", "٠٤"] {
            assert_eq!(PhoneTail::of(bad), None, "{bad}");
        }
    }
}
