//! Replicas that share a Secret, with a fake API server and a clock that is moved by hand.
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::certificate::fixtures::{days, handshake, secret};
use super::super::fixtures::Cluster;
use super::super::registration::API_SERVICES;
use super::*;
use crate::server::tls::install_crypto_provider;

const SECRET: &str = "/api/v1/namespaces/monitoring/secrets/inferometer-serving";
const SECRETS: &str = "/api/v1/namespaces/monitoring/secrets";

fn path(name: &str) -> String {
    format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")
}

/// The wall time that all replicas read.
#[derive(Clone, Default)]
struct Wall(Arc<AtomicU64>);

impl Wall {
    fn now(&self) -> SystemTime {
        days(0) + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    /// Moves the wall time, and gives replicas the time to look at it.
    async fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
        sleep(LOOK + Duration::from_secs(1)).await;
    }
}

/// One replica.
struct Replica {
    tls: Arc<Tls>,
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
    telemetry: Arc<Telemetry>,
}

impl Replica {
    fn start(cluster: &Cluster, wall: &Wall) -> Self {
        install_crypto_provider();
        let tls = Arc::new(Tls::self_signed(&["localhost"], wall.now()).unwrap());
        let telemetry = Arc::new(Telemetry::default());
        let settings = Settings {
            namespace: "monitoring".to_owned(),
            service: "inferometer".to_owned(),
            secret: "inferometer-serving".to_owned(),
        };
        let (end, ended) = oneshot::channel::<()>();
        let wall = wall.clone();
        let ending = async { _ = ended.await };
        let clock = move || wall.now();
        let keeping = keep(cluster.client(), settings, tls.clone(), clock, ending, telemetry.clone());
        Self { tls, task: tokio::spawn(keeping), end, telemetry }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.telemetry.registry()).unwrap();
        text
    }
}

/// A cluster whose first two APIServices point at us; the third is another's.
fn registered() -> Cluster {
    let cluster = Cluster::default();
    for (name, service) in API_SERVICES.into_iter().zip(["inferometer", "inferometer", "prometheus-adapter"])
    {
        let service = json!({"namespace": "monitoring", "name": service});
        cluster.put(&path(name), json!({"metadata": {}, "spec": {"service": service}}));
    }
    cluster
}

fn bundle(cluster: &Cluster, name: &str) -> Vec<u8> {
    let object = cluster.get(&path(name)).unwrap();
    STANDARD.decode(object["spec"]["caBundle"].as_str().unwrap_or_default()).unwrap()
}

fn kept(cluster: &Cluster, key: &str) -> Vec<u8> {
    let secret = cluster.get(SECRET).expect("there is a Secret");
    STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap()
}

fn count(cluster: &Cluster, method: &str, path: &str) -> usize {
    let start = format!("{method} {path}");
    cluster.requests().iter().filter(|request| request.starts_with(&start)).count()
}

/// What the aggregator does: it trusts what the APIServices say, and nothing else.
async fn aggregator_is_served(cluster: &Cluster, replicas: &[&Replica], now: SystemTime) {
    for replica in replicas {
        for name in &API_SERVICES[..2] {
            handshake(&replica.tls, &bundle(cluster, name), now).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_start_at_once_share_one_certificate() {
    let (cluster, wall) = (registered(), Wall::default());
    let (one, two) = (Replica::start(&cluster, &wall), Replica::start(&cluster, &wall));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(one.tls.fingerprint(), two.tls.fingerprint());
    aggregator_is_served(&cluster, &[&one, &two], wall.now()).await;
    assert_eq!(count(&cluster, "POST", SECRETS), 2, "both tried");
    assert_eq!(count(&cluster, "PUT", SECRETS), 0);
    let secret = cluster.get(SECRET).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"], json!({MANAGED_BY.0: MANAGED_BY.1}));
    let keys: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert_eq!(cluster.get(&path(API_SERVICES[2])).unwrap()["spec"].get("caBundle"), None);
    let metrics = one.metrics();
    let expiry = (days(90).duration_since(SystemTime::UNIX_EPOCH)).unwrap().as_secs();
    for line in [
        format!("inferometer_certificate_expiry_timestamp_seconds {expiry}"),
        format!("inferometer_api_service_registered{{api_service=\"{}\"}} 1", API_SERVICES[0]),
        format!("inferometer_api_service_registered{{api_service=\"{}\"}} 0", API_SERVICES[2]),
    ] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    one.end.send(()).unwrap();
    one.task.await.unwrap();
    assert!(!two.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn certificates_and_cas_are_renewed_without_refusing_the_aggregator() {
    let (cluster, wall) = (registered(), Wall::default());
    let (one, two) = (Replica::start(&cluster, &wall), Replica::start(&cluster, &wall));
    sleep(Duration::from_secs(5)).await;
    let first = kept(&cluster, "ca.crt");
    let (mut prints, mut bundles) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..300 {
        wall.pass(Duration::from_hours(48)).await;
        assert_eq!(one.tls.fingerprint(), two.tls.fingerprint());
        aggregator_is_served(&cluster, &[&one, &two], wall.now()).await;
        prints.insert(one.tls.fingerprint());
        bundles.insert(kept(&cluster, "ca.crt"));
    }
    assert!((9..=13).contains(&prints.len()), "{} certificates", prints.len());
    // Alone, with the next one, with the old one, and the next one alone.
    assert_eq!(bundles.len(), 4);
    assert!(bundles.contains(&first));
    assert_ne!(kept(&cluster, "ca.crt"), first);
    assert!(kept(&cluster, "previous.crt").is_empty() && kept(&cluster, "next-ca.key").is_empty());
    assert!(count(&cluster, "PUT", SECRETS) < 40, "replicas do not write in turns");
}

#[tokio::test(start_paused = true)]
async fn a_next_ca_is_not_used_before_the_api_services_have_had_it_for_ten_minutes() {
    let (cluster, wall) = (registered(), Wall::default());
    let replica = Replica::start(&cluster, &wall);
    sleep(Duration::from_secs(5)).await;
    // The API services cannot be written from here on.
    cluster.refuse(|method, _| (method == Method::PATCH).then_some(StatusCode::FORBIDDEN));
    for _ in 0..20 {
        wall.pass(Duration::from_hours(25 * 24)).await;
    }
    assert!(!kept(&cluster, "next-ca.key").is_empty());
    wall.pass(Duration::from_mins(30)).await;
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
    assert!(!kept(&cluster, "next-ca.key").is_empty());
    cluster.refuse(|_, _| None);
    sleep(Duration::from_secs(20)).await;
    let minute = Duration::from_mins(1);
    wall.pass(8 * minute).await;
    assert!(!kept(&cluster, "next-ca.key").is_empty());
    wall.pass(3 * minute).await;
    assert!(kept(&cluster, "next-ca.key").is_empty());
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_is_made_anew_and_nobody_is_refused_meanwhile() {
    let (cluster, wall) = (registered(), Wall::default());
    let (one, two) = (Replica::start(&cluster, &wall), Replica::start(&cluster, &wall));
    sleep(Duration::from_secs(20)).await;
    let (print, key) = (one.tls.fingerprint(), kept(&cluster, "ca.key"));
    cluster.delete(SECRET);
    // The time passes for the replicas too: they wait for the API services by the wall clock.
    for _ in 0..200 {
        wall.0.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        aggregator_is_served(&cluster, &[&one, &two], wall.now()).await;
    }
    assert_ne!(kept(&cluster, "ca.key"), key);
    assert_ne!(one.tls.fingerprint(), print);
    assert_eq!(one.tls.fingerprint(), two.tls.fingerprint());
    assert_eq!(bundle(&cluster, API_SERVICES[0]), kept(&cluster, "ca.crt"));
}

#[tokio::test(start_paused = true)]
async fn damage_is_repaired() {
    let (cluster, wall) = (registered(), Wall::default());
    let replica = Replica::start(&cluster, &wall);
    sleep(Duration::from_secs(20)).await;
    for key in ["tls.crt", "tls.key", "ca.crt", "ca.key"] {
        for value in [json!("AAAA"), json!("")] {
            cluster.change(SECRET, |secret| {
                secret["data"][key] = value;
                secret["data"]["unrelated"] = json!("aGk=");
            });
            wall.pass(Duration::from_mins(2)).await;
            aggregator_is_served(&cluster, &[&replica], wall.now()).await;
            assert_eq!(kept(&cluster, "unrelated"), b"hi");
            let state = State::read(
                KEYS.into_iter()
                    .map(|key| (key, kept(&cluster, key)))
                    .filter(|(_, v)| !v.is_empty())
                    .collect(),
            );
            assert_eq!(state.flaw(&names("inferometer", "monitoring"), wall.now()), None, "{key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_others_is_left_alone() {
    let (cluster, wall) = (registered(), Wall::default());
    let theirs = make(Step::Create, None, None, &names("inferometer", "monitoring"), days(0)).unwrap();
    cluster.put(SECRET, serde_json::to_value(secret(false, &theirs)).unwrap());
    let before = cluster.get(SECRET);
    let replica = Replica::start(&cluster, &wall);
    let print = replica.tls.fingerprint();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(cluster.get(SECRET), before);
    assert_eq!(replica.tls.fingerprint(), print);
    assert_eq!(bundle(&cluster, API_SERVICES[0]), b"");
    cluster.delete(SECRET);
    sleep(Duration::from_secs(5)).await;
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_secret_is_filled_and_what_else_is_in_it_stays() {
    let (cluster, wall) = (registered(), Wall::default());
    let data = json!({"tls.crt": "", "tls.key": "", "unrelated": "aGk="});
    cluster.put(SECRET, json!({"metadata": {}, "type": "kubernetes.io/tls", "data": data}));
    let replica = Replica::start(&cluster, &wall);
    sleep(Duration::from_secs(5)).await;
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
    assert_eq!(kept(&cluster, "unrelated"), b"hi");
    assert_eq!(count(&cluster, "POST", SECRETS), 0);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_waited_for_and_missed_by_nobody() {
    let (cluster, wall) = (registered(), Wall::default());
    cluster.set_away(true);
    let replica = Replica::start(&cluster, &wall);
    let temporary = replica.tls.fingerprint();
    sleep(Duration::from_mins(5)).await;
    assert_eq!(replica.tls.fingerprint(), temporary);
    assert!(cluster.requests().len() < 400, "{} requests in five minutes", cluster.requests().len());
    cluster.set_away(false);
    sleep(Duration::from_secs(12)).await;
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;

    let print = replica.tls.fingerprint();
    cluster.set_away(true);
    wall.pass(Duration::from_hours(24 * 65)).await;
    assert_eq!(replica.tls.fingerprint(), print, "due, but nobody can be asked");
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
    cluster.set_away(false);
    wall.pass(Duration::from_secs(12)).await;
    assert_ne!(replica.tls.fingerprint(), print);
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_replica_is_served_within_seconds_even_after_a_cut_watch() {
    let (cluster, wall) = (registered(), Wall::default());
    let replica = Replica::start(&cluster, &wall);
    sleep(Duration::from_secs(20)).await;
    for cut in [false, true] {
        let print = replica.tls.fingerprint();
        let found = Found::read(Some(&serde_json::from_value(cluster.get(SECRET).unwrap()).unwrap()));
        let Found::Ours(state) = found else { panic!("not ours") };
        let names = names("inferometer", "monitoring");
        let contents = make(Step::Renew, Some(&*state), None, &names, wall.now()).unwrap();
        let written: Value = serde_json::to_value(secret(true, &contents)).unwrap();
        if cut {
            cluster.compact();
        }
        cluster.change(SECRET, |secret| secret["data"] = written["data"].clone());
        sleep(Duration::from_secs(2)).await;
        assert_ne!(replica.tls.fingerprint(), print);
        aggregator_is_served(&cluster, &[&replica], wall.now()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_it_goes_on_with_what_it_has() {
    let (cluster, wall) = (registered(), Wall::default());
    cluster.refuse(|method, _| (method == Method::POST).then_some(StatusCode::FORBIDDEN));
    let replica = Replica::start(&cluster, &wall);
    let print = replica.tls.fingerprint();
    sleep(Duration::from_mins(5)).await;
    assert_eq!(replica.tls.fingerprint(), print);
    let tries = count(&cluster, "POST", SECRETS);
    assert!((20..80).contains(&tries), "{tries} tries in five minutes");
    cluster.refuse(|_, _| None);
    sleep(Duration::from_secs(12)).await;
    aggregator_is_served(&cluster, &[&replica], wall.now()).await;
}
