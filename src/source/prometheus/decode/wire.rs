//! The JSON of the query API, read in one pass: each row is handed on as soon as it is met, because
//! all of them at once take several times the memory of the body.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An answer without its rows.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) status: String,
    /// The kind of the result, if there is one.
    pub(super) result_type: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) error: Option<String>,
    pub(super) warnings: Vec<String>,
    /// How VictoriaMetrics says that some of its storage did not answer.
    pub(super) is_partial: bool,
}

/// One row of a vector.
#[derive(Deserialize)]
pub(super) struct Sample<'a> {
    /// Its labels as they are written: most were read before.
    #[serde(borrow)]
    pub(super) metric: &'a RawValue,
    pub(super) value: Option<(f64, Text<'a>)>,
}

impl<'a> Sample<'a> {
    /// Its labels.
    pub(super) fn pairs(&self) -> serde_json::Result<Pairs<'a>> {
        serde_json::from_str(self.metric.get())
    }
}

/// One row of an answer that is written as Prometheus writes it.
pub(super) struct Row<'a> {
    /// Its labels as they are written.
    pub(super) metric: &'a [u8],
    pub(super) at: f64,
    pub(super) value: f64,
}

/// What the rows of an answer follow, and within how many bytes.
const ROWS: (&[u8], usize) = (br#""result":["#, 256);

/// Reads an answer that is written as Prometheus writes it, without a look into labels: whoever takes the rows
/// must know them, by every byte, from an answer that was read as a whole. `None` where it is written in any
/// other way, or `take` does not know a row.
pub(super) fn skim(body: &[u8], mut take: impl FnMut(&Row<'_>) -> Option<()>) -> Option<Envelope> {
    // In no string, since a quote in one is escaped: so this ends the labels.
    let end_of_labels = Finder::new(br#"},"value":["#);
    let (mark, near) = ROWS;
    let head = Finder::new(mark).find(&body[..body.len().min(near)])? + mark.len();
    let (head, mut rest) = body.split_at(head);
    // All rows of an answer were evaluated at once.
    let (mut at_text, mut at): (&[u8], f64) = (b"", 0.0);
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    while rest.first() != Some(&b']') {
        rest = rest.strip_prefix(br#"{"metric":"#)?;
        let labels = end_of_labels.find(rest)? + 1;
        let (metric, value) = rest.split_at(labels);
        let (time, value) = split(&value[br#","value":["#.len()..], br#",""#)?;
        let (value, after) = split(value, br#""]}"#)?;
        if time != at_text {
            (at_text, at) = (time, number(time)?);
        }
        take(&Row { metric, at, value: number(value)? })?;
        rest = after.strip_prefix(b",").unwrap_or(after);
    }
    // What precedes the rows and what follows them is an answer without any.
    let mut others = 0;
    let envelope = read(&[head, rest].concat(), &mut |_| {
        others += 1;
        true
    });
    envelope.ok().filter(|_| others == 0)
}

/// What is before and after the first of `mark`, which is near.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).take(64).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

/// Label pairs as they come, without a map in between.
pub(super) struct Pairs<'a>(pub(super) Vec<(Text<'a>, Text<'a>)>);

/// Borrows where it can; plain `Cow` would always copy.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Reads an answer and gives `take` its rows, until that returns `false`; what is left of the
/// answer must still be JSON.
///
/// The rows may come before it is known that they are a vector, or the answer a success.
pub(super) fn read(body: &[u8], take: &mut dyn FnMut(Sample<'_>) -> bool) -> serde_json::Result<Envelope> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let envelope = json.deserialize_map(Answer(take))?;
    json.end()?;
    Ok(envelope)
}

type Take<'t> = &'t mut dyn FnMut(Sample<'_>) -> bool;

/// Reads the whole answer.
struct Answer<'t>(Take<'t>);

/// Reads the answer's `data` to the kind of its result.
struct Data<'t>(Take<'t>);

/// Reads the rows of `data`.
struct Rows<'t>(Take<'t>);

/// Keeps the value of a key that comes once.
fn once<T, E: Error>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), E> {
    slot.replace(value).map_or(Ok(()), |_| Err(E::duplicate_field(key)))
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let (mut status, mut data, mut warnings) = (None, None, None);
        let (mut error_type, mut error, mut is_partial) = (None, None, None);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.0.as_ref() {
                "status" => once(&mut status, "status", map.next_value()?)?,
                "data" => once(&mut data, "data", map.next_value_seed(Data(&mut *self.0))?)?,
                "errorType" => once(&mut error_type, "errorType", map.next_value()?)?,
                "error" => once(&mut error, "error", map.next_value()?)?,
                "warnings" => once(&mut warnings, "warnings", map.next_value()?)?,
                "isPartial" => once(&mut is_partial, "isPartial", map.next_value()?)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Envelope {
            status: status.ok_or_else(|| A::Error::missing_field("status"))?,
            result_type: data.flatten(),
            error_type: error_type.flatten(),
            error: error.flatten(),
            warnings: warnings.unwrap_or_default(),
            is_partial: is_partial.unwrap_or_default(),
        })
    }
}

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut result_type, mut result) = (None, None);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.0.as_ref() {
                "resultType" => once(&mut result_type, "resultType", map.next_value()?)?,
                // Before its rows are taken a second time.
                "result" if result.is_some() => return Err(A::Error::duplicate_field("result")),
                "result" => result = Some(map.next_value_seed(Rows(&mut *self.0))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        result.ok_or_else(|| A::Error::missing_field("result"))?;
        result_type.map(Some).ok_or_else(|| A::Error::missing_field("resultType"))
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            if !(self.0)(row) {
                while rows.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Labels;
        impl<'de> Visitor<'de> for Labels {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Labels)
    }
}
