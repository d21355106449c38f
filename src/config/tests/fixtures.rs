//! Whole files, right and wrong, and what is said of them.

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::config::{Checked, Diagnostics, Report, check, load, read};
use crate::source::Definition;
use crate::source::scrape::discover::Endpoint;
use crate::source::scrape::pods::Scheme;

fn run(file: &str, text: &str) -> (Checked, Report) {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let checked = check(file, text, &catalog, None, &mut diags);
    (checked, diags.finish())
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn bad_files_are_explained() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::glob!("../../../tests/fixtures/config/bad", "*.yaml", |path| {
            let text = std::fs::read_to_string(path).unwrap();
            let (_, report) = run(&name(path), &text);
            assert_ne!(report.errors, 0);
            insta::assert_snapshot!("bad", report);
        });
    });
}

#[test]
fn doubtful_files_are_warned_of() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::glob!("../../../tests/fixtures/config/doubtful", "*.yaml", |path| {
            let text = std::fs::read_to_string(path).unwrap();
            let (_, report) = run(&name(path), &text);
            assert_eq!((report.errors, report.warnings > 0), (0, true), "{report}");
            insta::assert_snapshot!("doubtful", report);
        });
    });
}

/// Engines whose queries are shown: those of the others are the catalog's own affair.
const SHOWN: [&str; 2] = ["vllm", "dcgm"];

/// One line for each metric, and what its source is asked.
fn describe(checked: &Checked) -> String {
    let catalog = Catalog::built_in().unwrap();
    let is_shown =
        |name: &str| SHOWN.contains(&name) || catalog.engines().iter().all(|engine| &*engine.name != name);
    let mut text = String::new();
    for one in &checked.metrics {
        let metric = &one.metric;
        let target = metric.target.as_ref().map(|target| target.value);
        let _ = writeln!(
            text,
            "{}: {}, {}, {}, {}, range {:?}, target {target:?}, window {:?}, hold {:?}",
            metric.name,
            metric.semantics,
            metric.aggregate,
            metric.unit,
            metric.direction,
            metric.range,
            metric.window(),
            metric.hold
        );
        for (engine, query) in one.queries.iter().filter(|(engine, _)| is_shown(engine)) {
            let _ = writeln!(text, "  {engine}: {}", query.replace('\n', " "));
        }
    }
    let _ = writeln!(text, "{} autoscalers, ignored {:?}", checked.autoscalers, checked.ignored);
    text
}

#[test]
fn good_files_are_accepted_without_a_word() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::glob!("../../../tests/fixtures/config/good", "*.yaml", |path| {
            let text = std::fs::read_to_string(path).unwrap();
            let (checked, report) = run(&name(path), &text);
            assert_eq!(report.to_string(), "");
            insta::assert_snapshot!("good", describe(&checked));
        });
    });
}

#[test]
fn five_mistakes_are_five_errors() {
    let text = include_str!("../../../tests/fixtures/config/bad/five-mistakes.yaml");
    let (checked, report) = run("five-mistakes.yaml", text);
    assert!(checked.configuration.is_none());
    assert_eq!((report.errors, report.warnings), (5, 0), "{report}");
    let lines: Vec<usize> = report.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [9, 12, 14, 19, 24]);
}

#[test]
fn a_server_loads_what_check_accepts_and_nothing_else() {
    let catalog = Catalog::built_in().unwrap();
    let loaded = |text: &str| {
        let mut diags = Diagnostics::default();
        let configuration = load("config.yaml", text, &catalog, &mut diags);
        (configuration, diags.finish())
    };
    let (configuration, report) = loaded(include_str!("../../../tests/fixtures/config/good/full.yaml"));
    assert_eq!(report.to_string(), "");
    let configuration = configuration.unwrap();
    let [
        Definition::Prometheus(main),
        Definition::Prometheus(mimir),
        Definition::Scrape(pods, targets, selections),
    ] = &configuration.sources[..]
    else {
        panic!("two servers and a list of targets")
    };
    assert_eq!((main.name.as_str(), main.timeout.as_secs(), main.max_body), ("main", 5, 64 << 20));
    assert!(main.accept_partial && main.auth.ca.is_some() && main.auth.client_certificate.is_some());
    assert_eq!((main.auth.headers.len(), main.auth.bearer.is_some()), (2, true));
    assert_eq!((mimir.timeout.as_secs(), mimir.max_series), (10, 100_000));
    assert!(selections.is_empty() && configuration.pods_at.is_none());
    assert_eq!((pods.interval.as_secs(), pods.timeout.as_secs(), pods.max_series), (1, 1, 500_000));
    let said = |index: usize| {
        let target: &Endpoint = &targets[index];
        let labels: Vec<_> = target.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (target.url.as_str(), labels.join(","), target.engine.as_deref())
    };
    assert_eq!(said(0), ("http://10.0.0.5:8000/metrics", "namespace=ai,pod=llama-0".into(), Some("vllm")));
    assert_eq!(said(1), ("http://vllm.ai.svc.cluster.local:8000/metrics", "namespace=ai".into(), None));
    assert_eq!(said(2), ("https://exporter:9400/gpu", "namespace=gpu".into(), Some("dcgm")));
    let waiting = configuration.metric("inference_requests_waiting").unwrap();
    assert_eq!(waiting.source.as_deref(), Some("mimir"));

    for text in [
        include_str!("../../../tests/fixtures/config/good/autoscaler.yaml"),
        include_str!("../../../tests/fixtures/config/bad/five-mistakes.yaml"),
        include_str!("../../../tests/fixtures/config/bad/duplicates.yaml"),
        include_str!("../../../tests/fixtures/config/bad/empty.yaml"),
        "",
        "---\n",
        "a: [\n",
    ] {
        let (configuration, report) = loaded(text);
        assert!(configuration.is_none() && report.has_errors(), "{text}");
    }
    // Warnings do not keep a configuration from being used.
    let (configuration, report) = loaded(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
         metrics:\n- { name: a, type: extensive, promql: sum(x) }\n",
    );
    assert!(configuration.is_some() && report.warnings == 1);
}

#[test]
fn pods_are_targets_beside_others() {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let text = include_str!("../../../tests/fixtures/config/good/pods.yaml");
    let configuration = load("pods.yaml", text, &catalog, &mut diags).unwrap();
    assert_eq!(configuration.pods_at.map(|place| (place.line, place.column)), Some((8, 5)));
    let [Definition::Scrape(_, targets, pods), Definition::Scrape(_, none, asking)] =
        &configuration.sources[..]
    else {
        panic!("two sources")
    };
    assert_eq!((targets.len(), none.len()), (1, 0));
    let [engines, devices] = &pods[..] else { panic!("{pods:?}") };
    assert_eq!(
        engines.to_string(),
        "pods of ai, ml with app.kubernetes.io/component=inference,deployment!=canary at port metrics"
    );
    assert_eq!((engines.path.as_str(), engines.scheme), ("/metrics", Scheme::Http));
    assert_eq!((engines.engine.as_deref(), engines.annotated), (Some("vllm"), false));
    assert_eq!(devices.to_string(), "pods of gpu-operator with app=nvidia-dcgm-exporter at port 9400");
    assert_eq!((devices.path.as_str(), devices.scheme), ("/gpu", Scheme::Https));
    assert_eq!(asking[0].to_string(), "pods that ask for it");
}

#[test]
fn autoscalers_may_use_a_configuration_of_another_file() {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let text = include_str!("../../../tests/fixtures/config/good/full.yaml");
    let configuration = load("config.yaml", text, &catalog, &mut diags);
    let autoscaler = include_str!("../../../tests/fixtures/config/good/autoscaler.yaml")
        .replace("name: inference_kv_cache_utilization", "name: kv_p90");
    let checked = check("hpa.yaml", &autoscaler, &catalog, configuration.as_ref(), &mut diags);
    assert_eq!(diags.finish().to_string(), "");
    assert_eq!(checked.metrics.len(), 2);
    let mut diags = Diagnostics::default();
    check("hpa.yaml", &autoscaler, &catalog, None, &mut diags);
    assert_eq!(diags.finish().errors, 1);
}

#[test]
fn files_that_cannot_be_read_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let message = |path: &std::path::Path| {
        let mut diags = Diagnostics::default();
        assert_eq!(read(path, &mut diags), None);
        diags.finish().diagnostics.remove(0).message
    };
    assert!(message(&directory.path().join("missing")).starts_with("cannot read the file: "));
    assert!(message(directory.path()).starts_with("cannot read the file: "));
    assert_eq!(message(&path("latin-1", b"a: 1\nb: \xfc\n")), "the file is not UTF-8 text: see line 2");
    assert_eq!(message(&path("huge", &vec![b' '; (1 << 20) + 1])), "the file is larger than 1 MiB");
    let mut diags = Diagnostics::default();
    let largest = path("largest", &vec![b' '; 1 << 20]);
    assert_eq!(read(&largest, &mut diags).map(|text| text.len()), Some(1 << 20));
}

#[test]
fn secrets_are_not_shown() {
    let (_, report) = run(
        "config.yaml",
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n- name: a\n  prometheus:\n    \
         url: http://a\n    auth: { basic: { username: 'a:b', pasword: hunter2, usr: { x: hunter2 } }, bearer: hunter2,\n      \
         headers: [{ name: Cookie, value: hunter2 }, { name: X, valu: hunter2 }] }\n",
    );
    assert!(report.errors > 4);
    assert!(!report.to_string().contains("hunter2"), "{report}");
}

#[test]
fn a_redis_is_reached_in_three_ways() {
    use crate::source::Text;
    use crate::source::redis::Mode;

    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let text = include_str!("../../../tests/fixtures/config/good/redis.yaml");
    let configuration = load("redis.yaml", text, &catalog, &mut diags).unwrap();
    let [_, Definition::Redis(jobs), Definition::Redis(shared), Definition::Redis(wide)] =
        &configuration.sources[..]
    else {
        panic!("three of kind redis")
    };
    let Mode::Single(address) = &jobs.mode else { panic!("one server") };
    assert_eq!((address.to_string().as_str(), jobs.database, jobs.tls), ("redis.jobs:6379", 2, true));
    assert_eq!(
        (jobs.name.as_str(), jobs.namespace.as_deref(), jobs.timeout.as_secs()),
        ("jobs", Some("jobs"), 5)
    );
    assert_eq!(jobs.auth.basic.as_ref().unwrap().0, Text::Literal("reader".to_owned()));
    assert!(jobs.auth.ca.is_some() && jobs.auth.client_certificate.is_some());
    let Mode::Sentinel { master, addresses, login } = &shared.mode else { panic!("Sentinel") };
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["sentinel-0.redis:26379", "sentinel-1.redis:26380", "[fd00::1]:26379"]);
    assert_eq!((master.as_str(), shared.database, shared.tls), ("mymaster", 1, true));
    // Nobody's password is anybody else's.
    assert_eq!(login.as_ref().unwrap().0, Text::Literal("default".to_owned()));
    assert!(shared.auth.basic.is_none() && shared.namespace.is_none());
    let Mode::Cluster(addresses) = &wide.mode else { panic!("a cluster") };
    assert_eq!((addresses.len(), wide.database, wide.tls, wide.timeout.as_secs()), (2, 0, false, 2));
    let (_, report) = run(
        "config.yaml",
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n- { name: a, redis: { list: a } }\n",
    );
    assert_eq!(report.diagnostics[0].message, "no source is a Redis");
    let fullest = configuration.metric("fullest").unwrap();
    assert_eq!(fullest.inputs[0].signal.to_string(), "length of list jobs:*");
}
