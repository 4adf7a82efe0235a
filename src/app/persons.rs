//! A person's data: handed out, and forgotten, for operators and for the cloud.
//!
//! Owns: whom a request means, when that is too vague, and what is said of what was found. Never: what is whose (the
//! store), what ends with a person (the Gate). Neighbours: `ask` for the daemon, `vouchers` without one, `cloud`.

use super::ask::{Asked, parse};
use super::keys::Keys;
use super::ledger::Ledger;
use super::trail;
use super::vouchers::{order, unreadable};
use crate::clock::random;
use crate::domain::{
    AccountName, Action, Actor, Alias, CloudId, CodeKey, Dossier, Forgetter, Forgotten, Hint, Input,
    KnownDevice, Mac, Normal, Outcome, Permission, Person, PhoneTail, Purchase, Reference, Traces, Visit,
    Wall, Whom, Wish,
};
use crate::store::StoreError;
use crate::wire::control::{
    Answer, Code, Erased, Export, ExportedClaim, ExportedDevice, ExportedEntitlement, ExportedSession,
    Failure, Whose,
};

/// Bytes of a person's data that go to the cloud: more is no single event any more.
const DELIVERED_MAX: usize = 48 * 1024;

/// All that is stored of whoever is meant.
pub(super) async fn export(ledger: &mut Ledger, keys: &Keys, whose: &Whose, by: &Actor) -> Asked<Answer> {
    let traces = ledger.store.traces(whom(keys, whose)?).await.map_err(unreadable)?;
    let found = ledger.store.dossier(traces).await.map_err(unreadable)?;
    if found == Dossier::default() {
        return Err(nobody());
    }
    let detail = format!("{} devices, {} purchases", found.devices.len(), found.purchases.len());
    trail::note(ledger, by, Action::Export, detail).await;
    Ok(Answer::Export(Box::new(exported(ledger, found))))
}

/// What forgets whoever is meant, and how much that is.
pub(super) async fn forgetting(ledger: &Ledger, keys: &Keys, whose: &Whose) -> Asked<(Input, Erased)> {
    let whom = whom(keys, whose)?;
    let traces = ledger.store.traces(whom.clone()).await.map_err(unreadable)?;
    if traces.is_empty() && whom != Whom::Everybody {
        return Err(nobody());
    }
    if is_too_vague(&whom, &traces) {
        let message = format!("{} share these last digits of a phone", purchases(&traces));
        let remedy = "name the one that is meant by --code or --mac; lango export shows each";
        return Err(Failure::new(Code::Refused, message, remedy));
    }
    let found = ledger.store.dossier(traces.clone()).await.map_err(unreadable)?;
    let erased = Erased {
        devices: found.devices.len() as u64,
        entitlements: traces.purchases() as u64,
        sessions: found.visits.len() as u64,
        claims: found.claims.len() as u64,
    };
    Ok((forget(traces, None), erased))
}

/// Does the same without a daemon.
pub(super) async fn forget_now(ledger: &mut Ledger, keys: &Keys, whose: &Whose, by: &Actor) -> Asked<Answer> {
    let (input, erased) = forgetting(ledger, keys, whose).await?;
    order(ledger, by, Action::Forget, input).await?;
    let now = ledger.clock.now();
    clean(ledger.store.keep_copy(now.wall).await)?;
    Ok(Answer::Forget(erased))
}

/// What came of writing the files anew without whoever was forgotten.
pub(super) fn clean<T>(kept: Result<T, StoreError>) -> Asked<()> {
    kept.map(drop).map_err(|error| {
        let message = format!("it is forgotten, but its last traces are still in the files: {error}");
        Failure::new(
            Code::NotStored,
            message,
            "the daemon tries again within the hour; lango doctor says more",
        )
    })
}

/// What the command of the cloud comes to.
pub(super) async fn wished(
    ledger: &Ledger,
    id: CloudId,
    person: Person,
    wish: Wish,
) -> Result<Input, StoreError> {
    let whom = Whom::Person(person);
    let traces = ledger.store.traces(whom.clone()).await?;
    let nothing = || Outcome::Remarked("nothing is stored of this person".to_owned());
    let result = match wish {
        Wish::Forget if traces.is_empty() => nothing(),
        Wish::Forget if is_too_vague(&whom, &traces) => {
            Outcome::Failed(format!("{} share these last digits: name the reference too", purchases(&traces)))
        }
        Wish::Forget => return Ok(forget(traces, Some(id))),
        Wish::Export => match ledger.store.dossier(traces).await? {
            found if found == Dossier::default() => nothing(),
            found => delivered(&exported(ledger, found)),
        },
    };
    Ok(Input::Told { command: id, result })
}

fn delivered(data: &Export) -> Outcome {
    match serde_json::to_string(data) {
        Ok(data) if data.len() <= DELIVERED_MAX => Outcome::Delivered(data),
        Ok(data) => Outcome::Failed(format!(
            "{} bytes are more than an event holds ({DELIVERED_MAX}): the operator exports them at the gateway",
            data.len()
        )),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What forgets the device of a guest who wants that. The files are not written anew for it, only at the next hourly
/// look: or guests could have the flash rewritten as often as they can log in.
pub(super) fn forget_device(mac: Mac) -> Input {
    Input::ForgetDevice { mac, alias: Alias::new(random()) }
}

fn forget(traces: Traces, by: Option<CloudId>) -> Input {
    let (alias, who) = (Alias::new(random()), Forgetter::Keeper);
    Input::Forget { person: Box::new(Forgotten { traces, alias, who }), by }
}

/// Whether others would be forgotten with the one who is meant.
fn is_too_vague(whom: &Whom, traces: &Traces) -> bool {
    match whom {
        Whom::Everybody => false,
        Whom::Person(person) => person.is_vague() && traces.purchases() > 1,
    }
}

fn purchases(traces: &Traces) -> String {
    format!("{} entitlements and payments", traces.purchases())
}

fn whom(keys: &Keys, whose: &Whose) -> Asked<Whom> {
    let person = match whose {
        Whose::All => return Ok(Whom::Everybody),
        Whose::Mac { mac } => Person { mac: Some(parse(mac)?), ..Person::default() },
        Whose::Code { code } => Person { keys: meanings(keys, code.reveal()), ..Person::default() },
        Whose::Phone { last4 } => {
            let tail = PhoneTail::of(last4.reveal());
            Person { phone_last4: Some(tail.ok_or_else(not_four_digits)?), ..Person::default() }
        }
    };
    if person == Person::default() { Err(nobody()) } else { Ok(Whom::Person(person)) }
}

/// What a text finds as a code, as a reference, as the name of an account.
pub(super) fn meanings(keys: &Keys, typed: &str) -> Vec<CodeKey> {
    let code = Normal::of(typed).map(|code| keys.site.voucher(&code));
    let reference = Reference::of(typed).map(|reference| CodeKey(keys.site.payment(&reference).0));
    let account = AccountName::of(typed).map(|name| CodeKey(keys.site.account(&name).0));
    [code, reference, account].into_iter().flatten().collect()
}

fn nobody() -> Failure {
    Failure::new(Code::NoSuchPerson, "nothing is stored of this person", "lango export --all shows everybody")
}

fn not_four_digits() -> Failure {
    Failure::new(Code::Usage, "these are no four digits of a phone", "see 'lango forget --help'")
}

/// As the interface shows it; what is used goes on being counted for whoever is online.
fn exported(ledger: &Ledger, found: Dossier) -> Export {
    let view = ledger.gate.view(ledger.clock.now());
    let online = |mac| view.sessions.contains_key(mac);
    Export {
        devices: found.devices.iter().map(|device| exported_device(device, online(&device.mac))).collect(),
        entitlements: found.purchases.iter().map(|one| exported_entitlement(ledger, one)).collect(),
        sessions: found.visits.iter().map(|visit| exported_session(ledger, visit)).collect(),
        claims: found
            .claims
            .iter()
            .map(|claim| ExportedClaim {
                mac: claim.mac.to_string(),
                since: claim.since.to_string(),
                awaits: claim.awaits.word().to_owned(),
                terms: claim.accepted.map(|accepted| accepted.version.to_string()),
                accepted: claim.accepted.map(|accepted| accepted.at.to_string()),
            })
            .collect(),
        audit: found.deeds.into_iter().map(trail::row).collect(),
    }
}

fn exported_device(device: &KnownDevice, online: bool) -> ExportedDevice {
    ExportedDevice {
        mac: device.mac.to_string(),
        online,
        blocked: match device.standing {
            Permission::Granted => false,
            Permission::Blocked => true,
        },
    }
}

fn exported_entitlement(ledger: &Ledger, one: &Purchase) -> ExportedEntitlement {
    let running = one.entitlement.and_then(|id| ledger.gate.entitlement(id));
    let stamp = running.map(|running| running.stamp_at(ledger.gate.moment(ledger.clock.now())));
    let counted = stamp.map_or((one.used, one.bytes_up, one.bytes_down), |stamp| {
        (stamp.used, stamp.bytes_up, stamp.bytes_down)
    });
    ExportedEntitlement {
        id: one.entitlement.map(|id| id.to_string()),
        origin: one.origin.word().to_owned(),
        plan: one.plan.to_string(),
        batch: one.batch.as_ref().map(ToString::to_string),
        hint: Hint::to_string(&one.hint),
        phone_last4: one.phone.map(|tail| String::from_utf8_lossy(&tail.digits()).into_owned()),
        state: one.state.word().to_owned(),
        opened: one.opened.as_ref().map(Wall::to_string),
        seconds_used: counted.0.as_secs(),
        bytes_up: counted.1.0,
        bytes_down: counted.2.0,
    }
}

fn exported_session(ledger: &Ledger, visit: &Visit) -> ExportedSession {
    let used = ledger.gate.used_by(visit.session).unwrap_or(visit.used);
    ExportedSession {
        id: visit.session.to_string(),
        entitlement: visit.entitlement.to_string(),
        mac: visit.mac.to_string(),
        since: visit.since.to_string(),
        closed: visit.closed.as_ref().map(Wall::to_string),
        why: visit.why.clone(),
        bytes_up: used.up.0,
        bytes_down: used.down.0,
        terms: visit.accepted.map(|accepted| accepted.version.to_string()),
        accepted: visit.accepted.map(|accepted| accepted.at.to_string()),
    }
}
