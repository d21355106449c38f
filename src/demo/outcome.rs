//! What a policy has made of a day, and several of them side by side.

use super::simulation::{Point, Simulation};

/// One policy's day.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The policy's name.
    pub name: String,
    /// Its settings, for people who want to repeat it.
    pub settings: String,
    /// Share of all requests whose first token came within the target, 0 to 1. Requests that were never
    /// served count as missed; those still waiting at the day's end do as well.
    pub within: f64,
    /// Seconds within which half of the requests had their first token; infinite when they never got it.
    pub ttft_p50: f64,
    /// The same for 95 %.
    pub ttft_p95: f64,
    /// Hours of replicas from creation to deletion.
    pub replica_hours: f64,
    /// Dollars for these.
    pub cost: f64,
    /// The most pods at once.
    pub peak: usize,
    /// Requests that came.
    pub arrived: u64,
    /// Requests answered in full.
    pub finished: u64,
    /// Requests that will never be: clients that hung up, answers that were cut off.
    pub unserved: u64,
    /// Requests still in the fleet at the end.
    pub in_system: u64,
    /// How the fleet was, moment by moment.
    pub points: Vec<Point>,
}

impl Outcome {
    /// What `simulation` has come to by now.
    pub fn of(simulation: &Simulation) -> Self {
        let fleet = simulation.fleet();
        let tally = fleet.tally();
        Self {
            name: simulation.policy().name.clone(),
            settings: simulation.policy().to_string(),
            within: tally.within as f64 / tally.arrived.max(1) as f64,
            ttft_p50: tally.quantile(0.5).unwrap_or(0.0),
            ttft_p95: tally.quantile(0.95).unwrap_or(0.0),
            replica_hours: fleet.replica_hours(),
            cost: fleet.cost(),
            peak: fleet.peak(),
            arrived: tally.arrived,
            finished: tally.finished,
            unserved: tally.unserved(),
            in_system: fleet.in_system() as u64,
            points: simulation.points().to_vec(),
        }
    }
}

/// The columns of a table of outcomes.
pub const COLUMNS: [&str; 8] =
    ["policy", "first tokens in time", "TTFT p50", "TTFT p95", "GPU-hours", "cost", "peak", "unserved"];

/// One outcome's cells, in the order of [`COLUMNS`].
pub fn cells(outcome: &Outcome) -> [String; 8] {
    [
        outcome.name.clone(),
        percent(outcome.within),
        seconds(outcome.ttft_p50),
        seconds(outcome.ttft_p95),
        format!("{:.1}", outcome.replica_hours),
        dollars(outcome.cost),
        outcome.peak.to_string(),
        grouped(outcome.unserved),
    ]
}

/// The outcomes as a Markdown table with aligned columns.
pub fn table(outcomes: &[Outcome]) -> String {
    let rows: Vec<[String; 8]> =
        std::iter::once(COLUMNS.map(str::to_owned)).chain(outcomes.iter().map(cells)).collect();
    let widths: [usize; 8] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        })
        .collect();
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => "-".repeat(*width),
        _ => format!("{}:", "-".repeat(width - 1)),
    });
    lines.insert(1, format!("| {} |", rule.collect::<Vec<_>>().join(" | ")));
    lines.join("\n") + "\n"
}

/// A share as percent: one decimal, but never 100 % or 0 % when it is not that.
pub fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round();
    let tenths = if share < 1.0 { tenths.min(999.0) } else { tenths };
    let tenths = if share > 0.0 { tenths.max(1.0) } else { tenths };
    format!("{:.1} %", tenths / 10.0)
}

/// Whole dollars.
pub fn dollars(cost: f64) -> String {
    format!("${}", grouped(cost.round() as u64))
}

/// A whole number in groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Seconds of waiting: two decimals below ten, and a word for those who waited in vain.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        f64::INFINITY => "never".into(),
        0.0..10.0 => format!("{seconds:.2} s"),
        _ => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests;
