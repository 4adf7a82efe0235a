//! Whether the file of the database still holds what was deleted.
//!
//! Owns: the search for marks of sealed fields in its bytes. Never: writes. Neighbours: `thread.rs` asks after a purge,
//! and has the file made anew if there are some; `vault.rs` says what a mark is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::StoreError;
use crate::ordered::OrdSet;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
const LENGTH: usize = 6;

/// Bytes of a field that are in no other.
pub(super) type Mark = [u8; LENGTH];

/// Whether one of `gone` stands in the file. What is committed has to be in the file.
pub(super) fn any(db: &Path, gone: &OrdSet<Mark>) -> Result<bool, StoreError> {
    let found = File::open(db).and_then(|file| stands_in(file, gone));
    found.map_err(|error| StoreError::Io(format!("{}: {error}", db.display())))
}

fn stands_in(mut file: impl Read, marks: &OrdSet<Mark>) -> io::Result<bool> {
    if marks.is_empty() {
        return Ok(false);
    }
    // Few of all marks end with the same byte: most places are passed by at once.
    let mut ends = [false; 256];
    marks.iter().for_each(|mark| ends[usize::from(mark[LENGTH - 1])] = true);
    let mut held = Vec::with_capacity(CHUNK + LENGTH);
    loop {
        if file.by_ref().take(CHUNK as u64).read_to_end(&mut held)? == 0 {
            return Ok(false);
        }
        let is_one = |place: &Mark| ends[usize::from(place[LENGTH - 1])] && marks.contains(place);
        if held.array_windows::<LENGTH>().any(is_one) {
            return Ok(true);
        }
        // What begins here may end in the next chunk.
        held.drain(..held.len().saturating_sub(LENGTH - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_wherever_it_stands() {
        let mark = [2, 1, 2, 3, 4, 5];
        let marks: OrdSet<Mark> = [mark, [2, 9, 9, 9, 9, 9]].into();
        let size = 2 * CHUNK + 100;
        for at in [0, 1, CHUNK - 6, CHUNK - 5, CHUNK - 1, CHUNK, 2 * CHUNK - 3, size - 6] {
            let mut bytes = vec![0; size];
            bytes[at..at + 6].copy_from_slice(&mark);
            assert!(stands_in(bytes.as_slice(), &marks).unwrap(), "{at}");
            bytes[at] = 3;
            assert!(!stands_in(bytes.as_slice(), &marks).unwrap(), "{at}");
        }
        assert!(!stands_in(mark.as_slice(), &OrdSet::new()).unwrap());
    }
}
