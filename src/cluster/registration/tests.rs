//! Which APIServices are given the bundle, when, and which are left alone.
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::certificate::fixtures::{days, secret};
use super::super::certificate::{Step, make, names};
use super::super::fixtures::Cluster;
use super::*;

/// Where the Secret is.
const SECRET: &str = "/api/v1/namespaces/monitoring/secrets/inferometer-serving";

fn settings() -> Settings {
    Settings {
        namespace: "monitoring".to_owned(),
        service: "inferometer".to_owned(),
        secret: "inferometer-serving".to_owned(),
    }
}

fn path(name: &str) -> String {
    format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}")
}

/// An APIService that points at this service.
fn api_service(namespace: &str, service: &str) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {},
        "spec": {"service": {"namespace": namespace, "name": service, "port": 443}},
    })
}

fn ours() -> Value {
    api_service("monitoring", "inferometer")
}

/// A registrar at work, with a Secret in the cluster that it is told of.
struct Rig {
    cluster: Cluster,
    bundle: watch::Sender<Option<Vec<u8>>>,
    standings: watch::Receiver<Standings>,
    task: JoinHandle<()>,
}

impl Rig {
    fn start(cluster: &Cluster) -> Self {
        let (standings, seen) = watch::channel(unknown());
        let (bundle, bundles) = watch::channel(keep(cluster));
        let telemetry = Arc::new(Telemetry::default());
        let registrar = Registrar::new(&cluster.client(), settings(), || days(0), telemetry, standings);
        let task = tokio::spawn(async move { registrar.run(&bundles).await });
        Self { cluster: cluster.clone(), bundle, standings: seen, task }
    }

    /// The bundle of this APIService, decoded.
    fn held(&self, name: &str) -> Option<Vec<u8>> {
        let object = self.cluster.get(&path(name)).unwrap();
        object["spec"]["caBundle"].as_str().map(|text| STANDARD.decode(text).unwrap())
    }

    /// Waits until all is known and nothing is left to do.
    async fn settled(&self) {
        sleep(Duration::from_secs(2)).await;
        assert!(!self.task.is_finished());
    }

    fn patches(&self) -> usize {
        self.cluster.requests().iter().filter(|request| request.starts_with("PATCH")).count()
    }
}

/// Keeps a new Secret and returns its bundle.
fn keep(cluster: &Cluster) -> Option<Vec<u8>> {
    let contents = make(Step::Create, None, None, &names("inferometer", "monitoring"), days(0)).unwrap();
    cluster.put(SECRET, serde_json::to_value(secret(true, &contents)).unwrap());
    contents.get("ca.crt").cloned()
}

#[test]
fn an_api_service_is_judged_by_what_it_points_at() {
    let object = |change: &dyn Fn(&mut Value)| {
        let mut object = ours();
        change(&mut object);
        standing(Some(&serde_json::from_value(object).unwrap()), &settings())
    };
    assert_eq!(standing(None, &settings()), Standing::Absent);
    assert_eq!(object(&|_| {}), Standing::Ours(Vec::new()));
    assert_eq!(object(&|o| o["spec"]["caBundle"] = json!("aGk=")), Standing::Ours(b"hi".to_vec()));
    assert_eq!(object(&|o| o["spec"]["caBundle"] = json!("%")), Standing::Ours(Vec::new()));
    let foreign = |owner: &str| Standing::Foreign(owner.to_owned());
    assert_eq!(object(&|o| o["spec"]["service"]["namespace"] = json!("keda")), foreign("keda/inferometer"));
    assert_eq!(object(&|o| o["spec"]["service"]["name"] = json!("x")), foreign("monitoring/x"));
    assert_eq!(object(&|o| o["spec"]["service"] = json!(null)), foreign("the API server itself"));
    assert_eq!(object(&|o| o["spec"]["insecureSkipTLSVerify"] = json!(true)), Standing::Unverified);
    assert_eq!(object(&|o| o["spec"]["insecureSkipTLSVerify"] = json!(false)), Standing::Ours(Vec::new()));
    let injected = |o: &mut Value| {
        o["metadata"]["annotations"] = json!({INJECTED: "monitoring/inferometer"});
    };
    assert_eq!(object(&injected), Standing::Injected);
}

#[test]
fn a_bundle_is_held_once_all_of_ours_have_it() {
    let held = |standings: [(Standing, u64); 3]| {
        held_since(&standings.map(|(standing, day)| (standing, days(day))), b"new")
    };
    let ours = |bundle: &[u8]| Standing::Ours(bundle.to_vec());
    assert_eq!(held_since(&unknown(), b"new"), None);
    assert_eq!(held([(ours(b"new"), 1), (ours(b"new"), 3), (ours(b"new"), 2)]), Some(days(3)));
    assert_eq!(held([(ours(b"new"), 1), (ours(b"old"), 3), (ours(b"new"), 2)]), None);
    assert_eq!(held([(ours(b"new"), 1), (Standing::Unknown, 0), (Standing::Absent, 0)]), None);
    let foreign = Standing::Foreign("keda/keda".to_owned());
    assert_eq!(held([(foreign, 1), (Standing::Injected, 2), (Standing::Unverified, 1)]), Some(days(2)));
}

#[tokio::test(start_paused = true)]
async fn ours_get_the_bundle_and_others_stay_as_they_are() {
    let cluster = Cluster::default();
    let mut injected = ours();
    injected["metadata"]["annotations"] = json!({INJECTED: "monitoring/inferometer"});
    injected["spec"]["caBundle"] = json!("aGk=");
    let foreign = api_service("keda", "keda-operator-metrics-apiserver");
    for (name, object) in API_SERVICES.into_iter().zip([ours(), foreign, injected]) {
        cluster.put(&path(name), object);
    }
    let left_alone =
        API_SERVICES[1..].iter().map(|name| cluster.get(&path(name)).unwrap()).collect::<Vec<_>>();
    let rig = Rig::start(&cluster);
    rig.settled().await;
    assert_eq!(rig.held(API_SERVICES[0]), *rig.bundle.borrow());
    assert_eq!(rig.patches(), 1);
    for (name, before) in API_SERVICES[1..].iter().zip(left_alone) {
        assert_eq!(cluster.get(&path(name)), Some(before));
    }
    assert!(held_since(&rig.standings.borrow(), rig.bundle.borrow().as_ref().unwrap()).is_some());
    // One that was another's and becomes ours.
    cluster.change(&path(API_SERVICES[1]), |object| object["spec"] = ours()["spec"].clone());
    rig.settled().await;
    assert_eq!(rig.held(API_SERVICES[1]), *rig.bundle.borrow());
    // Unrelated parts of the object are kept.
    let spec = cluster.get(&path(API_SERVICES[0])).unwrap()["spec"].clone();
    assert_eq!(spec["service"], ours()["spec"]["service"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_not_to_verify_us_is_left_alone() {
    let cluster = Cluster::default();
    let mut object = ours();
    object["spec"]["insecureSkipTLSVerify"] = json!(true);
    cluster.put(&path(API_SERVICES[0]), object);
    let rig = Rig::start(&cluster);
    rig.settled().await;
    assert_eq!((rig.patches(), rig.held(API_SERVICES[0])), (0, None));
    cluster.change(&path(API_SERVICES[0]), |object| object["spec"]["insecureSkipTLSVerify"] = json!(false));
    rig.settled().await;
    assert_eq!(rig.held(API_SERVICES[0]), *rig.bundle.borrow());
}

#[tokio::test(start_paused = true)]
async fn those_applied_later_changed_or_made_again_have_it_at_once() {
    let cluster = Cluster::default();
    let rig = Rig::start(&cluster);
    rig.settled().await;
    let name = API_SERVICES[2];
    let holds = async |what| {
        let wanted = rig.bundle.borrow().clone();
        let waiting = async {
            while rig.held(name) != wanted {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(2), waiting).await.expect(what);
    };
    cluster.put(&path(name), ours());
    holds("applied").await;
    cluster.put(&path(name), ours());
    holds("replaced by one without a bundle").await;
    cluster.delete(&path(name));
    rig.settled().await;
    cluster.put(&path(name), ours());
    holds("made again").await;
    cluster.compact();
    cluster.put(&path(name), ours());
    holds("changed while the watch was cut and its version forgotten").await;
    let next = keep(&cluster);
    rig.bundle.send_replace(next);
    holds("another bundle").await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_has_not_heard_of_a_new_bundle_does_not_undo_it() {
    let cluster = Cluster::default();
    cluster.put(&path(API_SERVICES[0]), ours());
    let ahead = Rig::start(&cluster);
    let behind = Rig::start(&cluster);
    ahead.bundle.send_replace(behind.bundle.borrow().clone());
    ahead.settled().await;
    let next = keep(&cluster);
    ahead.bundle.send_replace(next.clone());
    ahead.settled().await;
    behind.settled().await;
    assert_ne!(*behind.bundle.borrow(), next);
    assert_eq!(behind.held(API_SERVICES[0]), next);
    assert!(ahead.patches() <= 3, "replicas do not write in turns");
}

#[tokio::test(start_paused = true)]
async fn refused_and_failed_writes_are_tried_again() {
    let cluster = Cluster::default();
    cluster.put(&path(API_SERVICES[0]), ours());
    cluster.refuse(|method, _| (method == Method::PATCH).then_some(StatusCode::FORBIDDEN));
    let rig = Rig::start(&cluster);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(rig.held(API_SERVICES[0]), None);
    assert!((20..80).contains(&rig.patches()), "{} tries in five minutes", rig.patches());
    cluster.refuse(|_, _| None);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(rig.held(API_SERVICES[0]), *rig.bundle.borrow());
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_an_api_server_that_is_away() {
    let cluster = Cluster::default();
    cluster.put(&path(API_SERVICES[0]), ours());
    cluster.set_away(true);
    let rig = Rig::start(&cluster);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(*rig.standings.borrow(), unknown());
    cluster.set_away(false);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(rig.held(API_SERVICES[0]), *rig.bundle.borrow());
}
