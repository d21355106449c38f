//! Client certificates: whether an authority issued them, and whom they name.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Name;

use super::identity::{Extra, User};

/// The most certificates of one bundle of authorities.
const MOST_AUTHORITIES: usize = 256;

/// Why a bundle of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The text is not PEM.
    #[error("not valid PEM: {0}")]
    Malformed(#[from] rustls::pki_types::pem::Error),
    /// There is no certificate in it.
    #[error("no certificate in it")]
    Empty,
    /// There are too many certificates in it.
    #[error("more than {MOST_AUTHORITIES} certificates in it")]
    TooMany,
    /// A certificate cannot be an authority.
    #[error("certificate {number} in it cannot be used: {reason}")]
    Unusable {
        /// Its place in the bundle, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// The authorities of one bundle.
#[derive(Clone, Debug)]
pub(super) struct Authorities {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The public keys, as the certificates hold them.
    keys: Vec<Vec<u8>>,
}

impl Authorities {
    /// Reads a bundle in PEM. One bad certificate refuses the bundle whole.
    pub(super) fn parse(pem: &str) -> Result<Self, BundleError> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        if certificates.len() > MOST_AUTHORITIES {
            return Err(BundleError::TooMany);
        }
        let mut roots = RootCertStore::empty();
        let mut keys = Vec::with_capacity(certificates.len());
        for (index, certificate) in certificates.into_iter().enumerate() {
            let unusable = |reason: String| BundleError::Unusable { number: index + 1, reason };
            let (_, parsed) =
                parse_x509_certificate(&certificate).map_err(|error| unusable(error.to_string()))?;
            keys.push(parsed.public_key().raw.to_vec());
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_no_roots| BundleError::Empty)?;
        Ok(Self { verifier, keys })
    }

    /// Whether both have an authority with the same key.
    pub(super) fn share_a_key(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.contains(key))
    }

    /// Whether one of these authorities vouches for the first certificate now, through the others if need
    /// be, as a client's.
    pub(super) fn vouch_for(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> bool {
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        chain.split_first().is_some_and(|(leaf, intermediates)| {
            match self.verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(_) => true,
                Err(error) => {
                    tracing::debug!(%error, "a client certificate is not of these authorities");
                    false
                }
            }
        })
    }
}

/// The common name of the leaf's subject. The last one, should there be several, as in Go.
pub(super) fn common_name(chain: &[CertificateDer<'_>]) -> Option<String> {
    subject(chain, |subject| text(subject.iter_common_name().last()?))
}

/// The user that the leaf names: the common name, in the groups that are its organizations.
pub(super) fn user(chain: &[CertificateDer<'_>]) -> Option<User> {
    let name = common_name(chain).filter(|name| !name.is_empty())?;
    // A name that cannot be read must not lose groups quietly, some of which may take rights away.
    let groups = subject(chain, |subject| subject.iter_organization().map(text).collect())?;
    Some(User::new(name, None, groups, Extra::new()))
}

fn subject<T>(chain: &[CertificateDer<'_>], read: impl FnOnce(Subject<'_, '_>) -> Option<T>) -> Option<T> {
    let (_, leaf) = parse_x509_certificate(chain.first()?).ok()?;
    read(leaf.subject())
}

type Subject<'s, 'c> = &'s X509Name<'c>;

fn text<'c, 'a: 'c>(attribute: &'c x509_parser::x509::AttributeTypeAndValue<'a>) -> Option<String> {
    attribute.as_str().ok().map(str::to_owned)
}

/// The next moment at which a certificate of the chain begins or ceases to be valid: until then the same
/// authorities judge the chain as they do now. `None` if there is no such moment.
pub(super) fn next_change(chain: &[CertificateDer<'_>], now: SystemTime) -> Option<SystemTime> {
    let moments = chain.iter().filter_map(|certificate| {
        let (_, parsed) = parse_x509_certificate(certificate).ok()?;
        // Valid through the second named last.
        let (begin, end) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        Some([begin, end.saturating_add(1)])
    });
    moments
        .flatten()
        .filter_map(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?)))
        .filter(|moment| *moment > now)
        .min()
}
