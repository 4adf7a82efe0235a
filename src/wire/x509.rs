//! From when until when an X.509 certificate is valid, out of its DER (RFC 5280).
//!
//! Reads as far as the dates and no further. Who signed it, and for which names, is verified elsewhere.

use crate::domain::Wall;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The dates of a certificate; both belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: Wall,
    pub until: Wall,
}

/// The dates of the certificate `der`; `None` if it is none.
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    // Serial number, algorithm of the signature, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, tag)?;
    }
    let (dates, _) = element(rest, SEQUENCE)?;
    let (from, dates) = time(dates)?;
    let (until, _) = time(dates)?;
    Some(Validity { from, until })
}

/// The content of the element with `tag` that `bytes` begin with, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match *short {
        short @ 0..0x80 => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        0x80 | 0x84.. => return None,
    };
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// The time that `bytes` begin with, and what follows it.
fn time(bytes: &[u8]) -> Option<(Wall, &[u8])> {
    let (text, century, rest) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => (text, if text.first()? < &b'5' { "20" } else { "19" }, rest),
        None => element(bytes, GENERALIZED_TIME).map(|(text, rest)| (text, "", rest))?,
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = |at: std::ops::Range<usize>| digits.get(at);
    let (date, clock) =
        ([part(0..4)?, part(4..6)?, part(6..8)?], [part(8..10)?, part(10..12)?, part(12..14)?]);
    let wall = Wall::parse(&format!("{}T{}Z", date.join("-"), clock.join(":")))?;
    Some((wall, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match u8::try_from(length) {
            Ok(short @ 0..0x80) => vec![tag, short],
            Ok(long) => vec![tag, 0x81, long],
            Err(_) => vec![tag, 0x82, (length >> 8) as u8, (length & 255) as u8],
        };
        [&head, content].concat()
    }

    fn certificate(dates: &[u8], issuer: &[u8]) -> Vec<u8> {
        let body = [
            &of(VERSION, &[2, 1, 2])[..],
            &of(INTEGER, &[7; 20]),
            &of(SEQUENCE, &[6, 0]),
            &of(SEQUENCE, issuer),
            &of(SEQUENCE, dates),
            &of(SEQUENCE, b"subject"),
        ];
        of(SEQUENCE, &[of(SEQUENCE, &body.concat()), of(SEQUENCE, b"signature")].concat())
    }

    fn dates(from: (u8, &str), until: (u8, &str)) -> Vec<u8> {
        [of(from.0, from.1.as_bytes()), of(until.0, until.1.as_bytes())].concat()
    }

    #[test]
    fn dates_of_both_kinds_are_read() {
        for (from, until, expected) in [
            (
                (UTC_TIME, "261122000000Z"),
                (UTC_TIME, "270222112233Z"),
                ["2026-11-22T00:00:00Z", "2027-02-22T11:22:33Z"],
            ),
            (
                (UTC_TIME, "991231235959Z"),
                (GENERALIZED_TIME, "20500101000000Z"),
                ["1999-12-31T23:59:59Z", "2050-01-01T00:00:00Z"],
            ),
        ] {
            for issuer in [&[][..], &[1; 200], &[1; 3000]] {
                let [from_, until_] = expected.map(|text| Wall::parse(text).unwrap());
                let read = validity(&certificate(&dates(from, until), issuer));
                assert_eq!(read, Some(Validity { from: from_, until: until_ }));
            }
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        let good = certificate(&dates((UTC_TIME, "261122000000Z"), (UTC_TIME, "270222112233Z")), &[1; 200]);
        for length in 0..good.len() {
            assert_eq!(validity(&good[..length]), None, "cut at {length}");
        }
        for wrong in ["26112200000Z", "2611220000000", "261322000000Z", "26112200000éZ", "+61122000000Z", ""]
        {
            let dates = dates((UTC_TIME, wrong), (UTC_TIME, "270222112233Z"));
            assert_eq!(validity(&certificate(&dates, &[])), None, "{wrong}");
        }
        let mut seed = 1_u32;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = (seed & 255) as u8;
            }
            let _ = validity(&bytes);
        }
    }
}
