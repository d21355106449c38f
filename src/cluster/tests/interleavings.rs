//! Whatever happens in whatever order, what is known is what would be known from the final state alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{Told, object, pod};
use crate::cluster::follow::Sink as _;
use crate::core::workload::{Inventory as _, Pod};

/// Few names, so that objects meet.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const KINDS: [&str; 3] = ["pod", "replicaset", "statefulset"];
const CONTROLLERS: [&str; 6] = ["", "ReplicaSet/a", "ReplicaSet/b", "StatefulSet/a", "Pod/a", "Deployment/x"];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "fd00::1"];

type Final = BTreeMap<(&'static str, &'static str), Value>;

#[derive(Debug, Clone)]
enum Event {
    Apply(&'static str, &'static str, Value),
    Remove(&'static str, &'static str),
    /// The watch of a kind lists anew, having missed the events from here back to this many.
    List(&'static str),
}

fn event() -> impl Strategy<Value = Event> {
    let of = |items: &'static [&'static str]| prop::sample::select(items);
    let apply = (of(&KINDS), of(&NAMES), of(&CONTROLLERS), of(&ADDRESSES), 0..3_u32, any::<bool>()).prop_map(
        |(kind, name, controller, ip, day, counts)| {
            let mut object = if kind == "pod" { pod(name, controller, ip) } else { object(name, controller) };
            if kind == "pod" {
                object["metadata"]["creationTimestamp"] = json!(format!("2026-01-0{}T00:00:00Z", day + 1));
                object["status"]["phase"] = json!(if counts { "Running" } else { "Failed" });
            }
            Event::Apply(kind, name, object)
        },
    );
    let remove = (of(&KINDS), of(&NAMES)).prop_map(|(kind, name)| Event::Remove(kind, name));
    let list = of(&KINDS).prop_map(Event::List);
    prop_oneof![6 => apply, 3 => remove, 1 => list]
}

fn list(told: &Told, kind: &str, state: &Final) {
    let objects = state.iter().filter(|((one, _), _)| *one == kind);
    if kind == "pod" {
        told.pods().begin();
        objects.for_each(|((kind, _), object)| told.apply(kind, object));
        told.pods().end();
    } else {
        told.owners(kind).begin();
        objects.for_each(|((kind, _), object)| told.apply(kind, object));
        told.owners(kind).end();
    }
}

fn pods(told: &Told) -> Vec<Pod> {
    let mut pods: Vec<Pod> = told.cluster.pods(None).iter().map(|pod| Pod::clone(pod)).collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    pods
}

fn addresses(told: &Told) -> Vec<Option<Pod>> {
    let at = |ip: IpAddr| told.cluster.at(ip).map(|pod| Pod::clone(&pod));
    ADDRESSES.iter().map(|text| at(text.parse().expect("an address"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_final_state_alone_decides(events in prop::collection::vec((event(), any::<bool>()), 0..40)) {
        let told = Told::new();
        let mut state = Final::new();
        let mut versions: Vec<(u64, Vec<Pod>)> = Vec::new();
        for (event, is_missed) in events {
            match event {
                Event::Apply(kind, name, object) => {
                    if !is_missed {
                        told.apply(kind, &object);
                    }
                    state.insert((kind, name), object);
                }
                Event::Remove(kind, name) => {
                    if !is_missed {
                        told.remove(kind, name);
                    }
                    state.remove(&(kind, name));
                }
                Event::List(kind) => list(&told, kind, &state),
            }
            let now = pods(&told);
            for (version, then) in &versions {
                prop_assert!(*version != told.version() || *then == now, "a version of two states");
            }
            versions.push((told.version(), now));
        }
        // What was missed is made good by a list of each kind.
        for kind in KINDS {
            list(&told, kind, &state);
        }
        let fresh = Told::new();
        for ((kind, _), object) in &state {
            fresh.apply(kind, object);
        }
        prop_assert_eq!(pods(&told), pods(&fresh));
        prop_assert_eq!(addresses(&told), addresses(&fresh));
        for kind in &KINDS[1..] {
            prop_assert_eq!(told.owners(kind).count(), fresh.owners(kind).count());
        }
        prop_assert_eq!(told.pods().count(), state.keys().filter(|(kind, _)| *kind == "pod").count());
    }
}
