//! What a target's pages said of late: the latest page, and of older ones as many as rates and slopes need.

use std::sync::Arc;
use std::time::Duration;

use super::layout::{Known, Layout, Layouts};
use super::page::Page;
use super::wanted::Wanted;
use crate::core::rate::{Point, rate};
use crate::core::slope::slope;
use crate::core::time::Timestamp;

/// Of pages of some age, one is kept for each such part of it: over a window, the line between two
/// pages stands for what lies between them, so that a twelfth of the window is told less exactly.
const GRAIN: u32 = 12;

/// Room for series that come and go, before it is looked which of them are gone for good.
const ROOM: usize = 64;

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

    /// Adds a page that was read for this layout, with the layout that it made of it.
    pub(super) fn add(
        &mut self,
        (layout, mut page): (Arc<Layout>, Page),
        wanted: &Wanted,
        layouts: &Layouts,
    ) {
        self.layout = layout;
        page.lost = self.lost(&page, wanted);
        let present = page.present();
        self.pages.push(page);
        self.thin(wanted.keep());
        if self.layout.len() > 2 * present + ROOM {
            self.compact(layouts);
        }
    }

    /// What has been lost in resets by the time of the next page.
    fn lost(&self, next: &Page, wanted: &Wanted) -> Arc<[f64]> {
        let Some(page) = self.pages.last() else { return Arc::default() };
        let fall = |(index, series): (usize, &Known)| {
            let value = next.value(index)?;
            let last = self.pages.iter().rev().find_map(|page| page.value(index))?;
            (last > value && wanted.is_counted(&series.name)).then_some((index, last))
        };
        let falls: Vec<(usize, f64)> = self.layout.series().enumerate().filter_map(fall).collect();
        if falls.is_empty() {
            return Arc::clone(&page.lost);
        }
        let mut lost = page.lost.to_vec();
        lost.resize(self.layout.len(), 0.0);
        for (index, by) in falls {
            lost[index] += by;
        }
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
        // What all of them have lost alike makes no difference between them.
        let lost = Arc::clone(&self.pages[0].lost);
        if !lost.is_empty() && self.pages.iter().all(|page| Arc::ptr_eq(&page.lost, &lost)) {
            self.pages.iter_mut().for_each(|page| page.lost = Arc::default());
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
        for run in self.pages.chunk_by_mut(shares_loss) {
            let lost: Arc<[f64]> = match &run[0] {
                none if none.lost.is_empty() => Arc::default(),
                page => kept.iter().map(|index| page.lost(*index)).collect(),
            };
            for page in run {
                page.shrink(&kept);
                page.lost = Arc::clone(&lost);
            }
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
        let counted =
            |(page, point): (&Page, Point)| Point { value: point.value + page.lost(series), ..point };
        rate(self.samples(series).map(counted), window, self.pages.last()?.at)
    }

    /// The slope of a series over that `window`.
    pub(super) fn slope(&self, series: usize, window: Duration) -> Option<f64> {
        slope(self.samples(series).map(|(_, point)| point), window, self.pages.last()?.at)
    }

    /// The samples of a series as the pages tell them, each with its page.
    fn samples(&self, series: usize) -> impl Iterator<Item = (&Page, Point)> {
        let mut last: Option<Timestamp> = None;
        self.pages.iter().filter_map(move |page| {
            let (value, at) = (page.value(series)?, page.time(series));
            // What is told again with its old time is no new sample.
            let is_new = last.is_none_or(|last| last < at);
            last = last.max(Some(at));
            is_new.then_some((page, Point { at, value }))
        })
    }

    /// How many series are held: those of all pages, whether the latest has them or not.
    pub(super) fn held(&self) -> usize {
        self.layout.len()
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// What the pages take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lost = self.pages.chunk_by(shares_loss).map(|run| size_of_val(&*run[0].lost)).sum::<usize>();
        self.pages.iter().map(Page::bytes).sum::<usize>() + lost
    }
}

/// Whether two pages have lost the same, in the same place of memory.
fn shares_loss(one: &Page, other: &Page) -> bool {
    Arc::ptr_eq(&one.lost, &other.lost)
}

#[cfg(test)]
mod tests;
