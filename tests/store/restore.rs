//! Another state in the place of the one there is: nobody opens the one while the other comes.

use std::fs::File;

use lango::store::{OpenError, Staging};

use super::sales::open;

#[test]
fn nobody_opens_what_is_about_to_be_replaced_and_nobody_replaces_what_is_being_opened() {
    let dir = tempfile::tempdir().unwrap();
    // There is no database yet that could be locked.
    let staging = Staging::begin(dir.path()).unwrap();
    assert!(matches!(lango::store::open(dir.path()), Err(OpenError::Busy { .. })));
    assert!(matches!(Staging::begin(dir.path()), Err(OpenError::Busy { .. })));
    drop(staging);
    let opened = open(dir.path());
    assert!(matches!(Staging::begin(dir.path()), Err(OpenError::Busy { .. })));
    drop(opened);
    let opening = File::open(dir.path()).unwrap();
    opening.lock().unwrap();
    assert!(matches!(Staging::begin(dir.path()), Err(OpenError::Busy { .. })));
    drop(opening);
    drop(Staging::begin(dir.path()).unwrap());
}
