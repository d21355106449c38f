//! Targets that have yet to come up: a model that loads must not keep the others from being counted.

use super::*;

impl World {
    /// Finds these places from now on, of which `starting` have yet to come up.
    async fn find(&self, places: &[&Place], starting: &[&Place]) {
        let cloned = |places: &[&Place]| places.iter().map(|place| (*place).clone()).collect::<Vec<_>>();
        let starting = cloned(starting).into_iter().collect();
        *self.places.found.lock().expect("lock") =
            Found { places: cloned(places), starting, ..Found::default() };
        if self.places.looks() > 0 {
            let before = self.places.looks();
            until(|| self.places.looks() > before + 1).await;
        }
    }
}

fn is_silent(refused: &Result<Reading, Refusal>) -> bool {
    matches!(refused, Err(Refusal::Silent { .. }))
}

#[tokio::test]
async fn who_has_yet_to_come_up_leaves_nothing_unknown() {
    let one = Exporter::start(page(3)).await;
    let (up, loading) = (one.place("namespace=ai"), place(nobody().await, "namespace=ai,pod=b"));
    let world = World::new([]);
    world.find(&[&up, &loading], &[&loading]).await;
    let (snapshot, reading) = world.evaluated(&Snapshot::default()).await;
    assert!((reading.expect("a reading").value - 3.0).abs() < 1e-9);
    let warnings = world.fetch(&waiting()).await.expect("an answer").warnings;
    assert_eq!(warnings, ["1 target is left out: its pod is not ready and has never answered"]);
    assert_eq!(world.source.vitals().map(|vitals| (vitals.targets, vitals.silent)), Some((2, 0)));

    // Once it is ready, its silence is a fault like any other's.
    world.find(&[&up, &loading], &[]).await;
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    let (_, refused) = world.evaluated(&snapshot).await;
    assert!(is_silent(&refused), "{refused:?}");
}

#[tokio::test]
async fn one_that_hangs_while_it_comes_up_is_left_out_too() {
    let (one, slow) = (Exporter::start(page(3)).await, Exporter::start(Deed::Hang).await);
    let (up, loading) = (one.place("namespace=ai"), slow.place("namespace=ai"));
    let world = World::with(Places::of([]), |settings| settings.timeout = MILLIS(100));
    world.find(&[&up, &loading], &[&loading]).await;
    let (snapshot, reading) = world.evaluated(&Snapshot::default()).await;
    assert!((reading.expect("a reading").value - 3.0).abs() < 1e-9);
    until(|| slow.asked().len() > 2).await;
    let (snapshot, reading) = world.evaluated(&snapshot).await;
    assert!(reading.is_ok(), "{reading:?}");
    world.find(&[&up, &loading], &[]).await;
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    assert!(is_silent(&world.evaluated(&snapshot).await.1));
}

#[tokio::test]
async fn who_answers_before_it_is_ready_counts_and_is_missed_afterwards() {
    let (one, other) = (Exporter::start(page(3)).await, Exporter::start(page(4)).await);
    let (up, loading) = (one.place("namespace=ai"), other.place("namespace=ai"));
    let world = World::new([]);
    world.find(&[&up, &loading], &[&loading]).await;
    let (snapshot, reading) = world.evaluated(&Snapshot::default()).await;
    assert!((reading.expect("a reading").value - 7.0).abs() < 1e-9);
    other.set(answer(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()));
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    let (snapshot, reading) = world.evaluated(&snapshot).await;
    assert!((reading.expect("a reading").value - 7.0).abs() < 1e-9, "its last number is held");
    assert!(snapshot.set.is_some_and(|set| matches!(set.silent(), [one] if one.known)));
}

#[tokio::test]
async fn while_all_have_yet_to_come_up_that_is_not_the_same_as_none() {
    let loading = place(nobody().await, "namespace=ai");
    let world = World::new([]);
    world.find(&[&loading], &[&loading]).await;
    let refused = world.fetch(&waiting()).await.expect_err("nothing is known");
    assert_eq!(refused.to_string(), "none of its targets is ready yet");
}
