//! The serving certificate: from files, self-signed or handed in, replaced while connections are served.
//!
//! Everything a handshake needs sits in one `rustls::ServerConfig` that is swapped whole.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::presented::AnyCertificate;

/// Validity of a self-signed certificate: a year. A process that lives longer would have to restart.
const SELF_SIGNED_VALIDITY: Duration = Duration::from_hours(365 * 24);

/// How far a self-signed certificate is backdated, so that a peer whose clock lags accepts it.
const SELF_SIGNED_BACKDATE: Duration = Duration::from_hours(1);

/// Names that every self-signed certificate holds.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A SHA-256 digest.
type Hash = [u8; 32];

/// Why a certificate cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not the PEM it should be.
    #[error("{path} is not valid PEM: {source}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{path} holds no certificate", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file holds no private key.
    #[error("{path} holds no private key", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error("the key in {key} does not belong to the certificate in {cert}", key = key.display(), cert = cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The pair is well-formed but of no use to this server, such as a key of an unknown kind.
    #[error("failed to use the certificate in {cert} with the key in {key}: {source}", key = key.display(), cert = cert.display())]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong with them.
        source: rustls::Error,
    },
    /// The certificate has expired, and the one in use has not.
    #[error("the certificate in {path} has expired", path = path.display())]
    Expired {
        /// The certificate file.
        path: PathBuf,
    },
    /// No certificate could be generated.
    #[error("failed to generate a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The TLS library refused a certificate that comes from no file.
    #[error("failed to use the certificate: {0}")]
    Setup(#[from] rustls::Error),
}

/// What a look at the files led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The files are as they were, or the certificate does not come from files.
    Unchanged,
    /// New handshakes use a new certificate. Connections that are open go on with the old one.
    Replaced,
}

/// The certificate that handshakes present.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<Served>,
    files: Option<Files>,
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Served {
    config: Arc<ServerConfig>,
    fingerprint: Hash,
    /// When the leaf expires, if it says so in a form that can be read.
    expires: Option<SystemTime>,
    /// Of both files' contents; zero if there are no files.
    content: Hash,
}

impl Tls {
    /// A new certificate and P-256 key for `localhost`, its addresses and these DNS names or addresses,
    /// valid for a year from `now`. Lives in memory only.
    pub fn self_signed(names: &[impl AsRef<str>], now: SystemTime) -> Result<Self, TlsError> {
        let names = LOCAL_NAMES.into_iter().chain(names.iter().map(AsRef::as_ref));
        let mut params = rcgen::CertificateParams::new(names.map(str::to_owned).collect::<Vec<_>>())?;
        params.not_before = (now - SELF_SIGNED_BACKDATE).into();
        params.not_after = (now + SELF_SIGNED_VALIDITY).into();
        params.distinguished_name.push(rcgen::DnType::CommonName, "inferometer self-signed");
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let cert = params.self_signed(&key)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let served = Served::new(vec![cert.der().clone()], key, Hash::default())?;
        Ok(Self { current: ArcSwap::from_pointee(served), files: None })
    }

    /// The certificate chain and private key in these PEM files. Blocks while it reads them.
    pub fn from_files(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { cert: cert.into(), key: key.into() };
        let served = files.read()?.parse(&files)?;
        Ok(Self { current: ArcSwap::from_pointee(served), files: Some(files) })
    }

    /// Serves this chain and key, which come from elsewhere than files, from the next handshake on.
    /// Connections that are open go on. On an error the certificate in use stays in use.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        self.current.store(Arc::new(Served::new(chain, key, Hash::default())?));
        Ok(())
    }

    /// What the next handshake uses.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current.load().config.clone()
    }

    /// SHA-256 of the certificate that is served, in the form that openssl and browsers print:
    /// `AB:CD:…`, 32 bytes.
    pub fn fingerprint(&self) -> String {
        self.current.load().fingerprint.map(|byte| format!("{byte:02X}")).join(":")
    }

    /// When the certificate that is served expires.
    pub fn expires(&self) -> Option<SystemTime> {
        self.current.load().expires
    }

    /// Reads the files again and serves what they hold, if it is new and fits together. By content,
    /// because a mounted Secret changes by a swap of symbolic links. Blocks while it reads.
    ///
    /// On an error the certificate in use stays in use, and the same files give the same error again. One
    /// that has expired by `now` succeeds none that has not.
    pub fn reload_if_changed(&self, now: SystemTime) -> Result<Reload, TlsError> {
        self.reload(now).1
    }

    /// Also tells which content was refused (`None` if it could not be read), so that the same refusal is
    /// not logged twice.
    fn reload(&self, now: SystemTime) -> (Option<Hash>, Result<Reload, TlsError>) {
        let Some(files) = &self.files else { return (None, Ok(Reload::Unchanged)) };
        let pair = match files.read() {
            Ok(pair) => pair,
            Err(error) => return (None, Err(error)),
        };
        if pair.content == self.current.load().content {
            return (Some(pair.content), Ok(Reload::Unchanged));
        }
        let content = pair.content;
        let outcome = pair.parse(files).and_then(|served| {
            if served.is_expired(now) && !self.current.load().is_expired(now) {
                return Err(TlsError::Expired { path: files.cert.clone() });
            }
            self.current.store(Arc::new(served));
            Ok(Reload::Replaced)
        });
        (Some(content), outcome)
    }
}

impl Files {
    fn read(&self) -> Result<Pair, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
        };
        let (cert, key) = (read(&self.cert)?, read(&self.key)?);
        // The length goes first, or a byte moved from one file to the other would not show.
        let content = Sha256::new()
            .chain_update((cert.len() as u64).to_be_bytes())
            .chain_update(&cert)
            .chain_update(&key)
            .finalize()
            .into();
        Ok(Pair { cert, key, content })
    }
}

/// Both files as they were read, in PEM.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
    content: Hash,
}

impl Pair {
    fn parse(&self, files: &Files) -> Result<Served, TlsError> {
        let (cert, key) = (&files.cert, &files.key);
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| TlsError::Malformed { path: cert.clone(), source })?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { path: cert.clone() });
        }
        let secret = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey { path: key.clone() },
            source => TlsError::Malformed { path: key.clone(), source },
        })?;
        Served::new(chain, secret, self.content).map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { cert: cert.clone(), key: key.clone() }
            }
            source => TlsError::Unusable { cert: cert.clone(), key: key.clone(), source },
        })
    }
}

impl Served {
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        content: Hash,
    ) -> Result<Self, rustls::Error> {
        let expires = chain.first().and_then(expiry);
        let fingerprint = chain.first().map(|cert| Sha256::digest(cert).into()).unwrap_or_default();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyCertificate::new()))
            // Also checks that the key belongs to the certificate.
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint, expires, content })
    }

    fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires < now)
    }
}

fn expiry(leaf: &CertificateDer<'static>) -> Option<SystemTime> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let seconds = u64::try_from(leaf.validity().not_after.timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Looks at the files every `every` until `shutdown` resolves, and serves what they come to hold.
///
/// Logs one line for each replacement and one for each refused content, however often it is looked at.
/// `now` tells the time for what expires. `observe` hears of every look, so that a counter of refusals goes on rising while a bad pair is there.
pub async fn watch(
    tls: Arc<Tls>,
    every: Duration,
    now: fn() -> SystemTime,
    shutdown: impl Future<Output = ()>,
    observe: impl Fn(&Result<Reload, TlsError>),
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut refused = None;
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            () = tokio::time::sleep(every) => {}
        }
        let reload = {
            let tls = tls.clone();
            move || tls.reload(now())
        };
        let Ok((content, outcome)) = tokio::task::spawn_blocking(reload).await else {
            // The runtime is shutting down, or the read panicked: the next look will tell.
            continue;
        };
        match &outcome {
            Ok(Reload::Unchanged) => refused = None,
            Ok(Reload::Replaced) => {
                refused = None;
                tracing::info!(sha256 = tls.fingerprint(), "serving a new certificate");
            }
            Err(error) => {
                let seen = Some((content, error.to_string()));
                if refused != seen {
                    let error = error as &dyn std::error::Error;
                    tracing::error!(error, "refused a new certificate, the old one stays in use");
                    refused = seen;
                }
            }
        }
        observe(&outcome);
    }
}

/// Makes ring the process's default for TLS, which reqwest and kube ask for. Safe to call repeatedly.
pub fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which did the same.
        let _ = ring::default_provider().install_default();
    }
}
