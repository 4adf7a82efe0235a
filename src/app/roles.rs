//! Who may do what: operators by their user and groups, and what comes of one who may not.
//!
//! Owns: whose role is which, by section `role` of the configuration, and how often a refusal is told. Never: which
//! role a request takes (`wire::control`), or who has connected (`control`). Neighbours: `desk` asks before `ask` does.

use std::time::Duration;

use nix::unistd::geteuid;

use super::desk::Desk;
use crate::config::{Config, ConfigError, Kin, Parsed};
use crate::control::{Call, Peer};
use crate::domain::{Action, Actor, Boot, Operator, Role};
use crate::ordered::OrdMap;
use crate::process::Accounts;
use crate::wire::control::{Code, Failure, Request, Response};

/// A user who is refused is told of so often in the log and in the trail, however often it asks.
const TOLD: Duration = Duration::from_secs(60 * 60);
/// Users of whom that is remembered; there are a handful who can open the socket at all.
const REMEMBERED: usize = 64;

/// Whose role is which.
pub(super) struct Roles {
    accounts: Accounts,
    users: OrdMap<u32, Role>,
    groups: OrdMap<u32, Role>,
    /// Of whoever else the mode of the socket lets in.
    others: Role,
    /// When a user was told of last.
    refused: OrdMap<u32, Boot>,
}

impl Roles {
    /// By the configuration and the users of this system. A name that nobody has gives nobody anything.
    pub(super) fn of(config: &Config) -> Self {
        let accounts = Accounts::read();
        let (mut users, mut groups) = (OrdMap::new(), OrdMap::new());
        for member in &config.roles {
            let (number, of) = match member.kin {
                Kin::User => (accounts.user(&member.name), &mut users),
                Kin::Group => (accounts.group(&member.name), &mut groups),
            };
            let Some(number) = number else {
                let (role, name) = (member.role.word(), &member.name);
                tracing::warn!(event = "nobody_called_so", role, name, "lango check says which line it is");
                continue;
            };
            let role = of.entry(number).or_insert(member.role);
            *role = (*role).max(member.role);
        }
        let others = if config.roles.is_empty() { Role::Admin } else { Role::Viewer };
        Self { accounts, users, groups, others, refused: OrdMap::new() }
    }

    /// By another configuration. Whom it has told of it remembers.
    pub(super) fn change(&mut self, config: &Config) {
        let refused = std::mem::take(&mut self.refused);
        *self = Self { refused, ..Self::of(config) };
    }

    /// Who has connected; `ubus`: whose session of ubus it is for.
    pub(super) fn operator(&self, peer: &Peer, ubus: Option<String>) -> Operator {
        let uid = peer.uid;
        // Anybody may say anything here.
        let plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let ubus = ubus.map(|user| user.chars().filter(|c| plain(*c)).take(32).collect());
        Operator { uid, name: self.accounts.name_of(uid).map(str::to_owned), role: self.role_of(peer), ubus }
    }

    /// The highest that its user or one of its groups has.
    fn role_of(&self, peer: &Peer) -> Role {
        if peer.uid == 0 || peer.uid == geteuid().as_raw() {
            return Role::Admin;
        }
        let groups = std::iter::once(&peer.gid).chain(&peer.groups).filter_map(|gid| self.groups.get(gid));
        groups.chain(self.users.get(&peer.uid)).copied().max().unwrap_or(self.others)
    }

    /// Whether to tell of `uid`, who was refused.
    fn is_news(&mut self, uid: u32, now: Boot) -> bool {
        self.refused.retain(|_, told| told.plus(TOLD) > now);
        if self.refused.contains_key(&uid) || self.refused.len() >= REMEMBERED {
            return false;
        }
        self.refused.insert(uid, now);
        true
    }
}

/// Who does something at a terminal, without a daemon: whoever can open the store needs no other leave.
pub(super) fn at_terminal() -> Actor {
    let uid = nix::unistd::Uid::current().as_raw();
    let name = Accounts::read().name_of(uid).map(str::to_owned);
    Actor::Operator(Operator { uid, name, role: Role::Admin, ubus: None })
}

/// What `lango check` finds wrong with the roles: names that nobody has.
pub(super) fn errors(parsed: &Parsed) -> Vec<ConfigError> {
    let accounts = Accounts::read();
    let unknown = parsed.config.roles.iter().enumerate().filter_map(|(at, member)| {
        let (known, option, file) = match member.kin {
            Kin::User => (accounts.user(&member.name), "user", "/etc/passwd"),
            Kin::Group => (accounts.group(&member.name), "group", "/etc/group"),
        };
        let what = format!("there is no {option} '{}' in {file}; add it, or write its number", member.name);
        known.is_none().then(|| parsed.error_of_member(at, option, what))
    });
    unknown.collect()
}

/// Why `operator` may not have `request` done, if so.
pub(super) fn not_permitted(operator: &Operator, request: &Request) -> Option<Failure> {
    let (name, least) = request.post();
    if operator.role >= least {
        return None;
    }
    let message = format!("'{name}' needs the role {least}, and {} is {}", operator.user(), operator.role);
    let remedy =
        format!("ask one who has it, or list the user in section role '{least}' of the configuration");
    Some(Failure::new(Code::NoPermission, message, remedy))
}

impl Desk {
    /// Has done what an operator asks, who may.
    pub(super) async fn serve_operator(&mut self, call: Call) {
        let Peer { uid, pid, .. } = call.peer;
        tracing::debug!(event = "asked", uid, pid, request = call.request.post().0, "an operator asks");
        let operator = self.roles.operator(&call.peer, call.ubus);
        if let Some(failure) = self.refuse(&operator, &call.request).await {
            // Who does not wait for the answer does not get it.
            return drop(call.reply.send(Response::Error(failure)));
        }
        self.ask(call.request, &Actor::Operator(operator), call.reply).await;
    }

    /// Why `operator` may not have `request` done, if so; it is told of and noted.
    async fn refuse(&mut self, operator: &Operator, request: &Request) -> Option<Failure> {
        let failure = not_permitted(operator, request)?;
        let (name, least) = request.post();
        if self.roles.is_news(operator.uid, self.ledger.clock.now().boot) {
            let (uid, role) = (operator.uid, operator.role.word());
            tracing::warn!(
                event = "not_permitted",
                uid,
                role,
                asked = name,
                needs = least.word(),
                "an operator is refused"
            );
            let by = Actor::Operator(operator.clone());
            self.note(&by, Action::Refused, format!("{name}, which needs {least}")).await;
        }
        Some(failure)
    }
}
