//! nftables: transactions to the kernel, and what it tells about a table.
//!
//! Owns: the messages of `linux/netfilter/nf_tables.h` for tables, chains, rules, sets and their elements,
//! family inet. Never: which table; see `nft::table`.
//! Numbers in attributes are in network byte order; values compared with a register are as in it.

mod expectation;
mod expr;
mod flowtable;
mod read;
mod set;
mod state;

pub use expr::{Expr, Field, Flow, Layer, Learn, Learning, Meta, Reject, Verdict};
pub use flowtable::{Flowtable, flowtable, get_flowtables};
pub use read::{
    ChainRead, Element, News, ObjectRead, RuleRead, SetRead, TableRead, chain, elements, news, object, rule,
    set, table,
};
pub use set::{ANONYMOUS, CONSTANT, DYNAMIC, Held, Holds, Key, Put, RANGES, Set, TIMEOUT};
pub use state::State;

use std::fmt;

use super::netlink::{self, Attributes, Writer};

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const EVERY_FAMILY: u8 = 0;
const INET: u8 = 1;

const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const GET_SET: u16 = 10;
const NEW_ELEMENT: u16 = 12;
const GET_ELEMENT: u16 = 13;
const DELETE_ELEMENT: u16 = 14;
const NEW_GENERATION: u16 = 15;
const TRACE: u16 = 17;
const NEW_OBJECT: u16 = 18;
const GET_OBJECT: u16 = 19;
const DELETE_OBJECT: u16 = 20;

/// A list of elements is an attribute, and its length has 16 bits.
const LONGEST_LIST: usize = 60_000;

/// The multicast group that is told of every change, as a bit.
pub const NEWS: u32 = 1 << (7 - 1);

/// Where in the packet's way a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Prerouting = 0,
    Input = 1,
    Forward = 2,
}

/// A chain that the kernel calls; its policy is accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// `filter` or `nat`.
    pub kind: &'static str,
    pub hook: Hook,
    pub priority: i32,
}

/// One transaction on one table: the kernel does all of it or nothing.
#[derive(Debug)]
pub struct Batch {
    writer: Writer,
    table: &'static str,
    steps: Vec<Step>,
    sets: u32,
}

/// One message of a transaction, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Such as `add chain`.
    pub what: &'static str,
    /// Name of the chain or set; empty for the table.
    pub name: &'static str,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" => f.write_str(self.what),
            name => write!(f, "{} {name}", self.what),
        }
    }
}

impl Batch {
    /// An empty transaction on `table`.
    pub fn new(table: &'static str) -> Self {
        let mut writer = Writer::default();
        frame(&mut writer, BATCH_BEGIN);
        Self { writer, table, steps: Vec::new(), sets: 0 }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many sequence numbers it takes.
    pub fn numbers(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX).saturating_add(2)
    }

    /// The datagram, its messages numbered from `first` on; only the last step asks for an acknowledgement
    /// (kernels before 6.10 do not acknowledge the end of a batch). Then the steps; the first is number
    /// `first + 1`.
    pub fn finish(self, first: u32) -> (Vec<u8>, Vec<Step>) {
        let Self { mut writer, steps, .. } = self;
        writer.flag_last(netlink::ACK);
        frame(&mut writer, BATCH_END);
        writer.number(first);
        (writer.into_bytes(), steps)
    }

    /// The table; nothing happens if it is there. Without flags, so that one which is switched off is not
    /// switched on just to be deleted.
    pub fn add_table(&mut self, comment: &str) {
        self.step(NEW_TABLE, netlink::CREATE, Step { what: "add table", name: "" }, |a| {
            if !comment.is_empty() {
                a.put(6, &read::comment_bytes(comment));
            }
        });
    }

    /// The table and all in it, gone.
    pub fn delete_table(&mut self) {
        self.step(DELETE_TABLE, 0, Step { what: "delete table", name: "" }, |_| {});
    }

    /// A chain.
    pub fn add_chain(&mut self, name: &'static str, base: Option<BaseChain>) {
        self.step(NEW_CHAIN, netlink::CREATE, Step { what: "add chain", name }, |a| {
            a.text(3, name);
            if let Some(base) = base {
                a.nest(4, |a| {
                    a.be32(1, base.hook as u32);
                    a.put(2, &base.priority.to_be_bytes());
                });
                a.be32(5, 1);
                a.text(7, base.kind);
            }
        });
    }

    /// A chain gone, with its rules; the transaction fails if it is not there.
    pub fn delete_chain(&mut self, name: &'static str) {
        let step = |what| Step { what, name };
        self.step(DELETE_RULE, 0, step("delete rules of"), |a| a.text(2, name));
        self.step(DELETE_CHAIN, 0, step("delete chain"), |a| a.text(3, name));
    }

    /// A rule at the end of `chain`.
    pub fn add_rule(&mut self, chain: &'static str, rule: &[Expr]) {
        let before = self.sets;
        for expr in rule {
            if let Expr::Among(key, values) = expr {
                self.add_anonymous(*key, values);
            }
        }
        let step = Step { what: "add rule to", name: chain };
        self.step(NEW_RULE, netlink::CREATE | netlink::APPEND, step, |a| {
            a.text(2, chain);
            a.nest(4, |list| {
                let mut anonymous = before;
                for expr in rule {
                    anonymous += u32::from(matches!(expr, Expr::Among(..)));
                    expr.write(list, anonymous);
                }
            });
        });
    }

    /// A set or map.
    pub fn add_set(&mut self, set: &Set) {
        self.write_set(Step { what: "add set", name: set.name }, set);
    }

    fn add_anonymous(&mut self, key: Key, values: &[Vec<u8>]) {
        let size = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let (name, flags) = (expr::ANONYMOUS, ANONYMOUS | CONSTANT);
        let set = Set { name, key, holds: Holds::Nothing, flags, size, stay: None };
        self.write_set(Step { what: "add set", name }, &set);
        let elements: Vec<_> = values.iter().map(|value| Put::key(value)).collect();
        let id = self.sets;
        self.elements(NEW_ELEMENT, netlink::CREATE, Step { what: "add elements to", name }, &elements, id);
    }

    fn write_set(&mut self, step: Step, set: &Set) {
        self.sets += 1;
        let id = self.sets;
        self.step(NEW_SET, netlink::CREATE, step, |a| set.write(a, id));
    }

    /// Elements; one that is there already is left as it is, if it is the same.
    pub fn add_elements(&mut self, set: &'static str, elements: &[Put]) {
        let step = Step { what: "add elements to", name: set };
        self.elements(NEW_ELEMENT, netlink::CREATE, step, elements, 0);
    }

    /// Elements gone; the transaction fails if one is not there.
    pub fn delete_elements(&mut self, set: &'static str, elements: &[Put]) {
        self.elements(DELETE_ELEMENT, 0, Step { what: "delete elements from", name: set }, elements, 0);
    }

    /// Elements gone, whether they were there or not: added first as they are given, which does nothing to
    /// those that are there like that.
    pub fn remove_elements(&mut self, set: &'static str, elements: &[Put]) {
        self.add_elements(set, elements);
        let keys: Vec<_> = elements.iter().map(|element| Put::key(&element.key)).collect();
        self.delete_elements(set, &keys);
    }

    fn elements(&mut self, kind: u16, flags: u16, step: Step, elements: &[Put], id: u32) {
        let Some(heaviest) = elements.iter().map(Put::weight).max() else { return };
        for chunk in elements.chunks((LONGEST_LIST / heaviest).max(1)) {
            self.step(kind, flags, step, |a| {
                a.text(2, step.name);
                if id != 0 {
                    a.be32(4, id);
                }
                a.nest(3, |a| chunk.iter().for_each(|element| element.write(a)));
            });
        }
    }

    /// A limit or a quota by its name. Of a quota that is there the bytes are changed, and what is used
    /// stays; a limit that is there cannot be changed.
    pub fn add_object(&mut self, name: &str, state: State) {
        self.step(NEW_OBJECT, netlink::CREATE, Step { what: "add object", name: "" }, |a| {
            a.text(2, name);
            a.be32(3, state.object_kind());
            a.nest(4, |a| state.write_content(a));
        });
    }

    /// A limit or a quota gone; the transaction fails if it is not there, or if a map still has it.
    pub fn delete_object(&mut self, name: &str, state: State) {
        self.step(DELETE_OBJECT, 0, Step { what: "delete object", name: "" }, |a| {
            a.text(2, name);
            a.be32(3, state.object_kind());
        });
    }

    fn step(&mut self, kind: u16, flags: u16, step: Step, body: impl FnOnce(&mut Attributes<'_>)) {
        self.writer.message(SUBSYSTEM | kind, netlink::REQUEST | flags, 0, &[INET, 0, 0, 0], |a| {
            a.text(1, self.table);
            body(a);
        });
        self.steps.push(step);
    }
}

/// Asks for a table; `ENOENT` if there is none.
pub fn get_table(table: &str, number: u32) -> Vec<u8> {
    get(GET_TABLE, 0, number, |a| a.text(1, table))
}

/// Asks for all chains of the family: the kernel does not choose by table.
pub fn get_chains(number: u32) -> Vec<u8> {
    get(GET_CHAIN, netlink::DUMP, number, |_| {})
}

/// Asks for the rules of a table.
pub fn get_rules(table: &str, number: u32) -> Vec<u8> {
    get(GET_RULE, netlink::DUMP, number, |a| a.text(1, table))
}

/// Asks for the chains of all families.
pub fn get_all_chains(number: u32) -> Vec<u8> {
    get_of(EVERY_FAMILY, GET_CHAIN, netlink::DUMP, number, |_| {})
}

/// Asks for the rules of all families.
pub fn get_all_rules(number: u32) -> Vec<u8> {
    get_of(EVERY_FAMILY, GET_RULE, netlink::DUMP, number, |_| {})
}

/// Asks for the sets of a table.
pub fn get_sets(table: &str, number: u32) -> Vec<u8> {
    get(GET_SET, netlink::DUMP, number, |a| a.text(1, table))
}

/// Asks for the elements of a set; `ENOENT` if there is no such set.
pub fn get_elements(table: &str, set: &str, number: u32) -> Vec<u8> {
    get(GET_ELEMENT, netlink::DUMP, number, |a| {
        a.text(1, table);
        a.text(2, set);
    })
}

/// Asks for one element of a set; `ENOENT` if it is not there.
pub fn get_element(table: &str, set: &str, key: &[u8], number: u32) -> Vec<u8> {
    get(GET_ELEMENT, 0, number, |a| {
        a.text(1, table);
        a.text(2, set);
        a.nest(3, |a| Put::key(key).write(a));
    })
}

/// Asks for the limits and quotas of a table.
pub fn get_objects(table: &str, number: u32) -> Vec<u8> {
    get(GET_OBJECT, netlink::DUMP, number, |a| a.text(1, table))
}

fn get(kind: u16, flags: u16, number: u32, body: impl FnOnce(&mut Attributes<'_>)) -> Vec<u8> {
    get_of(INET, kind, flags, number, body)
}

fn get_of(family: u8, kind: u16, flags: u16, number: u32, body: impl FnOnce(&mut Attributes<'_>)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(SUBSYSTEM | kind, netlink::REQUEST | flags, number, &[family, 0, 0, 0], body);
    writer.into_bytes()
}

fn frame(writer: &mut Writer, kind: u16) {
    // The subsystem stands in the resource id.
    writer.message(kind, netlink::REQUEST, 0, &[0, 0, 0, 10], |_| {});
}
