//! What can be wrong between a gateway and its cloud, in words that an operator can act on.
//!
//! Owns: the kinds of trouble, their stable words, their sentences. Never: shows a token, a code or a reference.

use std::fmt;
use std::net::SocketAddr;

use crate::domain::Seq;
use crate::wire::enrolment::NotAJoining;
use crate::wire::events::AckError;
use crate::wire::feed::Refusal;

/// Why something with the cloud did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// DNS does not know the host, or does not answer.
    Name { host: String, error: String },
    /// No connection came about, to any of the host's addresses; the last one is told.
    Unreachable { address: SocketAddr, error: String },
    /// Whoever answers has no right certificate.
    Certificate(BadCertificate),
    /// TLS failed otherwise.
    Tls(String),
    /// Nothing moved for too long.
    Silent,
    /// The answer did not come to its end in ten minutes.
    Endless,
    /// The connection ended before the answer did.
    Cut(String),
    /// The answer is not the cloud's: somebody in between answers.
    Intercepted(Interception),
    /// A body is larger than 1 MiB.
    TooLarge,
    /// The body cannot be unpacked.
    Encoding(String),
    /// 401 or 403: the token does not count.
    Denied(u16),
    /// 426: the cloud speaks another version of the protocol.
    Protocol,
    /// 410, though the feed was asked for from its start.
    Gone,
    /// Another status, that nothing else is known about.
    Status(u16),
    /// A page, or an answer to a lookup, was refused.
    Page(Refusal),
    /// An acknowledgement was refused.
    Ack(AckError),
    /// The cloud keeps acknowledging less than what was sent.
    NotAcked { first: Seq, acked: Seq },
    /// A page would undo a redemption that the cloud has not read, and goes on not reading.
    Held,
    /// What is held here differs from what the cloud has, by its digest.
    Digest,
    /// Here, the page could not be stored.
    NotStored,
    /// The answer to an enrolment was refused.
    Joining(NotAJoining),
    /// The claim of an enrolment is not known, or was used.
    Claim,
    /// 404: the cloud keeps no key for the store of this site.
    NoKey,
    /// What the cloud handed out is no key.
    BadKey,
    /// A file of roots could not be read.
    Roots(String),
    /// The lookup took more than its three seconds.
    Late,
    /// Too many guests ask at the same time.
    Busy,
    /// The client, or the program, is about to end.
    Stopped,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCertificate {
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
    Other(String),
}

/// How somebody in between gave himself away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interception {
    /// It does not speak TLS.
    NoTls,
    /// It sends to another place.
    Redirect,
    /// It answers with something that is no JSON.
    WebPage,
}

impl Trouble {
    /// Its stable name, for scripts and counters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Unreachable { .. } => "unreachable",
            Self::Certificate(_) => "certificate",
            Self::Tls(_) => "tls",
            Self::Silent => "silent",
            Self::Endless => "endless",
            Self::Cut(_) => "cut",
            Self::Intercepted(_) => "intercepted",
            Self::TooLarge => "too_large",
            Self::Encoding(_) => "encoding",
            Self::Denied(_) => "denied",
            Self::Protocol => "protocol",
            Self::Gone => "gone",
            Self::Status(_) => "status",
            Self::Page(_) => "page",
            Self::Ack(_) => "ack",
            Self::NotAcked { .. } => "not_acked",
            Self::Held => "held",
            Self::Digest => "digest",
            Self::NotStored => "not_stored",
            Self::Joining(_) => "joining",
            Self::Claim => "claim",
            Self::NoKey => "no_key",
            Self::BadKey => "bad_key",
            Self::Roots(_) => "roots",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the cloud was reached at all, so that another request may fare better.
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Self::TooLarge
            | Self::Encoding(_)
            | Self::Gone
            | Self::Status(_)
            | Self::Page(_)
            | Self::Ack(_)
            | Self::NotAcked { .. }
            | Self::Held
            | Self::Digest
            | Self::Joining(_)
            | Self::NoKey
            | Self::BadKey => true,
            Self::Name { .. }
            | Self::Unreachable { .. }
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::Silent
            | Self::Endless
            | Self::Cut(_)
            | Self::Intercepted(_)
            | Self::Denied(_)
            | Self::Protocol
            | Self::NotStored
            | Self::Claim
            | Self::Roots(_)
            | Self::Late
            | Self::Busy
            | Self::Stopped => false,
        }
    }

    /// Whether it lasts until somebody does something about it, so that trying soon is of no use.
    pub(super) fn needs_somebody(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Protocol)
    }
}

impl Trouble {
    /// What can be done about it: a sentence. Empty: nothing, or it passes by itself.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Name { .. } => "check the DNS of the uplink, and the host of the url",
            Self::Unreachable { .. } => "check the uplink, and that the cloud runs",
            Self::Certificate(bad) => bad.remedy(),
            Self::Tls(_) => "the cloud has to speak TLS 1.3",
            Self::Silent => "check the uplink",
            Self::Endless => "check the speed of the uplink",
            Self::Cut(_) => "it is tried again; if that goes on, check the uplink",
            Self::Intercepted(_) => "the uplink may want a login of its own, or a proxy be in between",
            Self::TooLarge => "the pages of the cloud have to be smaller",
            Self::Denied(_) => "check token_file and site, or join anew with lango enrol",
            Self::Protocol => "update Lango",
            Self::Encoding(_) | Self::Gone | Self::Status(_) | Self::Ack(_) | Self::NotAcked { .. } => {
                "ask who runs the cloud"
            }
            Self::Page(_) => {
                "ask who runs the cloud; until it sends a right one, what is here stays in force"
            }
            Self::Digest => "they are fetched again, once an hour at most",
            Self::NotStored => "check the flash: lango doctor",
            Self::Joining(_) | Self::NoKey | Self::BadKey => "ask who runs the cloud",
            Self::Claim => "make a new one at the cloud",
            Self::Roots(_) => "put PEM certificates there",
            Self::Busy => "try again in a moment",
            Self::Held | Self::Late | Self::Stopped => "",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, error } => write!(f, "the name {host} cannot be found ({error})"),
            Self::Unreachable { address, error } => write!(f, "no connection to {address} ({error})"),
            Self::Certificate(bad) => bad.fmt(f),
            Self::Tls(error) => write!(f, "TLS failed ({error})"),
            Self::Silent => f.write_str("the cloud fell silent in the middle of a request"),
            Self::Endless => f.write_str("an answer took more than ten minutes"),
            Self::Cut(error) => write!(f, "the connection broke before the answer was whole ({error})"),
            Self::Intercepted(how) => how.fmt(f),
            Self::TooLarge => f.write_str("the cloud sent more than 1 MiB at once"),
            Self::Encoding(error) => write!(f, "the answer cannot be unpacked ({error})"),
            Self::Denied(status) => {
                write!(f, "the cloud does not accept the token (status {status})")
            }
            Self::Protocol => f.write_str("the cloud speaks another version of the protocol"),
            Self::Gone => {
                f.write_str("the cloud says that its feed is gone (status 410), even from the start")
            }
            Self::Status(status) => write!(f, "the cloud answered with status {status}"),
            Self::Page(refusal) => write!(f, "nothing of it was applied: {refusal}"),
            Self::Ack(error) => error.fmt(f),
            Self::NotAcked { first, acked } => {
                write!(f, "the cloud took event {} and acknowledges {} only", first.0, acked.0)
            }
            Self::Held => f.write_str("a page waits until the cloud has read what was redeemed here"),
            Self::Digest => f.write_str("the rows here differ from those of the cloud"),
            Self::NotStored => f.write_str("what the cloud sent could not be stored here"),
            Self::Joining(error) => write!(f, "the answer to the enrolment is no right one: {error}"),
            Self::NoKey => f.write_str("the cloud keeps no key for the store of this site (status 404)"),
            Self::BadKey => {
                f.write_str("what the cloud handed out as the key of the store is not 64 hex digits")
            }
            Self::Claim => f.write_str("the claim is not known to the cloud, or was used by another gateway"),
            Self::Roots(error) => write!(f, "the certificates to be trusted cannot be used: {error}"),
            Self::Late => f.write_str("the cloud did not answer within three seconds"),
            Self::Busy => f.write_str("too many guests ask the cloud at the same time"),
            Self::Stopped => f.write_str("Lango is about to end"),
        }
    }
}

impl std::error::Error for Trouble {}

impl BadCertificate {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Expired => "it has to be renewed at the cloud; or is the clock here ahead? See lango clock",
            Self::NotYetValid => "check the clock here with lango clock, and the clock of the cloud",
            Self::WrongName => "the url has to say the name of the certificate",
            Self::UnknownIssuer => {
                "is there a login page of the uplink in between? Does ca_file name the issuer of the cloud's \
                 certificate?"
            }
            Self::Other(_) => "ask who runs the cloud",
        }
    }
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the cloud's certificate has expired"),
            Self::NotYetValid => f.write_str("the cloud's certificate is not valid yet"),
            Self::WrongName => f.write_str("the certificate is of another name than the url says"),
            Self::UnknownIssuer => f.write_str("the certificate comes from nobody who is trusted here"),
            Self::Other(error) => write!(f, "the cloud's certificate is no right one ({error})"),
        }
    }
}

impl fmt::Display for Interception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => "somebody without TLS answers in place of the cloud",
            Self::Redirect => "the answer sends to another place, as no cloud does",
            Self::WebPage => "the answer is a web page, not the cloud's",
        })
    }
}
