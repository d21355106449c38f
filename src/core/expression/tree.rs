//! What is computed. Types are settled: a number never stands where a condition is needed.

use std::ops::Range;

/// What yields a double.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Constant(f64),
    /// The variable of this index.
    Variable(usize),
    /// The same, or else that number.
    Default(usize, Box<Number>),
    Unary(Unary, Box<Number>),
    Binary(Binary, Box<[Number; 2]>),
    Divide(Box<[Number; 2]>, Place),
    Extreme(Extreme, Box<[Number]>),
    /// A number, its least and its greatest.
    Clamp(Box<[Number; 3]>),
    If(Box<(Truth, Number, Number)>),
}

/// What yields true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Truth {
    Constant(bool),
    /// Whether the variable of this index is there.
    Has(usize),
    Compare(Comparison, Box<[Number; 2]>),
    Not(Box<Truth>),
    And(Box<[Truth; 2]>),
    Or(Box<[Truth; 2]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Negate,
    Abs,
    Ceil,
    Floor,
    Round,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extreme {
    Min,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// What holds when this does not; NaN aside, of which neither does.
    pub(super) const fn negated(self) -> Self {
        match self {
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
        }
    }

    /// The same with its sides exchanged.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

/// Where the divisor stands. Two divisions are the same wherever they stand, so that what is asked about
/// `a / b` is known of the next `a / b`.
#[derive(Debug, Clone)]
pub(super) struct Place(pub(super) Range<usize>);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
