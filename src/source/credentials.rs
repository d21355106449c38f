//! Credentials from files, read again when a file changes.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::SourceError;

/// Text given in the configuration or, for anything secret, in a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// As it stands.
    Literal(String),
    /// The content of this file without the line end.
    File(PathBuf),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Literal(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// How requests to a source are authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// HTTP basic authentication.
    pub basic: Option<(Text, Text)>,
    /// A bearer token.
    pub bearer: Option<Text>,
    /// Further headers, such as a tenant.
    pub headers: Vec<(HeaderName, Text)>,
    /// A client certificate and its key, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Certificates of authorities to trust instead of the system's, PEM.
    pub ca: Option<PathBuf>,
}

impl Auth {
    /// The headers of one request. Small files, read each time: a rotated token takes effect at once.
    ///
    /// # Errors
    /// `Credentials` naming the file that cannot be read or the header that cannot be sent.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, SourceError> {
        use base64::Engine as _;
        let mut headers = Vec::new();
        let mut push = |name: HeaderName, value: String| {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                SourceError::Credentials(format!(
                    "the value of header {name} has characters that no header may have"
                ))
            })?;
            value.set_sensitive(true);
            headers.push((name, value));
            Ok::<_, SourceError>(())
        };
        if let Some((user, password)) = &self.basic {
            let pair = format!("{}:{}", user.read()?, password.read()?);
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            push(reqwest::header::AUTHORIZATION, format!("Basic {encoded}"))?;
        }
        if let Some(token) = &self.bearer {
            push(reqwest::header::AUTHORIZATION, format!("Bearer {}", token.read()?))?;
        }
        for (name, value) in &self.headers {
            push(name.clone(), value.read()?)?;
        }
        Ok(headers)
    }

    /// A fingerprint of the files that go into the TLS client, so that it is rebuilt when one of
    /// them changes and not otherwise.
    ///
    /// # Errors
    /// `Credentials` naming the file that cannot be read.
    pub(super) fn tls_fingerprint(&self) -> Result<Vec<u8>, SourceError> {
        let mut hash = Sha256::new();
        let pair = self.client_certificate.as_ref().map(|(cert, key)| [cert, key]);
        for path in self.ca.iter().chain(pair.into_iter().flatten()) {
            hash.update(read(path)?);
            hash.update([0]);
        }
        Ok(hash.finalize().to_vec())
    }
}

impl Text {
    pub(super) fn read(&self) -> Result<String, SourceError> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::File(path) => {
                let bytes = read(path)?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| SourceError::Credentials(format!("{} is not text", path.display())))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path)
        .map_err(|error| SourceError::Credentials(format!("cannot read {}: {error}", path.display())))
}
