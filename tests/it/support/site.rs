//! A whole site: a cluster with pods in it, a source that knows their numbers, our binary, and the
//! aggregator connected to it.

use serde_json::{Value as Json, json};

use super::cluster::Aggregator;
use super::front::{Answer, Front};
use super::objects::pod;
use super::{Cluster, Server, seconds, until};

/// The metric that most tests ask for.
pub(crate) const WAITING: &str = "inference_requests_waiting";

pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) front: Front,
    pub(crate) server: Server,
    pub(crate) aggregator: Aggregator,
}

impl Site {
    /// Two pods in `ai`, `a` with 3 and `b` with 4.5 requests waiting, and one in `other` with 1.
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start().await;
        for (namespace, name) in [("ai", "a"), ("ai", "b"), ("other", "c")] {
            cluster.api.put(pod(namespace, name, &[("app", name)]));
        }
        let series = [("ai", "a", 3.0), ("ai", "b", 4.5), ("other", "c", 1.0)];
        let series = series.map(|(namespace, name, value)| (of_pod(namespace, name), value));
        let site = Self::of(cluster, &series, &[]).await;
        until("it is ready", seconds(30), async || {
            let reply = site.server.client.get_as("/readyz?verbose", "*/*").await;
            if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
        site
    }

    /// This cluster, and a source with these series.
    pub(crate) async fn of(cluster: Cluster, series: &[(Json, f64)], args: &[&str]) -> Self {
        let front = Front::start(None, Answer::Series(series.to_vec())).await;
        let url = front.url();
        let (server, aggregator) = cluster.serve(&[&["--prometheus-url", &url], args].concat()).await;
        Self { cluster, front, server, aggregator }
    }
}

/// The labels of an engine's series.
pub(crate) fn of_pod(namespace: &str, pod: &str) -> Json {
    json!({ "namespace": namespace, "pod": pod, "engine": "0", "model_name": "m" })
}
