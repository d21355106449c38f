//! From installation to the end of it: available soon, found by kubectl, and gone without a trace.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::installation::{NAMESPACE, REGISTRATIONS, namespace, port, registration};
use super::{ControlPlane, Installation};
use crate::manifests::render::{ROOT, kubectl};
use crate::support::command::{output, text};
use crate::support::front::{Answer, Front};
use crate::support::{EXTERNAL, seconds, until};

const METRIC: &str = "inference_requests_waiting";

/// Runs kubectl as somebody who may do everything, with caches of its own: what it says is not an old answer.
struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    async fn run(&self, args: &[&str]) -> Output {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(kubectl());
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        command.env("HOME", home.path()).current_dir(ROOT);
        tokio::task::spawn_blocking(move || output(&mut command)).await.expect("no panic")
    }

    async fn says(&self, args: &[&str]) -> String {
        self.tries(args).await.unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    async fn tries(&self, args: &[&str]) -> Result<String, String> {
        let output = self.run(args).await;
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    async fn raw(&self, path: &str) -> Json {
        serde_json::from_str(&self.says(&["get", "--raw", path]).await).expect("JSON")
    }
}

/// Makes a namespace and sees it go: what a registration without a server would prevent.
async fn assert_namespaces_go(inferometer: &Installation, name: &str) {
    inferometer.admin.apply(&namespace(name)).await;
    let began = Instant::now();
    inferometer.admin.delete(&namespace(name)).await;
    inferometer.admin.wait_until_gone(&namespace(name), 30).await;
    println!("a namespace was gone {:?} after its deletion", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_registration() {
    let plane = ControlPlane::start().await;
    let kubectl = Kubectl { kubeconfig: plane.admin_kubeconfig() };
    let inferometer = Installation::prepare(&plane).await;
    inferometer.admin.apply(&namespace("ai")).await;
    let pod = crate::support::objects::pod("ai", "vllm-0", &[("app", "vllm")]);
    inferometer.admin.create(&pod).await;
    inferometer
        .admin
        .merge_status(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "status": pod["status"],
        }))
        .await;
    let labels = json!({ "namespace": "ai", "pod": "vllm-0", "model_name": "m" });
    let front = Front::start(None, Answer::Series(vec![(labels, 5.0)])).await;

    // 2 s are promised; a busy machine gets more.
    let mut replica = inferometer.replica(&["--prometheus-url", &front.url()]).await;
    let took = inferometer.register(&replica).await;
    println!("available {took:?} after the registrations were applied");
    assert!(took < seconds(10), "available after {took:?}");

    found_by_kubectl(&kubectl).await;
    assert_namespaces_go(&inferometer, "short-lived").await;

    // Gone, the registrations say so, and namespaces have to wait.
    let port = port(&replica).to_string();
    replica.process.kill();
    until("its death is noticed", seconds(60), async || inferometer.unavailable().await.ok_or("available"))
        .await;
    inferometer.admin.apply(&namespace("stuck")).await;
    inferometer.admin.delete(&namespace("stuck")).await;
    until("the namespace cannot go", seconds(30), async || {
        let stuck = inferometer.admin.get(&namespace("stuck")).await;
        let said = stuck["status"].to_string();
        if said.contains("DiscoveryFailed") { Ok(()) } else { Err(said) }
    })
    .await;
    // Discovery needs no more than a caller who is known.
    let token = inferometer.admin.token(NAMESPACE, "inferometer").await;
    let began = Instant::now();
    let replica = inferometer.replica(&["--prometheus-url", &front.url(), "--secure-port", &port]).await;
    let caller = replica.client.sending(vec![("authorization".to_owned(), format!("Bearer {token}"))]);
    let discovery = until("discovery is answered", seconds(10), async || {
        let reply =
            caller.try_send(http::Method::GET, EXTERNAL, &[]).await.map_err(|error| format!("{error:?}"))?;
        if reply.status == 200 { Ok(began.elapsed()) } else { Err(reply.text()) }
    })
    .await;
    println!("discovery was answered {discovery:?} after the start of a new process");
    assert!(discovery < seconds(5), "discovery after {discovery:?}");
    inferometer.until_available().await;
    println!("available again {:?} after that start", began.elapsed());
    inferometer.admin.wait_until_gone(&namespace("stuck"), 60).await;
    println!("the namespace that waited was gone {:?} after that start", began.elapsed());

    uninstalled(&kubectl, &inferometer).await;
    drop(replica);
    assert_namespaces_go(&inferometer, "afterwards").await;
}

/// Lists, documents and numbers, as people ask for them.
async fn found_by_kubectl(kubectl: &Kubectl) {
    let resources = until("our resources are listed", seconds(90), async || {
        let resources = kubectl.tries(&["api-resources", "--no-headers"]).await?;
        let ours = |line: &str| line.starts_with(METRIC) && line.ends_with("ExternalMetricValueList");
        if resources.lines().any(ours) { Ok(resources) } else { Err(resources) }
    })
    .await;
    assert!(resources.contains("deployments"), "{resources}");
    let versions = kubectl.says(&["api-versions"]).await;
    for version in
        ["external.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"]
    {
        assert!(versions.lines().any(|line| line == version), "{versions}");
    }
    assert_eq!(kubectl.raw(CUSTOM).await["preferredVersion"]["version"], "v1beta2");
    // kubectl lists no subresources, and metrics of objects look like such.
    assert!(kubectl.raw(V1BETA2).await.to_string().contains(&format!("\"pods/{METRIC}\"")));

    let external = format!("{EXTERNAL}/namespaces/ai/{METRIC}?labelSelector=app%3Dvllm");
    let list = until("a number is read", seconds(20), async || {
        kubectl
            .tries(&["get", "--raw", &external])
            .await
            .and_then(|text| serde_json::from_str::<Json>(&text).map_err(|error| error.to_string()))
    })
    .await;
    assert_eq!((&list["kind"], &list["items"][0]["value"]), (&json!("ExternalMetricValueList"), &json!("5")));
    let of_pods = format!("/namespaces/ai/pods/*/{METRIC}?labelSelector=app%3Dvllm");
    let list = kubectl.raw(&format!("{CUSTOM}/v1beta1{of_pods}")).await;
    let item = &list["items"][0];
    assert_eq!(
        (&item["describedObject"]["name"], &item["metricName"]),
        (&json!("vllm-0"), &json!(METRIC)),
        "{list}"
    );
    let list = kubectl.raw(&format!("{V1BETA2}{of_pods}")).await;
    let item = &list["items"][0];
    assert_eq!(
        (&item["describedObject"]["name"], &item["metric"]["name"]),
        (&json!("vllm-0"), &json!(METRIC)),
        "{list}"
    );

    // What `kubectl explain` reads, through the aggregator.
    for group_version in ["external.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"] {
        let path = format!("apis/{group_version}");
        until("the index of OpenAPI v3 has us", seconds(90), async || {
            let index = kubectl.raw("/openapi/v3").await;
            let relative = index["paths"][&path]["serverRelativeURL"].as_str().ok_or("not there")?.to_owned();
            let document = kubectl.raw(&relative).await;
            let known = document.pointer("/components/schemas").and_then(Json::as_object).is_some();
            if known { Ok(()) } else { Err("no schemas") }
        })
        .await;
    }
    let definitions = until("OpenAPI v2 has us", seconds(90), async || {
        let document = kubectl.raw("/openapi/v2").await;
        let paths = document["paths"].as_object().ok_or("no paths")?;
        let ours = paths.keys().filter(|path| path.starts_with(EXTERNAL) || path.starts_with(CUSTOM)).count();
        if ours > 0 { Ok(ours) } else { Err("none of our paths") }
    })
    .await;
    println!("{definitions} of our paths in OpenAPI v2");
}

const CUSTOM: &str = "/apis/custom.metrics.k8s.io";
const V1BETA2: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// As `docs/operations.md` has it: registrations first.
async fn uninstalled(kubectl: &Kubectl, inferometer: &Installation) {
    let delete = |folder| ["delete", "--ignore-not-found", "--timeout=60s", "-k", folder];
    kubectl.says(&delete("apiservice")).await;
    kubectl.says(&delete("manifests/overlays/default")).await;
    for name in REGISTRATIONS {
        assert_eq!(inferometer.admin.find(&registration(name)).await, None, "{name} came back");
    }
    assert_eq!(inferometer.admin.find(&namespace(NAMESPACE)).await, None);
    let left: Vec<Json> = inferometer.admin.list(&registration("")).await;
    let ours = left.iter().filter(|service| service.pointer("/spec/service/name").is_some());
    assert_eq!(ours.count(), 0, "{left:?}");
}
