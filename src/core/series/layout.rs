//! Which series a set has, apart from their numbers: most refreshes bring the same ones.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Column, Labels, Series, SeriesSet};
use crate::core::time::Timestamp;

/// Sets of equal layout have the same labels at the same places. Sets of different layouts may, too.
#[derive(Debug, Clone, Default)]
pub struct Layout(Arc<()>);

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Layout {}

/// A set without its numbers and times.
#[derive(Debug)]
pub struct Skeleton {
    columns: Vec<Column>,
    /// Labels and element of each series.
    series: Box<[(Labels, u32)]>,
    namespaces: Arc<HashMap<Arc<str>, Range<usize>>>,
    layout: Layout,
}

impl SeriesSet {
    /// Which series it has.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is left without numbers and times.
    pub fn skeleton(&self) -> Skeleton {
        Skeleton {
            columns: self.columns.clone(),
            series: self.series.iter().map(|one| (one.labels.clone(), one.element)).collect(),
            namespaces: Arc::clone(&self.namespaces),
            layout: self.layout.clone(),
        }
    }
}

impl Skeleton {
    /// How many series it has.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// How many columns they have.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The set with these times, one for each series by the source's clock, and these numbers: for each series
    /// one for each column. `clock_offset` as for [`super::Builder::finish`].
    pub fn filled(&self, at: &[Timestamp], cells: &[Option<f64>], clock_offset: i64) -> SeriesSet {
        // Without a column there is nothing to cut.
        let mut rows = cells.chunks_exact(self.columns.len().max(1));
        let named = self.series.iter().zip(at);
        let series = named.map(|((labels, element), at)| {
            Series::new(labels.clone(), *element, *at, rows.next().unwrap_or_default().into())
        });
        SeriesSet {
            columns: self.columns.clone(),
            series: series.collect(),
            namespaces: Arc::clone(&self.namespaces),
            layout: self.layout.clone(),
            clock_offset,
            silent: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}
