//! Network namespaces with names of their own, and threads and processes inside them.
//!
//! A name carries the number of the test process, so that the namespaces of a run that was killed are
//! known as such and swept by the next one. Knows nothing of the topology.

use std::fs::{self, File};
use std::io::Write;
use std::panic;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PREFIX: &str = "lango-lab-";
const NAMED: &str = "/var/run/netns";

/// A network namespace that goes with its last owner.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
    file: File,
}

static COUNT: AtomicU32 = AtomicU32::new(0);
/// `ip netns add` prepares its directory once, and not safely when called twice at a time.
static ADDING: Mutex<()> = Mutex::new(());

impl Netns {
    /// A new empty namespace with `lo` up; `role` is part of its name.
    pub(crate) fn new(role: &str) -> Arc<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{role}", std::process::id());
        {
            let _alone = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
            if number == 0 {
                sweep();
            }
            run(Command::new("ip").args(["netns", "add", &name]));
        }
        let file = File::open(Path::new(NAMED).join(&name)).expect("a namespace that was just made");
        let space = Arc::new(Self { name, file });
        // Duplicate address detection would keep each new device silent for a second.
        for group in ["all", "default"] {
            space.sysctl(&format!("ipv6/conf/{group}/accept_dad"), "0");
        }
        space.ip("link set lo up");
        space
    }

    /// Its name, for `ip netns exec`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in this namespace, on a thread of its own; a panic of `work` is passed on.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.move_here();
                work()
            });
            inside.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// Starts `work` in this namespace, on a thread of its own.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let space = Arc::clone(self);
        thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(move || {
                space.move_here();
                work()
            })
            .expect("a thread")
    }

    /// Moves the calling thread into this namespace for good: only for threads that are ours.
    pub(crate) fn move_here(&self) {
        setns(&self.file, CloneFlags::CLONE_NEWNET).expect("setns needs root");
    }

    /// A program to be started in this namespace and with its resolver. The process becomes the program.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Runs a program that must succeed; its standard output.
    pub(crate) fn must(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?} in {}: {complaint}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs lines of `ip` commands in one go.
    pub(crate) fn ip(&self, batch: &str) {
        feed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), batch);
    }

    /// Loads nftables commands.
    pub(crate) fn nft(&self, text: &str) {
        self.enter(|| feed(Command::new("nft").args(["-f", "-"]), text));
    }

    /// What `nft` prints for `arguments`.
    pub(crate) fn nft_list(&self, arguments: &[&str]) -> String {
        self.must("nft", arguments)
    }

    /// Sets a value below /proc/sys/net.
    pub(crate) fn sysctl(&self, path: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(path);
        self.enter(|| fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }

    /// Ends the processes that are in this namespace, for all of them are ours; their names.
    pub(crate) fn processes(&self) -> Vec<String> {
        kill_all(&self.name)
    }

    /// Makes `server` the resolver of programs started here.
    pub(crate) fn set_resolver(&self, server: &str) {
        let folder = Path::new("/etc/netns").join(&self.name);
        fs::create_dir_all(&folder).expect("/etc/netns");
        fs::write(folder.join("resolv.conf"), format!("nameserver {server}\n")).expect("resolv.conf");
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Names of the namespaces of this process that are there now.
pub(crate) fn ours() -> Vec<String> {
    let own = format!("{PREFIX}{}-", std::process::id());
    names().into_iter().filter(|name| name.starts_with(&own)).collect()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(NAMED).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Removes what killed test processes left.
fn sweep() {
    for name in names() {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            kill_all(&name);
            remove(&name);
        }
    }
}

fn kill_all(name: &str) -> Vec<String> {
    let listed = Command::new("ip").args(["netns", "pids", name]).output().expect("iproute2");
    let mut names = Vec::new();
    for pid in String::from_utf8_lossy(&listed.stdout).lines() {
        names.push(fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned());
        if let Ok(pid) = pid.parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    names
}

fn remove(name: &str) {
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(Path::new("/etc/netns").join(name));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn feed(command: &mut Command, text: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("a program that reads");
    let output = child.wait_with_output().expect("a child");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}\n{text}");
}
