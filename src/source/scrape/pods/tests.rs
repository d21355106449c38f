use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;
use crate::core::autoscaler::Autoscaler;
use crate::core::fixtures::{Cluster, pod, text};
use crate::core::workload;

/// A cluster that changes, and counts how often its pods are read.
struct Changing {
    cluster: Mutex<Cluster>,
    version: AtomicU64,
    reads: AtomicUsize,
}

impl Changing {
    fn new(pods: impl IntoIterator<Item = Pod>) -> Arc<Self> {
        let cluster = Mutex::new(Cluster::of(pods));
        Arc::new(Self { cluster, version: AtomicU64::new(1), reads: AtomicUsize::new(0) })
    }

    fn change(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster.lock().expect("lock"));
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    fn discovery(self: &Arc<Self>, selections: impl IntoIterator<Item = Selection>) -> Pods {
        Pods::new(selections.into_iter().collect(), Some(Arc::clone(self) as Arc<dyn Inventory>))
    }
}

impl Inventory for Changing {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.cluster.lock().expect("lock").pod(namespace, name)
    }

    fn at(&self, ip: IpAddr) -> Option<Arc<Pod>> {
        self.cluster.lock().expect("lock").at(ip)
    }

    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.cluster.lock().expect("lock").pods(namespace)
    }

    fn version(&self, _: Option<&str>) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn knowledge(&self) -> Knowledge {
        self.cluster.lock().expect("lock").knowledge()
    }

    fn autoscalers(&self, _: &str, _: &str) -> Vec<Arc<Autoscaler>> {
        Vec::new()
    }
}

/// A pod of `ml` with this address and two ports.
fn at(name: &str, of: &str, ip: &str) -> Pod {
    let ip = Some(ip.parse().expect("an address"));
    let port = |name: &str, number| workload::Port { name: Some(name.into()), number };
    Pod {
        ip,
        reached_by: ip,
        ports: Arc::new([port("http", 8080), port("metrics", 8000)]),
        ..pod(name, of, "")
    }
}

/// The same, with these annotations of `prometheus.io/`.
fn annotated(name: &str, annotations: &str) -> Pod {
    let pairs = annotations.split(',').map(|pair| pair.split_once('=').expect("key=value"));
    let pairs = pairs.map(|(key, value)| (format!("prometheus.io/{key}").into(), value.into()));
    Pod { annotations: Labels::new(pairs.collect()), ..at(name, "", "10.0.0.1") }
}

/// Pods that `selector` selects, at the port `metrics`.
fn selection(selector: &str) -> Selection {
    Selection {
        namespaces: Vec::new(),
        selector: Selector::parse(selector).expect("a selector"),
        port: Some(Port::Name("metrics".into())),
        path: "/metrics".to_owned(),
        scheme: Scheme::Http,
        engine: None,
        annotated: false,
    }
}

/// Pods that ask to be scraped.
fn asking(port: Option<Port>) -> Selection {
    Selection { port, annotated: true, ..selection("") }
}

fn urls(found: &Found) -> Vec<&str> {
    found.places.iter().map(|place| place.url.as_str()).collect()
}

fn remarks(found: &Found) -> Vec<&str> {
    found.remarks.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn selected_pods_are_targets_by_their_addresses() {
    let owners = [workload::Owner { kind: "deployment".into(), name: "llama".into() }];
    let cluster = Changing::new([
        at("a", "app=vllm", "10.0.0.1"),
        Pod { owners: owners.into(), ..at("b", "app=vllm", "2001:db8::1") },
        at("other", "app=web", "10.0.0.3"),
        Pod { counts: false, ..at("ended", "app=vllm", "10.0.0.4") },
        pod("without-address", "app=vllm", ""),
        Pod { namespace: "dev".into(), ..at("c", "app=vllm", "::ffff:10.0.0.5") },
    ]);
    let found = cluster.discovery([selection("app=vllm")]).look().await;
    assert_eq!(
        urls(&found),
        ["http://10.0.0.1:8000/metrics", "http://[2001:db8::1]:8000/metrics", "http://10.0.0.5:8000/metrics"]
    );
    let instances: Vec<_> = found.places.iter().map(Place::instance).collect();
    assert_eq!(instances, ["10.0.0.1:8000", "[2001:db8::1]:8000", "10.0.0.5:8000"]);
    assert_eq!(text(&found.places[1].labels), "namespace=ml,pod=b");
    assert!(found.places.iter().all(|place| place.address.is_none() && place.engine.is_none()));
    assert!(found.unseen.is_empty() && found.remarks.is_empty() && found.starting.is_empty());

    let by_owner = cluster.discovery([selection("deployment=llama")]).look().await;
    assert_eq!(urls(&by_owner), ["http://[2001:db8::1]:8000/metrics"]);
    let elsewhere = Selection { namespaces: vec!["dev".into(), "none".into()], ..selection("app=vllm") };
    assert_eq!(urls(&cluster.discovery([elsewhere]).look().await), ["http://10.0.0.5:8000/metrics"]);
}

#[tokio::test]
async fn the_page_is_where_the_selection_says() {
    let cluster = Changing::new([at("a", "app=vllm", "10.0.0.1")]);
    let elsewhere = Selection {
        port: Some(Port::Number(9400)),
        path: "/v1/metrics".to_owned(),
        scheme: Scheme::Https,
        engine: Some("nim".into()),
        ..selection("app=vllm")
    };
    let found = cluster.discovery([elsewhere]).look().await;
    assert_eq!(urls(&found), ["https://10.0.0.1:9400/v1/metrics"]);
    assert_eq!(found.places[0].instance(), "10.0.0.1:9400/v1/metrics");
    assert_eq!(found.places[0].engine.as_deref(), Some("nim"));
}

#[tokio::test]
async fn a_pod_without_the_named_port_is_no_target_and_is_remarked() {
    let bare = Pod { ports: Arc::new([]), ..at("bare", "app=vllm", "10.0.0.2") };
    let cluster = Changing::new([at("a", "app=vllm", "10.0.0.1"), bare]);
    let found = cluster.discovery([selection("app=vllm")]).look().await;
    assert_eq!(urls(&found), ["http://10.0.0.1:8000/metrics"]);
    assert_eq!(remarks(&found), ["pod ml/bare: none of its containers declares a port called metrics"]);
}

#[tokio::test]
async fn pods_are_asked_where_their_annotations_say() {
    for (annotations, port, url) in [
        ("scrape=true", None, Some("http://10.0.0.1:8080/metrics")),
        ("scrape=true", Some(Port::Number(9400)), Some("http://10.0.0.1:9400/metrics")),
        ("scrape=true,port=9000", Some(Port::Number(9400)), Some("http://10.0.0.1:9000/metrics")),
        ("scrape=true,port=9000,path=/m,scheme=https", None, Some("https://10.0.0.1:9000/m")),
        ("scrape=false,port=9000", None, None),
        ("scrape=True", None, None),
        ("port=9000", None, None),
    ] {
        let cluster = Changing::new([annotated("a", annotations), at("b", "", "10.0.0.2")]);
        let found = cluster.discovery([asking(port)]).look().await;
        assert_eq!(urls(&found), Vec::from_iter(url), "{annotations}");
        assert!(found.remarks.is_empty(), "{found:?}");
    }
}

#[tokio::test]
async fn annotations_count_only_when_they_are_asked_for() {
    let cluster = Changing::new([annotated("a", "scrape=false,port=9000,path=/m")]);
    let found = cluster.discovery([selection("!app")]).look().await;
    assert_eq!(urls(&found), ["http://10.0.0.1:8000/metrics"]);
}

#[tokio::test]
async fn what_annotations_say_wrongly_is_ignored_and_remarked() {
    for (annotations, name) in [
        ("port=0", "port"),
        ("port=70000", "port"),
        ("port=10.0.0.9:80", "port"),
        ("path=metrics", "path"),
        ("path=/m?x", "path"),
        ("path=@evil.example/", "path"),
        ("path=http://evil.example/", "path"),
        ("scheme=file", "scheme"),
        ("scheme=http://evil.example", "scheme"),
    ] {
        let cluster = Changing::new([annotated("a", &format!("scrape=true,{annotations}"))]);
        let found = cluster.discovery([asking(None)]).look().await;
        assert_eq!(urls(&found), ["http://10.0.0.1:8080/metrics"], "{annotations}");
        let [remark] = remarks(&found)[..] else { panic!("{annotations}: {found:?}") };
        assert!(remark.starts_with(&format!("pod ml/a: its annotation prometheus.io/{name} is ignored")));
        assert!(!remark.contains("evil"), "{remark}");
    }
}

#[tokio::test]
async fn no_annotation_leads_elsewhere() {
    for path in ["//evil.example/metrics", "/@evil.example", "/\\evil.example", "/..//evil.example", "/:80"] {
        let cluster = Changing::new([annotated("a", &format!("scrape=true,path={path}"))]);
        let found = cluster.discovery([asking(None)]).look().await;
        let place = &found.places[0];
        assert_eq!((place.url.host_str(), place.url.port()), (Some("10.0.0.1"), Some(8080)), "{path}");
        assert!(place.url.username().is_empty() && place.url.query().is_none(), "{path}");
    }
}

#[tokio::test]
async fn on_its_nodes_network_a_pod_names_its_own_ports_only() {
    for (port, url) in [("8000", "http://10.0.0.1:8000/metrics"), ("10250", "http://10.0.0.1:8080/metrics")] {
        let pod = Pod { ip: None, ..annotated("a", &format!("scrape=true,port={port}")) };
        let found = Changing::new([pod]).discovery([asking(None)]).look().await;
        assert_eq!((urls(&found), found.remarks.len()), (vec![url], usize::from(port == "10250")));
    }
}

#[tokio::test]
async fn addresses_that_are_no_pods_are_never_asked() {
    for ip in [
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ] {
        let found = Changing::new([at("a", "app=vllm", ip)]).discovery([selection("app")]).look().await;
        assert!(found.places.is_empty(), "{ip}");
        assert_eq!(found.remarks.len(), 1, "{ip}");
    }
}

#[tokio::test]
async fn before_pods_are_known_there_may_be_any() {
    let cluster = Changing::new([]);
    cluster.change(|cluster| cluster.knowledge = Knowledge::Nothing);
    let pods = cluster.discovery([selection("app=vllm")]);
    let found = pods.look().await;
    let causes: Vec<_> = found.unseen.iter().map(|one| (&*one.cause, one.known)).collect();
    assert_eq!(causes, [("pods are not known yet", false)]);
    assert!(found.places.is_empty());

    cluster.change(|cluster| *cluster = Cluster::of([at("a", "app=vllm", "10.0.0.1")]));
    assert_eq!((pods.look().await.unseen.len(), pods.look().await.places.len()), (0, 1));
    cluster.change(|cluster| cluster.knowledge = Knowledge::Behind);
    let behind = pods.look().await;
    assert_eq!((behind.unseen.len(), behind.places.len()), (0, 1), "the last ones stay");
}

#[tokio::test]
async fn without_a_cluster_nothing_can_be_known() {
    let found = Pods::new(vec![selection("app=vllm")], None).look().await;
    assert_eq!(&*found.unseen[0].cause, "there is no cluster to find pods in");
}

#[tokio::test]
async fn pods_are_read_anew_only_when_something_has_changed() {
    let cluster = Changing::new([at("a", "app=vllm", "10.0.0.1"), at("b", "app=vllm", "10.0.0.2")]);
    let pods = cluster.discovery([selection("app=vllm")]);
    for _ in 0..3 {
        assert_eq!(pods.look().await.places.len(), 2);
    }
    assert_eq!(cluster.reads(), 1);
    cluster.change(|cluster| drop(cluster.pods.remove(0)));
    assert_eq!(urls(&pods.look().await), ["http://10.0.0.2:8000/metrics"], "who is gone is no target");
    assert_eq!(cluster.reads(), 2);
}

#[tokio::test]
async fn a_page_that_two_selections_mean_is_one_target() {
    let cluster = Changing::new([at("a", "app=vllm,tier=gold", "10.0.0.1")]);
    let named = Selection { engine: Some("vllm".into()), ..selection("app=vllm") };
    let exporter = Selection { port: Some(Port::Number(9400)), ..selection("app=vllm") };
    let found = cluster.discovery([named, selection("tier=gold"), exporter]).look().await;
    assert_eq!(urls(&found), ["http://10.0.0.1:8000/metrics", "http://10.0.0.1:9400/metrics"]);
    assert_eq!(found.places[0].engine.as_deref(), Some("vllm"));
}

#[tokio::test]
async fn who_is_not_ready_yet_is_starting() {
    let late = Pod { ready: false, ..at("late", "app=vllm", "10.0.0.2") };
    let cluster = Changing::new([at("a", "app=vllm", "10.0.0.1"), late]);
    let found = cluster.discovery([selection("app=vllm")]).look().await;
    assert_eq!(found.places.len(), 2);
    assert_eq!(found.starting, HashSet::from([found.places[1].clone()]));
}

#[test]
fn it_tells_people_what_it_looks_at() {
    let named = Selection { namespaces: vec!["ai".into(), "ml".into()], ..selection("app=vllm") };
    let pods = Pods::new(vec![named, asking(None)], None);
    assert_eq!(
        Discover::describe(&pods),
        "pods of ai, ml with app=vllm at port metrics, pods that ask for it"
    );
}
