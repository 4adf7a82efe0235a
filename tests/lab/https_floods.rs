//! A flood of handshakes: one device begins all it can, and the others do not feel it.

use std::thread;
use std::time::{Duration, Instant};

use lango::process::raise_file_limit;

use crate::handshakes::{Flood, client, plain};
use crate::harness::{Authority, Daemon, Key, Lab, Settings};

const SPELL: Duration = Duration::from_secs(5);

#[test]
fn a_flood_of_handshakes_of_one_device_leaves_the_portal_to_the_others() {
    raise_file_limit().unwrap();
    let lab = Lab::new(3);
    let authority = Authority::new(lab.folder());
    authority.issue("wifi.lango", Key::Rsa);
    let [certificate, key] = authority.files();
    let mut daemon =
        Daemon::prepare(&lab, &Settings::default().main("certificate", &certificate).main("key", &key));
    daemon.wall_step(0);
    daemon.run();
    let before = daemon.memory();
    let [flooder, guest, other] = [0, 1, 2].map(|n| &lab.phones[n]);
    let (flood, client) = (Flood::default(), client(&authority.root()));
    thread::scope(|scope| {
        flood.begin(scope, flooder, &client);
        let pages = scope.spawn(|| {
            let times = plain(guest, SPELL);
            flood.stop();
            times
        });
        let from = Instant::now();
        let mut opened = Vec::new();
        while from.elapsed() < SPELL {
            let began = Instant::now();
            let page = authority.fetch(other, "", "https://wifi.lango:2443/");
            assert_eq!(page.map(|page| page.status), Ok(200));
            opened.push(began.elapsed());
            thread::sleep(Duration::from_millis(700));
        }
        let mut times = pages.join().unwrap();
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100];
        let [tried, done] = flood.tally();
        let grown = daemon.memory() - before;
        println!(
            "plain p99 {p99:?} of {}; others' HTTPS {opened:?}; {done} of {tried}; {grown:.1} MB",
            times.len()
        );
        assert!(p99 < Duration::from_millis(100), "{p99:?}");
        assert!(opened.iter().max().unwrap() < &Duration::from_secs(2), "{opened:?}");
        // It was a flood, and it was held back: a burst, and two a second.
        assert!(tried > 400 && done < 40, "{done} of {tried}");
        assert!(grown < 10.0, "{grown} MB");
    });
    assert!(daemon.is_alive());
}
