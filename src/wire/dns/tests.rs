use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A question as a phone sends it, with further fields of the header and further records at its end.
fn asked(flags: u16, counts: [u16; 4], labels: &[u8], kind: u16, class: u16, rest: &[u8]) -> Vec<u8> {
    let header = [0x1234, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes);
    let question = [kind, class].into_iter().flat_map(u16::to_be_bytes);
    header.chain(labels.iter().copied()).chain(question).chain(rest.iter().copied()).collect()
}

const LABELS: &[u8] = b"\x04wIfI\x05Lango\0";
const ONE: [u16; 4] = [1, 0, 0, 0];

fn plain(kind: u16) -> Vec<u8> {
    asked(0x0100, ONE, LABELS, kind, 1, b"")
}

/// An OPT record that offers `payload`.
fn opt(payload: u16, version: u8) -> Vec<u8> {
    [&b"\0\0\x29"[..], &payload.to_be_bytes(), &[0, version, 0x80, 0, 0, 0]].concat()
}

fn with_opt(payload: u16, version: u8) -> Vec<u8> {
    asked(0x0100, [1, 0, 0, 1], LABELS, 1, 1, &opt(payload, version))
}

fn query(message: Vec<u8>) -> Query {
    match read(message) {
        Some(Received::Query(query)) => query,
        other => panic!("{other:?}"),
    }
}

fn fine(addresses: &[&str]) -> Reply {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Reply { code: Code::Fine, addresses, ttl: 5 }
}

#[test]
fn a_question_is_read_in_lower_case() {
    let query = query(plain(28));
    assert_eq!((&query.name, query.kind), (&name("wifi.lango"), Kind::AAAA));
    assert_eq!((query.fault(), query.room()), (None, 512));
}

#[test]
fn answers_repeat_the_question_byte_for_byte() {
    let answer = query(plain(1)).answer(&fine(&["198.18.0.1"]), 512);
    let want = [
        &b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x04wIfI\x05Lango\0\0\x01\0\x01"[..],
        b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\xc6\x12\0\x01",
    ];
    assert_eq!(answer, want.concat());
    let answer = query(plain(28)).answer(&fine(&["fd77::1"]), 512);
    let want = b"\xc0\x0c\0\x1c\0\x01\0\0\0\x05\0\x10\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    assert!(answer.ends_with(want) && answer[7] == 1, "{answer:?}");
}

#[test]
fn nothing_is_an_answer_too() {
    let denied = Reply { code: Code::NoSuchName, addresses: Vec::new(), ttl: 0 };
    for (reply, low) in [(fine(&[]), 0x80), (denied, 0x83)] {
        let want = [&b"\x12\x34\x81"[..], &[low], b"\0\x01\0\0\0\0\0\0\x04wIfI\x05Lango\0\0\x41\0\x01"];
        assert_eq!(query(plain(65)).answer(&reply, 512), want.concat());
    }
}

#[test]
fn of_the_flags_only_those_of_the_question_come_back() {
    for (sent, back) in [(0x0000, 0x8080), (0x0100, 0x8180), (0x0110, 0x8190), (0x07ff & !0x0800, 0x8190)] {
        let answer = query(asked(sent, ONE, LABELS, 1, 1, b"")).answer(&fine(&[]), 512);
        assert_eq!(answer[2..4], u16::to_be_bytes(back), "{sent:04x}");
    }
}

#[test]
fn edns_is_answered_and_bounds_the_answer() {
    for (payload, room) in [(0, 512), (512, 512), (1000, 1000), (1232, 1232), (4096, 1232), (65535, 1232)] {
        let query = query(with_opt(payload, 0));
        assert_eq!((query.room(), query.fault()), (room, None), "{payload}");
        let answer = query.answer(&fine(&["198.18.0.1"]), room);
        assert!(answer.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0") && answer[11] == 1);
    }
    let newer = query(with_opt(1232, 1));
    assert_eq!(newer.fault(), Some(Code::BadVersion));
    let answer = newer.answer(&Reply { code: Code::BadVersion, addresses: Vec::new(), ttl: 0 }, 512);
    assert!(answer.ends_with(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0") && answer[3] & 0xf == 0, "{answer:?}");
}

#[test]
fn what_does_not_fit_is_left_to_tcp() {
    let many: Vec<String> = (1..60).map(|n| format!("203.0.113.{n}")).collect();
    let many = fine(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let query = query(plain(1));
    let short = query.answer(&many, query.room());
    assert_eq!((short[2] & 2, short[7], short.len()), (2, 0, query.message().len()));
    let whole = query.answer(&many, 65535);
    assert_eq!((whole[2] & 2, whole[7]), (0, 59));
}

#[test]
fn other_operations_are_not_implemented_and_other_classes_refused() {
    for opcode in 1..16_u16 {
        let message = asked(opcode << 11 | 0x0100, [1, 2, 3, 4], b"anything", 6, 1, b"");
        let want = [0x1234, 0x8104 | opcode << 11, 0, 0, 0, 0].into_iter().flat_map(u16::to_be_bytes);
        assert_eq!(read(message), Some(Received::Unknown(want.collect())), "{opcode}");
    }
    for class in [0, 3, 4, 254, 255] {
        assert_eq!(query(asked(0, ONE, LABELS, 16, class, b"")).fault(), Some(Code::Refused), "{class}");
    }
}

#[test]
fn what_is_malformed_gets_no_answer() {
    let deep: Vec<u8> = std::iter::repeat_n(*b"\x01a", 128).flatten().chain([0]).collect();
    let two_opts = [opt(1232, 0), opt(1232, 0)].concat();
    let named_opt = [b"\x01a", &opt(1232, 0)[..]].concat();
    let cut_opt = &opt(1232, 0)[..7];
    let lying_opt = [&opt(1232, 0)[..9], &[0, 9, 1]].concat();
    let corpus = [
        ("nothing", Vec::new()),
        ("half a header", plain(1)[..11].to_vec()),
        ("no question", asked(0, [0; 4], b"", 1, 1, b"")[..12].to_vec()),
        ("a header that promises a question", plain(1)[..12].to_vec()),
        ("a cut name", plain(1)[..20].to_vec()),
        ("a cut type", plain(1)[..25].to_vec()),
        ("an answer", asked(0x8180, ONE, LABELS, 1, 1, b"")),
        ("two questions", asked(0, [2, 0, 0, 0], LABELS, 1, 1, &plain(1)[12..])),
        ("records in a question", asked(0, [1, 1, 0, 0], LABELS, 1, 1, b"")),
        ("authorities in a question", asked(0, [1, 0, 1, 0], LABELS, 1, 1, b"")),
        ("a pointer in place of a name", asked(0, ONE, b"\xc0\x0c", 1, 1, b"")),
        ("a pointer behind a label", asked(0, ONE, b"\x01a\xc0\x0c", 1, 1, b"")),
        ("a label of 64", asked(0, ONE, &[&[64][..], &[b'a'; 64], &[0]].concat(), 1, 1, b"")),
        ("an extended label", asked(0, ONE, b"\x81a\0", 1, 1, b"")),
        ("a name of 257", asked(0, ONE, &deep, 1, 1, b"")),
        ("something after the end", asked(0, ONE, LABELS, 1, 1, b"\0")),
        ("a record that is not there", asked(0, [1, 0, 0, 1], LABELS, 1, 1, b"")),
        ("65535 records that are not there", asked(0, [1, 0, 0, 65535], LABELS, 1, 1, b"\0\0")),
        ("two OPT records", asked(0, [1, 0, 0, 2], LABELS, 1, 1, &two_opts)),
        ("an OPT record with a name", asked(0, [1, 0, 0, 1], LABELS, 1, 1, &named_opt)),
        ("a cut OPT record", asked(0, [1, 0, 0, 1], LABELS, 1, 1, cut_opt)),
        ("an OPT record that lies of its length", asked(0, [1, 0, 0, 1], LABELS, 1, 1, &lying_opt)),
        ("a record whose name leads in a circle", asked(0, [1, 0, 0, 1], LABELS, 1, 1, b"\xc0\x1c\0\0")),
        ("a record whose name leads forward", asked(0, [1, 0, 0, 1], LABELS, 1, 1, b"\xc0\x20\0\0\0")),
        ("all zero", vec![0; 65535]),
        ("all ones", vec![255; 65535]),
        ("a question and 65535 bytes", asked(0, ONE, LABELS, 1, 1, &[0; 65535])),
    ];
    for (what, message) in corpus {
        assert_eq!(read(message), None, "{what}");
    }
}

#[test]
fn the_longest_name_is_a_name() {
    let longest: Vec<u8> = std::iter::repeat_n(*b"\x01a", 127).flatten().chain([0]).collect();
    assert_eq!(query(asked(0, ONE, &longest, 1, 1, b"")).name, name(&["a"; 127].join(".")));
    assert_eq!(query(asked(0, ONE, b"\0", 2, 1, b"")).answer(&fine(&[]), 512)[12..], *b"\0\0\x02\0\x01");
    for bad in ["", "a..b", ".", &"a".repeat(64), &["a"; 128].join(".")] {
        assert_eq!(Name::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_name_is_below_those_it_ends_with_at_a_label_and_not_below_itself() {
    for (longer, suffix, below) in [
        ("cdn.WhatsApp.net", "whatsapp.net", true),
        ("a.b.c.whatsapp.net", "whatsapp.net", true),
        ("whatsapp.net", "whatsapp.net", false),
        ("evilwhatsapp.net", "whatsapp.net", false),
        ("whatsapp.net.example", "whatsapp.net", false),
        ("net", "whatsapp.net", false),
    ] {
        assert_eq!(name(longer).is_below(&name(suffix)), below, "{longer}");
    }
    // A point inside a label does not part two.
    let tricky = query(asked(0, ONE, b"\x0da.whatsapp.ne\x01t\0", 1, 1, b"")).name;
    assert!(!tricky.is_below(&name("whatsapp.net")) && tricky != name("a.whatsapp.ne.t"));
}

/// An answer to the question 7 for A of `wa.me`, with `records` after the question.
fn said(flags: u16, answers: u16, records: &[u8]) -> Vec<u8> {
    let header = [7, flags, 1, answers, 0, 0].into_iter().flat_map(u16::to_be_bytes);
    header.chain(*b"\x02WA\x02me\0\0\x01\0\x01").chain(records.iter().copied()).collect()
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length, data].concat()
}

fn heard(message: &[u8]) -> Option<Response> {
    read_response(message, 7, &name("wa.me"), Kind::A)
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn addresses_are_found_through_aliases_in_any_order() {
    let star = b"\x04star\xc0\x0c";
    let direct = record(b"\xc0\x0c", 1, 60, &[203, 0, 113, 80]);
    let response = heard(&said(0x8180, 1, &direct)).unwrap();
    assert_eq!((response.addresses, response.ttl), (addresses(&["203.0.113.80"]), 60));
    let alias = record(b"\xc0\x0c", 5, 30, star);
    let other = record(b"\x05other\0", 1, 1, &[6, 6, 6, 6]);
    let there = [record(star, 1, 300, &[203, 0, 113, 1]), record(star, 1, 300, &[203, 0, 113, 2])].concat();
    for records in [[&alias[..], &other, &there].concat(), [&there[..], &alias, &other].concat()] {
        let response = heard(&said(0x8180, 4, &records)).unwrap();
        let want = addresses(&["203.0.113.1", "203.0.113.2"]);
        assert_eq!((response.addresses, response.ttl), (want, 30), "not of names nobody asked for");
    }
    let circle = record(b"\xc0\x0c", 5, 30, b"\xc0\x0c");
    assert_eq!(heard(&said(0x8180, 1, &circle)).unwrap().addresses, addresses(&[]));
}

#[test]
fn how_it_went_is_told() {
    for (flags, fine, denies, truncated) in [
        (0x8180, true, false, false),
        (0x8183, false, true, false),
        (0x8182, false, false, false),
        (0x8185, false, false, false),
        (0x8380, true, false, true),
    ] {
        let response = heard(&said(flags, 0, b"")).unwrap();
        let told = (response.is_fine(), response.denies(), response.truncated);
        assert_eq!(told, (fine, denies, truncated), "{flags:04x}");
    }
}

#[test]
fn what_is_no_answer_to_the_question_is_not_heard() {
    let good = said(0x8180, 1, &record(b"\xc0\x0c", 1, 60, &[203, 0, 113, 80]));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let bad = [
        ("another number", changed(1, 8)),
        ("a question", changed(2, 0x01)),
        ("another operation", changed(2, 0x89)),
        ("two questions", changed(5, 2)),
        ("another name", changed(13, b'x')),
        ("another type", changed(20, 28)),
        ("another class", changed(22, 3)),
        ("more records than there are", changed(7, 2)),
        ("a short address", said(0x8180, 1, &record(b"\xc0\x0c", 1, 60, &[1, 2, 3]))),
        ("a long address", said(0x8180, 1, &record(b"\xc0\x0c", 1, 60, &[1, 2, 3, 4, 5]))),
        ("an owner in a circle", said(0x8180, 1, &record(b"\xc0\x17", 1, 60, &[1, 2, 3, 4]))),
        ("an alias in a circle", said(0x8180, 1, &record(b"\xc0\x0c", 5, 60, b"\x01a\xc0\x23"))),
        ("an alias to nowhere", said(0x8180, 1, &record(b"\xc0\x0c", 5, 60, b"\x3fa"))),
        ("nothing", Vec::new()),
        ("garbage", vec![0xff; 512]),
    ];
    assert!(heard(&good).is_some());
    for (what, message) in bad {
        assert_eq!(heard(&message), None, "{what}");
    }
}

#[test]
fn our_questions_are_those_that_we_read() {
    let message = question(9, &name("Static.WhatsApp.net"), Kind::AAAA);
    let query = query(message.clone());
    assert_eq!(
        (query.name.clone(), query.kind, query.room()),
        (name("static.whatsapp.net"), Kind::AAAA, 1232)
    );
    assert_eq!(with_id(&message, 0xabcd), [&b"\xab\xcd"[..], &message[2..]].concat());
    let answer = query.answer(&fine(&["2001:db8::1"]), 1232);
    let response = read_response(&answer, 9, &query.name, Kind::AAAA).unwrap();
    assert_eq!((response.addresses, response.ttl), (addresses(&["2001:db8::1"]), 5));
}

#[test]
fn what_another_has_answered_goes_back_under_the_guests_number_and_letters() {
    let asked = query(asked(0x0100, ONE, b"\x02wA\x02Me\0", 1, 1, b""));
    let answer = said(0x8180, 1, &record(b"\xc0\x0c", 1, 60, &[203, 0, 113, 80]));
    let relayed = asked.relayed(&answer, 512).unwrap();
    assert_eq!(relayed[..2], *b"\x12\x34");
    assert_eq!(relayed[12..23], *b"\x02wA\x02Me\0\0\x01\0\x01");
    assert_eq!((relayed.len(), &relayed[23..]), (answer.len(), &answer[23..]));
    let short = asked.relayed(&answer, 30).unwrap();
    assert_eq!((short[2] & 2, short[7]), (2, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(bytes.clone());
        let _ = read_response(&bytes, 7, &name("wa.me"), Kind::A);
    }

    /// Bytes at random seldom come past the header; these are nearly right.
    #[test]
    fn no_change_of_good_messages_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let records = [record(b"\xc0\x0c", 5, 30, b"\x04star\xc0\x0c"), record(b"\xc0\x23", 1, 9, &[1, 2, 3, 4])];
        for whole in [plain(1), with_opt(1232, 0), said(0x8180, 2, &records.concat())] {
            let mut bytes = whole;
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
            let _ = read_response(&bytes, 7, &name("wa.me"), Kind::A);
            if let Some(Received::Query(query)) = read(bytes.clone()) {
                let answer = query.answer(&fine(&["198.18.0.1"]), query.room());
                prop_assert!(answer.len() <= query.room());
                let _ = query.relayed(&bytes, 512);
                if query.fault().is_none() {
                    let id = u16::from_be_bytes([answer[0], answer[1]]);
                    prop_assert!(read_response(&answer, id, &query.name, query.kind).is_some());
                }
            }
        }
    }
}
