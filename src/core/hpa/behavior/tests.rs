//! The numbers are those of Kubernetes' documentation and of its own tests of scaling rules.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn ago(seconds: i64) -> Timestamp {
    NOW.shifted(-1000 * seconds)
}

fn entries(rows: &[(u32, i64)]) -> Vec<Entry> {
    rows.iter().map(|(replicas, seconds)| Entry { at: ago(*seconds), replicas: *replicas }).collect()
}

/// Steps in the middle of equal parts of the last 120 s, the oldest first.
fn spread(steps: &[u32]) -> Vec<Entry> {
    let part = 120.0 / steps.len() as f64;
    let rows: Vec<_> = steps
        .iter()
        .zip(1..)
        .map(|(step, n)| (*step, (120.0 - part * (f64::from(n) - 0.5)) as i64))
        .collect();
    entries(&rows)
}

fn pods(value: u32, seconds: u64) -> Policy {
    Policy { kind: PolicyKind::Pods, value, period: Duration::from_secs(seconds) }
}

fn percent(value: u32, seconds: u64) -> Policy {
    Policy { kind: PolicyKind::Percent, value, period: Duration::from_secs(seconds) }
}

fn spec(min: u32, max: u32, behavior: Behavior) -> Spec {
    Spec { min_replicas: min, max_replicas: max, metrics: Vec::new(), behavior }
}

fn up(policies: &[Policy]) -> Behavior {
    Behavior { scale_up: Rules { policies: policies.to_vec(), ..Rules::up() }, ..Behavior::default() }
}

fn down(policies: &[Policy]) -> Behavior {
    Behavior { scale_down: Rules { policies: policies.to_vec(), ..Rules::down() }, ..Behavior::default() }
}

fn windows(up: u64, down: u64) -> Behavior {
    Behavior {
        scale_up: Rules { stabilization: Duration::from_secs(up), ..Rules::up() },
        scale_down: Rules { stabilization: Duration::from_secs(down), ..Rules::down() },
    }
}

/// Name, behavior, (min, max), (current, wanted), (allowed, reason).
type Case = (&'static str, Behavior, (u32, u32), (u32, u32), (u32, Option<Reason>));

fn check(added: &[u32], removed: &[u32], cases: Vec<Case>) {
    let of = |steps: &[u32]| if steps.is_empty() { Vec::new() } else { spread(steps) };
    let history = History { added: of(added), removed: of(removed), ..History::default() };
    for (name, behavior, (min, max), (current, wanted), expected) in cases {
        assert_eq!(history.limit(NOW, &spec(min, max, behavior), current, wanted), expected, "{name}");
    }
}

const SCALE_UP: Option<Reason> = Some(Reason::ScaleUpLimit);
const SCALE_DOWN: Option<Reason> = Some(Reason::ScaleDownLimit);
const TOO_FEW: Option<Reason> = Some(Reason::TooFewReplicas);
const TOO_MANY: Option<Reason> = Some(Reason::TooManyReplicas);

#[test]
fn bounds_hold() {
    let default = Behavior::default;
    check(
        &[],
        &[],
        vec![
            ("within", default(), (3, 8), (5, 7), (7, None)),
            ("fewer than the minimum", default(), (2, 8), (3, 1), (2, TOO_FEW)),
            ("zero is within a minimum of zero", default(), (0, 10), (1, 0), (0, None)),
            ("more than the maximum", default(), (100, 150), (100, 1000), (150, TOO_MANY)),
            ("the same", default(), (1, 10), (4, 4), (4, None)),
        ],
    );
}

#[test]
fn policies_of_scaling_up_limit_the_speed() {
    let default = Behavior::default;
    check(
        &[],
        &[],
        vec![
            ("by default it doubles", default(), (1, 1000), (10, 50), (20, SCALE_UP)),
            ("or adds four, if that is more", default(), (1, 1000), (1, 50), (5, SCALE_UP)),
            (
                "rounded up, or it would never grow",
                up(&[percent(1, 60)]),
                (1, 2000),
                (3, 1000),
                (4, SCALE_UP),
            ),
            ("more pods", up(&[pods(100, 60), percent(100, 60)]), (1, 1000), (10, 500), (110, SCALE_UP)),
            ("more percent", up(&[pods(2, 60), percent(100, 60)]), (1, 1000), (10, 500), (20, SCALE_UP)),
            ("enough pods", up(&[pods(100, 60)]), (1, 1000), (10, 50), (50, None)),
            ("pods alone", up(&[pods(30, 60)]), (1, 1000), (10, 50), (40, SCALE_UP)),
            ("percent alone", up(&[percent(200, 60)]), (1, 1000), (10, 50), (30, SCALE_UP)),
            ("no policies: the defaults", windows_without_policies(), (1, 1000), (10, 50), (20, SCALE_UP)),
            ("percent cannot leave zero", up(&[percent(100, 15)]), (0, 10), (0, 3), (0, SCALE_UP)),
            ("pods can", default(), (0, 10), (0, 3), (3, None)),
        ],
    );
}

/// A behavior of which only the windows were set.
fn windows_without_policies() -> Behavior {
    let mut behavior = windows(0, 60);
    behavior.scale_up.policies.clear();
    behavior.scale_down.policies.clear();
    behavior
}

#[test]
fn policies_of_scaling_down_limit_the_speed() {
    let documented = || down(&[pods(4, 60), percent(10, 60)]);
    check(
        &[],
        &[],
        vec![
            ("all at once by default", Behavior::default(), (1, 1000), (100, 1), (1, None)),
            ("pods alone", down(&[pods(20, 60)]), (3, 2000), (1000, 3), (980, SCALE_DOWN)),
            ("more pods", down(&[pods(20, 60), percent(1, 60)]), (1, 1000), (100, 2), (80, SCALE_DOWN)),
            (
                "two pods before one percent",
                down(&[pods(2, 60), percent(1, 60)]),
                (1, 1000),
                (100, 2),
                (98, SCALE_DOWN),
            ),
            ("more pods than there are", down(&[pods(100, 60)]), (1, 1000), (10, 0), (1, TOO_FEW)),
            ("100 %", down(&[percent(100, 60)]), (5, 1000), (10, 2), (5, TOO_FEW)),
            ("five pods", down(&[pods(5, 60)]), (1, 1000), (10, 2), (5, SCALE_DOWN)),
            ("just 50 %", down(&[percent(50, 60)]), (1, 1000), (10, 5), (5, None)),
            ("documented: 10 % of 80", documented(), (1, 100), (80, 10), (72, SCALE_DOWN)),
            ("documented: 7.2 of 72 are 8", documented(), (1, 100), (72, 10), (64, SCALE_DOWN)),
            ("documented: 4 of 40 or fewer", documented(), (1, 100), (36, 10), (32, SCALE_DOWN)),
        ],
    );
}

#[test]
fn select_chooses_among_policies() {
    let both = |select| Behavior {
        scale_up: Rules { select, policies: vec![pods(2, 60), percent(50, 60)], ..Rules::up() },
        scale_down: Rules { select, policies: vec![pods(5, 60), percent(10, 60)], ..Rules::down() },
    };
    check(
        &[],
        &[],
        vec![
            ("the smallest step up", both(Select::Min), (1, 100), (1, 9), (2, SCALE_UP)),
            ("the greatest step up", both(Select::Max), (1, 100), (1, 9), (3, SCALE_UP)),
            ("the smallest step down", both(Select::Min), (1, 100), (80, 9), (75, SCALE_DOWN)),
            ("the greatest step down", both(Select::Max), (1, 100), (80, 9), (72, SCALE_DOWN)),
            ("no step up", both(Select::Disabled), (1, 100), (10, 50), (10, SCALE_UP)),
            ("no step down", both(Select::Disabled), (1, 100), (10, 5), (10, SCALE_DOWN)),
        ],
    );
}

#[test]
fn earlier_steps_up_use_up_the_period() {
    check(
        &[1, 5, 9],
        &[],
        vec![
            ("the maximum is nearer", up(&[pods(300, 60)]), (1, 200), (100, 500), (200, TOO_MANY)),
            ("in percent too", up(&[percent(10_000, 60)]), (1, 200), (100, 500), (200, TOO_MANY)),
            (
                "too much already, but no way back",
                up(&[pods(5, 120)]),
                (1, 1000),
                (100, 500),
                (100, SCALE_UP),
            ),
            ("100 - 15 + 150", up(&[pods(150, 120)]), (1, 1000), (100, 500), (235, SCALE_UP)),
            ("(100 - 15) + 200 %", up(&[percent(200, 120)]), (1, 1000), (100, 500), (255, SCALE_UP)),
            (
                "only what the period covers: 100 - 9 + 20",
                up(&[pods(20, 60)]),
                (1, 1000),
                (100, 500),
                (111, SCALE_UP),
            ),
        ],
    );
    check(
        &[4],
        &[2],
        vec![(
            "steps down count back: (6 - 4 + 2) + 300 %",
            up(&[percent(300, 300)]),
            (1, 1000),
            (6, 24),
            (16, SCALE_UP),
        )],
    );
}

#[test]
fn earlier_steps_down_use_up_the_period() {
    check(
        &[],
        &[1, 5, 9],
        vec![
            ("no limit by default", Behavior::default(), (1, 1000), (10, 5), (5, None)),
            ("100 + 15 - 115", down(&[pods(115, 120)]), (1, 1000), (100, 0), (1, TOO_FEW)),
            ("the minimum is nearer", down(&[pods(130, 120)]), (5, 1000), (100, 0), (5, TOO_FEW)),
            ("in percent too", down(&[percent(100, 120)]), (5, 1000), (100, 2), (5, TOO_FEW)),
            (
                "too much already, but no way back",
                down(&[pods(5, 120)]),
                (1, 1000),
                (100, 2),
                (100, SCALE_DOWN),
            ),
        ],
    );
    check(
        &[],
        &[2, 4, 6],
        vec![("(100 + 12) - 50 %", down(&[percent(50, 120)]), (1, 1000), (100, 0), (56, SCALE_DOWN))],
    );
    check(
        &[2],
        &[4],
        vec![(
            "steps up count back: (10 + 4 - 2) - 50 %",
            down(&[percent(50, 180)]),
            (1, 1000),
            (10, 1),
            (6, SCALE_DOWN),
        )],
    );
    check(
        &[],
        &[10, 10, 10],
        vec![
            (
                "130 - 10 % are more than 100",
                down(&[percent(10, 120)]),
                (1, 1000),
                (100, 0),
                (100, SCALE_DOWN),
            ),
            ("1000 % are all", down(&[percent(1000, 120)]), (1, 1000), (10, 5), (5, None)),
        ],
    );
}

#[test]
fn a_step_is_forgotten_once_no_policy_asks_for_it() {
    let behavior = Behavior {
        scale_up: Rules { policies: vec![pods(10, 60), percent(100, 30)], ..Rules::up() },
        scale_down: Rules { policies: vec![pods(10, 60)], ..Rules::down() },
    };
    let spec = spec(1, 100, behavior);
    let mut history = History {
        added: entries(&[(8, 29), (6, 59), (7, 61)]),
        removed: entries(&[(7, 60), (9, 61)]),
        ..History::default()
    };
    history.record(NOW, &spec, 10, 15);
    history.record(NOW, &spec, 15, 11);
    let sizes = |entries: &[Entry]| entries.iter().map(|entry| entry.replicas).collect::<Vec<_>>();
    assert_eq!(sizes(&history.added), [8, 6, 5]);
    assert_eq!(sizes(&history.removed), [7, 4]);
}

#[test]
fn a_step_as_old_as_the_period_no_longer_counts() {
    let spec = spec(1, 100, up(&[pods(4, 15)]));
    for (seconds, expected) in [(14, 8), (15, 12)] {
        let history = History { added: entries(&[(4, seconds)]), ..History::default() };
        assert_eq!(history.limit(NOW, &spec, 8, 50).0, expected, "{seconds} s ago");
    }
}

#[test]
fn windows_hold_the_most_cautious_recommendation() {
    let recent: &[(u32, i64)] = &[(4, 120), (5, 60)];
    let old: &[(u32, i64)] = &[(10, 600), (9, 540)];
    let mixed: &[(u32, i64)] = &[(10, 600), (4, 60), (5, 120), (9, 540)];
    let (ups, downs) = (Some(Reason::ScaleUpStabilized), Some(Reason::ScaleDownStabilized));
    for (name, past, (up, down), (current, desired), expected) in [
        ("nothing to hold", &[][..], (0, 0), (100, 5), (5, None)),
        ("the highest, down", recent, (0, 180), (100, 3), (5, downs)),
        ("the lowest, up", recent, (300, 0), (1, 7), (4, ups)),
        ("higher than the past, down", &[(1, 120), (2, 60)], (300, 0), (100, 3), (3, None)),
        ("the window of the other direction", recent, (0, 300), (1, 3), (3, None)),
        ("expired, down", old, (0, 0), (100, 3), (3, None)),
        ("expired, up", old, (0, 0), (1, 100), (100, None)),
        ("some expired, down", mixed, (0, 180), (100, 3), (5, downs)),
        ("some expired, up", &[(10, 6000), (6, 60), (5, 120), (9, 180)], (300, 0), (1, 100), (5, ups)),
        ("both windows: not up while asked down", &[(2, 6000), (3, 180)], (300, 300), (2, 1), (2, downs)),
        ("both windows: not down while asked up", &[(2, 6000), (1, 180)], (300, 300), (2, 3), (2, ups)),
        ("as old as the window", &[(9, 300)], (0, 300), (10, 3), (3, None)),
    ] {
        let mut history = History { recommendations: entries(past), ..History::default() };
        let spec = spec(1, 1000, windows(up, down));
        assert_eq!(history.stabilize(NOW, &spec, current, desired), expected, "{name}");
        let kept = past
            .iter()
            .filter(|(_, seconds)| ago(*seconds) >= before(NOW, Duration::from_secs(up.max(down))))
            .count();
        assert_eq!(history.recommendations.len(), kept + 1, "{name}: forgets what has expired");
        assert_eq!(history.recommendations[kept].replicas, desired, "{name}: remembers what was asked");
    }
}

#[test]
fn without_a_behavior_the_highest_recommendation_holds_in_both_directions() {
    let downs = Some(Reason::ScaleDownStabilized);
    for (name, past, (current, desired), expected) in [
        ("nothing to hold", &[][..], (5, 5), (5, None)),
        ("the highest", &[(4, 120), (5, 60)], (5, 3), (5, downs)),
        ("lower ones", &[(1, 120), (2, 60)], (5, 3), (3, None)),
        ("expired ones", &[(10, 600), (9, 540)], (5, 3), (3, None)),
        ("some expired", &[(10, 600), (4, 60), (5, 120), (9, 540)], (5, 3), (5, downs)),
        ("even when scaling up", &[(10, 60)], (3, 4), (10, downs)),
        ("as old as the window", &[(9, 300)], (5, 3), (9, downs)),
    ] {
        let mut history = History { recommendations: entries(past), ..History::default() };
        let spec = spec(1, 1000, Behavior::unset());
        assert_eq!(history.stabilize(NOW, &spec, current, desired), expected, "{name}");
    }
}

#[test]
fn without_a_behavior_the_limit_is_twice_the_replicas_or_four() {
    let unset = Behavior::unset;
    check(
        &[50],
        &[50],
        vec![
            ("within", unset(), (3, 8), (5, 7), (7, None)),
            ("fewer than the minimum", unset(), (2, 8), (3, 1), (2, TOO_FEW)),
            ("zero is within a minimum of zero", unset(), (0, 10), (1, 0), (0, None)),
            ("more than the maximum", unset(), (1, 10), (20, 1000), (10, TOO_MANY)),
            ("twice", unset(), (1, 2000), (3, 1000), (6, SCALE_UP)),
            ("four", unset(), (1, 2000), (1, 1000), (4, SCALE_UP)),
        ],
    );
    let mut history = History::default();
    history.record(NOW, &spec(1, 10, unset()), 1, 4);
    assert!(history.added.is_empty(), "no policy, no memory");
}
