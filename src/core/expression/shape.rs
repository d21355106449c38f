//! Whether a result grows with the replicas: the table of the module above.

use super::tree::{Binary, Number};
use super::{Shape, Variable};

/// The shape of `number`.
pub(super) fn shape(number: &Number, variables: &[Variable]) -> Shape {
    let of = |number: &Number| shape(number, variables);
    match number {
        Number::Constant(_) => Shape::Constant,
        Number::Variable(index) => variables[*index].shape,
        Number::Default(index, otherwise) => alike(variables[*index].shape, of(otherwise)),
        Number::Unary(_, operand) => of(operand),
        Number::Binary(Binary::Multiply, operands) => product(of(&operands[0]), of(&operands[1])),
        Number::Binary(Binary::Add | Binary::Subtract, operands) => alike(of(&operands[0]), of(&operands[1])),
        Number::Divide(operands, _) => quotient(of(&operands[0]), of(&operands[1])),
        Number::Extreme(_, operands) => operands.iter().map(of).fold(Shape::Constant, alike),
        Number::Clamp(operands) => operands.iter().map(of).fold(Shape::Constant, alike),
        Number::If(parts) => alike(of(&parts.1), of(&parts.2)),
    }
}

/// Of two that are added, or of which one is taken.
fn alike(one: Shape, other: Shape) -> Shape {
    match (one, other) {
        (Shape::Constant, shape) | (shape, Shape::Constant) => shape,
        (one, other) if one == other => one,
        _ => Shape::Mixed,
    }
}

fn product(one: Shape, other: Shape) -> Shape {
    match (one, other) {
        (Shape::Constant, shape) | (shape, Shape::Constant) => shape,
        (Shape::Intensive, Shape::Intensive) => Shape::Intensive,
        (Shape::Extensive, Shape::Intensive) | (Shape::Intensive, Shape::Extensive) => Shape::Extensive,
        _ => Shape::Mixed,
    }
}

fn quotient(dividend: Shape, divisor: Shape) -> Shape {
    match (dividend, divisor) {
        (shape, Shape::Constant) => shape,
        (Shape::Extensive, Shape::Extensive) | (Shape::Constant | Shape::Intensive, Shape::Intensive) => {
            Shape::Intensive
        }
        (Shape::Extensive, Shape::Intensive) => Shape::Extensive,
        _ => Shape::Mixed,
    }
}
