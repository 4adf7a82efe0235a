//! How the real daemon says that it cannot start: with which exit code, and where a script finds the reason.
//! Needs root, to become somebody else.
#![expect(clippy::disallowed_methods, reason = "starts the program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const NOBODY: u32 = 65_534;

/// A place that everybody can read, with the program, a configuration and a state directory of root's.
struct Place(tempfile::TempDir);

impl Place {
    fn new(option: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let dir = place.dir();
        std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
        // Copied by another process: a file that this one writes stays busy while another test forks.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_lango")).arg(dir.join("lango")).status();
        assert!(copied.unwrap().success());
        let text = format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{0}/state'\n\
             \toption run_dir '{0}/run'\n{option}\nconfig plan 'hour'\n",
            dir.display()
        );
        std::fs::write(dir.join("conf"), text).unwrap();
        for name in ["state", "run"] {
            std::fs::create_dir(dir.join(name)).unwrap();
        }
        place
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Runs `lango args --config` with this configuration. Stderr is no terminal.
    fn lango(&self, args: &[&str], user: Option<u32>) -> Output {
        let mut command = Command::new(self.dir().join("lango"));
        command.args(args).arg("--config").arg(self.dir().join("conf"));
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command.output().unwrap()
    }

    fn is_untouched(&self) -> bool {
        ["state", "run"].iter().all(|name| std::fs::read_dir(self.dir().join(name)).unwrap().count() == 0)
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn why_it_cannot_start_is_on_stderr_wherever_the_log_goes() {
    let place = Place::new("\toption portal_port 'x'\n\toption frob '1'");
    for args in [["run"].as_slice(), &["run", "--log", "syslog"], &["run", "--log", "stderr"]] {
        let output = place.lango(args, None);
        assert_eq!(code(&output), 78, "{}", stderr(&output));
        for error in ["/conf:5: portal_port: ", "/conf:6: frob: "] {
            assert_eq!(stderr(&output).matches(error).count(), 1, "{args:?}: {}", stderr(&output));
        }
    }
    assert!(place.is_untouched());
}

#[test]
fn who_may_not_is_told_so_by_the_exit_code() {
    let place = Place::new("");
    let run = place.lango(&["run"], Some(NOBODY));
    assert_eq!(code(&run), 77, "{}", stderr(&run));
    assert!(stderr(&run).contains("Permission denied"), "{}", stderr(&run));
    let new = place.lango(&["voucher", "new", "--plan", "hour", "--offline", "--json"], Some(NOBODY));
    assert_eq!(code(&new), 77, "{}", stderr(&new));
    let said: serde_json::Value = serde_json::from_slice(&new.stdout).unwrap();
    assert_eq!(said["error"]["code"], "no_permission");
    assert_ne!(said["error"]["remedy"], "");
    assert!(place.is_untouched());
    // With its own directories it comes as far as the kernel.
    for name in ["state", "run"] {
        std::os::unix::fs::chown(place.dir().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = place.lango(&["run"], Some(NOBODY));
    assert_eq!(code(&run), 77, "{}", stderr(&run));
    assert!(stderr(&run).contains("CAP_NET_ADMIN"), "{}", stderr(&run));
    std::fs::set_permissions(place.dir().join("conf"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(code(&place.lango(&["run"], Some(NOBODY))), 77, "a configuration that it may not read");
}

#[test]
fn an_offline_command_beside_a_daemon_is_refused_with_advice() {
    let place = Place::new("");
    assert_eq!(code(&place.lango(&["voucher", "list", "--offline"], None)), 0);
    // What a daemon does: it holds the database as long as it lives.
    let _daemon = lango::store::open(&place.dir().join("state")).unwrap();
    let output = place.lango(&["voucher", "new", "--plan", "hour", "--offline"], None);
    assert_eq!((code(&output), output.stdout.as_slice()), (1, b"".as_slice()));
    assert!(stderr(&output).contains("leave out --offline"), "{}", stderr(&output));
}
