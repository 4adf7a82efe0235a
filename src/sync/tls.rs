//! TLS 1.3 to the cloud: whom to trust, and by which clock.
//!
//! Owns: the roots, the dates, the sessions that may be resumed. Never: the connection, which `line` opens.
//!
//! A resumed session skips the dates of certificates, so that sessions are forgotten when more is known of the
//! time than when they were made, and each day. An untrusted clock is a lower bound: what it has as expired
//! is; a certificate from its future may be valid by now, as one renewed while the gateway was off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version,
};

use super::trouble::Trouble;
use crate::clock::Clock;
use crate::domain::{Now, Trust};

/// Where OpenWrt (ca-bundle) and Debian (ca-certificates) keep the roots of the system.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// A wall clock that moves by more makes a session one of another time.
const SUBSTANTIAL: Duration = Duration::from_secs(10 * 60);
/// A session is resumed so long; then the certificate is looked at again.
const SESSIONS_LAST: Duration = Duration::from_secs(24 * 60 * 60);
/// Certificates of one chain, at most, that are not valid yet.
const CHAIN_MAX: usize = 4;

/// Makes the configuration of each new connection.
#[derive(Debug)]
pub(super) struct Tls {
    verifier: Arc<Dates>,
    provider: Arc<CryptoProvider>,
    current: Mutex<Option<Current>>,
}

/// A configuration with the sessions made under it.
#[derive(Clone, Debug)]
struct Current {
    config: Arc<ClientConfig>,
    epoch: Epoch,
}

/// What was known of the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(Now);

impl Epoch {
    /// Whether what was verified then need not be verified again now.
    pub(super) fn holds(self, now: Now) -> bool {
        let Self(then) = self;
        let aged = now.boot.since(then.boot);
        let expected = then.wall.plus(aged);
        let moved = now.wall.since(expected).max(expected.since(now.wall));
        then.trust == now.trust && moved <= SUBSTANTIAL && aged <= SESSIONS_LAST
    }
}

impl Tls {
    /// `extra`: PEM of roots to be trusted besides the usual ones. Reads the system's roots from flash, once.
    pub(super) fn new(extra: Option<&[u8]>, clock: &Clock) -> Result<Self, Trouble> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(extra)?);
        let webpki = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let webpki = webpki.map_err(|error| Trouble::Roots(error.to_string()))?;
        let verifier = Arc::new(Dates { webpki, clock: clock.clone() });
        Ok(Self { verifier, provider, current: Mutex::new(None) })
    }

    /// The configuration for a connection that begins now, and what its verification rests upon.
    pub(super) fn config(&self, now: Now) -> Result<(Arc<ClientConfig>, Epoch), Trouble> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Current { config, epoch }) = current.clone().filter(|current| current.epoch.holds(now)) {
            return Ok((config, epoch));
        }
        let (config, epoch) = (Arc::new(self.make()?), Epoch(now));
        *current = Some(Current { config: Arc::clone(&config), epoch });
        Ok((config, epoch))
    }

    fn make(&self) -> Result<ClientConfig, Trouble> {
        let versions = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| Trouble::Tls(error.to_string()))?;
        let verifier: Arc<dyn ServerCertVerifier> = self.verifier.clone();
        let mut config =
            versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = rustls::client::Resumption::in_memory_sessions(4);
        Ok(config)
    }
}

/// The usual roots, and those of `extra`.
pub(super) fn roots(extra: Option<&[u8]>) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    if let Ok(bundle) = std::fs::read(SYSTEM_ROOTS) {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let Some(extra) = extra else { return Ok(roots) };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(extra) {
        let certificate = certificate.map_err(|error| Trouble::Roots(error.to_string()))?;
        roots.add(certificate).map_err(|error| Trouble::Roots(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(Trouble::Roots("there is no certificate (PEM)".into()));
    }
    Ok(roots)
}

/// Verifies a chain by our own clock.
#[derive(Debug)]
struct Dates {
    webpki: Arc<WebPkiServerVerifier>,
    clock: Clock,
}

impl ServerCertVerifier for Dates {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |at| self.webpki.verify_server_cert(leaf, chain, name, ocsp, at);
        at_some_time(self.clock.now(), verify)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Verifies at the time it is; or, where that is a lower bound only, at the earliest time from then on at which
/// every certificate of the chain has begun.
fn at_some_time<T>(now: Now, verify: impl Fn(UnixTime) -> Result<T, Error>) -> Result<T, Error> {
    let wall = u64::try_from(now.wall.as_secs()).unwrap_or(0);
    let mut at = UnixTime::since_unix_epoch(Duration::from_secs(wall));
    let mut verified = verify(at);
    for _ in 0..CHAIN_MAX {
        let Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) =
            &verified
        else {
            break;
        };
        if now.trust == Trust::Trusted || not_before.as_secs() <= at.as_secs() {
            break;
        }
        at = *not_before;
        verified = verify(at);
    }
    verified
}
