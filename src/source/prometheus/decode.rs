//! Decodes answers of the query API into series sets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::SourceError;
use crate::catalog::promql::{BUCKET, COUNT, PART, SUM, TIME};
use crate::core::histogram::parse_le;
use crate::core::series::{Builder, Column, Label, Labels, SeriesSet};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;

/// The most columns of a set: several times what a fleet with histograms of several kinds has.
const MAX_COLUMNS: usize = 512;

/// The most cells of a set, 128 MiB of them: what a body of allowed size may unfold to.
const MAX_CELLS: usize = 8 << 20;

/// The most warnings kept of one answer.
const MAX_WARNINGS: usize = 10;

/// A decoded answer.
pub(super) struct Decoded {
    pub(super) set: SeriesSet,
    pub(super) warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    status: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: Cow<'a, str>,
    #[serde(borrow)]
    result: Vec<Sample<'a>>,
}

#[derive(Deserialize)]
struct Sample<'a> {
    #[serde(borrow)]
    metric: Pairs<'a>,
    value: Option<(f64, Cow<'a, str>)>,
}

/// Label pairs as they come, without a map in between.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Borrows where it can; plain `Cow` would always copy.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Labels;
        impl<'de> Visitor<'de> for Labels {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(12));
                while let Some((name, value)) = map.next_entry::<Borrowed<'de>, Borrowed<'de>>()? {
                    pairs.push((name.0, value.0));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Labels)
    }
}

/// Remarks on the query itself, as Prometheus words them, rather than on what is missing.
pub(super) fn is_annotation(warning: &str) -> bool {
    warning.starts_with("PromQL warning:") || warning.starts_with("PromQL info:")
}

/// Decodes the answer to the compiled query of `signal`, asked for at `now` by our clock.
pub(super) fn decode(
    body: &[u8],
    status: StatusCode,
    signal: &Signal,
    now: Timestamp,
    max_series: usize,
) -> Result<Decoded, SourceError> {
    let mut body: Body<'_> = serde_json::from_slice(body).map_err(|error| {
        if status.is_success() {
            // The error's own words quote the body.
            let (line, column) = (error.line(), error.column());
            SourceError::Unusable(format!("not the query API's JSON at line {line} column {column}"))
        } else {
            SourceError::Refused(format!("HTTP {status}"))
        }
    })?;
    if body.status != "success" {
        let kind = body.error_type.unwrap_or_else(|| format!("HTTP {status}"));
        let error = body.error.unwrap_or_default();
        return Err(SourceError::Refused(shortened(&format!("{kind}: {error}"))));
    }
    if !status.is_success() {
        return Err(SourceError::Refused(format!("HTTP {status}")));
    }
    let data = body.data.ok_or_else(|| SourceError::Unusable("no data".to_owned()))?;
    if data.result_type != "vector" {
        let found = shortened(&data.result_type);
        return Err(SourceError::Unusable(format!("a {found} where a vector was expected")));
    }
    let terms = match signal {
        Signal::Series(signal) => signal.terms.len(),
        Signal::Query(_) => 1,
    };
    let mut intern = Interner::default();
    let mut builder = Builder::default();
    let mut times: HashMap<Option<Arc<str>>, Timestamp> = HashMap::new();
    let mut evaluated = None;
    for Sample { metric, value } in data.result {
        let Some((at, value)) = value else {
            return Err(SourceError::Unusable("a native histogram where a number was expected".to_owned()));
        };
        let value: f64 =
            value.parse().map_err(|_| SourceError::Unusable(format!("value {:?}", shortened(&value))))?;
        let at = Timestamp::from_seconds(at);
        evaluated = Some(at);
        let mut part = None;
        let mut le = None;
        let mut pairs: Vec<Label> = Vec::with_capacity(metric.0.len());
        for (name, value) in metric.0 {
            match name.as_ref() {
                "__name__" => {}
                PART => part = Some(value),
                "le" => le = Some(value),
                _ => pairs.push((intern.get(&name), intern.get(&value))),
            }
        }
        let part = part.ok_or_else(|| SourceError::Unusable("a series without its part".to_owned()))?;
        let column = match part.as_ref() {
            TIME => None,
            BUCKET => match le.take().and_then(|le| parse_le(&le)) {
                Some(upper) => Some(Column::Bucket(upper)),
                None => continue,
            },
            SUM => Some(Column::Sum),
            COUNT => Some(Column::Count),
            index => match index.parse() {
                Ok(index) if index < terms => Some(Column::Term(index)),
                _ => return Err(SourceError::Unusable("an unknown part".to_owned())),
            },
        };
        // Only a bucket's bound is read; in a user's query it is a label like any other.
        pairs.extend(le.map(|le| (intern.get("le"), intern.get(&le))));
        let labels = Labels::new(pairs);
        match (column, signal) {
            (Some(column), _) => {
                if !builder.number(labels, column, value) {
                    return Err(SourceError::Unusable("two series with the same labels".to_owned()));
                }
            }
            // No sample is from the future, or it would stay fresh for ever.
            (None, Signal::Series(_)) => builder.time(labels, Timestamp::from_seconds(value).min(at)),
            (None, Signal::Query(_)) => {
                times.insert(labels.get("namespace").map(Arc::from), Timestamp::from_seconds(value));
            }
        }
        if builder.len() > max_series {
            return Err(SourceError::TooLarge(format!("more than {max_series} series of {signal}")));
        }
        if builder.columns() > MAX_COLUMNS || builder.cells() > MAX_CELLS {
            return Err(SourceError::TooLarge(format!("too many different buckets of {signal}")));
        }
    }
    if let (Signal::Query(_), Some(evaluated)) = (signal, evaluated) {
        // A series that spans namespaces, or names one that its samples do not, is as old as the
        // oldest of all.
        let oldest = times.values().min().copied();
        builder.times_by(|labels| {
            let own = times.get(&labels.get("namespace").map(Arc::from)).copied();
            own.or(oldest).unwrap_or(evaluated).min(evaluated)
        });
    }
    let offset = evaluated.map_or(0, |evaluated| now.as_millis() - evaluated.as_millis());
    // Those that say what is missing first, so that the bound cannot hide one.
    body.warnings.sort_by_key(|warning| is_annotation(warning));
    let warnings = body.warnings.iter().take(MAX_WARNINGS).map(|warning| shortened(warning)).collect();
    Ok(Decoded { set: builder.finish(signal.element(), &signal.labels(), offset), warnings })
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

/// Shares equal strings: a fleet repeats its label names and most values thousands of times.
#[derive(Default)]
struct Interner(HashMap<Box<str>, Arc<str>>);

impl Interner {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(text);
        self.0.insert(text.into(), Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests;
