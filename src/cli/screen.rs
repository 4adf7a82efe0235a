//! `lango status`: what is fine, what is not, and what to do, in five seconds.
//!
//! Owns: what is said of the numbers of `status`, the three marks and their colours. Never: looks for a cause;
//! `lango doctor` does. Neighbours: `print` asks for it, `words` has the units.

use std::io::{self, IsTerminal};

use super::words::duration;
use crate::telemetry::clean;
use crate::wire::control::{Anomalies, Clock, Cloud, Health, Status, Uplink};

/// Whether the marks have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Colour,
}

impl Paint {
    /// As stdout takes it, unless somebody set `NO_COLOR`.
    pub(super) fn of_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if io::stdout().is_terminal() && !set("NO_COLOR") && !dumb { Self::Colour } else { Self::Plain }
    }

    /// `text` in the colour of `health`.
    fn tint(self, health: Health, text: &str) -> String {
        let colour = match health {
            Health::Ok => "32",
            Health::Warn => "33",
            Health::Fail => "1;31",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        }
    }

    /// Four letters that say how a check came out.
    pub(super) fn mark(self, health: Health) -> String {
        let mark = match health {
            Health::Ok => "ok  ",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        self.tint(health, mark)
    }
}

/// A line of the screen.
struct Line {
    /// `None`: neither good nor bad.
    health: Option<Health>,
    name: &'static str,
    text: String,
    /// Empty: nothing to do.
    remedy: String,
}

impl Line {
    fn new(health: Option<Health>, name: &'static str, text: impl Into<String>, remedy: &str) -> Self {
        Self { health, name, text: text.into(), remedy: remedy.to_owned() }
    }

    fn shown(&self, paint: Paint) -> String {
        let mark = self.health.map_or_else(|| "    ".to_owned(), |health| paint.mark(health));
        let remedy = match clean(&self.remedy) {
            none if none.is_empty() => String::new(),
            remedy => format!("      -> {remedy}\n"),
        };
        format!("{mark}  {:<8}  {}\n{remedy}", self.name, clean(&self.text))
    }
}

/// The whole screen.
pub(super) fn status(status: &Status, paint: Paint) -> String {
    let Status { version, site, vouchers, .. } = status;
    let odd = odd(status.anomalies);
    let told = "since the start; the log names the devices by their ends";
    let odd = odd.map(|odd| Line::new(Some(Health::Warn), "network", odd, told));
    let made = format!("{} unused, {} active, {} spent", vouchers.unused, vouchers.active, vouchers.spent);
    let lines =
        [uplink(status.uplink), rules(status.rules_intact), clock(&status.clock), cloud(&status.cloud)];
    let lines = lines.into_iter().chain(odd).chain([
        Line::new(None, "sessions", format!("{} online", status.sessions), ""),
        Line::new(None, "vouchers", made, ""),
    ]);
    let lines = lines.collect::<Vec<_>>();
    let (health, verdict) = verdict(&lines);
    let head = format!("lango {version} at {}, up {}", clean(site), duration(status.uptime_s));
    let shown = lines.iter().map(|line| line.shown(paint)).collect::<String>();
    format!("{head}: {}\n\n{shown}", paint.tint(health, &verdict))
}

fn verdict(lines: &[Line]) -> (Health, String) {
    let count = |health| lines.iter().filter(|line| line.health == Some(health)).count();
    match (count(Health::Fail), count(Health::Warn)) {
        (0, 0) => (Health::Ok, "all is well".to_owned()),
        (0, odd) => (Health::Warn, format!("{odd} to look at")),
        (wrong, 0) => (Health::Fail, format!("{wrong} WRONG")),
        (wrong, odd) => (Health::Fail, format!("{wrong} WRONG, {odd} to look at")),
    }
}

fn uplink(uplink: Uplink) -> Line {
    let (health, text, remedy) = match uplink {
        Uplink::Up => (Health::Ok, "up", ""),
        Uplink::Down => (
            Health::Fail,
            "DOWN: metered time stands still, guests are told",
            "'lango doctor' says where it ends",
        ),
        Uplink::Unknown => {
            (Health::Warn, "unknown: nobody could be asked", "list uplink_probe names a server to ask")
        }
    };
    Line::new(Some(health), "uplink", text, remedy)
}

fn rules(intact: bool) -> Line {
    if intact {
        return Line::new(Some(Health::Ok), "rules", "intact", "");
    }
    let remedy = "'lango doctor' says what is wrong; the daemon mends what it can";
    Line::new(Some(Health::Fail), "rules", "NOT INTACT: guests may be held, or pass for nothing", remedy)
}

fn clock(Clock { trusted, now }: &Clock) -> Line {
    if *trusted {
        return Line::new(Some(Health::Ok), "clock", format!("{now}, trusted"), "");
    }
    let remedy = "let the gateway reach a time server; 'lango clock' says who was heard";
    Line::new(Some(Health::Warn), "clock", format!("{now} or later: NOT TRUSTED"), remedy)
}

fn cloud(cloud: &Cloud) -> Line {
    let health = match (cloud.configured, &cloud.last_error, &cloud.last_success) {
        (_, Some(_), _) => Some(Health::Warn),
        (false, None, _) => None,
        (true, None, None) => Some(Health::Warn),
        (true, None, Some(_)) => Some(Health::Ok),
    };
    let waiting = match cloud.outbox {
        0 => String::new(),
        facts => format!(", {facts} facts to tell it"),
    };
    Line::new(
        health,
        "cloud",
        format!("{}{waiting}", link(cloud)),
        cloud.remedy.as_deref().unwrap_or_default(),
    )
}

/// The link to the cloud in plain words, but for what to do.
pub(super) fn link(cloud: &Cloud) -> String {
    let Cloud { configured, last_success, last_error, since, .. } = cloud;
    let last = last_success.as_ref().map(|when| format!("last in step {when}"));
    match (last_error, last) {
        (None, _) if !configured => "none".to_owned(),
        (None, None) => "not reached yet".to_owned(),
        (None, Some(last)) => format!("reachable, {last}"),
        (Some(error), last) => {
            let since = since.as_deref().unwrap_or("the start");
            let last = last.map(|last| format!("; {last}")).unwrap_or_default();
            format!("NOT IN STEP since {since}: {error}{last}")
        }
    }
}

/// What the guest network should not have shown, if it has.
fn odd(Anomalies { addresses, ports, new_devices }: Anomalies) -> Option<String> {
    let parts = [
        (addresses, "claimed by a second device", "address", "addresses"),
        (ports, "at two ports", "device", "devices"),
        (new_devices, "past the limit of a minute", "new device", "new devices"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts = parts
        .map(|(count, what, one, many)| format!("{count} {} {what}", if count == 1 { one } else { many }));
    Some(parts.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Vouchers;

    fn well() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            site: "kariakoo-01".to_owned(),
            uplink: Uplink::Up,
            cloud: Cloud::default(),
            clock: Clock { trusted: true, now: "2026-11-21T22:17:31Z".to_owned() },
            sessions: 12,
            vouchers: Vouchers { unused: 188, active: 12, spent: 40 },
            rules_intact: true,
            uptime_s: 273_600,
            anomalies: Anomalies::default(),
        }
    }

    #[test]
    fn a_hotspot_that_is_well_says_so_at_once() {
        let expected = "\
lango 0.1.0 at kariakoo-01, up 3 d 4 h: all is well

ok    uplink    up
ok    rules     intact
ok    clock     2026-11-21T22:17:31Z, trusted
      cloud     none
      sessions  12 online
      vouchers  188 unused, 12 active, 40 spent
";
        assert_eq!(status(&well(), Paint::Plain), expected);
    }

    #[test]
    fn what_is_wrong_cries_and_says_what_to_do() {
        let mut ill = well();
        (ill.rules_intact, ill.clock.trusted, ill.uplink) = (false, false, Uplink::Down);
        ill.anomalies = Anomalies { addresses: 2, ports: 1, new_devices: 0 };
        ill.cloud = Cloud {
            configured: true,
            outbox: 3,
            last_error: Some("no connection to 192.0.2.1:443 (timed out)".into()),
            since: Some("2026-11-21T22:20:00Z".into()),
            remedy: Some("check the uplink\u{1b}[2J".into()),
            ..Cloud::default()
        };
        let text = status(&ill, Paint::Plain);
        for line in [
            "lango 0.1.0 at kariakoo-01, up 3 d 4 h: 2 WRONG, 3 to look at",
            "FAIL  uplink    DOWN: metered time stands still, guests are told",
            "      -> 'lango doctor' says where it ends",
            "FAIL  rules     NOT INTACT: guests may be held, or pass for nothing",
            "warn  clock     2026-11-21T22:17:31Z or later: NOT TRUSTED",
            "warn  cloud     NOT IN STEP since 2026-11-21T22:20:00Z: no connection to 192.0.2.1:443 (timed out), 3 facts to tell it",
            "warn  network   2 addresses claimed by a second device, 1 device at two ports",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(
            text.lines().filter(|line| line.contains("-> ")).count() == 5 && !text.contains('\u{1b}'),
            "{text}"
        );
    }

    #[test]
    fn colour_is_on_the_marks_and_the_verdict_only() {
        let mut ill = well();
        ill.rules_intact = false;
        let text = status(&ill, Paint::Colour);
        let red = |text: &str| format!("\u{1b}[1;31m{text}\u{1b}[0m");
        assert!(text.contains(&red("1 WRONG")) && text.contains(&red("FAIL")), "{text}");
        assert!(text.contains("\u{1b}[32mok  \u{1b}[0m  uplink    up\n"), "{text}");
        assert_eq!(text.matches("\u{1b}[0m").count(), 4, "{text}");
    }
}
