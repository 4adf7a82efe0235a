//! The cloud of this folder as a process, and its operator's commands, for tests in Rust.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A way to start a program, perhaps elsewhere.
pub(crate) type Spawn = Box<dyn Fn(&mut Command) -> Child + Send + Sync>;

/// A cloud that serves one site; ends with this value.
pub(crate) struct Process {
    child: Child,
    /// What it says; to be kept, or it breaks off.
    _says: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
    site: String,
    host: String,
    spawn: Spawn,
    pub(crate) port: u16,
    pub(crate) signing_key: String,
}

impl Process {
    /// Serves `site` at the address `host`, where `spawn` starts it. Port 0: any that is free.
    pub(crate) fn start(site: &str, host: &str, port: u16, spawn: Spawn) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, _says, port, signing_key) = serve(dir.path(), site, host, port, &spawn);
        let (site, host) = (site.to_owned(), host.to_owned());
        Self { child, _says, dir, site, host, spawn, port, signing_key }
    }

    /// Ends it and starts it again at the same port.
    pub(crate) fn restart(&mut self) {
        end(&mut self.child);
        (self.child, self._says, _, _) =
            serve(self.dir.path(), &self.site, &self.host, self.port, &self.spawn);
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// Where one of its files is: `token`, `site.key`, `keys/ca.pem`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Has it do a command of `tests/cloud/run --help`.
    pub(crate) fn tell(&self, what: &str, of: Value, with: Value) -> Value {
        let mut socket = UnixStream::connect(self.path("admin.sock")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        writeln!(socket, "{}", json!({ "do": what, "of": of, "with": with })).unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        answer.get("ok").unwrap_or_else(|| panic!("{what}: {answer}")).clone()
    }

    /// As [`Self::tell`], where a list is told.
    pub(crate) fn list(&self, what: &str, of: Value, with: Value) -> Vec<Value> {
        self.tell(what, of, with).as_array().unwrap().clone()
    }

    pub(crate) fn fault(&self, name: &str, value: Value, on: &str) {
        self.tell("fault", json!([name, value]), json!({ "on": on }));
    }

    pub(crate) fn mend(&self) {
        self.tell("mend", json!([]), json!({}));
    }

    /// Fresh codes of the plan `hour`.
    pub(crate) fn vouchers(&self, count: u32) -> Vec<String> {
        let codes = self.list("voucher", json!(["hour"]), json!({ "count": count }));
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// The requests to `path` of late, as far as they have ended.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let mut asked = self.list("requests", json!([]), json!({}));
        asked.retain(|one| one["path"].as_str().unwrap().ends_with(path));
        asked
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn serve(
    dir: &Path,
    site: &str,
    host: &str,
    port: u16,
    spawn: &Spawn,
) -> (Child, BufReader<ChildStdout>, u16, String) {
    let mut command = Command::new("tests/cloud/run");
    command.arg("--dir").arg(dir).args(["serve", "--site", site, "--name", host]);
    command.args(["--listen", &format!("{}:{port}", listen_at(host))]);
    let mut child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()));
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

/// A name is served on all addresses.
fn listen_at(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() { host } else { "0.0.0.0" }
}

fn end(child: &mut Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = kill(pid, Signal::SIGTERM);
    child.wait().unwrap();
}
