use std::convert::Infallible;
use std::sync::Mutex;

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::*;
use crate::telemetry::Telemetry;

/// What the API server says of the ConfigMap: an answer's code, and the data if there is one.
type Said = Arc<Mutex<(u16, Value)>>;

/// An API server that answers reads and lists, and whose watches stay silent.
fn api_server(said: &Said) -> Client {
    let said = Arc::clone(said);
    let service = tower::service_fn(move |request: Request<Body>| {
        let said = Arc::clone(&said);
        async move {
            if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
                std::future::pending::<()>().await;
            }
            let (code, data) = said.lock().unwrap().clone();
            let map =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data});
            let one = request.uri().path().ends_with(NAME);
            let body = match (code, one) {
                (200, true) => map,
                (200, false) => json!({
                    "apiVersion": "v1", "kind": "ConfigMapList",
                    "metadata": {"resourceVersion": "1"}, "items": [map]
                }),
                _ => json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code}),
            };
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

/// Seconds until `trust` has this generation.
async fn wait_for(trust: &TrustStore, generation: u64) -> u64 {
    let begin = Instant::now();
    while trust.generation() != generation {
        sleep(Duration::from_millis(100)).await;
        assert!(begin.elapsed() < Duration::from_mins(5), "still {}", trust.generation());
    }
    begin.elapsed().as_secs()
}

fn start(said: &Said) -> (Arc<TrustStore>, tokio::task::JoinHandle<()>) {
    let trust = Arc::new(TrustStore::new(Arc::new(Telemetry::default())));
    let watched = watch(api_server(said), Arc::clone(&trust), std::future::pending());
    (trust, tokio::spawn(watched))
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_taken_at_once_and_its_change_within_a_minute() {
    let said: Said = Arc::new(Mutex::new((200, json!({"requestheader-allowed-names": "[]"}))));
    let (trust, _task) = start(&said);
    assert_eq!(wait_for(&trust, 1).await, 0);
    // The watch says nothing, as one over a dead connection would.
    said.lock().unwrap().1 = json!({"requestheader-allowed-names": "[\"a\"]"});
    assert!(wait_for(&trust, 2).await <= 60);
}

#[tokio::test(start_paused = true)]
async fn a_missing_map_missing_rights_and_a_missing_server_are_outlived() {
    for code in [404, 403, 401, 500, 503] {
        let said: Said = Arc::new(Mutex::new((code, json!({}))));
        let (trust, task) = start(&said);
        sleep(Duration::from_mins(10)).await;
        assert_eq!(trust.generation(), 0);
        assert!(!task.is_finished());
        *said.lock().unwrap() = (200, json!({}));
        assert!(wait_for(&trust, 1).await <= 60, "{code}");
        // What was known stays known.
        said.lock().unwrap().0 = code;
        sleep(Duration::from_mins(10)).await;
        assert_eq!(trust.generation(), 1);
    }
}

#[tokio::test]
async fn it_ends_when_told() {
    let said: Said = Arc::new(Mutex::new((200, json!({}))));
    let trust = Arc::new(TrustStore::new(Arc::new(Telemetry::default())));
    watch(api_server(&said), trust, std::future::ready(())).await;
}
