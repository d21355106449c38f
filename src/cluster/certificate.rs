//! The certificate that all replicas serve: what is kept of it, when it is due, and how it is made.
//!
//! Nothing here reads a clock or asks anyone. The kept [`State`] leads to the next [`Step`] by [`plan`],
//! and a step to new [`Contents`] by [`make`]. A CA is replaced without failing a request:
//!
//! 1. The next CA joins the bundle; certificates still come from the present one.
//! 2. Once every API service has had that bundle for [`SETTLED`], the next CA issues the certificate.
//! 3. Once the last certificate of the old CA has expired, the old CA leaves the bundle.
#[cfg(test)]
pub(super) mod fixtures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod make;
mod plan;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

pub use make::make;
pub use plan::{Step, plan};
pub use state::{Found, Serving, State};

/// Validity of a serving certificate.
pub const SERVING_VALIDITY: Duration = Duration::from_hours(90 * 24);

/// Validity of a CA.
pub const CA_VALIDITY: Duration = Duration::from_hours(2 * 365 * 24);

/// How far certificates are backdated, so that a peer whose clock lags accepts them.
pub const BACKDATE: Duration = Duration::from_hours(1);

/// For how long every API service has to hold a bundle before a certificate of its next CA is served.
pub const SETTLED: Duration = Duration::from_mins(10);

/// The label of what we keep, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "inferometer");

/// The serving certificate.
pub(super) const CERTIFICATE: &str = "tls.crt";
/// Its private key.
pub(super) const KEY: &str = "tls.key";
/// The CAs that clients trust: the issuing one, the next one while there is one, and old ones.
pub(super) const BUNDLE: &str = "ca.crt";
/// The private key of the CA that issues.
const CA_KEY: &str = "ca.key";
/// The private key of the CA that will issue next.
const NEXT_CA_KEY: &str = "next-ca.key";
/// The last certificate of the CA that issued before: it tells how long that CA has to be trusted.
const PREVIOUS: &str = "previous.crt";

/// All keys that are ours in the Secret. Others are left alone.
pub(super) const KEYS: [&str; 6] = [CERTIFICATE, KEY, BUNDLE, CA_KEY, NEXT_CA_KEY, PREVIOUS];

/// What is kept under our keys, as PEM. A key that is missing is to be missing there too.
pub type Contents = BTreeMap<&'static str, Vec<u8>>;

/// DNS names and addresses by which this service is called, from a pod and on its own host.
pub fn names(service: &str, namespace: &str) -> BTreeSet<String> {
    let cluster = ["", ".svc", ".svc.cluster.local"].map(|suffix| format!("{service}.{namespace}{suffix}"));
    cluster.into_iter().chain(["localhost", "127.0.0.1"].map(str::to_owned)).collect()
}

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last moment.
    pub until: SystemTime,
}

impl Validity {
    /// From `now`, backdated, for `length`.
    fn starting(now: SystemTime, length: Duration) -> Self {
        Self { from: now - BACKDATE, until: now + length }
    }

    fn includes(self, now: SystemTime) -> bool {
        self.from <= now && now <= self.until
    }

    /// When a third of it is left.
    fn due(self) -> SystemTime {
        self.until - self.until.duration_since(self.from).unwrap_or_default() / 3
    }
}
