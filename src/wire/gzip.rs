//! Bodies in gzip (RFC 1952), as HTTP sends them: one member, in memory.
//!
//! Owns: the frame around a deflate stream, its checksum, a limit to what comes out, so that no small body
//! becomes a large one. Never: which body is worth it.

use std::fmt;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

/// Two bytes of name, deflate, no flags, no time, no hints, an unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// As zlib's own default.
const LEVEL: u8 = 6;
/// CRC-32 of IEEE 802.3, bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Flags of the head.
const HEAD_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// Why a body cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    Malformed,
    TooLarge,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("no right gzip"),
            Self::TooLarge => f.write_str("larger than allowed once unpacked"),
        }
    }
}

impl std::error::Error for GzipError {}

/// Packs `plain`.
pub fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = HEAD.to_vec();
    packed.append(&mut compress_to_vec(plain, LEVEL));
    packed.extend_from_slice(&crc32(plain).to_le_bytes());
    packed.extend_from_slice(&length(plain).to_le_bytes());
    packed
}

/// Unpacks a body into at most `most` bytes.
///
/// # Errors
/// If it is no gzip, does not come out as it went in, or comes out too large.
pub fn unpack(packed: &[u8], most: usize) -> Result<Vec<u8>, GzipError> {
    let body = after_head(packed).ok_or(GzipError::Malformed)?;
    let (deflated, tail) = body.split_last_chunk::<8>().ok_or(GzipError::Malformed)?;
    let plain = decompress_to_vec_with_limit(deflated, most).map_err(|error| {
        if error.status == TINFLStatus::HasMoreOutput { GzipError::TooLarge } else { GzipError::Malformed }
    })?;
    let sum = u64::from(length(&plain)) << 32 | u64::from(crc32(&plain));
    if sum.to_le_bytes() == *tail { Ok(plain) } else { Err(GzipError::Malformed) }
}

fn after_head(packed: &[u8]) -> Option<&[u8]> {
    let ([0x1f, 0x8b, 8, flags, ..], mut rest) = packed.split_first_chunk::<10>()? else { return None };
    if flags & EXTRA != 0 {
        let (size, more) = rest.split_first_chunk()?;
        rest = more.get(usize::from(u16::from_le_bytes(*size))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEAD_CRC != 0 { rest.get(2..) } else { Some(rest) }
}

/// Modulo 2^32, as the tail has it.
fn length(plain: &[u8]) -> u32 {
    u32::try_from(plain.len() & 0xffff_ffff).unwrap_or(0)
}

/// Four bits at a time: a table of 64 bytes, and 1 MiB in a few milliseconds.
fn crc32(bytes: &[u8]) -> u32 {
    const OF_NIBBLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut nibble = 0;
        while nibble < 16 {
            let (mut crc, mut bit) = (nibble, 0);
            while bit < 4 {
                crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
                bit += 1;
            }
            #[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
            {
                table[nibble as usize] = crc;
            }
            nibble += 1;
        }
        table
    };
    let step = |crc: u32| crc >> 4 ^ OF_NIBBLE.get((crc & 15) as usize).copied().unwrap_or(0);
    !bytes.iter().fold(!0, |crc, byte| step(step(crc ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for plain in [&b""[..], b"a", &b"{\"ops\":[]}".repeat(10_000)] {
            assert_eq!(unpack(&pack(plain), 1 << 20).as_deref(), Ok(plain));
        }
        assert!(pack(&[b'x'; 100_000]).len() < 1000);
    }

    /// Made by `printf lango | gzip -nc`, and the same with a name, a comment, extra and a checksum of the head.
    #[test]
    fn what_others_packed_comes_out() {
        let body = [0xcb, 0x49, 0xcc, 0x4b, 0xcf, 7, 0, 0xb4, 0x9a, 0x82, 0xac, 5, 0, 0, 0];
        let plain = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &body].concat();
        assert_eq!(unpack(&plain, 5).as_deref(), Ok(&b"lango"[..]));
        let head = [0x1f, 0x8b, 8, HEAD_CRC | EXTRA | NAME | COMMENT, 0, 0, 0, 0, 0, 3];
        let full = [&head[..], &[2, 0, 9, 9], b"name\0", b"comment\0", &[7, 7], &body].concat();
        assert_eq!(unpack(&full, 5).as_deref(), Ok(&b"lango"[..]));
    }

    #[test]
    fn a_bomb_is_given_up() {
        let bomb = pack(&vec![0; 4 << 20]);
        assert!(bomb.len() < 8192);
        assert_eq!(unpack(&bomb, 1 << 20), Err(GzipError::TooLarge));
    }

    #[test]
    fn what_was_cut_or_changed_is_refused() {
        let packed = pack(b"{\"acked\":1240}");
        for cut in 0..packed.len() {
            assert_eq!(unpack(&packed[..cut], 1 << 20), Err(GzipError::Malformed), "{cut}");
        }
        for place in 10..packed.len() {
            let mut changed = packed.clone();
            changed[place] ^= 1;
            assert!(unpack(&changed, 1 << 20).is_err(), "{place}");
        }
    }
}
