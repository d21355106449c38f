//! Demand and the claim on a slot, without a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::core::time::Timestamp;
use crate::engine::demand::{Asked, EVERYWHERE, Namespaces};
use crate::engine::fake::{Fake, catalog, narrowed};
use crate::engine::slot::Slot;

const IDLE: Duration = Duration::from_mins(5);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

#[test]
fn demand_lasts_for_the_idle_time() {
    let asked = Asked::never();
    assert!(!asked.within(IDLE, at(0)));
    asked.touch(at(0));
    assert!(asked.within(IDLE, at(299)) && !asked.within(IDLE, at(300)));
    asked.touch(at(100));
    assert!(asked.within(IDLE, at(399)));
    asked.forget();
    assert!(!asked.within(IDLE, at(100)));
}

#[test]
fn namespaces_are_narrowed_to_and_forgotten() {
    let namespaces = Namespaces::default();
    assert!(narrowed(&namespaces.coverage(IDLE, at(0))).is_empty());
    namespaces.touch("a", at(0));
    namespaces.touch("b", at(200));
    assert_eq!(narrowed(&namespaces.coverage(IDLE, at(250))), ["a", "b"]);
    assert_eq!(narrowed(&namespaces.coverage(IDLE, at(300))), ["b"]);
    namespaces.touch(EVERYWHERE, at(300));
    assert_eq!(narrowed(&namespaces.coverage(IDLE, at(300))), ["*"]);
    assert_eq!(narrowed(&namespaces.coverage(IDLE, at(600))), [""; 0]);
}

#[test]
fn made_up_namespaces_take_bounded_memory() {
    let namespaces = Namespaces::default();
    for n in 0..5_000 {
        namespaces.touch(&format!("ns{n}"), at(0));
    }
    assert_eq!(namespaces.len(), 1_024);
    assert_eq!(narrowed(&namespaces.coverage(IDLE, at(1))), ["*"]);
    assert!(narrowed(&namespaces.coverage(IDLE, at(1_000))).is_empty());
    assert_eq!(namespaces.len(), 0);
}

#[test]
fn a_slot_is_claimed_once() {
    let signal = Arc::clone(&catalog().resolve("queue").unwrap().inputs[0].signal);
    let slot = Slot::new(signal, Fake::new("main"), None, IDLE);
    let claims = AtomicUsize::new(0);
    for round in 1..=200 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    slot.touch("ai", at(round * 1_000));
                    claims.fetch_add(usize::from(slot.claim()), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(claims.load(Ordering::Relaxed), round as usize);
        slot.retire();
    }
}

#[test]
fn a_request_and_a_refresher_giving_up_do_not_miss_each_other() {
    let signal = Arc::clone(&catalog().resolve("queue").unwrap().inputs[0].signal);
    let slot = Slot::new(signal, Fake::new("main"), None, IDLE);
    for round in 1..=2_000 {
        assert!(slot.claim());
        let now = at(round * 1_000);
        let claims = AtomicUsize::new(0);
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                slot.touch("ai", now);
                claims.fetch_add(usize::from(slot.claim()), Ordering::Relaxed);
            });
            barrier.wait();
            slot.retire();
            claims.fetch_add(usize::from(slot.is_wanted(now) && slot.claim()), Ordering::Relaxed);
        });
        assert_eq!(claims.load(Ordering::Relaxed), 1, "someone refreshes, and only one");
        slot.retire();
    }
}
