//! Expressions over doubles: the arithmetic of CEL, checked when it is loaded.

use std::ops::Range;
use std::sync::Arc;

use super::metric::Semantics;

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
}

/// What is wrong with an expression, or may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
    /// Where, in bytes of the source.
    pub at: Range<usize>,
    /// The name that nothing has, if that is what is wrong.
    pub unknown: Option<String>,
}

impl Variable {
    /// Whether an expression can name a variable so.
    pub fn is_name(name: &str) -> bool {
        !name.is_empty()
    }
}

impl Mistake {
    /// About an expression as a whole.
    pub fn whole(source: &str, message: String, hint: Option<String>) -> Self {
        Self { message, hint, at: 0..source.len(), unknown: None }
    }
}

/// The optional variable of this index is missing and the expression needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing(pub usize);

impl Expression {
    /// Parses and checks `source`, which may name `variables` by their names.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn compile(source: &str, variables: &[Variable]) -> Result<Self, Vec<Mistake>> {
        let _ = variables;
        Ok(Self { source: source.into() })
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The indices of the variables that it names, each once, in rising order.
    pub fn uses(&self) -> &[usize] {
        &[]
    }

    /// What may not be what was meant: a possible division by zero.
    pub fn warnings(&self) -> &[Mistake] {
        &[]
    }

    /// Whether its result grows with the replicas.
    pub fn shape(&self) -> Shape {
        Shape::Mixed
    }

    /// Computes it; `values` go with the variables, `None` for what is missing. The result may be any
    /// double, NaN and infinities included.
    ///
    /// # Errors
    /// When it needs a variable that is missing.
    pub fn evaluate(&self, values: &[Option<f64>]) -> Result<f64, Missing> {
        let _ = values;
        Err(Missing(0))
    }
}
