//! What the installed thing may do, and how it runs.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::render::{helm, list, name, of_kind, only, overlay, overlays, text};
use crate::support::command::inferometer;

/// The rules of every role that is made here.
fn rules(objects: &[Json]) -> Vec<(String, Json)> {
    let roles = of_kind(objects, "Role").into_iter().chain(of_kind(objects, "ClusterRole"));
    roles.flat_map(|role| list(role, "/rules").iter().map(|rule| (name(role), rule.clone()))).collect()
}

fn words(rule: &Json, field: &str) -> BTreeSet<String> {
    list(rule, &format!("/{field}")).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

#[test]
fn nothing_is_allowed_that_is_not_needed() {
    let metrics: BTreeSet<String> =
        ["external.metrics.k8s.io", "custom.metrics.k8s.io"].map(str::to_owned).into();
    for (overlay_name, _) in overlays() {
        let objects = overlay(overlay_name);
        let rules = rules(&objects);
        assert!(rules.len() > 5);
        for (role, rule) in &rules {
            let (groups, resources, verbs) =
                (words(rule, "apiGroups"), words(rule, "resources"), words(rule, "verbs"));
            let named = !words(rule, "resourceNames").is_empty();
            assert!(!verbs.contains("*") && !groups.contains("*"), "{role}: {rule}");
            assert!(!verbs.is_empty() && !words(rule, "apiGroups").is_empty(), "{role}: {rule}");
            assert!(rule.get("nonResourceURLs").is_none(), "{role}: {rule}");
            // Metrics are resources by their names; only there can all be meant.
            assert!(!resources.contains("*") || groups == metrics, "{role}: {rule}");
            // A Secret by its name, or making one.
            if resources.contains("secrets") {
                assert!(named || verbs == BTreeSet::from(["create".to_owned()]), "{role}: {rule}");
                assert!(role.starts_with("Role inferometer/"), "{role}: {rule}");
            }
            // Nothing is changed but by name.
            let reads = ["get", "list", "watch"].map(str::to_owned);
            let writes = verbs.iter().any(|verb| !reads.contains(verb));
            assert!(!writes || named || verbs.contains("create"), "{role}: {rule}");
        }
        // With a certificate of somebody else's, nothing is written but what budgets need.
        let of_budgets = |role: &str| role.ends_with("inferometer:budgets");
        let writes =
            rules.iter().any(|(role, rule)| !of_budgets(role) && !words(rule, "resourceNames").is_empty());
        assert_eq!(writes, overlay_name != "cert-manager");
    }
}

#[test]
fn every_binding_names_a_role_and_an_account_that_are_there() {
    // Kubernetes makes these itself.
    let built_in = ["system:auth-delegator", "extension-apiserver-authentication-reader"];
    for (overlay_name, _) in overlays() {
        let objects = overlay(overlay_name);
        let names: BTreeSet<String> = objects.iter().map(name).collect();
        let bindings =
            of_kind(&objects, "RoleBinding").into_iter().chain(of_kind(&objects, "ClusterRoleBinding"));
        let mut bound = 0;
        for binding in bindings {
            let (kind, role) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
            let place = if kind == "Role" { text(binding, "/metadata/namespace") } else { "" };
            assert!(
                built_in.contains(&role) || names.contains(&format!("{kind} {place}/{role}")),
                "{binding}"
            );
            for subject in list(binding, "/subjects") {
                let account = name(&json!({ "kind": "ServiceAccount", "metadata": subject }));
                assert!(
                    names.contains(&account)
                        || account == "ServiceAccount kube-system/horizontal-pod-autoscaler",
                    "{binding}"
                );
            }
            bound += 1;
        }
        assert!(bound >= 4, "{overlay_name}");
    }
}

/// The restricted Pod Security standard, control by control.
#[test]
fn the_pods_keep_to_the_restricted_standard() {
    for (overlay_name, _) in overlays() {
        let objects = overlay(overlay_name);
        let spec = &only(&objects, "Deployment")["spec"]["template"]["spec"];
        for field in ["hostNetwork", "hostPID", "hostIPC", "initContainers", "hostUsers"] {
            assert_eq!(spec.get(field), None, "{field}");
        }
        let security = &spec["securityContext"];
        assert_eq!(security["runAsNonRoot"], true);
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
        assert!(security["runAsUser"].as_u64().is_some_and(|user| user > 0));
        for field in ["sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile"] {
            assert_eq!(security.get(field), None, "{field}");
        }
        for volume in list(spec, "/volumes") {
            let kinds: Vec<_> =
                volume.as_object().expect("a volume").keys().filter(|key| *key != "name").collect();
            assert!(kinds == ["configMap"] || kinds == ["secret"], "{volume}");
        }
        let containers = list(spec, "/containers");
        assert_eq!(containers.len(), 1);
        for container in containers {
            let own = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(container["securityContext"], own);
            for port in list(container, "/ports") {
                assert_eq!(port.get("hostPort"), None);
            }
            for mount in list(container, "/volumeMounts") {
                assert_eq!(mount["readOnly"], true, "{mount}");
            }
        }
        let namespace = only(&objects, "Namespace");
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    }
}

#[test]
fn what_names_a_pod_or_a_port_meets_one() {
    for (overlay_name, _) in overlays() {
        let objects = overlay(overlay_name);
        let deployment = only(&objects, "Deployment");
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let ports = list(deployment, "/spec/template/spec/containers/0/ports");
        let named = |port: &Json| ports.iter().any(|known| known["name"] == *port);
        let selects = |selector: &Json| {
            let mut wanted = selector.as_object().expect("a selector").iter();
            wanted.all(|(label, value)| labels.get(label) == Some(value))
        };
        assert!(selects(&deployment["spec"]["selector"]["matchLabels"]));
        assert!(selects(&only(&objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]));
        let policy = only(&objects, "NetworkPolicy");
        assert!(selects(&policy["spec"]["podSelector"]["matchLabels"]));
        for port in list(policy, "/spec/ingress").iter().flat_map(|rule| list(rule, "/ports")) {
            assert!(named(&port["port"]), "{port}");
        }
        for service in of_kind(&objects, "Service") {
            assert!(selects(&service["spec"]["selector"]));
            for port in list(service, "/spec/ports") {
                assert!(named(&port["targetPort"]), "{port}");
            }
        }
        for registration in of_kind(&objects, "APIService") {
            let to = &registration["spec"]["service"];
            let of = |service: &&&Json| service["metadata"]["name"] == to["name"];
            let services = of_kind(&objects, "Service");
            let service = services.iter().find(of).expect("its Service");
            assert_eq!(service["metadata"]["namespace"], to["namespace"]);
            assert_eq!(service["spec"]["ports"][0]["port"], to["port"]);
        }
        for monitor in of_kind(&objects, "ServiceMonitor") {
            let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().expect("labels");
            let services = of_kind(&objects, "Service");
            let of = |service: &&&Json| {
                wanted.iter().all(|(label, value)| service["metadata"]["labels"].get(label) == Some(value))
            };
            let [service] = services.iter().filter(of).collect::<Vec<_>>()[..] else { panic!("one Service") };
            assert_eq!(service["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"]);
        }
        if overlay_name == "cert-manager" {
            let volumes = list(deployment, "/spec/template/spec/volumes");
            let secret = volumes.iter().find_map(|volume| volume.pointer("/secret/secretName"));
            let certificates = of_kind(&objects, "Certificate");
            assert!(certificates.iter().any(|certificate| certificate.pointer("/spec/secretName") == secret));
        }
    }
}

#[test]
fn a_replica_is_missed_by_nobody() {
    let objects = overlay("default");
    let deployment = only(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let pod = &deployment["spec"]["template"]["spec"];
    // The 5 s of answering after the signal and the 10 s for what is open.
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(15));
    let spread: Vec<_> =
        list(pod, "/topologySpreadConstraints").iter().map(|one| text(one, "/topologyKey")).collect();
    assert_eq!(spread, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    assert_eq!(only(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
}

#[test]
fn the_binary_knows_the_flags_it_is_started_with() {
    let help = inferometer(&["serve", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for (overlay_name, _) in overlays() {
        let objects = overlay(overlay_name);
        let arguments = list(only(&objects, "Deployment"), "/spec/template/spec/containers/0/args");
        assert_eq!(arguments[0], "serve");
        for argument in &arguments[1..] {
            let argument = argument.as_str().expect("a text");
            let (flag, _) = argument.split_once('=').expect("a flag with its value");
            assert!(help.contains(&format!("{flag} <")), "{overlay_name}: {flag} is not a flag of serve");
        }
    }
}

#[test]
fn another_name_of_the_hpa_controller_is_told_to_the_binary_and_to_rbac() {
    let users = json!(["system:serviceaccount:kube-system:scaler", "scaler"]);
    let objects = helm(&json!({ "hpaControllers": users })).expect("the chart");
    let arguments = list(only(&objects, "Deployment"), "/spec/template/spec/containers/0/args");
    let told = arguments.iter().filter_map(|argument| argument.as_str()?.strip_prefix("--hpa-controller="));
    assert_eq!(json!(told.collect::<Vec<_>>()), users);
    let bindings = of_kind(&objects, "ClusterRoleBinding");
    let binding = bindings
        .iter()
        .find(|one| text(one, "/roleRef/name") == "inferometer:hpa-controller")
        .expect("its binding");
    let bound: Vec<&str> = list(binding, "/subjects").iter().map(|subject| text(subject, "/name")).collect();
    assert_eq!(json!(bound), users);
    assert!(list(binding, "/subjects").iter().all(|subject| text(subject, "/kind") == "User"));
}

#[test]
fn the_configuration_that_is_installed_is_a_good_one() {
    let objects = overlay("default");
    let document = text(only(&objects, "ConfigMap"), "/data/config.yaml");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, document).expect("it can be written");
    let said = inferometer(&["check", "--strict", file.to_str().expect("UTF-8")]);
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn our_own_metrics_are_scraped_as_the_alerts_expect() {
    let objects = overlay("monitoring");
    let monitor = &only(&objects, "ServiceMonitor")["spec"];
    let services = of_kind(&objects, "Service");
    let own = services.iter().find(|service| service["metadata"]["name"] == "inferometer-metrics");
    let own = own.expect("the Service of our own metrics");
    // The job by which alerts and dashboard know us.
    assert_eq!(own["metadata"]["labels"][text(monitor, "/jobLabel")], "inferometer");
    // Plain HTTP, where nobody is asked who they are: no scheme, authority or credentials in the endpoint.
    assert_eq!(list(own, "/spec/ports")[0]["appProtocol"], "http");
    let endpoint = list(monitor, "/endpoints")[0].as_object().expect("a mapping");
    let fields: Vec<&String> = endpoint.keys().collect();
    assert_eq!(fields, ["interval", "port"]);
    // All others are kept out of that port, and Prometheus is let in.
    let policy = only(&objects, "NetworkPolicy");
    let to_metrics = |rule: &&Json| list(rule, "/ports").iter().any(|port| port["port"] == "metrics");
    let [rule] = list(policy, "/spec/ingress").iter().filter(to_metrics).collect::<Vec<_>>()[..] else {
        panic!("one rule")
    };
    let from =
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } }]);
    assert_eq!(rule["from"], from);
}
