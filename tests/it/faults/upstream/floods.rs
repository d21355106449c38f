//! Answers that are larger than memory: left at the bound, and nothing else notices.

use std::fmt::Write as _;

use futures_util::future::join_all;

use super::{WHOLE, all_are_whole, answer, configuration, failure, lines, three};
use crate::support::flood::{Body, Flood};
use crate::support::front::Front;
use crate::support::{CANARY, Server, memory, seconds, until};

/// What the process may take more than before, in MiB.
const MORE: f64 = 20.0;

/// Of an answer, and the configured bound.
const BOUND: u64 = 8 << 20;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Rows of an answer, from this one on.
fn rows(from: usize, count: usize) -> String {
    let mut rows = String::new();
    for n in from..from + count {
        let comma = if n == 0 { "" } else { "," };
        write!(rows, "{comma}{{\"metric\":{{\"_part\":\"0\",\"pod\":\"p{n}\"}},\"value\":[1,\"1\"]}}")
            .expect("memory");
    }
    rows
}

const VECTOR: &str = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[";

/// Names of floods, with words of what is told of each.
fn floods() -> Vec<(&'static str, Body, &'static str)> {
    let large = "answer too large: more than 8 MiB";
    let none = "not the query API's JSON";
    let spaces = " ".repeat(1 << 10);
    let deep = "[".repeat(10_000);
    let million = {
        let mut body = Body::of(CHUNKED, VECTOR, &rows(1, 10_000), Some(100), "]}}");
        body.head.extend(rows(0, 1).bytes());
        body
    };
    vec![
        ("announced", Body::of("Content-Length: 2000000000\r\n", "", &spaces, None, ""), large),
        ("until-the-end", Body::of("", "", &spaces, None, ""), large),
        ("chunked", Body::of(CHUNKED, "", &spaces, None, ""), large),
        ("compressed", Body::bomb(), large),
        ("a-million-rows", million, large),
        // Within the bound of bytes, and beyond that of rows.
        (
            "too-many-rows",
            Body::whole("", format!("{VECTOR}{}]}}}}", rows(0, 30_000))),
            "more than 1000 series",
        ),
        ("deep", Body::whole("", format!("{{\"status\":\"success\",\"data\":{deep}")), none),
        ("deep-in-a-row", Body::whole("", format!("{VECTOR}{{\"metric\":{deep}")), none),
        ("deep-beside", Body::whole("", format!("{{\"{CANARY}\":{deep}")), none),
        ("one-label", Body::of("", format!("{VECTOR}{{\"metric\":{{\"_part\":\""), &spaces, None, ""), large),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_left_at_the_bound() {
    let well = Front::start(None, three()).await;
    let mut sources = vec![("well".to_owned(), format!("url: \"{}\"", well.url()))];
    let mut cases = Vec::new();
    for (name, body, words) in floods() {
        let flood = Flood::of(vec![body]).await;
        sources.push((
            name.to_owned(),
            format!("url: \"{}\", maxBodyBytes: 8MiB, maxSeries: 1000", flood.url()),
        ));
        cases.push((name, flood, words));
    }
    let server = Server::configured(&configuration(&sources)).await;
    let pid = server.process.id();
    all_are_whole(&server, ["well"].into_iter()).await;
    let start = memory::resident(pid);
    for (name, flood, words) in &cases {
        memory::forget_peak(pid);
        let before = memory::resident(pid);
        let problem = answer(&server, name).await.expect_err("no number");
        assert_eq!(problem.code, 503, "{problem}");
        let told = failure(&server, name).await;
        assert!(told.contains(words), "{name}: {told}");
        let well = answer(&server, "well").await;
        assert_eq!(well.map(|value| value.text).as_deref().ok(), Some(WHOLE), "beside {name}");
        let peak = memory::peak(pid);
        println!("{name}: {peak:.1} MiB, {before:.1} before; {} bytes said", flood.said());
        assert!(peak < before + MORE, "{name}: {peak} MiB, {before} before");
    }
    until("nothing of it is kept", seconds(30), async || {
        let now = memory::resident(pid);
        if now < start + MORE { Ok(()) } else { Err(format!("{now} MiB, {start} at the start")) }
    })
    .await;
    // It is left for good: what it says beyond the bound is in buffers of the network.
    let said: u64 = cases.iter().map(|(_, flood, _)| flood.said()).sum();
    let attempts = server.own_metric("inferometer_source_refreshes_total", &[]).await;
    assert!(said < (attempts as u64 + 1) * 4 * BOUND, "{said} bytes in {attempts} attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_says_without_end_is_left_at_the_bound() {
    let line = "vllm:request_success_total{model_name=\"m\",finished_reason=\"stop\"} 1\n";
    let text = "Content-Type: text/plain\r\n";
    let compressed =
        Body { headers: "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", ..Body::bomb() };
    let chunked = "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n";
    let many = lines((0..60_000).map(|n| format!("vllm:num_requests_waiting{{n=\"{n}\"}} 1\n")));
    let floods = join_all([
        Flood::of(vec![Body::of(text, "", line, None, "")]),
        Flood::of(vec![Body::of(chunked, "", line, None, "")]),
        Flood::of(vec![compressed]),
        Flood::of(vec![Body::whole(text, many)]),
        Flood::of(vec![Body::of(text, "vllm:num_requests_waiting{n=\"", "x", None, "")]),
    ])
    .await;
    let targets: Vec<_> =
        floods.iter().map(|flood| format!("{{ url: \"{}\", namespace: ai }}", flood.url())).collect();
    let server = Server::configured(&format!(
        "{}sources:\n- name: engines\n  scrape: {{ maxSeries: 10000, targets: [{}] }}\n\
         metrics:\n- {{ name: waiting, source: engines, preset: inference_requests_waiting }}\n",
        super::HEAD,
        targets.join(", ")
    ))
    .await;
    let pid = server.process.id();
    assert_eq!(server.client.get_as("/readyz", "*/*").await.status, 200);
    let before = memory::resident(pid);
    let problem = server.client.problem("ai", "waiting", "").await;
    assert_eq!(problem.code, 503, "{problem}");
    until("each target is left", seconds(20), async || {
        let told = server.log().iter().filter(|line| line.contains("target gives no metrics")).count();
        if told == floods.len() { Ok(()) } else { Err(format!("{told} targets; {:#?}", server.log())) }
    })
    .await;
    let log = server.log().join("\n");
    for words in ["more than 4 MiB", "more than 10000 series of all targets"] {
        assert!(log.contains(words), "{words} is not in\n{log}");
    }
    let peak = memory::peak(pid);
    println!("{peak:.1} MiB, {before:.1} before");
    assert!(peak < before + MORE + 4.0 * floods.len() as f64, "{peak} MiB, {before} before");
}
