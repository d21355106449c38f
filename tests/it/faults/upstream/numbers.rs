//! Sources answer, and what they say is no number to scale by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use tokio::time::Instant;

use super::{HEAD, SIGNAL, WHOLE, all_are_whole, configuration, failure, input, lines};
use crate::support::front::{Answer, Front};
use crate::support::objects::deployment;
use crate::support::{
    Cluster, Exposition, Prometheus, Server, of_pod, replace_file, seconds, until, value_path,
};

/// What a query computes of 3, with what is answered: a quantity, or words of the refusal.
const NUMBERS: [(&str, &str, Result<&str, &str>); 11] = [
    ("nan", "* NaN", Err("not a finite number")),
    ("infinite", "* Inf", Err("not a finite number")),
    ("minus-infinite", "* -Inf", Err("not a finite number")),
    ("no-quotient", "* 0 / 0", Err("not a finite number")),
    ("minus-zero", "* -0", Ok("0")),
    ("minus-one", "* 0 - 1", Err("negative")),
    ("huge", "* 1e300", Err("above 1e12")),
    ("large", "* 3.1e15", Err("above 1e12")),
    ("written-out", "* 0 + 1e+13", Err("above 1e12")),
    ("tiny", "* 1e-9", Ok("0")),
    ("itself", "", Ok("3")),
];

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_says_what_is_no_number() {
    let cluster = Cluster::start().await;
    cluster.put(deployment("ai", "vllm", 1));
    let pages = Exposition::start().await;
    let prometheus = Prometheus::start(&[pages.pod("ai", "vllm-1-0", format!("{SIGNAL} 3\n"))]).await;
    let metrics =
        lines(NUMBERS.iter().map(|(name, by, _)| {
            format!("- {{ name: {name}, type: extensive, promql: \"{SIGNAL} {by}\" }}\n")
        }));
    let config = cluster.file("config.yaml");
    let url = prometheus.url();
    replace_file(
        &config,
        format!("{HEAD}sources:\n- {{ name: main, prometheus: {{ url: \"{url}\" }} }}\nmetrics:\n{metrics}"),
    );
    let (_server, aggregator) = cluster.serve(&["--config", config.to_str().expect("UTF-8")]).await;
    let client = aggregator.hpa_controller();
    // As the HPA controller asks for targets of the types External, Pods and Object.
    let custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ai";
    for (name, by, expected) in NUMBERS {
        for path in [
            value_path("ai", name, ""),
            format!("{custom}/pods/*/{name}?labelSelector=app%3Dvllm"),
            format!("{custom}/deployments.apps/vllm/{name}"),
        ] {
            until(&format!("{path} is {expected:?}"), seconds(15), async || {
                let reply = client.get(&path).await;
                reply.assert_prompt();
                let told = match reply.status.as_u16() {
                    200 => Ok(reply.json()["items"][0]["value"].as_str().expect("text").to_owned()),
                    503 => Err(reply.problem().message),
                    code => panic!("{by}: {code} {}", reply.text()),
                };
                match (&told, expected) {
                    (Ok(told), Ok(expected)) if told == expected => Ok(()),
                    (Err(told), Err(expected)) if told.contains(expected) => Ok(()),
                    // Before pods are known, and never in place of a refusal.
                    (Err(_), _) => Err(format!("{told:?}")),
                    (Ok(_), _) => panic!("{path} is {told:?}, not {expected:?}"),
                }
            })
            .await;
        }
    }
}

/// An exporter with a clock of its own that stops: Prometheus repeats its last sample for five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_repeats_a_stale_sample() {
    const RUNNING: i64 = i64::MAX;
    let pages = Exposition::start().await;
    let target = pages.pod("ai", "a", "");
    let stopped = Arc::new(AtomicI64::new(RUNNING));
    let clock = Arc::clone(&stopped);
    pages.render("/ai/a", move || {
        let now = jiff::Timestamp::now().as_millisecond().min(clock.load(Ordering::Relaxed));
        format!("{SIGNAL} 7 {now}\n")
    });
    let prometheus = Prometheus::start(&[target]).await;
    let server = Server::configured(&format!(
        "{HEAD}sources:\n- {{ name: main, prometheus: {{ url: \"{}\" }} }}\nmetrics:\n\
         - {{ name: main, preset: \"{SIGNAL}\", refresh: 1s, hold: 2s }}\n",
        prometheus.url()
    ))
    .await;
    until("the pace is known", seconds(20), async || {
        let input = input(&server, "main").await;
        if input["sampleIntervalSeconds"].is_number() { Ok(()) } else { Err(input.to_string()) }
    })
    .await;

    let at = jiff::Timestamp::now();
    stopped.store(at.as_millisecond(), Ordering::Relaxed);
    let began = Instant::now();
    let refusal =
        until("it is refused", seconds(30), async || match server.client.value("ai", "main", "").await {
            Ok(value) => {
                assert!(value.text == WHOLE && value.timestamp <= at, "{value:?} after {at}");
                Err(value.timestamp.to_string())
            }
            Err(problem) => Ok(problem),
        })
        .await;
    assert!(refusal.message.contains("old (limit"), "{refusal}");
    assert!(began.elapsed() > seconds(2), "refused after {:?}", began.elapsed());
    // By its own lookback, Prometheus has it still.
    assert_eq!(prometheus.scalar(SIGNAL).await.to_string(), WHOLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_answer_is_used_only_by_order() {
    let pod = |name: &str, value: f64| (of_pod("ai", name), value);
    let all = vec![pod("a", 3.0), pod("b", 4.0)];
    let front = Front::start(None, Answer::Series(all.clone())).await;
    let url = front.url();
    let server = Server::configured(&configuration(&[
        ("refuse".to_owned(), format!("url: \"{url}\"")),
        ("accept".to_owned(), format!("url: \"{url}\", partialAnswers: accept")),
    ]))
    .await;
    all_are_whole(&server, ["refuse", "accept"].into_iter()).await;

    let missing = "fetch series: receive: store 10.0.0.9:10901 is away";
    let remark = "PromQL warning: quantile value should be between 0 and 1, got 95";
    let remarks = json!({ "warnings": [remark, missing] });
    front.set(Answer::Beside(remarks, vec![pod("a", 3.0)]));
    let told = failure(&server, "refuse").await;
    assert!(told.contains(&format!("partial answer: {missing}")), "{told}");
    assert_eq!(server.client.quantity("ai", "refuse", "").await, WHOLE, "the last that was whole");
    until("a part is served where it is wanted", seconds(15), async || {
        let value = server.client.value("ai", "accept", "").await.map_err(|problem| problem.to_string())?;
        if value.text == "3" { Ok(()) } else { Err(value.text) }
    })
    .await;
    let path = value_path("ai", "accept", "") + "?explain=true";
    let explained = server.client.get(&path).await.text();
    assert!(explained.contains(missing), "what is missing is told: {explained}");

    // A remark on the query says nothing about what is there.
    let remarks = json!({ "warnings": [remark], "infos": ["PromQL info: metric might not be a counter"] });
    front.set(Answer::Beside(remarks, all));
    all_are_whole(&server, ["refuse", "accept"].into_iter()).await;
}

/// Whatever is asked of us, what a source is asked has just the parameters that it should have.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_into_a_question() {
    let front = Front::start(None, super::three()).await;
    let server = Server::of(&front.url()).await;
    let hostile = [
        "a=b&query=vector(1)",
        "a in (b%26timeout%3D1h)",
        "a=b%00",
        "a=\"}or vector(1e9)#",
        "a=b#",
        "a=b;c=d",
        "x in (a.c,\\)",
        "pod=a\r\nHost: b",
        "pod=a,pod=b",
        "query=up",
        "timeout=1",
        "a%3Db%26c",
    ];
    for metric in [
        "inference_requests_waiting",
        "inference_time_to_first_token_seconds_p95",
        "vllm%3Anum_requests_waiting",
    ] {
        for selector in hostile {
            for namespace in ["ai", "ai%26query%3Dup", "ai%22%7D", "a%2Fb", "ai%0A"] {
                let reply = server.client.get(&value_path(namespace, metric, selector)).await;
                assert!(
                    matches!(reply.status.as_u16(), 200 | 400 | 404 | 503),
                    "{selector}: {}",
                    reply.text()
                );
            }
        }
    }
    let forms = front.forms();
    assert!(!forms.is_empty());
    for form in forms {
        let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["query", "timeout"], "{form:?}");
        assert_eq!(form[1].1, "10000ms");
        for word in ["vector(", "1e9", "Host", "a.c", "timeout", "%"] {
            assert!(!form[0].1.contains(word), "{word} is in {}", form[0].1);
        }
    }
}
