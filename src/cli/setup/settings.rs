//! The settings of an OpenWrt, as `uci export` tells them.
//!
//! Owns: finding a section by what is in it, and by what name uci knows it. Never: changes them.

use super::plan::Refusal;
use crate::config::{UciSection, gateway_default};

/// How the guests' network, zone and sections are called unless there are some.
pub(super) const GUESTS: &str = "guest";

/// Files of /etc/config that a plan looks at.
pub(super) const PACKAGES: [&str; 5] = ["network", "dhcp", "firewall", "wireless", "lango"];

/// The sections of each file.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(pub(super) Vec<(&'static str, Vec<UciSection>)>);

/// A section, and how uci is told of it.
pub(super) struct Found<'a> {
    pub(super) section: &'a UciSection,
    /// `PACKAGE.SECTION`.
    pub(super) at: String,
}

impl Settings {
    pub(super) fn of(&self, package: &str, kind: &'static str) -> impl Iterator<Item = &UciSection> {
        self.all(package).filter(move |section| section.kind == kind)
    }

    fn all(&self, package: &str) -> impl Iterator<Item = &UciSection> {
        let found = self.0.iter().find(|(name, _)| *name == package);
        found.into_iter().flat_map(|(_, sections)| sections)
    }

    /// The first section of a kind.
    pub(super) fn first(&self, package: &str, kind: &'static str) -> Option<Found<'_>> {
        let section = self.of(package, kind).next()?;
        let at = match &section.name {
            Some(name) => format!("{package}.{name}"),
            None => format!("{package}.@{kind}[0]"),
        };
        Some(Found { section, at })
    }

    pub(super) fn gateway(&self) -> Option<Found<'_>> {
        self.first("lango", "gateway")
    }

    /// The value of an option of Lango's section gateway, or its default.
    pub(super) fn of_gateway(&self, option: &str) -> String {
        let set = self.gateway().and_then(|gateway| gateway.section.values(option).first().cloned());
        set.unwrap_or_else(|| gateway_default(option).to_owned())
    }

    /// `PACKAGE.NAME`, if no section is called so.
    pub(super) fn free(&self, package: &str, name: &str) -> Result<String, Refusal> {
        if self.all(package).any(|section| section.name.as_deref() == Some(name)) {
            let why = format!("{package} has a section {name} that is not what a hotspot needs");
            return Err(Refusal::new(why, "rename it, or set the guest network up by hand"));
        }
        Ok(format!("{package}.{name}"))
    }
}
