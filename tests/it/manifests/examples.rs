//! The example workloads: complete, known field by field, and scaled by metrics that exist.

use std::path::Path;

use serde_json::Value as Json;

use super::kinds::faults;
use super::render::{ROOT, list, objects, of_kind, text};

/// Every example by its file name.
fn examples() -> Vec<(String, Vec<Json>)> {
    let folder = Path::new(ROOT).join("manifests/examples");
    let mut examples: Vec<_> = std::fs::read_dir(folder)
        .expect("the examples are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, objects(&std::fs::read_to_string(&path).expect("it can be read")))
        })
        .collect();
    examples.sort_by(|one, other| one.0.cmp(&other.0));
    examples
}

/// Our own configuration is no object of the cluster.
fn of_cluster(objects: &[Json]) -> impl Iterator<Item = &Json> {
    objects.iter().filter(|object| text(object, "/kind") != "Configuration")
}

#[test]
fn every_field_of_every_example_is_known() {
    for (name, objects) in examples() {
        for object in of_cluster(&objects) {
            assert_eq!(faults(object), Vec::<String>::new(), "{name}");
        }
    }
}

/// The pods of an example that serves: a Deployment's, or what KServe makes pods of.
fn pods(objects: &[Json]) -> Option<&Json> {
    let deployment = of_kind(objects, "Deployment").first().map(|object| &object["spec"]["template"]["spec"]);
    deployment
        .or_else(|| of_kind(objects, "InferenceService").first().map(|object| &object["spec"]["predictor"]))
}

#[test]
fn every_engine_is_shown_whole() {
    let examples = examples();
    for engine in ["vllm.yaml", "sglang.yaml", "triton.yaml", "kserve.yaml", "ray-serve.yaml"] {
        let (_, objects) = examples.iter().find(|(name, _)| name == engine).expect(engine);
        let pod = pods(objects).expect(engine);
        let container = pod.get("model").unwrap_or(&pod["containers"][0]);
        // Models take minutes to load.
        let probe = &container["startupProbe"];
        let patience =
            probe["periodSeconds"].as_u64().unwrap_or(10) * probe["failureThreshold"].as_u64().unwrap_or(3);
        assert!(patience >= 600, "{engine}: {patience} s to start");
        // What is being answered is answered to its end.
        assert!(container.pointer("/lifecycle/preStop").is_some(), "{engine}");
        assert!(pod["terminationGracePeriodSeconds"].as_u64() >= Some(120), "{engine}");
        let gpus = container.pointer("/resources/limits/nvidia.com~1gpu");
        assert!(gpus.is_some(), "{engine}");
        let nodes = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        assert!(!list(pod, nodes).is_empty(), "{engine}");
        let spread: Vec<_> =
            list(pod, "/topologySpreadConstraints").iter().map(|one| text(one, "/topologyKey")).collect();
        assert!(spread.contains(&"karpenter.sh/capacity-type"), "{engine}: {spread:?}");
        assert_eq!(of_kind(objects, "PodDisruptionBudget").len(), 1, "{engine}");

        let [hpa] = of_kind(objects, "HorizontalPodAutoscaler")[..] else { panic!("{engine}: one HPA") };
        let behavior = &hpa["spec"]["behavior"];
        assert!(behavior["scaleUp"]["stabilizationWindowSeconds"].as_u64() <= Some(30), "{engine}");
        assert!(behavior["scaleDown"]["stabilizationWindowSeconds"].as_u64() >= Some(300), "{engine}");
        assert_eq!(behavior["scaleDown"]["policies"][0]["value"], 1, "{engine}");
        scales_what_is_there(engine, hpa, objects);
    }
}

/// Its target is made by this example, and its selector means that target.
fn scales_what_is_there(engine: &str, hpa: &Json, objects: &[Json]) {
    let target = text(hpa, "/spec/scaleTargetRef/name");
    let made = of_kind(objects, "Deployment").iter().any(|object| text(object, "/metadata/name") == target)
        || of_kind(objects, "InferenceService")
            .iter()
            .any(|object| format!("{}-predictor", text(object, "/metadata/name")) == target);
    assert!(made, "{engine}: {target}");
    let metrics = list(hpa, "/spec/metrics");
    assert!(!metrics.is_empty(), "{engine}");
    for metric in metrics.iter().filter(|metric| text(metric, "/type") == "External") {
        assert_eq!(text(metric, "/external/metric/selector/matchLabels/deployment"), target, "{engine}");
    }
}

#[test]
fn budgets_and_services_meet_pods() {
    for (name, objects) in examples() {
        for deployment in of_kind(&objects, "Deployment").into_iter().chain(of_kind(&objects, "DaemonSet")) {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let ports = list(deployment, "/spec/template/spec/containers/0/ports");
            let meets = |selector: &Json| {
                let mut wanted = selector.as_object().expect("a selector").iter();
                wanted.all(|(label, value)| labels.get(label) == Some(value))
            };
            assert!(meets(&deployment["spec"]["selector"]["matchLabels"]), "{name}");
            for service in of_kind(&objects, "Service") {
                assert!(meets(&service["spec"]["selector"]), "{name}");
                for port in list(service, "/spec/ports") {
                    assert!(ports.iter().any(|known| known["name"] == port["targetPort"]), "{name}: {port}");
                }
            }
            for budget in of_kind(&objects, "PodDisruptionBudget") {
                assert!(meets(&budget["spec"]["selector"]["matchLabels"]), "{name}");
            }
            for monitor in of_kind(&objects, "PodMonitor") {
                assert!(meets(&monitor["spec"]["selector"]["matchLabels"]), "{name}");
                let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
                assert!(ports.iter().any(|known| known["name"] == *port), "{name}: {port}");
            }
        }
    }
}
