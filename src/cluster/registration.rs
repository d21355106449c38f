//! Our APIServices: they are told which CAs to trust, so that nobody has to skip verification.
//!
//! Only `spec.caBundle` is written, and only where `spec.service` is ours. What is written is what the
//! Secret holds at that moment, not what this replica remembers: replicas then never undo each other.
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::certificate::Found;
use super::one::watch_one;
use super::retry::{Pauses, chain, explain};
use super::serving::Settings;
use crate::telemetry::Telemetry;

#[cfg(test)]
mod tests;

/// The APIServices that may point at us.
pub const API_SERVICES: [&str; 3] =
    ["v1beta1.external.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];

/// The name under which we write.
pub(super) const MANAGER: &str = "inferometer";

/// With this annotation cert-manager's injector keeps the bundle.
const INJECTED: &str = "cert-manager.io/inject-ca-from";

/// How an APIService stands to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not seen yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// It points at another service, told here.
    Foreign(String),
    /// It is ours, but asks not to verify us. The API takes no bundle beside that.
    Unverified,
    /// It is ours, and cert-manager keeps its bundle.
    Injected,
    /// It is ours and has this bundle, PEM.
    Ours(Vec<u8>),
}

/// How each of [`API_SERVICES`] stands to us, and since when.
pub(super) type Standings = [(Standing, SystemTime); API_SERVICES.len()];

/// Nothing is known yet.
pub(super) fn unknown() -> Standings {
    [const { (Standing::Unknown, SystemTime::UNIX_EPOCH) }; API_SERVICES.len()]
}

/// Since when all APIServices that we keep have had this bundle; `None` if one has not, or is not known.
pub(super) fn held_since(standings: &Standings, bundle: &[u8]) -> Option<SystemTime> {
    let holds = |standing: &Standing| match standing {
        Standing::Unknown => false,
        Standing::Ours(held) => held == bundle,
        _ => true,
    };
    if standings.iter().any(|(standing, _)| !holds(standing)) {
        return None;
    }
    standings.iter().map(|(_, since)| *since).max()
}

/// Reads an APIService.
fn standing(object: Option<&DynamicObject>, settings: &Settings) -> Standing {
    let Some(object) = object else { return Standing::Absent };
    let spec = &object.data["spec"];
    let service = &spec["service"];
    if service["name"] != *settings.service || service["namespace"] != *settings.namespace {
        return Standing::Foreign(match (service["namespace"].as_str(), service["name"].as_str()) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            _ => "the API server itself".to_owned(),
        });
    }
    if object.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(INJECTED)) {
        return Standing::Injected;
    }
    if spec["insecureSkipTLSVerify"] == true {
        return Standing::Unverified;
    }
    // One that cannot be decoded is no bundle, and is replaced.
    let bundle = spec["caBundle"].as_str().and_then(|text| STANDARD.decode(text).ok());
    Standing::Ours(bundle.unwrap_or_default())
}

/// Keeps the bundles of our APIServices.
pub(super) struct Registrar<C> {
    services: Api<DynamicObject>,
    secrets: Api<Secret>,
    settings: Settings,
    clock: C,
    telemetry: Arc<Telemetry>,
    standings: watch::Sender<Standings>,
}

impl<C: Fn() -> SystemTime> Registrar<C> {
    /// Tells `standings` what it sees.
    pub(super) fn new(
        client: &kube::Client,
        settings: Settings,
        clock: C,
        telemetry: Arc<Telemetry>,
        standings: watch::Sender<Standings>,
    ) -> Self {
        let kind = GroupVersionKind::gvk("apiregistration.k8s.io", "v1", "APIService");
        let resource = ApiResource::from_gvk_with_plural(&kind, "apiservices");
        let services = Api::all_with(client.clone(), &resource);
        let secrets = Api::namespaced(client.clone(), &settings.namespace);
        Self { services, secrets, settings, clock, telemetry, standings }
    }

    /// Works until it is dropped. `bundle` tells what the Secret holds; `None` for nothing yet.
    pub(super) async fn run(&self, bundle: &watch::Receiver<Option<Vec<u8>>>) {
        join_all((0..API_SERVICES.len()).map(|index| self.keep(index, bundle.clone()))).await;
    }

    async fn keep(&self, index: usize, mut bundle: watch::Receiver<Option<Vec<u8>>>) {
        let name = API_SERVICES[index];
        let mut objects = pin!(watch_one(self.services.clone(), name).backoff(Pauses::default()));
        let mut current: Option<Option<DynamicObject>> = None;
        let mut pauses = Pauses::default();
        let mut retry = None;
        // Failures come in streaks: the first one is logged.
        let mut failing = false;
        loop {
            tokio::select! {
                object = objects.next() => match object {
                    Some(Ok(object)) => {
                        failing = false;
                        current = Some(object);
                    }
                    Some(Err(error)) => {
                        if !failing {
                            tracing::warn!(api_service = name, error = chain(&error), "failed to watch the API service");
                        }
                        failing = true;
                        continue;
                    }
                    None => return,
                },
                Ok(()) = bundle.changed() => {}
                () = sleep(retry.unwrap_or_default()), if retry.is_some() => {}
            }
            retry = None;
            let Some(seen) = &current else { continue };
            match self.settle(index, seen.as_ref(), &bundle).await {
                Ok(None) => pauses = Pauses::default(),
                Ok(Some(patched)) => {
                    pauses = Pauses::default();
                    self.note(index, standing(Some(&patched), &self.settings), &bundle);
                    current = Some(Some(patched));
                }
                Err(error) => {
                    tracing::warn!(
                        api_service = name,
                        error = explain(&error),
                        "failed to give the API service our CA bundle"
                    );
                    retry = pauses.next();
                }
            }
        }
    }

    /// Writes the bundle if it is ours to write and another than the Secret's. Returns what was written.
    async fn settle(
        &self,
        index: usize,
        object: Option<&DynamicObject>,
        bundle: &watch::Receiver<Option<Vec<u8>>>,
    ) -> kube::Result<Option<DynamicObject>> {
        let standing = standing(object, &self.settings);
        self.note(index, standing.clone(), bundle);
        let (Standing::Ours(held), Some(object)) = (standing, object) else { return Ok(None) };
        if bundle.borrow().as_ref().is_none_or(|bundle| *bundle == held) {
            return Ok(None);
        }
        let secret = self.secrets.get_opt(&self.settings.secret).await?;
        let Found::Ours(state) = Found::read(secret.as_ref()) else { return Ok(None) };
        let Some(wanted) = state.bundle().filter(|wanted| *wanted != held) else { return Ok(None) };
        let patch = json!({
            // Whoever changed it meanwhile may have pointed it elsewhere.
            "metadata": {"resourceVersion": object.metadata.resource_version},
            "spec": {"caBundle": STANDARD.encode(wanted)},
        });
        let name = API_SERVICES[index];
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.services.patch(name, &params, &Patch::Merge::<Value>(patch)).await?;
        tracing::info!(api_service = name, "gave the API service our CA bundle");
        Ok(Some(patched))
    }

    /// Publishes what is new, and logs it.
    fn note(&self, index: usize, standing: Standing, bundle: &watch::Receiver<Option<Vec<u8>>>) {
        let name = API_SERVICES[index];
        let registered = match &standing {
            Standing::Ours(held) => bundle.borrow().as_ref() == Some(held),
            _ => false,
        };
        self.telemetry.registered(name, registered);
        let now = (self.clock)();
        self.standings.send_if_modified(|standings| {
            let known = &mut standings[index];
            if known.0 == standing {
                return false;
            }
            match &standing {
                Standing::Unknown | Standing::Ours(_) => {}
                Standing::Absent => tracing::info!(api_service = name, "the API service does not exist"),
                Standing::Foreign(owner) => {
                    tracing::warn!(
                        api_service = name,
                        owner,
                        "the API service belongs to another, left alone"
                    );
                }
                Standing::Unverified => tracing::warn!(
                    api_service = name,
                    "the API service sets insecureSkipTLSVerify, left alone: without it, it would get our CAs"
                ),
                Standing::Injected => {
                    tracing::info!(api_service = name, "cert-manager keeps the API service's CA bundle");
                }
            }
            *known = (standing, now);
            true
        });
    }
}
