//! Flowtables: where a firewall puts flows whose packets no rule needs to see any more.
//!
//! Owns: the request for those of all tables, and what is told of one. Never: makes one.

use super::{EVERY_FAMILY, SUBSYSTEM};
use crate::wire::netlink::{self, Message, Writer, find, text};

const NEW: u16 = 22;
const GET: u16 = 23;

/// A flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowtable {
    pub table: String,
    pub name: String,
}

/// Asks for the flowtables of all tables.
pub fn get_flowtables(number: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    let flags = netlink::REQUEST | netlink::DUMP;
    writer.message(SUBSYSTEM | GET, flags, number, &[EVERY_FAMILY, 0, 0, 0], |_| {});
    writer.into_bytes()
}

/// Reads a flowtable.
pub fn flowtable(message: &Message<'_>) -> Option<Flowtable> {
    let body = message.payload.get(4..)?;
    (message.kind == SUBSYSTEM | NEW).then_some(())?;
    Some(Flowtable { table: find(body, 1).and_then(text)?, name: find(body, 2).and_then(text)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flowtable_is_known_by_its_table_and_its_name() {
        let mut writer = Writer::default();
        writer.message(SUBSYSTEM | NEW, 0, 1, &[1, 0, 0, 0], |a| {
            a.text(1, "fw4");
            a.text(2, "ft");
        });
        let bytes = writer.into_bytes();
        let read = flowtable(&netlink::messages(&bytes).next().unwrap());
        assert_eq!(read, Some(Flowtable { table: "fw4".into(), name: "ft".into() }));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let message = Message { kind: SUBSYSTEM | NEW, flags: 0, sequence: 0, port: 0, payload: &payload };
            let _ = flowtable(&message);
        }
    }
}
