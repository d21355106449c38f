//! The fake API server: what the other tests rely on, seen by kubectl and by the client that we use.

use std::process::Command;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt as _};
use serde_json::json;

use crate::support::command::{output, text};
use crate::support::objects::{object, pod};
use crate::support::{ApiServer, Fault, Grant, seconds};

async fn client(api: &ApiServer) -> Client {
    inferometer::server::tls::install_crypto_provider();
    let kubeconfig = Kubeconfig::from_yaml(&api.kubeconfig()).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a configuration");
    // Faults are to be seen, not overcome.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// The code of a refusal.
fn code<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("{other:?} is no refusal"),
    }
}

fn configmap(name: &str, data: &serde_json::Value) -> ConfigMap {
    let mut map = object("v1", "ConfigMap", "ai", name);
    map["data"] = data.clone();
    serde_json::from_value(map).expect("a ConfigMap")
}

#[tokio::test]
async fn objects_are_created_changed_and_removed_under_versions() {
    let api = ApiServer::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(client(&api).await, "ai");
    let post = PostParams::default();
    let first = maps.create(&post, &configmap("a", &json!({ "k": "1" }))).await.expect("created");
    assert_eq!(code(maps.create(&post, &configmap("a", &json!({}))).await), 409);

    let mut second = first.clone();
    second.data = Some([("k".to_owned(), "2".to_owned())].into());
    let second = maps.replace("a", &post, &second).await.expect("replaced");
    assert_ne!(first.resource_version(), second.resource_version());
    assert_eq!((second.uid(), second.metadata.creation_timestamp.is_some()), (first.uid(), true));
    assert_eq!(code(maps.replace("a", &post, &first).await), 409, "the version is an old one");

    let own = PatchParams::default();
    let merged = maps.patch("a", &own, &Patch::Merge(json!({ "data": { "k": null, "l": "3" } }))).await;
    assert_eq!(merged.expect("merged").data.expect("data"), [("l".to_owned(), "3".to_owned())].into());
    let stale = json!({ "metadata": { "resourceVersion": "1" }, "data": { "k": "9" } });
    assert_eq!(code(maps.patch("a", &own, &Patch::Merge(stale)).await), 409);

    let applied = configmap("b", &json!({ "k": "1" }));
    let apply = PatchParams::apply("test");
    let created = maps.patch("b", &apply, &Patch::Apply(&applied)).await.expect("applied");
    let again = maps.patch("b", &apply, &Patch::Apply(&applied)).await.expect("applied again");
    assert_eq!(created.resource_version(), again.resource_version(), "nothing changed");

    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(code(maps.get("a").await), 404);
    assert!(
        api.get("v1", "ConfigMap", "ai", "b").is_some() && api.get("v1", "ConfigMap", "ai", "a").is_none()
    );

    let secrets: Api<Secret> = Api::namespaced(client(&api).await, "ai");
    let mut secret = object("v1", "Secret", "ai", "s");
    secret["stringData"] = json!({ "k": "v" });
    let secret = serde_json::from_value(secret).expect("a Secret");
    let secret = secrets.create(&post, &secret).await.expect("created");
    assert_eq!(secret.data.expect("data")["k"].0, b"v");
}

#[tokio::test]
async fn json_patches_apply_whole_or_not_at_all() {
    let api = ApiServer::start().await;
    api.put(object("v1", "ConfigMap", "ai", "a"));
    let client = client(&api).await;
    let patch = async |operations: serde_json::Value| {
        let request = http::Request::patch("/api/v1/namespaces/ai/configmaps/a")
            .header("content-type", "application/json-patch+json")
            .body(operations.to_string().into_bytes())
            .expect("a request");
        client.request::<ConfigMap>(request).await
    };
    let add = json!({ "op": "add", "path": "/data", "value": { "a/b": "1" } });
    patch(json!([add])).await.expect("added");
    let test = json!({ "op": "test", "path": "/data/a~1b", "value": "1" });
    let replace = json!({ "op": "replace", "path": "/data/a~1b", "value": "2" });
    assert_eq!(patch(json!([test, replace])).await.expect("replaced").data.expect("data")["a/b"], "2");
    assert_eq!(code(patch(json!([replace, test])).await), 422);
    assert_eq!(code(patch(json!([{ "op": "remove", "path": "/data/none" }])).await), 422);
    let left = api.get("v1", "ConfigMap", "ai", "a").expect("it is there");
    assert_eq!(left["data"]["a/b"], "2");
}

#[tokio::test]
async fn lists_are_cut_into_pages_and_selected_from() {
    let api = ApiServer::start().await;
    for index in 0..5 {
        let app = if index < 3 { "vllm" } else { "sglang" };
        api.put(pod("ai", &format!("p{index}"), &[("app", app)]));
    }
    api.put(pod("other", "p9", &[("app", "vllm")]));
    let client = client(&api).await;
    let all: Api<Pod> = Api::all(client.clone());
    let page = all.list(&ListParams::default().limit(4)).await.expect("a page");
    let rest = page.metadata.continue_.clone().expect("there is more");
    assert_eq!((page.items.len(), page.metadata.remaining_item_count), (4, Some(2)));
    let page = all.list(&ListParams::default().limit(4).continue_token(&rest)).await.expect("a page");
    let names: Vec<String> = page.items.iter().map(kube::ResourceExt::name_any).collect();
    assert_eq!((names, page.metadata.continue_), (vec!["p4".to_owned(), "p9".to_owned()], None));

    let ai: Api<Pod> = Api::namespaced(client, "ai");
    let count = async |params: ListParams| ai.list(&params).await.expect("a list").items.len();
    assert_eq!(count(ListParams::default()).await, 5);
    assert_eq!(count(ListParams::default().labels("app in (vllm),none!=x")).await, 3);
    assert_eq!(count(ListParams::default().fields("metadata.name=p4")).await, 1);
    assert_eq!(count(ListParams::default().fields("status.phase!=Running")).await, 0);
    let metadata = ai.list_metadata(&ListParams::default()).await.expect("a list");
    assert_eq!(metadata.items[0].metadata.name.as_deref(), Some("p0"));
    let seen = api.seen();
    assert!(seen.last().expect("requests").accept.contains("as=PartialObjectMetadataList"));

    // A page of a list that has been forgotten since.
    api.expire_watches();
    assert_eq!(code(all.list(&ListParams::default().continue_token(&rest)).await), 410);
}

/// The next of what a watch tells, in brief: `ADDED p0`.
async fn next(
    watch: &mut (impl futures_util::Stream<Item = kube::Result<WatchEvent<Pod>>> + Unpin),
) -> String {
    let event = tokio::time::timeout(seconds(10), watch.try_next()).await.expect("something comes");
    match event.expect("no failure").expect("no end") {
        WatchEvent::Added(pod) => format!("ADDED {}", pod.name_any()),
        WatchEvent::Modified(pod) => format!("MODIFIED {}", pod.name_any()),
        WatchEvent::Deleted(pod) => format!("DELETED {}", pod.name_any()),
        WatchEvent::Bookmark(_) => "BOOKMARK".to_owned(),
        WatchEvent::Error(status) => format!("ERROR {}", status.code),
    }
}

#[tokio::test]
async fn a_watch_tells_all_that_happened_since_its_version() {
    let api = ApiServer::start().await;
    api.put(pod("ai", "p0", &[("app", "vllm")]));
    let pods: Api<Pod> = Api::namespaced(client(&api).await, "ai");
    let version = pods.list(&ListParams::default()).await.expect("a list").metadata.resource_version;
    let version = version.expect("a version");
    api.put(pod("ai", "p1", &[("app", "vllm")]));
    api.put(pod("other", "p2", &[("app", "vllm")]));

    let params = WatchParams::default().labels("app=vllm").disable_bookmarks();
    let mut watch = Box::pin(pods.watch(&params, &version).await.expect("a watch"));
    assert_eq!(next(&mut watch).await, "ADDED p1");
    api.merge("v1", "Pod", "ai", "p1", &json!({ "status": { "phase": "Failed" } }));
    assert_eq!(next(&mut watch).await, "MODIFIED p1");
    // Out of the selector is gone for this watch, and into it is new.
    api.merge("v1", "Pod", "ai", "p0", &json!({ "metadata": { "labels": { "app": "other" } } }));
    assert_eq!(next(&mut watch).await, "DELETED p0");
    api.merge("v1", "Pod", "ai", "p0", &json!({ "metadata": { "labels": { "app": "vllm" } } }));
    assert_eq!(next(&mut watch).await, "ADDED p0");
    api.remove("v1", "Pod", "ai", "p0");
    assert_eq!(next(&mut watch).await, "DELETED p0");

    // What is held comes late, and all of it.
    api.hold("pods");
    api.put(pod("ai", "p3", &[("app", "vllm")]));
    let early = tokio::time::timeout(Duration::from_millis(200), next(&mut watch)).await;
    assert!(early.is_err(), "{early:?}");
    api.release("pods");
    assert_eq!(next(&mut watch).await, "ADDED p3");

    api.expire_watches();
    assert_eq!(next(&mut watch).await, "ERROR 410");
    assert!(watch.try_next().await.expect("no failure").is_none(), "it has ended");
    let mut late = Box::pin(pods.watch(&WatchParams::default(), &version).await.expect("a watch"));
    assert_eq!(next(&mut late).await, "ERROR 410");
    let mut anew = Box::pin(pods.watch(&WatchParams::default(), "0").await.expect("a watch"));
    assert_eq!([next(&mut anew).await, next(&mut anew).await], ["ADDED p1", "ADDED p3"]);
    assert_eq!(next(&mut anew).await, "BOOKMARK");
    let streaming = pods.watch(&WatchParams::default().initial_events(), "0").await;
    assert_eq!(code(streaming.map(drop)), 422, "an API server without streaming lists");
}

#[tokio::test]
async fn a_watch_of_metadata_has_nothing_else() {
    let api = ApiServer::start().await;
    api.put(object("apps/v1", "Deployment", "ai", "vllm"));
    let deployments: Api<Deployment> = Api::all(client(&api).await);
    let watch = deployments.watch_metadata(&WatchParams::default(), "0").await.expect("a watch");
    let mut watch = Box::pin(watch);
    let first =
        tokio::time::timeout(seconds(10), watch.try_next()).await.expect("in time").expect("no failure");
    let Some(WatchEvent::Added(metadata)) = first else { panic!("{first:?}") };
    assert_eq!(metadata.name_any(), "vllm");
    assert_eq!(metadata.types.expect("types").kind, "PartialObjectMetadata");
}

#[tokio::test]
async fn reviews_follow_the_grants_and_are_kept() {
    let api = ApiServer::start().await;
    api.grant(Grant::external("alice", "ai", "inference_requests_waiting"));
    let reviews: Api<SubjectAccessReview> = Api::all(client(&api).await);
    let ask = async |namespace: &str| {
        let spec = SubjectAccessReviewSpec {
            user: Some("alice".to_owned()),
            resource_attributes: Some(ResourceAttributes {
                group: Some("external.metrics.k8s.io".to_owned()),
                resource: Some("inference_requests_waiting".to_owned()),
                namespace: Some(namespace.to_owned()),
                verb: Some("list".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let review = reviews.create(&PostParams::default(), &review).await.expect("a review");
        review.status.expect("a status").allowed
    };
    assert!(ask("ai").await && !ask("other").await);
    assert_eq!(api.reviews_of("alice").len(), 2);
    assert!(api.reviews_of("bob").is_empty());
}

#[tokio::test]
async fn faults_come_and_go() {
    let api = ApiServer::plain().await;
    api.put(object("v1", "ConfigMap", "ai", "a"));
    let maps: Api<ConfigMap> = Api::namespaced(client(&api).await, "ai");
    api.fault(Fault::Fail(500));
    assert_eq!(code(maps.get("a").await), 500);
    api.fault(Fault::Hang);
    let hanging = tokio::time::timeout(Duration::from_millis(200), maps.get("a")).await;
    assert!(hanging.is_err(), "{hanging:?}");
    api.fault(Fault::Refuse);
    assert!(!matches!(maps.get("a").await, Ok(_) | Err(kube::Error::Api(_))), "no answer at all");
    api.fault(None);
    maps.get("a").await.expect("as if nothing had been");
    api.fault_on("configmaps/a", Fault::Fail(503));
    assert_eq!(code(maps.get("a").await), 503);
    maps.list(&ListParams::default()).await.expect("another path");
    api.fault_on("configmaps/a", None);
    api.forbid("get", "configmaps", true);
    assert_eq!(code(maps.get("a").await), 403);
    api.forbid("get", "configmaps", false);
    maps.get("a").await.expect("allowed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_its_way() {
    let api = ApiServer::start().await;
    api.put(pod("ai", "vllm-0", &[("app", "vllm")]));
    let home = tempfile::tempdir().expect("a temporary directory");
    let kubeconfig = home.path().join("kubeconfig");
    api.write_kubeconfig(&kubeconfig);
    let kubectl = async |args: &[&str]| {
        let mut command = Command::new("kubectl");
        // A cache of its own each time: what is served changes.
        let cache = tempfile::tempdir().expect("a temporary directory");
        command
            .args(args)
            .arg("--cache-dir")
            .arg(cache.path())
            .env("HOME", home.path())
            .env("KUBECONFIG", &kubeconfig);
        let output = tokio::task::spawn_blocking(move || output(&mut command)).await.expect("no panic");
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(kubectl(&["get", "pods", "-n", "ai", "-l", "app=vllm", "-o", "name"]).await, "pod/vllm-0\n");
    let kinds = kubectl(&["api-resources", "-o", "name"]).await;
    assert!(kinds.contains("deployments.apps\n") && !kinds.contains("leaderworkersets"), "{kinds}");
    api.install("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet");
    let kinds = kubectl(&["api-resources", "-o", "name"]).await;
    assert!(kinds.contains("leaderworkersets.leaderworkerset.x-k8s.io\n"), "{kinds}");
    kubectl(&["label", "pod", "-n", "ai", "vllm-0", "tier=gpu"]).await;
    kubectl(&["delete", "pod", "-n", "ai", "vllm-0", "--wait=false"]).await;
    assert!(api.get("v1", "Pod", "ai", "vllm-0").is_none());
}
