//! The options of all commands: how each is written, and what the help says of it.
//!
//! Never: which command takes which (`commands`), or what a value means.

/// One option, of any command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opt {
    Json,
    Socket,
    Offline,
    Config,
    Log,
    LogLevel,
    Plan,
    Session,
    Count,
    Prefix,
    Form,
    Weak,
    SelfVerifying,
    Print,
    Batch,
    Now,
    Ca,
    Mac,
    Code,
    Phone,
    All,
    Format,
    Apply,
    Undo,
    Verify,
    Sort,
    Reverse,
    Once,
    File,
    DryRun,
    Yes,
    Time,
    Data,
    By,
    Reason,
    PassphraseFile,
    Force,
}

/// Of `voucher new`.
pub(super) const VOUCHER_NEW: &[Opt] = &[
    Opt::Plan,
    Opt::Count,
    Opt::Prefix,
    Opt::Form,
    Opt::Weak,
    Opt::SelfVerifying,
    Opt::Print,
    Opt::Json,
    Opt::Socket,
    Opt::Offline,
    Opt::Config,
];

/// Of `voucher reprint`.
pub(super) const REPRINT: &[Opt] = &[
    Opt::Batch,
    Opt::Plan,
    Opt::Prefix,
    Opt::Form,
    Opt::Weak,
    Opt::SelfVerifying,
    Opt::Print,
    Opt::Yes,
    Opt::Json,
    Opt::Socket,
    Opt::Offline,
    Opt::Config,
];

/// How an option is written.
pub(super) struct Spelling {
    pub(super) name: &'static str,
    /// What the help calls its value; `None`: it has none.
    pub(super) value: Option<&'static str>,
    pub(super) about: &'static str,
}

impl Opt {
    pub(super) const ALL: [Self; 37] = [
        Self::Json,
        Self::Socket,
        Self::Offline,
        Self::Config,
        Self::Log,
        Self::LogLevel,
        Self::Plan,
        Self::Session,
        Self::Count,
        Self::Prefix,
        Self::Form,
        Self::Weak,
        Self::SelfVerifying,
        Self::Print,
        Self::Batch,
        Self::Now,
        Self::Ca,
        Self::Mac,
        Self::Code,
        Self::Phone,
        Self::All,
        Self::Format,
        Self::Apply,
        Self::Undo,
        Self::Verify,
        Self::Sort,
        Self::Reverse,
        Self::Once,
        Self::File,
        Self::DryRun,
        Self::Yes,
        Self::Time,
        Self::Data,
        Self::By,
        Self::Reason,
        Self::PassphraseFile,
        Self::Force,
    ];

    pub(super) const fn spelling(self) -> Spelling {
        let (name, value, about) = match self {
            Self::Json => ("json", None, "print JSON"),
            Self::Socket => ("socket", Some("PATH"), "ask the daemon that listens there"),
            Self::Offline => ("offline", None, "work on the store itself, while no daemon runs"),
            Self::Config => ("config", Some("PATH"), "the configuration (default /etc/config/lango)"),
            Self::Log => ("log", Some("stderr|syslog"), "where log lines go (default: stderr if a terminal)"),
            Self::LogLevel => ("log-level", Some("LEVEL"), "error, warn, info (default), debug or trace"),
            Self::Plan => ("plan", Some("PLAN"), "name of a plan, see 'lango plan list'"),
            Self::Session => ("session", Some("ID"), "id of a session, see 'lango sessions'"),
            Self::Count => ("count", Some("N"), "how many, 1 to 10000 (default 1)"),
            Self::Prefix => ("prefix", Some("S"), "up to 6 letters and digits that begin every code"),
            Self::Form => ("form", Some("digits|letters"), "10 digits (default), or 8 letters and a check"),
            Self::Weak => ("weak", None, "8 digits: easier to type, and to guess"),
            Self::SelfVerifying => {
                ("self-verifying", None, "16 digits that any gateway of the site can check by itself")
            }
            Self::Print => ("print", None, "write a sheet with QR codes, as HTML, to stdout"),
            Self::Now => ("now", None, "run a round and wait for it"),
            Self::Ca => ("ca", Some("FILE"), "PEM of the cloud's issuer, if the system does not know it"),
            Self::Mac => ("mac", Some("MAC"), "this device, or whoever used it"),
            Self::Code => ("code", Some("CODE"), "whoever used this code, reference or account"),
            Self::Phone => ("phone", Some("PHONE"), "whoever paid by it; its last 4 digits are enough"),
            Self::All => ("all", None, "everybody"),
            Self::Format => ("format", Some("json|csv"), "JSON (default), or a table for a spreadsheet"),
            Self::Apply => ("apply", None, "do it, through uci"),
            Self::Undo => ("undo", None, "take back what --apply did"),
            Self::Verify => ("verify", None, "read it all, and say where it was changed"),
            Self::Sort => {
                ("sort", Some("left|used|since|mac|plan"), "who ends first, used most, came first; by name")
            }
            Self::Reverse => ("reverse", None, "the other way round"),
            Self::Once => ("once", None, "print one frame, after a second; needs no terminal"),
            Self::File => ("file", Some("FILE"), "write them there, whole or not at all, for node-exporter"),
            Self::DryRun => ("dry-run", None, "say what would be done, and change nothing"),
            Self::Yes => ("yes", None, "do it; without, it is only said what would be done"),
            Self::Time => ("time", Some("SPAN"), "so much more time online, as in 90s, 15m, 1h or 30d"),
            Self::Data => ("data", Some("SIZE"), "so much more data, as in 500MB, 2GB or 512MiB"),
            Self::By => ("by", Some("SPAN"), "so much later, as in 12h or 30d"),
            Self::Reason => ("reason", Some("TEXT"), "why, for the trail; name nobody"),
            Self::PassphraseFile => (
                "passphrase-file",
                Some("FILE"),
                "holds what seals it; without, whoever has it is this gateway",
            ),
            Self::Force => ("force", None, "replace what is there"),
            Self::Batch => ("batch", Some("B"), "only vouchers of that batch"),
        };
        Spelling { name, value, about }
    }
}
