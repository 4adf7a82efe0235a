//! Files of `tests/golden/certificates` under clocks of all kinds. `portal`, `other` and `rsa` are for
//! wifi.lango, `wildcard` for *.example.net; `other` ends some years before the rest.

use std::fs;

use super::*;
use crate::domain::Boot;

const NAME: &str = "wifi.lango";
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/certificates");

/// A folder with the files of a portal, and who looks at them.
struct Site {
    folder: tempfile::TempDir,
    certificates: Certificates,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), certificates: Certificates::default() }
    }

    fn files(&self) -> Tls {
        Tls { certificate: self.folder.path().join("crt"), key: self.folder.path().join("key") }
    }

    /// Puts golden files there, in place of others by a new name as renewing programs do.
    fn put(&self, certificate: &str, key: &str) {
        for (file, golden) in [("crt", format!("{certificate}.crt")), ("key", format!("{key}.key"))] {
            self.write(file, &fs::read(Path::new(GOLDEN).join(golden)).unwrap());
        }
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        let unfinished = self.folder.path().join("new");
        fs::write(&unfinished, bytes).unwrap();
        fs::rename(unfinished, self.folder.path().join(file)).unwrap();
    }

    fn look(&mut self, name: &str, now: Now) -> Standing {
        let gateway = Gateway { portal_name: name.to_owned(), ..gateway_of(self) };
        let (shown, standing) = self.certificates.look(&gateway, now);
        let in_force = matches!(standing, Standing::InForce { .. } | Standing::Former { .. });
        assert_eq!(shown.is_some(), in_force);
        standing
    }
}

fn dates(certificate: &str) -> Validity {
    let files = Tls {
        certificate: format!("{GOLDEN}/{certificate}.crt").into(),
        key: format!("{GOLDEN}/{certificate}.key").into(),
    };
    Pair::read(&files).unwrap().validity
}

fn at(wall: Wall) -> Now {
    Now { boot: Boot::from_millis(1), wall, trust: Trust::Trusted }
}

fn in_force(certificate: &str) -> Standing {
    Standing::InForce { until: dates(certificate).until }
}

#[test]
fn keys_of_both_kinds_and_wildcards_are_good() {
    let now = at(dates("portal").from);
    for (certificate, name) in [("portal", NAME), ("rsa", NAME), ("wildcard", "wifi.example.net")] {
        let mut site = Site::new();
        site.put(certificate, certificate);
        assert_eq!(site.look(name, now), in_force(certificate));
        assert_eq!(check_certificate(&site.files(), name), Ok(()));
    }
}

#[test]
fn what_is_wrong_is_said_of_the_option_that_it_is_about() {
    let now = at(dates("portal").from);
    let (not_pem, empty) = (b"hello".to_vec(), Vec::new());
    let garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let key = fs::read(format!("{GOLDEN}/portal.key")).unwrap();
    for (file, bytes, option, words) in [
        ("crt", None, "certificate", "No such file"),
        ("crt", Some(&not_pem), "certificate", "no certificate"),
        ("crt", Some(&empty), "certificate", "no certificate"),
        ("crt", Some(&garbled), "certificate", "something else"),
        ("crt", Some(&key), "certificate", "no certificate"),
        ("key", None, "key", "No such file"),
        ("key", Some(&not_pem), "key", "no private key"),
        ("key", Some(&garbled), "key", "no private key"),
    ] {
        let mut site = Site::new();
        site.put("portal", "portal");
        match bytes {
            Some(bytes) => site.write(file, bytes),
            None => fs::remove_file(site.folder.path().join(file)).unwrap(),
        }
        let Standing::Withdrawn(flaw) = site.look(NAME, now) else { panic!("{file} {words} is in force") };
        assert_eq!(flaw.option(), option);
        assert!(flaw.to_string().contains(words) && !flaw.remedy().is_empty(), "{flaw}");
        assert_eq!(check_certificate(&site.files(), NAME), Err(flaw));
    }
    let mut site = Site::new();
    site.put("portal", "other");
    assert_eq!(site.look(NAME, now), Standing::Withdrawn(Flaw::Mismatch));
    site.put("wildcard", "wildcard");
    for name in [NAME, "example.net", "a.b.example.net"] {
        assert_eq!(site.look(name, now), Standing::Withdrawn(Flaw::Name(name.to_owned())));
    }
}

#[test]
fn it_is_in_force_within_its_dates_by_a_clock_that_is_trusted() {
    let mut site = Site::new();
    site.put("portal", "portal");
    let Validity { from, until } = dates("portal");
    let second = |wall: Wall, by: i64| Wall::from_secs(wall.as_secs() + by);
    for (now, expected) in [
        (at(second(from, -1)), Standing::Withdrawn(Flaw::NotYet(from))),
        (at(from), in_force("portal")),
        (at(second(until, -1)), in_force("portal")),
        (at(until), Standing::Withdrawn(Flaw::Expired(until))),
        (Now { trust: Trust::Floor, ..at(from) }, Standing::Withdrawn(Flaw::Clock)),
        (at(from), in_force("portal")),
    ] {
        assert_eq!(site.look(NAME, now), expected, "{now:?}");
    }
}

#[test]
fn new_files_are_taken_and_bad_ones_leave_the_former_in_force_as_long_as_it_is_good() {
    let mut site = Site::new();
    let now = at(dates("portal").from);
    let former = |flaw| Standing::Former { until: dates("other").until, flaw };
    site.put("other", "other");
    assert_eq!(site.look(NAME, now), in_force("other"));
    // Half of what is new is there.
    site.put("portal", "other");
    assert_eq!(site.look(NAME, now), former(Flaw::Mismatch));
    site.put("wildcard", "wildcard");
    assert_eq!(site.look(NAME, now), former(Flaw::Name(NAME.into())));
    fs::remove_file(site.folder.path().join("crt")).unwrap();
    assert!(matches!(site.look(NAME, now), Standing::Former { flaw: Flaw::Certificate { .. }, .. }));
    let past = at(dates("other").until);
    assert!(matches!(site.look(NAME, past), Standing::Withdrawn(Flaw::Certificate { .. })));
    site.put("portal", "portal");
    assert_eq!(site.look(NAME, past), in_force("portal"));
    site.put("rsa", "rsa");
    assert_eq!(site.look(NAME, past), in_force("rsa"));
}

#[test]
fn flash_is_read_only_when_something_has_changed() {
    let mut site = Site::new();
    let now = at(dates("portal").from);
    site.put("portal", "portal");
    site.look(NAME, now);
    let before = site.certificates.look(&gateway_of(&site), now).0.unwrap().config();
    let after = site.certificates.look(&gateway_of(&site), now).0.unwrap().config();
    assert!(Arc::ptr_eq(&before, &after), "sessions may be resumed");
    site.put("portal", "portal");
    let again = site.certificates.look(&gateway_of(&site), now).0.unwrap().config();
    assert!(!Arc::ptr_eq(&before, &again));
}

fn gateway_of(site: &Site) -> Gateway {
    Gateway { tls: Some(site.files()), ..crate::portal::tests::config(2080).gateway }
}
