//! The cloud of `tests/cloud` as a process on loopback, and its operator's commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

pub(crate) const SITE: &str = "kariakoo-01";

/// A cloud that serves one site; ends with this value.
pub(crate) struct Cloud {
    child: Child,
    /// What it says; to be kept, or it breaks off.
    _says: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) signing_key: String,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, _says, port, signing_key) = serve(dir.path(), 0);
        Self { child, _says, dir, port, signing_key }
    }

    /// Ends it and starts it again at the same port.
    pub(crate) fn restart(&mut self) {
        end(&mut self.child);
        (self.child, self._says, _, _) = serve(self.dir.path(), self.port);
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }

    /// Has it do a command of `tests/cloud/run --help`.
    pub(crate) fn tell(&self, what: &str, of: Value, with: Value) -> Value {
        let mut socket = UnixStream::connect(self.dir.path().join("admin.sock")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        writeln!(socket, "{}", json!({ "do": what, "of": of, "with": with })).unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        answer.get("ok").unwrap_or_else(|| panic!("{what}: {answer}")).clone()
    }

    pub(crate) fn fault(&self, name: &str, value: Value, on: &str) {
        self.tell("fault", json!([name, value]), json!({ "on": on }));
    }

    pub(crate) fn mend(&self) {
        self.tell("mend", json!([]), json!({}));
    }

    pub(crate) fn plan(&self, id: &str) {
        self.tell("plan", json!([id]), json!({ "metered_s": 3600 }));
    }

    pub(crate) fn vouchers(&self, count: u32) -> Vec<String> {
        let codes = self.tell("voucher", json!(["hour"]), json!({ "count": count }));
        codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// The status of each request to `path`, as far as they have ended.
    pub(crate) fn statuses(&self, path: &str) -> Vec<Value> {
        let asked = self.tell("requests", json!([]), json!({}));
        let asked = asked.as_array().unwrap().iter();
        let of_path = asked.filter(|one| one["path"].as_str().unwrap().ends_with(path));
        of_path.map(|one| one["status"].clone()).collect()
    }

    /// The numbers of the events that it has, in their order.
    pub(crate) fn events(&self) -> Vec<u64> {
        let events = self.tell("events", json!([]), json!({}));
        events.as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn serve(dir: &Path, port: u16) -> (Child, BufReader<ChildStdout>, u16, String) {
    let mut child = Command::new("tests/cloud/run")
        .arg("--dir")
        .arg(dir)
        .args(["serve", "--site", SITE, "--name", "127.0.0.1", "--listen", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut url, mut key) = (None, None);
    let mut says = BufReader::new(child.stdout.take().unwrap());
    for line in says.by_ref().lines() {
        let line = line.unwrap();
        let value =
            |option: &str| Some(line.trim().strip_prefix(option)?.trim().trim_matches('\'').to_owned());
        url = url.or(value("option url"));
        key = value("option signing_key");
        if key.is_some() {
            break;
        }
    }
    let port = url.unwrap().rsplit(':').next().unwrap().parse().unwrap();
    (child, says, port, key.unwrap())
}

fn end(child: &mut Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = kill(pid, Signal::SIGTERM);
    child.wait().unwrap();
}
