//! What a source no longer tells of pods that are there.

use super::*;

/// `a` and `b` of `ml` told at 5 s, and what is there at `now` of them, if the source remembers since then.
fn lost_since(
    memory_from: Option<f64>,
    rows: &[(&str, f64)],
    now: f64,
    ready: &[&str],
) -> Vec<(String, Option<f64>, f64)> {
    let signal = crate::core::fixtures::waiting();
    let offset = 3_000;
    let before = Rows::default()
        .row("namespace=ml,pod=a,job=j,instance=1", 5.0, &[1.0])
        .row("namespace=ml,pod=b,job=j,instance=2", 5.0, &[2.0])
        .clock_offset(offset)
        .by_pod();
    let fresh = rows.iter().fold(Rows::default(), |set, (of, value)| set.row(of, now, &[*value]));
    let fresh = if rows.is_empty() { fresh } else { fresh.clock_offset(offset) }.by_pod();
    let by_ours = |seconds: f64| at(seconds).shifted(offset);
    let set =
        fresh.keeping_lost(&before, &signal, by_ours(now), memory_from.map(by_ours), |namespace, pod| {
            namespace == "ml" && ready.contains(&pod)
        });
    let since = |series: &Series| set.sampled_at(series).since(by_ours(0.0)).as_secs_f64();
    set.all()
        .iter()
        .map(|one| (one.labels.get("pod").unwrap_or_default().to_owned(), one.cells[0], since(one)))
        .collect()
}

/// The same of a source that has its memory.
fn lost(rows: &[(&str, f64)], now: f64, ready: &[&str]) -> Vec<(String, Option<f64>, f64)> {
    lost_since(None, rows, now, ready)
}

#[test]
fn what_a_source_lost_of_a_ready_pod_is_kept_with_its_time() {
    let only_a: &[_] = &[("namespace=ml,pod=a,job=j,instance=1", 3.0)];
    let a = ("a".to_owned(), Some(3.0), 20.0);
    let b = ("b".to_owned(), Some(2.0), 5.0);
    assert_eq!(lost(only_a, 20.0, &["a", "b"]), [a.clone(), b]);
    assert_eq!(lost(only_a, 20.0, &["a"]), std::slice::from_ref(&a), "a pod that is not ready serves nobody");
    let late = ("a".to_owned(), Some(3.0), 306.0);
    assert_eq!(lost(only_a, 306.0, &["a", "b"]), [late], "it does not tell such series any more");
    let renamed = [only_a[0], ("namespace=ml,pod=b,job=j,instance=2,model=new", 4.0)];
    let new = ("b".to_owned(), Some(4.0), 20.0);
    assert_eq!(lost(&renamed, 20.0, &["a", "b"]), [a, new], "a pod that tells anything has lost nothing");
    assert_eq!(lost(&[], 20.0, &["a", "b"]), [], "a source that has nothing is the source's matter");
}

#[test]
fn what_a_source_forgot_is_kept_though_it_has_nothing_yet() {
    let (a, b) = (("a".to_owned(), Some(1.0), 5.0), ("b".to_owned(), Some(2.0), 5.0));
    assert_eq!(lost_since(Some(6.0), &[], 20.0, &["a", "b"]), [a, b.clone()]);
    assert_eq!(lost_since(Some(6.0), &[], 304.0, &["b"]), [b]);
    assert_eq!(lost_since(Some(6.0), &[], 20.0, &[]), []);
    assert_eq!(lost_since(Some(6.0), &[], 305.0, &["a", "b"]), [], "five minutes, by the source's own clock");
    let told = lost_since(Some(4.0), &[], 20.0, &["a", "b"]);
    assert_eq!(told, [], "what it told since it started it did not forget");
}

#[test]
fn what_was_lost_is_refused_once_it_is_too_old() {
    let signal = crate::core::fixtures::waiting();
    let before = Rows::default().row("namespace=ml,pod=b,job=j,instance=2", 5.0, &[2.0]).by_pod();
    let fresh = || Rows::default().row("namespace=ml,pod=a,job=j,instance=1", 6.0, &[1.0]).by_pod();
    let set = fresh().keeping_lost(&before, &signal, at(6.0), None, |_, _| true);
    let silent: Vec<_> = set.silent().iter().map(|one| (one.name().to_owned(), one.known)).collect();
    assert_eq!(silent, [("2".to_owned(), true)]);
    let lost = set.all().iter().find(|series| series.labels.get("pod") == Some("b")).unwrap();
    assert!(set.silent()[0].is_source_of(lost), "so that a refusal can tell why");
}

#[test]
fn lost_histograms_keep_their_bounds() {
    let signal = crate::core::fixtures::series_signal(
        crate::core::signal::Kind::Buckets,
        &["latency"],
        Some(60),
        Element::Pod,
    );
    let before = Rows::default().histogram("namespace=ml,pod=b", 5.0, &[(1.0, 1.0), (4.0, 2.0)]).by_pod();
    let fresh = Rows::default().histogram("namespace=ml,pod=a", 6.0, &[(1.0, 3.0), (2.0, 5.0)]).by_pod();
    let set = fresh.keeping_lost(&before, &signal, at(6.0), None, |_, _| true);
    assert_eq!(set.columns(), [Column::Bucket(1.0), Column::Bucket(2.0), Column::Bucket(4.0)]);
    let cells: Vec<_> = set.all().iter().map(|series| series.cells.to_vec()).collect();
    assert_eq!(cells, [[Some(3.0), Some(5.0), None], [Some(1.0), None, Some(2.0)]]);
}
