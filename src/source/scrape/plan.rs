//! Plans: which series of a page make which numbers of a signal.
//!
//! The same definition that [`crate::catalog::promql`] compiles to a query is worked out here for the
//! pages of a target: alternatives joined series by series or by target, labels folded away before
//! that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::history::History;
use super::layout::Layout;
use crate::core::series::{Column, Labels};
use crate::core::signal::{Fold, Join, Kind, LabelMatcher, MatchOp, PRESENT, Signal, Term};
use crate::core::time::Timestamp;

/// How the rows of a signal come from the numbers of a page.
#[derive(Debug)]
pub(super) struct Plan {
    rows: Vec<Row>,
    bounds: usize,
    window: Duration,
    blank_from: Option<f64>,
}

/// One series of the signal.
#[derive(Debug)]
struct Row {
    labels: Labels,
    cells: Vec<Cell>,
    /// The series whose sample times are the row's, by term.
    times: Vec<Vec<Group>>,
}

/// One number.
#[derive(Debug)]
struct Cell {
    column: Column,
    kind: Kind,
    fold: Fold,
    /// Alternatives, preferred first.
    groups: Vec<Group>,
}

impl Cell {
    /// The bits of a bucket's bound.
    fn bound(&self) -> Option<u64> {
        match self.column {
            Column::Bucket(bound) => Some(bound.to_bits()),
            _ => None,
        }
    }
}

/// Series of a page that are folded into one.
#[derive(Debug, Clone)]
struct Group {
    /// Each in all its spellings, of which a page has one; of several the first stays.
    series: Vec<Vec<usize>>,
    /// Series of preferred alternatives: while the page has any of them, whatever its labels, this
    /// group gives way. Empty where alternatives are joined by their labels.
    behind: Arc<[usize]>,
}

impl Group {
    /// Its series that the latest page has: what has left it has left, whatever a window remembers.
    fn told(&self, history: &History) -> impl Iterator<Item = usize> {
        let told = |series: &usize| history.latest(*series).is_some();
        self.series.iter().filter_map(move |spellings| spellings.iter().copied().find(told))
    }

    fn stands(&self, history: &History) -> bool {
        self.behind.iter().all(|preferred| history.latest(*preferred).is_none())
    }
}

/// A row's labels as the page gives them, its time and its numbers; a number that is not known is
/// left out.
pub(super) struct Found<'a> {
    pub(super) labels: &'a Labels,
    pub(super) at: Timestamp,
    pub(super) numbers: Vec<(Column, f64)>,
}

impl Plan {
    /// The plan of `signal` for pages of this layout.
    pub(super) fn new(signal: &Signal, layout: &Layout) -> Self {
        let mut rows = Rows::default();
        let (window, blank_from) = match signal {
            Signal::Series(signal) => {
                signal.terms.iter().enumerate().for_each(|(index, term)| rows.term(index, term, layout));
                (signal.window.unwrap_or_default(), signal.blank_from)
            }
            Signal::Presence(names) => {
                names.iter().for_each(|name| rows.presence(name, layout));
                (Duration::ZERO, None)
            }
            Signal::Query(_) | Signal::Schedule(_) | Signal::Redis(_) => (Duration::ZERO, None),
        };
        let bounds: HashSet<u64> =
            rows.rows.iter().flat_map(|row| &row.cells).filter_map(Cell::bound).collect();
        let bounds = bounds.len();
        Self { rows: rows.rows, bounds, window, blank_from: blank_from.map(|blank| blank as f64) }
    }

    /// How many different bounds its buckets have.
    pub(super) fn bounds(&self) -> usize {
        self.bounds
    }

    /// The rows that the latest page has, with their numbers.
    pub(super) fn read<'a>(&'a self, history: &'a History) -> impl Iterator<Item = Found<'a>> {
        self.rows.iter().filter_map(move |row| {
            let number = |cell: &Cell| Some((cell.column, self.number(cell, history)?));
            Some(Found {
                labels: &row.labels,
                at: row.time(history)?,
                numbers: row.cells.iter().filter_map(number).collect(),
            })
        })
    }

    fn number(&self, cell: &Cell, history: &History) -> Option<f64> {
        let one = |series: usize| match cell.kind {
            Kind::Gauge => {
                let (value, _) = history.latest(series)?;
                Some(value).filter(|value| self.blank_from.is_none_or(|blank| *value < blank))
            }
            Kind::Slope => history.slope(series, self.window),
            Kind::Counter | Kind::Buckets | Kind::Mean => history.rate(series, self.window),
        };
        let join = |a: f64, b: f64| match cell.fold {
            Fold::Sum => a + b,
            // A number that is none must survive: `f64::max` would hide it.
            Fold::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Fold::Max => a.max(b),
        };
        let folded = |group: &Group| group.told(history).filter_map(one).reduce(join);
        cell.groups.iter().filter(|group| group.stands(history)).find_map(folded)
    }
}

impl Row {
    /// When the oldest of its samples was taken.
    fn time(&self, history: &History) -> Option<Timestamp> {
        let oldest = |group: &Group| {
            let standing = group.told(history).filter(|_| group.stands(history));
            standing.filter_map(|one| Some(history.latest(one)?.1)).min()
        };
        self.times.iter().filter_map(|groups| groups.iter().find_map(oldest)).min()
    }
}

/// Rows in the making, found by their labels.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    by_labels: HashMap<Labels, usize>,
}

impl Rows {
    fn term(&mut self, index: usize, term: &Term, layout: &Layout) {
        for (suffix, part) in parts(term.kind) {
            for ((labels, bound), groups) in groups(term, suffix, layout) {
                let column = match part {
                    Part::Number => Some(Column::Term(index)),
                    Part::Bucket => bound.map(f64::from_bits).map(Column::Bucket),
                    Part::Sum => Some(Column::Sum),
                    Part::Count => Some(Column::Count),
                    Part::Time => None,
                };
                let row = self.row(labels);
                // A histogram is as old as its count.
                if matches!(part, Part::Number | Part::Count | Part::Time) {
                    row.times.push(groups.clone());
                }
                let (kind, fold) = (term.kind, term.fold);
                row.cells.extend(column.map(|column| Cell { column, kind, fold, groups }));
            }
        }
    }

    fn presence(&mut self, name: &Arc<str>, layout: &Layout) {
        let of_name = layout.series().enumerate().filter(|(_, one)| *one.name == **name);
        let series: Vec<usize> = of_name.map(|(index, _)| index).collect();
        if !series.is_empty() {
            let series = series.into_iter().map(|one| vec![one]).collect();
            let groups = vec![Group { series, behind: Arc::default() }];
            let row = self.row(Labels::new(vec![(PRESENT.into(), Arc::clone(name))]));
            row.times.push(groups.clone());
            row.cells.push(Cell { column: Column::Term(0), kind: Kind::Gauge, fold: Fold::Max, groups });
        }
    }

    fn row(&mut self, labels: Labels) -> &mut Row {
        let next = self.rows.len();
        let index = *self.by_labels.entry(labels.clone()).or_insert(next);
        if index == next {
            self.rows.push(Row { labels, cells: Vec::new(), times: Vec::new() });
        }
        &mut self.rows[index]
    }
}

/// What the samples of a name are to a term.
pub(super) enum Part {
    Number,
    Bucket,
    Sum,
    Count,
    Time,
}

/// How the names of the samples end that a series of this kind is made of, and what each is to it.
pub(super) fn parts(kind: Kind) -> &'static [(&'static str, Part)] {
    match kind {
        Kind::Gauge | Kind::Counter | Kind::Slope => &[("", Part::Number)],
        Kind::Buckets => &[("_bucket", Part::Bucket), ("_count", Part::Time)],
        Kind::Mean => &[("_sum", Part::Sum), ("_count", Part::Count)],
    }
}

/// Labels, and the bits of a bucket's bound.
type Key = (Labels, Option<u64>);

/// The series of a term's names ending in `suffix`: for each set of labels that stays once those to
/// be folded away are gone, the alternatives that there are.
fn groups(term: &Term, suffix: &str, layout: &Layout) -> Vec<(Key, Vec<Group>)> {
    let mut found: Vec<(Key, Vec<Group>)> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut preferred: Vec<usize> = Vec::new();
    for series in &term.series {
        let name = format!("{}{suffix}", series.name);
        let matchers = Matchers::new(&series.matchers);
        // Those of this alternative so far.
        let mut own: HashMap<usize, usize> = HashMap::new();
        let behind: Arc<[usize]> = preferred.as_slice().into();
        // The same labels always lead to the same group.
        let mut told: HashMap<(&Labels, Option<u64>), usize> = HashMap::new();
        for (index, known) in layout.series().enumerate() {
            if *known.name != *name || !matchers.accept(&known.labels) {
                continue;
            }
            let bound = known.bound.map(f64::to_bits);
            let key = (without(&known.labels, &term.without), bound);
            let place = *places.entry(key.clone()).or_insert_with(|| {
                found.push((key, Vec::new()));
                found.len() - 1
            });
            let groups = &mut found[place].1;
            let group = *own.entry(place).or_insert_with(|| {
                groups.push(Group { series: Vec::new(), behind: Arc::clone(&behind) });
                groups.len() - 1
            });
            // What is spelt in another way is the same series.
            let spellings = &mut groups[group].series;
            let next = spellings.len();
            let spelling = *told.entry((&known.labels, bound)).or_insert(next);
            if spelling == next {
                spellings.push(Vec::new());
            }
            spellings[spelling].push(index);
            preferred.extend((term.join == Join::Target).then_some(index));
        }
    }
    found
}

fn without(labels: &Labels, names: &[String]) -> Labels {
    if names.is_empty() {
        return labels.clone();
    }
    labels.filtered(|name| !names.iter().any(|without| without == name))
}

/// Label matchers, ready to be asked.
pub(super) struct Matchers<'a>(Vec<(&'a LabelMatcher, Option<Regex>)>);

impl<'a> Matchers<'a> {
    pub(super) fn new(matchers: &'a [LabelMatcher]) -> Self {
        let compiled = |matcher: &LabelMatcher| match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            // The catalog's loader has parsed it.
            MatchOp::Matches | MatchOp::MatchesNot => Regex::new(&format!("^(?s:{})$", matcher.value)).ok(),
        };
        Self(matchers.iter().map(|matcher| (matcher, compiled(matcher))).collect())
    }

    /// Whether series with these labels are meant; an absent label is an empty one.
    pub(super) fn accept(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(matcher, regex)| {
            let value = labels.get(&matcher.name).unwrap_or_default();
            let is_match = regex.as_ref().is_some_and(|regex| regex.is_match(value));
            match matcher.op {
                MatchOp::Equal => value == matcher.value,
                MatchOp::NotEqual => value != matcher.value,
                MatchOp::Matches => is_match,
                MatchOp::MatchesNot => !is_match,
            }
        })
    }
}

#[cfg(test)]
mod tests;
