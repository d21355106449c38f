//! Plain words on which policy beats which. They are worked out from the outcomes, whoever wins.

use super::outcome::{Outcome, dollars, percent};

/// Shares closer than half a thousandth, and costs closer than a hundredth, are the same.
const SAME_SHARE: f64 = 0.000_5;
const SAME_COST: f64 = 0.01;

/// How one outcome stands against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Better,
    Same,
    Worse,
}

use Standing::{Better, Same, Worse};

/// One sentence for each pair of a recommended outcome (by its index) and any other: what the other
/// keeps and costs against it. Those where the recommended one loses come first.
pub fn sentences(outcomes: &[Outcome], recommended: &[usize]) -> Vec<String> {
    let mut ranked: Vec<(u8, String)> = Vec::new();
    for &ours in recommended {
        let Some(our) = outcomes.get(ours) else { continue };
        for (index, other) in outcomes.iter().enumerate() {
            let seen = recommended.iter().position(|&r| r == index);
            let before = recommended.iter().position(|&r| r == ours);
            // A pair of recommended ones is compared once.
            if index != ours && seen.is_none_or(|seen| Some(seen) > before) {
                ranked.push(compare(our, other));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, sentence)| sentence).collect()
}

/// A sentence on `other` against `our`, and how early it should stand.
fn compare(our: &Outcome, other: &Outcome) -> (u8, String) {
    let share = stands(other.within - our.within, SAME_SHARE);
    // Cheaper is better.
    let cost = stands(1.0 - other.cost / our.cost, SAME_COST);
    let shares = format!("{} against {}", percent(other.within), percent(our.within));
    let costs = format!("{} against {}", dollars(other.cost), dollars(our.cost));
    let (name, ours) = (format!("\"{}\"", other.name), format!("\"{}\"", our.name));
    let keeps = match share {
        Better => format!("keeps more first tokens ({shares})"),
        Same => format!("keeps as many first tokens ({shares})"),
        Worse => format!("keeps fewer first tokens ({shares})"),
    };
    let pays = match cost {
        Same => format!("for the same money ({costs})"),
        Better | Worse => format!("and costs {} ({costs})", difference(other.cost / our.cost)),
    };
    match (share, cost) {
        (Better, Better) => (0, format!("{ours} loses to {name} on both counts: it {keeps} {pays}.")),
        (Better, Same) | (Same, Better) => (0, format!("{ours} loses to {name}, which {keeps} {pays}.")),
        (Better, Worse) => (1, format!("{name}, set against {ours}, {keeps} {pays}.")),
        (Worse, Better) => (2, format!("{name}, set against {ours}, {keeps} {pays}.")),
        (Same, Same) => (2, format!("{name} and {ours} come out alike: {shares}, {costs}.")),
        (Worse, Worse) => (3, format!("{ours} beats {name} on both counts: the other {keeps} {pays}.")),
        (Worse, Same) | (Same, Worse) => (3, format!("{ours} beats {name}, which {keeps} {pays}.")),
    }
}

fn stands(advantage: f64, same: f64) -> Standing {
    match advantage {
        _ if advantage.abs() <= same => Same,
        _ if advantage > 0.0 => Better,
        _ => Worse,
    }
}

/// A ratio of costs in words.
fn difference(ratio: f64) -> String {
    match ratio {
        0.0..1.0 => format!("{:.0} % less", 100.0 * (1.0 - ratio)),
        1.0..1.5 => format!("{:.0} % more", 100.0 * (ratio - 1.0)),
        _ => format!("{ratio:.1} times as much"),
    }
}

#[cfg(test)]
mod tests;
