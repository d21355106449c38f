//! The managed serving certificate: kept in a Secret that the replicas share, put into use, and made
//! known to our APIServices.
//!
//! Every replica does the same, and none leads: what is due follows from the Secret, writes name the
//! version they change, and whoever comes second reads again.
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::WatchStreamExt as _;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::certificate::{
    BACKDATE, Contents, Found, KEYS, MANAGED_BY, State, Step, Validity, make, names, plan,
};
use super::one::watch_one;
use super::registration::{self, MANAGER, Registrar, Standings, held_since};
use super::retry::{Pauses, chain, chance, explain};
use crate::server::tls::Tls;
use crate::telemetry::Telemetry;

#[cfg(test)]
mod tests;

/// How often what is due is asked without any news.
const LOOK: Duration = Duration::from_mins(1);

/// How often a certificate that waits for the API services is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Writes are no closer than this, so that replicas that disagree do no harm to the API server.
const BETWEEN_WRITES: Duration = Duration::from_secs(5);

/// How often a write that came second is tried on what was read again, before a pause.
const TRIES: usize = 4;

/// For how long an API server needs to take a new bundle of an APIService into use.
const TAKES_EFFECT: Duration = Duration::from_secs(2);

/// For how long a certificate waits for API services that do not get the bundle.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is due but not urgent is spread over this time among replicas.
const SPREAD: Duration = BACKDATE;

/// Whose certificate is kept where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The namespace of the Service and the Secret.
    pub namespace: String,
    /// The Service that APIServices point at.
    pub service: String,
    /// The Secret.
    pub secret: String,
}

/// Keeps the certificate until `ending` resolves.
///
/// `tls` has to serve something from the start, such as a self-signed certificate: it is replaced as soon
/// as the API server answers, and whatever it serves stays while the API server is away. `clock` gives the
/// wall time.
pub async fn keep(
    client: kube::Client,
    settings: Settings,
    tls: Arc<Tls>,
    clock: impl Fn() -> SystemTime + Clone,
    ending: impl Future<Output = ()>,
    telemetry: Arc<Telemetry>,
) {
    let (standings, seen) = watch::channel(registration::unknown());
    let (bundle, bundles) = watch::channel(None);
    let registrar =
        Registrar::new(&client, settings.clone(), clock.clone(), Arc::clone(&telemetry), standings);
    let keeper = Keeper {
        api: Api::namespaced(client, &settings.namespace),
        names: names(&settings.service, &settings.namespace),
        spread: SPREAD.mul_f64(chance()),
        settings,
        tls,
        clock,
        telemetry,
        bundle,
        served: None,
        before: None,
        offered: None,
        written: None,
        complaint: None,
    };
    tokio::select! {
        biased;
        () = ending => {}
        () = keeper.run(seen) => {}
        () = registrar.run(&bundles) => {}
    }
}

struct Keeper<C> {
    api: Api<Secret>,
    settings: Settings,
    names: BTreeSet<String>,
    spread: Duration,
    tls: Arc<Tls>,
    clock: C,
    telemetry: Arc<Telemetry>,
    /// Tells which CAs APIServices are to trust.
    bundle: watch::Sender<Option<Vec<u8>>>,
    /// What this replica serves, once it is from the Secret.
    served: Option<(CertificateDer<'static>, Validity)>,
    /// The last good state that was found, for when it is lost.
    before: Option<State>,
    /// A certificate that waits for the API services, and since when.
    offered: Option<(CertificateDer<'static>, SystemTime)>,
    /// When this replica last wrote.
    written: Option<Instant>,
    /// What was complained of last, so that it is said once.
    complaint: Option<String>,
}

impl<C: Fn() -> SystemTime> Keeper<C> {
    async fn run(mut self, mut seen: watch::Receiver<Standings>) {
        let secrets = watch_one(self.api.clone(), &self.settings.secret).backoff(Pauses::default());
        let mut secrets = pin!(secrets);
        let mut current: Option<Option<Secret>> = None;
        let mut pauses = Pauses::default();
        let mut pause = LOOK;
        loop {
            tokio::select! {
                secret = secrets.next() => match secret {
                    Some(Ok(secret)) => current = Some(secret),
                    Some(Err(error)) => {
                        self.complain(&format!("failed to watch the Secret: {}", chain(&error)));
                        continue;
                    }
                    None => return,
                },
                Ok(()) = seen.changed() => {}
                () = sleep(pause) => {}
            }
            // Until the first answer nothing is known, and nothing is made.
            let Some(secret) = &mut current else { continue };
            let standings = seen.borrow_and_update().clone();
            match self.advance(secret, &standings).await {
                Ok(look) => {
                    pauses = Pauses::default();
                    pause = look;
                }
                Err(complaint) => {
                    self.complain(&complaint);
                    pause = pauses.next().unwrap_or(LOOK);
                }
            }
        }
    }

    /// Takes what is kept into use and does what is due, until nothing is. Leaves in `secret` what is kept
    /// then, and returns when to look again.
    async fn advance(
        &mut self,
        secret: &mut Option<Secret>,
        standings: &Standings,
    ) -> Result<Duration, String> {
        for _ in 0..TRIES {
            let now = (self.clock)();
            let found = Found::read(secret.as_ref());
            let state = match &found {
                Found::Ours(state) => Some(state.as_ref()),
                Found::Missing | Found::Foreign => None,
            };
            let held = state.and_then(State::bundle).and_then(|bundle| held_since(standings, bundle));
            let waits = state.is_some_and(|state| self.take(state, held, now));
            let (step, why) = plan(&found, &self.names, self.spread, held, now);
            match step {
                Step::Nothing => {
                    self.remember(found);
                    self.complaint = None;
                    return Ok(if waits { LOOK_AGAIN } else { LOOK });
                }
                Step::Refuse => return Err(why.to_owned()),
                _ => {}
            }
            if let Some(left) = self.written.and_then(|at| BETWEEN_WRITES.checked_sub(at.elapsed())) {
                return Ok(left);
            }
            let names = state.map_or_else(|| self.names.clone(), |state| state.all_names(&self.names, now));
            let contents = make(step, state, self.before.as_ref(), &names, now)
                .map_err(|error| format!("failed to make a certificate: {error}"))?;
            match self.write(secret.as_ref(), contents).await {
                Ok(written) => {
                    tracing::info!(
                        secret = self.settings.secret,
                        ?step,
                        why,
                        "changed the serving certificate's Secret"
                    );
                    *secret = Some(written);
                    self.written = Some(Instant::now());
                    self.remember(found);
                }
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    tracing::debug!(
                        secret = self.settings.secret,
                        status.message,
                        "another replica was first"
                    );
                    let again = self.api.get_opt(&self.settings.secret).await;
                    *secret =
                        again.map_err(|error| format!("failed to read the Secret: {}", explain(&error)))?;
                }
                Err(error) => return Err(format!("failed to write the Secret: {}", explain(&error))),
            }
        }
        Err("failed to write the Secret: it changes all the time".to_owned())
    }

    /// Serves what is kept and tells of its bundle. True if the certificate still waits.
    fn take(&mut self, state: &State, held: Option<SystemTime>, now: SystemTime) -> bool {
        self.bundle.send_if_modified(|bundle| {
            let changed = bundle.as_deref() != state.bundle();
            *bundle = state.bundle().map(<[u8]>::to_vec);
            changed
        });
        // Never one that clients would refuse: a new one is on its way.
        let Some(serving) = state.serving.as_ref().filter(|_| state.flaw(&self.names, now).is_none()) else {
            return false;
        };
        let Some(certificate) = serving.chain.first() else { return false };
        if self.served.as_ref().is_some_and(|(served, _)| served == certificate) {
            self.offered = None;
            return false;
        }
        if self.waits(state, certificate, held, now) {
            return true;
        }
        self.offered = None;
        match self.tls.replace(serving.chain.clone(), serving.key.clone_key()) {
            Ok(()) => {
                self.telemetry.certificate_reloaded(true);
                self.telemetry.certificate_expires(serving.validity.until);
                tracing::info!(sha256 = self.tls.fingerprint(), "serving a new certificate");
                self.served = Some((certificate.clone(), serving.validity));
            }
            Err(error) => {
                self.telemetry.certificate_reloaded(false);
                self.complain(&format!("failed to serve the certificate of the Secret: {error}"));
            }
        }
        false
    }

    /// Whether to go on serving the old certificate, because an API service may not trust the new one's CA
    /// yet while all trust the old one's. A planned rotation does not wait here: its CA is known by then.
    fn waits(
        &mut self,
        state: &State,
        new: &CertificateDer<'static>,
        held: Option<SystemTime>,
        now: SystemTime,
    ) -> bool {
        let valid = self.served.as_ref().filter(|(_, validity)| validity.until > now);
        let old = valid.and_then(|(old, _)| state.authority_of(old));
        if old.is_none()
            || old == state.authority_of(new)
            || held.is_some_and(|since| since + TAKES_EFFECT <= now)
        {
            return false;
        }
        let since = match &self.offered {
            Some((offered, since)) if offered == new => *since,
            _ => now,
        };
        self.offered = Some((new.clone(), since));
        now < since + PATIENCE
    }

    /// Keeps a good state, for when it is lost.
    fn remember(&mut self, found: Found) {
        if let Found::Ours(state) = found
            && state.serving.is_some()
        {
            self.before = Some(*state);
        }
    }

    async fn write(&self, secret: Option<&Secret>, contents: Contents) -> kube::Result<Secret> {
        let mut secret = secret.cloned().unwrap_or_else(|| Secret {
            metadata: ObjectMeta { name: Some(self.settings.secret.clone()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        });
        let labels = secret.metadata.labels.get_or_insert_default();
        labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !KEYS.contains(&key.as_str()));
        data.extend(contents.into_iter().map(|(key, bytes)| (key.to_owned(), ByteString(bytes))));
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        if secret.metadata.resource_version.is_none() {
            self.api.create(&params, &secret).await
        } else {
            self.api.replace(&self.settings.secret, &params, &secret).await
        }
    }

    fn complain(&mut self, complaint: &str) {
        if self.complaint.as_deref() != Some(complaint) {
            let Settings { namespace, secret, .. } = &self.settings;
            tracing::error!(namespace, secret, "{complaint}");
            self.complaint = Some(complaint.to_owned());
        }
    }
}
