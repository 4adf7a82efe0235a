//! Loads for `measure.rs`: many phones at once, and how long each of them waited.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::world::{HTTP, RECORDER};
use crate::harness::{Lab, Phone, Request, portal_v4, read_response, wait_until};

/// Times that something took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time in milliseconds that the share `part` of all stayed below.
    pub(crate) fn quantile(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1).expect("something was measured");
        self.0[((last as f64) * part).round() as usize].as_secs_f64() * 1000.0
    }
}

static STREAM: AtomicU64 = AtomicU64::new(1 << 32);

/// A phone about to tap the button of the form.
struct Ready {
    phone: Phone,
    form: Request,
    stream: u64,
}

fn ready(phones: &[Phone], codes: &[String]) -> Vec<Ready> {
    let space = &phones[0].space;
    let host = portal_v4().to_string();
    let fill = |(phone, code): (&Phone, &String)| {
        let page = phone.send_here(portal_v4(), &Request::get(&host, "/")).expect("the first page");
        let fields = [("code", code.as_str()), ("token", page.field("token").expect("a token"))];
        let stream = STREAM.fetch_add(1, Ordering::Relaxed);
        Ready { phone: phone.clone(), form: Request::form(&host, "/login", &fields), stream }
    };
    space.enter(|| phones.iter().zip(codes).map(fill).collect())
}

impl Ready {
    /// Taps; then sends a packet to the world. When the tap was.
    fn tap(&self, world: SocketAddr) -> Instant {
        let from = Instant::now();
        let answer = self.phone.send_here(portal_v4(), &self.form).expect("an answer");
        assert_eq!(answer.status, 303, "{answer:?}");
        let packet = [self.stream.to_be_bytes(), 0u64.to_be_bytes()].concat();
        self.phone.udp_here(world).and_then(|socket| socket.send(&packet)).expect("a packet");
        from
    }
}

fn arrival(lab: &Lab, ready: &Ready) -> Instant {
    wait_until("a packet of a phone that was let in", Duration::from_secs(5), || {
        !lab.world.arrivals(ready.stream).is_empty()
    });
    lab.world.arrivals(ready.stream)[0].1
}

/// Logs in one phone after the other: from the tap (connection included) to its packet's arrival.
pub(crate) fn logins_one_by_one(lab: &Lab, phones: &[Phone], codes: &[String]) -> Latencies {
    let all = ready(phones, codes);
    let world = lab.world.both(RECORDER)[0];
    let mut times = Latencies::default();
    phones[0].space.enter(|| {
        for ready in &all {
            let from = ready.tap(world);
            times.add(arrival(lab, ready) - from);
        }
    });
    times
}

/// All tap at the same moment: from the first tap until the last one's packet is out.
pub(crate) fn logins_at_once(lab: &Lab, phones: &[Phone], codes: &[String]) -> Duration {
    let all = ready(phones, codes);
    let world = lab.world.both(RECORDER)[0];
    let start = Barrier::new(all.len());
    let from = thread::scope(|scope| {
        let tapping = all.iter().map(|ready| {
            let start = &start;
            let tap = move || {
                ready.phone.space.move_here();
                start.wait();
                ready.tap(world)
            };
            thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, tap).expect("a thread")
        });
        first(tapping.collect())
    });
    let last = all.iter().map(|ready| arrival(lab, ready)).max().expect("phones");
    last - from
}

/// The earliest moment that one of `threads` tells.
fn first(threads: Vec<thread::ScopedJoinHandle<'_, Instant>>) -> Instant {
    threads.into_iter().map(|thread| thread.join().expect("every answer came")).min().expect("threads")
}

/// All log in, by 16 threads: from the first until the last is answered.
pub(crate) fn requests(phones: &[Phone], codes: &[String]) -> Duration {
    let all = ready(phones, codes);
    let (next, start) = (AtomicUsize::new(0), Barrier::new(16));
    let from = thread::scope(|scope| {
        let asking = (0..16).map(|_| {
            scope.spawn(|| {
                phones[0].space.move_here();
                start.wait();
                let from = Instant::now();
                while let Some(ready) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = ready.phone.send_here(portal_v4(), &ready.form).expect("an answer");
                    assert_eq!(answer.status, 303, "{answer:?}");
                }
                from
            })
        });
        first(asking.collect())
    });
    from.elapsed()
}

/// Requests per second and times, when each phone asks again as soon as it was answered.
fn hammer(
    phones: &[Phone],
    time: Duration,
    ask: impl Fn(&Phone, &mut Option<TcpStream>) + Sync,
) -> (f64, Latencies) {
    let start = Barrier::new(phones.len());
    let work = |phone: &Phone| {
        phone.space.move_here();
        let (mut times, mut connection) = (Vec::new(), None);
        start.wait();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let from = Instant::now();
            ask(phone, &mut connection);
            times.push(from.elapsed());
        }
        times
    };
    let times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = phones
            .iter()
            .map(|phone| {
                scope.spawn({
                    let work = &work;
                    move || work(phone)
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("every answer came")).collect()
    });
    (times.len() as f64 / time.as_secs_f64(), Latencies(times))
}

/// Held phones ask the world's port 80, over a connection each time.
pub(crate) fn redirects(lab: &Lab, phones: &[Phone], time: Duration) -> (f64, Latencies) {
    let (to, request) = (lab.world.both(HTTP)[0], Request::get("world.test", "/generate_204"));
    hammer(phones, time, |phone, _| {
        assert_eq!(phone.send_here(to, &request).expect("a redirect").status, 302);
    })
}

/// Phones ask for the first page, over one connection while it lasts.
pub(crate) fn pages(phones: &[Phone], time: Duration) -> (f64, Latencies) {
    let request = Request::get(&portal_v4().to_string(), "/");
    hammer(phones, time, |phone, connection| {
        let kept = connection.take();
        let mut stream = kept.unwrap_or_else(|| phone.tcp_here(portal_v4()).expect("a connection"));
        let asked = stream.write_all(&request.bytes());
        match asked.and_then(|()| read_response(&mut stream)) {
            Ok(page) => {
                assert_eq!(page.status, 200);
                let closed = page.header("connection").is_some_and(|value| value == "close");
                *connection = (!closed).then_some(stream);
            }
            Err(error) => panic!("no page: {error}"),
        }
    })
}

/// One phone asks for the first page again and again, over a connection each time.
pub(crate) fn pages_one_by_one(phone: &Phone, count: usize) -> Latencies {
    let request = Request::get(&portal_v4().to_string(), "/");
    let mut times = Latencies::default();
    phone.space.enter(|| {
        for _ in 0..count {
            let from = Instant::now();
            assert_eq!(phone.send_here(portal_v4(), &request).expect("a page").status, 200);
            times.add(from.elapsed());
        }
    });
    times
}

/// Phones ask for the first page until it is `over`, over a connection each time, with a pause in between.
pub(crate) fn pages_until(phones: &[Phone], pause: Duration, over: &AtomicBool) -> Latencies {
    let request = Request::get(&portal_v4().to_string(), "/");
    let read = |phone: &Phone| {
        phone.space.move_here();
        let mut times = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let from = Instant::now();
            assert_eq!(phone.send_here(portal_v4(), &request).expect("a page").status, 200);
            times.push(from.elapsed());
            thread::sleep(pause);
        }
        times
    };
    thread::scope(|scope| {
        let reading: Vec<_> = phones.iter().map(|phone| scope.spawn(|| read(phone))).collect();
        let times = reading.into_iter().flat_map(|thread| thread.join().expect("every answer came"));
        Latencies(times.collect())
    })
}

/// Guests with the form before them.
pub(crate) struct Tapping(Vec<Ready>);

impl Tapping {
    pub(crate) fn ready(phones: &[Phone], codes: &[String]) -> Self {
        Self(ready(phones, codes))
    }

    /// They log in one after the other until it is `over`, or all are in: from the tap to the answer.
    pub(crate) fn until(&self, pause: Duration, over: &AtomicBool) -> Latencies {
        let Self(all) = self;
        all[0].phone.space.move_here();
        let mut times = Latencies::default();
        for ready in all.iter().take_while(|_| !over.load(Ordering::Relaxed)) {
            let from = Instant::now();
            let answer = ready.phone.send_here(portal_v4(), &ready.form).expect("an answer");
            times.add(from.elapsed());
            assert_eq!(answer.status, 303, "{answer:?}");
            thread::sleep(pause);
        }
        times
    }
}

/// Connections that never finish their request; one that the portal gives up is opened anew.
pub(crate) struct SlowConnections {
    stop: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
    keeper: Option<thread::JoinHandle<()>>,
}

impl SlowConnections {
    /// Opens `count`, from all `phones` in turn; returns when they stand.
    pub(crate) fn open(phones: &[Phone], count: usize) -> Self {
        let (stop, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ended, standing, phones) = (Arc::clone(&stop), Arc::clone(&held), phones.to_vec());
        let space = Arc::clone(&phones[0].space);
        let keeper = space.spawn(move || {
            let begin = |number: usize| begin(&phones[number % phones.len()]);
            let mut all: Vec<_> = (0..count).map(begin).collect();
            while !ended.load(Ordering::Relaxed) {
                for (number, stream) in all.iter_mut().enumerate() {
                    if !stream.as_mut().is_some_and(lives) {
                        *stream = begin(number);
                    }
                }
                standing.store(all.iter().flatten().count(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let slow = Self { stop, held, keeper: Some(keeper) };
        wait_until("slow connections", Duration::from_secs(20), || slow.held() > 0);
        slow
    }

    /// How many stand.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Drop for SlowConnections {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn begin(phone: &Phone) -> Option<TcpStream> {
    let mut stream = phone.tcp_here(portal_v4()).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 10.77.0.1:2080\r\nX-Slow: ").ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

fn lives(stream: &mut TcpStream) -> bool {
    let closed = stream.peek(&mut [0; 16]).is_ok();
    !closed && stream.write_all(b"x").is_ok()
}
