//! The configuration: UCI text, parsed into types that cannot hold a wrong value.
//!
//! Owns: the grammar of UCI, the options, their defaults and limits, and the words of every error.
//! Never: anything but reading; `/etc/config` is not written at run time.
//! Within: `uci` text to sections, `spec` the table of options, `section` takes options out, `values` and
//! `names` parse them, `gateway` and `sections` put them together, this file compares sections.

mod error;
mod gateway;
mod model;
mod names;
mod section;
mod sections;
mod spec;
mod uci;
mod values;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

pub use error::{ConfigError, Finding, LoadError, Notice};
pub use model::{
    Anomaly, Cloud, Config, Device, Garden, Gateway, Kin, Member, Network, Policy, Retention, Tls,
    UplinkProbe,
};
pub(crate) use spec::nearest;
pub(crate) use uci::did_you_mean;

use error::{Findings, shown};
use uci::{Raw, RawSection};

use crate::domain::{Bytes, Mac, Plan, PlanId};
use crate::ordered::{OrdMap, OrdSet};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A configuration without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub config: Config,
    /// What to tell the operator nevertheless, in the order of the file.
    pub notices: Vec<Notice>,
    /// Section cloud without its url.
    unnamed: Cloud,
    places: Places,
}

/// Where the options stand, for those who find out later what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    file: String,
    lines: OrdMap<(String, String), u32>,
    /// Of the members of roles, in their order.
    members: Vec<u32>,
}

impl Parsed {
    /// Takes `url` for the cloud's, unless the file names one.
    pub fn join(&mut self, url: &str) {
        let joined = || Cloud { url: url.to_owned(), ..self.unnamed.clone() };
        self.config.cloud.get_or_insert_with(joined);
    }

    /// Section cloud, whether or not it has a url.
    pub fn cloud_options(&self) -> &Cloud {
        self.config.cloud.as_ref().unwrap_or(&self.unnamed)
    }

    /// Whether the file says anything of an option.
    pub fn names(&self, section: &str, option: &str) -> bool {
        self.line(section, option).is_some()
    }

    /// Something that is wrong with an option, found out by looking beyond the file.
    pub fn error(&self, section: &str, option: &str, what: impl Into<String>) -> ConfigError {
        self.error_at(self.line(section, option).unwrap_or(1), option, what)
    }

    /// The same of a member of a role, by its place among them.
    pub fn error_of_member(&self, at: usize, option: &str, what: impl Into<String>) -> ConfigError {
        self.error_at(self.places.members.get(at).copied().unwrap_or(1), option, what)
    }

    fn error_at(&self, line: u32, option: &str, what: impl Into<String>) -> ConfigError {
        let (file, option, what) = (self.places.file.clone(), option.to_owned(), what.into());
        ConfigError(Finding { file, line, option, what })
    }

    fn line(&self, section: &str, option: &str) -> Option<u32> {
        self.places.lines.get(&(section.to_owned(), option.to_owned())).copied()
    }
}

/// Reads and parses the file at `path`, of at most 1 MiB.
pub fn load(path: &Path) -> Result<Parsed, LoadError> {
    let path = path.to_owned();
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(LoadError::Unreadable { path, error }),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(LoadError::TooLarge { path, limit: LARGEST });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&path.display().to_string(), text).map_err(LoadError::Wrong),
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            let breaks = before.filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1);
            Err(LoadError::NotUtf8 { path, line })
        }
    }
}

/// A section as it stands in any file of UCI, whatever it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UciSection {
    pub kind: String,
    pub name: Option<String>,
    /// The value of each option, or those of a list.
    pub options: Vec<(String, Vec<String>)>,
}

impl UciSection {
    /// The value of an option, or those of a list.
    pub fn values(&self, option: &str) -> Vec<String> {
        let found = self.options.iter().find(|(name, _)| name == option);
        found.map(|(_, values)| values.clone()).unwrap_or_default()
    }

    /// Whether an option has that one value.
    pub fn is(&self, option: &str, value: &str) -> bool {
        matches!(self.values(option).as_slice(), [one] if one == value)
    }
}

/// A span as options have it, `90s 15m 12h 30d`, more than nothing.
///
/// # Errors
/// What is wrong with the text, and what to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    values::duration(text)
}

/// A size as options have it, `500MB 2GB 512MiB`, more than nothing.
///
/// # Errors
/// What is wrong with the text, and what to write instead.
pub fn size(text: &str) -> Result<Bytes, String> {
    values::bytes(text)
}

/// The default of an option of section gateway, as it would be written.
pub fn gateway_default(option: &str) -> &'static str {
    spec::GATEWAY.option(option).map_or("", |option| option.default)
}

/// The sections of a text of UCI, or why it cannot be read.
pub fn uci_sections(text: &str) -> Result<Vec<UciSection>, String> {
    let body = text.lines().filter(|line| !line.starts_with("package ")).map(|line| format!("{line}\n"));
    let mut findings = Findings::of("uci");
    let raw = uci::read(&body.collect::<String>(), &mut findings);
    if let (false, Err(errors)) = (raw.whole, findings.verdict()) {
        return Err(errors.first().map(ToString::to_string).unwrap_or_default());
    }
    let texts = |option: uci::RawOption| option.values.into_iter().map(|value| value.text).collect();
    let section = |RawSection { kind, name, options, .. }| UciSection {
        kind,
        name,
        options: options.into_iter().map(|(option, raw)| (option, texts(raw))).collect(),
    };
    Ok(raw.sections.into_iter().map(section).collect())
}

/// The guest networks that a file with errors names nevertheless, and whether it is switched on; all else is as by
/// default. `None`: it names none.
pub fn guest_networks(path: &Path) -> Option<Config> {
    let bytes = read(path).ok()?;
    let raw = uci::read(&String::from_utf8_lossy(&bytes), &mut Findings::of(""));
    let gateway = raw.sections.iter().find(|section| section.kind == "gateway")?;
    let values =
        |option: &str| gateway.options.get(option).map(|option| option.values.as_slice()).unwrap_or_default();
    let off = values("enabled").last().is_some_and(|value| values::boolean(&value.text) == Ok(false));
    let named = values("interface").iter().filter_map(|value| names::interface(&value.text).ok());
    let lists: String =
        named.collect::<OrdSet<_>>().iter().map(|name| format!("\tlist interface '{name}'\n")).collect();
    let text = format!("config gateway 'main'\n\toption enabled '{}'\n{lists}", u8::from(!off));
    parse("", &text).ok().map(|parsed| parsed.config)
}

/// One byte more than allowed, at most.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses `text`, which stands in a file called `file_name`. The errors are all there are, in the order of the file.
pub fn parse(file_name: &str, text: &str) -> Result<Parsed, Vec<ConfigError>> {
    let mut findings = Findings::of(file_name);
    let raw = uci::read(text, &mut findings);
    let of_cloud = |raw: &&RawSection| raw.kind == "cloud";
    let unnamed = match only(raw.sections.iter().filter(of_cloud), &mut findings) {
        Some(raw) => sections::cloud(raw, &mut findings),
        None => sections::cloud(&absent("cloud"), &mut findings),
    };
    let cloud = Some(&unnamed).filter(|cloud| !cloud.url.is_empty()).cloned();
    let config = config(&raw, cloud, &mut findings);
    let notices = findings.verdict()?;
    let config = config.expect("without an error there is a configuration");
    Ok(Parsed { config, notices, unnamed, places: places(file_name, &raw) })
}

fn places(file: &str, raw: &Raw) -> Places {
    let options = |section: &RawSection| {
        let kind = section.kind.clone();
        let named = section.options.iter().filter(|(_, option)| !option.values.is_empty());
        let lines = named.map(|(name, option)| (name.clone(), option.line));
        lines.map(|(name, line)| ((kind.clone(), name), line)).collect::<Vec<_>>()
    };
    let single = raw.sections.iter().filter(|section| ["gateway", "cloud"].contains(&section.kind.as_str()));
    let roles = raw.sections.iter().filter(|section| section.kind == "role");
    let values =
        roles.flat_map(|role| ["user", "group"].into_iter().filter_map(|name| role.options.get(name)));
    let members = values.flat_map(|option| option.values.iter().map(|value| value.line)).collect();
    Places { file: file.to_owned(), lines: single.flat_map(options).collect(), members }
}

fn config(raw: &Raw, cloud: Option<Cloud>, findings: &mut Findings) -> Option<Config> {
    let known = sections_are_known(raw, findings);
    raw.sections.iter().for_each(|section| name_is_of_uci(section, findings));
    let of = |kind: &'static str| raw.sections.iter().filter(move |section| section.kind == kind);

    let gateway = only(of("gateway"), findings).map(|raw| gateway::gateway(raw, findings));
    let language = gateway.as_ref().map_or("en", |gateway| gateway.language.as_str());
    let plans = of("plan").filter_map(|raw| sections::plan(raw, language, findings)).collect::<Vec<_>>();
    let gardens = of("garden").map(|raw| sections::garden(raw, findings)).collect();
    let devices = devices(of("device"), findings);
    bridge_exists(of("cloud").next(), &plans, findings);
    let cloud_may_have_it = of("cloud").next().is_some();
    let trial = only(of("trial"), findings).and_then(|raw| {
        let plan = sections::trial(raw, findings)?;
        if !cloud_may_have_it {
            trial_plan_exists(raw, &plan, &plans, findings);
        }
        Some(plan)
    });
    let retention = match only(of("retention"), findings) {
        Some(raw) => sections::retention(raw, findings),
        None => sections::retention(&absent("retention"), findings),
    };
    let roles = of("role").flat_map(|raw| sections::role(raw, findings)).collect();
    if gateway.is_none() && raw.whole && known {
        let what =
            "there is no section gateway; write config gateway 'main' and in it list interface 'br-guest'";
        findings.error(1, "gateway", what);
    }
    Some(Config { gateway: gateway?, plans, gardens, devices, trial, cloud, retention, roles })
}

/// A section that the file does not have: all its options are their defaults.
fn absent(kind: &str) -> RawSection {
    RawSection { kind: kind.to_owned(), name: None, line: 1, options: OrdMap::new() }
}

/// Reports types of sections that do not exist.
fn sections_are_known(raw: &Raw, findings: &mut Findings) -> bool {
    let kinds = spec::SECTIONS.map(|section| section.kind);
    let unknown = raw.sections.iter().filter(|section| !kinds.contains(&section.kind.as_str()));
    let mut known = true;
    for section in unknown {
        let hint = spec::nearest(&section.kind, kinds)
            .map_or_else(|| format!("there are {}", kinds.join(", ")), uci::did_you_mean);
        findings.error(section.line, &section.kind, format!("there is no such section; {hint}"));
        known = false;
    }
    known
}

/// OpenWrt's own tools read a name of letters, digits and `_` only, and else not the file at all.
/// A plan may be called as the cloud calls it: that is worth a notice.
fn name_is_of_uci(section: &RawSection, findings: &mut Findings) {
    let Some(name) = &section.name else { return };
    let foreign = |more: &[u8]| name.bytes().any(|b| !b.is_ascii_alphanumeric() && !more.contains(&b));
    if section.kind == "plan" {
        if foreign(b"_") && !foreign(b"_-.") {
            let what =
                format!("OpenWrt's uci cannot read a file with the name {}; better use '_'", shown(name));
            findings.notice(section.line, "plan", what);
        }
    } else if foreign(b"_") {
        let what = format!("{} is not a name for a section; use letters, digits and '_'", shown(name));
        findings.error(section.line, &section.kind, what);
    }
}

/// The first of the sections; every further one is reported.
fn only<'a>(
    mut sections: impl Iterator<Item = &'a RawSection>,
    findings: &mut Findings,
) -> Option<&'a RawSection> {
    let first = sections.next()?;
    for another in sections {
        let what =
            format!("there can be only one such section, and line {} begins one; join them", first.line);
        findings.error(another.line, &another.kind, what);
    }
    Some(first)
}

fn devices<'a>(sections: impl Iterator<Item = &'a RawSection>, findings: &mut Findings) -> Vec<Device> {
    let mut lines = OrdMap::<Mac, u32>::new();
    let mut devices = Vec::new();
    for raw in sections {
        let Some(device) = sections::device(raw, findings) else { continue };
        let line = raw.options.get("mac").map_or(raw.line, |option| option.line);
        match lines.insert(device.mac, line) {
            None => devices.push(device),
            Some(before) => {
                let what = format!("'{}' is listed in line {before} already; take one out", device.mac);
                findings.error(line, "mac", what);
            }
        }
    }
    devices
}

/// Whether the cloud has the plan that bridges, nobody knows here.
fn bridge_exists(raw: Option<&RawSection>, plans: &[Plan], findings: &mut Findings) {
    let Some(option) = raw.and_then(|raw| raw.options.get("provisional_plan")) else { return };
    let Some(named) = option.values.last().filter(|value| !value.text.is_empty()) else { return };
    if !plans.iter().any(|plan| plan.id.as_str() == named.text) {
        let hint = spec::nearest(&named.text, plans.iter().map(|plan| plan.id.as_str()));
        let hint = hint.map_or_else(|| "lango doctor tells".to_owned(), uci::did_you_mean);
        let what =
            format!("no plan {} is in this file, so the cloud has to have it; {hint}", shown(&named.text));
        findings.notice(option.line, "provisional_plan", what);
    }
}

/// Without a cloud, the plan of the trial is one of this file.
fn trial_plan_exists(raw: &RawSection, plan: &PlanId, plans: &[Plan], findings: &mut Findings) {
    if plans.iter().any(|known| known.id == *plan) {
        return;
    }
    let line = raw.options.get("plan").map_or(raw.line, |option| option.line);
    let hint = spec::nearest(plan.as_str(), plans.iter().map(|plan| plan.id.as_str())).map_or_else(
        || format!("write config plan '{plan}', or set the url of a cloud that has it"),
        uci::did_you_mean,
    );
    findings.error(line, "plan", format!("no plan '{plan}' is in this file; {hint}"));
}
