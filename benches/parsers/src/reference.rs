//! What a page says, read as plainly as can be: the measure for what the parsers make of it.

use std::collections::BTreeMap;

/// One sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    name: String,
    labels: BTreeMap<String, String>,
    /// The value's bits: NaN equals itself, and 0 is not -0.
    value: u64,
}

impl Row {
    pub fn new(
        name: impl Into<String>,
        labels: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
        value: f64,
    ) -> Self {
        let labels = labels.into_iter().map(|(name, value)| {
            let (name, mut value) = (name.into(), value.into());
            // Several parsers keep bucket bounds and quantiles as numbers only.
            if name == "le" || name == "quantile" {
                value = value.parse::<f64>().map_or(value, |bound| bound.to_string());
            }
            (name, value)
        });
        let value = if value.is_nan() { f64::NAN } else { value };
        Self { name: name.into(), labels: labels.collect(), value: value.to_bits() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The samples of a page whose label names, values and numbers stand as in the measured pages:
/// no time, no blank outside label values, no comma after the last label.
pub fn rows(page: &str) -> Vec<Row> {
    page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(row).collect()
}

fn row(line: &str) -> Row {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, inside) = series.split_once('{').unwrap_or((series, "}"));
    let mut labels = Vec::new();
    let (mut label, mut text, mut in_quotes) = (String::new(), String::new(), false);
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => in_quotes = !in_quotes,
            '\\' if in_quotes => match characters.next() {
                Some('n') => text.push('\n'),
                escaped => text.extend(escaped),
            },
            '=' if !in_quotes => label = std::mem::take(&mut text),
            ',' | '}' if !in_quotes => {
                if !label.is_empty() {
                    labels.push((std::mem::take(&mut label), std::mem::take(&mut text)));
                }
            }
            other => text.push(other),
        }
    }
    Row::new(name, labels, value.parse().expect("a number"))
}
