//! The recipes, with the real HPA controller in place of the algorithm in the core.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{Admin, ControlPlane, Installation, installation};
use crate::recipes::cases::recipes;
use crate::recipes::stage::{Case, PROMETHEUS, Recipe, autoscaler, configuration, remembering};
use crate::support::{replace_file, seconds, until};

/// What needs `minReplicas: 0`, which the API server of today does not take.
const FROM_ZERO: [&str; 2] = ["scale-to-zero", "night-batch"];

/// The metrics of all recipes as those of one server.
fn together(recipes: &[Recipe], url: &str) -> String {
    let mut yaml = format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - {{ name: main, prometheus: {{ url: \"{url}\" }} }}\nmetrics:\n"
    );
    let mut seen = Vec::new();
    for own in recipes.iter().filter_map(|recipe| configuration(recipe.slug)) {
        assert!(own.contains(PROMETHEUS));
        let (_, metrics) = own.split_once("\nmetrics:\n- name: ").expect("metrics");
        for metric in metrics.split("\n- name: ") {
            let name = metric.lines().next().expect("a name").to_owned();
            if !seen.contains(&name) {
                writeln!(yaml, "- name: {}", metric.trim_end()).expect("memory");
                seen.push(name);
            }
        }
    }
    yaml
}

/// The Deployment of a case with its pods, which all are ready, and then its HPA.
async fn set(admin: &Admin, recipe: &Recipe, case: &Case) {
    let autoscaler = autoscaler(recipe.slug);
    let (namespace, name) = (recipe.namespace(case), autoscaler.deployment());
    let metadata = |name: &str| json!({ "namespace": namespace, "name": name });
    let containers = json!([{ "name": "engine", "image": "engine.example/engine:1" }]);
    let spec = json!({
        "replicas": case.replicas,
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": containers } },
    });
    let of = |kind: &str, name: &str| json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": metadata(name), "spec": spec });
    admin.apply(&installation::namespace(&namespace)).await;
    let deployment = admin.create(&of("Deployment", name)).await;
    let mut set = of("ReplicaSet", &format!("{name}-1"));
    set["metadata"]["ownerReferences"] = owned_by(&deployment);
    let set = admin.create(&set).await;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for index in 0..case.replicas {
        let mut metadata = metadata(&format!("{name}-1-{index}"));
        metadata["labels"] = json!({ "app": name });
        metadata["ownerReferences"] = owned_by(&set);
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata });
        let mut whole = pod.clone();
        whole["spec"] = json!({ "nodeName": "gpu-node-1", "containers": containers });
        admin.create(&whole).await;
        pod["status"] = json!({
            "phase": "Running", "startTime": now,
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": now }],
        });
        admin.merge_status(&pod).await;
    }
    let mut status = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name) });
    status["status"] = json!({ "replicas": case.replicas, "readyReplicas": case.replicas });
    admin.merge_status(&status).await;
    let mut hpa = autoscaler.placed(&namespace, case.replicas);
    hpa.as_object_mut().expect("an object").remove("status");
    admin.apply(&hpa).await;
}

fn owned_by(owner: &Json) -> Json {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": true,
    }])
}

/// What the controller makes of a case: the replicas that it set, once it did so or said that none need be.
async fn outcome(admin: &Admin, recipe: &Recipe, case: &Case) -> Result<String, String> {
    let autoscaler = autoscaler(recipe.slug);
    let hpa = admin.get(&autoscaler.placed(&recipe.namespace(case), case.replicas)).await;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "namespace": recipe.namespace(case), "name": autoscaler.deployment() },
    });
    let replicas = admin.get(&deployment).await["spec"]["replicas"].as_u64();
    let conditions = hpa.pointer("/status/conditions").and_then(Json::as_array);
    let active = conditions.into_iter().flatten().find(|one| one["type"] == "ScalingActive");
    let Some(active) = active else { return Err("nothing is decided yet".to_owned()) };
    let is_known = case.is_lost || active["status"] == "True";
    let told = format!("{} {}", active["reason"], active["message"]);
    if replicas == Some(u64::from(case.replicas_then)) && is_known {
        Ok(active["reason"].as_str().unwrap_or_default().to_owned())
    } else {
        Err(format!("{replicas:?} replicas and not {}: {told}", case.replicas_then))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_recipes() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let recipes: Vec<Recipe> =
        recipes().into_iter().filter(|recipe| !FROM_ZERO.contains(&recipe.slug)).collect();
    let (_prometheus, front) = remembering(&recipes).await;
    let config = plane.file("config.yaml");
    replace_file(&config, together(&recipes, &front.url()));
    let replica = inferometer.replica(&["--config", config.to_str().expect("UTF-8")]).await;
    inferometer.register(&replica).await;
    for recipe in &recipes {
        for case in &recipe.cases {
            set(&inferometer.admin, recipe, case).await;
        }
    }
    println!("\n| recipe | case | replicas | the controller sets | and says |\n|---|---|---|---|---|");
    for recipe in &recipes {
        for case in &recipe.cases {
            let what = recipe.namespace(case);
            let reason =
                until(&what, seconds(90), async || outcome(&inferometer.admin, recipe, case).await).await;
            let (now, then) = (case.replicas, case.replicas_then);
            println!("| {} | {} | {now} | {then} | {reason} |", recipe.slug, case.name);
        }
    }
}
