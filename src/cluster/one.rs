//! The watch of one object by its name.

use std::fmt::Debug;

use futures_util::{Stream, StreamExt as _, future};
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// How long the API server keeps one watch open, in seconds: shorter than the silence after which our client
/// takes a server for gone.
const WATCH_FOR: u32 = 20;

/// Watches of the object of this name.
pub(super) fn config(name: &str) -> Config {
    Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_FOR)
}

/// The object of this name whenever it changes; `None` where there is none.
pub(super) fn watch_one<K>(
    api: Api<K>,
    name: &str,
) -> impl Stream<Item = Result<Option<K>, Error>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut is_there = false;
    watcher(api, config(name)).filter_map(move |event| {
        future::ready(match event {
            Ok(Event::Init) => {
                is_there = false;
                None
            }
            Ok(Event::InitApply(object)) => {
                is_there = true;
                Some(Ok(Some(object)))
            }
            Ok(Event::InitDone) => (!is_there).then_some(Ok(None)),
            Ok(Event::Apply(object)) => Some(Ok(Some(object))),
            Ok(Event::Delete(_)) => Some(Ok(None)),
            Err(error) => Some(Err(error)),
        })
    })
}
