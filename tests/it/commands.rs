//! The commands, as a person or a script runs them.

use serde_json::{Value as Json, json};

use crate::support::command::{inferometer, text};
use crate::support::front::{Answer, Front};
use crate::support::{Server, free_port};

const METRIC: &str = "inference_requests_waiting";

async fn source() -> Front {
    let pod = |name: &str| json!({ "namespace": "ai", "pod": name, "engine": "0", "model_name": "m" });
    Front::start(None, Answer::Series(vec![(pod("a"), 3.0), (pod("b"), 4.5)])).await
}

/// Runs to its end beside the source, which lives in this runtime.
async fn run(args: &[&str]) -> (i32, String, String) {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        inferometer(&args.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let output = output.await.expect("no panic");
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_every_step() {
    let front = source().await;
    let server = Server::of(&front.url()).await;
    let (base, url) = (server.client.base().to_owned(), front.url());
    for place in [["--server", &base], ["--prometheus-url", &url]] {
        let asked = ["explain", METRIC, "-n", "ai", "-l", "pod in (b,c)", place[0], place[1]];
        let (code, out, error) = run(&asked).await;
        assert_eq!(code, 0, "{error}");
        for words in [
            "inference_requests_waiting in namespace ai, selector pod in (b,c)",
            "use target type AverageValue",
            "├─ source prometheus",
            "vllm:num_requests_waiting{server=\"\"}",
            "2 in the cluster, 2 in the namespace, 1 selected",
            "├─ 1 pods or devices",
            "└─ the HPA sees 4500m",
            "with AverageValue 5 it asks for 1 replicas",
        ] {
            assert!(out.contains(words), "{words} is not in\n{out}");
        }
        assert!(!out.contains('\u{1b}'), "no colours where nobody looks");

        let (code, out, _) = run(&[&asked[..], &["-o", "json"]].concat()).await;
        let explained: Json = serde_json::from_str(&out).expect("JSON");
        assert_eq!(code, 0);
        assert_eq!(
            (&explained["answer"]["value"], &explained["answer"]["exact"]),
            (&json!("4500m"), &json!(4.5))
        );
        assert_eq!(explained["derivation"]["inputs"][0]["selected"], 1);
        let element = &explained["derivation"]["elements"][0];
        assert!(element["name"].as_str().is_some_and(|name| name.starts_with('b')), "{element}");

        // A refusal is explained as well, and the exit code tells it to a script.
        let (code, out, _) = run(&["explain", METRIC, "-n", "elsewhere", place[0], place[1]]).await;
        assert_eq!(code, 1);
        assert!(
            out.contains("the HPA sees an error and holds still: inference_requests_waiting: no series"),
            "{out}"
        );
        let (code, out, error) = run(&["explain", "inference_requests_waitin", place[0], place[1]]).await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("inference_requests_waitin"), "{error}");
        let (code, _, error) = run(&["explain", METRIC, "-l", "a in (", place[0], place[1]]).await;
        assert_eq!(code, 1, "{error}");
    }
    let nowhere = format!("https://127.0.0.1:{}", free_port());
    let (code, _, error) = run(&["explain", METRIC, "--server", &nowhere]).await;
    assert_eq!(code, 1);
    assert!(error.contains("is `inferometer serve` running there"), "{error}");
    let (code, out, _) =
        run(&["explain", METRIC, "--prometheus-url", &nowhere.replace("https", "http")]).await;
    assert_eq!(code, 1);
    assert!(out.contains("has not answered"), "{out}");
}

#[test]
fn catalog_lists_and_shows() {
    let output = inferometer(&["catalog"]);
    let list = text(&output.stdout);
    assert!(output.status.success());
    for words in ["METRIC", METRIC, "gpu_utilization", "AverageValue"] {
        assert!(list.contains(words), "{words} is not in\n{list}");
    }
    let output = inferometer(&["catalog", "--engine", "dcgm"]);
    assert!(!text(&output.stdout).contains(METRIC));
    let output = inferometer(&["catalog", "--engine", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("vllm"), "the engines there are");

    for (name, words) in [
        (METRIC, "promql   label_replace("),
        ("inference_time_to_first_token_seconds_p99", "vllm:time_to_first_token_seconds"),
        ("vllm:num_requests_waiting", "as the engine exports it"),
    ] {
        let output = inferometer(&["catalog", name]);
        assert!(output.status.success() && text(&output.stdout).contains(words), "{}", text(&output.stdout));
    }
    let output = inferometer(&["catalog", METRIC, "-o", "json"]);
    let entry: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&entry["name"], &entry["type"], &entry["targetType"], &entry["holdSeconds"]),
        (&json!(METRIC), &json!("extensive"), &json!("AverageValue"), &json!(60.0))
    );
    let output = inferometer(&["catalog", "inference_kv_cache_utilization", "-o", "json"]);
    let entry: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&entry["type"], &entry["targetType"], &entry["holdSeconds"]),
        (&json!("intensive"), &json!("Value"), &json!(15.0))
    );
    let output = inferometer(&["catalog", "inference_request_waiting"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("did you mean `inference_requests_waiting`?"),
        "{}",
        text(&output.stderr)
    );
}

/// Every promise of PromQL in the catalog is PromQL to Prometheus's own parser.
#[test]
fn catalog_is_promql_to_promtool() {
    let output = inferometer(&["catalog", "-o", "json"]);
    let entries: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut rules = Vec::new();
    for entry in entries.as_array().expect("a list") {
        for provider in entry["providers"].as_array().expect("a list") {
            let expr = provider["promql"].as_str().expect("a query");
            rules.push(json!({ "record": format!("r{}", rules.len()), "expr": expr }));
        }
    }
    assert!(rules.len() > 20);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("rules.yaml");
    let groups = json!({ "groups": [{ "name": "catalog", "rules": rules }] });
    std::fs::write(&path, groups.to_string()).expect("a file");
    let output = crate::support::command::output(
        std::process::Command::new("promtool").args(["check", "rules"]).arg(&path),
    );
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &[][..],
        &["nothing"],
        &["serve", "--nothing"],
        &["serve", "--secure-port", "70000"],
        &["serve", "--prometheus-url", "prometheus:9090"],
        &["serve", "--prometheus-url", "ftp://prometheus"],
        &["serve", "--prometheus-url", "http://user:secret@prometheus:9090"],
        &["serve", "--tls-cert-file", "tls.crt"],
        &["serve", "--log-format", "xml"],
        &["explain"],
        &["explain", METRIC, "--config", "x.yaml"],
        &["catalog", METRIC, "--engine", "vllm"],
        &["catalog", "--output", "yaml"],
    ] {
        let output = inferometer(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
    let output = inferometer(&["--version"]);
    assert_eq!(text(&output.stdout), concat!("inferometer ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(inferometer(&["help", "serve"]).status.success());
}

#[test]
fn serve_refuses_in_a_sentence() {
    let pods = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/good/pods.yaml");
    let local = ["--secure-port", "0", "--observability-address", "127.0.0.1:0"];
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken = taken.local_addr().expect("its address").port().to_string();
    let listener = std::net::TcpListener::bind(("127.0.0.1", taken.parse::<u16>().expect("a port")));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = directory.path().join("missing").to_str().expect("UTF-8").to_owned();
    for (args, words) in [
        (vec!["serve"], "not in a cluster: give --kubeconfig FILE"),
        (
            vec!["serve", "--standalone", "--bind-address", "0.0.0.0"],
            "--bind-address must be a loopback address, not 0.0.0.0",
        ),
        (
            vec!["serve", "--standalone", "--bind-address", "::"],
            "--bind-address must be a loopback address, not ::",
        ),
        (vec!["serve", "--standalone", "--secure-port", &taken], "cannot listen on 127.0.0.1:"),
        (vec!["serve", "--standalone", "--config", &missing], "missing cannot be used"),
        (vec!["serve", "--standalone", "--config", pods], "this server is in no cluster"),
        (
            vec!["serve", "--standalone", "--tls-cert-file", &missing, "--tls-private-key-file", &missing],
            "failed to read",
        ),
    ] {
        let args = if args.contains(&"--secure-port") { args } else { [args.as_slice(), &local].concat() };
        let output = inferometer(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let error = text(&output.stderr);
        assert!(error.contains(words), "{words} is not in {error}");
    }
    drop(listener);
}

#[test]
fn check_tells_right_from_wrong() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    for (folder, code) in [("good", 0), ("doubtful", 0), ("bad", 1)] {
        let entries = std::fs::read_dir(fixtures.join(folder)).expect("the fixtures are there");
        for entry in entries {
            let path = entry.expect("an entry").path();
            let output = inferometer(&["check", path.to_str().expect("UTF-8")]);
            let said = text(&output.stdout) + &text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{}: {said}", path.display());
        }
    }
    let wrong = fixtures.join("bad/five-mistakes.yaml");
    let output = inferometer(&["check", wrong.to_str().expect("UTF-8")]);
    let said = text(&output.stdout) + &text(&output.stderr);
    for place in [":9:11", ":12:11", ":14:11", ":19:7", ":24:3"] {
        assert!(said.contains(place), "{place} is not in {said}");
    }
    assert_eq!(inferometer(&["check", "/nonexistent.yaml"]).status.code(), Some(1));
    assert_eq!(inferometer(&["check"]).status.code(), Some(2));
}
