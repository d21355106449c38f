//! Watches of many objects, and what goes wrong with them: R33.

use serde_json::json;

use crate::support::objects::{external, hpa, object, pod};
use crate::support::{ApiServer, Cluster, Server, Site, WAITING, of_pod, seconds, until};

async fn counted(server: &Server, metric: &str, kind: &str, expected: impl Fn(f64) -> bool) -> f64 {
    until(&format!("{metric} of {kind}"), seconds(100), async || {
        let count = server.own_metric(metric, &[&format!("kind=\"{kind}\"")]).await;
        if expected(count) { Ok(count) } else { Err(count) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscalers_are_watched_whatever_befalls_the_watch() {
    watched(1_000).await;
}

/// More than any cluster that is documented has.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute: tests/run --soak"]
async fn soak_ten_thousand_autoscalers_are_watched() {
    watched(10_000).await;
}

async fn watched(many: usize) {
    let cluster = Cluster::with(ApiServer::plain().await);
    let metrics = |labels: serde_json::Value| json!([external(WAITING, &labels, "5")]);
    for number in 0..many {
        let name = format!("vllm-{number}");
        cluster.api.put(hpa("ai", &name, &metrics(json!({ "deployment": name }))));
    }
    cluster.api.put(pod("ai", "a", &[("app", "a")]));
    // One that no API server would take, and none can be sure never to meet.
    let mut malformed = object("autoscaling/v2", "HorizontalPodAutoscaler", "ai", "malformed");
    malformed["spec"] = json!({ "metrics": "many", "maxReplicas": "ten" });
    cluster.api.put(malformed);
    let series = [(of_pod("ai", "a"), 3.0), (of_pod("ai", "b"), 4.0)];
    let site = Site::of(cluster, &series, &[]).await;
    let (api, server, client) = (&site.cluster.api, &site.server, site.aggregator.hpa_controller());
    let kind = "horizontalpodautoscaler";
    let objects = "inferometer_cluster_objects";
    counted(server, objects, kind, |count| count >= many as f64).await;
    counted(server, "inferometer_cluster_malformed_objects_total", kind, |count| count >= 1.0).await;
    assert_eq!(client.quantity("ai", WAITING, "").await, "3", "one bad object hides no other");

    // What happens is kept back, bookmarks too, and what the watch knew last is then too old to go on from.
    api.hold("horizontalpodautoscalers.autoscaling");
    for number in 0..10 {
        api.remove("autoscaling/v2", "HorizontalPodAutoscaler", "ai", &format!("vllm-{number}"));
    }
    api.expire_watches();
    api.release("horizontalpodautoscalers.autoscaling");
    counted(server, objects, kind, |count| count < (many - 9) as f64).await;
    counted(server, "inferometer_cluster_lists_total", kind, |count| count >= 2.0).await;

    // It goes on from there: what a new one asks for is read before it asks. Pods' watch has not noticed.
    let utilization = json!([external("inference_kv_cache_utilization", &json!({}), "800m")]);
    api.put(hpa("ai", "later", &utilization));
    api.put(pod("ai", "b", &[("app", "b")]));
    until("its signal is read", seconds(30), async || {
        let queries = site.front.queries();
        let asked = queries.iter().any(|query| query.contains("vllm:kv_cache_usage_perc"));
        if asked { Ok(()) } else { Err("nobody has asked the source") }
    })
    .await;
    until("the new pod counts", seconds(30), async || {
        let sum = client.quantity("ai", WAITING, "").await;
        if sum == "7" { Ok(()) } else { Err(sum) }
    })
    .await;
}
