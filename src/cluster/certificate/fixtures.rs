//! For tests: Secrets, and clients that trust a bundle at a moment.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Contents, MANAGED_BY};
use crate::server::tls::Tls;

/// The name that the aggregator verifies.
pub(in crate::cluster) const NAME: &str = "inferometer.monitoring.svc";

/// So many hours after some moment.
pub(in crate::cluster) fn hours(hours: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000) + Duration::from_hours(hours)
}

/// So many days after the same moment.
pub(in crate::cluster) fn days(days: u64) -> SystemTime {
    hours(24 * days)
}

/// A Secret that holds this, with our label or without any.
pub(in crate::cluster) fn secret(labelled: bool, contents: &Contents) -> Secret {
    let mut secret = Secret::default();
    if labelled {
        let label = (MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        secret.metadata.labels = Some([label].into());
    }
    let data = contents.iter().map(|(key, bytes)| ((*key).to_owned(), ByteString(bytes.clone())));
    secret.data = Some(data.collect());
    secret
}

#[derive(Debug)]
struct At(SystemTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// A client that trusts only this bundle, PEM, and for which it is `now`.
pub(in crate::cluster) fn client(bundle: &[u8], now: SystemTime) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(At(now)))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A handshake in memory, with a client that trusts only this bundle and for which it is `now`.
pub(in crate::cluster) async fn handshake(tls: &Tls, bundle: &[u8], now: SystemTime) -> Result<(), String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(NAME).unwrap();
    let connector = client(bundle, now);
    let server = TlsAcceptor::from(tls.config()).accept(far);
    let (client, _server) = tokio::join!(connector.connect(name, near), server);
    client.map(|_| ()).map_err(|error| error.to_string())
}
