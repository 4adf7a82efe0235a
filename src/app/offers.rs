//! Payments that came and could not open anything yet, offered again.
//!
//! Owns: when that is done, and with what the store has of them. Never: decides whom there is room for; that is
//! the Gate's. Neighbours: `desk` calls it in its time, `cloud` and a new configuration bring it forward.

use std::time::Duration;

use super::desk::Desk;
use super::ledger::Ledger;
use crate::domain::{CodeKey, Input};

/// Guests make room without a word, so it is looked for this often.
const OFFER: Duration = Duration::from_secs(60);

impl Desk {
    /// Lets in who has paid and waits for room, as far as there is some.
    pub(super) async fn offer_again(&mut self) {
        self.next_offer = self.ledger.clock.now().boot.plus(OFFER);
        let offers = self.kernel.guard_while(self.ledger.offers()).await;
        if !offers.is_empty() {
            self.transact(offers).await;
        }
    }
}

impl Ledger {
    /// The payments that wait for room, the longest waiting first. None while the store cannot be read.
    async fn offers(&mut self) -> Vec<Input> {
        let claims = self.gate.awaiting_room();
        if claims.is_empty() {
            return Vec::new();
        }
        let keys = claims.iter().map(|claim| CodeKey(claim.reference.0)).collect();
        let found = self.find(keys).await.unwrap_or_default();
        let offers = claims.into_iter().zip(found).filter_map(|(claim, payment)| {
            Some(Input::Paid { payment: Box::new(payment?), mac: Some(claim.mac) })
        });
        offers.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::{
        Awaits, Hint, Limits, Mac, Payment, PhoneTail, Plan, PlanSource, ReferenceKey, Row, RowsFrom,
        Voucher, Wall,
    };
    use crate::store::{self, Opened};

    fn mac(n: u8) -> Mac {
        Mac::new([2, 0, 0, 0, 0, n])
    }

    /// What the cloud says that `device` has paid for, which `mac(device)` gets.
    fn payment(device: u8) -> Row {
        Row::Payment(Payment {
            key: ReferenceKey([device; 16]),
            hint: Hint::default(),
            plan: "hour".parse().unwrap(),
            paid_at: None,
            phone_last4: PhoneTail::of("0417"),
            mac: Some(mac(device)),
        })
    }

    fn comes(device: u8) -> [Input; 2] {
        let row = payment(device);
        let payment = Voucher::of_row(None, row.clone(), Wall::from_secs(0)).map(Box::new).unwrap();
        [
            Input::RowsPut { rows: vec![(None, row)], from: RowsFrom::Lookup },
            Input::Paid { payment, mac: Some(mac(device)) },
        ]
    }

    fn online(ledger: &Ledger) -> Vec<Mac> {
        ledger.gate.view(ledger.clock.now()).sessions.into_keys().collect()
    }

    #[tokio::test]
    async fn who_paid_while_the_hotspot_was_full_gets_in_when_somebody_has_left() {
        let dir = tempfile::tempdir().unwrap();
        let Opened { store, restored, .. } = store::open(dir.path()).unwrap();
        let plan = Plan::unlimited("hour".parse().unwrap(), PlanSource::File);
        let limits = Limits { max_clients: 1, ..Limits::default() };
        let boot = "boot-1".parse().unwrap();
        let (mut ledger, records) =
            Ledger::open(store, restored, vec![plan.clone()], limits, &boot, Clock::new());
        ledger.begin(records).await;
        ledger.transact(vec![Input::Grant { mac: mac(9), plan: plan.id }]).await;
        assert!(ledger.offers().await.is_empty(), "nobody waits");

        assert!(!std::mem::take(&mut ledger.has_claims));
        ledger.transact([2, 1].into_iter().flat_map(comes).collect()).await;
        assert!(std::mem::take(&mut ledger.has_claims), "pages are to say so");
        assert_eq!(ledger.gate.view(ledger.clock.now()).waiting[&mac(1)], Awaits::Room);
        let offers = ledger.offers().await;
        assert_eq!(offers.len(), 2);
        ledger.transact(offers).await;
        assert_eq!((online(&ledger), ledger.has_claims), (vec![mac(9)], false), "full as before");

        for (leaves, gets_in) in [(9, vec![mac(2)]), (2, vec![mac(1)]), (1, vec![])] {
            ledger.transact(vec![Input::KickDevice { mac: mac(leaves) }]).await;
            let offers = ledger.offers().await;
            ledger.transact(offers).await;
            assert_eq!(online(&ledger), gets_in);
        }
    }
}
