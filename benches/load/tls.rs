//! TLS as an aggregator uses it, with or without a certificate of its own. Servers are not authenticated: they are
//! ours, or were named by whoever runs this.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::anyone;

/// The settings of connections, with HTTP/2 agreed on by ALPN. `identity` is a chain and a key, PEM.
pub(crate) fn config(identity: Option<(&[u8], &[u8])>) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(anyone::verifier());
    let mut config = match identity {
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
            let key = PrivateKeyDer::from_pem_slice(key).context("the client's key")?;
            builder.with_client_auth_cert(chain.context("the client's certificate")?, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The name of a host without its port, as TLS wants it.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    Ok(ServerName::try_from(name.trim_matches(['[', ']']).to_owned())?)
}
