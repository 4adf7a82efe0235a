//! The options that exist: section by section, with their defaults, as the interface writes them.
//!
//! Owns: every name and every default of the configuration.
//! Never: parses a value; `values.rs` and `names.rs` do, and `sections.rs` and `gateway.rs` bring both together.

/// One section type.
pub(super) struct SectionSpec {
    pub(super) kind: &'static str,
    pub(super) options: &'static [OptionSpec],
}

/// One option of a section.
pub(super) struct OptionSpec {
    pub(super) name: &'static str,
    /// As it would be written; empty: unset. Of a list: values with blanks between.
    pub(super) default: &'static str,
    /// May be given more than once, with `list`.
    pub(super) many: bool,
}

impl SectionSpec {
    pub(super) fn option(&self, name: &str) -> Option<&'static OptionSpec> {
        self.options.iter().find(|option| option.name == name)
    }
}

const fn one(name: &'static str, default: &'static str) -> OptionSpec {
    OptionSpec { name, default, many: false }
}

const fn many(name: &'static str, default: &'static str) -> OptionSpec {
    OptionSpec { name, default, many: true }
}

pub(super) const SECTIONS: [&SectionSpec; 8] =
    [&GATEWAY, &PLAN, &GARDEN, &DEVICE, &TRIAL, &CLOUD, &RETENTION, &ROLE];

pub(super) static GATEWAY: SectionSpec = SectionSpec {
    kind: "gateway",
    options: &[
        one("enabled", "1"),
        one("site", "lango"),
        many("interface", ""),
        one("portal_name", "wifi.lango"),
        one("portal_port", "2080"),
        one("https_port", "2443"),
        one("certificate", ""),
        one("key", ""),
        one("dns_port", "2053"),
        one("dns_upstream", "127.0.0.1:53"),
        one("captive_address", "198.18.0.1"),
        one("state_dir", "/etc/lango"),
        one("run_dir", "/var/run/lango"),
        one("language", "en"),
        one("portal_dir", ""),
        one("title", "Wi-Fi"),
        one("support_phone", ""),
        one("whatsapp", ""),
        one("checkpoint", "5m"),
        one("max_clients", "1000"),
        one("user", ""),
        one("mark", "0x01000000"),
        many("uplink_probe", ""),
        one("uplink", ""),
        one("site_key_file", ""),
        many("issuing_key", "0"),
        one("colour", "#0b7285"),
        one("controller", ""),
        one("terms_required", "0"),
        one("key_from_cloud", "0"),
        one("anomaly", "report"),
        one("new_devices_per_minute", "120"),
    ],
};

pub(super) static PLAN: SectionSpec = SectionSpec {
    kind: "plan",
    options: &[
        one("title", ""),
        one("metered", ""),
        one("validity", ""),
        one("data", ""),
        one("down", ""),
        one("up", ""),
        one("data_up", ""),
        one("data_down", ""),
        one("activate_by", ""),
        one("devices", "1"),
        one("bound_devices", "0"),
        one("number", ""),
        one("idle_timeout", ""),
        one("count_while_uplink_down", "0"),
        one("price", ""),
        one("currency", ""),
    ],
};

pub(super) static GARDEN: SectionSpec = SectionSpec {
    kind: "garden",
    options: &[
        many("name", ""),
        many("address", ""),
        many("port", "80 443"),
        one("rate", "256kbit"),
        one("data", "10MB"),
    ],
};

pub(super) static DEVICE: SectionSpec =
    SectionSpec { kind: "device", options: &[one("mac", ""), one("policy", "trusted")] };

pub(super) static TRIAL: SectionSpec = SectionSpec { kind: "trial", options: &[one("plan", "trial")] };

pub(super) static CLOUD: SectionSpec = SectionSpec {
    kind: "cloud",
    options: &[
        one("url", ""),
        one("token_file", "/etc/lango/cloud.token"),
        one("ca_file", ""),
        one("signing_key", ""),
        one("poll", "60s"),
        one("provisional_plan", ""),
        one("allow_http", "0"),
    ],
};

pub(super) static RETENTION: SectionSpec = SectionSpec {
    kind: "retention",
    options: &[
        one("profile", "default"),
        one("sessions", "90d"),
        one("audit", "365d"),
        one("unpaid_devices", "10m"),
        one("claims", "48h"),
        one("minimum", ""),
    ],
};

pub(super) static ROLE: SectionSpec =
    SectionSpec { kind: "role", options: &[many("user", ""), many("group", "")] };

/// The candidate that `typed` was likely meant to be: at most two letters wrong, and no more than half.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase().replace('-', "_");
    if typed.len() > 32 {
        return None;
    }
    let near = candidates.into_iter().map(|candidate| (distance(&typed, candidate), candidate));
    let (distance, best) = near.min()?;
    (distance <= 2 && distance * 2 <= best.len()).then_some(best)
}

/// Levenshtein's distance: letters to put in, leave out or replace.
fn distance(a: &str, b: &str) -> usize {
    let mut row = (0..=b.chars().count()).collect::<Vec<_>>();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            left = (diagonal + usize::from(from != to)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, left);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = || GATEWAY.options.iter().map(|option| option.name);
        for (typed, want) in [
            ("portal_prot", Some("portal_port")),
            ("portal-port", Some("portal_port")),
            ("interfaces", Some("interface")),
            ("Title", Some("title")),
            ("color", Some("colour")),
            ("frobnicate", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, names()), want, "{typed}");
        }
    }
}
