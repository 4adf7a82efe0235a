//! Whether the file of the database still holds what was deleted.
//!
//! Owns: the search for addresses of devices in its bytes. Never: writes. Neighbours: `thread.rs` asks after a purge,
//! and has the file made anew if there are some.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use crate::domain::Mac;
use crate::ordered::OrdSet;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
const MAC: usize = 6;

/// Whether one of `gone` stands in the file, and in no row any more. What is committed has to be in the file.
pub(super) fn any(conn: &Connection, db: &Path, gone: &OrdSet<Mac>) -> Result<bool, StoreError> {
    let mut gone = gone.clone();
    let mut statement = conn.prepare(
        "SELECT mac FROM session UNION SELECT mac FROM device UNION SELECT mac FROM claim
         UNION SELECT mac FROM blocked",
    )?;
    for mac in statement.query_map([], |row| row.get(0))? {
        gone.remove(&Mac::new(mac?));
    }
    let file = File::open(db);
    let found = file.and_then(|file| stands_in(file, &gone));
    found.map_err(|error| StoreError::Io(format!("{}: {error}", db.display())))
}

fn stands_in(mut file: impl Read, macs: &OrdSet<Mac>) -> io::Result<bool> {
    if macs.is_empty() {
        return Ok(false);
    }
    // Few of all addresses end with the same byte: most places are passed by at once.
    let mut ends = [false; 256];
    macs.iter().for_each(|mac| ends[usize::from(mac.bytes()[MAC - 1])] = true);
    let mut held = Vec::with_capacity(CHUNK + MAC);
    loop {
        if file.by_ref().take(CHUNK as u64).read_to_end(&mut held)? == 0 {
            return Ok(false);
        }
        let is_one =
            |place: &[u8; MAC]| ends[usize::from(place[MAC - 1])] && macs.contains(&Mac::new(*place));
        if held.array_windows::<MAC>().any(is_one) {
            return Ok(true);
        }
        // What begins here may end in the next chunk.
        held.drain(..held.len().saturating_sub(MAC - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_wherever_it_stands() {
        let mac = Mac::new([2, 1, 2, 3, 4, 5]);
        let macs: OrdSet<Mac> = [mac, Mac::new([2, 9, 9, 9, 9, 9])].into();
        let size = 2 * CHUNK + 100;
        for at in [0, 1, CHUNK - 6, CHUNK - 5, CHUNK - 1, CHUNK, 2 * CHUNK - 3, size - 6] {
            let mut bytes = vec![0; size];
            bytes[at..at + 6].copy_from_slice(&mac.bytes());
            assert!(stands_in(bytes.as_slice(), &macs).unwrap(), "{at}");
            bytes[at] = 3;
            assert!(!stands_in(bytes.as_slice(), &macs).unwrap(), "{at}");
        }
        assert!(!stands_in(mac.bytes().as_slice(), &OrdSet::new()).unwrap());
    }
}
