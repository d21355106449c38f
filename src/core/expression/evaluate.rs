//! Numbers from values.

use super::Missing;
use super::tree::{Binary, Comparison, Extreme, Number, Truth, Unary};

impl Number {
    pub(super) fn evaluate(&self, values: &[Option<f64>]) -> Result<f64, Missing> {
        Ok(match self {
            Self::Constant(number) => *number,
            Self::Variable(index) => value(values, *index).ok_or(Missing(*index))?,
            Self::Default(index, otherwise) => match value(values, *index) {
                Some(number) => number,
                None => otherwise.evaluate(values)?,
            },
            Self::Unary(operation, operand) => unary(*operation, operand.evaluate(values)?),
            Self::Binary(operation, operands) => {
                let (left, right) = pair(operands, values)?;
                match operation {
                    Binary::Add => left + right,
                    Binary::Subtract => left - right,
                    Binary::Multiply => left * right,
                }
            }
            Self::Divide(operands, _) => {
                let (left, right) = pair(operands, values)?;
                left / right
            }
            Self::Extreme(which, operands) => {
                let (first, rest) = operands.split_first().expect("the check wants two or more");
                rest.iter().try_fold(first.evaluate(values)?, |so_far, operand| {
                    Ok(extreme(*which, so_far, operand.evaluate(values)?))
                })?
            }
            Self::Clamp(operands) => {
                let [number, least, most] = &**operands;
                let number = extreme(Extreme::Max, number.evaluate(values)?, least.evaluate(values)?);
                extreme(Extreme::Min, number, most.evaluate(values)?)
            }
            Self::If(parts) => {
                let (condition, yes, no) = &**parts;
                if condition.evaluate(values)? { yes.evaluate(values)? } else { no.evaluate(values)? }
            }
        })
    }
}

impl Truth {
    fn evaluate(&self, values: &[Option<f64>]) -> Result<bool, Missing> {
        Ok(match self {
            Self::Constant(truth) => *truth,
            Self::Has(index) => value(values, *index).is_some(),
            Self::Compare(comparison, operands) => {
                let (left, right) = pair(operands, values)?;
                compare(*comparison, left, right)
            }
            Self::Not(operand) => !operand.evaluate(values)?,
            Self::And(operands) => operands[0].evaluate(values)? && operands[1].evaluate(values)?,
            Self::Or(operands) => operands[0].evaluate(values)? || operands[1].evaluate(values)?,
        })
    }
}

fn value(values: &[Option<f64>], index: usize) -> Option<f64> {
    values.get(index).copied().flatten()
}

fn pair(operands: &[Number; 2], values: &[Option<f64>]) -> Result<(f64, f64), Missing> {
    Ok((operands[0].evaluate(values)?, operands[1].evaluate(values)?))
}

fn unary(operation: Unary, number: f64) -> f64 {
    match operation {
        Unary::Negate => -number,
        Unary::Abs => number.abs(),
        Unary::Ceil => number.ceil(),
        Unary::Floor => number.floor(),
        Unary::Round => number.round(),
    }
}

/// The standard library's would rather return the other number than NaN, which hides that one is unknown.
fn extreme(which: Extreme, one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() {
        return f64::NAN;
    }
    match which {
        Extreme::Min => one.min(other),
        Extreme::Max => one.max(other),
    }
}

#[allow(clippy::float_cmp)] // it is what the expression says
fn compare(comparison: Comparison, left: f64, right: f64) -> bool {
    match comparison {
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
    }
}
