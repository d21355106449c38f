//! Whom the cluster trusts to say who is asking: ConfigMap `kube-system/extension-apiserver-authentication`.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use http::HeaderName;

use super::certificate::{Authorities, BundleError};
use crate::telemetry::Telemetry;

const CLIENT_CA: &str = "client-ca-file";
const FRONT_PROXY_CA: &str = "requestheader-client-ca-file";
const ALLOWED_NAMES: &str = "requestheader-allowed-names";
const USER_HEADERS: &str = "requestheader-username-headers";
const UID_HEADERS: &str = "requestheader-uid-headers";
const GROUP_HEADERS: &str = "requestheader-group-headers";
const EXTRA_PREFIXES: &str = "requestheader-extra-headers-prefix";

/// Every key that matters here; a change of another one is none.
const KEYS: [&str; 7] =
    [CLIENT_CA, FRONT_PROXY_CA, ALLOWED_NAMES, USER_HEADERS, UID_HEADERS, GROUP_HEADERS, EXTRA_PREFIXES];

/// Why the ConfigMap is refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A bundle of authorities is bad.
    #[error("{key}: {source}")]
    Bundle {
        /// The ConfigMap's key.
        key: &'static str,
        /// What is wrong.
        source: BundleError,
    },
    /// A list is not one of strings in JSON.
    #[error("{key}: not a list of strings in JSON: {source}")]
    List {
        /// The ConfigMap's key.
        key: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// What should be a header's name is not one.
    #[error("{key}: {name:?} is not the name of a header")]
    Header {
        /// The ConfigMap's key.
        key: &'static str,
        /// What stands there.
        name: String,
    },
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It says what is known already.
    None,
    /// Requests are judged by it from now on.
    Taken,
    /// Taken without the front proxy: both authorities share a key and any name would do, so that every
    /// user's own certificate could pass for the front proxy's.
    TakenWithoutFrontProxy,
}

/// Whom to believe, as one version of the ConfigMap says. What it leaves out is not believed.
#[derive(Debug, Default)]
pub struct Trust {
    /// Counts the versions taken; 0 while there is none.
    pub(super) generation: u64,
    /// Who issues the certificates of users.
    pub(super) clients: Option<Authorities>,
    /// Who may speak for others.
    pub(super) front_proxy: Option<FrontProxy>,
}

/// How to know the front proxy, and where it puts what it knows.
#[derive(Debug)]
pub(super) struct FrontProxy {
    pub(super) authorities: Authorities,
    /// Common names of its certificate; any if there is none here.
    pub(super) names: Vec<String>,
    pub(super) user: Vec<HeaderName>,
    pub(super) uid: Vec<HeaderName>,
    pub(super) groups: Vec<HeaderName>,
    /// In lower case.
    pub(super) extra: Vec<String>,
}

/// The trust in force, replaced while requests are answered.
#[derive(Debug)]
pub struct TrustStore {
    current: ArcSwap<Trust>,
    /// What the last update said, good or bad, so that the same is neither parsed nor told again.
    seen: Mutex<Option<BTreeMap<String, String>>>,
    telemetry: Arc<Telemetry>,
}

impl TrustStore {
    /// Believes nobody's certificate and no header, until it is told.
    pub fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { current: ArcSwap::default(), seen: Mutex::default(), telemetry }
    }

    /// Takes what the ConfigMap's `data` says. Refused whole if any part is bad: then what was taken last
    /// stays in force. Logs one line per change, and counts it.
    pub fn update(&self, data: &BTreeMap<String, String>) -> Result<Change, TrustError> {
        let data: BTreeMap<String, String> = KEYS
            .into_iter()
            .filter_map(|key| data.get(key).map(|value| (key.to_owned(), value.clone())))
            .collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() == Some(&data) {
            return Ok(Change::None);
        }
        let parsed = parse(&data, self.generation() + 1);
        *seen = Some(data);
        let (trust, change) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.telemetry.identity.trust_read(false);
                tracing::error!(%error, "refused the cluster's trust anchors, the last good ones stay");
                return Err(error);
            }
        };
        self.telemetry.identity.trust_read(true);
        self.telemetry.identity.front_proxy_refused(change == Change::TakenWithoutFrontProxy);
        if change == Change::TakenWithoutFrontProxy {
            tracing::error!(
                "requestheader-allowed-names is empty and both CAs share a key, so any user could pass for \
                 the front proxy: its headers are not believed"
            );
        }
        tracing::info!(
            generation = trust.generation,
            client_certificates = trust.clients.is_some(),
            front_proxy = trust.front_proxy.is_some(),
            "took the cluster's trust anchors"
        );
        self.current.store(Arc::new(trust));
        Ok(change)
    }

    /// Counts the versions taken; 0 while there is none.
    pub fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// The trust in force.
    pub(super) fn load(&self) -> Guard<Arc<Trust>> {
        self.current.load()
    }
}

fn parse(data: &BTreeMap<String, String>, generation: u64) -> Result<(Trust, Change), TrustError> {
    let clients = authorities(data, CLIENT_CA)?;
    let Some(authorities) = authorities(data, FRONT_PROXY_CA)? else {
        return Ok((Trust { generation, clients, front_proxy: None }, Change::Taken));
    };
    let names = list(data, ALLOWED_NAMES)?;
    let unsafe_names = names.is_empty();
    let shared = clients.as_ref().is_some_and(|clients| clients.share_a_key(&authorities));
    let front_proxy = FrontProxy {
        authorities,
        names,
        user: headers(data, USER_HEADERS)?,
        uid: headers(data, UID_HEADERS)?,
        groups: headers(data, GROUP_HEADERS)?,
        extra: list(data, EXTRA_PREFIXES)?.into_iter().map(|one| one.to_ascii_lowercase()).collect(),
    };
    // Anything begins with nothing: an empty prefix would make every header a fact about the user.
    if front_proxy.extra.iter().any(String::is_empty) {
        return Err(TrustError::Header { key: EXTRA_PREFIXES, name: String::new() });
    }
    if shared && unsafe_names {
        let trust = Trust { generation, clients, front_proxy: None };
        return Ok((trust, Change::TakenWithoutFrontProxy));
    }
    Ok((Trust { generation, clients, front_proxy: Some(front_proxy) }, Change::Taken))
}

fn authorities(
    data: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<Authorities>, TrustError> {
    let Some(pem) = data.get(key).filter(|pem| !pem.trim().is_empty()) else { return Ok(None) };
    Authorities::parse(pem).map(Some).map_err(|source| TrustError::Bundle { key, source })
}

fn list(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, TrustError> {
    let Some(text) = data.get(key).filter(|text| !text.trim().is_empty()) else { return Ok(Vec::new()) };
    // `null` is how Go writes a list that was never made.
    let list: Option<Vec<String>> =
        serde_json::from_str(text).map_err(|source| TrustError::List { key, source })?;
    Ok(list.unwrap_or_default())
}

fn headers(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<HeaderName>, TrustError> {
    list(data, key)?
        .into_iter()
        .map(|name| name.parse().map_err(|_| TrustError::Header { key, name }))
        .collect()
}
