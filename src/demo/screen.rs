//! The demo as lines of text: a block to be redrawn on a terminal, or one line now and then elsewhere.

use super::outcome::{percent, seconds};

/// No line is wider, in characters.
pub const WIDTH: usize = 100;
/// Characters of a sparkline.
const SPARK: usize = 48;

/// What is shown.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Simulated seconds since midnight.
    pub clock: f64,
    /// Simulated seconds of the whole day.
    pub day_seconds: f64,
    /// Simulated seconds that pass in one real one.
    pub speed: f64,
    /// Requests per second, the newest last; as many as are known.
    pub arrivals: Vec<f64>,
    /// Requests in queues, likewise.
    pub waiting: Vec<f64>,
    /// Mean share of the KV cache in use, 0 to 1, likewise.
    pub kv_usage: Vec<f64>,
    /// Seconds to the first token at the 95th percentile, likewise; infinite when clients hang up.
    pub ttft_p95: Vec<f64>,
    /// Seconds to the first token that are soon enough.
    pub target: f64,
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas that load.
    pub loading: u32,
    /// Replicas asked for.
    pub wanted: u32,
    /// Dollars so far.
    pub cost: f64,
    /// Each policy's day so far; the first is the one shown above.
    pub rows: Vec<Row>,
    /// Whether the terminal shows colours.
    pub colour: bool,
}

/// One policy's day so far.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas asked for.
    pub wanted: u32,
    /// Requests in queues.
    pub waiting: usize,
    /// Share of first tokens within the target, 0 to 1.
    pub within: f64,
    /// Dollars so far.
    pub cost: f64,
}

/// The block of lines; always as many for as many rows, each at most [`WIDTH`] characters wide, colour
/// codes not counted.
pub fn lines(state: &State) -> Vec<String> {
    let newest = |values: &[f64]| values.last().copied().unwrap_or_default();
    let ttft = newest(&state.ttft_p95);
    let late = ttft > state.target;
    let share = (state.clock / state.day_seconds.max(1.0)).clamp(0.0, 1.0);
    let full = (share * 24.0).round() as usize;
    let head = format!(
        "inferometer demo   {}   {:.0}x   {}{} {:>3.0} %",
        clock(state.clock),
        state.speed,
        "█".repeat(full),
        "░".repeat(24 - full),
        100.0 * share
    );
    let gauge = |name: &str, value: String, values: &[f64], most: f64, code: &str| {
        let spark = paint(state.colour, code, &sparkline(values, most));
        format!("{name:<16}{value:>10}  {spark}")
    };
    let most =
        |values: &[f64], least: f64| values.iter().copied().filter(|v| v.is_finite()).fold(least, f64::max);
    let mut out = vec![
        paint(state.colour, "1", &head),
        gauge(
            "arrivals",
            format!("{:.1}/s", newest(&state.arrivals)),
            &state.arrivals,
            most(&state.arrivals, 1.0),
            "36",
        ),
        gauge(
            "queue",
            format!("{:.0}", newest(&state.waiting)),
            &state.waiting,
            most(&state.waiting, 10.0),
            "33",
        ),
        gauge("KV cache", format!("{:.0} %", 100.0 * newest(&state.kv_usage)), &state.kv_usage, 1.0, "35"),
        gauge(
            "first token p95",
            seconds(ttft),
            &state.ttft_p95,
            2.0 * state.target,
            if late { "31" } else { "32" },
        ) + &format!("  target {}", seconds(state.target)),
        format!(
            "{:<16}{:>10}  {} loading, {} wanted   ${:.2} so far",
            "replicas",
            format!("{} ready", state.ready),
            state.loading,
            state.wanted,
            state.cost
        ),
        String::new(),
    ];
    let title = format!(
        "{:<34}{:>7}{:>8}{:>9}{:>12}{:>11}",
        "policy", "ready", "wanted", "waiting", "in time", "cost"
    );
    out.push(paint(state.colour, "2", &title));
    for (index, row) in state.rows.iter().enumerate() {
        let name: String = row.name.chars().take(33).collect();
        let line = format!(
            "{name:<34}{:>7}{:>8}{:>9}{:>12}{:>11}",
            row.ready,
            row.wanted,
            row.waiting,
            percent(row.within),
            format!("${:.2}", row.cost)
        );
        out.push(if index == 0 { paint(state.colour, "1", &line) } else { line });
    }
    out
}

/// The state in one line, for logs and pipes.
pub fn line(state: &State) -> String {
    let newest = |values: &[f64]| values.last().copied().unwrap_or_default();
    format!(
        "{} arrivals {:.1}/s, waiting {:.0}, KV {:.0} %, first token p95 {}, replicas {} ready, {} loading, {} wanted, ${:.2}",
        clock(state.clock),
        newest(&state.arrivals),
        newest(&state.waiting),
        100.0 * newest(&state.kv_usage),
        seconds(newest(&state.ttft_p95)),
        state.ready,
        state.loading,
        state.wanted,
        state.cost
    )
}

/// The last values as bars of one eighth to a whole line, `most` being a whole one.
fn sparkline(values: &[f64], most: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = &values[values.len().saturating_sub(SPARK)..];
    let bar = |value: &f64| BARS[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1];
    let bars: String = last.iter().map(bar).collect();
    format!("{bars:<SPARK$}")
}

/// The time of day.
fn clock(at: f64) -> String {
    let at = at as u64;
    format!("{:02}:{:02}:{:02}", at / 3600, at / 60 % 60, at % 60)
}

fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
