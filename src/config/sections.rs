//! The sections besides `gateway`: plans, garden, devices, trial, cloud, retention.
//!
//! Owns: what the options of each mean together.
//! Never: compares one section with another; `mod.rs` does.
//! Neighbours: `section.rs` takes the options out, `spec.rs` holds their defaults.

use std::time::Duration;

use super::error::{Findings, shown};
use super::model::{Cloud, Device, Garden, Kin, Member, Retention};
use super::section::Section;
use super::spec;
use super::uci::RawSection;
use super::{names, values};
use crate::domain::{DataCap, Plan, PlanId, PlanNumber, PlanSource, Role, Terms};

/// A plan of the file, named by its section, its title in the hotspot's `language`. `None`: it has no
/// usable name.
pub(super) fn plan(raw: &RawSection, language: &str, findings: &mut Findings) -> Option<Plan> {
    let mut section = Section::begin(raw, &spec::PLAN, findings);
    let s = &mut section;
    let id = plan_name(s, raw.name.as_deref());
    let title = s.optional("title", values::text(64));
    let metered = s.optional("metered", values::duration);
    let validity = s.optional("validity", values::duration);
    let data = data_cap(s);
    let down = s.optional("down", values::rate);
    let up = s.optional("up", values::rate);
    let activate_by = s.optional("activate_by", values::moment);
    let devices = s.value("devices", values::number(1, 1000));
    let bound_devices = s.value("bound_devices", values::number(0, 65_535));
    let idle_timeout = s.optional("idle_timeout", values::duration);
    let count_while_uplink_down = s.value("count_while_uplink_down", values::boolean);
    let number = s.optional("number", values::number(0, 15)).and_then(PlanNumber::new);
    let price = s.optional("price", values::price).unwrap_or_default();
    let currency = s.optional("currency", values::currency).unwrap_or_default();
    if bound_devices != 0 && bound_devices < devices {
        s.wrong(
            "bound_devices",
            format!("'{bound_devices}' ever is less than devices '{devices}' at one time"),
        );
    }
    Some(Plan {
        id: id?,
        source: PlanSource::File,
        title: title.into_iter().map(|title| (language.to_owned(), title)).collect(),
        activate_by,
        number,
        terms: Terms {
            metered,
            validity,
            data,
            down,
            up,
            devices,
            bound_devices,
            idle_timeout,
            count_while_uplink_down,
        },
        price,
        currency,
    })
}

fn plan_name(s: &mut Section<'_>, name: Option<&str>) -> Option<PlanId> {
    match name.map(names::plan_id) {
        Some(Ok(id)) => return Some(id),
        Some(Err(what)) => s.wrong("plan", what),
        None => s.wrong("plan", "the plan has no name; write for example config plan 'hour'"),
    }
    None
}

/// `data`, or `data_up` and `data_down`.
fn data_cap(s: &mut Section<'_>) -> DataCap {
    let cap = DataCap {
        total: s.optional("data", values::bytes),
        up: s.optional("data_up", values::bytes),
        down: s.optional("data_down", values::bytes),
    };
    for apart in ["data_up", "data_down"] {
        if s.is_set("data") && s.is_set(apart) {
            s.wrong(apart, "cannot stand beside data; set data, or data_up and data_down");
        }
    }
    cap
}

/// What guests reach before login.
pub(super) fn garden(raw: &RawSection, findings: &mut Findings) -> Garden {
    let mut section = Section::begin(raw, &spec::GARDEN, findings);
    let s = &mut section;
    if !s.is_set("name") && !s.is_set("address") {
        s.wrong("garden", "opens nothing; write list name 'wa.me' or list address '203.0.113.0/24'");
    }
    Garden {
        names: each_once(s.list("name", names::garden_name)),
        networks: each_once(s.list("address", names::network)),
        ports: each_once(s.list("port", values::port)),
        rate: Some(s.value("rate", values::rate)),
        data: Some(s.value("data", values::bytes)),
    }
}

fn each_once<T: PartialEq>(values: Vec<(Option<u32>, T)>) -> Vec<T> {
    let mut once = Vec::new();
    for (_, value) in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

/// A listed device. `None`: it has no usable address.
pub(super) fn device(raw: &RawSection, findings: &mut Findings) -> Option<Device> {
    let mut section = Section::begin(raw, &spec::DEVICE, findings);
    let s = &mut section;
    if !s.is_set("mac") {
        s.wrong("mac", "no device is named; write option mac '02:00:00:00:00:01'");
    }
    let mac = s.optional("mac", names::mac);
    let policy = s.value("policy", values::policy);
    Some(Device { mac: mac?, policy })
}

/// The plan of the free trial. `None`: what is named is no plan.
pub(super) fn trial(raw: &RawSection, findings: &mut Findings) -> Option<PlanId> {
    let mut s = Section::begin(raw, &spec::TRIAL, findings);
    if s.is_set("plan") { s.optional("plan", names::plan_id) } else { Some(s.value("plan", names::plan_id)) }
}

/// The cloud; its `url` is empty if the file names none.
pub(super) fn cloud(raw: &RawSection, findings: &mut Findings) -> Cloud {
    let mut section = Section::begin(raw, &spec::CLOUD, findings);
    let s = &mut section;
    let url = s.optional("url", names::url);
    let token_file = s.is_set("token_file").then(|| s.value("token_file", names::path));
    let ca_file = s.optional("ca_file", names::path);
    let signing_key = s.optional("signing_key", values::public_key);
    let poll = s.value("poll", values::duration_within("1s", "1d"));
    let provisional_plan = s.optional("provisional_plan", names::plan_id);
    let allow_http = s.value("allow_http", values::boolean);
    if let Some(url) = url.as_deref().filter(|url| url.starts_with("http://") && !allow_http) {
        s.wrong(
            "url",
            format!("{} is not encrypted; write https://, or for tests set allow_http '1'", shown(url)),
        );
    }
    let url = url.unwrap_or_default();
    Cloud { url, token_file, ca_file, signing_key, poll, provisional_plan, allow_http }
}

/// How long what is kept.
pub(super) fn retention(raw: &RawSection, findings: &mut Findings) -> Retention {
    let mut section = Section::begin(raw, &spec::RETENTION, findings);
    let s = &mut section;
    let profile = s.value("profile", values::retention_profile);
    let minimum = s.optional("minimum", values::duration);
    let mut kept = |option, of_profile| match s.optional(option, values::duration) {
        Some(span) => {
            if let Some(minimum) = minimum.filter(|minimum| span < *minimum) {
                s.wrong(option, shorter_than(minimum));
            }
            span
        }
        // What nobody has written gives way to the law.
        None => minimum.map_or(of_profile, |minimum| minimum.max(of_profile)),
    };
    let (sessions, audit) = (kept("sessions", profile.sessions), kept("audit", profile.audit));
    Retention {
        sessions,
        audit,
        unpaid_devices: s.value("unpaid_devices", values::duration),
        claims: s.value("claims", values::duration),
        minimum,
    }
}

fn shorter_than(minimum: Duration) -> String {
    let seconds = minimum.as_secs();
    format!(
        "is shorter than the minimum of law, {seconds}s, and nothing is purged before that; keep it for as long, or leave it out"
    )
}

/// Who has a role, which the name of the section is.
pub(super) fn role(raw: &RawSection, findings: &mut Findings) -> Vec<Member> {
    let mut section = Section::begin(raw, &spec::ROLE, findings);
    let s = &mut section;
    let named = raw.name.as_deref().and_then(Role::named);
    if named.is_none() {
        let known = Role::ALL.map(Role::word).join(", ");
        let named = raw
            .name
            .as_deref()
            .map_or("the role has no name".to_owned(), |name| format!("there is no role {}", shown(name)));
        s.wrong("role", format!("{named}; write one of {known}, as in config role 'cashier'"));
    }
    if !s.is_set("user") && !s.is_set("group") {
        s.wrong("role", "nobody has the role; write list user 'asha' or list group 'till'");
    }
    let users: Vec<_> =
        s.list("user", names::account).into_iter().map(|(_, name)| (Kin::User, name)).collect();
    let groups = s.list("group", names::account).into_iter().map(|(_, name)| (Kin::Group, name));
    let member = |(kin, name)| Some(Member { role: named?, kin, name });
    users.into_iter().chain(groups).filter_map(member).collect()
}
