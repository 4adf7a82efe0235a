//! Shows answers: as JSON, or for a person.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::screen::{self, Paint};
use super::words::{duration, rate, size};
use super::{Style, bought, persons, sheet, stock};
use crate::process::Exit;
use crate::telemetry::clean;
use crate::wire::control::{
    Answer, AuditRow, AuditWhole, Check, ClockShown, Cloud, Failure, Health, Imported, Joined, Plan,
    Reprinted, Rotated, Session, Source, VoucherListed, VoucherMade, VoucherShown, VouchersMade,
};

/// Writes the answer, and tells how the command that got it ends.
pub(super) fn answer(answer: &Answer, style: Style, paint: Paint, out: &mut dyn Write) -> io::Result<Exit> {
    match style {
        Style::Json => as_json(answer, out)?,
        Style::Plain | Style::Sheet | Style::Csv => match answer {
            Answer::Status(status) => out.write_all(screen::status(status, paint).as_bytes())?,
            Answer::Sessions(sessions) => out.write_all(session_table(sessions).as_bytes())?,
            Answer::Login(session) => {
                writeln!(out, "{} is online: {}", clean(&session.mac), left_of(session))?
            }
            Answer::Logout(session) => writeln!(out, "{} is cut: {}", clean(&session.mac), left_of(session))?,
            Answer::Held(held) => out.write_all(bought::held(held).as_bytes())?,
            Answer::VoucherNew(made) if style == Style::Sheet => sheet::write(made, out)?,
            Answer::VoucherNew(made) => csv(&made.vouchers, out)?,
            Answer::VoucherShow(shown) | Answer::VoucherRevoke(shown) => {
                out.write_all(voucher(shown).as_bytes())?;
            }
            Answer::VoucherList(listed) => out.write_all(voucher_table(listed).as_bytes())?,
            Answer::VoucherReprint(Reprinted { made: Some(made), .. }) if style == Style::Sheet => {
                sheet::write(made, out)?
            }
            Answer::VoucherReprint(Reprinted { made: Some(made), .. }) => csv(&made.vouchers, out)?,
            Answer::VoucherReprint(would) => out.write_all(stock::would_reprint(would).as_bytes())?,
            Answer::VoucherReport(report) => out.write_all(stock::report(report).as_bytes())?,
            Answer::VoucherImport(imported) => out.write_all(import(imported).as_bytes())?,
            Answer::PlanList(plans) => out.write_all(plan_table(plans).as_bytes())?,
            Answer::Doctor(found) => {
                found.checks.iter().try_for_each(|check| out.write_all(finding(check, paint).as_bytes()))?
            }
            Answer::Clock(shown) | Answer::ClockReset(shown) => out.write_all(clock(shown).as_bytes())?,
            Answer::KeyRotate(Rotated { days }) => {
                writeln!(out, "{days} days are sealed under a new key; make a new backup of it: device.key")?
            }
            Answer::Metrics(text) => out.write_all(text.as_bytes())?,
            Answer::Enrol(joined) => out.write_all(enrolled(joined).as_bytes())?,
            Answer::Sync(cloud) => out.write_all(sync(cloud).as_bytes())?,
            Answer::Export(export) if style == Style::Csv => persons::csv(export, out)?,
            Answer::Export(export) => json(export, out)?,
            Answer::Forget(erased) => out.write_all(persons::erased(erased).as_bytes())?,
            Answer::Backup(copied) => json(copied, out)?,
            Answer::Audit(rows) => out.write_all(trail(rows).as_bytes())?,
            Answer::AuditVerify(AuditWhole { rows, last, hash }) => {
                writeln!(out, "{rows} rows are as they were written; the last is {last}: {}", clean(hash))?
            }
        },
    }
    Ok(exit(answer))
}

/// Writes a failure as `--json` shows it.
pub(super) fn failure_as_json(failure: &Failure, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: &'a Failure,
    }
    json(&Envelope { error: failure }, out)
}

fn exit(answer: &Answer) -> Exit {
    let refused = match answer {
        Answer::Doctor(found) => found.checks.iter().any(|check| check.state == Health::Fail),
        Answer::VoucherImport(Imported { added, skipped, wrong, dry_run, .. }) => {
            *wrong > 0 && (*dry_run || added + skipped == 0)
        }
        Answer::Status(_)
        | Answer::Sessions(_)
        | Answer::Login(_)
        | Answer::Logout(_)
        | Answer::Held(_)
        | Answer::VoucherNew(_)
        | Answer::VoucherShow(_)
        | Answer::VoucherRevoke(_)
        | Answer::VoucherList(_)
        | Answer::VoucherReprint(_)
        | Answer::VoucherReport(_)
        | Answer::PlanList(_)
        | Answer::Clock(_)
        | Answer::ClockReset(_)
        | Answer::KeyRotate(_)
        | Answer::Metrics(_)
        | Answer::Enrol(_)
        | Answer::Sync(_)
        | Answer::Export(_)
        | Answer::Forget(_)
        | Answer::Backup(_)
        | Answer::Audit(_)
        | Answer::AuditVerify(_) => false,
    };
    if refused { Exit::Refused } else { Exit::Done }
}

/// An answer as `--json` shows it, to be built upon.
pub(super) fn value(answer: &Answer) -> Value {
    let mut bytes = Vec::new();
    // What was just written as JSON can be read as such.
    as_json(answer, &mut bytes).ok().and_then(|()| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn as_json(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    match answer {
        Answer::Status(status) => json(status, out),
        Answer::Sessions(sessions) => json(sessions, out),
        Answer::Login(session) | Answer::Logout(session) => json(session, out),
        Answer::Held(held) => json(held, out),
        Answer::VoucherNew(VouchersMade { vouchers, sheet: _ }) => json(vouchers, out),
        Answer::VoucherShow(shown) | Answer::VoucherRevoke(shown) => json(shown, out),
        Answer::VoucherList(listed) => json(listed, out),
        Answer::VoucherReprint(reprinted) => json(&stock::reprint_as_json(reprinted), out),
        Answer::VoucherReport(report) => json(report, out),
        Answer::VoucherImport(imported) => json(imported, out),
        Answer::PlanList(plans) => json(plans, out),
        Answer::Doctor(found) => json(&found.checks, out),
        Answer::Clock(shown) | Answer::ClockReset(shown) => json(shown, out),
        Answer::KeyRotate(rotated) => json(rotated, out),
        Answer::Metrics(text) => json(text, out),
        Answer::Enrol(joined) => json(joined, out),
        Answer::Sync(cloud) => json(cloud, out),
        Answer::Export(export) => json(export, out),
        Answer::Forget(erased) => json(erased, out),
        Answer::Backup(copied) => json(copied, out),
        Answer::Audit(rows) => json(rows, out),
        Answer::AuditVerify(whole) => json(whole, out),
    }
}

pub(super) fn json<T: Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    // Through a vector, as on the socket: the code that writes the fields is there once.
    out.write_all(&serde_json::to_vec(value)?)?;
    out.write_all(b"\n")
}

fn enrolled(joined: &Joined) -> String {
    let Joined { site, url, restart_needed, warnings } = joined;
    let mut lines = vec![format!("joined {url} as site {site}")];
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    if *restart_needed {
        lines.push("restart the daemon to use it: /etc/init.d/lango restart".to_owned());
    }
    lines.iter().map(|line| format!("{}\n", clean(line))).collect()
}

fn sync(cloud: &Cloud) -> String {
    let remedy = cloud.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    rows(&[
        ("cloud", format!("{}{remedy}", screen::link(cloud))),
        ("cursor", cloud.cursor.clone().unwrap_or_else(|| "-".to_owned())),
        ("outbox", format!("{} waiting", cloud.outbox)),
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

fn trail(rows: &[AuditRow]) -> String {
    let rows = rows.iter().map(|row| {
        let at = if row.clock == "trusted" { row.at.clone() } else { format!("{} or later", row.at) };
        vec![row.seq.to_string(), at, row.who.clone(), row.action.clone(), row.detail.clone()]
    });
    table(["NO", "AT", "WHO", "WHAT", "DETAIL"], rows, "nothing was done yet\n")
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
        let title = plan.title.get("en").or(plan.title.values().next());
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
            match plan.source {
                Source::File => "file".to_owned(),
                Source::Cloud => "cloud".to_owned(),
            },
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

fn csv(vouchers: &[VoucherMade], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "code,plan,batch")?;
    // Codes, plans and batches have no symbol that CSV would have to quote.
    vouchers.iter().try_for_each(|made| writeln!(out, "{},{},{}", made.code, made.plan, made.batch))
}

fn import(imported: &Imported) -> String {
    let Imported { added, skipped, errors, wrong, dry_run, file } = imported;
    let lines = errors.iter().map(|error| format!("{file}:{}: {}", error.line, error.message));
    let mut text = lines.map(|line| format!("{}\n", clean(&line))).collect::<String>();
    if *wrong > errors.len() as u64 {
        text.push_str(&format!("… and {} more\n", wrong - errors.len() as u64));
    }
    let sum = format!("{added} added, {skipped} known already, {wrong} wrong\n");
    text + if *dry_run { "nothing was changed; it would be: " } else { "" } + &sum
}

fn finding(check: &Check, paint: Paint) -> String {
    let state = paint.mark(check.state);
    let remedy = match check.remedy.as_str() {
        "" => String::new(),
        remedy => format!("; {}", clean(remedy)),
    };
    format!("{state}  {}: {}{remedy}\n", clean(&check.check), clean(&check.message))
}

fn clock(shown: &ClockShown) -> String {
    let trust = match (&shown.source, &shown.since) {
        (Some(source), Some(since)) if shown.trusted => format!("trusted, by {source} since {since}"),
        _ => "NOT TRUSTED: it is this or later".to_owned(),
    };
    let mut lines = vec![("now", shown.now.clone()), ("trust", trust), ("floor", shown.floor.clone())];
    let others = shown.disbelieved.iter().map(|claim| format!("{} says {}", claim.source, claim.now));
    lines.extend(others.map(|other| ("CONTRARY", other)));
    lines.extend(shown.good_for.iter().map(|use_| ("good for", use_.clone())));
    rows(&lines)
}

fn limit(number: Option<u64>, words: fn(u64) -> String) -> String {
    number.map_or_else(|| "no limit".to_owned(), words)
}

fn rows(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(name, text)| format!("{name:<9}  {}\n", clean(text))).collect()
}

/// Columns as wide as their widest text; `empty` instead of a table without rows.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = Vec<String>>,
    empty: &str,
) -> String {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::control::{Examined, RowError, Sheet, TimeClaim};

    fn shown(answer: &Answer, style: Style) -> (String, Exit) {
        let mut out = Vec::new();
        let exit = super::answer(answer, style, Paint::Plain, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), exit)
    }

    fn plain(answer: &Answer) -> String {
        shown(answer, Style::Plain).0
    }

    fn session(plan: &str) -> Session {
        Session {
            id: "s-310".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
            addresses: vec!["192.168.9.2".to_owned(), "fe80::1".to_owned()],
            plan: plan.to_owned(),
            origin: "voucher".to_owned(),
            since: "2026-11-21T22:17:31Z".to_owned(),
            seconds_left: Some(3900),
            bytes_left: None,
            bytes_up: 1_500_000,
            bytes_down: 0,
            down_bps: None,
            up_bps: None,
        }
    }

    fn made() -> Answer {
        let voucher =
            VoucherMade { code: "4821 9937 05".to_owned(), plan: "hour".to_owned(), batch: "B1".to_owned() };
        let sheet = Sheet {
            portal_name: "wifi.lango".to_owned(),
            title: "Kariakoo".to_owned(),
            plan_title: "Saa 1".to_owned(),
            price: String::new(),
            currency: String::new(),
            support_phone: String::new(),
        };
        Answer::VoucherNew(VouchersMade { vouchers: vec![voucher], sheet })
    }

    #[test]
    fn the_cloud_is_told_in_plain_words() {
        let mut cloud = Cloud { configured: true, outbox: 3, ..Cloud::default() };
        let text = plain(&Answer::Sync(cloud.clone()));
        assert_eq!(text, "cloud      not reached yet\ncursor     -\noutbox     3 waiting\n");
        (cloud.last_success, cloud.cursor) = (Some("2026-11-21T22:17:31Z".into()), Some("7.1042".into()));
        let text = plain(&Answer::Sync(cloud.clone()));
        assert!(
            text.starts_with("cloud      reachable, last in step 2026-11-21T22:17:31Z\ncursor     7.1042\n")
        );
        cloud.last_error = Some("no connection to 192.0.2.1:443 (timed out)".into());
        (cloud.since, cloud.remedy) = (Some("2026-11-21T22:20:00Z".into()), Some("check the uplink".into()));
        let says = "cloud      NOT IN STEP since 2026-11-21T22:20:00Z: no connection to 192.0.2.1:443 (timed out); \
                    last in step 2026-11-21T22:17:31Z; check the uplink\n";
        assert!(plain(&Answer::Sync(cloud.clone())).starts_with(says));
        let (json, _) = shown(&Answer::Sync(cloud), Style::Json);
        assert!(
            json.starts_with("{\"configured\":true,\"last_success\":\"2026-11-21T22:17:31Z\","),
            "{json}"
        );
    }

    #[test]
    fn a_clock_says_who_is_believed_and_who_is_not() {
        let mut shown = ClockShown {
            trusted: true,
            now: "2026-11-21T22:17:31Z".to_owned(),
            source: Some("ntp".to_owned()),
            since: Some("2026-11-21T20:00:00Z".to_owned()),
            floor: "2026-11-21T22:15:00Z".to_owned(),
            disbelieved: Vec::new(),
            good_for: vec!["dates: right".to_owned()],
        };
        let expected = "\
now        2026-11-21T22:17:31Z
trust      trusted, by ntp since 2026-11-21T20:00:00Z
floor      2026-11-21T22:15:00Z
good for   dates: right
";
        assert_eq!(plain(&Answer::Clock(shown.clone())), expected);
        (shown.trusted, shown.source, shown.since) = (false, None, None);
        let claim = TimeClaim { source: "cloud".to_owned(), now: "2025-01-01T00:00:00Z".to_owned() };
        shown.disbelieved.push(claim);
        let text = plain(&Answer::ClockReset(shown));
        assert!(["NOT TRUSTED", "CONTRARY   cloud says 2025"].iter().all(|cry| text.contains(cry)), "{text}");
    }

    #[test]
    fn tables_are_aligned_and_hold_no_control_characters() {
        let text = plain(&Answer::Sessions(vec![session("hour"), session("a\u{1b}[2J")]));
        let lines = text.lines().collect::<Vec<_>>();
        let at = lines[0].find("ORIGIN").unwrap();
        assert!(
            lines.len() == 3 && lines[1..].iter().all(|line| line[at..].starts_with("voucher")),
            "{text}"
        );
        assert!(lines[1].contains("1 h 05 min  no limit   1.5 MB"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(plain(&Answer::Sessions(Vec::new())), "nobody is online\n");
    }

    #[test]
    fn json_is_the_answer_without_its_envelope() {
        let (text, _) = shown(&made(), Style::Json);
        assert_eq!(text, "[{\"code\":\"4821 9937 05\",\"plan\":\"hour\",\"batch\":\"B1\"}]\n");
        let (text, _) = shown(&Answer::Login(session("hour")), Style::Json);
        assert!(text.starts_with("{\"id\":\"s-310\",\"mac\":"), "{text}");
        assert_eq!(shown(&Answer::Sessions(Vec::new()), Style::Json).0, "[]\n");
    }

    #[test]
    fn vouchers_are_printed_as_csv_or_as_a_sheet() {
        assert_eq!(plain(&made()), "code,plan,batch\n4821 9937 05,hour,B1\n");
        assert!(shown(&made(), Style::Sheet).0.starts_with("<!doctype html>"));
    }

    #[test]
    fn plans_are_told_in_words() {
        let plan = Plan {
            id: "hour".to_owned(),
            title: BTreeMap::from([("en".to_owned(), "1 hour".to_owned())]),
            metered_s: Some(3600),
            validity_s: None,
            activate_by: None,
            bytes: None,
            bytes_up: Some(1_000_000),
            bytes_down: Some(2_000_000),
            down_bps: Some(4_000_000),
            up_bps: None,
            devices: 1,
            bound_devices: 0,
            idle_s: None,
            count_while_uplink_down: false,
            price: "500".to_owned(),
            currency: "TZS".to_owned(),
            source: Source::File,
        };
        let text = plain(&Answer::PlanList(vec![plan]));
        let row =
            text.lines().nth(1).unwrap().split("  ").filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
        let row = row.iter().map(|cell| cell.trim()).collect::<Vec<_>>();
        assert_eq!(
            row,
            [
                "hour",
                "1 hour",
                "1 h",
                "no limit",
                "1 MB up, 2 MB down",
                "4 Mbit/s",
                "no limit",
                "1",
                "500 TZS",
                "file"
            ]
        );
    }

    #[test]
    fn exit_codes_tell_of_faults_and_of_files_without_a_good_row() {
        let check = |state| Check {
            check: "rules".to_owned(),
            state,
            message: "m".to_owned(),
            remedy: "do".to_owned(),
        };
        for (worst, exit, text) in [
            (Health::Warn, Exit::Done, "ok    rules: m; do\nwarn  rules: m; do\n"),
            (Health::Fail, Exit::Refused, "ok    rules: m; do\nFAIL  rules: m; do\n"),
        ] {
            let checks = vec![check(Health::Ok), check(worst)];
            let answer = Answer::Doctor(Box::new(Examined { checks, surroundings: None }));
            assert_eq!(shown(&answer, Style::Plain), (text.to_owned(), exit));
        }
        for (added, dry_run, wrong, exit) in [
            (0, false, 1, Exit::Refused),
            (2, false, 1, Exit::Done),
            (2, true, 1, Exit::Refused),
            (2, true, 0, Exit::Done),
            (0, false, 3, Exit::Refused),
        ] {
            let error = RowError { line: 7, message: "plan: no x\u{1b}".to_owned() };
            let errors = vec![error; usize::from(wrong > 0)];
            let file = "v.csv".to_owned();
            let imported =
                Answer::VoucherImport(Imported { added, skipped: 0, errors, wrong, dry_run, file });
            let mut text = if wrong > 0 { "v.csv:7: plan: no x\\u{1b}\n".to_owned() } else { String::new() };
            text += if wrong > 1 { "… and 2 more\n" } else { "" };
            text += if dry_run { "nothing was changed; it would be: " } else { "" };
            text += &format!("{added} added, 0 known already, {wrong} wrong\n");
            assert_eq!(shown(&imported, Style::Plain), (text, exit));
            let (text, _) = shown(&imported, Style::Json);
            assert!(text.starts_with(&format!("{{\"added\":{added},\"skipped\":0,\"errors\":[")), "{text}");
        }
    }

    #[test]
    fn only_the_end_of_a_code_is_listed() {
        let listed = VoucherListed {
            id: "k".to_owned(),
            plan: "hour".to_owned(),
            batch: None,
            state: "unused".to_owned(),
            made: "2026-11-21T22:17:31Z".to_owned(),
            hint: "705".to_owned(),
        };
        let text = plain(&Answer::VoucherList(vec![listed]));
        assert!(text.ends_with("k   hour  -      unused  2026-11-21T22:17:31Z  …705\n"), "{text}");
    }
}
