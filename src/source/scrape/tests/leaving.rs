//! Targets that come and go, and the end of the source.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn a_target_that_disappears_leaves_the_set() {
    let (one, other) = (Exporter::start(page(3)).await, Exporter::start(page(4)).await);
    let world = World::over(&[&one, &other]);
    assert_eq!(world.numbers().await, [3.0, 4.0]);
    world.places.change([one.place("namespace=ai")]).await;
    let answer = world.fetch(&waiting()).await.expect("an answer");
    assert_eq!((answer.set.all().len(), answer.set.silent().len()), (1, 0));
    let asked = other.asked().len();
    let before = one.asked().len();
    until(|| one.asked().len() > before + 4).await;
    assert!(other.asked().len() <= asked + 1, "it is left alone");
    let vitals = world.source.vitals().expect("vitals");
    assert_eq!((vitals.targets, vitals.series), (1, 1));
}

#[tokio::test]
async fn a_target_that_disappears_takes_its_silence_along() {
    let one = Exporter::start(page(3)).await;
    let world = World::new([one.place("namespace=ai"), place(nobody().await, "namespace=ai")]);
    let (snapshot, refused) = world.evaluated(&Snapshot::default()).await;
    assert!(matches!(refused, Err(Refusal::Silent { .. })));
    world.places.change([one.place("namespace=ai")]).await;
    let (_, reading) = world.evaluated(&snapshot).await;
    assert!((reading.expect("a reading").value - 3.0).abs() < 1e-9);
}

#[tokio::test]
async fn when_the_last_has_gone_there_is_nothing_and_that_is_said() {
    let one = Exporter::start(page(3)).await;
    let world = World::over(&[&one]);
    let (snapshot, reading) = world.evaluated(&Snapshot::default()).await;
    assert!(reading.is_ok());
    world.places.change([]).await;
    let answer = world.fetch(&waiting()).await.expect("an answer");
    assert_eq!((answer.set.all().len(), &*answer.warnings), (0, &["there is no target".to_owned()][..]));
    let (_, refused) = world.evaluated(&snapshot).await;
    assert!(matches!(refused, Err(Refusal::NoSeries { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_new_target_is_not_waited_for_and_leaves_nothing_unknown() {
    let (one, slow) = (Exporter::start(page(3)).await, Exporter::start(Deed::Hang).await);
    let world = World::with(Places::of([one.place("namespace=ai")]), |settings| {
        settings.timeout = MILLIS(1500);
    });
    let (mut snapshot, _) = world.evaluated(&Snapshot::default()).await;
    // Who asks first waits for all, and so does who asks right after.
    sleep(MILLIS(1500)).await;
    world.places.change([one.place("namespace=ai"), slow.place("namespace=ai")]).await;
    until(|| slow.asked().len() == 1).await;
    let began = Instant::now();
    let reading;
    (snapshot, reading) = world.evaluated(&snapshot).await;
    assert!(began.elapsed() < MILLIS(500));
    assert!((reading.expect("a reading").value - 3.0).abs() < 1e-9);
    assert!(snapshot.set.as_ref().is_some_and(|set| set.silent().is_empty()));
    assert_eq!(world.source.vitals().map(|vitals| (vitals.targets, vitals.silent)), Some((2, 0)));
}

#[tokio::test]
async fn a_new_target_that_fails_at_once_leaves_the_sum_unknown() {
    let one = Exporter::start(page(3)).await;
    let world = World::over(&[&one]);
    let (snapshot, _) = world.evaluated(&Snapshot::default()).await;
    world.places.change([one.place("namespace=ai"), place(nobody().await, "namespace=ai")]).await;
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    let (_, refused) = world.evaluated(&snapshot).await;
    assert!(matches!(refused, Err(Refusal::Silent { .. })), "{refused:?}");
}

#[tokio::test]
async fn targets_behind_a_name_that_is_found_late_stay_unknown_until_they_answer() {
    let (one, slow) = (Exporter::start(page(3)).await, Exporter::start(Deed::Hang).await);
    let unseen = Silent {
        labels: labels("namespace=ai,instance=vllm:8000"),
        engine: None,
        speaks_for_others: true,
        cause: "no such name".into(),
        known: false,
    };
    let world = World::over(&[&one]);
    world.places.set([one.place("namespace=ai")], vec![unseen]);
    let (mut snapshot, refused) = world.evaluated(&Snapshot::default()).await;
    let words = refused.expect_err("unknown").to_string();
    assert!(words.contains("target vllm:8000") && words.contains("no such name"), "{words}");
    assert_eq!(world.source.vitals().map(|vitals| (vitals.targets, vitals.silent)), Some((2, 1)));

    world.places.change([one.place("namespace=ai"), slow.place("namespace=ai")]).await;
    let refused;
    (snapshot, refused) = world.evaluated(&snapshot).await;
    assert!(matches!(refused, Err(Refusal::Silent { .. })), "{refused:?}");
    slow.set(page(4));
    world.until_numbers(&[3.0, 4.0]).await;
    let (_, reading) = world.evaluated(&snapshot).await;
    assert!((reading.expect("a reading").value - 7.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_place_found_twice_is_one_target() {
    let one = Exporter::start(page(3)).await;
    let world = World::over(&[&one, &one]);
    assert_eq!(world.numbers().await, [3.0]);
    assert_eq!(world.source.vitals().map(|vitals| vitals.targets), Some(1));
}

/// An exporter by hand, whose connections show when they end.
async fn bare_exporter() -> (SocketAddr, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let body = "requests_waiting 3\n";
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all((head + body).as_bytes()).await;
                }
                count.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (address, open)
}

#[tokio::test]
async fn the_end_of_the_source_is_the_end_of_its_tasks_and_connections() {
    let (address, open) = bare_exporter().await;
    let world = World::new([place(address, "namespace=ai")]);
    assert_eq!(world.numbers().await, [3.0]);
    assert_eq!(open.load(Ordering::Relaxed), 1);
    let shared = Arc::downgrade(&world.source.shared);
    let places = Arc::clone(&world.places);
    drop(world);
    until(|| open.load(Ordering::Relaxed) == 0).await;
    until(|| shared.upgrade().is_none()).await;
    let looks = places.looks();
    sleep(MILLIS(100)).await;
    assert_eq!(places.looks(), looks);
}
