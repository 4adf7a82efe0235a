//! What `lango metrics` prints: the text format of Prometheus, version 0.0.4.
//!
//! Owns: the names of the numbers, which are a contract like the fields of `--json`. Never: a label whose
//! values guests could make up: no device, no code and no session has a line of its own.

use std::fmt::{Display, Write};

use super::control::{Status, Uplink};
use crate::domain::Wall;

/// The link to the cloud in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Since everything was exchanged last; `None`: not since the start.
    pub last_success_age_s: Option<u64>,
    pub outbox_bytes: u64,
    pub refused_pages: u64,
    pub skipped_ops: u64,
    pub skipped_fields: u64,
    /// Bytes on TCP.
    pub received: u64,
    pub sent: u64,
}

/// The numbers of `status`, one family after the other; `link`: if there is a cloud.
pub fn exposition(status: &Status, link: Option<&LinkCounts>) -> String {
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
    if let Some(link) = link {
        text.link(link);
    }
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
    fn link(&mut self, link: &LinkCounts) {
        if let Some(age) = link.last_success_age_s {
            let about = "Since the cloud was last reached.";
            self.single("lango_cloud_last_success_age_seconds", about, age);
        }
        self.single(
            "lango_outbox_bytes",
            "Size of the facts that the cloud does not have yet.",
            link.outbox_bytes,
        );
        for (name, about, count) in [
            ("lango_cloud_refused_pages_total", "Pages of the cloud that were refused.", link.refused_pages),
            (
                "lango_cloud_skipped_ops_total",
                "Ops of a kind that this version does not know.",
                link.skipped_ops,
            ),
            (
                "lango_cloud_skipped_fields_total",
                "Fields that this version does not know.",
                link.skipped_fields,
            ),
            ("lango_cloud_received_bytes_total", "Bytes that came from the cloud.", link.received),
            ("lango_cloud_sent_bytes_total", "Bytes that went to the cloud.", link.sent),
        ] {
            self.family(name, "counter", about);
            self.sample(name, &[], count);
        }
    }

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
                outbox: 4,
                ..Cloud::default()
            },
            clock: Clock { trusted: true, now: "2026-11-21T22:17:31Z".to_owned() },
            sessions: 12,
            vouchers: Vouchers { unused: 188, active: 12, spent: 40 },
            rules_intact: true,
            uptime_s: 60,
            anomalies: Anomalies { addresses: 1, ports: 2, new_devices: 3 },
        };
        let link = LinkCounts {
            last_success_age_s: Some(90),
            outbox_bytes: 500,
            refused_pages: 6,
            skipped_ops: 7,
            ..LinkCounts::default()
        };
        let text = exposition(&status, Some(&link));
        for line in [
            "# HELP lango_sessions Devices that are online.\n# TYPE lango_sessions gauge\nlango_sessions 12\n",
            "lango_build_info{version=\"0.1.0\",site=\"a\\\"b\\\\\"} 1\n",
            "lango_vouchers{state=\"unused\"} 188\nlango_vouchers{state=\"active\"} 12\n",
            "lango_uplink_up NaN\n",
            "lango_cloud_last_success_timestamp_seconds 86400\n",
            "lango_cloud_last_success_age_seconds 90\n",
            "lango_outbox_facts 4\n",
            "lango_outbox_bytes 500\n",
            "# TYPE lango_cloud_refused_pages_total counter\nlango_cloud_refused_pages_total 6\n",
            "lango_cloud_skipped_ops_total 7\n",
            "# TYPE lango_anomalies_total counter\nlango_anomalies_total{kind=\"address\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        status.cloud.last_success = None;
        let bare = exposition(&status, None);
        assert!(!bare.contains("last_success") && !bare.contains("outbox_bytes"), "{bare}");
    }
}
