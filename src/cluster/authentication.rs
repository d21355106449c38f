//! The watch of `kube-system/extension-apiserver-authentication`: whom the cluster trusts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use tokio::time::timeout;

use super::one;
use crate::auth::trust::TrustStore;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// How often the ConfigMap is read besides the watch: while nothing is known of it, and after. A watch
/// that went dead without a word costs no more than the second.
const UNKNOWN_EVERY: Duration = Duration::from_secs(5);
const KNOWN_EVERY: Duration = Duration::from_mins(1);

/// The longest one read may take.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Gives `trust` what the ConfigMap says, from now on until `ending`.
///
/// Survives an API server that cannot be reached, a ConfigMap that is not there and rights that are
/// missing: it goes on asking, and what was known stays known. Needs Role
/// `kube-system/extension-apiserver-authentication-reader`.
pub async fn watch(client: Client, trust: Arc<TrustStore>, ending: impl Future<Output = ()>) {
    let api = Api::<ConfigMap>::namespaced(client, NAMESPACE);
    let watched = watcher(api.clone(), one::config(NAME)).default_backoff();
    tokio::select! {
        biased;
        () = ending => {}
        () = follow(watched, &trust) => {}
        () = poll(&api, &trust) => {}
    }
}

/// Takes what the watch tells.
async fn follow(
    watched: impl Stream<Item = Result<watcher::Event<ConfigMap>, watcher::Error>>,
    trust: &TrustStore,
) {
    let mut failing = false;
    let mut watched = std::pin::pin!(watched);
    while let Some(event) = watched.next().await {
        match event {
            Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => {
                failing = false;
                take(trust, map);
            }
            Ok(watcher::Event::Delete(_)) => {
                tracing::warn!(name = NAME, "the ConfigMap is gone, what it said last stays in force");
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => {
                // Failures come in streaks: the first is told.
                if !failing {
                    tracing::warn!(%error, name = NAME, "failed to watch the ConfigMap");
                }
                failing = true;
            }
        }
    }
    // A watch has no end; if it had one, the reading would still go on.
    std::future::pending::<()>().await;
}

async fn poll(api: &Api<ConfigMap>, trust: &TrustStore) {
    let mut failing = false;
    loop {
        match timeout(READ_LIMIT, api.get_opt(NAME)).await {
            Ok(Ok(Some(map))) => {
                failing = false;
                take(trust, map);
            }
            outcome => {
                let reason = match outcome {
                    Ok(Ok(_)) => "it is not there".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "the API server did not answer".to_owned(),
                };
                if !failing {
                    tracing::warn!(reason, name = NAME, "failed to read the ConfigMap");
                }
                failing = true;
            }
        }
        let known = trust.generation() > 0;
        tokio::time::sleep(if known { KNOWN_EVERY } else { UNKNOWN_EVERY }).await;
    }
}

/// A refusal is logged and counted where it is made.
fn take(trust: &TrustStore, map: ConfigMap) {
    let _ = trust.update(&map.data.unwrap_or_default());
}

#[cfg(test)]
mod tests;
