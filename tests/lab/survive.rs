//! What must not hurt anybody: kills, restarts, reloads, strangers in the ruleset, a full disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Browser, Daemon, HTTP, Lab, Phone, Request, Settings, Stream, portal_v4, wait_until};

const STEP: Duration = Duration::from_millis(2);

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

/// A phone that has paid, another that has not, and a stream of each.
fn two_streams(lab: &Lab, daemon: &Daemon, version: u8) -> (Stream, Stream) {
    if daemon.sessions().is_empty() {
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    }
    let paid = Stream::start(&lab.phones[0], &lab.world, version, STEP);
    let unpaid = Stream::start(&lab.phones[1], &lab.world, version, STEP);
    paid.flow(20);
    (paid, unpaid)
}

/// Asserts that all of the paid stream came, and nothing of the other.
fn assert_untouched(lab: &Lab, paid: Stream, unpaid: Stream) {
    paid.flow(50);
    let (sent, came) = paid.finish(&lab.world);
    assert_eq!(came.len() as u64, sent, "datagrams of the paid phone were lost");
    let (_, leaked) = unpaid.finish(&lab.world);
    assert_eq!(leaked.len(), 0, "datagrams of the unpaid phone passed");
}

#[test]
fn a_restart_costs_a_paid_phone_no_packet_and_opens_nobody() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::start(&lab, &settings());
    for version in [4, 6] {
        let (paid, unpaid) = two_streams(&lab, &daemon, version);
        assert_eq!(daemon.stop(), Some(0));
        paid.flow(50);
        daemon.run();
        assert_untouched(&lab, paid, unpaid);
    }
    assert_eq!(daemon.sessions().len(), 1);
    assert_eq!(daemon.json(&["status"])["rules_intact"], true);
}

#[test]
fn kill_9_costs_a_paid_phone_no_packet_and_opens_nobody() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::start(&lab, &settings());
    for version in [4, 6, 4] {
        let (paid, unpaid) = two_streams(&lab, &daemon, version);
        daemon.kill();
        paid.flow(50);
        daemon.run();
        assert_untouched(&lab, paid, unpaid);
    }
    assert_eq!(daemon.sessions().len(), 1);
}

#[test]
fn a_flushed_ruleset_is_rebuilt_before_a_tenth_of_a_second_has_leaked() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    for destroyer in ["flush ruleset", "delete table inet lango", "flush table inet lango"] {
        let (paid, unpaid) = two_streams(&lab, &daemon, 6);
        lab.gateway.nft(destroyer);
        let destroyed = Instant::now();
        paid.flow(150);
        let (sent, came) = paid.finish(&lab.world);
        assert_none_lost_but_in_the_blow(destroyer, sent, came.len());
        unpaid.flow(20);
        let (_, leaked) = unpaid.finish(&lab.world);
        assert_leaked_shortly(destroyer, &leaked, destroyed);
        assert_eq!(daemon.json(&["status"])["rules_intact"], true);
        assert!(lab.phones[1].try_tcp(lab.world.both(443)[1]).refused_fast());
    }
}

/// At most the datagram that was between our rules when somebody destroyed them: the kernel takes the elements
/// of the maps away at once, and lets a packet that has begun go on through the old rules.
fn assert_none_lost_but_in_the_blow(destroyer: &str, sent: u64, came: usize) {
    let lost = sent - came as u64;
    assert!(lost <= 1, "{destroyer}: {lost} of {sent} datagrams of the paid phone were lost");
}

/// Nobody leaked a tenth of a second after the destroyer was done: until it has closed its socket, the kernel
/// lets nobody else change tables, and while namespaces come and go beside, that may take it seconds.
fn assert_leaked_shortly(destroyer: &str, leaked: &[(u64, Instant)], destroyed: Instant) {
    let late = leaked.last().map_or(Duration::ZERO, |last| last.1.saturating_duration_since(destroyed));
    assert!(
        late <= Duration::from_millis(100),
        "{destroyer}: {} datagrams, until {late:?} later",
        leaked.len()
    );
}

#[test]
fn a_stranger_in_our_table_is_put_right() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    let good = rules(&lab);
    let handle = good.iter().find_map(|line| line.split_once("reject").and(line.rsplit(' ').next())).unwrap();
    let chain = chain_of(&lab, handle);
    lab.gateway.nft(&format!("delete rule inet lango {chain} handle {handle}"));
    let bare = |rules: &[String]| -> Vec<String> {
        rules.iter().map(|line| line.split(" # handle").next().unwrap_or_default().to_owned()).collect()
    };
    wait_until("the rule to come back", Duration::from_secs(2), || bare(&rules(&lab)) == bare(&good));
    assert!(lab.phones[0].is_open(&lab.world));
    lab.phones[1].assert_held(&lab.world);
}

/// Lines of our table that are rules, with their handles.
fn rules(lab: &Lab) -> Vec<String> {
    let listed = lab.gateway.nft_list(&["-a", "-s", "list", "table", "inet", "lango"]);
    let rule = |line: &&str| {
        ["accept", "drop", "reject", "redirect", "jump", "goto"].iter().any(|w| line.contains(w))
    };
    let element = |line: &&str| line.contains(" : ");
    listed.lines().filter(|line| rule(line) && !element(line)).map(|line| line.trim().to_owned()).collect()
}

fn chain_of(lab: &Lab, handle: &str) -> String {
    let listed = lab.gateway.nft_list(&["-a", "-s", "list", "table", "inet", "lango"]);
    let (before, _) = listed.split_once(&format!("# handle {handle}\n")).unwrap();
    let chain = before.lines().rev().find(|line| line.trim().starts_with("chain ")).unwrap();
    chain.trim().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_reload_keeps_sessions_and_a_broken_file_keeps_the_configuration() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (paid, unpaid) = two_streams(&lab, &daemon, 4);
    let plans = || daemon.json(&["plan", "list"]).as_array().unwrap().len();
    let titled = |title: &str| Browser::of(&lab.phones[1]).get("/").body.contains(title);
    assert_eq!(plans(), 1);
    daemon.configure(&settings().main("title", "Duka la Asha").plan("week", &[("validity", "7d")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the new plan", Duration::from_secs(3), || plans() == 2);
    wait_until("the new title", Duration::from_secs(3), || titled("Duka la Asha"));

    daemon.configure_text(
        "config gateway 'main'\n\tlist interface 'br-guest'\n\toption metred '1h'\n\
         \toption mark 'red'\n",
    );
    daemon.signal(Signal::SIGHUP);
    wait_until("a complaint", Duration::from_secs(3), || daemon.log().contains("stays in force"));
    for error in ["lango.conf:3: metred: ", "lango.conf:4: mark: "] {
        let said = daemon.log();
        assert_eq!(said.lines().filter(|line| line.contains(error)).count(), 1, "{said}");
        assert!(!said.contains("\\n"), "one error a line: {said}");
    }
    assert_eq!(plans(), 2);
    assert!(titled("Duka la Asha"));
    daemon.configure(&settings().main("enabled", "0"));
    daemon.signal(Signal::SIGHUP);
    let told = || daemon.log().contains("waits for a restart event=restart_needed option=enabled");
    wait_until("what a reload does not do is said", Duration::from_secs(3), told);
    assert_eq!(daemon.sessions().len(), 1);
    assert_untouched(&lab, paid, unpaid);
}

#[test]
fn a_device_that_is_blocked_while_online_is_online_no_more() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::start(&lab, &settings());
    let (paid, unpaid) = two_streams(&lab, &daemon, 4);
    let blocked = settings().section("device", &[("mac", &lab.phones[0].mac), ("policy", "blocked")]);
    daemon.configure(&blocked);
    daemon.signal(Signal::SIGHUP);
    wait_until("its session has ended", Duration::from_secs(3), || daemon.sessions().is_empty());
    assert!(daemon.log().contains("blocked_ended"), "{}", daemon.log());
    let to = lab.world.both(443)[0];
    assert!(lab.phones[0].try_tcp(to).refused_fast());
    drop((paid, unpaid));
    daemon.configure(&settings());
    daemon.signal(Signal::SIGHUP);
    let reloads = || daemon.log().matches("event=reloaded").count();
    wait_until("it may ask again", Duration::from_secs(3), || reloads() == 2);
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    daemon.kill();
    daemon.configure(&blocked);
    daemon.spawn();
    let ended = || daemon.log().matches("event=blocked_ended").count();
    wait_until("so it is at a start", Duration::from_secs(5), || ended() == 2);
    assert!(daemon.sessions().is_empty());
    assert!(lab.phones[0].try_tcp(to).refused_fast());
}

#[test]
fn a_trusted_device_loses_no_packet_when_its_session_ends() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (paid, unpaid) = two_streams(&lab, &daemon, 4);
    let mac = &lab.phones[0].mac;
    daemon.configure(&settings().section("device", &[("mac", mac), ("policy", "trusted")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("it is trusted", Duration::from_secs(3), || daemon.log().contains("event=reloaded"));
    daemon.json(&["logout", mac]);
    assert!(daemon.sessions().is_empty());
    assert_untouched(&lab, paid, unpaid);
}

#[test]
fn a_wrong_file_at_start_ends_with_78() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.configure_text("config gateway 'main'\n\tlist interface 'br-guest'\n\toption site 'a\n");
    daemon.spawn();
    assert_eq!(daemon.ended(), Some(78));
    assert!(daemon.log().contains("lango.conf:3"), "{}", daemon.log());
}

#[test]
fn kill_9_in_a_loop_loses_no_redemption_and_doubles_none() {
    let mut lab = Lab::on_disk(1);
    let crowd = lab.crowd(100);
    let mut daemon = Daemon::start(&lab, &settings());
    let codes = daemon.vouchers("hour", crowd.len());
    let answered = Mutex::new(BTreeSet::new());
    let next = AtomicUsize::new(0);
    let to = lab.world.both(HTTP)[0];
    let mut kills = 0;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let number @ 0..100 = next.fetch_add(1, Ordering::Relaxed) {
                    login_at_last(&crowd[number], &codes[number]);
                    answered.lock().unwrap().insert(number);
                }
            });
        }
        let from = Instant::now();
        while answered.lock().unwrap().len() < crowd.len() && from.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(4 + 3 * (kills % 7)));
            daemon.kill();
            kills += 1;
            let told: Vec<usize> = answered.lock().unwrap().iter().copied().collect();
            daemon.run();
            for number in told {
                let page = crowd[number].get(to, "world.test", "/").unwrap();
                assert_eq!(page.status, 200, "{number} was told that it is online, then kill {kills} came");
            }
        }
    });
    assert!(kills >= 5, "only {kills} kills");
    let macs: BTreeSet<String> =
        daemon.sessions().iter().map(|session| session["mac"].as_str().unwrap().to_owned()).collect();
    assert_eq!(macs, crowd.iter().map(|phone| phone.mac.clone()).collect());
    assert_eq!(daemon.sessions().len(), crowd.len());
    for code in &codes {
        let shown = daemon.json(&["voucher", "show", code]);
        assert_eq!(
            (shown["state"].as_str(), shown["devices"].as_array().map(Vec::len)),
            (Some("active"), Some(1))
        );
    }
}

/// Tries until it is told that it is online: with a daemon that dies now and then.
fn login_at_last(phone: &Phone, code: &str) {
    let host = portal_v4().to_string();
    wait_until("a login that is answered", Duration::from_secs(60), || {
        let Ok(page) = phone.get(portal_v4(), &host, "/") else { return false };
        let Some(token) = page.field("token") else { return false };
        let form = Request::form(&host, "/login", &[("code", code), ("token", token)]);
        match phone.send(portal_v4(), &form) {
            Ok(answer) => answer.status == 303,
            Err(_) => false,
        }
    });
}

/// A small disk, taken away when done with.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "lango-lab"]).arg(&at).status();
        assert!(done.unwrap().success(), "cannot mount a tmpfs");
        Self(at)
    }

    fn fill(&self) {
        let mut size = 1 << 20;
        let mut junk = Vec::new();
        while size > 0 {
            junk.resize(junk.len() + size, 0);
            if fs::write(self.0.join("junk"), &junk).is_err() {
                junk.truncate(junk.len() - size);
                size /= 2;
            }
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("junk")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn the_portal_follows_an_interface_that_goes_and_comes_back() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let served =
        || lab.phones[0].get(portal_v4(), "10.77.0.1:2080", "/").is_ok_and(|page| page.status == 200);
    assert!(served());
    let ip = |batch: &str| lab.gateway.ip(batch);
    ip("link set br-guest down\nlink set br-guest name br-gone\nlink set br-gone up");
    wait_until("the portal to go", Duration::from_secs(5), || daemon.log().contains("interface_gone"));
    ip("link set br-gone down\nlink set br-gone name br-guest\nlink set br-guest up");
    wait_until("the portal to come back", Duration::from_secs(5), served);
}

#[test]
fn with_a_full_disk_sessions_go_on_and_sales_wait() {
    let lab = Lab::new(6);
    let mut daemon = Daemon::prepare(&lab, &settings());
    let disk = SmallDisk::mount(daemon.state());
    daemon.run();
    let codes = daemon.vouchers("hour", 6);
    Browser::of(&lab.phones[0]).must_login(&codes[0]);
    disk.fill();
    // The last block of a file may have room for a sale.
    let sales = lab.phones.iter().zip(&codes).skip(1);
    let mut answers = sales.map(|(phone, code)| (phone, code, Browser::of(phone).login(code)));
    let (late, code, answer) = answers.find(|(_, _, answer)| answer.status != 303).unwrap();
    let sold = lab.phones.iter().position(|phone| phone.mac == late.mac).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(lab.phones[0].is_open(&lab.world));
    late.assert_held(&lab.world);
    assert_eq!(daemon.sessions().len(), sold);
    // What has to be written is refused, and what has not is done, though the trail cannot have it either.
    let made = daemon.cli(&["voucher", "new", "--plan", "hour", "--json"]);
    assert!(made.code == 70 && made.out.contains("not_stored"), "{made:?}");
    let exported = daemon.json(&["export", "--mac", &lab.phones[0].mac]);
    assert_eq!(exported["sessions"].as_array().map(Vec::len), Some(1), "{exported}");
    disk.empty();
    Browser::of(late).must_login(code);
    assert!(late.is_open(&lab.world));
    let trail = daemon.json(&["audit", "--verify"]);
    assert_eq!(trail["rows"], daemon.json(&["audit"]).as_array().unwrap().len(), "{trail}");
    drop(daemon);
}

#[test]
fn a_flushed_ruleset_is_rebuilt_also_while_the_flash_is_slow() {
    let lab = Lab::new(3);
    let daemon = Daemon::start(&lab, &settings());
    let (paid, unpaid) = two_streams(&lab, &daemon, 4);
    let code = daemon.voucher("hour");
    let journal = daemon.state().join("lango.db-wal");
    let written = || fs::metadata(&journal).map_or(0, |about| about.len());
    let before = (written(), fs::read(&journal).unwrap_or_default());
    let tracer =
        daemon.trace(&["-e", "inject=fsync,fdatasync:delay_enter=2000000"], &lab.folder().join("trace"));
    thread::scope(|scope| {
        let login = scope.spawn(|| {
            // The blow may reset a connection, as it may lose a datagram: then the guest tries again.
            let browser = Browser::of(&lab.phones[2]);
            browser.try_login(&code).or_else(|_| browser.try_login(&code)).expect("an answer")
        });
        wait_until("the login to be written", Duration::from_secs(5), || {
            written() != before.0 || fs::read(&journal).unwrap_or_default() != before.1
        });
        lab.gateway.nft("delete table inet lango");
        let destroyed = Instant::now();
        unpaid.flow(150);
        assert!(!login.is_finished(), "the flash was not slow");
        let (_, leaked) = unpaid.finish(&lab.world);
        assert_leaked_shortly("delete table", &leaked, destroyed);
        assert_eq!(login.join().expect("a login").status, 303);
    });
    drop(tracer);
    let (sent, came) = paid.finish(&lab.world);
    assert_none_lost_but_in_the_blow("delete table", sent, came.len());
    assert!(lab.phones[2].is_open(&lab.world));
}

#[test]
fn a_login_starts_no_process() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (code, trace) = (daemon.voucher("hour"), lab.folder().join("trace"));
    let tracer = daemon.trace(&["-e", "trace=execve,execveat,fork,vfork,clone,clone3"], &trace);
    Browser::of(&lab.phones[0]).must_login(&code);
    drop(tracer);
    let seen = fs::read_to_string(&trace).unwrap();
    assert!(!seen.contains('('), "a login started something:\n{seen}");
    assert!(lab.phones[0].is_open(&lab.world));
}
