//! What is known in a branch, since a condition has been asked before it.

use super::Variable;
use super::interval::Interval;
use super::tree::{Comparison, Number, Truth};

/// Which variables are there, and what is known of numbers.
#[derive(Debug, Clone)]
pub(super) struct Facts<'t> {
    present: Vec<bool>,
    ranges: Vec<Interval>,
    /// What was compared, with what it can be; one number may stand here several times.
    compared: Vec<(&'t Number, Interval)>,
}

impl<'t> Facts<'t> {
    /// What is known before anything is asked.
    pub(super) fn new(variables: &[Variable]) -> Self {
        Self {
            present: variables.iter().map(|variable| !variable.optional).collect(),
            ranges: variables
                .iter()
                .map(|variable| Interval::new(variable.range.0, variable.range.1))
                .collect(),
            compared: Vec::new(),
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.present[index]
    }

    /// Of a condition that is mistaken itself nothing is known; what follows is not blamed for it.
    pub(super) fn presume_all_present(&mut self) {
        self.present.fill(true);
    }

    /// What the variable of this index can be, while it is there.
    pub(super) fn range(&self, index: usize) -> Interval {
        self.narrowed(&Number::Variable(index), self.ranges[index])
    }

    /// What `number` can be, which by itself is within `interval`.
    pub(super) fn narrowed(&self, number: &Number, interval: Interval) -> Interval {
        self.compared.iter().filter(|(known, _)| *known == number).fold(interval, |sum, (_, is)| sum.and(*is))
    }

    /// The same, and that `condition` holds or does not. It takes each part of the condition once, and
    /// compares with no more than a constant or a variable: conditions within conditions stay cheap.
    pub(super) fn given(mut self, condition: &'t Truth, holds: bool) -> Self {
        match condition {
            Truth::Constant(_) => {}
            Truth::Has(index) => self.present[*index] |= holds,
            Truth::Not(operand) => return self.given(operand, !holds),
            Truth::And(operands) | Truth::Or(operands) => {
                let both = matches!(condition, Truth::And(_)) == holds;
                return if both {
                    self.given(&operands[0], holds).given(&operands[1], holds)
                } else {
                    let other = self.clone().given(&operands[1], holds);
                    self.given(&operands[0], holds).or(&other)
                };
            }
            Truth::Compare(comparison, operands) => {
                let comparison = if holds { *comparison } else { comparison.negated() };
                let [left, right] = &**operands;
                self.compare(left, comparison, right);
                self.compare(right, comparison.mirrored(), left);
            }
        }
        self
    }

    fn compare(&mut self, number: &'t Number, comparison: Comparison, limit: &Number) {
        let limit = match limit {
            Number::Constant(limit) => Interval::exactly(*limit),
            Number::Variable(index) => self.range(*index),
            _ => return,
        };
        if !matches!(number, Number::Constant(_)) {
            self.compared.push((number, Interval::of(comparison, limit)));
        }
    }

    /// What is known either way.
    fn or(mut self, other: &Self) -> Self {
        for (present, other) in self.present.iter_mut().zip(&other.present) {
            *present &= other;
        }
        let known = std::mem::take(&mut self.compared);
        self.compared = known
            .into_iter()
            .filter(|(number, _)| other.compared.iter().any(|(known, _)| known == number))
            .map(|(number, is)| {
                let otherwise = other.narrowed(number, Interval::ANY);
                (number, is.or(otherwise))
            })
            .collect();
        self
    }
}
