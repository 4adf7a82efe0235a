//! The real program in the gateway: its configuration, its life, its commands.
//!
//! The process is always the child of the test; only it is ever signalled.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;

use super::netns::Netns;
use super::phone::Phone;
use super::{Lab, portal_v4, wait_until};

/// The program under test; `LANGO_BINARY` names another build of it, such as the one for the boards.
pub(crate) fn lango() -> OsString {
    std::env::var_os("LANGO_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_lango").into())
}

/// What a test wants of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    main: String,
    sections: String,
}

impl Settings {
    /// An option of the section `gateway`.
    #[must_use]
    pub(crate) fn main(mut self, option: &str, value: &str) -> Self {
        self.main += &format!("\toption {option} '{value}'\n");
        self
    }

    /// One more value of a list of the section `gateway`.
    #[must_use]
    pub(crate) fn list(mut self, option: &str, value: &str) -> Self {
        self.main += &format!("\tlist {option} '{value}'\n");
        self
    }

    /// A plan.
    #[must_use]
    pub(crate) fn plan(self, name: &str, options: &[(&str, &str)]) -> Self {
        self.section(&format!("plan '{name}'"), options)
    }

    /// A section; `head` is what follows `config`. What is named more than once is a list.
    #[must_use]
    pub(crate) fn section(mut self, head: &str, options: &[(&str, &str)]) -> Self {
        self.sections += &format!("\nconfig {head}\n");
        for (option, value) in options {
            let is_list = options.iter().filter(|(name, _)| name == option).count() > 1;
            let word = if is_list { "list" } else { "option" };
            self.sections += &format!("\t{word} {option} '{value}'\n");
        }
        self
    }

    /// A section with a list: `values` are its name and a value, each.
    #[must_use]
    pub(crate) fn lists(self, head: &str, values: &[(&str, &str)], options: &[(&str, &str)]) -> Self {
        let mut settings = self.section(head, options);
        for (list, value) in values {
            settings.sections += &format!("\tlist {list} '{value}'\n");
        }
        settings
    }

    fn text(&self, state: &Path, run: &Path) -> String {
        let (state, run, Self { main, sections }) = (state.display(), run.display(), self);
        format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption site 'lab'\n\
             \toption state_dir '{state}'\n\toption run_dir '{run}'\n\
             \tlist uplink_probe 'tcp:203.0.113.80:80'\n{main}{sections}"
        )
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A boot other than this machine's.
#[derive(Debug)]
struct Boot {
    /// What stands for `boot_id`.
    id: PathBuf,
    /// Seconds added to CLOCK_BOOTTIME.
    offset: i64,
}

impl Boot {
    /// A command line that becomes the program, with the same process number, in a namespace of its own for
    /// time and one for mounts. What the kernel counts, such as timeouts of nftables, is not moved.
    ///
    /// Which of `unshare`, `execve` and `setns` moves the caller itself into a new time namespace depends
    /// on the age of the kernel; `setns` always does.
    fn words(&self) -> Vec<OsString> {
        let inside = "mount --bind \"$1\" /proc/sys/kernel/random/boot_id && shift && \
                      exec nsenter --no-fork --time=/proc/self/ns/time_for_children -- \"$@\"";
        let offset = format!("--boottime={}", self.offset);
        let words = ["unshare", "--time", &offset, "--mount", "sh", "-c", inside, "sh"];
        words.into_iter().map(OsString::from).chain([self.id.clone().into(), lango()]).collect()
    }
}

/// The daemon of a lab.
pub(crate) struct Daemon {
    gateway: Arc<Netns>,
    folder: PathBuf,
    guest: Phone,
    clock: Option<PathBuf>,
    boot: Option<Boot>,
    /// Whose resolver the program asks.
    names: AskedOf,
    level: &'static str,
    /// What starts it, and becomes it.
    by: Vec<OsString>,
    child: Option<Child>,
}

/// Whose resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedOf {
    Machine,
    Gateway,
}

impl Daemon {
    /// Writes the configuration and starts; returns when the portal answers the lab's first phone.
    pub(crate) fn start(lab: &Lab, settings: &Settings) -> Self {
        let mut daemon = Self::prepare(lab, settings);
        daemon.run();
        daemon
    }

    /// Writes the configuration only.
    pub(crate) fn prepare(lab: &Lab, settings: &Settings) -> Self {
        let guest = lab.phones.first().expect("a lab with a phone").clone();
        let gateway = Arc::clone(&lab.gateway);
        let (folder, names) = (lab.folder().to_owned(), AskedOf::Machine);
        let daemon = Self {
            gateway,
            folder,
            guest,
            clock: None,
            boot: None,
            names,
            level: "info",
            by: Vec::new(),
            child: None,
        };
        for folder in [daemon.state(), daemon.run_dir()] {
            fs::create_dir_all(folder).expect("a folder");
        }
        daemon.configure(settings);
        daemon
    }

    /// Replaces the configuration file.
    pub(crate) fn configure(&self, settings: &Settings) {
        self.configure_text(&settings.text(&self.state(), &self.run_dir()));
    }

    /// Replaces the configuration file by any text.
    pub(crate) fn configure_text(&self, text: &str) {
        fs::write(self.config(), text).expect("a file that can be written");
    }

    /// Moves the wall clock that the daemon sees, by seconds from this machine's, and calls it
    /// synchronised; the first time from the daemon's next start on.
    pub(crate) fn wall_step(&mut self, seconds: i64) {
        self.wall(&format!("wall_step {seconds}\n"));
    }

    /// Nothing disciplines the wall clock that the daemon sees; as of [`Self::wall_step`].
    pub(crate) fn wall_unknown(&mut self) {
        self.wall("unknown\n");
    }

    fn wall(&mut self, line: &str) {
        let path = self.folder.join("clock");
        let fresh = self.folder.join("clock.new");
        fs::write(&fresh, line).and_then(|()| fs::rename(&fresh, &path)).expect("a clock file");
        self.clock = Some(path);
    }

    /// From the daemon's next start on, it logs all that it can.
    pub(crate) fn logs_everything(&mut self) {
        self.level = "trace";
    }

    /// From the daemon's next start on, another program starts it, and becomes it.
    pub(crate) fn started_by(&mut self, words: impl IntoIterator<Item = impl Into<OsString>>) {
        self.by = words.into_iter().map(Into::into).collect();
    }

    /// From the daemon's next start on, it asks the gateway's own resolver, as on a router.
    pub(crate) fn asks_the_gateway_for_names(&mut self) {
        self.gateway.set_resolver("127.0.0.1");
        self.names = AskedOf::Gateway;
    }

    /// From the daemon's next start on, the machine is in a boot with the name `id`, and `up` old now.
    pub(crate) fn reboot(&mut self, id: &str, up: Duration) {
        let file = self.folder.join("boot_id");
        // A new file each time, for the old one may be mounted still.
        let _ = fs::remove_file(&file);
        fs::write(&file, format!("{id}\n")).expect("a boot id file");
        let real = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("CLOCK_BOOTTIME");
        self.boot = Some(Boot { id: file, offset: up.as_secs().cast_signed() - real.tv_sec() });
    }

    /// From the daemon's next start on, its boot is older by whole seconds that nobody has waited for.
    pub(crate) fn skip(&mut self, time: Duration) {
        self.boot.as_mut().expect("a boot of its own").offset += time.as_secs().cast_signed();
    }

    /// As [`Self::run`], where it is `phone` that the portal answers.
    pub(crate) fn run_for(&mut self, phone: &Phone) -> Duration {
        self.guest = phone.clone();
        self.run()
    }

    /// Starts the process and waits until the portal answers; how long that took.
    pub(crate) fn run(&mut self) -> Duration {
        let from = Instant::now();
        self.spawn();
        // The page, or the way to it.
        let serving = || {
            let answer = self.guest.get(portal_v4(), "10.77.0.1:2080", "/");
            answer.is_ok_and(|answer| [200, 302].contains(&answer.status))
        };
        while !serving() {
            assert!(self.is_alive() && from.elapsed() < Duration::from_secs(10), "{}", self.log());
            thread::sleep(Duration::from_millis(1));
        }
        self.assert_in_its_boot();
        from.elapsed()
    }

    /// Starts the process only.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let mut command = self.command(&self.by);
        command.args(["run", "--config"]).arg(self.config()).args([
            "--log",
            "stderr",
            "--log-level",
            self.level,
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(clock) = &self.clock {
            command.env("LANGO_LAB_CLOCK", clock);
        }
        let child = self.gateway.enter(move || command.spawn().expect("the program"));
        self.child = Some(child);
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to end and waits for it; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits until the process has ended by itself; its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        wait_until("the program to end", Duration::from_secs(10), || !self.is_alive());
        let mut child = self.child.take().expect("a running daemon");
        child.wait().expect("a child").code()
    }

    /// What a power cut leaves: the process and the kernel's table are gone, the files stay.
    pub(crate) fn power_cut(&mut self) {
        self.kill();
        self.gateway.nft("table inet lango\ndelete table inet lango");
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a process number");
        kill(Pid::from_raw(pid), signal).expect("a running daemon");
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running daemon").id()
    }

    /// Resident megabytes.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running daemon");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a kernel with VmRSS");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024.0 / 1e6
    }

    /// Whether the process has not ended by itself.
    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs a command of the program against this daemon.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(&[]);
        command.args(arguments).arg("--socket").arg(self.socket());
        self.outcome(command)
    }

    /// As [`Self::cli`], started by another program, which becomes it.
    pub(crate) fn cli_by(&self, by: &[&str], arguments: &[&str]) -> Ended {
        let by: Vec<_> = by.iter().map(OsString::from).collect();
        let mut command = self.command(&by);
        command.args(arguments).arg("--socket").arg(self.socket());
        self.outcome(command)
    }

    /// What `lango check` says of its configuration.
    pub(crate) fn check(&self) -> Ended {
        self.without_it(&["check"])
    }

    /// Runs a command of the program that needs no daemon, with its configuration.
    pub(crate) fn without_it(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(&[]);
        command.args(arguments).arg("--config").arg(self.config());
        self.outcome(command)
    }

    fn outcome(&self, mut command: Command) -> Ended {
        let output = self.gateway.enter(move || command.stdin(Stdio::null()).output().expect("the program"));
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ended { code: output.status.code().unwrap_or(-1), out, err }
    }

    /// Runs a command that must succeed, with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.cli(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, 0, "lango {arguments:?}: {ended:?}");
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("lango {arguments:?}: {error}: {ended:?}"))
    }

    /// State, message and remedy of what `lango doctor` says of `name`. Where something is wrong it says what to do.
    pub(crate) fn doctor(&self, name: &str) -> [String; 3] {
        self.diagnosis(&["doctor", "--json"], name)
    }

    /// The same of why the device `mac` is held or open.
    pub(crate) fn doctor_of(&self, mac: &str) -> [String; 3] {
        self.diagnosis(&["doctor", mac, "--json"], "session")
    }

    fn diagnosis(&self, asked: &[&str], name: &str) -> [String; 3] {
        let ended = self.cli(asked);
        let checks: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
        let check = checks.as_array().unwrap().iter().find(|check| check["check"] == name);
        let said = ["state", "message", "remedy"]
            .map(|field| check.expect(name)[field].as_str().unwrap().to_owned());
        assert!(said[0] == "ok" || !said[2].is_empty(), "{said:?}");
        said
    }

    /// `count` fresh codes of `plan`.
    pub(crate) fn vouchers(&self, plan: &str, count: usize) -> Vec<String> {
        let made = self.json(&["voucher", "new", "--plan", plan, "--count", &count.to_string()]);
        let made = made.as_array().expect("an array");
        assert_eq!(made.len(), count);
        made.iter().map(|voucher| voucher["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// One fresh code of `plan`.
    pub(crate) fn voucher(&self, plan: &str) -> String {
        self.vouchers(plan, 1).remove(0)
    }

    /// Who is online.
    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.json(&["sessions"]).as_array().expect("an array").clone()
    }

    /// The session of the device `mac`.
    pub(crate) fn session(&self, mac: &str) -> Option<Value> {
        self.sessions().into_iter().find(|session| session["mac"] == mac)
    }

    /// Has strace watch the daemon, with `options`, and write what it sees to `trace`.
    pub(crate) fn trace(&self, options: &[&str], trace: &Path) -> Tracer {
        let pid = self.pid().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-y"]).args(options).arg("-o").arg(trace).args(["-p", &pid]);
        let strace = strace.stderr(Stdio::null()).spawn().expect("strace");
        let (status, held) = (format!("/proc/{pid}/status"), format!("TracerPid:\t{}\n", strace.id()));
        wait_until("strace to hold on", Duration::from_secs(5), || {
            fs::read_to_string(&status).is_ok_and(|text| text.contains(&held))
        });
        Tracer(strace)
    }

    /// Where in the state directory the six bytes of a MAC stand, or its text.
    pub(crate) fn files_with(&self, mac: &str) -> Vec<String> {
        let bytes: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let mut found = Vec::new();
        for file in fs::read_dir(self.state()).unwrap().map(Result::unwrap) {
            // One that is renamed meanwhile is read under its new name.
            let Ok(text) = fs::read(file.path()) else { continue };
            let has = |secret: &[u8]| text.windows(secret.len()).any(|window| window == secret);
            if has(&bytes) || has(mac.as_bytes()) {
                found.push(file.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    /// Its `state_dir`.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("lango.conf")
    }

    /// The program, in the boot that was asked for, and what is to start it there.
    fn command(&self, by: &[OsString]) -> Command {
        let mut words = self.boot.as_ref().map_or_else(|| vec![lango()], Boot::words);
        words.splice(0..0, by.iter().cloned());
        if self.names == AskedOf::Gateway {
            // Which becomes the program, with the gateway's resolv.conf over the machine's.
            words.splice(0..0, ["ip", "netns", "exec", self.gateway.name()].map(OsString::from));
        }
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// Without this, a test about reboots could pass where the clock was never moved.
    fn assert_in_its_boot(&self) {
        let clock = |of: &str| fs::read_link(format!("/proc/{of}/ns/time")).expect("Linux 5.6 or later");
        let moved = clock(&self.pid().to_string()) != clock("self");
        assert_eq!(moved, self.boot.is_some(), "the daemon is not in the time namespace it should be in");
    }

    /// Where it listens for commands.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run_dir().join("lango.sock")
    }

    fn run_dir(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// An strace that watches a daemon; when dropped it lets go, and its file is complete.
pub(crate) struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT);
        let _ = self.0.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            #[expect(clippy::print_stdout, reason = "the test harness shows it with the failure")]
            {
                println!("--- the daemon's log ends with:\n{tail}\n---");
            }
        }
    }
}
