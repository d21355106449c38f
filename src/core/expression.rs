//! Expressions over doubles: the arithmetic of CEL, checked when it is loaded.
//!
//! ```text
//! text ──▶ parse ──▶ check ──▶ tree ──▶ shape, bounds ──▶ evaluate
//!          (syntax)  (names,            (what it is,      (each time,
//!                     types)             divisions)        no allocation)
//! ```
//!
//! The syntax and the precedence are CEL's, read by its library. Every number is a double, so `2 * waiting`
//! is fine, which CEL would refuse as int times double. The rest of CEL (texts, lists, maps, fields,
//! `in`, `%`) is refused. `docs/expressions.md` is the page for users.
//!
//! # Shapes
//!
//! E is extensive, I intensive, M mixed. A constant is neutral: beside it the other's shape stands, but for
//! `constant / E`, which is M.
//!
//! | | E, E | I, I | E, I | I, E |
//! |---|---|---|---|---|
//! | `a + b`, `a - b` | E | I | M | M |
//! | `a * b` | M | I | E | E |
//! | `a / b` | I | I | E | M |
//! | `min`, `max`, `clamp`, `default`, branches of `? :` | E | I | M | M |
//!
//! `-`, `abs`, `ceil`, `floor` and `round` keep the shape, M stays M, and conditions do not matter. `I / E`
//! falls as replicas are added, so it is neither a sum over them nor a number of one.

mod bounds;
mod check;
mod evaluate;
mod explain;
mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod interval;
mod parse;
mod shape;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use super::metric::Semantics;
use tree::Number;

/// A source with more bytes is refused before it is read.
pub const MAX_BYTES: usize = 1_000;

/// Parentheses and calls within one another; more are refused.
pub const MAX_DEPTH: u16 = 32;

/// Numbers, names, operators and calls in one expression; more are refused. No recursion is deeper.
pub const MAX_NODES: usize = 200;

/// What an expression may name.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it may be missing.
    pub optional: bool,
    /// Whether it grows with the replicas.
    pub shape: Shape,
    /// The values that it can take.
    pub range: (f64, f64),
}

/// Whether a number grows with the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It does: a sum over them.
    Extensive,
    /// It does not: a mean, a ratio, a quantile.
    Intensive,
    /// A number that is written there.
    Constant,
    /// Some of it does and some does not, so it has to be said what the whole is.
    Mixed,
}

impl From<Semantics> for Shape {
    fn from(semantics: Semantics) -> Self {
        match semantics {
            Semantics::Extensive => Self::Extensive,
            Semantics::Intensive => Self::Intensive,
        }
    }
}

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    source: Arc<str>,
    root: Number,
    uses: Box<[usize]>,
    shape: Shape,
    warnings: Box<[Mistake]>,
}

/// What is wrong with an expression, or may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
    /// Where, in bytes of the source; never within a character.
    pub at: Range<usize>,
    /// The name, where it is one that is no variable: one like it may have been meant.
    pub unknown: Option<String>,
}

/// The optional variable of this index is missing and the expression needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing(pub usize);

impl Expression {
    /// Parses and checks `source`, which may name `variables` by their names.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the source. Of a source that is no CEL, the first.
    pub fn compile(source: &str, variables: &[Variable]) -> Result<Self, Vec<Mistake>> {
        let parsed = parse::parse(source).map_err(|mistake| vec![mistake])?;
        let (root, uses) = check::check(&parsed, variables)?;
        let warnings = bounds::divisions(&root, source, variables)?;
        let shape = shape::shape(&root, variables);
        Ok(Self { source: source.into(), root, uses, shape, warnings: warnings.into() })
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The indices of the variables that it names, each once, in rising order.
    pub fn uses(&self) -> &[usize] {
        &self.uses
    }

    /// What may not be what was meant: a possible division by zero.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// Whether its result grows with the replicas.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Computes it; `values` go with the variables, `None` for what is missing. The result may be any
    /// double, NaN and infinities included.
    ///
    /// # Errors
    /// When it needs a variable that is missing.
    pub fn evaluate(&self, values: &[Option<f64>]) -> Result<f64, Missing> {
        self.root.evaluate(values)
    }
}

impl Mistake {
    /// About an expression as a whole.
    pub fn whole(source: &str, message: String, hint: Option<String>) -> Self {
        Self { message, hint, at: 0..source.len(), unknown: None }
    }
}

impl Variable {
    /// Whether an expression can name a variable so: letters, digits and `_`, no digit first, and neither a
    /// word of CEL's own nor a function.
    pub fn is_name(name: &str) -> bool {
        parse::is_name(name) && !check::FUNCTIONS.contains(&name)
    }
}
