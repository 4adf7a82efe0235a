//! `lango enrol` as an operator runs it, without a daemon: what is kept, what is used of it, what is warned of.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lango::domain::{KeyNumber, Normal, SiteKey};
use serde_json::{Value, json};

use crate::cloud::{Cloud, SITE};

/// A gateway's configuration and state.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.configure("", "");
        place
    }

    /// `gateway` stands in line 4 of the file, `cloud` behind line 8.
    fn configure(&self, gateway: &str, cloud: &str) {
        let text = format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{}'\n{gateway}\n\
             config plan 'hour'\n\toption metered '1h'\n\toption number '3'\nconfig plan 'day'\n{cloud}\n\
             config gateway 'main'\n\toption run_dir '{}'\n",
            self.state().display(),
            self.0.path().join("run").display()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path().join("run/lango.sock")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join("conf")
    }

    fn lango(&self, args: &[&str]) -> (i32, Value) {
        self.run(args, "--config", &self.config())
    }

    /// Asks the daemon.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, Value) {
        self.run(args, "--socket", &self.socket())
    }

    fn run(&self, args: &[&str], place: &str, path: &Path) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lango"));
        let Output { status, stdout, .. } =
            command.args(args).args(["--json", place]).arg(path).output().unwrap();
        (status.code().unwrap(), serde_json::from_slice(&stdout).unwrap_or_default())
    }

    fn enrol(&self, cloud: &Cloud, claim: &str) -> (i32, Value) {
        self.lango(&["enrol", &cloud.url(), claim, "--ca", &self.ca(cloud)])
    }

    /// A file with the certificate of the cloud's issuer.
    pub(crate) fn ca(&self, cloud: &Cloud) -> String {
        let ca = self.0.path().join("ca.pem");
        std::fs::write(&ca, cloud.file("keys/ca.pem")).unwrap();
        ca.to_str().unwrap().to_owned()
    }

    fn vouchers(&self, args: &[&str]) -> (i32, Value) {
        self.lango(&[&["voucher", "new", "--offline"], args].concat())
    }

    /// What the trail says of enrolments.
    pub(crate) fn enrolments(&self) -> Vec<String> {
        let (_, rows) = self.lango(&["audit", "--offline"]);
        let rows = rows.as_array().unwrap().iter().filter(|row| row["action"] == "enrol");
        rows.map(|row| row["detail"].as_str().unwrap().to_owned()).collect()
    }

    /// The errors of `lango check`.
    fn wrong(&self) -> String {
        let (code, said) = self.lango(&["check"]);
        assert_eq!(code == 0, said["error"].is_null(), "{said}");
        said["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn claim(cloud: &Cloud) -> String {
    cloud.tell("claim", json!([]), json!({})).as_str().unwrap().to_owned()
}

#[test]
fn what_a_claim_brings_is_kept_and_used() {
    let (cloud, place) = (Cloud::start(), Place::new());
    let claim = claim(&cloud);
    let (code, said) = place.enrol(&cloud, &claim);
    let joined = json!({"site": SITE, "url": cloud.url(), "restart_needed": true, "warnings": []});
    assert_eq!((code, &said), (0, &joined));
    let path = place.state().join("enrolment.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&kept["site"], &kept["url"]), (&json!(SITE), &json!(cloud.url())));
    let token = String::from_utf8(cloud.file("token")).unwrap();
    assert_eq!(kept["token"].as_str(), Some(token.trim()));
    assert_eq!(place.wrong(), "", "the token is that of the enrolment");

    assert_eq!(place.enrolments(), [cloud.url()]);
    assert_eq!(place.enrol(&cloud, &claim), (0, joined), "the answer may have been lost");
    let other = Place::new();
    let (code, said) = other.enrol(&cloud, &claim);
    assert_eq!((code, said["error"]["code"].as_str()), (1, Some("refused")), "{said}");
    assert!(said["error"]["remedy"].as_str().unwrap().contains("make a new one"), "{said}");
    assert!(!other.state().join("enrolment.json").exists());
}

/// Its token may not count any more: then nobody hands out the key before it has joined anew.
#[test]
fn a_store_whose_key_the_cloud_keeps_may_join_without_it() {
    let (cloud, place) = (Cloud::start(), Place::new());
    let key = lango::store::CloudKey::new([7; 32]);
    let store = lango::store::open_under(&place.state(), key).unwrap().store;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.seal_under(Some(key), lango::domain::Wall::from_secs(0))).unwrap();
    drop(store);
    assert_eq!(place.vouchers(&["--plan", "hour"]).0, 70, "it is shut for everything else");
    let (code, said) = place.enrol(&cloud, &claim(&cloud));
    assert_eq!((code, &said["site"]), (0, &json!(SITE)), "{said}");
    assert!(lango::store::open_under(&place.state(), key).is_ok(), "and sealed as it was");
}

#[test]
fn codes_that_prove_themselves_are_made_under_the_key_of_the_enrolment() {
    let (cloud, place) = (Cloud::start(), Place::new());
    let new = ["--plan", "hour", "--self-verifying", "--count", "50"];
    assert_eq!(place.vouchers(&new).0, 0, "the gateway's own key is as good");
    let (code, said) = place.enrol(&cloud, &claim(&cloud));
    let warning = said["warnings"][0].as_str().unwrap();
    assert!(code == 0 && warning.starts_with("50 vouchers were made under another site key"), "{said}");

    let (code, made) = place.vouchers(&new);
    let made = made.as_array().unwrap();
    assert_eq!((code, made.len()), (0, 50));
    let site = SiteKey::new(&cloud.file("site.key").try_into().unwrap());
    let key = site.issuing(KeyNumber::new(0).unwrap());
    let mut serials = Vec::new();
    for one in made {
        let code = one["code"].as_str().unwrap();
        assert_eq!(code.split(' ').map(str::len).collect::<Vec<_>>(), [4; 4], "{code}");
        let issued = key.read(&Normal::of(code).unwrap()).unwrap();
        assert_eq!((issued.plan.get(), &one["plan"]), (3, &json!("hour")));
        serials.push(issued.serial);
        let (code, shown) = place.lango(&["voucher", "show", code, "--offline"]);
        assert_eq!((code, shown["state"].as_str()), (0, Some("unused")), "it is listed, too");
    }
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), 50);

    let (code, said) = place.vouchers(&["--plan", "day", "--self-verifying"]);
    assert_eq!(code, 1);
    assert_eq!(
        said["error"]["message"],
        "plan day has no number, which a code that proves itself has to name"
    );
    place.configure("\tlist issuing_key '4'\n\tlist issuing_key '7'", "");
    let (_, made) = place.vouchers(&["--plan", "hour", "--self-verifying"]);
    assert!(made[0]["code"].as_str().unwrap().starts_with('7'), "the last number is used: {made}");
}

#[test]
fn options_win_over_the_enrolment_and_a_check_says_where_they_contradict_it() {
    let (cloud, place) = (Cloud::start(), Place::new());
    place.configure("\toption site 'elsewhere'", "");
    let (_, said) = place.enrol(&cloud, &claim(&cloud));
    assert!(said["warnings"][0].as_str().unwrap().starts_with("option site is 'elsewhere'"), "{said}");
    let file = place.config().display().to_string();
    assert!(place.wrong().starts_with(&format!("{file}:4: site: the gateway was enrolled as '{SITE}'")));

    place.configure("", "config cloud\n\toption token_file '/nonexistent'\n\toption ca_file '/dev/null'");
    let wrong = place.wrong();
    let lines: Vec<_> = wrong.lines().collect();
    assert!(lines[0].starts_with(&format!("{file}:10: token_file: /nonexistent: ")), "{wrong}");
    assert!(lines[1].starts_with(&format!("{file}:11: ca_file: /dev/null: ")), "{wrong}");

    place.configure("", "config cloud\n\toption url 'https://bos.example.net'");
    assert!(
        place.wrong().contains(": token_file: /etc/lango/cloud.token: "),
        "its token is not for another cloud"
    );

    std::fs::write(place.state().join("enrolment.json"), "{").unwrap();
    place.configure("", "");
    assert!(place.wrong().contains(":3: state_dir: enrolment.json"), "{}", place.wrong());
    assert_eq!(place.vouchers(&["--plan", "hour"]).0, 78, "no code is made under a key of chance");
    assert_eq!(place.enrol(&cloud, &claim(&cloud)).0, 0, "which puts it right");
    assert_eq!((place.wrong().as_str(), place.vouchers(&["--plan", "hour"]).0), ("", 0));
}

#[test]
fn who_cannot_join_is_told_why() {
    let (cloud, place) = (Cloud::start(), Place::new());
    let (code, said) = place.lango(&["enrol", &cloud.url(), "made-up"]);
    assert_eq!((code, said["error"]["code"].as_str()), (1, Some("refused")), "{said}");
    assert!(said["error"]["remedy"].as_str().unwrap().contains("--ca FILE"), "{said}");
    for (url, exit, word) in [
        ("ftp://bos.example.net", 2, "usage"),
        ("http://bos.example.net", 2, "usage"),
        ("https://user:geheim@127.0.0.1:1/?t=x", 2, "usage"),
        ("https://127.0.0.1:1", 1, "refused"),
    ] {
        let (code, said) = place.lango(&["enrol", url, "c"]);
        assert_eq!((code, said["error"]["code"].as_str()), (exit, Some(word)), "{url}: {said}");
    }
    assert_eq!(place.enrolments(), [""; 0], "nobody has joined anything");
    assert!(!place.state().join("enrolment.json").exists());
}
