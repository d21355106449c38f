//! Names that labels cannot hold: what `encode` writes is understood wherever a selector is.

use serde_json::json;

use crate::support::client::CUSTOM;
use crate::support::command::{inferometer, text};
use crate::support::{Exposition, Prometheus, Server, value_path};

const METRIC: &str = "inference_requests_waiting";
const MODEL: &str = "meta-llama/Llama-3-8B";
const ENCODED: &str = "x_meta-llama_2FLlama-3-8B";

fn page(model: &str, waiting: u32) -> String {
    let line =
        |name: &str, value: u32| format!("vllm:num_requests_{name}{{model_name=\"{model}\"}} {value}\n");
    line("running", 1) + &line("waiting", waiting)
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = inferometer(args);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn assert_selects(server: &Server) {
    for (selector, number) in [
        ("", "7"),
        (&format!("model={ENCODED}"), "5"),
        (&format!("model=={ENCODED}"), "5"),
        (&format!("model_name in ({ENCODED},nothing)"), "5"),
        (&format!("model!={ENCODED}"), "2"),
        (&format!("model notin ({ENCODED})"), "2"),
        // Plain names go on meaning themselves, though they look a little like it.
        ("model=x_llama_70b", "2"),
        ("model!=x_llama_70b", "5"),
    ] {
        assert_eq!(server.client.quantity("ai", METRIC, selector).await, number, "{selector}");
    }
    assert!(value_path("ai", METRIC, &format!("model={ENCODED}")).ends_with(&format!("=model%3D{ENCODED}")));
    // Whoever has the name wrong is told how to write one that is there.
    let problem = server.client.problem("ai", METRIC, "model=x_meta-llama_2fLlama-3-8B").await;
    let words = format!("model={MODEL} (write {ENCODED})");
    assert!(problem.code == 503 && problem.message.contains(&words), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_models_with_slashes_are_selected() {
    let pages = Exposition::start().await;
    let targets = [pages.pod("ai", "a", page(MODEL, 5)), pages.pod("ai", "b", page("x_llama_70b", 2))];
    let prometheus = Prometheus::start(&targets).await;
    let server = Server::of(prometheus.url()).await;
    assert_selects(&server).await;
    // Of the pods, the one whose series has the name.
    let path =
        format!("{CUSTOM}/v1beta2/namespaces/ai/pods/*/{METRIC}?metricLabelSelector=model%3D{ENCODED}");
    let list = server.client.get(&path).await.json();
    let items: Vec<_> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| &item["describedObject"]["name"])
        .collect();
    assert_eq!(items, [&json!("a")], "{list}");
    assert_eq!(
        list["items"][0]["metric"]["selector"]["matchLabels"]["model"], ENCODED,
        "as it was asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_with_slashes_are_selected_where_pages_are_read_directly() {
    let pages = Exposition::start().await;
    pages.set("/a", page(MODEL, 5));
    pages.set("/b", page("x_llama_70b", 2));
    let flags = ["/a", "/b"].map(|path| format!("ai=http://{}{path}", pages.target("t", path, &[]).address));
    let server = Server::start(&["--scrape", &flags[0], "--scrape", &flags[1]]).await;
    assert_selects(&server).await;
}

#[test]
fn encode_writes_and_reads() {
    for (args, printed) in [
        (&["encode", MODEL][..], ENCODED),
        (&["encode", "--decode", ENCODED], MODEL),
        (&["encode", "-d", "llama-3-8b"], "llama-3-8b"),
        (&["encode", "llama-3-8b"], "llama-3-8b"),
        (&["encode", "--", "-a"], "x_-a"),
    ] {
        assert_eq!(run(args), (Some(0), format!("{printed}\n"), String::new()), "{args:?}");
    }
    let long = format!("org/{}", "model".repeat(12));
    for (args, words) in [
        (&["encode", &long][..], "encoded it has 68 characters, and a label's value has at most 63"),
        (&["encode", "--decode", MODEL], "\"meta-llama/Llama-3-8B\" cannot be the value of a selector"),
    ] {
        let (code, out, error) = run(args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn check_tells_how_to_write_a_name() {
    let check = |model: &str| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("hpa.yaml");
        let metric = json!({ "name": METRIC, "selector": { "matchLabels": { "model": model } } });
        let target = json!({ "type": "AverageValue", "averageValue": "5" });
        let hpa = json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "llama" },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "llama" },
                "maxReplicas": 2,
                "metrics": [{ "type": "External", "external": { "metric": metric, "target": target } }],
            },
        });
        std::fs::write(&path, hpa.to_string()).expect("a file");
        let (code, out, error) = run(&["check", &path.display().to_string()]);
        (code, out + &error)
    };
    let (code, told) = check(MODEL);
    assert!(code == Some(1) && told.contains(&format!("write `{ENCODED}`")), "{told}");
    let (code, told) = check(&format!("org/{}", "model".repeat(12)));
    assert!(code == Some(1) && told.contains("is too long to be encoded; select by another label"), "{told}");
    let (code, told) = check(ENCODED);
    assert_eq!(code, Some(0), "{told}");
}
