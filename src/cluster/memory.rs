//! What all replicas remember of budgets: one ConfigMap, watched by each and written on a change.
//!
//! A write names the version that it is based on. Of two replicas that see the same change, one is refused
//! and takes over what the other has written.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::WatchStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::certificate::MANAGED_BY;
use super::one::watch_one;
use super::registration::MANAGER;
use super::retry::{Pauses, chain, explain};
use crate::core::budget::{Breaker, State};
use crate::core::time::Timestamp;
use crate::engine::budgets::{Record, Remember};

/// The ConfigMap.
pub const CONFIG_MAP: &str = "inferometer-budgets";

/// Its key.
const KEY: &str = "budgets.json";

/// What is remembered of one budget, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    open: bool,
    /// When it opened or closed, in milliseconds since the Unix epoch.
    since_millis: i64,
}

/// By the names of budgets, those of other versions of the configuration included.
type Book = BTreeMap<String, Written>;

/// What is remembered, as far as the API server has told.
#[derive(Debug, Default)]
pub struct Memory {
    known: Mutex<Option<Book>>,
    /// What is to be written.
    wanted: Mutex<Vec<Record>>,
    news: Notify,
    /// Told whenever somebody wants to know: where there is no budget, nothing is watched.
    asked: Notify,
}

impl Remember for Memory {
    fn load(&self) -> Option<Vec<Record>> {
        self.asked.notify_one();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let record = |(name, written): (&String, &Written)| (name.clone(), written.breaker());
        known.as_ref().map(|book| book.iter().map(record).collect())
    }

    fn store(&self, records: Vec<Record>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = records;
        self.news.notify_one();
    }
}

impl Written {
    fn breaker(self) -> Breaker {
        let state = if self.open { State::Open } else { State::Closed };
        Breaker::remembered(state, Timestamp::from_millis(self.since_millis))
    }

    fn of(breaker: &Breaker) -> Self {
        Self { open: breaker.state == State::Open, since_millis: breaker.since.as_millis() }
    }
}

impl Memory {
    /// Keeps it in our own namespace, until it is dropped.
    pub async fn keep(self: Arc<Self>, client: kube::Client, namespace: String) {
        self.asked.notified().await;
        let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
        let mut objects = pin!(watch_one(api.clone(), CONFIG_MAP).backoff(Pauses::default()));
        let mut current: Option<Option<ConfigMap>> = None;
        let mut pauses = Pauses::default();
        // Failures come in streaks: the first one is logged.
        let mut failing = false;
        loop {
            tokio::select! {
                object = objects.next() => match object {
                    Some(Ok(object)) => {
                        failing = false;
                        self.learn(object.as_ref());
                        current = Some(object);
                    }
                    Some(Err(error)) => {
                        if !failing {
                            tracing::warn!(config_map = CONFIG_MAP, error = chain(&error), "failed to watch what is remembered of budgets");
                        }
                        failing = true;
                    }
                    None => return,
                },
                () = self.news.notified(), if current.is_some() => {
                    let Some(object) = &mut current else { continue };
                    match self.write(&api, object.as_ref()).await {
                        Ok(written) => {
                            pauses = Pauses::default();
                            if let Some(written) = written {
                                self.learn(Some(&written));
                                *object = Some(written);
                            }
                        }
                        // The watch will tell what the other has written.
                        Err(kube::Error::Api(status)) if status.code == 409 => {}
                        Err(error) => {
                            tracing::warn!(config_map = CONFIG_MAP, error = explain(&error), "failed to write what is to be remembered of budgets");
                            if let Some(pause) = pauses.next() {
                                sleep(pause).await;
                            }
                        }
                    }
                }
            }
        }
    }

    fn learn(&self, object: Option<&ConfigMap>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(read(object));
    }

    /// Writes what is wanted and not there yet.
    async fn write(
        &self,
        api: &Api<ConfigMap>,
        object: Option<&ConfigMap>,
    ) -> kube::Result<Option<ConfigMap>> {
        let wanted = std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut book = read(object);
        let before = book.clone();
        for (name, breaker) in wanted {
            // Another may have been first since this was asked for.
            let breaker = book.get(&name).map_or(breaker, |known| breaker.agree(&known.breaker()));
            book.insert(name, Written::of(&breaker));
        }
        if book == before {
            return Ok(None);
        }
        let mut object = object.cloned().unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta { name: Some(CONFIG_MAP.to_owned()), ..ObjectMeta::default() },
            ..ConfigMap::default()
        });
        let labels = object.metadata.labels.get_or_insert_default();
        labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        // A map of names to numbers has a form in JSON.
        let text = serde_json::to_string(&book).unwrap_or_default();
        object.data.get_or_insert_default().insert(KEY.to_owned(), text);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = if object.metadata.resource_version.is_none() {
            api.create(&params, &object).await?
        } else {
            api.replace(CONFIG_MAP, &params, &object).await?
        };
        Ok(Some(written))
    }
}

/// What the ConfigMap says. What cannot be read is as good as forgotten, and is written anew.
fn read(object: Option<&ConfigMap>) -> Book {
    let text = object.and_then(|object| object.data.as_ref()?.get(KEY));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
