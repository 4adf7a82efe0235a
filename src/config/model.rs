//! The configuration after all checks: types that cannot hold a wrong value.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{Bps, Bytes, Keeping, KeyNumber, Mac, Minimum, Plan, PlanId, Role, SigningKey};
use crate::ordered::OrdSet;

/// Everything of `/etc/config/lango`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub gateway: Gateway,
    pub plans: Vec<Plan>,
    pub gardens: Vec<Garden>,
    pub devices: Vec<Device>,
    pub trial: Option<PlanId>,
    pub cloud: Option<Cloud>,
    pub retention: Retention,
    /// Empty: whoever can open the control socket may do all.
    pub roles: Vec<Member>,
}

impl Config {
    /// Ports at which names of the garden are reached.
    pub fn garden_ports(&self) -> OrdSet<u16> {
        let named = self.gardens.iter().filter(|garden| !garden.names.is_empty());
        named.flat_map(|garden| garden.ports.iter().copied()).collect()
    }
}

/// Section `gateway`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub enabled: bool,
    pub site: String,
    /// Guest networks: names of L3 devices, at least one.
    pub interfaces: Vec<String>,
    pub portal_name: String,
    pub portal_port: u16,
    pub https_port: u16,
    /// Certificate and key, both or none.
    pub tls: Option<Tls>,
    pub dns_port: u16,
    pub dns_upstream: SocketAddr,
    pub captive_address: Ipv4Addr,
    pub state_dir: PathBuf,
    pub run_dir: PathBuf,
    /// Language of a guest that asks for none we have.
    pub language: String,
    pub portal_dir: Option<PathBuf>,
    pub title: String,
    /// As dialled, with `+`; empty: none.
    pub support_phone: String,
    /// Digits only, as in `https://wa.me/…`; empty: none.
    pub whatsapp: String,
    pub checkpoint: Duration,
    pub max_clients: u32,
    pub user: Option<String>,
    /// One bit of the connection mark.
    pub mark: u32,
    pub uplink_probes: Vec<UplinkProbe>,
    pub uplink: Option<String>,
    pub site_key_file: Option<PathBuf>,
    /// Numbers of the keys whose self-verifying codes are accepted; new ones are made with the last.
    pub issuing_keys: Vec<KeyNumber>,
    /// `#rrggbb`.
    pub colour: String,
    pub controller: String,
    pub terms_required: bool,
    pub key_from_cloud: bool,
    pub anomaly: Anomaly,
    pub new_devices_per_minute: u32,
}

/// Certificate chain and key of the HTTPS portal, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `tcp:ADDRESS:PORT`: a place whose answer means that the uplink is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkProbe(pub SocketAddr);

/// What is done about a device seen at two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    Report,
    End,
}

/// Section `garden`: reachable before login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garden {
    /// `name` or `*.suffix`, lower case.
    pub names: Vec<String>,
    pub networks: Vec<Network>,
    pub ports: Vec<u16>,
    pub rate: Option<Bps>,
    pub data: Option<Bytes>,
}

/// An address with the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// The first address of it.
    pub fn first(&self) -> IpAddr {
        self.address_with(0)
    }

    /// The last address of it.
    pub fn last(&self) -> IpAddr {
        self.address_with(u128::MAX)
    }

    /// The address whose bits beyond the prefix are those of `rest`.
    fn address_with(&self, rest: u128) -> IpAddr {
        let beyond = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        match self.address {
            IpAddr::V4(address) => {
                let beyond = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                let rest = u32::try_from(rest & u128::from(u32::MAX)).unwrap_or(u32::MAX);
                IpAddr::V4((address.to_bits() & !beyond | rest & beyond).into())
            }
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !beyond | rest & beyond).into()),
        }
    }
}

/// Section `device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub mac: Mac,
    pub policy: Policy,
}

/// What a listed device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Trusted,
    Blocked,
}

/// Section `cloud`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    pub url: String,
    /// None: the file says nothing of it; then the enrolment has the token, or [`Cloud::TOKEN_FILE`].
    pub token_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// Ed25519 public key; set: unsigned feeds are refused.
    pub signing_key: Option<SigningKey>,
    pub poll: Duration,
    pub provisional_plan: Option<PlanId>,
    pub allow_http: bool,
}

impl Cloud {
    /// Where the token is unless something else is said.
    pub const TOKEN_FILE: &str = "/etc/lango/cloud.token";
}

/// Section `retention`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    pub sessions: Duration,
    pub audit: Duration,
    pub unpaid_devices: Duration,
    pub claims: Duration,
    /// Of law: no record is purged earlier. `sessions` and `audit` are no shorter.
    pub minimum: Option<Duration>,
}

impl Retention {
    /// What is kept of guests and operators.
    pub fn keeping(&self) -> Keeping {
        let minimum = if self.minimum.is_some() { Minimum::OfLaw } else { Minimum::None };
        Keeping { sessions: self.sessions, trail: self.audit, minimum }
    }
}

/// Somebody who has a role, as a section `role` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub role: Role,
    pub kin: Kin,
    /// A name, or a number.
    pub name: String,
}

/// One, or all of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    User,
    Group,
}
