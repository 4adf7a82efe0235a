//! Draws codes for vouchers: at random, and such that no voucher has them yet.
//!
//! Owns: the loops around `make_code` and the issuing key. Never: keeps a code, or stores what is drawn.
//! Neighbour: `vouchers`.

use super::ask::Asked;
use super::ledger::Ledger;
use super::vouchers::unreadable;
use crate::clock::random;
use crate::domain::{
    CodeForm, CodeKey, Hint, Issued, IssuingKey, Normal, Plan, PlanNumber, Serial, SiteKey, make_code,
};
use crate::ordered::OrdSet;
use crate::wire::control::{Code, Failure};

/// A code that no voucher has yet.
pub(super) struct Drawn {
    pub(super) code: String,
    pub(super) key: CodeKey,
    pub(super) hint: Hint,
}

impl Drawn {
    fn of(code: String, site: &SiteKey) -> Self {
        let normal = Normal::of(&code).expect("a made code has a normal form");
        Self { key: site.voucher(&normal), hint: Hint::of(normal.as_str()), code }
    }
}

/// Codes that are kept in a list. One that exists already is drawn again; among so many that is rare.
pub(super) async fn listed(
    ledger: &Ledger,
    site: &SiteKey,
    form: CodeForm,
    prefix: &str,
    count: usize,
) -> Asked<Vec<Drawn>> {
    let (mut made, mut taken) = (Vec::new(), OrdSet::new());
    while made.len() < count {
        let mut drawn = Vec::new();
        while made.len() + drawn.len() < count {
            let code = make_code(form, prefix, random())
                .map_err(|error| Failure::new(Code::Usage, error.to_string(), "lango voucher new --help"))?;
            drawn.extend(Some(Drawn::of(code, site)).filter(|one| taken.insert(one.key)));
        }
        made.extend(unknown(ledger, drawn).await?);
    }
    Ok(made)
}

/// Codes that prove themselves, of serials that were not redeemed, and that no voucher has.
pub(super) async fn self_verifying(
    ledger: &Ledger,
    site: &SiteKey,
    issuing: Option<&IssuingKey>,
    plan: &Plan,
    count: usize,
) -> Asked<Vec<Drawn>> {
    let key = issuing.ok_or_else(|| refusal("no issuing key is in use", "set list issuing_key '0'"))?;
    let Some(number) = plan.number else {
        let message = format!("plan {} has no number, which a code that proves itself has to name", plan.id);
        let remedy =
            format!("give it one that no other plan has: option number '0' to '15' in plan {}", plan.id);
        return Err(refusal(message, remedy));
    };
    let mut serials = every_serial();
    let mut made = Vec::new();
    while made.len() < count {
        let tried: Vec<_> = serials.by_ref().take(count - made.len()).collect();
        if tried.is_empty() {
            let message = format!("issuing key {} has fewer than {count} serials left", key.number().get());
            return Err(refusal(
                message,
                "add the next number: list issuing_key; the last one is used for new codes",
            ));
        }
        let fresh = not_redeemed(ledger, key, number, tried).await?;
        let drawn = fresh.into_iter().map(|serial| Drawn::of(key.write(number, serial), site)).collect();
        made.extend(unknown(ledger, drawn).await?);
    }
    Ok(made)
}

/// All serials, each once, from a random one on by a random step. What a code shows of its serial is hidden
/// by its key, so this need not be a lottery.
fn every_serial() -> impl Iterator<Item = Serial> {
    let [a, b, c, d] = random();
    let (start, step) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]) | 1);
    (0..=u16::MAX).map(move |at| Serial(at.wrapping_mul(step).wrapping_add(start)))
}

async fn not_redeemed(
    ledger: &Ledger,
    key: &IssuingKey,
    plan: PlanNumber,
    serials: Vec<Serial>,
) -> Asked<Vec<Serial>> {
    let issued = |serial: &Serial| Issued { key: key.number(), plan, serial: *serial };
    let used = ledger.store.used_serials(serials.iter().map(issued).collect()).await.map_err(unreadable)?;
    Ok(serials.into_iter().zip(used).filter(|(_, used)| !used).map(|(serial, _)| serial).collect())
}

/// Those of `drawn` that no voucher has.
async fn unknown(ledger: &Ledger, drawn: Vec<Drawn>) -> Asked<impl Iterator<Item = Drawn>> {
    let keys = drawn.iter().map(|one| one.key).collect();
    let known = ledger.store.find(keys).await.map_err(unreadable)?;
    Ok(drawn.into_iter().zip(known).filter(|(_, known)| known.is_none()).map(|(one, _)| one))
}

fn refusal(message: impl Into<String>, remedy: impl Into<String>) -> Failure {
    Failure::new(Code::Refused, message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_serial_comes_once() {
        let serials: OrdSet<_> = every_serial().collect();
        assert_eq!(serials.len(), 1 << 16);
    }
}
