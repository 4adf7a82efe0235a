//! `lango setup` on the files that OpenWrt 24.10 and 25.12 begin with, through a stand-in for their `uci`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::daemon::{code, printed, stderr, stdout};

const PACKAGES: [&str; 5] = ["network", "dhcp", "firewall", "wireless", "lango"];

/// The settings of a machine.
struct Machine(tempfile::TempDir);

impl Machine {
    fn stock(version: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwrt/stock").join(version);
        for package in ["network", "dhcp", "firewall", "wireless"] {
            fs::copy(stock.join(package), machine.file(package)).unwrap();
        }
        let state = machine.0.path().join("state");
        let text = format!(
            "\nconfig gateway 'main'\n\toption enabled '0'\n\tlist interface 'br-guest'\n\toption state_dir '{}'\n",
            state.display()
        );
        fs::write(machine.file("lango"), text).unwrap();
        machine
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn setup(&self, options: &[&str]) -> Output {
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwrt/stand_in");
        self.run(options, &stand_in)
    }

    fn run(&self, options: &[&str], path: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lango"));
        command.arg("setup").args(options).arg("--config").arg(self.file("lango"));
        command.env("PATH", path).output().unwrap()
    }

    /// All settings, as uci exports them.
    fn settings(&self) -> Vec<String> {
        let uci = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwrt/stand_in/uci");
        let export = |package: &str| {
            let exported = Command::new(&uci).arg("-c").arg(self.0.path()).args(["export", package]).output();
            String::from_utf8(exported.unwrap().stdout).unwrap()
        };
        PACKAGES.map(export).to_vec()
    }

    fn undo_file(&self) -> PathBuf {
        self.file("state").join("setup-undo.json")
    }
}

#[test]
fn a_fresh_openwrt_becomes_a_hotspot_and_is_itself_again() {
    for version in ["24.10", "25.12"] {
        let machine = Machine::stock(version);
        let before = machine.settings();
        let shown = machine.setup(&[]);
        assert_eq!(code(&shown), 0, "{}", stderr(&shown));
        for line in
            ["uci set network.guest.ipaddr='10.77.0.1'", "# who has paid reaches the internet", "--apply"]
        {
            assert!(stdout(&shown).contains(line), "{line} is not in: {}", stdout(&shown));
        }
        assert_eq!(machine.settings(), before, "to show is not to do");

        let applied = machine.setup(&["--apply", "--json"]);
        assert_eq!(code(&applied), 0, "{}", stderr(&applied));
        let report = printed(&applied);
        assert_eq!(report["applied"], true);
        assert_eq!(report["next"][1], "/etc/init.d/lango start");
        let after = machine.settings();
        for (number, line) in [
            (0, "config interface 'guest'"),
            (1, "\tlist address '/wifi.lango/10.77.0.1'"),
            (2, "config zone 'guest'"),
            (3, "\toption isolate '1'"),
            (4, "\toption enabled '1'"),
        ] {
            assert!(after[number].contains(line), "{line} is not in: {}", after[number]);
        }
        let checked = Command::new(env!("CARGO_BIN_EXE_lango"))
            .args(["check", "--config"])
            .arg(machine.file("lango"))
            .output()
            .unwrap();
        assert_eq!(code(&checked), 0, "{}", stdout(&checked));

        let again = machine.setup(&["--apply"]);
        assert!(stdout(&again).contains("nothing to do"), "{}", stdout(&again));
        assert_eq!(machine.settings(), after);

        let undone = machine.setup(&["--undo"]);
        assert_eq!(code(&undone), 0, "{}", stderr(&undone));
        assert_eq!(machine.settings(), before);
        assert!(!machine.undo_file().exists());
        let nothing = machine.setup(&["--undo", "--json"]);
        assert_eq!((code(&nothing), printed(&nothing)["error"]["code"].as_str()), (1, Some("refused")));
    }
}

#[test]
fn what_was_added_in_two_goes_is_taken_back_at_once() {
    let machine = Machine::stock("25.12");
    let before = machine.settings();
    assert_eq!(code(&machine.setup(&["--apply"])), 0);
    // A radio that was plugged in later.
    let radio = "\nconfig wifi-device 'radio2'\n\toption type 'mac80211'\n";
    let wireless = machine.file("wireless");
    fs::write(&wireless, fs::read_to_string(&wireless).unwrap() + radio).unwrap();
    let second = machine.setup(&["--apply"]);
    assert!(stdout(&second).contains("wireless.guest_radio2"), "{}", stdout(&second));
    assert_eq!(code(&machine.setup(&["--undo"])), 0);
    let after = machine.settings();
    assert_eq!(after[..3], before[..3]);
    assert!(after[3].contains("radio2") && !after[3].contains("guest"), "{}", after[3]);
}

#[test]
fn what_somebody_else_has_staged_is_not_committed_along() {
    let machine = Machine::stock("25.12");
    fs::create_dir(machine.file(".staged")).unwrap();
    fs::copy(machine.file("firewall"), machine.file(".staged/firewall")).unwrap();
    for option in ["--apply", "--undo"] {
        if option == "--undo" {
            fs::create_dir_all(machine.file("state")).unwrap();
            fs::write(machine.undo_file(), "{\"commands\":[]}").unwrap();
        }
        let refused = machine.setup(&[option]);
        assert_eq!(code(&refused), 1, "{}", stdout(&refused));
        assert!(
            stderr(&refused).contains("changes of firewall that are not committed"),
            "{}",
            stderr(&refused)
        );
    }
}

#[test]
fn what_uci_does_not_take_whole_is_not_taken_at_all() {
    let machine = Machine::stock("24.10");
    let before = machine.settings();
    fs::write(machine.file(".deaf"), "").unwrap();
    let failed = machine.setup(&["--apply"]);
    assert_eq!(code(&failed), 70, "{}", stdout(&failed));
    assert!(stderr(&failed).contains("nothing is changed"), "{}", stderr(&failed));
    assert_eq!(machine.settings(), before);
    assert!(!machine.undo_file().exists());
}

#[test]
fn without_openwrt_there_is_nothing_to_set_up() {
    let machine = Machine::stock("25.12");
    let failed = machine.run(&["--apply", "--json"], machine.0.path());
    assert_eq!(code(&failed), 1);
    assert_eq!(printed(&failed)["error"]["code"], "unsupported");
    let both = machine.setup(&["--apply", "--undo"]);
    assert_eq!(code(&both), 2, "{}", stderr(&both));
}

#[test]
fn what_somebody_but_root_has_written_is_not_undone() {
    let machine = Machine::stock("25.12");
    let before = machine.settings();
    fs::create_dir_all(machine.file("state")).unwrap();
    fs::write(machine.undo_file(), "{\"commands\":[\"set firewall.@zone[1].input='ACCEPT'\"]}").unwrap();
    std::os::unix::fs::chown(machine.undo_file(), Some(65_534), None).unwrap();
    let refused = machine.setup(&["--undo"]);
    assert!(stderr(&refused).contains("somebody but root has written it"), "{}", stderr(&refused));
    assert_eq!(machine.settings(), before);
}
