//! What the commands say of the cloud, asked of a real daemon in a network of its own.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lango::domain::Wall;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::cloud::{Cloud, SITE};
use crate::joining::{Place, claim};

/// Everything that this thread starts from now on is in a network with a guest bridge, and nobody else in it.
fn own_network() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    for line in [
        "link set lo up",
        "link add br-guest type bridge",
        "addr add 10.77.0.1/24 dev br-guest",
        "link set br-guest up",
    ] {
        assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
    }
}

/// A daemon; ends with this value.
struct Daemon<'a> {
    place: &'a Place,
    child: Child,
}

impl<'a> Daemon<'a> {
    fn start(place: &'a Place) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lango"));
        command.args(["run", "--log", "stderr", "--config"]).arg(place.config());
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let daemon = Self { place, child };
        until("the daemon answers", || daemon.place.ask(&["status"]).0 == 0);
        daemon
    }

    fn cloud(&self) -> Value {
        self.place.ask(&["status"]).1["cloud"].clone()
    }

    /// The line of `lango doctor` for the cloud.
    fn doctor(&self) -> Value {
        let (_, checks) = self.place.ask(&["doctor"]);
        checks.as_array().unwrap().iter().find(|check| check["check"] == "cloud").unwrap().clone()
    }

    /// Has a round fail, and returns what is wrong after it; `status`, `sync` and `doctor` say the same.
    fn trouble(&self) -> String {
        let (code, said) = self.place.ask(&["sync", "--now"]);
        assert_eq!((code, &said["error"]["code"]), (1, &json!("refused")), "{said}");
        let what = said["error"]["message"].as_str().unwrap().to_owned();
        let (code, sync) = self.place.ask(&["sync"]);
        assert_eq!((code, &sync["last_error"]), (0, &said["error"]["message"]));
        assert!(Wall::parse(sync["since"].as_str().unwrap()).is_some(), "{sync}");
        assert_eq!(self.cloud()["last_error"], sync["last_error"]);
        let doctor = self.doctor();
        assert_eq!(doctor["state"], "fail");
        let message = doctor["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("{what}, since {}", sync["since"].as_str().unwrap())),
            "{doctor}"
        );
        assert_eq!(doctor["remedy"], said["error"]["remedy"]);
        what
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(10) {
                // Its loop hangs, which the test has told by now.
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_commands_say_how_it_stands_with_the_cloud_and_since_when() {
    own_network();
    let (mut cloud, place) = (Cloud::start(), Place::new());
    cloud.plan("week");
    let daemon = Daemon::start(&place);
    for args in [["sync"].as_slice(), &["sync", "--now"]] {
        let (code, said) = place.ask(args);
        assert_eq!((code, &said["error"]["message"]), (1, &json!("no cloud is configured")));
        assert!(said["error"]["remedy"].as_str().unwrap().contains("lango enrol"), "{said}");
    }
    assert_eq!((&daemon.cloud()["configured"], &daemon.doctor()["state"]), (&json!(false), &json!("ok")));

    assert_eq!(place.ask(&["enrol", "https://user:geheim@127.0.0.1:1/?t=x", "c"]).0, 2);
    let (code, said) = place.ask(&["enrol", &cloud.url(), "made-up", "--ca", &place.ca(&cloud)]);
    assert_eq!((code, said["error"]["code"].as_str()), (1, Some("refused")), "{said}");
    let (code, said) = place.ask(&["enrol", &cloud.url(), &claim(&cloud), "--ca", &place.ca(&cloud)]);
    assert_eq!((code, &said["site"]), (0, &json!(SITE)), "{said}");
    assert_eq!(daemon.cloud()["configured"], false, "from the next start on");
    drop(daemon);
    assert_eq!(place.enrolments(), [cloud.url()], "who was refused has not joined");
    let daemon = Daemon::start(&place);
    let (code, sync) = place.ask(&["sync", "--now"]);
    assert_eq!((code, &sync["configured"], &sync["last_error"]), (0, &json!(true), &Value::Null), "{sync}");
    assert!(Wall::parse(sync["last_success"].as_str().unwrap()).is_some(), "{sync}");
    let cursor = sync["cursor"].as_str().unwrap();
    assert!(cursor.split('.').all(|part| part.parse::<u64>().is_ok()) && cursor.contains('.'), "{sync}");
    let (_, status) = place.ask(&["status"]);
    assert_eq!((&status["site"], &status["cloud"]["cursor"]), (&json!(SITE), &json!(cursor)));
    let (_, plans) = place.ask(&["plan", "list"]);
    assert!(plans.as_array().unwrap().iter().any(|plan| plan["id"] == "week" && plan["source"] == "cloud"));
    assert_eq!(daemon.doctor()["state"], "ok");

    cloud.fault("status", json!(401), "feed");
    assert!(daemon.trouble().contains("does not accept the token (status 401)"));
    cloud.mend();
    assert_eq!(place.ask(&["sync", "--now"]).0, 0);
    assert_eq!((&daemon.cloud()["last_error"], &daemon.cloud()["since"]), (&Value::Null, &Value::Null));
    cloud.fault("wrong_site", Value::Null, "feed");
    cloud.plan("month");
    assert!(daemon.trouble().contains("the page is of another site"));
    cloud.mend();
    // A certificate is looked at when a line is opened.
    cloud.restart();
    cloud.tell("fault", json!(["certificate", "expired"]), json!({}));
    assert!(daemon.trouble().contains("certificate has expired"));
    drop(cloud);
    assert!(daemon.trouble().contains("no connection to 127.0.0.1"));
    let (_, session) = place.ask(&["login", "02:77:00:00:00:01", "--plan", "hour"]);
    assert_eq!(session["plan"], "hour", "which goes on without the cloud");
    assert!(daemon.cloud()["outbox"].as_u64().unwrap() > 0);
}

#[test]
fn nobody_waits_for_a_round_but_who_ordered_it() {
    own_network();
    let (cloud, place) = (Cloud::start(), Place::new());
    let daemon = Daemon::start(&place);
    place.ask(&["enrol", &cloud.url(), &claim(&cloud), "--ca", &place.ca(&cloud)]);
    drop(daemon);
    let daemon = Daemon::start(&place);
    assert_eq!(place.ask(&["sync", "--now"]).0, 0);
    cloud.fault("slow", json!(4), "feed");
    cloud.plan("week");
    std::thread::scope(|scope| {
        let round = scope.spawn(|| (place.ask(&["sync", "--now"]), Instant::now()));
        let begin = Instant::now();
        while !round.is_finished() {
            let asked = Instant::now();
            assert_eq!(place.ask(&["status"]).0, 0);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        }
        let ((code, sync), end) = round.join().unwrap();
        assert_eq!((code, &sync["last_error"]), (0, &Value::Null));
        assert!(end.duration_since(begin) > Duration::from_secs(3), "it is answered when it is over");
    });
    drop(daemon);
}
