//! The numbers are those of Kubernetes' documentation and of its own tests of the replica calculator.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
/// What Kubernetes' own tests set.
const OPTIONS: Options = Options {
    tolerance: 0.1,
    cpu_initialization: Duration::from_mins(2),
    readiness_delay: Duration::from_secs(10),
};

fn ago(seconds: i64) -> Timestamp {
    NOW.shifted(-1000 * seconds)
}

/// Ready for an hour.
fn steady(id: u64) -> Pod {
    Pod {
        id: PodId(id),
        phase: Phase::Running,
        ready: true,
        started_at: ago(3600),
        ready_since: Some(ago(3590)),
        deleted: false,
        sample: None,
    }
}

/// Started an hour ago and not ready since then.
fn never_ready(id: u64) -> Pod {
    Pod { ready: false, ready_since: Some(ago(3600)), ..steady(id) }
}

/// Ready, but its sample also covers its start.
fn hot(id: u64) -> Pod {
    Pod {
        started_at: ago(60),
        ready_since: Some(ago(10)),
        sample: Some(Sample { at: NOW, window: Duration::from_mins(1) }),
        ..steady(id)
    }
}

fn failed(id: u64) -> Pod {
    Pod { phase: Phase::Failed, ready: false, ..steady(id) }
}

fn deleted(id: u64) -> Pod {
    Pod { deleted: true, ready: false, ..steady(id) }
}

fn pending(id: u64) -> Pod {
    Pod { phase: Phase::Pending, ready: false, ready_since: None, ..steady(id) }
}

/// One metric of a target: by default with as many steady pods as replicas.
struct Case {
    current: u32,
    pods: Vec<Pod>,
    tolerance: Tolerance,
}

impl Case {
    fn of(current: u32) -> Self {
        Self {
            current,
            pods: (0..u64::from(current)).map(steady).collect(),
            tolerance: Tolerance { down: 0.1, up: 0.1 },
        }
    }

    /// The first pods by these, the rest steady.
    fn with(mut self, pods: &[fn(u64) -> Pod]) -> Self {
        for (id, pod) in pods.iter().enumerate() {
            let pod = pod(id as u64);
            match self.pods.get_mut(id) {
                Some(slot) => *slot = pod,
                None => self.pods.push(pod),
            }
        }
        self
    }

    fn tolerating(mut self, down: f64, up: f64) -> Self {
        self.tolerance = Tolerance { down, up };
        self
    }

    fn asks(&self, target: Target, seen: &Observation) -> Result<u32, String> {
        let scale = Scale { spec_replicas: self.current, status_replicas: self.current, pods: &self.pods };
        let context = Context { now: NOW, scale: &scale, tolerance: self.tolerance, options: &OPTIONS };
        context.propose(target, Some(seen))
    }

    fn value(&self, target: f64, value: f64) -> u32 {
        self.asks(Target::Value(target), &Observation::Value(value)).unwrap()
    }

    fn average(&self, target: f64, value: f64) -> u32 {
        self.asks(Target::AverageValue(target), &Observation::Value(value)).unwrap()
    }

    fn pods(&self, target: f64, values: &[f64]) -> u32 {
        self.asks(Target::Pods(target), &samples(values)).unwrap()
    }

    fn percent(&self, target: f64, values: &[f64]) -> u32 {
        self.asks(Target::Utilization(target), &samples(values)).unwrap()
    }
}

/// Samples of the first pods.
fn samples(values: &[f64]) -> Observation {
    Observation::Pods(values.iter().enumerate().map(|(id, value)| (PodId(id as u64), *value)).collect())
}

fn check(cases: &[(&str, u32, u32)]) {
    for (name, got, expected) in cases {
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn the_ratio_of_number_and_target_scales_the_replicas() {
    check(&[
        ("200m at a target of 100m doubles them", Case::of(3).pods(0.1, &[0.2; 3]), 6),
        ("50m halves them", Case::of(4).pods(0.1, &[0.05; 4]), 2),
        (
            "the example of 1.33's announcement: 50 at 90 % of 75 %",
            Case::of(50).percent(75.0, &[90.0; 50]),
            60,
        ),
        ("pods metric, up", Case::of(3).pods(15.0, &[20.0, 10.0, 30.0]), 4),
        ("pods metric, down", Case::of(5).pods(20.0, &[12.0; 5]), 3),
        ("value of an object, up", Case::of(3).value(15.0, 20.0), 4),
        ("value of an object, down", Case::of(5).value(20.0, 12.0), 3),
        ("external value, down", Case::of(5).value(14.334, 8.6), 3),
        ("average value of an object, up", Case::of(3).average(5.0, 20.0), 4),
        ("average value of an object, down", Case::of(5).average(2.0, 6.0), 3),
        ("external average value, up", Case::of(3).average(2.15, 8.6), 4),
        ("external average value, down", Case::of(5).average(2.867, 8.6), 3),
        ("utilization, up", Case::of(3).percent(30.0, &[30.0, 50.0, 70.0]), 5),
        ("utilization, down", Case::of(5).percent(50.0, &[10.0, 30.0, 50.0, 25.0, 25.0]), 3),
    ]);
}

#[test]
fn a_ratio_within_the_tolerance_changes_nothing() {
    check(&[
        ("utilization", Case::of(3).percent(100.0, &[101.0, 103.0, 102.0]), 3),
        ("pods metric", Case::of(3).pods(20.0, &[20.0, 21.0, 21.0]), 3),
        ("value", Case::of(3).value(20.0, 20.666), 3),
        ("external value", Case::of(3).value(8.888, 8.6), 3),
        ("average value of an object", Case::of(4).average(5.0, 20.166), 4),
        ("external average value", Case::of(3).average(2.9, 8.6), 3),
        (
            "a mean is cut to whole thousandths first",
            Case::of(2).tolerating(0.1, 0.0).pods(1.0, &[1.0, 1.001]),
            2,
        ),
        ("a utilization to whole percents", Case::of(2).tolerating(0.1, 0.0).percent(50.0, &[50.0, 51.9]), 2),
        ("ten pods at 50 % of 56 % are outside of 10 %", Case::of(10).percent(56.0, &[50.0; 10]), 9),
        ("at 50 % of 55 % inside", Case::of(10).percent(55.0, &[50.0; 10]), 10),
    ]);
}

#[test]
fn each_direction_has_its_own_tolerance() {
    check(&[
        ("outside of 0 %", Case::of(3).tolerating(0.0, 0.0).percent(100.0, &[101.0; 3]), 4),
        ("within 200 % up", Case::of(3).tolerating(0.1, 2.0).percent(100.0, &[189.0, 191.0, 190.0]), 3),
        (
            "outside of 8 % up, whatever down",
            Case::of(3).tolerating(2.0, 0.08).percent(100.0, &[109.0; 3]),
            4,
        ),
        ("within 36 % down", Case::of(3).tolerating(0.36, 0.1).percent(100.0, &[66.0, 64.0, 65.0]), 3),
        ("outside of 34 % down", Case::of(3).tolerating(0.34, 0.1).percent(100.0, &[66.0, 64.0, 65.0]), 2),
        ("pods metric", Case::of(3).tolerating(0.1, 0.01).pods(20.0, &[20.0, 21.0, 21.0]), 4),
        ("value of an object", Case::of(3).tolerating(0.1, 0.01).value(20.0, 20.666), 4),
        ("average value of an object", Case::of(4).tolerating(0.1, 0.01).average(5.0, 20.208), 5),
        ("external value", Case::of(3).tolerating(0.1, 0.01).value(8.8, 8.9), 4),
        ("external average value", Case::of(3).tolerating(0.1, 0.01).average(2.8, 8.6), 4),
        ("105 of 100 MiB is within 5 %", Case::of(20).tolerating(0.1, 0.05).pods(100.0, &[105.0; 20]), 20),
        ("106 is not", Case::of(20).tolerating(0.1, 0.05).pods(100.0, &[106.0; 20]), 22),
    ]);
}

#[test]
fn a_value_is_shared_by_the_pods_that_are_ready() {
    let one_ready: &[fn(u64) -> Pod] = &[never_ready, steady, never_ready];
    let leaving = |id| Pod { deleted: true, ..steady(id) };
    check(&[
        ("object", Case::of(3).with(one_ready).value(10.0, 50.0), 5),
        ("external", Case::of(3).with(one_ready).value(4.4, 8.6), 2),
        ("none ready asks for none", Case::of(2).with(&[never_ready, pending]).value(10.0, 50.0), 0),
        ("a pod being deleted counts while ready", Case::of(2).with(&[steady, leaving]).value(10.0, 20.0), 4),
        ("within the tolerance they do not matter", Case::of(3).with(one_ready).value(10.0, 10.5), 3),
        ("an average value does not ask for pods", Case::of(3).with(one_ready).average(10.0, 50.0), 5),
    ]);
}

#[test]
fn from_zero_a_value_asks_for_as_many_as_it_holds_targets() {
    check(&[
        ("five targets", Case::of(0).value(100.0, 500.0), 5),
        ("half a target", Case::of(0).value(100.0, 50.0), 1),
        ("nothing", Case::of(0).value(100.0, 0.0), 0),
        ("no tolerance: 1.05 targets", Case::of(0).value(100.0, 105.0), 2),
        ("average, five targets", Case::of(0).average(100.0, 500.0), 5),
        ("average, half a target", Case::of(0).average(100.0, 50.0), 1),
        ("average, nothing", Case::of(0).average(100.0, 0.0), 0),
    ]);
}

#[test]
fn an_average_value_within_the_tolerance_asks_for_the_replicas_there_are() {
    let scale = Scale { spec_replicas: 4, status_replicas: 5, pods: &[] };
    let tolerance = Tolerance { down: 0.1, up: 0.1 };
    let context = Context { now: NOW, scale: &scale, tolerance, options: &OPTIONS };
    for (value, expected) in [(50.0, 5), (40.0, 4), (55.0, 5), (56.0, 6)] {
        let seen = Observation::Value(value);
        assert_eq!(context.propose(Target::AverageValue(10.0), Some(&seen)), Ok(expected), "{value}");
    }
}

#[test]
fn unready_pods_use_nothing_when_scaling_up_and_do_not_count_when_scaling_down() {
    let down = [10.0, 30.0, 50.0, 25.0, 25.0];
    check(&[
        ("an unready pod dampens", Case::of(3).with(&[never_ready]).percent(30.0, &[30.0, 50.0, 70.0]), 4),
        ("a hot pod dampens", Case::of(3).with(&[hot]).percent(30.0, &[30.0, 50.0, 70.0]), 4),
        (
            "unready pods that would turn the direction stop it",
            Case::of(3).with(&[steady, never_ready, never_ready]).percent(30.0, &[40.0, 50.0, 70.0]),
            3,
        ),
        ("hot pods too", Case::of(3).with(&[steady, hot, hot]).percent(30.0, &[40.0, 50.0, 70.0]), 3),
        (
            "down without unready pods",
            Case::of(5).with(&[steady, steady, steady, never_ready, never_ready]).percent(50.0, &down),
            2,
        ),
        (
            "down without hot pods",
            Case::of(5).with(&[steady, steady, steady, hot, hot]).percent(50.0, &down),
            2,
        ),
        (
            "down without pods that are not scheduled",
            Case::of(5).with(&[steady, pending, pending, pending, pending]).percent(50.0, &[10.0]),
            1,
        ),
        (
            "one that brings the ratio within the tolerance stops it",
            Case::of(10).with(&[pending]).pods(10.0, &[12.0; 10]),
            10,
        ),
        (
            "a pods metric does not look at readiness",
            Case::of(3).with(&[steady, steady, never_ready]).pods(15.0, &[50.0, 10.0, 30.0]),
            6,
        ),
        ("nor at initialization", Case::of(3).with(&[hot, steady, hot]).pods(15.0, &[50.0, 15.0, 30.0]), 7),
    ]);
}

#[test]
fn failed_pods_and_pods_being_deleted_are_ignored() {
    let down = [10.0, 30.0, 50.0, 25.0, 25.0];
    let five = |gone| Case::of(5).with(&[steady, steady, steady, steady, steady, gone, gone]);
    check(&[
        ("failed, up", Case::of(2).with(&[steady, steady, failed, failed]).percent(30.0, &[50.0, 70.0]), 4),
        (
            "deleted, up",
            Case::of(2).with(&[steady, steady, deleted, deleted]).percent(30.0, &[50.0, 70.0]),
            4,
        ),
        ("failed, down", five(failed).percent(50.0, &down), 3),
        ("deleted, down", five(deleted).percent(50.0, &down), 3),
        ("their samples too", Case::of(1).with(&[steady, deleted]).pods(10.0, &[10.0, 500.0]), 1),
    ]);
}

#[test]
fn pods_without_a_sample_work_against_the_direction() {
    check(&[
        ("all of the request when scaling down", Case::of(4).percent(100.0, &[40.0, 9.5]), 3),
        ("equal to the target: no change", Case::of(2).percent(100.0, &[100.0]), 2),
        ("nothing when scaling up, which turns it", Case::of(2).percent(100.0, &[190.0]), 2),
        ("all of the request, which turns it", Case::of(2).percent(100.0, &[60.0]), 2),
        ("an unready pod as well, down", Case::of(3).with(&[never_ready]).percent(50.0, &[10.0, 45.0]), 3),
        ("a hot pod as well, down", Case::of(3).with(&[hot]).percent(50.0, &[10.0, 45.0]), 3),
        ("an unready pod as well, up", Case::of(3).with(&[never_ready]).percent(50.0, &[10.0, 200.0]), 4),
        ("three of four, down", Case::of(4).with(&[never_ready]).percent(50.0, &[10.0; 3]), 3),
        (
            "the target when it is above 100 %",
            Case::of(4).with(&[never_ready]).percent(300.0, &[20.0, 6.0, 6.0]),
            2,
        ),
        ("pods metric: equal to the target", Case::of(5).pods(20.0, &[20.0, 19.0, 21.0]), 5),
        ("pods metric: two of four at twice the target", Case::of(4).pods(10.0, &[20.0; 2]), 4),
        ("pods metric: one of four at half of it", Case::of(4).pods(10.0, &[5.0]), 4),
        ("pods metric: two of four at half of it", Case::of(4).pods(10.0, &[5.0; 2]), 3),
    ]);
}

#[test]
fn more_pods_than_replicas_do_not_turn_the_direction() {
    let surge: &[fn(u64) -> Pod] = &[steady, steady, steady];
    check(&[
        ("utilization during a rolling update", Case::of(2).with(surge).percent(50.0, &[10.0; 2]), 2),
        ("pods metric during a rolling update", Case::of(2).with(surge).pods(17.0, &[10.0; 2]), 2),
    ]);
}

#[test]
fn samples_of_unknown_pods_count_only_where_no_request_is_needed() {
    let values = [400.0, 950.0, 300.0, 700.0, 320.0, 200.0];
    check(&[
        ("utilization", Case::of(4).percent(100.0, &values), 24),
        ("pods metric", Case::of(4).pods(100.0, &values), 20),
    ]);
}

#[test]
fn what_cannot_be_reckoned_is_an_error() {
    let one = Case::of(1);
    let none = Case { pods: Vec::new(), ..Case::of(1) };
    let unknown = Observation::Pods(vec![(PodId(7), 1.0)]);
    for (name, got, expected) in [
        ("the API failed", one.asks(Target::Value(1.0), &Observation::Unknown("503".into())), "503"),
        ("no samples", one.asks(Target::Pods(1.0), &samples(&[])), "no sample of a pod that counts"),
        ("only foreign", one.asks(Target::Utilization(1.0), &unknown), "no sample of a pod that counts"),
        (
            "only unready",
            Case::of(1).with(&[never_ready]).asks(Target::Utilization(1.0), &samples(&[9.0])),
            "no sample of a pod that counts",
        ),
        ("no pods, value", none.asks(Target::Value(1.0), &Observation::Value(9.0)), NO_PODS),
        ("no pods, pods metric", none.asks(Target::Pods(1.0), &samples(&[9.0])), NO_PODS),
        ("no number", one.asks(Target::Value(1.0), &Observation::Value(f64::NAN)), "NaN is no quantity"),
        ("no target", one.asks(Target::Value(0.0), &Observation::Value(1.0)), "the target is not above zero"),
        (
            "another kind",
            one.asks(Target::Pods(1.0), &Observation::Value(1.0)),
            "the observation does not fit the target",
        ),
    ] {
        assert_eq!(got, Err(expected.into()), "{name}");
    }
}

#[test]
fn extreme_numbers_end_at_the_ends_of_the_range() {
    const MOST: u32 = i32::MAX as u32;
    check(&[
        ("huge value", Case::of(3).value(0.001, 1e15), MOST),
        ("huge average", Case::of(3).average(0.001, 1e15), MOST),
        ("huge mean", Case::of(3).pods(0.001, &[1e15; 3]), MOST),
        ("sum past the range", Case::of(2).pods(9e15, &[9e15; 2]), 2),
        ("negative value", Case::of(4).value(10.0, -1.0), 0),
        ("negative mean", Case::of(4).pods(10.0, &[20.0, 20.0, 20.0, -100.0]), 0),
        ("a negative average is taken for an overflow", Case::of(4).average(10.0, -1.0), MOST),
    ]);
}

#[test]
fn quantities_are_rounded_up_to_thousandths() {
    for (value, expected) in
        [(1.0, 1000), (1.1, 1100), (0.0001, 1), (2.0001, 2001), (-1.5, -1500), (4.35, 4350), (0.0, 0)]
    {
        assert_eq!(milli(value), Some(expected), "{value}");
    }
    assert_eq!(milli(f64::INFINITY), None);
}

/// Which pods' CPU samples count, by Kubernetes' own table: initialization 2 min, delay 10 s.
#[test]
fn a_cpu_sample_counts_unless_it_tells_of_the_pods_start() {
    let sample = |at, seconds| Some(Sample { at, window: Duration::from_secs(seconds) });
    let cases = [
        ("no ready condition", Pod { started_at: NOW, ready_since: None, ..steady(0) }, false),
        (
            "ready, wholly sampled since, initializing",
            Pod { started_at: ago(60), ready_since: Some(ago(30)), sample: sample(NOW, 30), ..steady(0) },
            true,
        ),
        (
            "ready, sampled from before, initializing",
            Pod { started_at: ago(60), ready_since: Some(ago(30)), sample: sample(NOW, 60), ..steady(0) },
            false,
        ),
        (
            "unready, initializing",
            Pod { ready: false, started_at: ago(60), ready_since: Some(ago(30)), ..steady(0) },
            false,
        ),
        (
            "unready since 6 s after its start",
            Pod { ready: false, started_at: ago(600), ready_since: Some(ago(594)), ..steady(0) },
            false,
        ),
        (
            "unready since 10 s after its start",
            Pod { ready: false, started_at: ago(600), ready_since: Some(ago(590)), ..steady(0) },
            true,
        ),
        (
            "unready since a minute after its start",
            Pod { ready: false, started_at: ago(600), ready_since: Some(ago(540)), ..steady(0) },
            true,
        ),
        (
            "ready, an old sample, initialized",
            Pod {
                started_at: ago(180),
                ready_since: Some(ago(180)),
                sample: sample(ago(120), 60),
                ..steady(0)
            },
            true,
        ),
        (
            "ready, an old sample, just initialized",
            Pod {
                started_at: ago(120),
                ready_since: Some(ago(10)),
                sample: sample(ago(20), 60),
                ..steady(0)
            },
            true,
        ),
        ("ended well, as any other", Pod { phase: Phase::Succeeded, ..steady(0) }, true),
    ];
    for (name, pod, counts) in cases {
        let scale = Scale { spec_replicas: 1, status_replicas: 1, pods: &[pod] };
        let tolerance = Tolerance { down: 0.1, up: 0.1 };
        let context = Context { now: NOW, scale: &scale, tolerance, options: &OPTIONS };
        let groups = context.group(&BTreeMap::from([(PodId(0), 1)]), true);
        assert_eq!((groups.counted, groups.unready.len()), (counts.into(), (!counts).into()), "{name}");
    }
}

#[test]
fn the_flags_default_to_ten_percent_five_minutes_and_thirty_seconds() {
    let expected = Options {
        tolerance: 0.1,
        cpu_initialization: Duration::from_mins(5),
        readiness_delay: Duration::from_secs(30),
    };
    assert_eq!(Options::default(), expected);
}
