//! Configuration and certificates replaced while requests are served.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::Method;
use serde_json::json;

use crate::support::front::{Answer, Front};
use crate::support::{Client, EXTERNAL, Server, replace_file, seconds, until, value_path};

fn configuration(url: &str, metrics: &str) -> String {
    format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n- name: main\n  prometheus: {{ url: \"{url}\" }}\nmetrics:\n{metrics}"
    )
}

async fn source() -> Front {
    let labels = json!({ "namespace": "ai", "pod": "vllm-0", "model_name": "m" });
    Front::start(None, Answer::Series(vec![(labels, 5.0)])).await
}

async fn reloads(server: &Server, result: &str) -> f64 {
    server.own_metric("inferometer_configuration_reloads_total", &[&format!("result=\"{result}\"")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_better_configuration_is_taken_and_a_wrong_one_is_not() {
    let front = source().await;
    let queue = "- { name: queue, preset: inference_requests_waiting }\n";
    let server = Server::configured(&configuration(&front.url(), queue)).await;
    let client = &server.client;
    assert_eq!(client.quantity("ai", "queue", "").await, "5");
    assert_eq!(client.problem("ai", "demand", "").await.code, 404);
    let before = client.get(EXTERNAL).await;
    assert!(before.text().contains("\"queue\""), "{}", before.text());

    let demand = "- { name: demand, preset: inference_requests_running }\n";
    server.reconfigure(&configuration(&front.url(), &format!("{queue}{demand}")));
    let better =
        until("the new metric answers", seconds(8), async || client.value("ai", "demand", "").await).await;
    assert_eq!(better.text, "5");
    let after = client.get(EXTERNAL).await;
    assert_ne!(before.header("etag"), after.header("etag"), "the aggregator would not see the new metric");
    assert!(after.text().contains("\"demand\""));
    assert_eq!((reloads(&server, "success").await, reloads(&server, "failure").await), (1.0, 0.0));

    // Whatever is wrong with it, all of it, and all of the old stays.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/bad");
    let mistakes =
        std::fs::read_to_string(fixtures.join("five-mistakes.yaml")).expect("the fixture is there");
    let mut failures = 0.0;
    for wrong in [mistakes.as_str(), "", "{"] {
        server.reconfigure(wrong);
        failures += 1.0;
        until("the wrong file is noticed", seconds(8), async || {
            let noticed = reloads(&server, "failure").await;
            if noticed < failures { Err(format!("{noticed} failures")) } else { Ok(()) }
        })
        .await;
        for metric in ["queue", "demand", "inference_requests_waiting"] {
            assert_eq!(client.quantity("ai", metric, "").await, "5", "{metric} with {wrong:?}");
        }
        assert_eq!(client.get(EXTERNAL).await.header("etag"), after.header("etag"));
        assert_eq!(client.get_as("/readyz", "*/*").await.status, 200);
    }
    assert_eq!(reloads(&server, "success").await, 1.0);
    let log = server.log().join("\n");
    // Each of the five at its place.
    for place in
        ["config.yaml:9:11", "config.yaml:12:11", "config.yaml:14:11", "config.yaml:19:7", "config.yaml:24:3"]
    {
        assert!(log.contains(place), "{place} is not in the log:\n{log}");
    }

    server.reconfigure(&configuration(&front.url(), demand));
    until("the old metric is gone", seconds(8), async || match client.value("ai", "queue", "").await {
        Ok(value) => Err(value.text),
        Err(problem) if problem.code == 404 => Ok(()),
        Err(problem) => Err(problem.to_string()),
    })
    .await;
    assert_eq!(client.quantity("ai", "demand", "").await, "5");
}

/// A new certificate and its key, in PEM.
fn pair() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_under_traffic() {
    let front = source().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let (first, second, third) = (pair(), pair(), pair());
    std::fs::write(&cert, &first.0).expect("a file");
    std::fs::write(&key, &first.1).expect("a file");
    let paths = [cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8")];
    let url = front.url();
    let server = Server::start(&[
        "--prometheus-url",
        &url,
        "--tls-cert-file",
        paths[0],
        "--tls-private-key-file",
        paths[1],
    ])
    .await;
    let base = server.client.base().to_owned();
    let presents = async |pem: &str| {
        let client = Client::trusting(base.clone(), pem);
        client.try_send(Method::GET, "/readyz", &[]).await.map(|_| ())
    };
    presents(&first.0).await.expect("the first certificate is served");
    presents(&second.0).await.expect_err("the second is not there yet");

    // New connections and one that stays, throughout.
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic: Vec<_> = [Client::unpooled(base.clone()), Client::new(base.clone())]
        .into_iter()
        .map(|client| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let path = value_path("ai", "inference_requests_waiting", "");
                    let reply = client.try_send(Method::GET, &path, &[]).await;
                    let reply = reply.unwrap_or_else(|error| panic!("a request failed: {error:?}"));
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            })
        })
        .collect();

    replace_file(&cert, &second.0);
    replace_file(&key, &second.1);
    until("the second certificate is served", seconds(15), async || presents(&second.0).await).await;
    presents(&first.0).await.expect_err("the first is not served any more");

    // A certificate without its key, as a rotation leaves it for a moment: refused, and said.
    replace_file(&cert, &third.0);
    let failures = || server.own_metric("inferometer_certificate_reloads_total", &["result=\"failure\""]);
    until("the bad pair is refused", seconds(15), async || {
        let failures = failures().await;
        if failures < 1.0 { Err(format!("{failures} failures")) } else { Ok(()) }
    })
    .await;
    presents(&second.0).await.expect("the last good pair stays");
    assert!(server.log().iter().any(|line| line.contains("does not belong to the certificate")));

    stop.store(true, Ordering::Relaxed);
    for task in traffic {
        task.await.expect("no request failed");
    }
    assert!(asked.load(Ordering::Relaxed) > 200, "{asked:?} requests");
    assert!(server.own_metric("inferometer_certificate_reloads_total", &["result=\"success\""]).await >= 1.0);
}
