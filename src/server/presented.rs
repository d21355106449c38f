//! Client certificates: asked of every peer, demanded of none.
//!
//! The handshake proves only that a peer holds the key of the certificate it presents. Whom to believe is
//! decided request by request, by whoever reads [`Presented`]: so the authorities may change while
//! connections are open, and a peer with a certificate that says nothing to us can still send a token.
use std::any::Any;
use std::fmt;

use arc_swap::ArcSwapOption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// The most certificates of one chain. A deeper one than leaf and a few intermediates has no honest use.
const MOST_CERTIFICATES: usize = 8;

/// The most bytes of one chain.
const MOST_BYTES: usize = 32 * 1024;

/// The certificates that a peer presented, leaf first, at least one; and a place to keep what was made of
/// them, so that a chain is judged once and not for every request.
pub struct Presented {
    chain: Box<[CertificateDer<'static>]>,
    verdict: ArcSwapOption<Box<dyn Any + Send + Sync>>,
}

impl Presented {
    /// These certificates, not judged yet. `None` if there are none.
    pub fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let chain: Box<[_]> = chain.iter().map(|one| one.clone().into_owned()).collect();
        (!chain.is_empty()).then(|| Self { chain, verdict: ArcSwapOption::empty() })
    }

    /// The chain as it was sent: the leaf, then whatever intermediates came with it, in any order.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Reads the verdict that was kept last, if it is of this type.
    pub fn verdict<T: Any, R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        let kept = self.verdict.load();
        kept.as_ref().and_then(|kept| kept.downcast_ref::<T>()).map(read)
    }

    /// Keeps a verdict, in place of any before it.
    pub fn judge(&self, verdict: impl Any + Send + Sync) {
        self.verdict.store(Some(std::sync::Arc::new(Box::new(verdict))));
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({} certificates)", self.chain.len())
    }
}

/// Takes any chain of bounded size, and checks that the peer holds the leaf's key.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    pub(super) fn new() -> Self {
        Self { algorithms: ring::default_provider().signature_verification_algorithms }
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // No hints: the authorities change, and a peer with one certificate sends it anyway.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes = leaf.len() + intermediates.iter().map(|one| one.len()).sum::<usize>();
        if intermediates.len() >= MOST_CERTIFICATES || bytes > MOST_BYTES {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
