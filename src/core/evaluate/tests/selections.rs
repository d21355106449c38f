//! What is remembered of a question's choice changes no answer.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::core::autoscaler::Autoscaler;
use crate::core::fixtures::{Cluster, pod};
use crate::core::freshness::Refreshed;
use crate::core::workload::{Knowledge, Pod};

/// Pods that count how often somebody looks one up.
struct Counting {
    cluster: Mutex<Cluster>,
    version: AtomicU64,
    looked: AtomicUsize,
}

impl Inventory for Counting {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.looked.fetch_add(1, Ordering::Relaxed);
        self.cluster.lock().expect("no panic").pod(namespace, name)
    }

    fn at(&self, _: IpAddr) -> Option<Arc<Pod>> {
        None
    }

    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>> {
        self.cluster.lock().expect("no panic").pods(namespace)
    }

    fn version(&self, _: Option<&str>) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn knowledge(&self) -> Knowledge {
        self.cluster.lock().expect("no panic").knowledge()
    }

    fn autoscalers(&self, _: &str, _: &str) -> Vec<Arc<Autoscaler>> {
        Vec::new()
    }
}

impl Counting {
    /// Forty pods, every other one of them gold.
    fn forty() -> Self {
        let pods = (0..40).map(|index| {
            let tier = if index % 2 == 0 { "gold" } else { "iron" };
            pod(&format!("p{index}"), &format!("tier={tier}"), "deployment=front")
        });
        let cluster = Mutex::new(Cluster::of(pods));
        Self { cluster, version: AtomicU64::new(1), looked: AtomicUsize::new(0) }
    }

    fn change(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster.lock().expect("no panic"));
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    fn looked(&self) -> usize {
        self.looked.swap(0, Ordering::Relaxed)
    }
}

/// A number for each of so many pods.
fn numbers(pods: usize, value: f64) -> SeriesSet {
    let rows = (0..pods)
        .fold(Rows::default(), |rows, index| rows.row(&format!("namespace=ml,pod=p{index}"), 5.0, &[value]));
    rows.by_pod()
}

fn refreshed(before: &Snapshot, set: SeriesSet) -> Snapshot {
    let new = Refreshed {
        at: at(9.0),
        set,
        interval: seconds(2),
        coverage: Coverage::Cluster,
        memory: None,
        query: Arc::default(),
        warnings: Arc::default(),
    };
    before.refreshed(&waiting(), new, seconds(60))
}

fn value(snapshot: &Snapshot, pods: &Counting, selector: &str, whom: Whom<'_>) -> Option<f64> {
    let selector = Selector::parse(selector).expect("a selector");
    let question = Question { namespace: "ml", selector: &selector, whom, pods: Some(pods) };
    let (metric, input) = (metric(vec![gauge()]), gauge());
    evaluate(&metric, &[(&input, snapshot)], question, "main", at(10.0), None)
        .ok()
        .map(|reading| reading.value)
}

#[test]
fn a_question_that_is_asked_again_looks_at_no_pod() {
    let pods = Counting::forty();
    let gold = |snapshot: &Snapshot| value(snapshot, &pods, "tier=gold", Whom::All);
    let first = refreshed(&Snapshot::default(), numbers(40, 1.0));
    assert_eq!((gold(&first), pods.looked()), (Some(20.0), 40));
    assert_eq!((gold(&first), pods.looked()), (Some(20.0), 0));
    // Other numbers of the same series, as nearly every refresh brings them.
    let second = refreshed(&first, numbers(40, 3.0));
    assert_eq!((gold(&second), pods.looked()), (Some(60.0), 0));
    // Other questions have answers of their own.
    assert_eq!(value(&second, &pods, "tier!=gold", Whom::All), Some(60.0));
    assert_eq!(value(&second, &pods, "", Whom::All), Some(120.0));
    let own = Selector::parse("tier=gold").expect("a selector");
    assert_eq!(value(&second, &pods, "", Whom::Pods(&own)), Some(60.0));
    assert_eq!(value(&second, &pods, "", Whom::Object { key: "pod", name: "p7" }), Some(3.0));
    assert_eq!(value(&second, &pods, "", Whom::Object { key: "deployment", name: "front" }), Some(120.0));

    // A pod that goes is gone at once, and so is one that changes its labels.
    pods.change(|cluster| drop(cluster.pods.remove(0)));
    assert_eq!((gold(&second), pods.looked() > 0), (Some(57.0), true));
    pods.change(|cluster| cluster.pods[1] = Arc::new(pod("p2", "tier=iron", "")));
    assert_eq!(gold(&second), Some(54.0));
    // Without news of pods nothing is taken for known.
    pods.change(|cluster| cluster.knowledge = Knowledge::Behind);
    pods.looked();
    assert_eq!((gold(&second), pods.looked() > 0), (None, true), "p0 is not known");
}

proptest! {
    #[test]
    fn what_is_remembered_changes_no_answer(steps in prop::collection::vec((0..4_u8, 0..50_usize), 1..20)) {
        let pods = Counting::forty();
        let mut known = refreshed(&Snapshot::default(), numbers(40, 1.0));
        for (step, which) in steps {
            match step {
                0 => known = refreshed(&known, numbers(30 + which % 12, which as f64)),
                1 => pods.change(|cluster| {
                    let index = which % cluster.pods.len();
                    let name = cluster.pods[index].name.to_string();
                    cluster.pods[index] = Arc::new(pod(&name, if which % 3 == 0 { "tier=gold" } else { "x=y" }, ""));
                }),
                2 => pods.change(|cluster| drop(cluster.pods.remove(which % cluster.pods.len()))),
                _ => {}
            }
            // The same without memory.
            let fresh = Snapshot { selections: Arc::default(), ..known.clone() };
            for selector in ["", "tier=gold", "tier!=gold", "!tier", "deployment=front"] {
                let both = [&known, &fresh].map(|snapshot| value(snapshot, &pods, selector, Whom::All));
                prop_assert_eq!(both[0], both[1], "{}", selector);
            }
        }
    }
}
