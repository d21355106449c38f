//! Decodes answers of the query API into series sets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use self::shape::{Refill, Shape, Spaces, Trace, Traced};
use self::wire::{Envelope, Sample, Text};
use super::SourceError;
use crate::catalog::promql::{BUCKET, COUNT, PART, SUM, TIME};
use crate::core::histogram::parse_le;
use crate::core::series::{Builder, Column, Label, Labels, SeriesSet};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::source::MAX_CELLS;
use crate::source::intern::Interner;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(super) mod shape;
mod wire;

/// The most columns of a set: several times what a fleet with histograms of several kinds has.
const MAX_COLUMNS: usize = 512;

/// The most warnings kept of one answer.
const MAX_WARNINGS: usize = 10;

/// A decoded answer.
pub(super) struct Decoded {
    pub(super) set: SeriesSet,
    pub(super) warnings: Vec<String>,
    /// With what the next answer is decoded, where it is a new one.
    pub(super) shape: Option<Shape>,
    /// Whether its rows were those of the answer before.
    pub(super) is_refilled: bool,
}

/// Remarks on the query itself, as Prometheus words them, rather than on what is missing.
pub(super) fn is_annotation(warning: &str) -> bool {
    warning.starts_with("PromQL warning:") || warning.starts_with("PromQL info:")
}

/// Decodes the answer to the compiled query of `signal`, asked for at `now` by our clock. `known` is the shape
/// of an earlier answer to it.
///
/// A body that is given away is freed before the set is finished: each takes memory of its own.
pub(super) fn decode(
    body: impl AsRef<[u8]>,
    status: StatusCode,
    signal: &Signal,
    now: Timestamp,
    max_series: usize,
    known: Option<&Shape>,
) -> Result<Decoded, SourceError> {
    let again = known.filter(|_| status.is_success()).and_then(|shape| refill(body.as_ref(), shape, now));
    if let Some(decoded) = again {
        return Ok(decoded);
    }
    let mut rows = Rows::new(signal, max_series);
    let mut outcome = Ok(());
    let read = wire::read(body.as_ref(), &mut |sample| {
        outcome = rows.take(&sample);
        outcome.is_ok()
    });
    drop(body);
    let envelope = read.map_err(|error| {
        if status.is_success() {
            // The error's own words quote the body.
            let (line, column) = (error.line(), error.column());
            SourceError::Unusable(format!("not the query API's JSON at line {line} column {column}"))
        } else {
            SourceError::Refused(format!("HTTP {status}"))
        }
    })?;
    if envelope.status != "success" {
        let kind = envelope.error_type.unwrap_or_else(|| format!("HTTP {status}"));
        let error = envelope.error.unwrap_or_default();
        return Err(SourceError::Refused(shortened(&format!("{kind}: {error}"))));
    }
    if !status.is_success() {
        return Err(SourceError::Refused(format!("HTTP {status}")));
    }
    let result_type = envelope.result_type.as_ref();
    let result_type = result_type.ok_or_else(|| SourceError::Unusable("no data".to_owned()))?;
    if result_type != "vector" {
        let found = shortened(result_type);
        return Err(SourceError::Unusable(format!("a {found} where a vector was expected")));
    }
    outcome?;
    let (set, shape) = rows.finish(now);
    Ok(Decoded { set, warnings: warnings(envelope), shape, is_refilled: false })
}

/// The answer, if it has the rows of an earlier one and is as it should be in every other way.
fn refill(body: &[u8], shape: &Shape, now: Timestamp) -> Option<Decoded> {
    let mut rows = Refill::new(shape);
    let envelope = wire::skim(body, |row| rows.take(row))?;
    let is_answer = envelope.status == "success" && envelope.result_type.as_deref() == Some("vector");
    let set = rows.finish(now).filter(|_| is_answer)?;
    Some(Decoded { set, warnings: warnings(envelope), shape: None, is_refilled: true })
}

fn warnings(mut envelope: Envelope) -> Vec<String> {
    if envelope.is_partial {
        envelope.warnings.push("not all of the server's storage answered".to_owned());
    }
    // Those that say what is missing first, so that the bound cannot hide one.
    envelope.warnings.sort_by_key(|warning| is_annotation(warning));
    envelope.warnings.iter().take(MAX_WARNINGS).map(|warning| shortened(warning)).collect()
}

/// The times of series that have none of their own.
struct Times<'t> {
    of_spaces: &'t [Timestamp],
    oldest: Option<Timestamp>,
    evaluated: Timestamp,
}

impl<'t> Times<'t> {
    fn new(of_spaces: &'t [Timestamp], evaluated: Timestamp) -> Self {
        Self { of_spaces, oldest: of_spaces.iter().min().copied(), evaluated }
    }

    /// That of a series of this namespace. One that spans namespaces, or names one that its samples do not, is as
    /// old as the oldest of all.
    fn of(&self, space: Option<u32>) -> Timestamp {
        let own = space.and_then(|space| self.of_spaces.get(space as usize)).copied();
        own.or(self.oldest).unwrap_or(self.evaluated).min(self.evaluated)
    }
}

/// The rows of one answer, taken one by one.
struct Rows<'s> {
    signal: &'s Signal,
    terms: usize,
    max_series: usize,
    intern: Interner,
    builder: Builder,
    /// Of a user's query, the namespaces that have a time of their own, and those times: of the oldest samples.
    spaces: HashMap<Option<Arc<str>>, u32>,
    times: Vec<Timestamp>,
    evaluated: Option<Timestamp>,
    /// One row's labels, until it is known how many they are.
    pairs: Vec<Label>,
    /// Those of the row before: most of one row are those of the next.
    before: Vec<Label>,
    /// What the rows were, where the next answer will have the same.
    trace: Option<Trace>,
}

impl<'s> Rows<'s> {
    fn new(signal: &'s Signal, max_series: usize) -> Self {
        let terms = match signal {
            Signal::Series(signal) => signal.terms.len(),
            _ => 1,
        };
        Self {
            signal,
            terms,
            max_series,
            intern: Interner::default(),
            builder: Builder::of(signal, false),
            spaces: HashMap::new(),
            times: Vec::new(),
            evaluated: None,
            pairs: Vec::new(),
            before: Vec::new(),
            trace: matches!(signal, Signal::Series(_) | Signal::Query(_)).then(Trace::new),
        }
    }

    fn take(&mut self, sample: &Sample<'_>) -> Result<(), SourceError> {
        let pairs =
            sample.pairs().map_err(|_| SourceError::Unusable("labels that are no labels".to_owned()))?;
        let Some((at, Text(value))) = &sample.value else {
            return Err(SourceError::Unusable("a native histogram where a number was expected".to_owned()));
        };
        let value: f64 =
            value.parse().map_err(|_| SourceError::Unusable(format!("value {:?}", shortened(value))))?;
        let at = Timestamp::from_seconds(*at);
        self.evaluated = Some(at);
        let mut part = None;
        let mut le = None;
        for (Text(name), Text(value)) in pairs.0 {
            match name.as_ref() {
                "__name__" => {}
                PART => part = Some(value),
                "le" => le = Some(value),
                _ => {
                    let before = self.before.get(self.pairs.len());
                    let name = self.intern.get_like(&name, before.map(|before| &before.0));
                    let value = self.intern.get_like(&value, before.map(|before| &before.1));
                    self.pairs.push((name, value));
                }
            }
        }
        let part = part.ok_or_else(|| SourceError::Unusable("a series without its part".to_owned()))?;
        let column = match part.as_ref() {
            TIME => None,
            BUCKET => {
                let Some(upper) = le.take().and_then(|le| parse_le(&le)) else {
                    self.trace.iter_mut().for_each(|trace| trace.note(sample.metric.get(), None));
                    return Ok(());
                };
                Some(Column::Bucket(upper))
            }
            SUM => Some(Column::Sum),
            COUNT => Some(Column::Count),
            index => match index.parse() {
                Ok(index) if index < self.terms => Some(Column::Term(index)),
                _ => return Err(SourceError::Unusable("an unknown part".to_owned())),
            },
        };
        // Only a bucket's bound is read; in a user's query it is a label like any other.
        self.pairs.extend(le.map(|le| (self.intern.get("le"), self.intern.get(&le))));
        // Copied, not taken: the labels stay, so they get no more room than they need.
        let labels = Labels::new(self.pairs.clone());
        std::mem::swap(&mut self.pairs, &mut self.before);
        self.pairs.clear();
        let traced = match (column, self.signal) {
            (Some(column), _) => {
                let row = self.builder.number(labels, column, value);
                let row =
                    row.ok_or_else(|| SourceError::Unusable("two series with the same labels".to_owned()))?;
                Traced::Number(row, column)
            }
            // No sample is from the future, or it would stay fresh for ever.
            (None, Signal::Series(_)) => {
                Traced::Time(self.builder.time(labels, Timestamp::from_seconds(value).min(at)))
            }
            (None, _) => {
                let namespace = labels.get("namespace").map(|name| self.intern.get(name));
                let next = self.times.len() as u32;
                let space = *self.spaces.entry(namespace).or_insert(next);
                if space == next {
                    self.times.push(Timestamp::default());
                }
                self.times[space as usize] = Timestamp::from_seconds(value);
                Traced::Space(space)
            }
        };
        if let Some(trace) = &mut self.trace {
            trace.note(sample.metric.get(), Some(traced));
        }
        let (max_series, signal) = (self.max_series, self.signal);
        if self.builder.len() > max_series {
            return Err(SourceError::TooLarge(format!("more than {max_series} series of {signal}")));
        }
        if self.builder.columns() > MAX_COLUMNS || self.builder.cells() > MAX_CELLS {
            return Err(SourceError::TooLarge(format!("too many different buckets of {signal}")));
        }
        Ok(())
    }

    /// The set, asked for at `now` by our clock, and its shape.
    fn finish(self, now: Timestamp) -> (SeriesSet, Option<Shape>) {
        let Self { signal, intern, mut builder, spaces, times, evaluated, trace, .. } = self;
        drop(intern);
        let mut by_space = None;
        if let (Signal::Query(_) | Signal::Presence(_), Some(evaluated)) = (signal, evaluated) {
            let space_of = |labels: &Labels| spaces.get(&labels.get("namespace").map(Arc::from)).copied();
            let times = Times::new(&times, evaluated);
            let of_samples = matches!(signal, Signal::Query(query) if query.of_samples);
            let is_memory = |labels: &Labels| labels.get("namespace").is_some() || times.oldest.is_none();
            builder.times_by(|labels| {
                let space = space_of(labels);
                (space.is_some() || !of_samples || !is_memory(labels)).then(|| times.of(space))
            });
            if trace.is_some() {
                by_space = Some(builder.rows().map(|(row, labels)| (row, space_of(labels))).collect());
            }
        }
        let offset = evaluated.map_or(0, |evaluated| now.as_millis().saturating_sub(evaluated.as_millis()));
        let (set, numbers) = builder.finish_traced(signal.element(), &signal.labels(), offset);
        let spaces = by_space.map(|of| Spaces { of, count: times.len() });
        let shape = trace.and_then(|trace| trace.shape(&set, &numbers, spaces));
        (set, shape)
    }
}

/// The start time in an answer of the runtime information endpoint.
pub(super) fn start_time(body: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Info {
        data: Runtime,
    }
    #[derive(Deserialize)]
    struct Runtime {
        #[serde(rename = "startTime")]
        start_time: jiff::Timestamp,
    }
    let info: Info = serde_json::from_slice(body).ok()?;
    Some(Timestamp::from_millis(info.data.start_time.as_millisecond()))
}

/// The time of the oldest sample that the storage endpoint tells of.
pub(super) fn oldest_sample(body: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Status {
        data: Storage,
    }
    #[derive(Deserialize)]
    struct Storage {
        #[serde(rename = "headStats")]
        head: Head,
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "minTime")]
        min_time: i64,
    }
    let status: Status = serde_json::from_slice(body).ok()?;
    // An empty storage has no oldest sample, which it says by an absurd one.
    Some(status.data.head.min_time)
        .filter(|time| (1..i64::MAX / 2).contains(time))
        .map(Timestamp::from_millis)
}

/// The longest of the scrape intervals in an answer of the configuration endpoint.
pub(super) fn longest_scrape_interval(body: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Answer {
        data: Configuration,
    }
    #[derive(Deserialize)]
    struct Configuration {
        yaml: String,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    // As Prometheus writes it: of each job, and of all that name none.
    let intervals = answer.data.yaml.lines().filter_map(|line| {
        let text = line.trim_start_matches([' ', '-']).strip_prefix("scrape_interval: ")?;
        promql_parser::util::parse_duration(text.trim()).ok()
    });
    intervals.max()
}

/// The server's own clock, as its answer's `Date` tells it.
pub(super) fn http_date(value: Option<&HeaderValue>) -> Option<Timestamp> {
    let text = value?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_millis(date.timestamp().as_millisecond()))
}

/// A server's words, short enough for a condition.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).collect::<String>() + "…";
    }
    text
}

#[cfg(test)]
mod tests;
