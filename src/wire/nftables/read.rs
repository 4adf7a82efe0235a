//! What the kernel tells about a table, as far as we compare it.

use crate::wire::netlink::{self, Message, be32, be64, find, text};

use super::set::{LIMIT, QUOTA};
use super::state::State;
use super::{INET, NEW_GENERATION, NEW_OBJECT, SUBSYSTEM, TRACE};

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRead {
    /// Not zero: switched off, or owned by a process.
    pub flags: u32,
    pub comment: String,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRead {
    pub table: String,
    pub name: String,
    /// Kind, hook and priority, if the kernel calls it.
    pub base: Option<(String, u32, i32)>,
    /// Whether packets that no rule decides on pass.
    pub accepts: bool,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRead {
    pub table: String,
    pub chain: String,
    /// Names of its expressions.
    pub expressions: Vec<String>,
}

/// A set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRead {
    pub name: String,
    pub flags: u32,
    /// Bytes of a key.
    pub key_length: u32,
    pub size: u32,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub key: &'a [u8],
    /// Milliseconds it still stays; `None`: for ever.
    pub stays: Option<u64>,
    /// Of a map: the chain that its verdict names.
    pub chain: Option<String>,
    /// Of a map: the name of the limit or quota.
    pub object: Option<String>,
    pub state: Vec<State>,
    pub comment: String,
}

/// A limit or a quota with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead {
    pub name: String,
    pub state: State,
}

/// What a notification tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something in this table was changed.
    Touched(String),
    /// A quota in this table is used up; nobody changed it.
    UsedUp(String),
}

/// Comment of a table as it stands in its user data: type 0, length, text with its zero byte.
pub(super) fn comment_bytes(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).expect("a comment is below 255 bytes");
    let mut bytes = vec![0, length];
    bytes.extend(comment.as_bytes());
    bytes.push(0);
    bytes
}

fn comment(data: &[u8]) -> Option<String> {
    let (header, rest) = data.split_first_chunk::<2>()?;
    let [kind, length] = *header;
    (kind == 0).then(|| rest.get(..usize::from(length))).flatten().and_then(text)
}

/// Attributes of a netfilter message: after family, version and resource.
fn body<'a>(message: &Message<'a>) -> &'a [u8] {
    message.payload.get(4..).unwrap_or_default()
}

fn number(body: &[u8], kind: u16) -> Option<u32> {
    find(body, kind).and_then(be32)
}

fn name(body: &[u8], kind: u16) -> Option<String> {
    find(body, kind).and_then(text)
}

/// Reads a table.
pub fn table(message: &Message<'_>) -> Option<TableRead> {
    let body = body(message);
    let comment = find(body, 6).and_then(comment).unwrap_or_default();
    name(body, 1).map(|_| TableRead { flags: number(body, 2).unwrap_or(0), comment })
}

/// Reads a chain.
pub fn chain(message: &Message<'_>) -> Option<ChainRead> {
    let body = body(message);
    let base = find(body, 4).and_then(|hook| {
        let kind = name(body, 7)?;
        Some((kind, number(hook, 1)?, number(hook, 2)?.cast_signed()))
    });
    let accepts = number(body, 5).is_none_or(|policy| policy == 1);
    Some(ChainRead { table: name(body, 1)?, name: name(body, 3)?, base, accepts })
}

/// Reads a rule.
pub fn rule(message: &Message<'_>) -> Option<RuleRead> {
    let body = body(message);
    let list = netlink::attributes(find(body, 4)?);
    let expressions = list.filter_map(|(_, expression)| name(expression, 1)).collect();
    Some(RuleRead { table: name(body, 1)?, chain: name(body, 2)?, expressions })
}

/// Reads a set.
pub fn set(message: &Message<'_>) -> Option<SetRead> {
    let body = body(message);
    let size = find(body, 9).and_then(|description| number(description, 1)).unwrap_or(0);
    let flags = number(body, 3).unwrap_or(0);
    Some(SetRead { name: name(body, 2)?, flags, key_length: number(body, 5)?, size })
}

/// Reads the elements of a message that lists them.
pub fn elements<'a>(message: &Message<'a>) -> impl Iterator<Item = Element<'a>> {
    let list = find(body(message), 3).unwrap_or_default();
    netlink::attributes(list).filter_map(|(_, element)| {
        let key = find(find(element, 1)?, 1)?;
        let timeout = find(element, 4).and_then(be64);
        // Without an expiration the element has only begun to run.
        let stays = timeout.map(|timeout| find(element, 5).and_then(be64).unwrap_or(timeout));
        Some(Element {
            key,
            stays,
            chain: find(element, 2).and_then(|data| find(data, 2)).and_then(|verdict| name(verdict, 2)),
            object: name(element, 9),
            state: State::read_all(element),
            comment: find(element, 6).and_then(comment).unwrap_or_default(),
        })
    })
}

/// Reads a limit or a quota.
pub fn object(message: &Message<'_>) -> Option<ObjectRead> {
    let body = body(message);
    let kind = match number(body, 3)? {
        QUOTA => "quota",
        LIMIT => "limit",
        _ => return None,
    };
    Some(ObjectRead { name: name(body, 2)?, state: State::read_content(kind, find(body, 4)?)? })
}

/// What a notification tells of a table. Of a quota that is used up the kernel itself tells, as if it were
/// new, and in the family of the packet that did it.
pub fn news(message: &Message<'_>) -> Option<News> {
    let kind = message.kind & 0xff;
    if message.kind & 0xff00 != SUBSYSTEM || kind == NEW_GENERATION || kind == TRACE {
        return None;
    }
    let table = name(body(message), 1)?;
    if kind == NEW_OBJECT && message.port == 0 && object(message).is_some() {
        return Some(News::UsedUp(table));
    }
    (message.payload.first() == Some(&INET)).then_some(News::Touched(table))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::netlink::Writer;

    fn read(kind: u16, write: impl FnOnce(&mut netlink::Attributes<'_>), check: impl FnOnce(&Message<'_>)) {
        let mut writer = Writer::default();
        writer.message(SUBSYSTEM | kind, 0, 1, &[INET, 0, 0, 0], write);
        let bytes = writer.into_bytes();
        check(&netlink::messages(&bytes).next().unwrap());
    }

    #[test]
    fn comments_survive() {
        let write = |a: &mut netlink::Attributes<'_>| {
            a.text(1, "lango");
            a.put(6, &comment_bytes("lango 12ab"));
        };
        read(0, write, |message| {
            assert_eq!(table(message).unwrap().comment, "lango 12ab");
            assert_eq!(news(message), Some(News::Touched("lango".to_owned())));
        });
    }

    #[test]
    fn generations_and_other_families_touch_no_table() {
        let named = |a: &mut netlink::Attributes<'_>| a.text(1, "lango");
        read(NEW_GENERATION, named, |message| assert_eq!(news(message), None));
        let mut writer = Writer::default();
        writer.message(SUBSYSTEM, 0, 1, &[2, 0, 0, 0], named);
        let bytes = writer.into_bytes();
        assert_eq!(news(&netlink::messages(&bytes).next().unwrap()), None);
    }

    #[test]
    fn a_quota_is_used_up_in_the_family_of_the_packet() {
        for family in [2, 10, INET] {
            let mut writer = Writer::default();
            writer.message(SUBSYSTEM | NEW_OBJECT, 0, 1, &[family, 0, 0, 0], |a| {
                a.text(1, "lango");
                a.text(2, "e4");
                a.be32(3, QUOTA);
                a.nest(4, |a| State::Quota { bytes: 9, used: 9 }.write_content(a));
            });
            let bytes = writer.into_bytes();
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(news(&message), Some(News::UsedUp("lango".to_owned())));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u16..25) {
            let message = Message { kind: SUBSYSTEM | kind, flags: 0, sequence: 0, port: 0, payload: &payload };
            let _ = (table(&message), chain(&message), rule(&message), set(&message), news(&message));
            let _ = (elements(&message).count(), object(&message));
        }
    }
}
