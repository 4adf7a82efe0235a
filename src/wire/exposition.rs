//! What `lango metrics` prints: the text format of Prometheus, version 0.0.4.
//!
//! Owns: the names of the numbers, which are a contract like the fields of `--json`. Never: a label whose
//! values guests could make up: no device, no code and no session has a line of its own.

use std::fmt::{Display, Write};

use super::control::{Status, Uplink};
use crate::domain::Wall;

/// The numbers of `status`, one family after the other.
pub fn exposition(status: &Status) -> String {
    let Status { version, site, uplink, cloud, clock, sessions, vouchers, rules_intact, uptime_s, anomalies } =
        status;
    let mut text = Text::default();
    text.gauge("lango_build_info", "The program; always 1.");
    text.sample("lango_build_info", &[("version", version), ("site", site)], 1);
    text.single("lango_uptime_seconds", "Since the daemon started.", uptime_s);
    text.single("lango_sessions", "Devices that are online.", sessions);
    text.gauge("lango_vouchers", "Vouchers by state.");
    for (state, count) in
        [("unused", vouchers.unused), ("active", vouchers.active), ("spent", vouchers.spent)]
    {
        text.sample("lango_vouchers", &[("state", state)], count);
    }
    let up = match uplink {
        Uplink::Up => "1",
        Uplink::Down => "0",
        Uplink::Unknown => "NaN",
    };
    text.single("lango_uplink_up", "Whether the internet can be reached; NaN if that is not known.", up);
    text.single(
        "lango_rules_intact",
        "Whether the kernel's table is as it should be.",
        u8::from(*rules_intact),
    );
    text.single("lango_clock_trusted", "Whether the time is known.", u8::from(clock.trusted));
    text.single("lango_cloud_configured", "Whether there is a cloud.", u8::from(cloud.configured));
    if let Some(when) = cloud.last_success.as_deref().and_then(Wall::parse) {
        let about = "When the cloud was last reached.";
        text.single("lango_cloud_last_success_timestamp_seconds", about, when.as_secs());
    }
    text.single("lango_outbox_facts", "Facts that the cloud does not have yet.", cloud.outbox);
    text.family("lango_anomalies_total", "counter", "What the guest network should not have shown.");
    for (kind, count) in
        [("address", anomalies.addresses), ("ports", anomalies.ports), ("new_device", anomalies.new_devices)]
    {
        text.sample("lango_anomalies_total", &[("kind", kind)], count);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn single(&mut self, name: &str, about: &str, value: impl Display) {
        self.gauge(name, about);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, about: &str) {
        self.family(name, "gauge", about);
    }

    fn family(&mut self, name: &str, kind: &str, about: &str) {
        self.line(format_args!("# HELP {name} {about}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = labels.iter().map(|(label, of)| format!("{label}=\"{}\"", escaped(of)));
        match labels.collect::<Vec<_>>().join(",") {
            none if none.is_empty() => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{labels}}} {value}")),
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::control::{Anomalies, Clock, Cloud, Vouchers};
    use super::*;

    #[test]
    fn every_number_has_its_help_its_type_and_its_name() {
        let mut status = Status {
            version: "0.1.0".to_owned(),
            site: "a\"b\\".to_owned(),
            uplink: Uplink::Unknown,
            cloud: Cloud {
                configured: true,
                last_success: Some("1970-01-02T00:00:00Z".to_owned()),
                cursor: None,
                outbox: 4,
            },
            clock: Clock { trusted: true, now: "2026-11-21T22:17:31Z".to_owned() },
            sessions: 12,
            vouchers: Vouchers { unused: 188, active: 12, spent: 40 },
            rules_intact: true,
            uptime_s: 60,
            anomalies: Anomalies { addresses: 1, ports: 2, new_devices: 3 },
        };
        let text = exposition(&status);
        for line in [
            "# HELP lango_sessions Devices that are online.\n# TYPE lango_sessions gauge\nlango_sessions 12\n",
            "lango_build_info{version=\"0.1.0\",site=\"a\\\"b\\\\\"} 1\n",
            "lango_vouchers{state=\"unused\"} 188\nlango_vouchers{state=\"active\"} 12\n",
            "lango_uplink_up NaN\n",
            "lango_cloud_last_success_timestamp_seconds 86400\n",
            "# TYPE lango_anomalies_total counter\nlango_anomalies_total{kind=\"address\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        status.cloud.last_success = None;
        assert!(!exposition(&status).contains("last_success"));
    }
}
