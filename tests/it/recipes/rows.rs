//! What was put in, what was served and what comes of it: compared, and as a table for people.

use std::time::Duration;

use inferometer::core::hpa::Observation;

use super::autoscaler::{Autoscaler, Outcome};
use super::clocks;
use super::stage::{Case, Served};
use super::usual::Usual;

/// A line of the table.
pub(crate) struct Row([String; 7]);

const HEAD: [&str; 7] =
    ["recipe", "case", "series put in, pod by pod", "served", "replicas wanted", "HPA", "usual recipe"];

impl Row {
    pub(crate) fn new(slug: &str, case: &Case, seen: &[Observation], outcome: &Outcome) -> Self {
        // Pods that show the same are told once.
        let mut told: Vec<(usize, String)> = Vec::new();
        for page in case.pages.iter().chain(&case.beside) {
            let page = page.put_in.join(", ");
            match told.last_mut().filter(|(_, last)| *last == page) {
                Some((count, _)) => *count += 1,
                None => told.push((1, page)),
            }
        }
        let words = told.into_iter().map(|(count, page)| match (count, page.as_str()) {
            (count, "") => format!("{count}× as recorded"),
            (1, page) => page.to_owned(),
            (count, page) => format!("{count}× {page}"),
        });
        let mut series: Vec<String> = words.collect();
        if case.is_lost {
            series.push("(no scrape for 2½ minutes)".to_owned());
        }
        Self::plain(slug, case.name, &series.join(" / "), case.replicas, seen, outcome)
    }

    pub(crate) fn plain(
        slug: &str,
        case: &str,
        series: &str,
        replicas: u32,
        seen: &[Observation],
        outcome: &Outcome,
    ) -> Self {
        let decision = &outcome.decision;
        let later = outcome.later.map(|(after, then)| format!(", {then} after {} s", after.as_secs()));
        let hpa = format!("{} at once{}", decision.replicas, later.unwrap_or_default());
        let served: Vec<String> = seen.iter().map(brief).collect();
        let asked = format!("{replicas} → {}", decision.desired);
        Self([
            slug.to_owned(),
            case.to_owned(),
            series.to_owned(),
            served.join(", "),
            asked,
            hpa,
            String::new(),
        ])
    }
}

impl Row {
    /// With what the usual recipe makes of it.
    pub(crate) fn beside(mut self, usual: Option<Usual>) -> Self {
        let told = usual.map(|usual| match usual {
            Usual::Wants(replicas) => format!("wants {replicas}"),
            Usual::Fails => "fails".to_owned(),
        });
        self.0[6] = told.unwrap_or_default();
        self
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("\n| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for Row(cells) in rows {
        println!("| {} |", cells.join(" | "));
    }
    println!();
}

fn brief(seen: &Observation) -> String {
    match seen {
        Observation::Value(value) => value.to_string(),
        Observation::Pods(pods) => {
            pods.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(" and ")
        }
        Observation::Unknown(_) => "refused".to_owned(),
    }
}

impl Case {
    /// What is not as expected.
    pub(crate) fn complaint(
        &self,
        slug: &str,
        seen: &[Observation],
        outcome: &Outcome,
        autoscaler: &Autoscaler,
    ) -> Option<String> {
        let (served, floor) = self.by_now(slug);
        if seen.len() != self.served.len() {
            return Some(format!(
                "{} metrics are expected and {} were asked for",
                self.served.len(),
                seen.len()
            ));
        }
        let unlike = seen.iter().zip(&served).find(|(seen, expected)| !expected.is(seen));
        if let Some((seen, expected)) = unlike {
            return Some(format!("{expected:?} was expected, and {seen:?} is served"));
        }
        let decision = &outcome.decision;
        let (desired, then) = (decision.desired, decision.replicas);
        let expected = self.desired.max(floor);
        if (desired, then) != (expected, self.replicas_then) {
            let taken = self.replicas_then;
            let message =
                format!("{expected} wanted and {taken} taken were expected, not {desired} and {then}");
            return Some(message);
        }
        too_fast(self.replicas, outcome, autoscaler)
    }

    /// What is to be served with the schedules read, and the replicas that they want.
    fn by_now(&self, slug: &str) -> (Vec<Served>, u32) {
        let mut floor = 0.0_f64;
        let read = |served: &Served| match served {
            Served::Clock(metric) => {
                floor = clocks::now(&clocks::schedule(slug, metric));
                Served::Number(floor)
            }
            other => *other,
        };
        let served = self.served.iter().map(read).collect();
        (served, floor as u32)
    }
}

/// Whether an HPA gives replicas up sooner than a model is loaded, or several at a time.
pub(crate) fn too_fast(replicas: u32, outcome: &Outcome, autoscaler: &Autoscaler) -> Option<String> {
    let (after, then) = outcome.later?;
    let most = autoscaler.spec.behavior.scale_down.policies.iter().map(|policy| policy.value).max()?;
    let patient = after >= Duration::from_mins(5) && replicas - then <= most.min(2);
    (!patient).then(|| format!("{replicas} become {then} after {after:?}"))
}

impl Served {
    pub(crate) fn is(self, seen: &Observation) -> bool {
        match (self, seen) {
            (Self::Number(expected), Observation::Value(value)) => close(expected, *value),
            (Self::Number(expected), Observation::Pods(pods)) => {
                let sum: f64 = pods.iter().map(|(_, value)| value).sum();
                close(expected, sum / pods.len() as f64)
            }
            (Self::Refused(why), Observation::Unknown(message)) => message.contains(why),
            _ => false,
        }
    }
}

/// Quantities are thousandths; rates are those of a Prometheus.
fn close(expected: f64, found: f64) -> bool {
    (expected - found).abs() <= 0.0011 + expected.abs() * 0.002
}
