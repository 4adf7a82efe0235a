//! Every way in which the daemon can fail, and what each means to whoever started it.
//!
//! A fault ends the daemon at start; what fails later is told once by whoever met it, and tried again:
//! the store keeps what is sold and sells no more, the table is compared every few seconds.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::LoadError;
use crate::control::BindError;
use crate::neigh::NeighError;
use crate::nft::NftError;
use crate::process::Exit;
use crate::store::{KeyError, OpenError, StoreError};
use crate::sync::Trouble;
use crate::uplink::UplinkError;
use crate::wire::control::Code;

/// What went wrong, where.
#[derive(Debug)]
pub(super) enum Fault {
    Load(LoadError),
    Open(OpenError),
    Key(KeyError),
    SiteKey {
        path: PathBuf,
        why: String,
    },
    /// What an enrolment brought cannot be read.
    Enrolment(String),
    NoSuchUser(String),
    Store(StoreError),
    Nft(NftError),
    Neigh(NeighError),
    Uplink(UplinkError),
    Cloud(Trouble),
    Control(BindError),
    System {
        what: &'static str,
        error: io::Error,
    },
}

impl Fault {
    pub(super) fn of_open(error: OpenError) -> Self {
        if let OpenError::Key(error) = error { Self::Key(error) } else { Self::Open(error) }
    }

    /// The exit code that tells the caller what kind of failure it was.
    pub(super) fn exit(&self) -> Exit {
        if self.is_permission() {
            return Exit::NoPermission;
        }
        match self {
            Self::Load(_) | Self::SiteKey { .. } | Self::Enrolment(_) | Self::NoSuchUser(_) => {
                Exit::Configuration
            }
            Self::Open(_)
            | Self::Key(_)
            | Self::Store(_)
            | Self::Nft(_)
            | Self::Neigh(_)
            | Self::Uplink(_)
            | Self::Cloud(_)
            | Self::Control(_)
            | Self::System { .. } => Exit::Internal,
        }
    }

    /// Whether the system does not let this user do it.
    fn is_permission(&self) -> bool {
        match self {
            Self::Load(LoadError::Unreadable { error, .. })
            | Self::Nft(NftError::Socket { error, .. })
            | Self::Neigh(NeighError::Socket { error, .. })
            | Self::Uplink(UplinkError::Socket { error, .. })
            | Self::Control(BindError::Io(_, error))
            | Self::System { error, .. } => error.kind() == io::ErrorKind::PermissionDenied,
            Self::Nft(NftError::Refused { refusal, .. })
            | Self::Neigh(NeighError::Refused { refusal, .. })
            | Self::Uplink(UplinkError::Refused { refusal, .. }) => {
                matches!(refusal.code, libc::EPERM | libc::EACCES)
            }
            Self::Open(error) => matches!(error, OpenError::Denied { .. }),
            Self::Load(_)
            | Self::Key(_)
            | Self::SiteKey { .. }
            | Self::Enrolment(_)
            | Self::NoSuchUser(_)
            | Self::Cloud(_)
            | Self::Store(_)
            | Self::Nft(NftError::Restless)
            | Self::Control(BindError::AnotherDaemon(_)) => false,
        }
    }
}

impl Fault {
    /// The word for it in the interface.
    pub(super) fn code(&self) -> Code {
        if let Self::Open(OpenError::Busy { .. }) = self {
            // Nothing is broken: it was asked for at the wrong time.
            return Code::Refused;
        }
        match self.exit() {
            Exit::NoPermission => Code::NoPermission,
            Exit::Configuration => Code::Configuration,
            Exit::Done | Exit::Refused | Exit::Usage | Exit::Unreachable | Exit::Internal => Code::Internal,
        }
    }

    /// What can be done about it; empty where the message says all.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Nft(_) | Self::Neigh(_) | Self::Uplink(_) => {
                "run as root, or with CAP_NET_ADMIN and CAP_NET_RAW"
            }
            Self::Open(error) => error.remedy(),
            Self::Control(BindError::AnotherDaemon(_)) => {
                "one daemon is enough; another network needs a run_dir and state_dir of its own"
            }
            Self::Control(_) if self.is_permission() => "run as root",
            Self::Cloud(trouble) => trouble.remedy(),
            Self::Enrolment(_) => {
                "join the cloud anew with lango enrol --config PATH, or remove enrolment.json: then codes made under \
                 its site key are unknown"
            }
            Self::Load(_) => "mend the file; 'lango check' names every error of it",
            Self::Key(_)
            | Self::SiteKey { .. }
            | Self::NoSuchUser(_)
            | Self::Store(_)
            | Self::Control(_)
            | Self::System { .. } => "",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::SiteKey { path, why } => write!(f, "site_key_file {}: {why}", path.display()),
            Self::Enrolment(why) => write!(f, "enrolment.json in state_dir: {why}"),
            Self::NoSuchUser(name) => {
                write!(f, "there is no user '{name}'; name one of this system, or none")
            }
            Self::Store(error) => error.fmt(f),
            Self::Nft(error) => error.fmt(f),
            Self::Neigh(error) => error.fmt(f),
            Self::Uplink(error) => error.fmt(f),
            Self::Cloud(trouble) => write!(f, "cloud: {trouble}"),
            Self::Control(error) => error.fmt(f),
            Self::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Fault {}
