//! Text of tenants, and queries (R41, S9): the one never reaches the other.

use std::collections::BTreeSet;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::client::CUSTOM;
use crate::support::front::{Answer, Front};
use crate::support::{EXTERNAL, Exposition, Prometheus, Server, WAITING, seconds, until};

/// In whatever a tenant writes here, so that it can be found.
const CANARY: &str = "zzcanary";

/// What other adapters were taken in by, and what might take in a parser.
const CORPUS: [&str; 30] = [
    "\"} or vector(1e9) #",
    "a\"} or vector(1e9) or x{b=\"",
    "model_name=\"} or vector(1e9) #",
    "model_name in (a\"\\)} or vector(1e9) #)",
    "model_name=~\".*\"",
    "model_name=~.*",
    "model_name!~x",
    "namespace=theirs",
    "namespace in (ours,theirs)",
    "namespace!=ours",
    "namespace",
    "!namespace",
    "__name__=up",
    "__name__!=x",
    "_part=0",
    "_part!=0",
    "model_name in (team.a)",
    "model_name in (.*)",
    "model_name in (a|b)",
    "model_name in (a,b,c),namespace notin (ours)",
    "model_name=a\\",
    "model_name=a\\\"",
    "model_name=a\nor vector(1e9)",
    "model_name=a\0b",
    "model_name=\u{0430}",
    "model_name=a,model_name=b,(",
    "gpus>1",
    "gpus<1",
    "model_name=${namespace}",
    "model_name={{.LabelMatchers}}",
];

fn page(waiting: u32, model: &str) -> String {
    format!(
        "# TYPE vllm:num_requests_waiting gauge\n\
         vllm:num_requests_waiting{{engine=\"0\",model_name=\"{model}\"}} {waiting}\n\
         # TYPE vllm:num_requests_running gauge\n\
         vllm:num_requests_running{{engine=\"0\",model_name=\"{model}\"}} 1\n"
    )
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The different queries, with one mark for whatever lists of these two namespaces are in them.
fn shapes(front: &Front) -> BTreeSet<String> {
    let narrowed = [
        r#"{namespace=~"ours|theirs"}"#,
        r#"{namespace=~"ours"}"#,
        r#"{namespace="ours"}"#,
        r#"{namespace="theirs"}"#,
    ];
    let shape = |query: String| narrowed.iter().fold(query, |query, narrowed| query.replace(narrowed, "{…}"));
    front.queries().into_iter().map(shape).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_asked_nothing_that_a_tenant_wrote() {
    let pages = Exposition::start().await;
    let targets =
        [pages.pod("ours", "p-0", page(3, "team.a")), pages.pod("theirs", "p-0", page(1_000, "teamXa"))];
    let prometheus = Prometheus::start(&targets).await;
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await;
    let server = Server::of(&front.url()).await;
    // What is asked of Prometheus when nobody means harm. The dear signal is narrowed to who asks.
    let dear = "inference_time_to_first_token_seconds_p95";
    for metric in [WAITING, dear] {
        for namespace in ["ours", "theirs"] {
            until("it is read", seconds(20), async || {
                let outcome = server.client.value(namespace, metric, "").await;
                if metric == dear { Ok(()) } else { outcome.map(drop) }
            })
            .await;
        }
    }
    assert_eq!(server.client.quantity("ours", WAITING, "model_name in (team.a)").await, "3", "no wildcard");
    // Each is asked again, now for both namespaces.
    let count = front.queries().len();
    until("more is asked", seconds(30), async || {
        let more = front.queries().len() - count;
        if more >= 2 { Ok(()) } else { Err(more) }
    })
    .await;
    let usual = shapes(&front);

    let mut refused = 0;
    for text in CORPUS {
        let hostile = [
            format!("{EXTERNAL}/namespaces/ours/{WAITING}?labelSelector={}", encoded(text)),
            format!(
                "{EXTERNAL}/namespaces/ours/{WAITING}?labelSelector={}",
                encoded(&format!("{text},{CANARY}"))
            ),
            format!(
                "{EXTERNAL}/namespaces/ours/{dear}?labelSelector={}",
                encoded(&format!("{CANARY}!=a,{text}"))
            ),
            format!("{EXTERNAL}/namespaces/ours/{}", encoded(&format!("{CANARY}{text}"))),
            format!("{EXTERNAL}/namespaces/{}/{WAITING}", encoded(&format!("{CANARY}{text}"))),
            format!("{EXTERNAL}/namespaces/{}/{dear}", encoded(&format!("ours {text}"))),
            format!(
                "{CUSTOM}/v1beta2/namespaces/ours/pods/{}/{WAITING}?metricLabelSelector={}",
                encoded("*"),
                encoded(text)
            ),
            format!(
                "{CUSTOM}/v1beta2/namespaces/ours/pods/{}/{WAITING}",
                encoded(&format!("{CANARY}{text}"))
            ),
        ];
        for path in hostile {
            let reply = server.client.send(Method::GET, &path, &[]).await;
            let told = reply.text();
            assert!(matches!(reply.status.as_u16(), 200 | 400 | 404 | 503), "{path}: {told}");
            refused += usize::from(reply.status != 200);
            assert!(!told.contains("1000\"") && !told.contains("1000000000"), "{path}: {told}");
        }
    }
    assert!(refused > 200, "most of it is nonsense: {refused}");
    let strange: Vec<_> = shapes(&front).difference(&usual).cloned().collect();
    assert!(strange.is_empty(), "{strange:#?}");
    assert!(!front.queries().iter().any(|query| query.contains(CANARY) || query.contains("1e9")));
    assert_eq!(server.client.quantity("ours", WAITING, "").await, "3");
    assert_eq!(server.client.quantity("theirs", WAITING, "").await, "1000");
}
