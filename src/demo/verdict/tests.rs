use super::*;

fn outcome(name: &str, within: f64, cost: f64) -> Outcome {
    Outcome {
        name: name.into(),
        settings: String::new(),
        within,
        ttft_p50: 0.1,
        ttft_p95: 0.5,
        replica_hours: cost / 4.0,
        cost,
        peak: 1,
        arrived: 1,
        finished: 1,
        unserved: 0,
        in_system: 0,
        points: Vec::new(),
    }
}

/// The one sentence on "other" against "ours", which keeps 98.1 % for $100.
fn sentence(within: f64, cost: f64) -> String {
    let outcomes = [outcome("other", within, cost), outcome("ours", 0.981, 100.0)];
    let sentences = sentences(&outcomes, &[1]);
    assert_eq!(sentences.len(), 1);
    sentences[0].clone()
}

#[test]
fn every_standing_is_said_plainly() {
    for (within, cost, expected) in [
        (
            0.999,
            160.0,
            r#""other", set against "ours", keeps more first tokens (99.9 % against 98.1 %) and costs 1.6 times as much ($160 against $100)."#,
        ),
        (
            0.999,
            60.0,
            r#""ours" loses to "other" on both counts: it keeps more first tokens (99.9 % against 98.1 %) and costs 40 % less ($60 against $100)."#,
        ),
        (
            0.999,
            100.4,
            r#""ours" loses to "other", which keeps more first tokens (99.9 % against 98.1 %) for the same money ($100 against $100)."#,
        ),
        (
            0.981,
            60.0,
            r#""ours" loses to "other", which keeps as many first tokens (98.1 % against 98.1 %) and costs 40 % less ($60 against $100)."#,
        ),
        (
            0.8,
            60.0,
            r#""other", set against "ours", keeps fewer first tokens (80.0 % against 98.1 %) and costs 40 % less ($60 against $100)."#,
        ),
        (
            0.8,
            120.0,
            r#""ours" beats "other" on both counts: the other keeps fewer first tokens (80.0 % against 98.1 %) and costs 20 % more ($120 against $100)."#,
        ),
        (
            0.8,
            100.0,
            r#""ours" beats "other", which keeps fewer first tokens (80.0 % against 98.1 %) for the same money ($100 against $100)."#,
        ),
        (
            0.981,
            200.0,
            r#""ours" beats "other", which keeps as many first tokens (98.1 % against 98.1 %) and costs 2.0 times as much ($200 against $100)."#,
        ),
        (0.9813, 100.4, r#""other" and "ours" come out alike: 98.1 % against 98.1 %, $100 against $100."#),
    ] {
        assert_eq!(sentence(within, cost), expected);
    }
}

#[test]
fn defeats_stand_first_and_a_pair_is_told_once() {
    let outcomes = [
        outcome("poor", 0.5, 300.0),
        outcome("ours", 0.95, 100.0),
        outcome("also ours", 0.97, 120.0),
        outcome("winner", 0.99, 90.0),
    ];
    let sentences = sentences(&outcomes, &[1, 2]);
    assert_eq!(sentences.len(), 5);
    assert!(sentences[0].contains("loses to \"winner\"") && sentences[1].contains("loses to \"winner\""));
    assert!(sentences[3].contains("beats \"poor\"") && sentences[4].contains("beats \"poor\""));
    assert_eq!(sentences.iter().filter(|s| s.contains("\"ours\"") && s.contains("\"also ours\"")).count(), 1);
}
