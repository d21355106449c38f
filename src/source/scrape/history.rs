//! What a target's pages said of late: the latest page, and of older ones as many as rates need.

use std::sync::Arc;
use std::time::Duration;

use super::exposition::{Exposition, Format, Malformed};
use super::layout::{Layout, Layouts};
use super::wanted::Wanted;
use crate::core::rate::{Point, rate};
use crate::core::time::Timestamp;

/// The number of a series that a page does not have: a NaN that no arithmetic makes.
const ABSENT: u64 = 0x7ff0_0000_0000_0002;

/// Of pages of some age, one is kept for each such part of it: over a window, the line between two
/// pages stands for what lies between them, so that a twelfth of the window is told less exactly.
const GRAIN: u32 = 12;

/// Room for series that come and go, before it is looked which of them are gone for good.
const ROOM: usize = 64;

/// Why a page is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("too many series")]
    TooMany,
}

/// One page's numbers.
#[derive(Debug)]
struct Page {
    /// When it was asked for.
    at: Timestamp,
    /// One for each series of the layout as it was then.
    values: Box<[f64]>,
    /// Sample times that the page gives itself, for the few exporters that do.
    times: Box<[(usize, Timestamp)]>,
    /// What had been lost in resets by then; empty if nothing was, and shared by pages in a row.
    lost: Arc<[f64]>,
}

impl Page {
    fn value(&self, series: usize) -> Option<f64> {
        self.values.get(series).copied().filter(|value| value.to_bits() != ABSENT)
    }

    fn time(&self, series: usize) -> Timestamp {
        let own = self.times.iter().find(|(index, _)| *index == series);
        // No sample is from the future, or it would stay fresh for ever.
        own.map_or(self.at, |(_, time)| (*time).min(self.at))
    }

    fn lost(&self, series: usize) -> f64 {
        self.lost.get(series).copied().unwrap_or(0.0)
    }
}

/// The pages of one target.
#[derive(Debug, Default)]
pub(super) struct History {
    layout: Arc<Layout>,
    pages: Vec<Page>,
}

impl History {
    /// The series that the numbers belong to.
    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Takes a page asked for at `at`, all of it or nothing, and of it what is `wanted`.
    ///
    /// # Errors
    /// The page is malformed, or has more than `most` wanted series.
    pub(super) fn take(
        &mut self,
        (body, format): (&[u8], Format),
        at: Timestamp,
        wanted: &Wanted,
        layouts: &Layouts,
        most: usize,
    ) -> Result<(), Unfit> {
        let mut values = vec![f64::from_bits(ABSENT); self.layout.len()];
        let (mut times, mut new, mut present, mut guess) = (Vec::new(), Vec::new(), 0, 0);
        let mut page = Exposition::new(body, format);
        while let Some(sample) = page.next(|name| wanted.has(name))? {
            present += 1;
            if present > most {
                return Err(Unfit::TooMany);
            }
            let index = self.layout.find(sample.series, guess).unwrap_or_else(|| {
                new.push(sample);
                values.push(f64::from_bits(ABSENT));
                values.len() - 1
            });
            guess = index + 1;
            // Of a series told twice the first number stays, as Prometheus has it.
            if values[index].to_bits() == ABSENT {
                values[index] = sample.value;
                times.extend(sample.time.map(|time| (index, Timestamp::from_millis(time))));
            }
        }
        if !new.is_empty() {
            self.layout = layouts.grown(&self.layout, &new);
        }
        let lost = self.lost(&values, wanted);
        self.pages.push(Page { at, values: values.into(), times: times.into(), lost });
        self.thin(wanted.keep());
        if self.layout.len() > 2 * present + ROOM {
            self.compact(layouts);
        }
        Ok(())
    }

    /// What has been lost in resets by the time of a page with these values.
    fn lost(&self, values: &[f64], wanted: &Wanted) -> Arc<[f64]> {
        let Some(last) = self.pages.last() else { return Arc::default() };
        let series = self.layout.series().zip(values).enumerate();
        let falls: Vec<(usize, f64)> = series
            .filter_map(|(index, (series, value))| {
                let last = self.pages.iter().rev().find_map(|page| page.value(index))?;
                (last > *value && wanted.is_counted(&series.name)).then_some((index, last))
            })
            .collect();
        if falls.is_empty() {
            return Arc::clone(&last.lost);
        }
        let mut lost = last.lost.to_vec();
        lost.resize(values.len(), 0.0);
        falls.into_iter().for_each(|(index, by)| lost[index] += by);
        lost.into()
    }

    /// Drops pages that no window needs: all but one of those from before the longest, and those
    /// that lie closer together than their age asks for.
    fn thin(&mut self, keep: Duration) {
        let Some(now) = self.pages.last().map(|page| page.at) else { return };
        let older = self.pages.iter().take_while(|page| now.since(page.at) > keep).count();
        self.pages.drain(..older.saturating_sub(1));
        let mut index = 1;
        while index + 1 < self.pages.len() {
            let (before, after) = (self.pages[index - 1].at, self.pages[index + 1].at);
            if after.since(before) * GRAIN <= now.since(before) {
                self.pages.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Forgets series that no page has any more.
    fn compact(&mut self, layouts: &Layouts) {
        let is_there = |index: &usize| self.pages.iter().any(|page| page.value(*index).is_some());
        let kept: Vec<usize> = (0..self.layout.len()).filter(is_there).collect();
        if kept.len() == self.layout.len() {
            return;
        }
        self.layout = layouts.shrunk(&self.layout, &kept);
        for page in &mut self.pages {
            let value = |index: &usize| page.value(*index).unwrap_or(f64::from_bits(ABSENT));
            let values = kept.iter().map(value).collect();
            let place = |old: usize| kept.binary_search(&old).ok();
            page.times = page.times.iter().filter_map(|(old, time)| Some((place(*old)?, *time))).collect();
            if !page.lost.is_empty() {
                page.lost = kept.iter().map(|index| page.lost(*index)).collect();
            }
            page.values = values;
        }
    }

    /// The number of a series on the latest page, and when it was sampled.
    pub(super) fn latest(&self, series: usize) -> Option<(f64, Timestamp)> {
        let page = self.pages.last()?;
        Some((page.value(series)?, page.time(series)))
    }

    /// The rate of a series over the `window` that ends with the latest page. It stays what it is
    /// while the target is silent, and is as old as that page.
    pub(super) fn rate(&self, series: usize, window: Duration) -> Option<f64> {
        let now = self.pages.last()?.at;
        let mut last = None;
        let points = self.pages.iter().filter_map(|page| {
            let (value, at) = (page.value(series)?, page.time(series));
            // A page told again with its old time is no new sample.
            (last.replace(at) != Some(at)).then(|| Point { at, value: value + page.lost(series) })
        });
        rate(points, window, now)
    }

    /// How many series the latest page has.
    pub(super) fn series(&self) -> usize {
        let present = |page: &Page| page.values.iter().filter(|value| value.to_bits() != ABSENT).count();
        self.pages.last().map_or(0, present)
    }

    /// What the numbers take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.pages.iter().map(|page| 80 + 8 * page.values.len() + 24 * page.times.len()).sum()
    }
}

#[cfg(test)]
mod tests;
