//! PINs of accounts: argon2id, sized for a router.
//!
//! Owns: what a hash may ask for. A cloud says how much memory and time a check takes; more than a router of
//! 128 MB can spare beside its guests is refused, and the account cannot be used until the cloud hashes anew.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier};

/// Memory of one check, in KiB: 19 MiB is what OWASP recommends for argon2id.
const MEMORY: u32 = 32 * 1024;
const PASSES: u32 = 8;

/// Whether `hash`, in its own text form, is that of `pin`. Takes its time.
pub(super) fn is_right(hash: &str, pin: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let affordable =
        Params::try_from(&hash).is_ok_and(|asked| asked.m_cost() <= MEMORY && asked.t_cost() <= PASSES);
    if !affordable || hash.algorithm != Algorithm::Argon2id.ident() {
        tracing::warn!(
            event = "pin_hash_refused",
            "an account's PIN hash is not argon2id within 32 MiB and 8 passes"
        );
        return false;
    }
    Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "4711", with 8 MiB and one pass.
    const HASH: &str =
        "$argon2id$v=19$m=8192,t=1,p=1$bGFuZ28tbGFuZ28tMTY$ziSAD8u43sUKfgwRlsIVOT0lEl3cCch02anU7u51P/I";

    #[test]
    fn the_right_pin_is_right_and_others_are_not() {
        assert!(is_right(HASH, "4711"));
        assert!(!is_right(HASH, "4712"));
        assert!(!is_right(HASH, ""));
    }

    #[test]
    fn a_hash_that_a_router_cannot_afford_is_refused() {
        for hash in [
            HASH.replace("m=8192", "m=1048576"),
            HASH.replace("t=1", "t=64"),
            HASH.replace("argon2id", "argon2d"),
            String::new(),
            "4711".to_owned(),
        ] {
            assert!(!is_right(&hash, "4711"), "{hash}");
        }
    }
}
