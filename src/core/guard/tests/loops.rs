//! Hours of an HPA whose metric comes from a source that fails every second refresh.

use super::*;
use crate::core::hpa::{
    Behavior, Controller, Observation, Options, Phase, Pod, PodId, Rules, Scale, Spec, Target,
};

const PASS: u64 = 15;
const HOURS: u64 = 2 * 3600;
/// Passes after which everything has settled.
const SETTLED: usize = 40;

/// A fleet, its HPA and the question it asks.
struct World {
    asked: Asked,
    goal: Goal,
    controller: Controller,
    spec: Spec,
    replicas: u32,
    /// When each pod was created.
    pods: Vec<u64>,
}

/// What was asked for and what was done, pass by pass.
#[derive(Default)]
struct Course {
    desired: Vec<u32>,
    replicas: Vec<u32>,
}

impl World {
    fn of(guards: Guards, goal: Goal, replicas: u32, behavior: &Behavior) -> Self {
        let target = match goal {
            Goal::Value(target) => Target::Value(target),
            Goal::AverageValue(target) => Target::AverageValue(target),
            Goal::Pods(target) => Target::Pods(target),
        };
        Self {
            asked: Asked::of(guards),
            goal,
            controller: Controller::new(Options::default()).scaled_to_zero(),
            spec: Spec {
                min_replicas: 0,
                max_replicas: 50,
                metrics: vec![target],
                behavior: behavior.clone(),
            },
            replicas,
            pods: vec![0; replicas as usize],
        }
    }

    /// The metric for a load of so many tens: a total, or what falls to each pod.
    fn measured(&self, load: f64, ready: usize) -> f64 {
        match self.goal {
            Goal::AverageValue(target) => load * target,
            Goal::Value(target) | Goal::Pods(target) => load * target / ready.max(1) as f64,
        }
    }

    /// Lets the time pass; pods take `start` seconds to be ready.
    fn run(&mut self, start: u64, load: impl Fn(u64) -> f64, is_known: impl Fn(u64) -> bool) -> Course {
        let mut course = Course::default();
        for now in (0..HOURS).step_by(PASS as usize) {
            let is_ready = |created: &u64| *created == 0 || now - created >= start;
            let ready = self.pods.iter().filter(|created| is_ready(created)).count();
            self.asked.askers = vec![asker("llama", self.goal, self.replicas, ready as u32)];
            let value = is_known(now).then(|| self.measured(load(now), ready));
            let seen = match self.asked.see(now as f64, value) {
                Ok(reading) => Observation::Value(reading.quantity.as_f64()),
                Err(refusal) => Observation::Unknown(refusal.to_string()),
            };
            let pods: Vec<Pod> = self
                .pods
                .iter()
                .enumerate()
                .map(|(id, created)| Pod {
                    id: PodId(id as u64),
                    phase: Phase::Running,
                    ready: is_ready(created),
                    started_at: at(*created as f64),
                    ready_since: Some(at(*created as f64)),
                    deleted: false,
                    sample: None,
                })
                .collect();
            let scale = Scale { spec_replicas: self.replicas, status_replicas: self.replicas, pods: &pods };
            let decision = self.controller.sync(at(now as f64), &self.spec, &scale, &[seen]);
            self.replicas = decision.replicas;
            self.pods.resize(decision.replicas as usize, now);
            course.desired.push(decision.desired);
            course.replicas.push(decision.replicas);
        }
        course
    }
}

/// How often a count turned from growing to shrinking or back.
fn turns(counts: &[u32]) -> usize {
    let moves: Vec<bool> =
        counts.windows(2).filter(|two| two[0] != two[1]).map(|two| two[1] > two[0]).collect();
    moves.windows(2).filter(|two| two[0] != two[1]).count()
}

/// No window that would hide a turn.
fn nervous() -> Behavior {
    Behavior {
        scale_up: Rules { stabilization: Duration::ZERO, ..Rules::up() },
        scale_down: Rules { stabilization: Duration::ZERO, ..Rules::down() },
    }
}

/// Every second refresh fails, of those that come so many seconds apart.
fn failing(every: u64) -> impl Fn(u64) -> bool {
    move |now| (now / every).is_multiple_of(2)
}

fn fallbacks() -> Vec<Option<Fallback>> {
    let of =
        |after, failures, with| Some(Fallback { after: seconds(after), failures, until: seconds(60), with });
    let last = Substitute::Last(seconds(300));
    vec![
        None,
        of(120, None, Substitute::Replicas(7)),
        of(0, None, Substitute::Replicas(7)),
        of(120, Some(1), Substitute::Replicas(2)),
        of(0, None, Substitute::Replicas(4)),
        of(120, Some(2), last),
        of(0, None, last),
    ]
}

const GOALS: [Goal; 2] = [Goal::AverageValue(10.0), Goal::Value(0.8)];
/// Failures within the time of a pass, with each pass, and slower than that.
const REFRESHES: [u64; 4] = [5, 15, 20, 30];

#[test]
fn turns_are_counted() {
    assert_eq!(turns(&[1, 1, 4, 4, 7]), 0);
    assert_eq!(turns(&[1, 4, 4, 2, 2, 5, 5]), 2);
}

#[test]
fn a_source_that_fails_every_second_refresh_turns_nothing() {
    for goal in GOALS {
        for fallback in fallbacks() {
            for (every, start) in REFRESHES.into_iter().flat_map(|every| [(every, 0), (every, 45)]) {
                for replicas in [0, 4, 9] {
                    let guards = Guards { fallback: fallback.clone(), ..Guards::default() };
                    let mut world = World::of(guards, goal, replicas, &nervous());
                    let course = world.run(start, |_| 4.0, failing(every));
                    let case =
                        format!("{goal:?} {fallback:?} every {every} s, from {replicas}, start {start} s");
                    for counts in [&course.replicas, &course.desired] {
                        // From 9 it may come down to the 4 of the load before a fallback of 7 begins.
                        assert!(turns(counts) <= usize::from(replicas == 9), "{case}: {counts:?}");
                        assert!(
                            counts[SETTLED..].iter().all(|count| *count == counts[SETTLED]),
                            "{case}: {counts:?}"
                        );
                    }
                }
            }
        }
    }
}

/// What `until` is for, and that these loops would show a turn.
#[test]
fn followed_in_and_out_of_its_fallback_the_fleet_would_turn_for_ever() {
    let fallback = Fallback {
        after: Duration::ZERO,
        failures: None,
        until: Duration::ZERO,
        with: Substitute::Replicas(7),
    };
    for goal in GOALS {
        let guards = Guards { fallback: Some(fallback.clone()), ..Guards::default() };
        let course = World::of(guards, goal, 4, &nervous()).run(0, |_| 4.0, failing(15));
        assert!(turns(&course.replicas) > 400, "{goal:?}: {:?}", course.replicas);
    }
}

#[test]
fn nor_does_it_after_an_outage_that_the_fallback_has_bridged() {
    for goal in GOALS {
        for replicas in [0, 1, 4] {
            for every in REFRESHES {
                let fallback = fallbacks().swap_remove(1);
                let mut world =
                    World::of(Guards { fallback, ..Guards::default() }, goal, replicas, &nervous());
                let course = world.run(45, |_| 4.0, |now| now >= 1200 && failing(every)(now));
                let case = format!("{goal:?} every {every} s, from {replicas}");
                assert_eq!(turns(&course.replicas), 0, "{case}: {:?}", course.replicas);
                // Such a source is asked at one phase of its failures, where 15 s is a multiple of them.
                let is_seen_well = (0..HOURS).step_by(15).skip(100).all(failing(every));
                let expected = if is_seen_well { 4 } else { 7 };
                assert_eq!(course.replicas[79], 7, "{case}: the fallback is on");
                assert_eq!(course.replicas.last(), Some(&expected), "{case}");
            }
        }
    }
}

#[test]
fn when_it_is_well_again_the_fallback_ends() {
    for goal in GOALS {
        for replicas in [0, 4] {
            let fallback = fallbacks().swap_remove(1);
            let mut world = World::of(Guards { fallback, ..Guards::default() }, goal, replicas, &nervous());
            let course = world.run(0, |_| 4.0, |now| !(600..1800).contains(&now));
            let pass = |seconds: u64| course.replicas[(seconds / PASS) as usize];
            let seen = [590, 600, 705, 735, 1799, 1845, 1875].map(pass);
            assert_eq!(seen, [4, 4, 4, 7, 7, 7, 4], "{goal:?} from {replicas}");
            assert_eq!(turns(&course.replicas), 1);
        }
    }
}

#[test]
fn a_fallback_wakes_a_fleet_from_zero_once() {
    for goal in GOALS {
        let fallback = fallbacks().swap_remove(1);
        let mut world = World::of(Guards { fallback, ..Guards::default() }, goal, 0, &nervous());
        let course = world.run(45, |_| 0.0, |_| false);
        assert_eq!((course.replicas[0], course.replicas.last()), (0, Some(&7)), "{goal:?}");
        assert_eq!(turns(&course.replicas), 0, "{goal:?}");
    }
}

#[test]
fn an_activation_turns_nothing_where_every_second_refresh_fails() {
    let activation = |reset_below, hold| Activation { threshold: 5.0, reset_below, hold: seconds(hold) };
    for (activation, loads, ends_at) in [
        // A noise below the threshold is nothing; what is above it counts.
        (activation(5.0, 0), [0.4, 0.1], 0),
        (activation(5.0, 0), [1.7, 1.2], 2),
        // Across the threshold it stays awake, by its reset level or by its hold.
        (activation(2.0, 0), [0.6, 0.3], 1),
        (activation(5.0, 300), [0.6, 0.0], 1),
        (activation(2.0, 120), [0.6, 0.1], 1),
    ] {
        for fallback in [None, fallbacks().swap_remove(5)] {
            for (every, replicas) in
                REFRESHES.into_iter().flat_map(|every| [(every, 0), (every, 1), (every, 6)])
            {
                let guards =
                    Guards { activation: Some(activation), fallback: fallback.clone(), ..Guards::default() };
                let mut world = World::of(guards, Goal::AverageValue(10.0), replicas, &nervous());
                let load = |now: u64| loads[(now / 45 % 2) as usize];
                let course = world.run(0, load, failing(every));
                let case = format!("{activation:?} {fallback:?} every {every} s, from {replicas}");
                assert_eq!(turns(&course.replicas), 0, "{case}: {:?}", course.replicas);
                assert_eq!(turns(&course.desired), 0, "{case}: {:?}", course.desired);
                assert_eq!(course.replicas.last(), Some(&ends_at), "{case}");
            }
        }
    }
}
