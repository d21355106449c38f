//! One page: its wanted numbers, each at the place that its series has in the target's layout.

use std::collections::HashMap;
use std::sync::Arc;

use super::exposition::{Exposition, Format, Malformed, Sample};
use super::layout::{Layout, Layouts};
use super::wanted::Wanted;
use crate::core::time::Timestamp;

/// The number of a series that a page does not have: a NaN that no arithmetic makes.
const ABSENT: u64 = 0x7ff0_0000_0000_0002;

/// Why a page is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("too many series")]
    TooMany,
    #[error("the page has no sample")]
    Empty,
    #[error("the page breaks off in its last line")]
    Cut,
}

/// One page's numbers.
#[derive(Debug)]
pub(super) struct Page {
    /// When it was asked for.
    pub(super) at: Timestamp,
    /// What had been lost in resets by then; empty if nothing was, and shared by pages in a row.
    pub(super) lost: Arc<[f64]>,
    /// One for each series of the layout as it was then.
    values: Box<[f64]>,
    /// Sample times that the page gives itself, for the few exporters that do; by rising place.
    times: Box<[(usize, Timestamp)]>,
}

impl Page {
    /// Reads a page asked for at `at` and `received` later, all of it or nothing, and of it what is `wanted`. Series
    /// that `layout` does not have are at the end of the one returned.
    ///
    /// # Errors
    /// The page is malformed, breaks off, has no sample, or would make it more than `most` series.
    pub(super) fn read(
        (body, format): (&[u8], Format),
        (at, received): (Timestamp, Timestamp),
        wanted: &Wanted,
        (layout, layouts): (&Arc<Layout>, &Layouts),
        most: usize,
    ) -> Result<(Arc<Layout>, Self), Unfit> {
        // The last number of a page that was cut short is another number.
        if format == Format::Text && body.last().is_some_and(|last| *last != b'\n') {
            return Err(Unfit::Cut);
        }
        let mut values = vec![f64::from_bits(ABSENT); layout.len()];
        let (mut times, mut present, mut guess) = (Vec::new(), 0, 0);
        // A new series may be told twice, too.
        let mut new: Vec<Sample<'_>> = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut page = Exposition::new(body, format);
        while let Some(sample) = page.next(|name| wanted.has(name))? {
            let index = layout.find(sample.series, guess).unwrap_or_else(|| {
                *places.entry(sample.series).or_insert_with(|| {
                    new.push(sample);
                    values.push(f64::from_bits(ABSENT));
                    values.len() - 1
                })
            });
            guess = index + 1;
            // Of a series told twice the first number stays, as Prometheus has it.
            if values[index].to_bits() != ABSENT {
                continue;
            }
            present += 1;
            if values.len() > most {
                return Err(Unfit::TooMany);
            }
            values[index] = sample.value;
            // No sample is from the future, or it would stay fresh for ever.
            times.extend(sample.time.map(|time| (index, Timestamp::from_millis(time).min(received))));
        }
        // A target that has lost its numbers is not one without load.
        if present == 0 && !has_samples(body) {
            return Err(Unfit::Empty);
        }
        times.sort_unstable();
        let layout = if new.is_empty() { Arc::clone(layout) } else { layouts.grown(layout, &new) };
        Ok((layout, Self { at, lost: Arc::default(), values: values.into(), times: times.into() }))
    }

    /// The number of a series, if the page has it.
    pub(super) fn value(&self, series: usize) -> Option<f64> {
        self.values.get(series).copied().filter(|value| value.to_bits() != ABSENT)
    }

    /// When a series was sampled.
    pub(super) fn time(&self, series: usize) -> Timestamp {
        let own = self.times.binary_search_by_key(&series, |(index, _)| *index).ok();
        own.map_or(self.at, |own| self.times[own].1)
    }

    /// What a series had lost in resets by then.
    pub(super) fn lost(&self, series: usize) -> f64 {
        self.lost.get(series).copied().unwrap_or(0.0)
    }

    /// How many series it has.
    pub(super) fn present(&self) -> usize {
        self.values.iter().filter(|value| value.to_bits() != ABSENT).count()
    }

    /// Keeps the series at these places only, which rise; what was lost is not touched.
    pub(super) fn shrink(&mut self, kept: &[usize]) {
        let value = |index: &usize| self.value(*index).unwrap_or(f64::from_bits(ABSENT));
        let values = kept.iter().map(value).collect();
        let place = |old: usize| kept.binary_search(&old).ok();
        self.times = self.times.iter().filter_map(|(old, time)| Some((place(*old)?, *time))).collect();
        self.values = values;
    }

    /// What it takes in bytes, the losses left out.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.values) + size_of_val(&*self.times)
    }
}

/// Whether a page has any line that is not blank or a comment.
fn has_samples(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        !line.is_empty() && line[0] != b'#'
    })
}
