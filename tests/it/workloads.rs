//! Pods, what they belong to, and the HPAs that ask about them: what of the cluster a selector may
//! speak of, and whose series count.

use serde_json::{Value as Json, json};

use crate::support::front::{Answer, Front};
use crate::support::objects::{at, deployment, external, hpa, object, owned, pod, statefulset};
use crate::support::{
    Client, Cluster, Exposition, Prometheus, Server, Site, WAITING, of_pod, seconds, until,
};

const LWS: &str = "leaderworkerset.x-k8s.io/v1";

/// Waits until the HPA would see this number.
async fn reads(client: &Client, selector: &str, expected: &str) {
    until(&format!("{selector:?} gives {expected}"), seconds(30), async || {
        match client.value("ai", WAITING, selector).await {
            Ok(value) if value.text == expected => Ok(()),
            Ok(value) => Err(value.text),
            Err(problem) => Err(problem.to_string()),
        }
    })
    .await;
}

/// A Deployment `vllm` with the series 1 and 2, a StatefulSet `triton` with 4 and 8, a LeaderWorkerSet
/// `big` of one group, a leader with 16 and a worker with 32, and a lone pod `lone` with 64.
fn population() -> (Vec<Json>, Vec<(Json, f64)>) {
    let mut objects = deployment("ai", "vllm", 2);
    objects.extend(statefulset("ai", "triton", 2));
    objects.extend([
        object(LWS, "LeaderWorkerSet", "ai", "big"),
        owned(object("apps/v1", "StatefulSet", "ai", "big"), LWS, "LeaderWorkerSet", "big"),
        owned(pod("ai", "big-0", &[("role", "leader")]), "apps/v1", "StatefulSet", "big"),
        owned(object("apps/v1", "StatefulSet", "ai", "big-0"), "v1", "Pod", "big-0"),
        owned(pod("ai", "big-0-1", &[("role", "worker")]), "apps/v1", "StatefulSet", "big-0"),
        pod("ai", "lone", &[("app.kubernetes.io/name", "lone"), ("tier", "gpu")]),
    ]);
    let names = ["vllm-1-0", "vllm-1-1", "triton-0", "triton-1", "big-0", "big-0-1", "lone"];
    let series = names.iter().zip(0..).map(|(name, power)| (of_pod("ai", name), 2_f64.powi(power))).collect();
    (objects, series)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_speaks_of_labels_and_of_owners() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.put(objects);
    let site = Site::of(cluster, &series, &[]).await;
    let client = site.aggregator.hpa_controller();
    reads(&client, "", "127").await;
    for (selector, expected) in [
        ("app=vllm", "3"),
        ("app in (vllm,triton)", "15"),
        ("app!=vllm", "124"),
        ("!app", "112"),
        ("app.kubernetes.io/name=lone", "64"),
        ("tier", "64"),
        ("deployment=vllm", "3"),
        ("replicaset=vllm-1", "3"),
        ("statefulset=triton", "12"),
        ("leaderworkerset=big", "48"),
        ("leaderworkerset=big,role=worker", "32"),
        ("workload=vllm", "3"),
        ("workload=triton", "12"),
        ("workload=big", "48"),
        ("workload in (vllm,big)", "51"),
        ("!workload", "64"),
        ("deployment", "3"),
        ("deployment=vllm,pod=vllm-1-0", "1"),
        // What the series say themselves.
        ("model_name=m,app=triton", "12"),
        ("pod=lone", "64"),
    ] {
        assert_eq!(client.quantity("ai", WAITING, selector).await, expected, "{selector}");
    }
    for selector in ["deployment=none", "deployment=vllm,statefulset=triton", "app=vllm,tier=gpu"] {
        let problem = client.problem("ai", WAITING, selector).await;
        assert_eq!(problem.code, 503, "{selector}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_or_going_does_not_count() {
    let cluster = Cluster::start().await;
    let (objects, mut series) = population();
    cluster.put(objects);
    // Of another cluster, or of yesterday.
    series.push((of_pod("ai", "stranger"), 1_000.0));
    let site = Site::of(cluster, &series, &[]).await;
    let (client, api) = (site.aggregator.hpa_controller(), &site.cluster.api);
    reads(&client, "", "127").await;
    api.remove("v1", "Pod", "ai", "vllm-1-0");
    reads(&client, "", "126").await;
    let now = jiff::Timestamp::now().to_string();
    let ending = json!({ "metadata": { "deletionTimestamp": now, "deletionGracePeriodSeconds": 30 } });
    api.merge("v1", "Pod", "ai", "vllm-1-1", &ending);
    reads(&client, "", "124").await;
    api.merge("v1", "Pod", "ai", "triton-0", &json!({ "status": { "phase": "Succeeded" } }));
    reads(&client, "", "120").await;
    api.merge("v1", "Pod", "ai", "triton-1", &json!({ "status": { "phase": "Failed" } }));
    reads(&client, "", "112").await;
    let problem = client.problem("ai", WAITING, "deployment=vllm").await;
    assert_eq!(problem.code, 503, "{problem}");
    api.put(pod("ai", "stranger", &[]));
    reads(&client, "", "1112").await;
    // A change of labels counts at once.
    api.merge("v1", "Pod", "ai", "stranger", &json!({ "metadata": { "labels": { "app": "triton" } } }));
    reads(&client, "app=triton", "1000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_pods_before_all_are_known() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.put(objects);
    cluster.api.hold("pods");
    let front = Front::start(None, Answer::Series(series)).await;
    let (server, aggregator) = cluster.serve(&["--prometheus-url", &front.url()]).await;
    let client = aggregator.hpa_controller();
    // A sum of those that happen to be known already would be too small, and nobody could tell.
    let problem = client.problem("ai", WAITING, "deployment=vllm").await;
    assert_eq!(problem.code, 503, "{problem}");
    assert_eq!(server.client.get_as("/livez", "*/*").await.status, 200);
    cluster.api.release("pods");
    reads(&client, "deployment=vllm", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_come_after_their_pods_are_found() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.api.hold("replicasets.apps");
    cluster.put(objects);
    let front = Front::start(None, Answer::Series(series)).await;
    let (_server, aggregator) = cluster.serve(&["--prometheus-url", &front.url()]).await;
    let client = aggregator.hpa_controller();
    let early = client.value("ai", WAITING, "deployment=vllm").await;
    assert!(early.is_err(), "{early:?}: whose the pods are is not known yet");
    cluster.api.release("replicasets.apps");
    reads(&client, "deployment=vllm", "3").await;

    // A new Deployment, its pods first.
    let mut later = deployment("ai", "later", 1);
    later.reverse();
    cluster.put(later);
    front.set(Answer::Series(vec![(of_pod("ai", "later-1-0"), 5.0), (of_pod("ai", "vllm-1-0"), 1.0)]));
    reads(&client, "deployment=later", "5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_take_no_more_than_is_needed_and_survive_expiry() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.put(objects);
    let site = Site::of(cluster, &series, &[]).await;
    let (client, api) = (site.aggregator.hpa_controller(), &site.cluster.api);
    reads(&client, "workload=vllm", "3").await;
    let seen = api.seen();
    for owners in ["replicasets", "statefulsets"] {
        let mut lists =
            seen.iter().filter(|request| request.path.ends_with(&format!("/{owners}"))).peekable();
        assert!(lists.peek().is_some(), "{owners} are not watched");
        assert!(lists.all(|request| request.accept.contains("as=PartialObjectMetadata")), "{owners}");
    }
    // Lists of many pods come in pages.
    let pods =
        seen.iter().find(|one| one.path == "/api/v1/pods" && !one.query.contains("watch=")).expect("a list");
    assert!(pods.query.contains("limit="), "{}", pods.query);

    api.expire_watches();
    api.remove("v1", "Pod", "ai", "vllm-1-0");
    reads(&client, "workload=vllm", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaderworkerset_installed_later_is_known() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    let (theirs, others): (Vec<Json>, Vec<Json>) =
        objects.into_iter().partition(|object| object["kind"] == "LeaderWorkerSet");
    cluster.put(others);
    let site = Site::of(cluster, &series, &[]).await;
    let client = site.aggregator.hpa_controller();
    reads(&client, "workload=vllm", "3").await;
    site.cluster.put(theirs);
    // Who owns them is written on their StatefulSet; the owner itself need not be read.
    reads(&client, "leaderworkerset=big", "48").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_hpa_asks_for_is_there_before_it_asks() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.put(objects);
    let metrics = json!([external(WAITING, &json!({ "deployment": "vllm" }), "5")]);
    cluster.api.put(hpa("ai", "vllm", &metrics));
    let site = Site::of(cluster, &series, &[]).await;
    let asked = |word: &str| site.front.queries().iter().any(|query| query.contains(word));
    until("its signal is read", seconds(20), async || {
        if asked("vllm:num_requests_waiting") { Ok(()) } else { Err("nobody has asked the source") }
    })
    .await;
    assert!(!asked("vllm:kv_cache_usage_perc"), "what nobody wants is not read: {:?}", site.front.queries());

    // One that is created now.
    let metrics = json!([external("inference_kv_cache_utilization", &json!({ "app": "triton" }), "800m")]);
    site.cluster.api.put(hpa("ai", "triton", &metrics));
    until("its signal is read too", seconds(20), async || {
        if asked("vllm:kv_cache_usage_perc") { Ok(()) } else { Err("nobody has asked the source") }
    })
    .await;
}

/// A site on a real Prometheus.
async fn on_prometheus(cluster: &Cluster, prometheus: &Prometheus) -> (Server, Client) {
    let (server, aggregator) = cluster.serve(&["--prometheus-url", prometheus.url()]).await;
    (server, aggregator.hpa_controller())
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_series_without_a_pod_are_joined_by_address() {
    let cluster = Cluster::start().await;
    let mut objects = deployment("ai", "vllm", 2);
    objects[2] = at(objects[2].take(), "10.1.0.5");
    objects[3] = at(objects[3].take(), "fd00::6");
    cluster.put(objects);
    let pages = Exposition::start().await;
    let page = |count: u32| {
        format!(
            "vllm:num_requests_waiting{{model_name=\"m\"}} {count}\nvllm:num_requests_running{{model_name=\"m\"}} 1\n"
        )
    };
    let addresses = [("10.1.0.5:8000", 3), ("[fd00::6]:8000", 4), ("10.9.9.9:8000", 100)];
    let targets = addresses.map(|(address, count)| {
        let path = format!("/{count}");
        pages.set(&path, page(count));
        let mut target = pages.target("engines", &path, &[]);
        target.labels.insert("instance".to_owned(), address.to_owned());
        target
    });
    let prometheus = Prometheus::start(&targets).await;
    let (_server, client) = on_prometheus(&cluster, &prometheus).await;
    reads(&client, "deployment=vllm", "7").await;
    assert_eq!(client.quantity("ai", WAITING, "pod=vllm-1-0").await, "3");
    assert_eq!(client.quantity("ai", WAITING, "").await, "7", "10.9.9.9 is nobody's");
    let problem = client.problem("other", WAITING, "").await;
    assert_eq!(problem.code, 503, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_series_with_a_pod_answer_selectors_of_the_cluster() {
    let cluster = Cluster::start().await;
    let (objects, series) = population();
    cluster.put(objects);
    let pages = Exposition::start().await;
    let targets: Vec<_> = series
        .iter()
        .map(|(labels, value)| {
            let page = format!(
                "vllm:num_requests_waiting{{model_name=\"m\"}} {value}\nvllm:num_requests_running{{model_name=\"m\"}} 1\n"
            );
            pages.pod("ai", labels["pod"].as_str().expect("a name"), page)
        })
        .collect();
    let prometheus = Prometheus::start(&targets).await;
    let (_server, client) = on_prometheus(&cluster, &prometheus).await;
    for (selector, expected) in
        [("", "127"), ("deployment=vllm", "3"), ("leaderworkerset=big", "48"), ("tier=gpu", "64")]
    {
        reads(&client, selector, expected).await;
    }
}
