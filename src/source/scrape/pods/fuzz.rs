//! Any bytes, read line by line as what whoever may make a pod writes on it: address, port, path, scheme,
//! a label's value.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Port, Scheme, Selection, is_allowed};
use crate::core::selector::Selector;
use crate::core::series::Labels;
use crate::core::time::Timestamp;
use crate::core::workload;

/// A request goes to the pod's own address and nowhere else, without credentials, query or fragment in its
/// URL, and to an address that a pod can have.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let Ok(ip) = line().parse::<IpAddr>() else { return };
    let annotations = ["port", "path", "scheme"].map(|name| {
        let (name, value): (Arc<str>, Arc<str>) = (format!("prometheus.io/{name}").into(), line().into());
        (name, value)
    });
    let asks = [("prometheus.io/scrape".into(), "true".into())];
    // What is empty is not written.
    let written = annotations.into_iter().filter(|(_, value)| !value.is_empty());
    let pod = pod(ip, Labels::new(asks.into_iter().chain(written).collect()), line());
    let selection = Selection {
        namespaces: Vec::new(),
        selector: Selector::parse("app").expect("it is one"),
        port: Some(Port::Number(8000)),
        path: "/metrics".to_owned(),
        scheme: Scheme::Http,
        engine: None,
        annotated: true,
    };
    let mut remarks = Vec::new();
    let place = selection.place(&pod, &mut |remark| remarks.push(remark));
    assert!(remarks.iter().all(|remark| remark.len() < 200 && !remark.contains(char::is_control)));
    let Some(place) = place else { return };
    let reached = ip.to_canonical();
    let host = place.url.host_str().expect("a URL of HTTP has one").trim_matches(['[', ']']);
    assert!(is_allowed(reached) && host.parse() == Ok(reached), "{}", place.url);
    assert!(matches!(place.url.scheme(), "http" | "https") && place.url.username().is_empty());
    assert!(place.url.password().is_none() && place.url.query().is_none() && place.url.fragment().is_none());
    assert!(!place.speaks_for_others && place.labels.get("pod") == Some("p"));
}

fn pod(ip: IpAddr, annotations: Labels, app: &str) -> workload::Pod {
    workload::Pod {
        namespace: "ai".into(),
        name: "p".into(),
        labels: Labels::new(vec![("app".into(), app.into())]),
        annotations,
        owners: [].into(),
        ip: Some(ip),
        reached_by: Some(ip),
        node: None,
        ports: [].into(),
        counts: true,
        ready: true,
        created: Timestamp::default(),
    }
}
