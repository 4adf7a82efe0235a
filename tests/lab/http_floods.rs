//! Connections without end, in plain HTTP: thousands that are held, thousands that come and go, and a guest who
//! wants a page meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lango::process::raise_file_limit;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Linger, RcvBuf};

use crate::harness::{Browser, Daemon, Lab, Phone, Request, Settings, portal_v4, wait_until};

const PAGES: usize = 150;
/// What one device may hold.
const EACH: usize = 16;
const HELD: usize = 63 * EACH;
/// Of those who come and go.
const SPELL: Duration = Duration::from_millis(2500);
const PACE: usize = 5000;
const THREADS: usize = 3;

/// In a release build as promised; a debug build, which shares the machine with others, may take longer.
fn ceiling() -> Duration {
    Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 100 })
}

/// How long `phone` waits for the first page, over a connection each time: the median, and the worst but one in
/// a hundred.
fn waits(phone: &Phone, count: usize) -> [Duration; 2] {
    let request = Request::get(&portal_v4().to_string(), "/");
    let mut times: Vec<_> = phone.space.enter(|| {
        let page = |_| {
            let from = Instant::now();
            assert_eq!(phone.send_here(portal_v4(), &request).unwrap().status, 200);
            from.elapsed()
        };
        (0..count).map(page).collect()
    });
    times.sort_unstable();
    [times[count / 2], times[count * 99 / 100]]
}

/// Asserts that a guest who waits that long under `load` hardly feels it.
fn assert_quick(load: &str, [median, p99]: [Duration; 2], calm: [Duration; 2]) {
    assert!(p99 < ceiling(), "{load}: p99 {p99:?}");
    assert!(
        median < calm[0] * 10 + Duration::from_millis(5),
        "{load}: median {median:?}, in calm {:?}",
        calm[0]
    );
}

/// Connections that are held, by what each has sent.
fn sorts() -> [(&'static str, usize, String); 4] {
    let host = portal_v4();
    let kind = "Content-Type: application/x-www-form-urlencoded";
    [
        ("idle connections", HELD, String::new()),
        ("heads without an end", HELD, format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Slow: ")),
        (
            "forms without an end",
            HELD,
            format!("POST /login HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: 50\r\n\r\ncode="),
        ),
        ("guests who do not read", 160, format!("GET /terms HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(20)),
    ]
}

fn hold(crowd: &[Phone], count: usize, text: &str) -> Vec<TcpStream> {
    let begin = |number: usize| {
        let mut stream = crowd[number / EACH].tcp_here(portal_v4()).ok()?;
        setsockopt(&stream, RcvBuf, &2048).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        Some(stream)
    };
    crowd[0].space.enter(|| (0..count).filter_map(begin).collect())
}

fn stands(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    !matches!(stream.peek(&mut [0]), Ok(0)) && stream.take_error().is_ok_and(|error| error.is_none())
}

fn open_files(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

#[test]
fn a_thousand_connections_of_each_sort_leave_the_page_quick() {
    raise_file_limit().unwrap();
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(HELD / EACH);
    let daemon = Daemon::start(&lab, &Settings::default());
    let guest = &lab.phones[0];
    let (calm, files, memory) = (waits(guest, PAGES), open_files(&daemon), daemon.memory());
    for (sort, count, text) in sorts() {
        let held = hold(&crowd, count, &text);
        let began = held.iter().filter(|stream| stands(stream)).count();
        assert!(began > count * 9 / 10, "{sort}: {began} of {count}");
        let felt = waits(guest, PAGES);
        println!("{began} {sort}: median and p99 {felt:?}, in calm {calm:?}");
        assert_quick(sort, felt, calm);
        let grown = daemon.memory() - memory;
        assert!(grown < 60.0, "{sort}: {grown} MB");
        drop(held);
    }
    // Nothing of them is left.
    wait_until("the connections to be gone", Duration::from_secs(25), || open_files(&daemon) <= files + 2);
    assert!(daemon.is_alive());
    assert_eq!(Browser::of(guest).get("/").status, 200);
}

/// Comes, asks, and goes: with the answer, or with a reset before it.
fn comes_and_goes(phone: &Phone, number: usize) {
    let Ok(mut stream) = phone.tcp_here(portal_v4()) else { return };
    let _ = stream.write_all(b"GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n");
    if number.is_multiple_of(2) {
        let _ = stream.read(&mut [0; 512]);
    }
    let _ = setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}

#[test]
fn thousands_who_come_and_go_leave_the_page_quick() {
    raise_file_limit().unwrap();
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(60);
    let daemon = Daemon::start(&lab, &Settings::default());
    let guest = &lab.phones[0];
    let (calm, files, memory) = (waits(guest, PAGES), open_files(&daemon), daemon.memory());
    let (stop, came) = (AtomicBool::new(false), AtomicUsize::new(0));
    let from = Instant::now();
    let felt = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                crowd[0].space.move_here();
                while !stop.load(Ordering::Relaxed) {
                    let number = came.fetch_add(1, Ordering::Relaxed);
                    comes_and_goes(&crowd[number % crowd.len()], number);
                    let due = Duration::from_secs_f64(number as f64 / PACE as f64);
                    thread::sleep(due.saturating_sub(from.elapsed()));
                }
            });
        }
        let mut felt = [Duration::ZERO; 2];
        while from.elapsed() < SPELL {
            let now = waits(guest, PAGES);
            felt = [felt[0].max(now[0]), felt[1].max(now[1])];
        }
        stop.store(true, Ordering::Relaxed);
        felt
    });
    let rate = came.load(Ordering::Relaxed) as f64 / from.elapsed().as_secs_f64();
    assert!(rate > 1000.0, "{rate:.0} a second are no crowd");
    println!("{rate:.0} connections a second: median and p99 {felt:?}, in calm {calm:?}");
    assert_quick("those who come and go", felt, calm);
    assert!(daemon.memory() - memory < 20.0, "{} MB", daemon.memory() - memory);
    wait_until("the connections to be gone", Duration::from_secs(20), || open_files(&daemon) <= files + 2);
}
