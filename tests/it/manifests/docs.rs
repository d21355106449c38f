//! Every YAML in the pages about installation does what the page says.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::kinds::faults;
use super::render::{ROOT, helm, kustomize, list, objects, of_kind, only, text};

fn blocks(page: &str) -> Vec<String> {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs").join(page)).expect("the page is there");
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// A folder beside which the project is checked out under its name.
fn beside_a_checkout(kustomization: &str) -> Vec<Json> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(ROOT, folder.path().join("inferometer")).expect("a link");
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("it can be written");
    kustomize(folder.path().to_str().expect("UTF-8"))
}

#[test]
fn what_the_operations_page_shows_can_be_installed() {
    let (mut overlays, mut values, mut patches, mut monitors) = (0, 0, 0, 0);
    for block in blocks("operations.md") {
        let document = objects(&block).remove(0);
        let rendered = if document.is_array() {
            patches += 1;
            runs_in_the_nodes_network(&block)
        } else if text(&document, "/kind") == "PodMonitor" {
            monitors += 1;
            vec![document]
        } else if text(&document, "/kind") == "Kustomization" {
            overlays += 1;
            let rendered = beside_a_checkout(&block);
            let image =
                text(&list(only(&rendered, "Deployment"), "/spec/template/spec/containers")[0], "/image");
            assert!(image.starts_with(text(&document, "/images/0/newName")), "{image}");
            let configuration = text(only(&rendered, "ConfigMap"), "/data/config.yaml");
            assert!(configuration.contains("http://prometheus.observability:9090"), "{configuration}");
            rendered
        } else {
            values += 1;
            let rendered = helm(&document).unwrap_or_else(|error| panic!("{error}\n{block}"));
            let maps = of_kind(&rendered, "ConfigMap");
            let is_ours = |map: &&&Json| map["metadata"]["name"] == "inferometer";
            let configuration = text(maps.iter().find(is_ours).expect("ours"), "/data/config.yaml");
            assert!(configuration.contains("passwordFile"), "{configuration}");
            rendered
        };
        for object in &rendered {
            assert_eq!(faults(object), Vec::<String>::new(), "{block}");
        }
    }
    assert_eq!((overlays, values, patches, monitors), (1, 1, 1, 1));
}

/// What an overlay with these patches has, every port of it moved.
fn runs_in_the_nodes_network(patches: &str) -> Vec<Json> {
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["inferometer/manifests/overlays/default"],
        "patches": objects(patches).remove(0),
    });
    let rendered = beside_a_checkout(&kustomization.to_string());
    let spec = &only(&rendered, "Deployment")["spec"]["template"]["spec"];
    assert_eq!((&spec["hostNetwork"], &spec["dnsPolicy"]), (&json!(true), &json!("ClusterFirstWithHostNet")));
    let container = &spec["containers"][0];
    let told = container["args"].to_string();
    for port in list(container, "/ports") {
        let (name, number) = (text(port, "/name"), &port["containerPort"]);
        let flag =
            if name == "https" { format!("--secure-port={number}") } else { format!("=0.0.0.0:{number}") };
        assert!(told.contains(&flag), "{told} lacks {flag}");
        assert!(number.as_u64() > Some(10_000), "{name}");
    }
    rendered
}

#[test]
fn what_the_security_page_shows_is_known_field_by_field() {
    let blocks = blocks("security.md");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        for object in objects(&block) {
            assert_eq!(faults(&object), Vec::<String>::new(), "{block}");
        }
    }
}
