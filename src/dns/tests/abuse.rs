//! What no phone sends, and more of what it does: it costs nobody else anything.

use super::*;

#[test]
fn malformed_questions_get_nothing_and_harm_nothing() {
    lab("", async |lab| {
        let socket = lab.guest(GUEST).await;
        let good = asked("example.com", Kind::A);
        let mut answer = good.clone();
        answer[2] |= 0x80;
        let circle = [&good[..12], b"\xc0\x0c\0\x01\0\x01"].concat();
        for bad in [vec![], vec![0; 11], vec![0xff; 2000], vec![0; 9000], answer, circle, good[..20].to_vec()]
        {
            socket.send(&bad).await.unwrap();
        }
        // The first answer is the one to the good question.
        assert_eq!(exchange(&socket, &good).await.unwrap()[..2], good[..2]);
        assert!(receive(&socket, Duration::from_millis(50)).await.is_none());
    });
}

#[test]
fn other_operations_and_classes_are_refused() {
    lab("", async |lab| {
        let socket = lab.guest(GUEST).await;
        let mut update = asked("example.com", Kind::A);
        update[2] |= 5 << 3;
        assert_eq!(exchange(&socket, &update).await.unwrap()[3] & 0xf, 4);
        let mut chaos = asked("example.com", Kind(16));
        let class = chaos.len() - 11 - 1;
        chaos[class] = 3;
        assert_eq!(exchange(&socket, &chaos).await.unwrap()[3] & 0xf, 5);
    });
}

#[test]
fn a_blocked_device_is_told_of_the_portal_alone() {
    lab("config garden\n list name wa.me\n", async |lab| {
        let own = lab.ask_from(0xee, "wifi.lango", Kind::A).await;
        assert_eq!(own.addresses(), ["127.0.0.1"]);
        for name in ["example.com", "wa.me", "connectivitycheck.gstatic.com"] {
            assert_eq!(lab.ask_from(0xee, name, Kind::A).await.addresses(), ["198.18.0.1"], "{name}");
        }
    });
}

#[test]
fn a_flood_is_answered_at_its_rate_and_others_at_theirs() {
    lab("", async |lab| {
        let flood = lab.guest(GUEST).await;
        let (began, mut answers) = (instant(), 0);
        for _ in 0..500 {
            flood.send(&asked("example.com", Kind::A)).await.unwrap();
            while receive(&flood, Duration::from_micros(300)).await.is_some() {
                answers += 1;
            }
        }
        let most = 62 + 20 * began.elapsed().as_millis() / 1000;
        assert!((60..most).contains(&answers), "{answers} answers, not {most}");
        assert!(lab.ask_from(3, "example.com", Kind::A).await.took < Duration::from_millis(300));
    });
}

#[test]
fn over_tcp_questions_come_one_after_another() {
    lab("", async |lab| {
        let mut stream = lab.connect(GUEST).await;
        for name in ["example.com", "wifi.lango", "wa.me"] {
            let question = asked(name, Kind::A);
            let answer = exchange_over_tcp(&mut stream, &question).await.unwrap();
            assert_eq!(read(&answer, name, Kind::A, instant()).addresses().len(), 1, "{name}");
        }
        // Byte by byte too.
        let question = asked("example.com", Kind::A);
        let length = u16::try_from(question.len()).unwrap().to_be_bytes();
        for byte in length.iter().chain(&question) {
            stream.write_u8(*byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(usize::from(stream.read_u16().await.unwrap()), question.len() + 16);
    });
}

#[test]
fn over_tcp_nonsense_ends_the_connection() {
    lab("", async |lab| {
        for bad in [
            &[0, 0][..],
            &[0xff, 0xff, 1, 2, 3],
            &[0, 2, 0xab, 0xcd],
            &[0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let mut stream = lab.connect(GUEST).await;
            stream.write_all(bad).await.unwrap();
            let mut rest = Vec::new();
            let ended = timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok() && rest.is_empty(), "{bad:?}");
        }
    });
}

#[test]
fn connections_are_few_for_each_and_short() {
    lab("", async |lab| {
        let began = instant();
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(lab.connect(GUEST).await);
        }
        // Somebody else is served.
        let mut other = lab.connect(3).await;
        exchange_over_tcp(&mut other, &asked("example.com", Kind::A)).await.unwrap();
        let mut open = 0;
        for stream in &mut held {
            let read = timeout(Duration::from_millis(20), stream.read_u8()).await;
            open += usize::from(read.is_err());
        }
        assert_eq!(open, 4);
        // Nor does it help to keep one alive.
        let question = asked("example.com", Kind::A);
        while exchange_over_tcp(&mut other, &question).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(7), "it lasts");
            sleep(Duration::from_millis(200)).await;
        }
    });
}

#[test]
fn one_device_cannot_take_all_that_waits_for_the_resolver() {
    lab("", async |lab| {
        lab.resolver.mode.set(Mode::Silent);
        let greedy = lab.guest(GUEST).await;
        for n in 0..50 {
            greedy.send(&asked(&format!("n{n}.whatsapp.net"), Kind::A)).await.unwrap();
        }
        // What finds no place has the captive answer at once.
        let mut at_once = 0;
        while receive(&greedy, Duration::from_millis(300)).await.is_some() {
            at_once += 1;
        }
        assert_eq!(at_once, 42);
        lab.resolver.mode.set(Mode::Good);
        assert_eq!(lab.ask_from(3, "wa.me", Kind::A).await.addresses(), ["203.0.113.80"]);
    });
}

#[test]
fn no_bytes_stop_it() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    lab("", async |lab| {
        let mut runner = TestRunner::deterministic();
        let bytes = prop::collection::vec(any::<u8>(), 0..300);
        let good = asked("wa.me", Kind::A);
        for n in 0..400_usize {
            let guest = lab.guest(u8::try_from(n % 90 + 100).unwrap()).await;
            let mut bytes = bytes.new_tree(&mut runner).unwrap().current();
            // Half of them begin well.
            if n % 2 == 0 {
                bytes.splice(..0, good[..good.len() - n % 30].iter().copied());
            }
            guest.send(&bytes).await.unwrap();
        }
        assert_eq!(lab.ask("wifi.lango", Kind::A).await.addresses(), ["127.0.0.1"]);
    });
}
