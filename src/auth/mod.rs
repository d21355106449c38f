//! Who calls, and whether they may.
//!
//! Every request is judged for itself, in kube-apiserver's order: the front proxy's headers, a certificate
//! of the caller's own, a bearer token; then the API server's decision on what is asked. Health is open.
//!
//! ```text
//! request → attributes (what) ┐
//!         → front_proxy / certificate / token (who) ┴→ access (may they) → router, without the headers
//!              ↑ trust (whom to believe, replaced live)        ↑ reviewer (TokenReview, SubjectAccessReview)
//! ```
//!
//! A caller and a decision that are known cost neither a wait nor a lock. What has to wait takes a place in
//! the room, of which a stranger gets no more than a share.

mod access;
pub mod attributes;
mod authenticate;
pub mod certificate;
mod flight;
pub(crate) mod front_proxy;
pub mod identity;
mod layer;
pub mod reviewer;
mod room;
#[cfg(test)]
mod tests;
mod token;
pub mod trust;
mod wide;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use layer::{Authorized, Judged};

use crate::telemetry::Telemetry;
use reviewer::Reviewer;
use trust::TrustStore;

/// What the HPA controller may be called: with credentials of its own, and with those of its process.
pub const HPA_CONTROLLERS: [&str; 2] =
    ["system:serviceaccount:kube-system:horizontal-pod-autoscaler", "system:kube-controller-manager"];

/// What may be set. All but the clock have defaults that suit a cluster.
#[derive(Clone)]
pub struct Settings {
    /// The present wall time, against which certificates are checked.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Audiences that a token must be meant for, one of them; none means the API server's own.
    pub audiences: Vec<String>,
    /// How long a good answer is relied on: a user's token, an allowed request (30 s). Longer than the 15 s
    /// after which an HPA comes again, or it would be good for nothing.
    pub allowed: Duration,
    /// How long a bad answer is relied on (5 s).
    pub denied: Duration,
    /// How long after its time the last allowed decision counts for `honoured` users while the API server
    /// cannot be reached, from the decision on (5 min).
    pub stale: Duration,
    /// Users whose scaling must survive an outage of the API server: the HPA controller's.
    pub honoured: Vec<String>,
    /// The longest that a request waits for the API server (800 ms, within the 950 ms that it has).
    pub wait: Duration,
}

impl Settings {
    /// The defaults, with this clock.
    pub fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            audiences: Vec::new(),
            allowed: Duration::from_secs(30),
            denied: Duration::from_secs(5),
            stale: Duration::from_mins(5),
            honoured: HPA_CONTROLLERS.map(str::to_owned).into(),
            wait: Duration::from_millis(800),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("audiences", &self.audiences)
            .field("allowed", &self.allowed)
            .field("denied", &self.denied)
            .field("stale", &self.stale)
            .field("honoured", &self.honoured)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// Judges requests.
#[derive(Debug)]
pub struct Auth {
    trust: Arc<TrustStore>,
    users: front_proxy::Users,
    tokens: token::Tokens,
    access: access::Access,
    settings: Settings,
    telemetry: Arc<Telemetry>,
    room: Arc<room::Room>,
}

impl Auth {
    /// Believes as `trust` says, asks `reviewer` for the rest, and counts into `telemetry`.
    pub fn new(
        trust: Arc<TrustStore>,
        reviewer: Arc<dyn Reviewer>,
        settings: Settings,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            trust,
            users: front_proxy::Users::new(),
            tokens: token::Tokens::new(Arc::clone(&reviewer), settings.clone(), Arc::clone(&telemetry)),
            access: access::Access::new(reviewer, settings.clone(), Arc::clone(&telemetry)),
            room: Arc::new(room::Room::new(Arc::clone(&telemetry))),
            settings,
            telemetry,
        }
    }
}
