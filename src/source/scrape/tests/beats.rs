//! When targets are asked.

use super::*;
use crate::core::fixtures::series_signal;
use crate::core::fixtures::tokens;
use crate::core::signal::{Element, Kind};
use crate::source::scrape::fixtures::{counter, gauge};

#[tokio::test]
async fn connections_are_kept_for_many_scrapes() {
    let exporter = Exporter::start(page(3)).await;
    let world = World::over(&[&exporter]);
    world.numbers().await;
    until(|| exporter.asked().len() > 20).await;
    assert_eq!(exporter.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_target_is_asked_once_in_each_interval() {
    let exporter = Exporter::start(page(3)).await;
    let world = World::with(Places::of([exporter.place("namespace=ai")]), |settings| {
        settings.interval = MILLIS(100);
    });
    world.numbers().await;
    until(|| exporter.asked().len() > 12).await;
    let asked = exporter.asked();
    let mean = (asked[11] - asked[1]) / 10;
    assert!(mean.abs_diff(MILLIS(100)) < MILLIS(10), "{mean:?}");
}

/// How far apart the moments lie at which targets are asked, as shares of the interval, sorted.
fn phases(exporters: &[Exporter], interval: Duration, since: Instant) -> Vec<f64> {
    let mut phases: Vec<f64> = exporters
        .iter()
        .filter_map(|exporter| exporter.asked().last().copied())
        .map(|asked| (asked - since).as_secs_f64() / interval.as_secs_f64() % 1.0)
        .collect();
    phases.sort_by(f64::total_cmp);
    phases
}

/// The longest part of the interval in which no target is asked.
fn longest_pause(phases: &[f64]) -> f64 {
    let wrapped = phases.first().map(|first| first + 1.0);
    phases
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .chain(wrapped.map(|next| next - phases[phases.len() - 1]))
        .fold(0.0, f64::max)
}

#[tokio::test]
async fn beats_are_spread_over_the_interval_and_stay_so_when_more_is_wanted() {
    let mut exporters = Vec::new();
    for _ in 0..24 {
        exporters.push(Exporter::start(page(3)).await);
    }
    let interval = MILLIS(1000);
    let places = Places::of(exporters.iter().map(|one| one.place("namespace=ai")));
    let world = World::with(places, |settings| settings.interval = interval);
    let began = Instant::now();
    world.numbers().await;
    let all_asked = |times: usize| exporters.iter().all(|one| one.asked().len() >= times);
    until(|| all_asked(3)).await;
    let first = phases(&exporters, interval, began);
    // All at once, the pause would be nearly the whole of it; on a busy machine they come in clumps.
    assert!(longest_pause(&first) < 0.85, "{first:?}");

    world.fetch(&tokens()).await.expect("an answer");
    let asked = exporters.iter().map(|one| one.asked().len()).max().expect("some");
    until(|| all_asked(asked + 3)).await;
    let later = phases(&exporters, interval, began);
    assert!(longest_pause(&later) < 0.85, "{later:?}");
}

#[test]
fn addresses_of_one_name_have_beats_of_their_own() {
    let world = World::new([]);
    let clients = Clients::new(&world.source.shared.settings);
    let share = |last| {
        let address = Some(SocketAddr::from(([10, 0, 0, last], 443)));
        let url = "https://vllm/metrics".parse().expect("a URL");
        let place = Place { url, address, labels: Labels::default(), engine: None, speaks_for_others: true };
        target(&world.source.shared, place, &clients, true).share()
    };
    assert!((0.0..=1.0).contains(&share(1)));
    assert!((share(1) - share(2)).abs() > 1e-9);
}

#[test]
fn time_goes_on_from_the_latest_that_was_told() {
    let world = World::new([]);
    let shared = &world.source.shared;
    shared.learn(at(10.0));
    let first = shared.now();
    assert!(first >= at(10.0));
    shared.learn(at(9.0));
    assert!(shared.now() >= first, "who told it was kept waiting");
    shared.learn(at(60.0));
    assert!(shared.now() >= at(60.0));
}

#[tokio::test]
async fn the_first_fetch_waits_for_all_targets() {
    let slow = Exporter::start(page(1)).await;
    slow.set(answer(|_| {
        let slowly = stream::once(async {
            sleep(MILLIS(200)).await;
            Ok::<_, std::io::Error>("requests_waiting 2\n")
        });
        Body::from_stream(slowly).into_response()
    }));
    let fast = Exporter::start(page(1)).await;
    let world = World::over(&[&slow, &fast]);
    let began = Instant::now();
    assert_eq!(world.numbers().await, [1.0, 2.0]);
    assert!(began.elapsed() >= MILLIS(200));
    let began = Instant::now();
    assert_eq!(world.numbers().await, [1.0, 2.0]);
    assert!(began.elapsed() < MILLIS(190), "from memory");
}

#[tokio::test]
async fn the_first_fetch_waits_no_longer_than_for_one_attempt() {
    let (hung, fast) = (Exporter::start(Deed::Hang).await, Exporter::start(page(1)).await);
    let world =
        World::with(Places::of([hung.place("namespace=b"), fast.place("namespace=ai")]), |settings| {
            settings.interval = Duration::from_secs(5);
        });
    let began = Instant::now();
    assert_eq!(world.numbers().await, [1.0]);
    let took = began.elapsed();
    assert!(MILLIS(990) <= took && took < MILLIS(2000), "{took:?}");
    let began = Instant::now();
    let silent = world.fetch(&waiting()).await.expect("an answer").set;
    assert_eq!(silent.silent().len(), 1);
    assert!(began.elapsed() < MILLIS(500), "once");
}

#[tokio::test]
async fn two_that_ask_first_at_the_same_time_both_wait() {
    let exporter = Exporter::start(answer(|_| {
        let slowly = stream::once(async {
            sleep(MILLIS(100)).await;
            Ok::<_, std::io::Error>("requests_waiting 2\n")
        });
        Body::from_stream(slowly).into_response()
    }))
    .await;
    let world = World::over(&[&exporter]);
    let second = async {
        sleep(MILLIS(30)).await;
        world.numbers().await
    };
    let (one, other) = tokio::join!(world.numbers(), second);
    assert_eq!((one, other), (vec![2.0], vec![2.0]));
}

#[tokio::test]
async fn more_is_wanted_and_targets_are_asked_again_at_once() {
    let exporter = Exporter::start(Deed::Page("requests_waiting 3\ng 5\n".to_owned())).await;
    let world = World::with(Places::of([exporter.place("namespace=ai")]), |settings| {
        settings.interval = Duration::from_mins(1);
        settings.timeout = Duration::from_secs(10);
    });
    assert_eq!(world.numbers().await, [3.0]);
    let began = Instant::now();
    assert_eq!(world.rows(&gauge()).await, [("namespace=ai".to_owned(), Some(5.0))]);
    assert!(began.elapsed() < Duration::from_secs(2));
    let scrapes = exporter.asked().len();
    // Many at once are one more scrape or two, not one for each.
    let signals: Vec<_> = (1..20).map(counter).collect();
    futures_util::future::join_all(signals.iter().map(|signal| world.fetch(signal))).await;
    assert!((1..=2).contains(&(exporter.asked().len() - scrapes)));
}

#[tokio::test]
async fn a_beat_that_takes_longer_than_the_interval_is_told() {
    let exporter = Exporter::start(answer(|_| {
        let slowly = stream::once(async {
            sleep(MILLIS(120)).await;
            Ok::<_, std::io::Error>("requests_waiting 2\n")
        });
        Body::from_stream(slowly).into_response()
    }))
    .await;
    let world = World::over(&[&exporter]);
    assert_eq!(world.numbers().await, [2.0]);
    until(|| exporter.asked().len() > 5).await;
    let asked = exporter.asked();
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= MILLIS(115)), "never two at once: {gaps:?}");
    let vitals = world.source.vitals().expect("vitals");
    assert!(vitals.longest >= MILLIS(115), "{vitals:?}");
}

#[tokio::test(start_paused = true)]
async fn reading_stops_when_nobody_asks_and_starts_again() {
    let places = Arc::new(Places { every: Duration::from_secs(5), ..Places::default() });
    let world = World::with(Arc::clone(&places), |_| {});
    world.fetch(&waiting()).await.expect("an answer");
    assert_eq!(places.looks(), 1);
    sleep(Duration::from_mins(5)).await;
    let looks = places.looks();
    assert!(looks.abs_diff(60) <= 2, "{looks}");
    world.fetch(&waiting()).await.expect("an answer");
    sleep(Duration::from_mins(10)).await;
    let looks = places.looks();
    assert!(looks.abs_diff(60 + 72) <= 3, "{looks}");
    assert!(!world.source.is_running.load(Ordering::SeqCst));
    sleep(Duration::from_mins(10)).await;
    assert_eq!(places.looks(), looks, "nobody asks");

    let asked = world.now();
    let rate = series_signal(Kind::Counter, &["c"], Some(120), Element::Pod);
    let answer = world.fetch(&rate).await.expect("an answer");
    assert_eq!(answer.memory, Some(Memory::since(asked)), "what was known before is forgotten");
    let answer = world.fetch(&waiting()).await.expect("an answer");
    assert_eq!(answer.memory, None, "what is read as it is needs no memory");
    assert_eq!(places.looks(), looks + 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_it_stops_is_answered() {
    for millis in (355_000..370_000).step_by(611) {
        let places = Arc::new(Places { every: Duration::from_secs(5), ..Places::default() });
        let world = World::with(Arc::clone(&places), |_| {});
        world.fetch(&waiting()).await.expect("an answer");
        sleep(MILLIS(millis)).await;
        world.fetch(&waiting()).await.unwrap_or_else(|error| panic!("after {millis} ms: {error}"));
        let looks = places.looks();
        sleep(Duration::from_secs(11)).await;
        assert!(places.looks() >= looks + 2, "after {millis} ms it goes on");
    }
}
