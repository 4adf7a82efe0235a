//! What operators do to what was bought, on the command line: which purchase is meant, by how much, and how it stands.
//!
//! Owns: what those options mean, and the lines that are printed. Never: asks anybody. Neighbours: `commands` has the
//! commands, `invocations` the other options.

use super::invocations::{LONGEST_CODE, one};
use super::options::Opt;
use super::parse::Given;
use super::words::{duration, size};
use super::{Failure, Invocation, Request};
use crate::config;
use crate::domain::{Mac, SessionId};
use crate::telemetry::clean;
use crate::wire::control::{Held, Meant, TypedCode};

/// Characters: what else the trail says of it has to fit in.
const LONGEST_REASON: usize = 80;

pub(super) fn topup(given: &Given) -> Result<Invocation, Failure> {
    let (time, data) = (given.text(Opt::Time)?, given.text(Opt::Data)?);
    if time.is_none() && data.is_none() {
        return Err(given.usage("--time or --data is missing"));
    }
    let seconds = time.map(|text| seconds(given, Opt::Time, &text)).transpose()?.unwrap_or(0);
    let bytes = match data.map(|text| config::size(&text)) {
        Some(Ok(bytes)) => bytes.0,
        Some(Err(why)) => return Err(given.wrong(Opt::Data, &why)),
        None => 0,
    };
    one(given, Request::Topup { of: meant(given, given.word())?, seconds, bytes })
}

pub(super) fn extend(given: &Given) -> Result<Invocation, Failure> {
    let by = given.text(Opt::By)?.ok_or_else(|| given.usage("--by is missing"))?;
    let seconds = seconds(given, Opt::By, &by)?;
    one(given, Request::Extend { of: meant(given, given.word())?, seconds })
}

pub(super) fn refund(given: &Given) -> Result<Invocation, Failure> {
    let reason = given.text(Opt::Reason)?;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(given.wrong(Opt::Reason, "it is longer than 80 characters"));
    }
    one(given, Request::Refund { of: meant(given, given.word())?, reason })
}

/// The last word is the device.
pub(super) fn move_to(given: &Given) -> Result<Invocation, Failure> {
    let words: Vec<_> = given.words().collect();
    let (code, to) = match words.as_slice() {
        [to] => (None, *to),
        [code, to] => (Some(*code), *to),
        _ => return Err(given.usage("the MAC of the other device is missing")),
    };
    let to = to.parse::<Mac>().map_err(|error| given.usage(&error.to_string()))?.to_string();
    one(given, Request::Move { of: meant(given, code)?, to })
}

/// Each word is what the options of the others are.
pub(super) fn merge(given: &Given) -> Result<Invocation, Failure> {
    let mut words = given.words().map(|word| named(given, word));
    match (words.next(), words.next()) {
        (Some(kept), Some(other)) => one(given, Request::Merge { kept: kept?, other: other? }),
        _ => Err(given.usage("two are made one")),
    }
}

fn named(given: &Given, word: &str) -> Result<Meant, Failure> {
    let session = || word.parse::<SessionId>().ok().filter(|_| word.starts_with("s-"));
    match (word.parse::<Mac>(), session()) {
        (Ok(mac), _) => Ok(Meant::Mac { mac: mac.to_string() }),
        (Err(_), Some(session)) => Ok(Meant::Session { session: session.to_string() }),
        (Err(_), None) => by_code(given, word),
    }
}

/// No error repeats a code.
fn by_code(given: &Given, code: &str) -> Result<Meant, Failure> {
    if code.is_empty() || code.len() > LONGEST_CODE {
        return Err(given.usage("the code is empty, or longer than any code"));
    }
    Ok(Meant::Code { code: TypedCode::new(code.to_owned()) })
}

fn meant(given: &Given, code: Option<&str>) -> Result<Meant, Failure> {
    let (session, mac) = (given.id::<SessionId>(Opt::Session)?, given.id::<Mac>(Opt::Mac)?);
    match (code, session, mac) {
        (Some(code), None, None) => by_code(given, code),
        (None, Some(session), None) => Ok(Meant::Session { session }),
        (None, None, Some(mac)) => Ok(Meant::Mac { mac }),
        (None, None, None) => Err(given.usage("a code, --session or --mac is missing")),
        _ => Err(given.usage("a code, --session and --mac exclude each other")),
    }
}

fn seconds(given: &Given, opt: Opt, text: &str) -> Result<u64, Failure> {
    config::duration(text).map(|span| span.as_secs()).map_err(|why| given.wrong(opt, &why))
}

/// How it stands, for a person.
pub(super) fn held(held: &Held) -> String {
    let Held { plan, state, price, currency, devices, .. } = held;
    let of = |left: Option<u64>, whole: Option<u64>, words: fn(u64) -> String| {
        let left = left.zip(whole).map(|(left, whole)| format!("{} of {}", words(left), words(whole)));
        left.unwrap_or_else(|| "no limit".to_owned())
    };
    let devices = if devices.is_empty() { "none".to_owned() } else { devices.join(" ") };
    let lines = [
        ("bought", held.entitlement.clone().unwrap_or_else(|| "-".to_owned())),
        ("plan", format!("{plan} {price} {currency}")),
        ("state", state.clone()),
        ("online", of(held.metered_left_s, held.metered_s, duration)),
        ("valid", of(held.validity_left_s, held.validity_s, duration)),
        ("data", of(held.bytes_left, held.bytes, size)),
        ("devices", devices),
    ];
    lines.iter().map(|(name, text)| format!("{name:<9}  {}\n", clean(text.trim_end()))).collect()
}
