//! The HTTP client of sources: credentials, TLS, and errors in a person's words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode};

use super::SourceError;
use super::body::root_cause;
use super::credentials::{Auth, read};
use crate::core::time::Human;

/// A pooled connection to an address that has moved would outlive the move.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// What a client connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// TLS is never spoken.
    Plain,
    /// Any host, TLS or not.
    Tls,
    /// This host, at this one of its addresses.
    TlsAt(String, SocketAddr),
}

impl Reach {
    /// What URLs of this scheme need.
    pub(super) fn of(scheme: &str) -> Self {
        if scheme == "http" { Self::Plain } else { Self::Tls }
    }
}

/// A client that is built anew when one of its certificate files has changed.
pub(super) struct Http {
    auth: Auth,
    timeout: Duration,
    reach: Reach,
    /// Whether a proxy that the environment names is used.
    proxied: bool,
    pub(super) client: ArcSwapOption<(Vec<u8>, Client)>,
}

impl Http {
    /// Nothing is read or connected yet. `timeout` bounds each request, connecting included.
    pub(super) fn new(auth: Auth, timeout: Duration, reach: Reach) -> Self {
        Self { auth, timeout, reach, proxied: true, client: ArcSwapOption::empty() }
    }

    /// Without any proxy: for addresses that are asked as they are, with credentials that are theirs.
    pub(super) fn direct(self) -> Self {
        Self { proxied: false, ..self }
    }

    /// The client for the certificate files as they are now.
    ///
    /// # Errors
    /// `Credentials` naming the file that cannot be used.
    pub(super) fn client(&self) -> Result<Client, SourceError> {
        let fingerprint = self.auth.tls_fingerprint()?;
        if let Some(known) = self.client.load().as_ref().filter(|known| known.0 == fingerprint) {
            return Ok(known.1.clone());
        }
        let client =
            self.builder()?.build().map_err(|error| unusable("the client's TLS settings", &error))?;
        self.client.store(Some(Arc::new((fingerprint, client.clone()))));
        Ok(client)
    }

    /// Sends a request with the credentials as they are now. `peer` names the other side in errors.
    ///
    /// # Errors
    /// `Unreachable`, `Timeout`, and `Refused` for a redirect (never followed, or credentials would
    /// go where nobody meant them to) and for credentials that are not accepted.
    pub(super) async fn send(&self, request: RequestBuilder, peer: &str) -> Result<Response, SourceError> {
        let headers = self.auth.headers()?;
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.send().await.map_err(|error| self.transport_error(&error, peer))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(SourceError::Refused(format!(
                "HTTP {status}: redirects are not followed; configure the final URL"
            )));
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(SourceError::Refused(format!("HTTP {status}: check the credentials of this source")));
        }
        Ok(response)
    }

    fn transport_error(&self, error: &reqwest::Error, peer: &str) -> SourceError {
        if error.is_timeout() {
            return SourceError::Timeout(Human(self.timeout).to_string());
        }
        SourceError::Unreachable(format!("{peer}: {}", root_cause(error)))
    }

    fn builder(&self) -> Result<ClientBuilder, SourceError> {
        // Without a provider the builder would panic; the first one installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.timeout)
            .connect_timeout(self.timeout.min(Duration::from_secs(5)))
            .pool_idle_timeout(IDLE_CONNECTION)
            .user_agent(concat!("inferometer/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &self.auth.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?)
                .map_err(|error| unusable(&path.display().to_string(), &error))?;
            if certificates.is_empty() {
                return Err(SourceError::Credentials(format!("{} holds no certificate", path.display())));
            }
            builder = builder.tls_certs_only(certificates);
        } else if self.reach == Reach::Plain {
            // An image without the system's certificates must not keep the client from being built.
            builder = builder.tls_certs_only([]);
        }
        if !self.proxied {
            builder = builder.no_proxy();
        }
        if let Reach::TlsAt(host, address) = &self.reach {
            builder = builder.resolve(host, *address);
        }
        if let Some((certificate, key)) = &self.auth.client_certificate {
            let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
            let identity = reqwest::Identity::from_pem(&pem).map_err(|error| {
                unusable(&format!("{} with {}", certificate.display(), key.display()), &error)
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

fn unusable(what: &str, error: &dyn std::error::Error) -> SourceError {
    SourceError::Credentials(format!("{what} cannot be used: {}", root_cause(error)))
}

#[cfg(test)]
mod tests;
