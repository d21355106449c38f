//! What the rows of an answer were. The next answer to the same query has nearly always the same rows with
//! other numbers, and then nothing of their labels has to be read again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use super::Times;
use super::wire::Row;
use crate::core::series::{Column, SeriesSet, Skeleton};
use crate::core::time::Timestamp;

/// Where the number of a row belongs.
#[derive(Clone, Copy)]
enum Place {
    /// To this cell, counted through all series.
    Cell(u32),
    /// It is the time of this series.
    Time(u32),
    /// It is the time of this namespace's series.
    Space(u32),
    /// Nowhere: its series has left the source.
    Nowhere,
}

/// The rows of an answer, known again by their labels as they were written.
pub(in crate::source::prometheus) struct Shape {
    /// By a keyed hash: nobody can choose labels that are taken for those of others.
    hasher: RandomState,
    /// In the order of the answer. Most servers keep to it.
    rows: Box<[(u64, Place)]>,
    skeleton: Skeleton,
    /// Where times are those of namespaces: the one of each series, and how many there are.
    spaces: Option<(Box<[Option<u32>]>, usize)>,
}

impl Shape {
    /// Where the row of this number, which has these labels, belongs; `None` if they are not known.
    fn place(&self, number: usize, metric: &[u8]) -> Option<Place> {
        let wanted = fingerprint(&self.hasher, metric);
        let found = self.rows.get(number).filter(|(fingerprint, _)| *fingerprint == wanted);
        found.map(|(_, place)| *place)
    }
}

fn fingerprint(hasher: &RandomState, metric: &[u8]) -> u64 {
    hasher.hash_one(metric)
}

/// What a row was found to be while it was read.
pub(super) struct Trace {
    hasher: RandomState,
    rows: Vec<(u64, Option<Traced>)>,
}

/// What a row was.
#[derive(Clone, Copy)]
pub(super) enum Traced {
    /// The number in this column of this row of the builder.
    Number(u32, Column),
    /// The time of this row of the builder.
    Time(u32),
    /// The time of the series of this namespace.
    Space(u32),
}

/// Namespaces with a time of their own, by numbers.
pub(super) struct Spaces {
    /// That of each row of the builder.
    pub(super) of: HashMap<u32, Option<u32>>,
    pub(super) count: usize,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), rows: Vec::new() }
    }

    /// Notes what a row was, `None` if it was passed over.
    pub(super) fn note(&mut self, metric: &str, traced: Option<Traced>) {
        self.rows.push((fingerprint(&self.hasher, metric.as_bytes()), traced));
    }

    /// The shape of the answer that became `set`, of whose series `numbers` tells the rows.
    ///
    /// None where the numbers of the next answer could not be put in their place one by one: where some
    /// series were the same thing scraped twice, it depends on their times which one stays.
    pub(super) fn shape(self, set: &SeriesSet, numbers: &[u32], spaces: Option<Spaces>) -> Option<Shape> {
        let mut series_of: HashMap<u32, u32> = HashMap::with_capacity(numbers.len());
        series_of.extend(numbers.iter().zip(0..).map(|(number, series)| (*number, series)));
        let (skeleton, columns) = (set.skeleton(), set.columns());
        let width = columns.len();
        let mut taken = vec![false; (width + 1) * numbers.len()];
        let mut rows = Vec::with_capacity(self.rows.len());
        for (fingerprint, traced) in self.rows {
            let place = match traced {
                None => Place::Nowhere,
                // A series with a time is only left out for another of the same pod.
                Some(Traced::Time(row)) => Place::Time(*series_of.get(&row)?),
                Some(Traced::Space(space)) => Place::Space(space),
                Some(Traced::Number(row, column)) => match series_of.get(&row) {
                    Some(series) => {
                        let index = columns.iter().position(|known| *known == column)?;
                        Place::Cell(u32::try_from(*series as usize * width + index).ok()?)
                    }
                    // Without a time of its own it has one all the same, that of its namespace.
                    None if spaces.is_some() => return None,
                    None => Place::Nowhere,
                },
            };
            let claimed = match place {
                Place::Cell(cell) => Some(cell as usize),
                Place::Time(series) => Some(width * numbers.len() + series as usize),
                Place::Space(_) | Place::Nowhere => None,
            };
            let is_double = claimed.is_some_and(|one| std::mem::replace(&mut taken[one], true));
            if is_double {
                return None;
            }
            rows.push((fingerprint, place));
        }
        let spaces = spaces.map(|Spaces { of, count }| {
            (numbers.iter().map(|row| of.get(row).copied().flatten()).collect(), count)
        });
        Some(Shape { hasher: self.hasher, rows: rows.into(), skeleton, spaces })
    }
}

/// The rows of an answer, put in their places one by one.
pub(super) struct Refill<'s> {
    shape: &'s Shape,
    cells: Vec<Option<f64>>,
    at: Vec<Timestamp>,
    /// The times of namespaces.
    spaces: Vec<Timestamp>,
    /// How many rows there were.
    rows: usize,
    evaluated: Timestamp,
}

impl<'s> Refill<'s> {
    pub(super) fn new(shape: &'s Shape) -> Self {
        let series = shape.skeleton.series();
        Self {
            cells: vec![None; series * shape.skeleton.columns()],
            at: vec![Timestamp::MAX; series],
            spaces: vec![Timestamp::default(); shape.spaces.as_ref().map_or(0, |(_, count)| *count)],
            rows: 0,
            evaluated: Timestamp::default(),
            shape,
        }
    }

    /// Takes a row; `None` if it is a new one or not as expected.
    pub(super) fn take(&mut self, row: &Row<'_>) -> Option<()> {
        let at = Timestamp::from_seconds(row.at);
        match self.shape.place(self.rows, row.metric)? {
            Place::Cell(cell) => {
                let cell = self.cells.get_mut(cell as usize).filter(|cell| cell.is_none())?;
                *cell = Some(row.value);
            }
            Place::Time(series) => {
                let time = self.at.get_mut(series as usize).filter(|time| **time == Timestamp::MAX)?;
                // No sample is from the future, or it would stay fresh for ever.
                *time = Timestamp::from_seconds(row.value).min(at);
            }
            Place::Space(space) => *self.spaces.get_mut(space as usize)? = Timestamp::from_seconds(row.value),
            Place::Nowhere => {}
        }
        self.evaluated = at;
        self.rows += 1;
        Some(())
    }

    /// The set, asked for at `now` by our clock; `None` if rows are missing.
    pub(super) fn finish(mut self, now: Timestamp) -> Option<SeriesSet> {
        let offset = now.as_millis().saturating_sub(self.evaluated.as_millis());
        let is_whole = self.rows == self.shape.rows.len() && self.rows > 0;
        if let Some((of, _)) = &self.shape.spaces {
            let times = Times::new(&self.spaces, self.evaluated);
            self.at.iter_mut().zip(of).for_each(|(at, space)| *at = times.of(*space));
        }
        is_whole.then(|| self.shape.skeleton.filled(&self.at, &self.cells, offset))
    }
}
