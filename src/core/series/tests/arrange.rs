//! What is one series scraped twice, what is another, and whose an address is.

use super::*;

#[test]
fn one_pod_scraped_twice_counts_once_and_the_fresher_scrape_stays() {
    let pod = "namespace=ml,pod=a,model_name=llama";
    for (name, first, second) in [
        ("two jobs", "job=podmonitor,container=vllm,endpoint=http", "job=annotations,instance=10.0.0.1:8000"),
        ("two Prometheus replicas", "prometheus_replica=0,job=v", "prometheus_replica=1,job=v"),
        ("two services", "service=vllm,job=v", "service=vllm-headless,job=v"),
    ] {
        let set = Rows::default()
            .row(&format!("{pod},{first}"), 1.0, &[3.0])
            .row(&format!("{pod},{second}"), 2.0, &[4.0])
            .by_pod();
        assert_eq!(set.all().len(), 1, "{name}");
        assert_eq!(*set.all()[0].cells, [Some(4.0)], "{name}");
    }
}

#[test]
fn what_differs_in_more_than_its_scrape_stays_apart() {
    for (name, first, second) in [
        ("data-parallel ranks", "namespace=ml,pod=a,engine=0", "namespace=ml,pod=a,engine=1"),
        ("pods", "namespace=ml,pod=a", "namespace=ml,pod=b"),
        ("namespaces", "namespace=ml,pod=a", "namespace=qa,pod=a"),
        ("instances without a pod", "instance=10.0.0.1:8000,job=v", "instance=10.0.0.2:8000,job=v"),
        (
            "endpoints of one page",
            "namespace=ml,pod=a,job=v,instance=10.0.0.1:8000,endpoint=/health",
            "namespace=ml,pod=a,job=v,instance=10.0.0.1:8000,endpoint=/v1",
        ),
        (
            "containers on a node's page",
            "namespace=ml,pod=a,job=kubelet,instance=node:10250,container=vllm",
            "namespace=ml,pod=a,job=kubelet,instance=node:10250,container=proxy",
        ),
        ("what a query tells apart", "namespace=ml,pod=a,service=x", "namespace=ml,pod=a,service=y"),
        ("jobs without a pod", "instance=10.0.0.1:8000,job=v", "instance=10.0.0.1:8000,job=w"),
    ] {
        let set = Rows::default().row(first, 0.0, &[1.0]).row(second, 0.0, &[1.0]).by_pod();
        assert_eq!(set.all().len(), 2, "{name}");
    }
}

#[test]
fn containers_of_one_pod_are_told_apart_by_port_and_scrapes_are_not() {
    let count = |rows: &[(&str, f64)]| {
        let rows = rows.iter().map(|(of, at)| (format!("namespace=ml,pod=a,{of}"), *at));
        rows.fold(Rows::default(), |set, (of, at)| set.row(&of, at, &[1.0])).by_pod().all().len()
    };
    assert_eq!(count(&[("instance=10.0.0.1:8000,job=x", 1.0), ("instance=10.0.0.1:8001,job=x", 1.0)]), 2);
    assert_eq!(count(&[("instance=10.0.0.1:8000,job=x", 1.0), ("instance=10.0.0.1:8000,job=y", 2.0)]), 1);
    assert_eq!(count(&[("instance=10.0.0.1:8000,job=x", 1.0), ("instance=10.0.0.2:8000,job=x", 2.0)]), 1);
    let twice_two = [
        ("instance=10.0.0.1:8000,job=x", 1.0),
        ("instance=10.0.0.1:8001,job=x", 1.0),
        ("instance=10.0.0.1:8000,job=y", 2.0),
        ("instance=10.0.0.1:8001,job=y", 2.0),
    ];
    assert_eq!(count(&twice_two), 2, "the two of the fresher job");
}

#[test]
fn what_was_left_out_is_told_with_what_stands_for_it() {
    let set = Rows::default()
        .row("namespace=ml,pod=a,instance=10.0.0.1:8000,job=x", 1.0, &[1.0])
        .row("namespace=ml,pod=a,instance=10.0.0.1:8001,job=x", 1.0, &[1.0])
        .row("namespace=ml,pod=a,instance=10.0.0.1:8000,job=y", 2.0, &[1.0])
        .row("namespace=ml,pod=a,instance=10.0.0.1:8001,job=y", 2.0, &[1.0])
        .row("namespace=ml,pod=b,instance=10.0.0.2:8000,job=x", 2.0, &[1.0])
        .by_pod();
    let told = |(out, kept): &(Labels, Labels)| (text(out), text(kept));
    let mut passed_over: Vec<_> = set.passed_over().iter().map(told).collect();
    passed_over.sort();
    let of = |job, port| format!("instance=10.0.0.1:{port},job={job},namespace=ml,pod=a");
    assert_eq!(passed_over, [(of("x", 8000), of("y", 8000)), (of("x", 8001), of("y", 8001))]);
}

/// Pods by address: `a` in `ml` and `b` in `qa`.
fn by_address(ip: std::net::IpAddr) -> Option<(Arc<str>, Arc<str>)> {
    match ip.to_string().as_str() {
        "10.0.0.1" => Some(("ml".into(), "a".into())),
        "fd00::2" => Some(("qa".into(), "b".into())),
        _ => None,
    }
}

#[test]
fn series_without_a_pod_are_joined_by_address() {
    let signal = crate::core::fixtures::waiting();
    let set = Rows::default()
        .row("instance=10.0.0.1:8000,kind=x", 5.0, &[1.0])
        .row("namespace=ml,instance=10.0.0.1:8000,kind=y", 5.0, &[2.0])
        .row("instance=[fd00::2]:80", 5.0, &[3.0])
        .row("pod_ip=10.0.0.1,instance=elsewhere:1,kind=z", 5.0, &[4.0])
        .row("namespace=qa,instance=10.0.0.1:8000", 5.0, &[5.0])
        .row("namespace=ml,pod=c,instance=10.0.0.1:8000", 5.0, &[6.0])
        .row("instance=10.0.0.9:8000", 5.0, &[7.0])
        .by_pod()
        .joined_by_address(&signal, by_address);
    let pods: Vec<_> = set
        .all()
        .iter()
        .map(|series| {
            let label = |name| series.labels.get(name).unwrap_or_default();
            (label("namespace"), label("pod"), series.cells[0])
        })
        .collect();
    assert_eq!(
        pods,
        [
            ("", "", Some(7.0)),
            ("ml", "a", Some(1.0)),
            ("ml", "a", Some(2.0)),
            ("ml", "c", Some(6.0)),
            ("ml", "a", Some(4.0)),
            ("qa", "", Some(5.0)),
            ("qa", "b", Some(3.0)),
        ]
    );
    assert_eq!(set.in_namespace("ml").len(), 4, "the index follows");
    let element = |index: usize| set.all()[index].element;
    assert_eq!((element(1), element(2)), (element(4), element(4)), "one pod is one element");
}

#[test]
fn one_pod_scraped_with_and_without_its_name_counts_once() {
    let signal = crate::core::fixtures::waiting();
    let set = Rows::default()
        .row("namespace=ml,pod=a,instance=10.0.0.1:8000,job=x", 5.0, &[1.0])
        .row("instance=10.0.0.1:8000,job=y", 6.0, &[1.5])
        .by_pod()
        .joined_by_address(&signal, by_address);
    assert_eq!(texts(&set), ["instance=10.0.0.1:8000,job=y,namespace=ml,pod=a"], "the fresher one stays");
}

#[test]
fn an_exporters_address_is_not_its_devices_pod() {
    let signal = crate::core::fixtures::series_signal(
        crate::core::signal::Kind::Gauge,
        &["DCGM_FI_DEV_GPU_UTIL"],
        None,
        device(),
    );
    let set = Rows::default().row("instance=10.0.0.1:9400,UUID=u", 5.0, &[1.0]).by(&device());
    assert_eq!(texts(&set.joined_by_address(&signal, by_address)), ["UUID=u,instance=10.0.0.1:9400"]);
}
