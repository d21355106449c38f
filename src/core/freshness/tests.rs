use super::*;
use crate::core::fixtures::{Rows, at, seconds, snapshot, tokens, waiting};

/// What a read at `now` brings, of a pod sampled at `sampled`.
fn read(now: f64, sampled: f64) -> Refreshed {
    Refreshed {
        at: at(now),
        set: Rows::default().row("namespace=ml,pod=a", sampled, &[1.0]).by_pod(),
        interval: seconds(2),
        coverage: Coverage::Cluster,
        memory: None,
        query: "the query".into(),
        warnings: Arc::default(),
    }
}

const BOUND: Duration = Duration::from_mins(1);

/// A snapshot of `signal` read at 0 and at 15 seconds, so that the cadence is known.
fn warm(signal: &Signal) -> Snapshot {
    let first = Snapshot::default().refreshed(signal, read(0.0, 0.0), BOUND);
    first.refreshed(signal, read(15.0, 15.0), BOUND)
}

#[test]
fn ages_are_fresh_then_held_then_expired() {
    let known = |cadence: Option<u64>, interval| Snapshot {
        cadence: cadence.map(seconds),
        interval: seconds(interval),
        ..Snapshot::default()
    };
    for (name, snapshot, hold, fresh_until, held_until) in [
        ("extensive", known(Some(15), 2), 60, 19, 75),
        ("intensive", known(Some(15), 2), 15, 19, 30),
        ("unknown cadence", known(None, 2), 60, 64, 120),
        ("unknown cadence, intensive", known(None, 2), 15, 64, 75),
        ("slow source", known(Some(240), 2), 60, 244, 300),
        ("slower than anything that lives", known(Some(3600), 2), 60, 304, 360),
        ("read every moment", known(Some(5), 0), 60, 5, 65),
        ("read seldom: what is fresh is never refused", known(Some(30), 15), 15, 60, 60),
        ("held not at all", known(Some(15), 2), 0, 19, 19),
    ] {
        let bounds = snapshot.bounds(None, seconds(hold));
        let judge = |age: Duration| bounds.judge(age);
        let beyond = Duration::from_millis(1);
        assert_eq!(judge(Duration::ZERO), Age::Fresh, "{name}");
        assert_eq!(judge(seconds(fresh_until)), Age::Fresh, "{name}");
        if fresh_until < held_until {
            assert_eq!(judge(seconds(fresh_until) + beyond), Age::Held, "{name}");
            assert_eq!(judge(seconds(held_until)), Age::Held, "{name}");
        }
        assert_eq!(judge(seconds(held_until) + beyond), Age::Expired, "{name}");
        assert_eq!(bounds.limit, seconds(held_until), "{name}");
        let own = snapshot.bounds(Some(seconds(20)), seconds(hold));
        assert_eq!(
            own.fresh,
            seconds(20) + 2 * snapshot.interval,
            "{name}: a series' own cadence goes first"
        );
    }
}

#[test]
fn a_source_is_well_while_its_latest_answer_is_recent() {
    let well = |snapshot: &Snapshot, now| snapshot.is_well(at(now));
    let read = snapshot(Rows::default().by_pod(), 0.0);
    assert!(well(&read, 0.0) && well(&read, 15.0));
    assert!(!well(&read, 15.001));
    let seldom = Snapshot { interval: seconds(10), ..read.clone() };
    assert!(well(&seldom, 20.0) && !well(&seldom, 20.001), "two intervals, if that is longer");
    assert!(!well(&read.failed("refused".into()), 0.0), "not after a failure, however recent");
    assert!(!well(&Snapshot::default(), 0.0), "not before the first answer");
}

#[test]
fn a_refresh_brings_what_was_read() {
    let mut new = read(5.0, 4.0);
    new.coverage = Coverage::Namespaces(Arc::new(HashSet::from(["ml".into()])));
    new.warnings = Arc::new(["slow".to_owned()]);
    let failed = Snapshot { version: 41, failure: Some("timeout".into()), ..Snapshot::default() };
    let snapshot = failed.refreshed(&waiting(), new, BOUND);
    assert_eq!(snapshot.version, 42);
    assert_eq!(snapshot.refreshed_at, Some(at(5.0)));
    assert_eq!(snapshot.interval, seconds(2));
    assert_eq!(snapshot.failure, None, "forgiven");
    assert_eq!(&*snapshot.query, "the query");
    assert_eq!(snapshot.warnings[..], ["slow"]);
    assert_eq!(snapshot.set.unwrap().newest(), Some(at(4.0)));
    assert!(snapshot.coverage.includes("ml") && !snapshot.coverage.includes("qa"));
    assert!(Coverage::Cluster.includes("qa"));
}

#[test]
fn a_failure_keeps_the_set_and_its_true_times() {
    let before = warm(&tokens());
    let after = before.failed("connection refused".into());
    assert_eq!(after.version, before.version + 1);
    assert_eq!(after.failure.as_deref(), Some("connection refused"));
    assert_eq!(after.refreshed_at, before.refreshed_at);
    assert_eq!(after.cadence, before.cadence);
    assert!(Arc::ptr_eq(after.set.as_ref().unwrap(), before.set.as_ref().unwrap()));
    let never = Snapshot::default().failed("connection refused".into());
    assert!(never.set.is_none() && never.refreshed_at.is_none());
}

#[test]
fn the_cadence_is_learnt_and_kept_while_nothing_is_renewed() {
    let signal = waiting();
    let first = Snapshot::default().refreshed(&signal, read(0.0, 0.0), BOUND);
    assert_eq!(first.cadence, None);
    let same = first.refreshed(&signal, read(2.0, 0.0), BOUND);
    assert_eq!(same.cadence, None);
    let renewed = same.refreshed(&signal, read(16.0, 15.0), BOUND);
    assert_eq!(renewed.cadence, Some(seconds(15)));
    let same = renewed.refreshed(&signal, read(18.0, 15.0), BOUND);
    assert_eq!(same.cadence, Some(seconds(15)), "kept");
    let faster = same.refreshed(&signal, read(20.0, 20.0), BOUND);
    assert!(faster.cadence < Some(seconds(15)) && faster.cadence > Some(seconds(5)), "learnt slowly");
    let fast = (0..30).fold(faster, |before, n| {
        let now = 25.0 + 5.0 * f64::from(n);
        before.refreshed(&signal, read(now, now), BOUND)
    });
    assert_eq!(fast.cadence, Some(seconds(5)), "learnt anew");
}

#[test]
fn a_silence_is_not_taken_for_the_cadence() {
    let signal = waiting();
    let back = warm(&signal).failed("down".into()).refreshed(&signal, read(250.0, 249.0), BOUND);
    assert_eq!(back.cadence, Some(seconds(15)));
    let asked_again = warm(&signal).refreshed(&signal, read(250.0, 249.0), BOUND);
    assert_eq!(asked_again.cadence, Some(seconds(15)));
}

#[test]
fn after_an_outage_windows_must_fill_and_gauges_need_not() {
    for (name, signal, back_at, expected) in [
        ("a gauge", waiting(), 200.0, None),
        ("a window of 120 s", tokens(), 200.0, Some(at(320.0))),
        ("held throughout", tokens(), 90.0, None),
        ("just an outage", tokens(), 90.001, Some(at(90.001 + 120.0))),
    ] {
        let down = warm(&signal).failed("down".into());
        let back = down.refreshed(&signal, read(back_at, back_at), BOUND);
        assert_eq!(back.usable_from, expected, "{name}");
    }
}

#[test]
fn the_hold_off_lasts_until_it_is_over() {
    let signal = tokens();
    let back = warm(&signal).failed("down".into()).refreshed(&signal, read(200.0, 200.0), BOUND);
    let filling = back.refreshed(&signal, read(250.0, 250.0), BOUND);
    assert_eq!(filling.usable_from, Some(at(320.0)), "more samples do not end it");
    assert_eq!(filling.failed("again".into()).usable_from, Some(at(320.0)), "nor does a failure");
    let filled = filling.refreshed(&signal, read(320.0, 320.0), BOUND);
    assert_eq!(filled.usable_from, None);
    let twice = filling.failed("again".into()).refreshed(&signal, read(400.0, 400.0), BOUND);
    assert_eq!(twice.usable_from, Some(at(520.0)), "a second outage begins it again");
}

#[test]
fn nobody_asking_is_no_outage() {
    let signal = tokens();
    let asked_again = warm(&signal).refreshed(&signal, read(900.0, 899.0), BOUND);
    assert_eq!(asked_again.usable_from, None);
}

#[test]
fn a_restart_of_the_source_empties_windows() {
    let restarted = |signal: &Signal, started: f64| {
        let new = Refreshed { memory: Some(Memory::since(at(started))), ..read(100.0, 99.0) };
        warm(signal).refreshed(signal, new, BOUND).usable_from
    };
    // The window of two minutes, from five seconds after the start.
    assert_eq!(restarted(&tokens(), 90.0), Some(at(215.0)));
    assert_eq!(restarted(&tokens(), -24.0), Some(at(101.0)));
    assert_eq!(restarted(&tokens(), -25.0), None, "the window is covered again");
    assert_eq!(restarted(&tokens(), -1000.0), None, "long ago");
    assert_eq!(restarted(&waiting(), 99.0), None, "a gauge has no window");
}

#[test]
fn the_first_read_of_a_young_source_waits_too() {
    let new = Refreshed { memory: Some(Memory::since(at(0.0))), ..read(10.0, 10.0) };
    let first = Snapshot::default().refreshed(&tokens(), new, BOUND);
    assert_eq!(first.usable_from, Some(at(125.0)));
    assert_eq!(Snapshot::default().refreshed(&tokens(), read(10.0, 10.0), BOUND).usable_from, None);
}

/// What a read at `now` brings, of so many pods.
fn pods(now: f64, count: usize) -> Refreshed {
    let rows = (0..count)
        .fold(Rows::default(), |rows, pod| rows.row(&format!("namespace=ml,pod=p{pod}"), now, &[1.0]));
    Refreshed { set: rows.by_pod(), ..read(now, now) }
}

#[test]
fn a_gauge_that_lost_series_to_a_restart_waits_until_they_can_be_back() {
    let signal = waiting();
    let young = |now, count| Refreshed { memory: Some(Memory::since(at(100.0))), ..pods(now, count) };
    let first = Snapshot::default().refreshed(&signal, pods(0.0, 4), BOUND);
    let before = first.refreshed(&signal, pods(15.0, 4), BOUND);
    let half = before.refreshed(&signal, young(103.0, 2), BOUND);
    // Five seconds until it looks for targets, and one scrape interval.
    assert_eq!(half.usable_from, Some(at(120.0)));
    let most = half.refreshed(&signal, young(110.0, 3), BOUND);
    assert_eq!(most.usable_from, Some(at(120.0)), "compared with what was there before the restart");
    let all = most.refreshed(&signal, young(112.0, 4), BOUND);
    assert_eq!(all.usable_from, None, "all are back");
    let fewer = most.refreshed(&signal, young(121.0, 3), BOUND);
    assert_eq!(fewer.usable_from, None, "what is not back by then has gone");
    assert!(!all.is_well(at(117.0)) && all.is_well(at(121.0)), "until then an absence means nothing");
}

/// A source that remembers knows nothing young enough after a long outage, and one that does not tell of its start
/// may have lost all.
#[test]
fn a_gauge_that_lost_series_to_an_outage_waits_until_they_can_be_back() {
    let signal = waiting();
    let first = Snapshot::default().refreshed(&signal, pods(0.0, 4), BOUND);
    let before = first.refreshed(&signal, pods(15.0, 4), BOUND).failed("down".into());
    let whole = before.refreshed(&signal, pods(400.0, 4), BOUND);
    assert_eq!(whole.usable_from, None, "nothing is missing");
    let half = before.refreshed(&signal, pods(400.0, 2), BOUND);
    // Five seconds until it looks for targets, and one scrape interval.
    assert_eq!(half.usable_from, Some(at(420.0)));
    assert!(!half.is_well(at(401.0)), "an absence means nothing either");
    let most = half.refreshed(&signal, pods(410.0, 3), BOUND);
    assert_eq!(most.usable_from, Some(at(420.0)), "compared with what was there before");
    assert_eq!(most.failed("again".into()).usable_from, Some(at(420.0)));
    let all = most.refreshed(&signal, pods(412.0, 4), BOUND);
    assert_eq!(all.usable_from, None, "all are back");
    let fewer = most.refreshed(&signal, pods(421.0, 3), BOUND);
    assert_eq!(fewer.usable_from, None, "what is not back by then has gone");
    assert!(fewer.is_well(at(421.0)));
    let brief = before.refreshed(&signal, pods(60.0, 2), BOUND);
    assert_eq!(brief.usable_from, None, "within its bound a silence is no outage");
}

#[test]
fn a_gauge_that_was_never_read_waits_until_a_young_source_has_found_all() {
    let signal = waiting();
    let young = |now, count| Refreshed { memory: Some(Memory::since(at(100.0))), ..pods(now, count) };
    let first = Snapshot::default().refreshed(&signal, young(103.0, 2), BOUND);
    // How often the source renews its samples is not known either.
    assert_eq!(first.usable_from, Some(at(165.0)));
    assert_eq!(first.failed("again".into()).usable_from, Some(at(165.0)), "a failure does not end it");
    let second = first.refreshed(&signal, young(104.0, 3), BOUND);
    assert_eq!(second.cadence, Some(seconds(1)));
    assert_eq!(second.usable_from, Some(at(106.0)), "it renews every second");
    let third = second.refreshed(&signal, young(106.0, 4), BOUND);
    assert_eq!(third.usable_from, None);
    let told = Memory { scrapes_every: Some(seconds(10)), ..Memory::since(at(100.0)) };
    let told = Refreshed { memory: Some(told), ..pods(103.0, 2) };
    let first = Snapshot::default().refreshed(&signal, told, BOUND);
    assert_eq!(first.usable_from, Some(at(115.0)), "how often it scrapes is told");
    let late = Snapshot::default().refreshed(&signal, young(165.0, 2), BOUND);
    assert_eq!(late.usable_from, None, "by then it has found what there is");
    let known = Snapshot::default().refreshed(&signal, pods(103.0, 2), BOUND);
    assert_eq!(known.usable_from, None, "a source that lost nothing is believed at once");
}
