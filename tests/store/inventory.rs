//! The inventory of what is stored of whom: it lists what there is.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::Value;

use super::sales::open;

/// What is stored of whom, as it is written down for operators and authorities.
pub(crate) const INVENTORY: &str = include_str!("../../src/store/inventory.json");

/// Table, column, and what the schema says of it.
fn columns(conn: &Connection) -> BTreeMap<(String, String), String> {
    let mut tables = conn
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut found = BTreeMap::new();
    for (table, sql) in tables.map(|row: rusqlite::Result<(String, String)>| row.unwrap()) {
        let mut columns = conn.prepare(&format!("PRAGMA table_info({table})")).unwrap();
        let names = columns.query_map([], |row| row.get::<_, String>(1)).unwrap();
        for column in names.map(Result::unwrap) {
            let said = sql.lines().find_map(|line| {
                // A column that came later stands behind the last of those before it.
                let (definition, comment) = line.split_once("-- ")?;
                let last = definition.trim_end().trim_end_matches(',').rsplit(", ").next()?;
                (last.split_whitespace().next() == Some(&column)).then(|| comment.to_owned())
            });
            found.insert((table.clone(), column), said.unwrap_or_default());
        }
    }
    found
}

#[test]
fn the_inventory_lists_every_column_there_is_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).store);
    let live = columns(&Connection::open(dir.path().join("lango.db")).unwrap());
    let inventory: Value = serde_json::from_str(INVENTORY).unwrap();
    let word = |column: &Value, key: &str| column[key].as_str().expect(key).to_owned();
    let (mut listed, mut is_sealed) = (BTreeMap::new(), BTreeSet::new());
    for column in inventory["columns"].as_array().unwrap() {
        let place = (word(column, "table"), word(column, "column"));
        for class in ["retention", "basis"] {
            let class_of = word(column, class);
            assert!(inventory[class][&class_of].is_string(), "{place:?}: there is no {class} {class_of}");
        }
        for text in ["what", "purpose"] {
            assert!(!word(column, text).is_empty(), "{place:?}");
        }
        let is_personal = column["personal"].as_bool().unwrap();
        assert!(!is_personal || column["basis"] != "none", "{place:?} is a person's without a reason");
        let (sealed, plain) = (column["sealed"].as_bool(), column["plain"].as_str());
        assert_eq!(sealed.is_some(), is_personal, "{place:?}");
        assert_eq!(
            plain.is_some_and(|why| !why.is_empty()),
            sealed == Some(false),
            "{place:?}: plain, and why"
        );
        is_sealed.extend((sealed == Some(true)).then(|| place.clone()));
        assert_eq!(listed.insert(place.clone(), is_personal), None, "{place:?} is listed twice");
    }
    let names =
        |of: Vec<&(String, String)>| of.into_iter().map(|(t, c)| format!("{t}.{c}")).collect::<Vec<_>>();
    assert_eq!(names(listed.keys().collect()), names(live.keys().collect()), "listed, and there");
    for (place, said) in &live {
        assert_eq!(listed[place], said.starts_with("personal: "), "{place:?}: the schema says '{said}'");
        assert_eq!(is_sealed.contains(place), said.starts_with("personal: sealed, "), "{place:?}: '{said}'");
    }
    assert!(listed.values().filter(|personal| **personal).count() > 15, "the schema tells whose what is");
}
