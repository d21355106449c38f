//! Divisions by zero, found by what each number can be.

use super::explain::quote;
use super::facts::Facts;
use super::interval::Interval;
use super::tree::{Binary, Extreme, Number, Place, Truth};
use super::{Mistake, Variable};

/// The divisors that may be zero.
///
/// # Errors
/// Those that are zero, whatever the variables are.
pub(super) fn divisions(
    root: &Number,
    source: &str,
    variables: &[Variable],
) -> Result<Vec<Mistake>, Vec<Mistake>> {
    let mut bounds = Bounds { source, mistakes: Vec::new(), warnings: Vec::new() };
    bounds.number(root, &Facts::new(variables));
    if bounds.mistakes.is_empty() { Ok(bounds.warnings) } else { Err(bounds.mistakes) }
}

struct Bounds<'a> {
    source: &'a str,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

impl Bounds<'_> {
    fn number(&mut self, number: &Number, facts: &Facts<'_>) -> Interval {
        let interval = match number {
            Number::Constant(constant) => Interval::exactly(*constant),
            Number::Variable(index) => facts.range(*index),
            Number::Default(index, otherwise) => facts.range(*index).or(self.number(otherwise, facts)),
            Number::Unary(operation, operand) => self.number(operand, facts).unary(*operation),
            Number::Binary(operation, operands) => {
                let [left, right] = [&operands[0], &operands[1]].map(|operand| self.number(operand, facts));
                match operation {
                    Binary::Add => left + right,
                    Binary::Subtract => left - right,
                    Binary::Multiply => left * right,
                }
            }
            Number::Divide(operands, place) => {
                let [dividend, divisor] =
                    [&operands[0], &operands[1]].map(|operand| self.number(operand, facts));
                self.divisor(divisor, place);
                dividend / divisor
            }
            Number::Extreme(which, operands) => operands
                .iter()
                .map(|operand| self.number(operand, facts))
                .reduce(|one, other| one.extreme(*which, other))
                .unwrap_or(Interval::ANY),
            Number::Clamp(operands) => {
                let [number, least, most] =
                    [&operands[0], &operands[1], &operands[2]].map(|operand| self.number(operand, facts));
                number.extreme(Extreme::Max, least).extreme(Extreme::Min, most)
            }
            Number::If(parts) => {
                let (condition, yes, no) = &**parts;
                self.truth(condition, facts);
                let yes = self.number(yes, &facts.clone().given(condition, true));
                yes.or(self.number(no, &facts.clone().given(condition, false)))
            }
        };
        facts.narrowed(number, interval)
    }

    fn truth(&mut self, truth: &Truth, facts: &Facts<'_>) {
        match truth {
            Truth::Constant(_) | Truth::Has(_) => {}
            Truth::Compare(_, operands) => {
                for operand in &**operands {
                    self.number(operand, facts);
                }
            }
            Truth::Not(operand) => self.truth(operand, facts),
            Truth::And(operands) | Truth::Or(operands) => {
                let [first, second] = &**operands;
                self.truth(first, facts);
                let asked = facts.clone().given(first, matches!(truth, Truth::And(_)));
                self.truth(second, &asked);
            }
        }
    }

    fn divisor(&mut self, divisor: Interval, place: &Place) {
        let text = quote(self.source.get(place.0.clone()).unwrap_or_default());
        let mistake =
            |message, hint| Mistake { message, hint: Some(hint), at: place.0.clone(), unknown: None };
        if divisor.is_zero() {
            let hint = "a division by 0 has no value that anything could be scaled by".to_owned();
            self.mistakes.push(mistake(format!("{text} is always 0 here"), hint));
        } else if divisor.has_zero() {
            let text = text.trim_matches('`');
            let hint = format!(
                "divide by `max({text}, 1)`, or what else is the least that makes sense, or ask first: \
                 `{text} > 0 ? … : 0`"
            );
            self.warnings.push(mistake(format!("`{text}` may be 0, and it is divided by here"), hint));
        }
    }
}
