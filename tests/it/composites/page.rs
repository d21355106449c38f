//! Recorded pages whose numbers move along lines, as a Prometheus remembers them and as targets show them:
//! the rate of a line is the same over every window.

use std::fmt::Write as _;

use crate::support::fixture;

/// Between two samples, seconds.
const EVERY: i64 = 2;

/// What counters have at the origin of time, so that none is below zero in the past.
const COUNTED: f64 = 1e9;

/// The page of a pod.
#[derive(Debug, Clone)]
pub(super) struct Page(Vec<Line>);

#[derive(Debug, Clone)]
struct Line {
    name: String,
    /// As between the braces.
    labels: String,
    /// At the origin of time.
    value: f64,
    per_second: f64,
}

impl Page {
    /// The families of a recorded page, gauges at 0 and counters at rest.
    pub(super) fn read(name: &str, families: &[&str]) -> Self {
        let text = fixture(name);
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let series = line.rsplit_once(' ')?.0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let part = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_wanted = families.iter().any(|family| *family == name || Some(*family) == part);
            let is_counter = name.ends_with("_total") || part.is_some();
            is_wanted.then(|| Line {
                name: name.to_owned(),
                labels: labels.trim_end_matches('}').to_owned(),
                value: if is_counter { COUNTED } else { 0.0 },
                per_second: 0.0,
            })
        });
        Self(lines.collect())
    }

    /// Without the lines that have this among their labels.
    pub(super) fn without(mut self, label: &str) -> Self {
        self.0.retain(|line| !line.labels.contains(label));
        self
    }

    /// With these labels in place of those of the same names.
    pub(super) fn labelled(mut self, labels: &[(&str, &str)]) -> Self {
        let is_other = |label: &&str| !labels.iter().any(|(name, _)| label.split('=').next() == Some(*name));
        for line in &mut self.0 {
            let others = line.labels.split(',').filter(is_other).map(str::to_owned);
            let own = labels.iter().map(|(name, value)| format!("{name}=\"{value}\""));
            line.labels = others.chain(own).filter(|label| !label.is_empty()).collect::<Vec<_>>().join(",");
        }
        self
    }

    fn first(&mut self, name: &str) -> Option<&mut Line> {
        self.0.iter_mut().find(|line| line.name == name)
    }

    /// A gauge with this number, if the page has it.
    pub(super) fn is(mut self, name: &str, value: f64) -> Self {
        if let Some(line) = self.first(name) {
            line.value = value;
        }
        self
    }

    /// A counter that counts so many a second, if the page has it.
    pub(super) fn counts(mut self, name: &str, per_second: f64) -> Self {
        if let Some(line) = self.first(name) {
            line.per_second = per_second;
        }
        self
    }

    /// A histogram of so many observations a second, spread evenly from 0 to `longest`.
    pub(super) fn observes(mut self, name: &str, per_second: f64, longest: f64) -> Self {
        for line in &mut self.0 {
            let share = match line.name.strip_prefix(name) {
                Some("_bucket") => (bound(&line.labels) / longest).min(1.0),
                Some("_sum") => longest / 2.0,
                Some("_count") => 1.0,
                _ => continue,
            };
            line.per_second = per_second * share;
        }
        self
    }

    /// Its samples over a time in Unix seconds, in the format of OpenMetrics, as of a target with these
    /// labels. Those that the page has itself stand.
    pub(super) fn record(&self, out: &mut String, target: &[(&str, &str)], origin: i64, span: (i64, i64)) {
        for Line { name, labels, value, per_second } in &self.0 {
            let others = target.iter().filter(|(name, _)| !labels.contains(&format!("{name}=\"")));
            let mut all = labels.clone();
            for (name, value) in others {
                let comma = if all.is_empty() { "" } else { "," };
                write!(all, "{comma}{name}=\"{value}\"").expect("memory");
            }
            // One grid for all pages, whenever they are shown.
            let first = span.0 / EVERY * EVERY;
            // What does not move is told less often.
            let step = if *per_second == 0.0 { 10 * EVERY } else { 5 * EVERY };
            for at in (first..=span.1).step_by(step as usize) {
                let value = value + per_second * (at - origin) as f64;
                writeln!(out, "{name}{{{all}}} {value} {at}").expect("memory");
            }
        }
    }

    /// The page at a time in Unix seconds, with the samples' own times.
    pub(super) fn show(&self, origin: i64, now: i64) -> String {
        let at = now / EVERY * EVERY;
        let mut page = String::new();
        for Line { name, labels, value, per_second } in &self.0 {
            let value = value + per_second * (at - origin) as f64;
            writeln!(page, "{name}{{{labels}}} {value} {at}000").expect("memory");
        }
        page
    }
}

/// The bound of a bucket.
fn bound(labels: &str) -> f64 {
    let text = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a bound");
    if text == "+Inf" { f64::INFINITY } else { text.parse().expect("a number") }
}
