//! The certificate of the portal: what its files hold, and whether it may be shown now.
//!
//! Owns: reading the files again when they have changed, the judgement on name, dates and clock, the settings
//! of TLS that follow. Never: when to look, what to say of it; that is `app`'s.
//!
//! A certificate is shown while it matches its key, covers the portal's name, is within its dates, and the
//! clock that says so is trusted. Files that are no good leave the certificate before them in force.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig, version};

use crate::config::{Gateway, Tls};
use crate::domain::{Now, Trust, Wall};
use crate::wire::x509::{Validity, validity};

/// Bytes of a file that are read, at most: chains have some thousands.
const LARGEST: u64 = 256 * 1024;

/// What new connections over TLS are shown.
#[derive(Clone, Debug)]
pub struct Shown(Arc<ServerConfig>);

/// How it stands with the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None is configured.
    Unset,
    InForce {
        until: Wall,
    },
    /// What the files hold is no good; what they held before is in force.
    Former {
        until: Wall,
        flaw: Flaw,
    },
    /// The plain portal goes on alone.
    Withdrawn(Flaw),
}

/// Why a certificate is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    Certificate {
        path: PathBuf,
        why: String,
    },
    Key {
        path: PathBuf,
        why: String,
    },
    Mismatch,
    /// It is not about this name.
    Name(String),
    /// Nobody knows how late it is.
    Clock,
    NotYet(Wall),
    Expired(Wall),
}

/// The certificates of late: the one in the files, and the one before it.
#[derive(Debug, Default)]
pub struct Certificates {
    seen: Option<Seen>,
    newest: Option<Result<Pair, Flaw>>,
    former: Option<Pair>,
}

impl Certificates {
    /// Reads the files of `gateway`, if they are not those that were seen before, and says what is to be shown.
    pub fn look(&mut self, gateway: &Gateway, now: Now) -> (Option<Shown>, Standing) {
        let Some(files) = &gateway.tls else {
            *self = Self::default();
            return (None, Standing::Unset);
        };
        let (name, seen) = (&gateway.portal_name, Seen::of(files));
        if self.seen.as_ref() != Some(&seen) {
            self.seen = Some(seen);
            if let Some(Ok(old)) = self.newest.replace(Pair::read(files))
                && (old.fits(name, now).is_ok() || self.former.is_none())
            {
                self.former = Some(old);
            }
        }
        self.judge(name, now)
    }

    fn judge(&mut self, name: &str, now: Now) -> (Option<Shown>, Standing) {
        let fit = |pair: &Pair| pair.fits(name, now).map(|()| (pair.shown.clone(), pair.validity.until));
        let newest = match &self.newest {
            None => return (None, Standing::Unset),
            Some(Ok(pair)) => fit(pair),
            Some(Err(flaw)) => Err(flaw.clone()),
        };
        match (newest, self.former.as_ref().map(fit)) {
            (Ok((shown, until)), _) => {
                self.former = None;
                (Some(shown), Standing::InForce { until })
            }
            (Err(flaw), Some(Ok((shown, until)))) => (Some(shown), Standing::Former { until, flaw }),
            (Err(flaw), None | Some(Err(_))) => (None, Standing::Withdrawn(flaw)),
        }
    }
}

/// What is wrong with the files for a portal called `name`, whatever time it is.
pub fn check_certificate(files: &Tls, name: &str) -> Result<(), Flaw> {
    Pair::read(files)?.covers(name)
}

impl Shown {
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl Flaw {
    /// The option that it is about.
    pub fn option(&self) -> &'static str {
        match self {
            Self::Key { .. } | Self::Mismatch => "key",
            Self::Certificate { .. } | Self::Name(_) | Self::Clock | Self::NotYet(_) | Self::Expired(_) => {
                "certificate"
            }
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => {
                "put the certificate there as PEM, the portal's own first, then its issuers'"
            }
            Self::Key { .. } => {
                "put the certificate's private key there as PEM, ECDSA or RSA, without a password"
            }
            Self::Mismatch => "put the key there that the certificate was made for",
            Self::Name(_) => "get a certificate for this name, or set option portal_name to the one it has",
            Self::Clock => "let sysntpd reach a server, or the gateway its cloud; then it is used by itself",
            Self::NotYet(_) => {
                "wait, or put the former certificate back; is the clock right? See lango clock"
            }
            Self::Expired(_) => {
                "renew the certificate and put it in the place of the old one; it is used by itself"
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { path, why } | Self::Key { path, why } => {
                write!(f, "{}: {why}", path.display())
            }
            Self::Mismatch => f.write_str("it is not the key of the certificate"),
            Self::Name(name) => write!(f, "the certificate is not one for {name}"),
            Self::Clock => {
                f.write_str("nobody has told the time yet, so nobody knows whether the certificate is valid")
            }
            Self::NotYet(from) => write!(f, "the certificate is not valid before {from}"),
            Self::Expired(until) => write!(f, "the certificate has expired at {until}"),
        }
    }
}

/// A certificate with its key, which match.
#[derive(Debug)]
struct Pair {
    shown: Shown,
    own: CertificateDer<'static>,
    validity: Validity,
}

impl Pair {
    fn read(files: &Tls) -> Result<Self, Flaw> {
        let certificate = |why: String| Flaw::Certificate { path: files.certificate.clone(), why };
        let key = |why: String| Flaw::Key { path: files.key.clone(), why };
        let pem = read(&files.certificate).map_err(certificate)?;
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| certificate(error.to_string()))?;
        let own =
            chain.first().cloned().ok_or_else(|| certificate("there is no certificate (PEM)".into()))?;
        let is_none = || certificate("there is something else than a certificate in it".into());
        let validity = validity(&own).ok_or_else(is_none)?;
        ParsedCertificate::try_from(&own).map_err(|_| is_none())?;

        let secret = PrivateKeyDer::from_pem_slice(&read(&files.key).map_err(key)?);
        let secret = secret.map_err(|_| key("there is no private key (PEM)".into()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certified = CertifiedKey::from_der(chain, secret, &provider).map_err(|error| {
            if let Error::InconsistentKeys(_) = error {
                return Flaw::Mismatch;
            }
            key("it is no ECDSA or RSA key that can be used".into())
        })?;
        let shown = settings(certified, provider).map_err(|error| key(error.to_string()))?;
        Ok(Self { shown: Shown(Arc::new(shown)), own, validity })
    }

    /// Whether it may be shown.
    fn fits(&self, name: &str, now: Now) -> Result<(), Flaw> {
        self.covers(name)?;
        let Validity { from, until } = self.validity;
        match now.trust {
            Trust::Floor => Err(Flaw::Clock),
            Trust::Trusted if now.wall < from => Err(Flaw::NotYet(from)),
            Trust::Trusted if now.wall >= until => Err(Flaw::Expired(until)),
            Trust::Trusted => Ok(()),
        }
    }

    fn covers(&self, name: &str) -> Result<(), Flaw> {
        let covered = ParsedCertificate::try_from(&self.own).and_then(|own| {
            let name = ServerName::try_from(name).map_err(|error| Error::General(error.to_string()))?;
            rustls::client::verify_server_name(&own, &name)
        });
        covered.map_err(|_| Flaw::Name(name.to_owned()))
    }
}

fn settings(certified: CertifiedKey, provider: Arc<CryptoProvider>) -> Result<ServerConfig, Error> {
    let mut settings = ServerConfig::builder_with_provider(provider)
        // Phones that are ten years old know nothing newer than 1.2.
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(settings)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// By what one tells whether the files are the same.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    files: Tls,
    stamps: [Option<[i64; 4]>; 2],
}

impl Seen {
    fn of(files: &Tls) -> Self {
        let stamp = |path: &Path| {
            let about = std::fs::metadata(path).ok()?;
            let number = |unsigned: u64| unsigned.cast_signed();
            Some([number(about.ino()), number(about.size()), about.mtime(), about.mtime_nsec()])
        };
        Self { files: files.clone(), stamps: [stamp(&files.certificate), stamp(&files.key)] }
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
