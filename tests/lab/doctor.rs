//! `lango doctor`: every line of it is seen well, then wrong with what to do about it, and well again.
//!
//! One gateway falls ill in every way that can be had in a lab, one after another; what other files of the lab prove
//! stands in [`ELSEWHERE`]. `every_check_has_its_fault` reads the doctor's lists and misses none.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Daemon, Lab, Netns, Settings, wait_until};

const SOON: Duration = Duration::from_secs(20);

/// The doctor's lists, as text.
const LISTS: [&str; 2] =
    [include_str!("../../src/app/doctor/mod.rs"), include_str!("../../src/cli/doctor/mod.rs")];
/// Checks whose faults other files cause, and where these read what the doctor says, with its remedy.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("uplink", include_str!("uplink.rs"), "doctor(\"uplink\")"),
    ("clock", include_str!("time.rs"), "doctor(\"clock\")"),
    ("certificate", include_str!("https.rs"), "doctor(\"certificate\")"),
    ("theme", include_str!("theme.rs"), "doctor(\"theme\")"),
    // Not every kernel has flowtables; the one of the device has.
    ("offload", include_str!("../device/guest/offload"), "lango doctor | grep offload"),
];
/// What the doctor calls a fault.
const ILL: [&str; 2] = ["warn", "fail"];
/// Lines that are there only if somebody has set what they are about.
const AS_SET: &[&str] = &["certificate", "theme", "outbox"];

/// The names in the doctor's lists.
fn listed() -> BTreeSet<&'static str> {
    let names = |list: &'static str| {
        let begun = list.split_once("const CHECKS").expect("a list").1;
        let lines = begun.split_once("\n];").expect("its end").0.lines();
        lines.filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next())
    };
    LISTS.into_iter().flat_map(names).collect()
}

#[test]
fn every_check_has_its_fault() {
    let here: String = include_str!("doctor.rs").split_whitespace().collect();
    let listed = listed();
    assert!(listed.len() >= 25, "{}: {listed:?}", listed.len());
    for name in &listed {
        let elsewhere = ELSEWHERE.iter().find(|(known, ..)| known == name);
        let is_proven = match elsewhere {
            Some((_, text, reads)) => text.contains(reads),
            None => ILL.iter().any(|state| here.contains(&format!("\"{name}\",\"{state}\","))),
        };
        assert!(is_proven, "no test causes a fault that `{name}` is to find");
    }
}

/// A gateway and its doctor.
struct Patient<'a> {
    lab: &'a Lab,
    daemon: &'a Daemon,
    well: Settings,
}

impl Patient<'_> {
    /// All that the doctor says, asked by another program that becomes the command.
    fn checks(&self, by: &[&str]) -> Vec<Value> {
        let ended = self.daemon.cli_by(by, &["doctor", "--json"]);
        let checks: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
        let checks = checks.as_array().unwrap().clone();
        let fails = checks.iter().any(|check| check["state"] == "fail");
        assert_eq!(ended.code, i32::from(fails), "{ended:?}");
        checks
    }

    /// State, message and remedy of the worst line of that name.
    fn of(&self, name: &str, by: &[&str]) -> [String; 3] {
        let checks = self.checks(by);
        let lines = checks.iter().filter(|check| check["check"] == name);
        let mut lines: Vec<_> = lines
            .map(|check| {
                ["state", "message", "remedy"].map(|field| check[field].as_str().unwrap().to_owned())
            })
            .collect();
        lines.sort_by_key(|[state, ..]| ["fail", "warn", "ok"].iter().position(|it| it == state));
        assert!(!lines.is_empty(), "no {name} in {checks:?}");
        lines.remove(0)
    }

    /// Waits until the doctor says so.
    fn ill(&self, name: &str, state: &str, says: &str, advice: &str) {
        self.ill_by(&[], name, state, says, advice);
    }

    fn ill_by(&self, by: &[&str], name: &str, state: &str, says: &str, advice: &str) {
        assert!(
            ILL.contains(&state) && !says.is_empty() && !advice.is_empty(),
            "{name} is a fault with a remedy"
        );
        let mut found = Default::default();
        wait_until(&format!("{name}: {state}: {says}"), SOON, || {
            found = self.of(name, by);
            found[0] == state && found[1].contains(says)
        });
        assert!(found[2].contains(advice), "{found:?}");
    }

    /// Waits until all is well.
    fn well(&self) {
        let mut wrong = Vec::new();
        let from = std::time::Instant::now();
        while from.elapsed() < SOON {
            wrong = self.checks(&[]).into_iter().filter(|check| check["state"] != "ok").collect();
            if wrong.is_empty() {
                return;
            }
        }
        panic!("still wrong: {wrong:?}");
    }

    /// Puts another configuration in force.
    fn configured(&self, settings: &Settings) {
        self.daemon.configure(settings);
        self.daemon.signal(Signal::SIGHUP);
    }

    fn heal(&self) {
        self.configured(&self.well);
        self.well();
    }

    /// The doctor finds `text` where the kernel shows `path`.
    fn shown(&self, path: &str, text: &str) -> Vec<String> {
        let file = self.lab.folder().join("shown");
        fs::write(&file, text).unwrap();
        let script = format!("mount --bind {} {path} && exec \"$@\"", file.display());
        ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
    }
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn settings(controller: &[(&str, &str)], plans: &[&str]) -> Settings {
    let main = Settings::default().main("max_clients", "2");
    let main = controller.iter().fold(main, |main, (option, value)| main.main(option, value));
    plans.iter().fold(main, |main, plan| main.plan(plan, &[("metered", "1h")]))
}

const CONTROLLER: (&str, &str) = ("controller", "Lab Ltd, info@example.net");

#[test]
fn the_doctor_finds_what_is_wrong_says_what_to_do_and_is_content_again() {
    let mut lab = Lab::on_disk(1);
    let mut daemon = Daemon::prepare(&lab, &settings(&[CONTROLLER], &["hour"]));
    daemon.wall_step(0);
    daemon.started_by(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    daemon.run();
    let well = settings(&[CONTROLLER], &["hour"]);
    {
        let patient = Patient { lab: &lab, daemon: &daemon, well: well.clone() };
        patient.ill("vouchers", "warn", "none is unused", "lango voucher new --plan");
        daemon.vouchers("hour", 2);
        patient.well();
        let said: BTreeSet<_> =
            patient.checks(&[]).iter().map(|check| check["check"].as_str().unwrap().to_owned()).collect();
        let listed: BTreeSet<_> = listed().into_iter().filter(|name| !AS_SET.contains(name)).collect();
        assert_eq!(said.iter().map(String::as_str).collect::<BTreeSet<_>>(), listed);
        settings_go_wrong(&patient);
        links_go_wrong(&patient);
        tables_go_wrong(&patient);
        the_machine_goes_wrong(&patient);
        the_store_goes_wrong(&patient);
    }
    // Somebody writes a word into a row of the trail, and takes it out again.
    rewrite_the_trail(&mut daemon, "detail || '!'");
    let patient = Patient { lab: &lab, daemon: &daemon, well: well.clone() };
    patient.ill("audit", "fail", "row 2 is not as it was written", "who can reach state_dir");
    rewrite_the_trail(&mut daemon, "rtrim(detail, '!')");
    Patient { lab: &lab, daemon: &daemon, well: well.clone() }.well();
    lab.stop_addresses();
    let patient = Patient { lab: &lab, daemon: &daemon, well };
    patient.ill("dhcp", "warn", "no DHCP server", "/etc/init.d/dnsmasq restart");
    patient.ill("resolver", "fail", "does not answer", "dns_upstream");
}

fn settings_go_wrong(patient: &Patient<'_>) {
    let daemon = patient.daemon;
    patient.configured(&settings(&[], &["hour"]));
    patient.ill("controller", "warn", "privacy page does not say", "option controller");
    patient.configured(&settings(&[CONTROLLER], &[]));
    patient.ill("plans", "warn", "nothing to sell", "config plan");
    patient.configured(&settings(&[CONTROLLER, ("portal_name", "other.lango")], &["hour"]));
    patient.ill(
        "portal_name",
        "warn",
        "leads guests who are online to nowhere",
        "dhcp.@dnsmasq[0].address='/other.lango/10.77.0.1'",
    );
    let garden =
        patient.well.clone().lists("garden", &[("name", "world.test"), ("name", "nowhere.test")], &[]);
    patient.configured(&garden);
    patient.ill("garden", "warn", "no address is found for nowhere.test", "list name of section garden");
    patient.configured(&patient.well.clone().lists("garden", &[("name", "world.test")], &[]));
    wait_until("the garden to be well", SOON, || {
        patient.of("garden", &[])[1] == "1 names of it have addresses"
    });

    patient.configured(&patient.well.clone().main("key_from_cloud", "1"));
    patient.ill("key", "warn", "still kept on this flash", "restart the daemon");
    let taken = patient.lab.gateway.enter(|| TcpListener::bind("0.0.0.0:2099").unwrap());
    patient.configured(&settings(&[CONTROLLER, ("portal_port", "2099")], &["hour"]));
    patient.ill("ports", "fail", "the portal on br-guest is shut: Address", "netstat -lntup");
    drop(taken);
    wait_until("the door", SOON, || patient.of("ports", &[])[0] == "ok");
    patient.heal();

    daemon.configure(&patient.well.clone().plan("day", &[("validity", "24h")]));
    patient.ill("configuration", "warn", "has been changed since it was read", "/etc/init.d/lango reload");
    daemon.configure_text("config gateway 'main'\n\toption interfaces 'br-guest'\n");
    patient.ill("configuration", "fail", "lango.conf has errors now", "lango check");
    patient.heal();

    for (number, mac) in ["02:50:00:00:00:01", "02:50:00:00:00:02"].into_iter().enumerate() {
        assert_eq!(daemon.session(mac), None, "{number}");
        daemon.json(&["login", mac, "--plan", "hour"]);
    }
    patient.ill("guests", "warn", "full: 2 online", "max_clients");
    daemon.json(&["logout", "02:50:00:00:00:02"]);
    patient.well();

    let aside = daemon.state().join("lango.db.corrupt-1");
    fs::write(&aside, "").unwrap();
    fs::set_permissions(&aside, Permissions::from_mode(0o600)).unwrap();
    for name in ["device.key", "lango.db-wal", "lango.db.corrupt-1"] {
        let file = daemon.state().join(name);
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        patient.ill("permissions", "warn", name, &format!("chmod 600 {}", file.display()));
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
    fs::remove_file(aside).unwrap();
    patient.well();
}

fn links_go_wrong(patient: &Patient<'_>) {
    let gateway = &patient.lab.gateway;
    gateway.ip("link set port1 down");
    patient.ill("interface", "warn", "no access point and no cable", "wifi status");
    gateway.ip("link set port1 up\naddr del 10.77.0.1/20 dev br-guest");
    patient.ill("interface", "fail", "no IPv4 address", "give the guest network an address");
    gateway.ip("addr add 10.77.0.1/20 dev br-guest\naddr add 10.77.9.9/24 dev wan0");
    patient.ill(
        "networks",
        "fail",
        "br-guest (10.77.0.0/20) and wan0 (10.77.9.0/24)",
        "network.guest.ipaddr",
    );
    gateway.ip("addr del 10.77.9.9/24 dev wan0");
    patient.well();
}

fn tables_go_wrong(patient: &Patient<'_>) {
    let gateway = &patient.lab.gateway;
    gateway.nft("flush chain ip lab out");
    patient.ill("masquerade", "warn", "no rule gives guests", "masq='1'");
    gateway.nft(
        "add rule ip lab out oifname \"wan0\" masquerade\nadd table ip nds_nat\nadd chain ip nds_nat ndsOUT",
    );
    patient.ill("rival", "fail", "openNDS", "/etc/init.d/opennds disable");
    gateway.nft("delete table ip nds_nat");
    let mut owner = own_our_table(gateway);
    patient.ill("rules", "fail", "could not be put right", "the log says what the kernel refused");
    let _ = owner.kill();
    owner.wait().unwrap();
    patient.well();
}

/// A program that holds table `inet lango` for itself, as long as it lives.
fn own_our_table(gateway: &Netns) -> Child {
    let mut nft =
        gateway.command("nft").arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let take = b"delete table inet lango; add table inet lango { flags owner; }\n";
    nft.stdin.as_mut().unwrap().write_all(take).unwrap();
    nft
}

fn the_machine_goes_wrong(patient: &Patient<'_>) {
    let gateway = &patient.lab.gateway;
    gateway.sysctl("ipv4/ip_forward", "0");
    patient.ill("forwarding", "fail", "no IPv4", "sysctl -w net.ipv4.ip_forward=1");
    gateway.sysctl("ipv4/ip_forward", "1");
    gateway.sysctl("ipv6/conf/all/forwarding", "0");
    patient.ill("forwarding", "warn", "no IPv6", "sysctl -w net.ipv6.conf.all.forwarding=1");
    gateway.sysctl("ipv6/conf/all/forwarding", "1");

    let by = patient.shown("/proc/meminfo", "MemTotal: 59000 kB\nMemAvailable:    9000 kB\n");
    patient.ill_by(&words(&by), "memory", "warn", "8 MB are free", "ps w");
    let by = patient.shown("/proc/sys/net/netfilter/nf_conntrack_max", "2\n");
    let dialled = patient.lab.gateway.enter(|| std::net::UdpSocket::bind("10.77.0.1:0").unwrap());
    dialled.send_to(b"x", "10.77.2.1:9").unwrap();
    patient.ill_by(&words(&by), "connections", "warn", "of at most 2 are followed", "nf_conntrack_max=4");

    let state = patient.daemon.state();
    let mount = |options: &str| {
        let script = format!("mount -t tmpfs {options} none {} && exec \"$@\"", state.display());
        ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned)
    };
    patient.ill_by(&words(&mount("-o size=64k")), "room", "fail", "64 kB are free", "du -a /overlay/upper");
    patient.ill_by(&words(&mount("")), "keeping", "warn", "is in memory", "option state_dir");
    patient.well();
}

fn the_store_goes_wrong(patient: &Patient<'_>) {
    let daemon = patient.daemon;
    let limit = |size: &str| {
        let pid = format!("--pid={}", daemon.pid());
        let done = Command::new("prlimit").args([&pid, &format!("--fsize={size}:")]).status().unwrap();
        assert!(done.success());
    };
    limit("1000");
    assert_ne!(daemon.cli(&["voucher", "new", "--plan", "hour"]).code, 0);
    patient.ill("storage", "fail", "nothing can be sold", "make room on the flash");
    limit("unlimited");
    daemon.voucher("hour");
    patient.well();
}

fn rewrite_the_trail(daemon: &mut Daemon, detail: &str) {
    daemon.kill();
    let store = rusqlite::Connection::open(daemon.state().join("lango.db")).unwrap();
    let rewrite = format!("UPDATE audit SET detail = {detail} WHERE seq = 2");
    assert_eq!(store.execute(&rewrite, []).unwrap(), 1);
    drop(store);
    daemon.run();
}

#[test]
fn the_doctor_tells_of_a_cloud_that_is_away_of_what_waits_for_it_and_of_a_kernel_without_filters() {
    let lab = Lab::new(1);
    let token = lab.folder().join("token");
    fs::write(&token, "token\n").unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let cloud = [
        ("url", "http://127.0.0.1:9"),
        ("token_file", token.to_str().unwrap()),
        ("allow_http", "1"),
        ("poll", "1s"),
    ];
    let well = settings(&[CONTROLLER], &["hour"]).section("cloud", &cloud);
    let mut daemon = Daemon::prepare(&lab, &well);
    daemon.wall_step(0);
    let watch = "inject=seccomp:error=EINVAL";
    daemon.started_by(["strace", "-D", "-f", "-qq", "-e", "trace=seccomp", "-e", watch, "-o", "/dev/null"]);
    daemon.run();
    daemon.json(&["login", "02:50:00:00:00:01", "--plan", "hour"]);
    {
        let patient = Patient { lab: &lab, daemon: &daemon, well: well.clone() };
        patient.ill("seal", "warn", "does not filter", "KERNEL_SECCOMP=y");
        patient.ill("cloud", "fail", "127.0.0.1", "check the uplink, and that the cloud runs");
        wait_until("facts to wait", SOON, || patient.of("outbox", &[])[1].contains("wait for the cloud"));
    }
    // Two hours later, after a power cut.
    daemon.power_cut();
    daemon.wall_step(2 * 3600);
    daemon.reboot("00000000-0000-4000-8000-000000000002", Duration::from_secs(30));
    daemon.started_by(Vec::<&str>::new());
    daemon.run();
    let patient = Patient { lab: &lab, daemon: &daemon, well };
    patient.ill("outbox", "warn", "(2 h)", "they are kept until the cloud has them");
}
