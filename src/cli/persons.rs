//! A person's data on the command line: who is meant, and what is stored of one as a table.
//!
//! Owns: which option says who, and the columns of the CSV. Never: what is whose. Neighbours: `commands` has the two
//! commands, `print` everything else that is shown.
//!
//! The CSV is one table, as a spreadsheet opens it: a row for each device, entitlement, session and claim, which its
//! first column tells apart. A cell that a spreadsheet would calculate begins with an apostrophe.

use std::io::{self, Write};

use super::invocations::LONGEST_CODE;
use super::options::Opt;
use super::parse::Given;
use super::{Failure, Request};
use crate::domain::Mac;
use crate::wire::control::{AuditRow, Erased, Export, TypedCode, Whose};

const COLUMNS: [&str; 21] = [
    "kind",
    "id",
    "entitlement",
    "mac",
    "online",
    "blocked",
    "origin",
    "plan",
    "batch",
    "hint",
    "phone_last4",
    "state",
    "since",
    "until",
    "seconds",
    "bytes_up",
    "bytes_down",
    "who",
    "detail",
    "terms",
    "accepted",
];

/// Beyond this a phone number is none.
const LONGEST_PHONE: usize = 40;

pub(super) fn export(given: &Given) -> Result<Request, Failure> {
    match (given.text(Opt::Format)?.as_deref(), given.has(Opt::Json)) {
        (None | Some("json"), _) | (Some("csv"), false) => {}
        (Some("csv"), true) => return Err(given.usage("--format csv and --json exclude each other")),
        (Some(other), _) => {
            return Err(given.wrong(Opt::Format, &format!("{other:?} is neither json nor csv")));
        }
    }
    Ok(Request::Export { whose: whose(given)? })
}

pub(super) fn forget(given: &Given) -> Result<Request, Failure> {
    Ok(Request::Forget { whose: whose(given)? })
}

/// No error repeats what was given: it may be a code, or a phone.
fn whose(given: &Given) -> Result<Whose, Failure> {
    let (mac, code, phone) = (given.text(Opt::Mac)?, given.text(Opt::Code)?, given.text(Opt::Phone)?);
    match (mac, code, phone, given.has(Opt::All)) {
        (Some(mac), None, None, false) => match mac.parse::<Mac>() {
            Ok(mac) => Ok(Whose::Mac { mac: mac.to_string() }),
            Err(error) => Err(given.wrong(Opt::Mac, &error.to_string())),
        },
        (None, Some(code), None, false) if code.trim().is_empty() => {
            Err(given.wrong(Opt::Code, "the code is empty"))
        }
        (None, Some(code), None, false) if code.len() > LONGEST_CODE => {
            Err(given.wrong(Opt::Code, "it is longer than any code"))
        }
        (None, Some(code), None, false) => Ok(Whose::Code { code: TypedCode::new(code) }),
        (None, None, Some(phone), false) => match last_digits(&phone) {
            Some(last4) => Ok(Whose::Phone { last4: TypedCode::new(last4) }),
            None => Err(given.wrong(Opt::Phone, "takes a phone number, or its last four digits")),
        },
        (None, None, None, true) => Ok(Whose::All),
        (None, None, None, false) => Err(given.usage("one of --mac, --code, --phone and --all is missing")),
        _ => Err(given.usage("--mac, --code, --phone and --all exclude each other")),
    }
}

/// The last four digits of a number as people write it.
fn last_digits(phone: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_digit() || " +-()./".contains(c);
    if phone.len() > LONGEST_PHONE || !phone.chars().all(known) {
        return None;
    }
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    digits.len().checked_sub(4).and_then(|from| digits.get(from..)).map(str::to_owned)
}

/// What was erased, in words.
pub(super) fn erased(erased: &Erased) -> String {
    let Erased { devices, entitlements, sessions, claims } = erased;
    format!(
        "forgotten: devices {devices}, entitlements {entitlements}, sessions {sessions}, claims {claims}\n"
    )
}

/// Writes the table.
pub(super) fn csv(export: &Export, out: &mut dyn Write) -> io::Result<()> {
    line(COLUMNS, out)?;
    for device in &export.devices {
        let (online, blocked) = (device.online.to_string(), device.blocked.to_string());
        row("device", &[("mac", &device.mac), ("online", &online), ("blocked", &blocked)], out)?;
    }
    for one in &export.entitlements {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            ("id", text(&one.id)),
            ("origin", one.origin.clone()),
            ("plan", one.plan.clone()),
            ("batch", text(&one.batch)),
            ("hint", one.hint.clone()),
            ("phone_last4", text(&one.phone_last4)),
            ("state", one.state.clone()),
            ("since", text(&one.opened)),
            ("seconds", one.seconds_used.to_string()),
            ("bytes_up", one.bytes_up.to_string()),
            ("bytes_down", one.bytes_down.to_string()),
        ];
        row("entitlement", &cells, out)?;
    }
    for session in &export.sessions {
        let cells = [
            ("id", session.id.clone()),
            ("entitlement", session.entitlement.clone()),
            ("mac", session.mac.clone()),
            ("state", session.why.clone().unwrap_or_else(|| "open".to_owned())),
            ("since", session.since.clone()),
            ("until", session.closed.clone().unwrap_or_default()),
            ("bytes_up", session.bytes_up.to_string()),
            ("bytes_down", session.bytes_down.to_string()),
            ("terms", session.terms.clone().unwrap_or_default()),
            ("accepted", session.accepted.clone().unwrap_or_default()),
        ];
        row("session", &cells, out)?;
    }
    for claim in &export.claims {
        let cells = [
            ("mac", claim.mac.clone()),
            ("state", claim.awaits.clone()),
            ("since", claim.since.clone()),
            ("terms", claim.terms.clone().unwrap_or_default()),
            ("accepted", claim.accepted.clone().unwrap_or_default()),
        ];
        row("claim", &cells, out)?;
    }
    for AuditRow { seq, at, who, action, detail, .. } in &export.audit {
        let seq = seq.to_string();
        let cells = [("id", &seq), ("state", action), ("since", at), ("who", who), ("detail", detail)];
        row("audit", &cells, out)?;
    }
    Ok(())
}

/// A row with these cells in their columns.
fn row<T: AsRef<str>>(kind: &str, cells: &[(&str, T)], out: &mut dyn Write) -> io::Result<()> {
    let cell = |column: &str| {
        let found = cells.iter().find(|(name, _)| *name == column);
        found.map_or("", |(_, text)| text.as_ref())
    };
    line(COLUMNS.map(|column| if column == "kind" { kind } else { cell(column) }), out)
}

fn line<const N: usize>(cells: [&str; N], out: &mut dyn Write) -> io::Result<()> {
    let line = cells.map(harmless).join(",");
    out.write_all(line.as_bytes())?;
    out.write_all(b"\r\n")
}

/// A cell that no spreadsheet takes for a formula (RFC 4180 for the rest).
fn harmless(text: &str) -> String {
    let calculates = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if calculates { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::{ExportedClaim, ExportedDevice, ExportedEntitlement, ExportedSession};

    const MAC: &str = "02:00:00:00:00:01";

    fn export() -> Export {
        Export {
            devices: vec![ExportedDevice { mac: MAC.to_owned(), online: true, blocked: false }],
            entitlements: vec![ExportedEntitlement {
                id: Some("e-7".to_owned()),
                origin: "payment".to_owned(),
                plan: "hour".to_owned(),
                batch: None,
                hint: "-Q8".to_owned(),
                phone_last4: Some("0417".to_owned()),
                state: "active".to_owned(),
                opened: Some("2026-11-22T22:17:31Z".to_owned()),
                seconds_used: 60,
                bytes_up: 1,
                bytes_down: 2,
            }],
            sessions: vec![ExportedSession {
                id: "s-9".to_owned(),
                entitlement: "e-7".to_owned(),
                mac: MAC.to_owned(),
                since: "2026-11-22T22:17:31Z".to_owned(),
                closed: None,
                why: None,
                bytes_up: 3,
                bytes_down: 4,
                terms: Some("9f0c51aa".to_owned()),
                accepted: Some("2026-11-22T22:17:31Z".to_owned()),
            }],
            claims: vec![ExportedClaim {
                mac: MAC.to_owned(),
                since: "2026-11-22T22:17:31Z".to_owned(),
                awaits: "payment".to_owned(),
                terms: Some("9f0c51aa".to_owned()),
                accepted: Some("2026-11-22T22:17:31Z".to_owned()),
            }],
            audit: vec![AuditRow {
                seq: 12,
                at: "2026-11-22T22:17:31Z".to_owned(),
                clock: "trusted".to_owned(),
                who: "uid 0".to_owned(),
                action: "logout".to_owned(),
                detail: "s-9".to_owned(),
                hash: "00".to_owned(),
            }],
        }
    }

    #[test]
    fn the_csv_is_one_table_with_a_row_for_each_thing() {
        let mut out = Vec::new();
        csv(&export(), &mut out).unwrap();
        let expected = "kind,id,entitlement,mac,online,blocked,origin,plan,batch,hint,phone_last4,state,since,until,\
             seconds,bytes_up,bytes_down,who,detail,terms,accepted\r\n\
             device,,,02:00:00:00:00:01,true,false,,,,,,,,,,,,,,,\r\n\
             entitlement,e-7,,,,,payment,hour,,'-Q8,0417,active,2026-11-22T22:17:31Z,,60,1,2,,,,\r\n\
             session,s-9,e-7,02:00:00:00:00:01,,,,,,,,open,2026-11-22T22:17:31Z,,,3,4,,,9f0c51aa,2026-11-22T22:17:31Z\r\n\
             claim,,,02:00:00:00:00:01,,,,,,,,payment,2026-11-22T22:17:31Z,,,,,,,9f0c51aa,2026-11-22T22:17:31Z\r\n\
             audit,12,,,,,,,,,,logout,2026-11-22T22:17:31Z,,,,,uid 0,s-9,,\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_cell_is_never_a_formula_and_never_breaks_its_row() {
        for (text, cell) in [
            ("hour", "hour"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-Q8", "'-Q8"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=\"x\",1\r\n", "\"'=\"\"x\"\",1\r\n\""),
        ] {
            assert_eq!(harmless(text), cell);
        }
    }

    #[test]
    fn of_a_phone_the_last_four_digits_are_kept() {
        for phone in ["0417", "+255 700 000-417", "255700000417", "(255) 70.0000417"] {
            assert_eq!(last_digits(phone).as_deref(), Some("0417"), "{phone}");
        }
        for bad in ["", "417", "+", "04a7", "0417x", "٠٤١٧", &"1".repeat(41)] {
            assert_eq!(last_digits(bad), None, "{bad}");
        }
    }
}
