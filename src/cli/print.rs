//! Shows answers: as JSON, or for a person.

use std::io::{self, Write};

use serde::Serialize;

use super::words::{clean, duration, rate, size};
use super::{Style, sheet};
use crate::process::Exit;
use crate::wire::control::{
    Answer, Check, Failure, Health, Imported, Plan, Session, Status, Uplink, VoucherListed, VoucherMade,
    VoucherShown, VouchersMade,
};

/// Writes the answer, and tells how the command that got it ends.
pub(super) fn answer(answer: &Answer, style: Style, out: &mut impl Write) -> io::Result<Exit> {
    match style {
        Style::Json => as_json(answer, out)?,
        Style::Plain | Style::Sheet => match answer {
            Answer::Status(status) => out.write_all(screen(status).as_bytes())?,
            Answer::Sessions(sessions) => out.write_all(session_table(sessions).as_bytes())?,
            Answer::Login(session) => {
                writeln!(out, "{} is online: {}", clean(&session.mac), left_of(session))?
            }
            Answer::Logout(session) => writeln!(out, "{} is cut: {}", clean(&session.mac), left_of(session))?,
            Answer::VoucherNew(made) if style == Style::Sheet => sheet::write(made, out)?,
            Answer::VoucherNew(made) => csv(&made.vouchers, out)?,
            Answer::VoucherShow(shown) | Answer::VoucherRevoke(shown) => {
                out.write_all(voucher(shown).as_bytes())?;
            }
            Answer::VoucherList(listed) => out.write_all(voucher_table(listed).as_bytes())?,
            Answer::VoucherImport(imported) => out.write_all(import(imported).as_bytes())?,
            Answer::PlanList(plans) => out.write_all(plan_table(plans).as_bytes())?,
            Answer::Doctor(checks) => {
                checks.iter().try_for_each(|check| out.write_all(finding(check).as_bytes()))?
            }
        },
    }
    Ok(exit(answer))
}

/// Writes a failure as `--json` shows it.
pub(super) fn failure_as_json(failure: &Failure, out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: &'a Failure,
    }
    json(&Envelope { error: failure }, out)
}

fn exit(answer: &Answer) -> Exit {
    let refused = match answer {
        Answer::Doctor(checks) => checks.iter().any(|check| check.state == Health::Fail),
        Answer::VoucherImport(Imported { added, skipped, errors }) => {
            added + skipped == 0 && !errors.is_empty()
        }
        Answer::Status(_)
        | Answer::Sessions(_)
        | Answer::Login(_)
        | Answer::Logout(_)
        | Answer::VoucherNew(_)
        | Answer::VoucherShow(_)
        | Answer::VoucherRevoke(_)
        | Answer::VoucherList(_)
        | Answer::PlanList(_) => false,
    };
    if refused { Exit::Refused } else { Exit::Done }
}

fn as_json(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    match answer {
        Answer::Status(status) => json(status, out),
        Answer::Sessions(sessions) => json(sessions, out),
        Answer::Login(session) | Answer::Logout(session) => json(session, out),
        Answer::VoucherNew(VouchersMade { vouchers, sheet: _ }) => json(vouchers, out),
        Answer::VoucherShow(shown) | Answer::VoucherRevoke(shown) => json(shown, out),
        Answer::VoucherList(listed) => json(listed, out),
        Answer::VoucherImport(imported) => json(imported, out),
        Answer::PlanList(plans) => json(plans, out),
        Answer::Doctor(checks) => json(checks, out),
    }
}

pub(super) fn json<T: Serialize>(value: &T, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn screen(status: &Status) -> String {
    let uplink = match status.uplink {
        Uplink::Up => "up",
        Uplink::Down => "DOWN",
        Uplink::Unknown => "unknown",
    };
    let cloud = match (&status.cloud.configured, &status.cloud.last_success) {
        (false, _) => "not configured".to_owned(),
        (true, None) => "never reached".to_owned(),
        (true, Some(when)) => format!("last reached {when}"),
    };
    let clock = if status.clock.trusted { "trusted" } else { "NOT TRUSTED, this or later" };
    let vouchers = status.vouchers;
    rows(&[
        ("lango", format!("{} at {}, up {}", status.version, status.site, duration(status.uptime_s))),
        ("uplink", uplink.to_owned()),
        ("rules", if status.rules_intact { "intact" } else { "NOT INTACT" }.to_owned()),
        ("clock", format!("{} ({clock})", status.clock.now)),
        ("sessions", status.sessions.to_string()),
        (
            "vouchers",
            format!("{} unused, {} active, {} spent", vouchers.unused, vouchers.active, vouchers.spent),
        ),
        ("cloud", cloud),
        ("outbox", format!("{} waiting", status.cloud.outbox)),
    ])
}

fn session_table(sessions: &[Session]) -> String {
    let rows = sessions.iter().map(|session| {
        vec![
            session.id.clone(),
            session.mac.clone(),
            session.addresses.join(" "),
            session.plan.clone(),
            session.origin.clone(),
            session.since.clone(),
            limit(session.seconds_left, duration),
            limit(session.bytes_left, size),
            size(session.bytes_up),
            size(session.bytes_down),
        ]
    });
    let head = ["ID", "MAC", "ADDRESSES", "PLAN", "ORIGIN", "SINCE", "TIME LEFT", "DATA LEFT", "UP", "DOWN"];
    table(head, rows, "nobody is online\n")
}

fn left_of(session: &Session) -> String {
    let time =
        session.seconds_left.map_or("no end of time".to_owned(), |left| format!("{} left", duration(left)));
    let data = session.bytes_left.map(|left| format!(" and {} left", size(left))).unwrap_or_default();
    clean(&format!("plan {}, session {}, {time}{data}", session.plan, session.id))
}

fn voucher(shown: &VoucherShown) -> String {
    let devices = if shown.devices.is_empty() { "none".to_owned() } else { shown.devices.join(" ") };
    rows(&[
        ("plan", shown.plan.clone()),
        ("batch", shown.batch.clone().unwrap_or_else(|| "-".to_owned())),
        ("state", shown.state.clone()),
        ("time left", limit(shown.seconds_left, duration)),
        ("data left", limit(shown.bytes_left, size)),
        ("devices", devices),
    ])
}

fn voucher_table(listed: &[VoucherListed]) -> String {
    let rows = listed.iter().map(|voucher| {
        vec![
            voucher.id.clone(),
            voucher.plan.clone(),
            voucher.batch.clone().unwrap_or_else(|| "-".to_owned()),
            voucher.state.clone(),
            voucher.made.clone(),
            format!("…{}", voucher.hint),
        ]
    });
    table(["ID", "PLAN", "BATCH", "STATE", "MADE", "CODE"], rows, "no vouchers\n")
}

fn plan_table(plans: &[Plan]) -> String {
    let rows = plans.iter().map(|plan| {
        let title = ["", "en"].iter().find_map(|tag| plan.title.get(*tag)).or(plan.title.values().next());
        vec![
            plan.id.clone(),
            title.cloned().unwrap_or_default(),
            limit(plan.metered_s, duration),
            limit(plan.validity_s, duration),
            data(plan),
            limit(plan.down_bps, rate),
            limit(plan.up_bps, rate),
            plan.devices.to_string(),
            format!("{} {}", plan.price, plan.currency).trim().to_owned(),
            format!("{:?}", plan.source).to_lowercase(),
        ]
    });
    let head = ["ID", "TITLE", "ONLINE", "VALID", "DATA", "DOWN", "UP", "DEVICES", "PRICE", "FROM"];
    table(head, rows, "no plans\n")
}

fn data(plan: &Plan) -> String {
    let parts = [(plan.bytes, ""), (plan.bytes_up, " up"), (plan.bytes_down, " down")];
    let parts = parts.into_iter().filter_map(|(cap, way)| cap.map(|cap| format!("{}{way}", size(cap))));
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { limit(None, size) } else { text }
}

fn csv(vouchers: &[VoucherMade], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "code,plan,batch")?;
    // Codes, plans and batches have no symbol that CSV would have to quote.
    vouchers.iter().try_for_each(|made| writeln!(out, "{},{},{}", made.code, made.plan, made.batch))
}

fn import(imported: &Imported) -> String {
    let lines =
        imported.errors.iter().map(|error| format!("line {}: {}\n", error.line, clean(&error.message)));
    let lines = lines.collect::<String>();
    let Imported { added, skipped, errors } = imported;
    format!("{lines}{added} added, {skipped} known already, {} wrong\n", errors.len())
}

fn finding(check: &Check) -> String {
    let state = match check.state {
        Health::Ok => "ok  ",
        Health::Warn => "warn",
        Health::Fail => "FAIL",
    };
    let remedy = match check.remedy.as_str() {
        "" => String::new(),
        remedy => format!("; {}", clean(remedy)),
    };
    format!("{state}  {}: {}{remedy}\n", clean(&check.check), clean(&check.message))
}

fn limit(number: Option<u64>, words: fn(u64) -> String) -> String {
    number.map_or_else(|| "no limit".to_owned(), words)
}

fn rows(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(name, text)| format!("{name:<9}  {}\n", clean(text))).collect()
}

/// Columns as wide as their widest text; `empty` instead of a table without rows.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = Vec<String>>, empty: &str) -> String {
    let head = head.map(str::to_owned).to_vec();
    let rows = rows.map(|row| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>()).collect::<Vec<_>>();
    if rows.is_empty() {
        return empty.to_owned();
    }
    let rows = [vec![head], rows].concat();
    let mut widths = [0; N];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    });
    lines.collect()
}
