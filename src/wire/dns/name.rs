//! Names, in the form that comparing them needs: the labels of the wire, in lower case.

use std::iter::successors;

use super::Reader;

/// With the length of each label and the zero at the end.
const LONGEST: usize = 255;
const LONGEST_LABEL: u8 = 63;

/// A name, however its letters were written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

/// Whether a name may go on somewhere before itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointers {
    Followed,
    /// In a question nothing stands before the name.
    Refused,
}

impl Name {
    /// The name that is written with points between its labels, and none at its end.
    pub fn parse(text: &str) -> Option<Self> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            wire.push(u8::try_from(label.len()).ok().filter(|length| (1..=LONGEST_LABEL).contains(length))?);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        (wire.len() <= LONGEST).then_some(Self(wire))
    }

    /// Whether it has more labels before those of `suffix`.
    pub fn is_below(&self, suffix: &Self) -> bool {
        successors(parent(&self.0), |wire| parent(wire)).any(|wire| wire == suffix.0)
    }

    /// As it stands in a message.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The name at `reader`, which then stands behind it.
    pub(super) fn read(reader: &mut Reader<'_>, pointers: Pointers) -> Option<Self> {
        let mut wire = Vec::new();
        let mut at = reader.at;
        // Pointers lead back and always further back, so they cannot lead in a circle.
        let mut before = at;
        let mut behind = None;
        loop {
            let length = *reader.message.get(at)?;
            let next = at.checked_add(1)?;
            match length {
                0 => {
                    wire.push(0);
                    reader.at = behind.unwrap_or(next);
                    return Some(Self(wire));
                }
                1..=LONGEST_LABEL => {
                    let end = next.checked_add(length.into())?;
                    wire.push(length);
                    wire.extend(reader.message.get(next..end)?.iter().map(u8::to_ascii_lowercase));
                    if wire.len() >= LONGEST {
                        return None;
                    }
                    at = end;
                }
                0xc0.. if pointers == Pointers::Followed => {
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, *reader.message.get(next)?]));
                    if target >= before {
                        return None;
                    }
                    behind = behind.or(next.checked_add(1));
                    (before, at) = (target, target);
                }
                _ => return None,
            }
        }
    }
}

/// `wire` without its first label; `None` of the root.
fn parent(wire: &[u8]) -> Option<&[u8]> {
    let (length, rest) = wire.split_first()?;
    if *length == 0 { None } else { rest.get(usize::from(*length)..) }
}
