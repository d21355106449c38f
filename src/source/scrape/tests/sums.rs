//! From the pages of several targets to one set.

use super::*;
use crate::core::fixtures::{device, series_signal};
use crate::core::signal::{
    Element, Factor, Fold, Kind, NeutralLabels, PRESENT, SeriesRef, SeriesSignal, Term,
};

#[tokio::test]
async fn each_target_has_its_own_rows_and_a_metric_adds_them_up() {
    let (one, other) = (Exporter::start(page(3)).await, Exporter::start(page(4)).await);
    let world = World::new([one.place("namespace=ai,pod=a"), other.place("namespace=ai,pod=b")]);
    let answer = world.fetch(&waiting()).await.expect("an answer");
    let mut expected = [(&one, "a"), (&other, "b")]
        .map(|(from, pod)| format!("instance={},job=pods,namespace=ai,pod={pod}", from.address));
    expected.sort();
    assert_eq!(answer.set.all().iter().map(|one| text(&one.labels)).collect::<Vec<_>>(), expected);
    assert!(answer.cost.is_some() && answer.warnings.is_empty());
    let (_, reading) = world.evaluated(&Snapshot::default()).await;
    let reading = reading.expect("a reading");
    assert!((reading.value - 7.0).abs() < 1e-9);
    assert_eq!(reading.elements, 2);
}

#[tokio::test]
async fn targets_without_pods_are_told_apart_by_their_addresses() {
    let (one, other) = (Exporter::start(page(3)).await, Exporter::start(page(3)).await);
    let world = World::over(&[&one, &other]);
    assert_eq!(world.numbers().await, [3.0, 3.0]);
    let set = world.fetch(&waiting()).await.expect("an answer").set;
    assert_ne!(set.all()[0].element, set.all()[1].element);
}

#[tokio::test]
async fn a_label_that_the_target_has_too_is_told_as_exported() {
    let page = "requests_waiting{job=\"j\",instance=\"i\",model=\"m\"} 2\n";
    let exporter = Exporter::start(Deed::Page(page.to_owned())).await;
    let world = World::new([exporter.place("namespace=ai,model=n")]);
    let rows = world.rows(&waiting()).await;
    let told = "exported_instance=i,exported_job=j,exported_model=m,model=n,namespace=ai";
    assert_eq!(rows, [(told.to_owned(), Some(2.0))]);
}

/// A number of each device, told by an exporter that watches pods.
fn watched() -> Signal {
    series_signal(Kind::Gauge, &["requests_waiting"], None, device())
}

#[tokio::test]
async fn what_is_told_of_a_watched_pod_belongs_to_it() {
    let page = "requests_waiting{namespace=\"ai\",pod=\"x\"} 2\n";
    for target in ["namespace=gpu", "namespace=gpu,pod=exporter"] {
        let exporter = Exporter::start(Deed::Page(page.to_owned())).await;
        let rows = World::new([exporter.place(target)]).rows(&watched()).await;
        assert_eq!(rows, [("namespace=ai,pod=x".to_owned(), Some(2.0))], "{target}");
    }
}

/// Whatever labels its page has, an engine counts for its own pod and namespace, and takes nobody
/// else's away.
#[tokio::test]
async fn an_engine_tells_of_itself_only() {
    let honest = Exporter::start(page(100)).await;
    for labels in [
        "namespace=\"other\",pod=\"victim\"",
        "pod_name=\"a\",pod_namespace=\"other\"",
        "pod_name=\"x\"",
        "exported_namespace=\"other\",exported_pod=\"victim\"",
    ] {
        let told = format!("requests_waiting{{{labels}}} 1\n");
        let strange = Exporter::start(Deed::Page(told)).await;
        let world = World::new([honest.place("namespace=ai"), strange.place("namespace=ai")]);
        let set = world.fetch(&waiting()).await.expect("an answer").set;
        assert_eq!((set.in_namespace("ai").len(), set.in_namespace("other").len()), (2, 0), "{labels}");
    }
}

#[tokio::test]
async fn a_narrowed_signal_has_the_namespaces_that_were_asked_for() {
    let coverage = Coverage::Namespaces(Arc::new(["ai".into()].into()));
    let (one, other) = (Exporter::start(page(1)).await, Exporter::start(page(2)).await);
    let world = World::new([one.place("namespace=ai"), other.place("namespace=b")]);
    let set = world.fetch_for(&waiting(), &coverage).await.expect("an answer").set;
    assert_eq!((set.all().len(), set.in_namespace("ai").len()), (1, 1));

    let watching = "requests_waiting{namespace=\"ai\",pod=\"w\"} 5\n\
                    requests_waiting{pod_namespace=\"ai\",pod_name=\"v\"} 6\n";
    let watcher = Exporter::start(Deed::Page(watching.to_owned())).await;
    let world = World::new([watcher.place("namespace=gpu")]);
    let set = world.fetch_for(&watched(), &coverage).await.expect("an answer").set;
    assert_eq!(set.in_namespace("ai").len(), 2);
}

fn priced() -> Signal {
    let one = |name: &str| SeriesRef { name: name.to_owned(), matchers: Vec::new() };
    let factor = Factor { series: one("price"), on: vec!["node".to_owned()] };
    let term = Term { factor: Some(factor), ..Term::new(Kind::Gauge, vec![one("gpus")]) };
    Signal::Series(SeriesSignal {
        terms: vec![Term { fold: Fold::Sum, ..term }],
        window: None,
        element: Element::Pod,
        labels: NeutralLabels::default(),
        blank_from: None,
    })
}

#[tokio::test]
async fn numbers_are_multiplied_by_what_another_target_tells() {
    let gpus = Exporter::start(Deed::Page(
        "gpus{node=\"a\"} 2\ngpus{node=\"b\"} 3\ngpus{node=\"c\"} 4\n".to_owned(),
    ))
    .await;
    let prices = "price{node=\"a\",zone=\"1\"} 10\nprice{node=\"a\",zone=\"2\"} 11\nprice{node=\"b\"} 0.5\n";
    let prices = Exporter::start(Deed::Page(prices.to_owned())).await;
    let world = World::new([gpus.place("namespace=ai"), prices.place("namespace=costs")]);
    let rows = world.rows(&priced()).await;
    let row = |node: &str, number| (format!("namespace=ai,node={node}"), number);
    // The largest price counts, and without one there is no number.
    assert_eq!(rows, [row("a", Some(22.0)), row("b", Some(1.5)), row("c", None)]);
}

#[tokio::test]
async fn a_priced_number_is_as_old_as_its_price() {
    let gpus = Exporter::start(Deed::Page("gpus{node=\"a\"} 2\n".to_owned())).await;
    let prices = Exporter::start(Deed::Page("price{node=\"a\"} 10\n".to_owned())).await;
    let world = World::new([gpus.place("namespace=ai"), prices.place("namespace=costs")]);
    let first = world.fetch(&priced()).await.expect("an answer").set.all()[0].at;
    prices.set(Deed::Hang);
    let asked = gpus.asked().len();
    until(|| gpus.asked().len() > asked + 5).await;
    let later = world.fetch(&priced()).await.expect("an answer").set.all()[0].at;
    assert!(
        later.since(first) < MILLIS(200) && world.now().since(later) > MILLIS(100),
        "{first:?} {later:?}"
    );

    // Another that tells the same keeps it new.
    let same = Exporter::start(Deed::Page("price{node=\"a\"} 10\n".to_owned())).await;
    prices.set(Deed::Page("price{node=\"a\"} 10\n".to_owned()));
    let places = [&gpus, &prices, &same].map(|from| from.place("namespace=costs"));
    let world = World::new(places);
    world.fetch(&priced()).await.expect("an answer");
    prices.set(Deed::Hang);
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    let now = world.now();
    let asked = same.asked().len();
    until(|| same.asked().len() > asked + 2 && gpus.asked().len() > asked + 2).await;
    assert!(world.fetch(&priced()).await.expect("an answer").set.all()[0].at > now);

    // One that has never told its prices leaves every priced sum unknown, wherever it is.
    prices.stop();
    let world = World::new([gpus.place("namespace=ai"), place(nobody().await, "namespace=costs")]);
    let snapshot = world.known(&Snapshot::default(), &priced()).await;
    let refused = world.judge(&sum_of(priced()), &snapshot).expect_err("unknown");
    assert!(matches!(refused, Refusal::Silent { .. }), "{refused}");
}

#[tokio::test]
async fn presence_is_told_over_all_targets() {
    let (one, other) =
        (Exporter::start(page(3)).await, Exporter::start(Deed::Page("b:x 1\n".to_owned())).await);
    let world = World::over(&[&one, &other]);
    let presence = Signal::Presence(["requests_waiting".into(), "b:x".into(), "c:x".into()].into());
    let set = world.fetch(&presence).await.expect("an answer").set;
    let mut there: Vec<_> = set.all().iter().filter_map(|one| one.labels.get(PRESENT)).collect();
    there.sort_unstable();
    assert_eq!(there, ["b:x", "requests_waiting"]);
}

#[tokio::test]
async fn a_device_is_told_of_by_an_exporter_in_another_namespace() {
    let page = "util{UUID=\"g0\",namespace=\"ai\",pod=\"a\"} 0.5\nutil{UUID=\"g1\"} 0\n";
    let exporter = Exporter::start(Deed::Page(page.to_owned())).await;
    let world = World::new([exporter.place("namespace=gpu-operator")]);
    let util = series_signal(Kind::Gauge, &["util"], None, device());
    let rows = world.rows(&util).await;
    assert_eq!(
        rows,
        [("UUID=g0,namespace=ai,pod=a".to_owned(), Some(0.5)), ("UUID=g1".to_owned(), Some(0.0))],
        "an idle device is nobody's"
    );
}

#[tokio::test]
async fn who_speaks_for_itself_only_tells_of_no_one_elses_device() {
    let page = "util{UUID=\"g0\",namespace=\"ai\",pod=\"a\"} 0.5\n";
    let exporter = Exporter::start(Deed::Page(page.to_owned())).await;
    let mut stranger = exporter.place("namespace=b,pod=pretender");
    stranger.speaks_for_others = false;
    let world = World::new([stranger]);
    let util = series_signal(Kind::Gauge, &["util"], None, device());
    assert_eq!(world.rows(&util).await, [("UUID=g0,namespace=b,pod=pretender".to_owned(), Some(0.5))]);
}

#[tokio::test]
async fn rates_and_quantiles_come_from_pages_in_a_row() {
    let exporter = Exporter::start(Deed::Hang).await;
    let began = Instant::now();
    exporter.set(answer(move |_| {
        // A thousand a second, and half of what is observed below each bound.
        let count = began.elapsed().as_millis();
        format!(
            "c_total {count}\nh_bucket{{le=\"1\"}} {}\nh_bucket{{le=\"2\"}} {count}\nh_bucket{{le=\"+Inf\"}} {count}\n\
             h_count {count}\nh_sum {count}\n",
            count / 2
        )
        .into_response()
    }));
    let world = World::over(&[&exporter]);
    let counter = series_signal(Kind::Counter, &["c_total"], Some(1), Element::Pod);
    let buckets = series_signal(Kind::Buckets, &["h"], Some(1), Element::Pod);
    let mean = series_signal(Kind::Mean, &["h"], Some(1), Element::Pod);
    world.fetch(&counter).await.expect("an answer");
    let asked = exporter.asked().len();
    world.fetch(&buckets).await.expect("an answer");
    world.fetch(&mean).await.expect("an answer");
    until(|| exporter.asked().len() > asked + 40).await;

    let rate = world.rows(&counter).await[0].1.expect("a rate");
    assert!((rate - 1000.0).abs() < 100.0, "{rate}");
    let answer = world.fetch(&buckets).await.expect("an answer");
    assert!(answer.memory.is_some_and(|memory| memory.from < world.now()), "since it was first asked for");
    let series = &answer.set.all()[0];
    let formula = |formula, columns| {
        crate::core::fold::apply(&formula, columns, &series.cells)
            .ok()
            .and_then(crate::core::fold::Partial::finish)
    };
    let p75 = formula(Formula::Quantile { q: 0.75, times: 1.0 }, answer.set.columns()).expect("a quantile");
    assert!((p75 - 1.5).abs() < 0.1, "{p75}");
    let set = world.fetch(&mean).await.expect("an answer").set;
    let mean = crate::core::fold::apply(&Formula::Mean { times: 1.0 }, set.columns(), &set.all()[0].cells)
        .expect("a mean");
    assert!((mean.finish().expect("a mean") - 1.0).abs() < 0.01);
}
