mod arrange;
mod lost;

use proptest::prelude::*;

use super::*;
use crate::core::fixtures::{Rows, at, device, labels, text};
use crate::core::signal::{Element, NeutralLabels};

fn texts(set: &SeriesSet) -> Vec<String> {
    set.all().iter().map(|series| text(&series.labels)).collect()
}

fn elements(set: &SeriesSet) -> Vec<u32> {
    set.all().iter().map(|series| series.element).collect()
}

#[test]
fn labels_are_sorted_and_of_a_repeated_name_the_first_stays() {
    let labels = labels("pod=a,namespace=ml,pod=b,empty=");
    assert_eq!(text(&labels), "empty=,namespace=ml,pod=a");
    assert_eq!(labels.get("pod"), Some("a"));
    assert_eq!(labels.get("empty"), None, "an empty label is an absent one");
    assert_eq!(labels.get("nothing"), None);
}

#[test]
fn what_a_page_tells_is_joined_with_what_is_known_of_its_target() {
    for (page, target, joined) in [
        ("model=m", "instance=i,job=j", "instance=i,job=j,model=m"),
        ("", "namespace=ai", "namespace=ai"),
        ("job=a", "job=j", "exported_job=a,job=j"),
        ("job=a", "job=j,exported_job=b", "exported_exported_job=a,exported_job=b,job=j"),
        ("exported_job=a,job=b", "job=j", "exported_job=a,job=j"),
        ("job=", "job=j", "exported_job=,job=j"),
        // What names a pod stays together.
        (
            "container=c,namespace=n,pod=p",
            "namespace=ai",
            "exported_container=c,exported_namespace=n,exported_pod=p,namespace=ai",
        ),
        ("namespace=n,pod=p", "pod=q", "exported_namespace=n,exported_pod=p,pod=q"),
        ("pod=p", "namespace=ai", "namespace=ai,pod=p"),
        ("namespace=,pod=p", "namespace=ai", "exported_namespace=,namespace=ai,pod=p"),
    ] {
        assert_eq!(text(&labels(page).told_by(&labels(target))), joined, "{page} told by {target}");
    }
}

#[test]
fn a_whole_row_is_taken_once() {
    let mut builder = Builder::default();
    assert!(builder.row(labels("pod=a"), at(5.0), [(Column::Term(0), 1.0)]));
    assert!(builder.row(labels("pod=b"), at(6.0), [(Column::Term(1), 2.0), (Column::Term(0), 3.0)]));
    assert!(!builder.row(labels("pod=a"), at(9.0), [(Column::Term(0), 4.0)]), "the first stays");
    assert!(builder.row(labels("pod=c"), at(7.0), []));
    let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
    let rows: Vec<_> = set.all().iter().map(|series| (series.at, series.cells.to_vec())).collect();
    let expected = [
        (at(5.0), vec![Some(1.0), None]),
        (at(6.0), vec![Some(3.0), Some(2.0)]),
        (at(7.0), vec![None, None]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_silent_target_is_known_by_job_and_instance() {
    let silent = |of: &str| Silent {
        labels: labels(of),
        engine: None,
        speaks_for_others: true,
        cause: "gone".into(),
        known: true,
    };
    let set = Rows::default().row("instance=i,job=j,pod=a", 5.0, &[1.0]).by_pod();
    for (of, is_source) in [
        ("instance=i,job=j,namespace=ai", true),
        ("instance=i,job=k", false),
        ("instance=k,job=j", false),
        ("instance=i", false),
        ("", false),
    ] {
        assert_eq!(silent(of).is_source_of(&set.all()[0]), is_source, "{of}");
    }
    let set = set.with_silent(vec![silent("instance=i,job=j")]);
    assert_eq!((set.silent().len(), set.all().len()), (1, 1));
}

#[test]
fn parts_of_one_series_become_one_row() {
    let mut builder = Builder::default();
    assert!(builder.is_empty());
    assert!(builder.number(labels("pod=a"), Column::Term(1), 2.0).is_some());
    builder.time(labels("pod=a"), at(9.0));
    assert!(builder.number(labels("pod=a"), Column::Term(0), 1.0).is_some());
    builder.time(labels("pod=a"), at(5.0));
    builder.time(labels("pod=a"), at(7.0));
    assert_eq!((builder.len(), builder.columns(), builder.cells()), (1, 2, 2));
    let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
    assert_eq!(set.columns(), [Column::Term(0), Column::Term(1)]);
    assert_eq!(*set.all()[0].cells, [Some(1.0), Some(2.0)]);
    assert_eq!(set.all()[0].at, at(5.0), "the oldest time stays");
}

#[test]
fn a_number_told_twice_is_noticed_and_a_bucket_told_twice_adds_up() {
    let mut builder = Builder::default();
    builder.time(labels("pod=a"), at(0.0));
    assert!(builder.number(labels("pod=a"), Column::Term(0), 1.0).is_some());
    assert!(builder.number(labels("pod=a"), Column::Term(0), 2.0).is_none());
    assert!(builder.number(labels("pod=a"), Column::Bucket(1.0), 3.0).is_some(), "le=\"1\"");
    assert!(builder.number(labels("pod=a"), Column::Bucket(1.0), 4.0).is_some(), "le=\"1.0\"");
    let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
    assert_eq!(*set.all()[0].cells, [Some(1.0), Some(7.0)]);
}

#[test]
fn rows_without_a_time_are_dropped_and_those_without_a_number_stay() {
    let mut builder = Builder::default();
    builder.number(labels("pod=left"), Column::Term(0), 1.0);
    builder.time(labels("pod=blank"), at(0.0));
    builder.number(labels("pod=here"), Column::Term(0), 0.0);
    builder.time(labels("pod=here"), at(0.0));
    let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
    assert_eq!(texts(&set), ["pod=blank", "pod=here"]);
    assert_eq!(set.all().iter().map(Series::has_number).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn times_are_filled_in_where_there_is_none() {
    let mut builder = Builder::default();
    builder.number(labels("pod=own"), Column::Term(0), 1.0);
    builder.time(labels("pod=own"), at(1.0));
    builder.number(labels("pod=none"), Column::Term(0), 1.0);
    builder.times_by(|labels| Some(if labels.get("pod") == Some("none") { at(2.0) } else { at(3.0) }));
    let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
    assert_eq!(set.all().iter().map(|one| one.at).collect::<Vec<_>>(), [at(2.0), at(1.0)]);
}

#[test]
fn columns_come_terms_first_then_buckets_by_bound() {
    let columns = [
        Column::Count,
        Column::Bucket(f64::INFINITY),
        Column::Bucket(10.0),
        Column::Sum,
        Column::Bucket(-1.0),
        Column::Term(1),
        Column::Bucket(2.5),
        Column::Term(0),
    ];
    let values = columns.into_iter().enumerate().map(|(index, column)| (column, index as f64));
    let set = Rows::default().cells("pod=a", 0.0, values).row("pod=b", 0.0, &[70.0]).by_pod();
    let order = [7, 5, 4, 6, 2, 1, 3, 0];
    assert_eq!(set.columns(), order.map(|index| columns[index]));
    assert_eq!(*set.all()[0].cells, order.map(|index| Some(index as f64)));
    let mut only_first = [None; 8];
    only_first[0] = Some(70.0);
    assert_eq!(*set.all()[1].cells, only_first);
}

#[test]
fn watched_pods_get_their_numbers() {
    let exporter = "container=exporter,instance=10.0.0.9:9400,job=dcgm,namespace=gpu,pod=dcgm-x";
    for (name, given, expected) in [
        (
            "honor_labels: false",
            format!("{exporter},exported_container=vllm,exported_namespace=ml,exported_pod=a,UUID=1"),
            "UUID=1,container=vllm,instance=10.0.0.9:9400,job=dcgm,namespace=ml,pod=a",
        ),
        (
            "the exporter's old names",
            format!("{exporter},container_name=vllm,pod_namespace=ml,pod_name=a,UUID=1"),
            "UUID=1,container=vllm,instance=10.0.0.9:9400,job=dcgm,namespace=ml,pod=a",
        ),
        (
            "a pod without its namespace belongs to none rather than to the exporter's",
            format!("{exporter},exported_pod=a,UUID=1"),
            "UUID=1,instance=10.0.0.9:9400,job=dcgm,pod=a",
        ),
        (
            "honor_labels: true",
            "container=vllm,job=dcgm,namespace=ml,pod=a,UUID=1".to_owned(),
            "UUID=1,container=vllm,job=dcgm,namespace=ml,pod=a",
        ),
    ] {
        let set = Rows::default().row(&given, 0.0, &[1.0]).by(&device());
        assert_eq!(texts(&set), [expected], "{name}");
    }
}

#[test]
fn an_idle_device_loses_the_exporters_pod_but_other_jobs_keep_theirs() {
    let set = Rows::default()
        .row("job=dcgm,namespace=gpu,pod=dcgm-x,exported_pod=a,exported_namespace=ml,UUID=1", 0.0, &[1.0])
        .row("job=dcgm,namespace=gpu,pod=dcgm-x,container=exporter,exported_pod=,UUID=2", 0.0, &[1.0])
        .row("job=honoring,namespace=ml,pod=b,UUID=3", 0.0, &[1.0])
        .by(&device());
    assert_eq!(
        texts(&set),
        [
            "UUID=2,exported_pod=,job=dcgm",
            "UUID=1,job=dcgm,namespace=ml,pod=a",
            "UUID=3,job=honoring,namespace=ml,pod=b"
        ]
    );
    assert_eq!(set.in_namespace("gpu"), []);
}

#[test]
fn neutral_labels_are_added_beside_the_engines_own() {
    for (engine, model, given, expected) in [
        (None, &[][..], "pod=a", "pod=a"),
        (
            Some("vllm"),
            &["model_name"],
            "model_name=llama,pod=a",
            "engine=vllm,model=llama,model_name=llama,pod=a",
        ),
        (Some("vllm"), &["model_name"], "engine=1,pod=a", "engine=vllm,engine_index=1,pod=a"),
        (
            Some("x"),
            &["model_name", "model_id"],
            "model_id=m,model_name=,pod=a",
            "engine=x,model=m,model_id=m,model_name=,pod=a",
        ),
        (
            Some("x"),
            &["model_name", "model_id"],
            "model_id=2,model_name=1,pod=a",
            "engine=x,model=1,model_id=2,model_name=1,pod=a",
        ),
        // The series' own `model` is what people see elsewhere.
        (
            Some("x"),
            &["model_name"],
            "model=own,model_name=llama,pod=a",
            "engine=x,model=own,model_name=llama,pod=a",
        ),
        (
            None,
            &["model_name"],
            "engine=3,model_name=llama,pod=a",
            "engine=3,model=llama,model_name=llama,pod=a",
        ),
    ] {
        let set = Rows::default().engine(engine, model).row(given, 0.0, &[1.0]).by_pod();
        assert_eq!(texts(&set), [expected], "{given}");
    }
}

#[test]
fn series_are_ordered_and_indexed_by_namespace() {
    let set = Rows::default()
        .row("namespace=qa,pod=z", 0.0, &[1.0])
        .row("namespace=ml,pod=b", 0.0, &[1.0])
        .row("instance=gateway", 0.0, &[1.0])
        .row("app=x,namespace=qa,pod=y", 0.0, &[1.0])
        .row("namespace=ml,pod=a", 0.0, &[1.0])
        .by_pod();
    assert_eq!(
        texts(&set),
        [
            "instance=gateway",
            "namespace=ml,pod=a",
            "namespace=ml,pod=b",
            "app=x,namespace=qa,pod=y",
            "namespace=qa,pod=z"
        ]
    );
    assert_eq!(set.namespace_count(), 2);
    assert_eq!(set.in_namespace("ml"), &set.all()[1..3]);
    assert_eq!(set.in_namespace("qa"), &set.all()[3..]);
    assert_eq!(set.in_namespace("m"), []);
    assert_eq!(set.in_namespace(""), [], "what has no namespace is in none");
}

#[test]
fn elements_are_numbered_by_what_they_are() {
    let pods = || {
        Rows::default()
            .row("namespace=ml,pod=a,engine=0", 0.0, &[1.0])
            .row("namespace=ml,pod=a,engine=1", 0.0, &[1.0])
            .row("namespace=ml,pod=b", 0.0, &[1.0])
            .row("namespace=qa,pod=a", 0.0, &[1.0])
            .row("instance=x", 0.0, &[1.0])
            .row("instance=y", 0.0, &[1.0])
    };
    // Ordered: x, y (no namespace, so each for itself), ml/a twice, ml/b, qa/a.
    assert_eq!(elements(&pods().by(&Element::Pod)), [0, 1, 2, 2, 3, 4]);
    assert_eq!(elements(&pods().by(&Element::Series)), [0, 1, 2, 3, 4, 5]);
    let devices = Rows::default()
        .row("UUID=1,namespace=ml,pod=a", 0.0, &[1.0])
        .row("UUID=1,namespace=ml,pod=b", 0.0, &[1.0])
        .row("GPU_I_ID=1,UUID=2,namespace=ml,pod=a", 0.0, &[1.0])
        .row("GPU_I_ID=7,UUID=2,namespace=ml,pod=a", 0.0, &[1.0])
        .row("gpu=0,namespace=ml,pod=a", 0.0, &[1.0])
        .row("gpu=0,namespace=ml,pod=b", 0.0, &[1.0])
        .by(&device());
    // Ordered by labels: the slices, the shared device twice, two that tell no UUID.
    assert_eq!(elements(&devices), [0, 1, 2, 2, 3, 4]);
}

/// Three pods and a gateway, sampled at these seconds.
fn fleet(rows: &[(&str, f64)]) -> SeriesSet {
    rows.iter().fold(Rows::default(), |set, (of, seconds)| set.row(of, *seconds, &[2.0])).by_pod()
}

const A: &str = "namespace=ml,pod=a";
const B: &str = "namespace=ml,pod=b";
const C: &str = "namespace=ml,pod=c";

#[test]
fn how_often_a_series_is_renewed_is_learnt_from_its_own_sample_times() {
    let earlier = || fleet(&[(A, 0.0), (B, 1.0), (C, 2.0), ("instance=gateway", 2.0)]);
    let later = |rows: &[(&str, f64)]| {
        let set = fleet(rows).learning_from(&earlier(), false);
        set.cadence().map(|cadence| cadence.as_secs())
    };
    assert_eq!(later(&[(A, 15.0), (B, 16.0), (C, 17.0)]), Some(15));
    assert_eq!(later(&[(A, 15.0), (B, 16.0), (C, 200.0)]), Some(15), "one came back after a pause");
    assert_eq!(later(&[(A, 0.0), (B, 1.0), (C, 17.0)]), Some(15), "only one was renewed yet");
    assert_eq!(later(&[(A, 0.0), (B, 1.0)]), None, "nothing was renewed");
    assert_eq!(later(&[("namespace=ml,pod=new", 15.0)]), None, "nothing to compare with");
    assert_eq!(later(&[("instance=gateway", 32.0)]), Some(30), "without a namespace too");
    assert_eq!(later(&[(A, -5.0)]), None, "time does not run backwards");
    assert_eq!(later(&[]), None);
}

#[test]
fn the_silence_of_one_target_is_not_its_pace() {
    let of = |name: &str| format!("namespace=ml,pod={name},job=j,instance={name}");
    let set = |a: f64, b: f64| fleet(&[(&of("a"), a), (&of("b"), b)]);
    let silent = Silent {
        labels: labels("job=j,instance=b"),
        engine: None,
        cause: "timeout".into(),
        speaks_for_others: false,
        known: true,
    };
    let paces = |set: &SeriesSet| -> Vec<_> {
        set.all().iter().map(|one| one.cadence().map(|pace| pace.as_secs())).collect()
    };
    let known = set(15.0, 15.0).learning_from(&set(0.0, 0.0), false);
    let held = set(240.0, 15.0).learning_from(&known, false).with_silent(vec![silent]);
    let back = set(255.0, 255.0).learning_from(&held, false);
    assert_eq!(paces(&back)[1], Some(15));
    let slower = set(255.0, 75.0).learning_from(&known, false);
    assert_eq!(paces(&slower)[1], Some(60), "who was not silent is slower");
}

#[test]
fn each_series_has_its_own_pace_and_keeps_it() {
    let first = fleet(&[(A, 0.0), (B, 0.0)]);
    let second = fleet(&[(A, 15.0), (B, 60.0)]).learning_from(&first, false);
    // Only the fast one is renewed, and another pod has come.
    let third = fleet(&[(A, 30.0), (B, 60.0), (C, 30.0)]).learning_from(&second, false);
    let paces: Vec<_> = third.all().iter().map(|one| one.cadence().map(|pace| pace.as_secs())).collect();
    assert_eq!(paces, [Some(15), Some(60), None]);
    let after = fleet(&[(A, 400.0), (B, 420.0)]).learning_from(&third, true);
    let paces: Vec<_> = after.all().iter().map(|one| one.cadence().map(|pace| pace.as_secs())).collect();
    assert_eq!(paces, [Some(15), Some(60)], "the length of a silence teaches nothing");
}

#[test]
fn a_clock_that_is_set_teaches_no_pace() {
    let read =
        |sampled: f64, offset: i64| Rows::default().row(A, sampled, &[1.0]).clock_offset(offset).by_pod();
    let pace = |set: &SeriesSet| set.cadence().map(|pace| pace.as_secs());
    let second = read(15.0, 0).learning_from(&read(0.0, 0), false);
    // Ten minutes forward, and all the way back.
    let third = read(630.0, -600_000).learning_from(&second, false);
    assert_eq!(pace(&third), Some(15));
    let fourth = read(45.0, 0).learning_from(&third, false);
    assert_eq!(pace(&fourth), Some(15));
}

#[test]
fn sample_times_are_told_by_our_clock() {
    let set =
        Rows::default().row("pod=a", 5.0, &[1.0]).row("pod=b", 9.0, &[1.0]).clock_offset(-2_000).by_pod();
    assert_eq!(set.sampled_at(&set.all()[0]), at(3.0));
    assert_eq!(set.newest(), Some(at(7.0)));
    assert_eq!(SeriesSet::default().newest(), None);
}

proptest! {
    #[test]
    fn the_index_holds_every_series_with_a_namespace_once(
        rows in proptest::collection::vec((0..4u8, 0..6u8, 0..3u8), 0..40),
    ) {
        let mut builder = Builder::default();
        for (namespace, pod, rank) in rows {
            let of = format!("namespace={},pod={pod},engine={rank}", ["", "a", "b", "c"][usize::from(namespace)]);
            builder.number(labels(&of), Column::Term(0), 1.0);
            builder.time(labels(&of), at(f64::from(rank)));
        }
        let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
        for series in set.all() {
            let namespace = series.labels.get("namespace");
            prop_assert_eq!(
                set.in_namespace(namespace.unwrap_or_default()).iter().filter(|one| *one == series).count(),
                usize::from(namespace.is_some())
            );
        }
        let indexed: usize = ["a", "b", "c"].iter().map(|name| set.in_namespace(name).len()).sum();
        prop_assert_eq!(indexed, set.all().iter().filter(|one| one.labels.get("namespace").is_some()).count());
        prop_assert!(set.all().windows(2).all(|pair| order(&pair[0].labels) < order(&pair[1].labels)));
    }
}

#[test]
fn a_number_that_was_there_and_is_no_more_has_lapsed() {
    let blank = || {
        let mut builder = Builder::default();
        builder.time(labels("namespace=ml,pod=a"), at(30.0));
        builder.time(labels("namespace=ml,pod=new"), at(30.0));
        builder.finish(&Element::Pod, &NeutralLabels::default(), 0)
    };
    let first = fleet(&[(A, 0.0), (B, 0.0)]);
    let second = blank().learning_from(&first, false);
    assert_eq!(second.all().iter().map(|one| one.lapsed).collect::<Vec<_>>(), [true, false]);
    let third = blank().learning_from(&second, false);
    assert_eq!(third.all().iter().map(|one| one.lapsed).collect::<Vec<_>>(), [true, false], "it stays so");
    let fourth = fleet(&[(A, 45.0)]).learning_from(&third, false);
    assert!(!fourth.all()[0].lapsed, "until it is back");
}

#[test]
fn a_pod_that_stays_unknown_is_a_strangers() {
    let set = |seconds: f64| {
        let rows = Rows::default().row("namespace=ml,pod=a", seconds, &[1.0]).row(
            "namespace=ml,pod=x",
            seconds,
            &[1.0],
        );
        rows.row("namespace=ml,route=r", seconds, &[1.0]).by_pod()
    };
    let judged = |seconds: f64| set(seconds).judging_pods(at(seconds), |_, pod| pod == "a");
    let of = |set: &SeriesSet| -> Vec<_> { set.all().iter().map(|series| series.acquaintance).collect() };
    let (known, stranger) = (Acquaintance::Known, Acquaintance::Stranger);

    let first = judged(0.0);
    assert_eq!(of(&first), [known, Acquaintance::UnknownSince(at(0.0)), known]);
    let soon = judged(20.0).learning_from(&first, false);
    assert_eq!(of(&soon), [known, Acquaintance::UnknownSince(at(0.0)), known], "it may have just been made");
    let later = judged(30.0).learning_from(&soon, false);
    assert_eq!(of(&later), [known, stranger, known]);
    let untold = set(40.0).learning_from(&later, false);
    assert_eq!(of(&untold), [known, stranger, known], "what was known stays so while changes go untold");
    let back = set(50.0).judging_pods(at(50.0), |_, _| true).learning_from(&untold, false);
    assert_eq!(of(&back), [known; 3], "and is looked at anew");
}

/// Whoever writes a page chooses the names: equal hashes for all of them would make one look-up a walk.
#[test]
fn names_tell_in_the_hash_of_labels() {
    use std::hash::{BuildHasher as _, RandomState};
    let hasher = RandomState::new();
    let of = |name: &str| hasher.hash_one(Labels::new(vec![(name.into(), "same".into())]));
    assert_ne!(of("a"), of("b"));
    assert_eq!(of("a"), of("a"));
}
