//! Any bytes, read line by line as what an API server sends of a kind: pages of a list, and events of a watch.

use std::sync::Arc;

use kube::api::WatchEvent;

use super::{Object, Page, Sink, Taker};
use crate::cluster::hpas::{AutoscalerSink, Autoscalers};
use crate::cluster::inventory::{Cluster, OwnerSink, PodSink};
use crate::cluster::metrics::WatchMetrics;
use crate::core::workload::Inventory as _;

/// As pods: each that is known is found by its name and, if it has an address, by that.
pub(crate) fn pods(bytes: &[u8]) {
    let cluster = Arc::new(Cluster::new(Arc::default()));
    tell(&PodSink(Arc::clone(&cluster)), bytes, || {
        let pods = cluster.pods(None);
        for pod in &pods {
            let found = cluster.pod(&pod.namespace, &pod.name).expect("it is known");
            assert_eq!(found.name, pod.name);
            // Of two with one address, one is there.
            assert!(pod.ip.is_none_or(|ip| !pod.counts || cluster.at(ip).is_some()), "{pod:?}");
        }
        pods.len()
    });
}

/// As what may own pods.
pub(crate) fn owners(bytes: &[u8]) {
    let cluster = Arc::new(Cluster::new(Arc::default()));
    let sink = OwnerSink { cluster, kind: "replicaset" };
    tell(&sink, bytes, || sink.count());
}

/// As autoscalers: each that is known is found by what it asks for, and nothing else is.
pub(crate) fn autoscalers(bytes: &[u8]) {
    let autoscalers = Arc::new(Autoscalers::default());
    let sink = AutoscalerSink { autoscalers: Arc::clone(&autoscalers), metrics: Arc::default() };
    autoscalers.complete(true);
    tell(&sink, bytes, || {
        let all = autoscalers.all().expect("they are complete");
        for one in &all {
            for want in &*one.wants {
                let those = autoscalers.that_name(&one.namespace, &want.metric);
                assert!(those.iter().any(|that| that.name == one.name), "{one:?}");
            }
        }
        for (namespace, metric) in autoscalers.asked() {
            assert!(!autoscalers.that_name(&namespace, &metric).is_empty());
        }
        all.len()
    });
}

/// Tells `sink` what the lines say; after each, `count` checks what is known and counts it.
fn tell<S: Sink>(sink: &S, bytes: &[u8], count: impl Fn() -> usize) {
    let metrics = Arc::<WatchMetrics>::default();
    let mut taker = Taker { kind: "any", metrics, malformed: 0 };
    let mut version = String::new();
    for line in bytes.split(|byte| *byte == b'\n').take(16) {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        if let Ok(event) = serde_json::from_str::<WatchEvent<Object<S::Body>>>(text) {
            let _ = taker.event(sink, &mut version, event);
        } else if let Ok(page) = Page::<Object<S::Body>>::decode(text) {
            let (objects, _) = page.into_parts();
            let most = objects.len();
            sink.begin();
            for object in objects {
                taker.apply(sink, object);
            }
            sink.end();
            assert!(sink.count() <= most);
        }
        assert!(count() <= bytes.len());
    }
    sink.begin();
    sink.end();
    assert_eq!((sink.count(), count()), (0, 0));
}
