use super::*;
use crate::core::fixtures::{Cluster, pod, waiting};
use crate::core::freshness::Coverage;
use crate::core::time::Timestamp;

const PODS: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n- name: engines\n  \
                    scrape:\n    pods: { selector: app=vllm, port: metrics }\n";

/// The file, which lasts as long as its folder.
fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, PODS).expect("it can be written");
    (folder, path)
}

async fn refusal(sources: &mut Sources, configuration: Configuration) -> String {
    let definitions = sources.definitions(&[], configuration);
    let signal = Arc::new(waiting());
    let asked = definitions.sources[0].fetch(&signal, &Coverage::Cluster, Timestamp::default()).await;
    asked.map_or_else(|error| error.to_string(), |answer| answer.warnings.join(","))
}

#[tokio::test]
async fn a_server_without_a_cluster_refuses_pods_and_says_where_they_are() {
    let (_folder, path) = file();
    let catalog = Catalog::built_in().expect("a catalog");
    let report = Sources::new(None).read(&path, &catalog).expect_err("refused");
    let [one] = &report.diagnostics[..] else { panic!("{report}") };
    assert_eq!((one.line, one.column), (6, 5));
    assert!(one.message.contains("in no cluster"), "{report}");

    let in_cluster = Sources::new(Some(Arc::new(Cluster::of([pod("a", "app=web", "")]))));
    assert!(in_cluster.read(&path, &catalog).is_ok());
}

#[tokio::test]
async fn read_without_a_server_such_a_source_refuses_for_itself() {
    let (_folder, path) = file();
    let catalog = Catalog::built_in().expect("a catalog");
    let (configuration, _) = read(&path, &catalog).expect("accepted");
    let said = refusal(&mut Sources::default(), configuration.clone()).await;
    assert_eq!(said, "there is no cluster to find pods in");
    let mut in_cluster = Sources::new(Some(Arc::new(Cluster::of([pod("a", "app=web", "")]))));
    assert_eq!(refusal(&mut in_cluster, configuration.clone()).await, "there is no target");

    let first = Arc::clone(&in_cluster.built[0].1);
    in_cluster.definitions(&[], configuration);
    assert!(Arc::ptr_eq(&first, &in_cluster.built[0].1), "a reload keeps it");
}
