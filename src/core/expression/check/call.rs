//! Calls of functions.

use cel::common::ast::{Expr, IdedExpr};

use super::Check;
use crate::core::expression::explain::quote;
use crate::core::expression::facts::Facts;
use crate::core::expression::tree::{Extreme, Number, Truth, Unary};

/// Every function.
pub(in crate::core::expression) const FUNCTIONS: [&str; 9] =
    ["min", "max", "clamp", "abs", "ceil", "floor", "round", "has", "default"];

impl Check<'_> {
    /// A function that yields a number.
    pub(super) fn function(
        &mut self,
        node: &IdedExpr,
        arguments: &[IdedExpr],
        facts: &Facts<'_>,
    ) -> Option<Number> {
        let parsed = self.parsed;
        match (parsed.text(node), arguments) {
            ("min", [_, _, ..]) => self.extreme(Extreme::Min, arguments, facts),
            ("max", [_, _, ..]) => self.extreme(Extreme::Max, arguments, facts),
            ("abs", [operand]) => self.unary(Unary::Abs, operand, facts),
            ("ceil", [operand]) => self.unary(Unary::Ceil, operand, facts),
            ("floor", [operand]) => self.unary(Unary::Floor, operand, facts),
            ("round", [operand]) => self.unary(Unary::Round, operand, facts),
            ("clamp", [number, least, most]) => {
                let operands = [number, least, most].map(|operand| self.number(operand, facts));
                let [number, least, most] = operands;
                let operands = [number?, least?, most?];
                if let [_, Number::Constant(least), Number::Constant(most)] = operands
                    && least > most
                {
                    let message = format!("nothing is at least {least} and at most {most}");
                    self.mistake(parsed.span(node), message, "write `clamp(x, least, most)`");
                    return None;
                }
                Some(Number::Clamp(Box::new(operands)))
            }
            ("default", [variable, otherwise]) => {
                let index = self.optional(node, variable);
                let otherwise = self.number(otherwise, facts);
                Some(Number::Default(index?, Box::new(otherwise?)))
            }
            (name, _) => {
                let (at, message) = if FUNCTIONS.contains(&name) {
                    (parsed.span(node), miscounted(name, arguments.len()))
                } else {
                    (parsed.token(node), format!("there is no function {}", quote(name)))
                };
                self.mistake(at, message, usage(name));
                // For the mistakes within.
                for argument in arguments {
                    self.number(argument, facts);
                }
                None
            }
        }
    }

    /// `has`, the one function that yields a condition.
    pub(super) fn has(&mut self, node: &IdedExpr, arguments: &[IdedExpr]) -> Option<Truth> {
        let [variable] = arguments else {
            let message = miscounted("has", arguments.len());
            self.mistake(self.parsed.span(node), message, usage("has"));
            return None;
        };
        self.optional(node, variable).map(Truth::Has)
    }

    /// The index of the optional variable that `argument`, the first of the call `node`, names.
    fn optional(&mut self, node: &IdedExpr, argument: &IdedExpr) -> Option<usize> {
        let parsed = self.parsed;
        let function = parsed.text(node);
        if !matches!(argument.expr, Expr::Ident(_)) {
            let message = format!("`{function}` asks about a name, and this is none");
            self.mistake(parsed.span(argument), message, usage(function));
            return None;
        }
        let index = self.variable(argument)?;
        let variable = &self.variables[index];
        if variable.optional {
            return Some(index);
        }
        let message = format!("`{}` is never missing, so `{function}` has nothing to ask", variable.name);
        let hint = "leave that out, or state that it is optional where it is named";
        self.mistake(parsed.span(node), message, hint);
        None
    }

    fn unary(&mut self, operation: Unary, operand: &IdedExpr, facts: &Facts<'_>) -> Option<Number> {
        self.number(operand, facts).map(|operand| Number::Unary(operation, Box::new(operand)))
    }

    fn extreme(&mut self, which: Extreme, operands: &[IdedExpr], facts: &Facts<'_>) -> Option<Number> {
        // All of them first: each may have a mistake.
        let operands: Vec<_> = operands.iter().map(|operand| self.number(operand, facts)).collect();
        operands.into_iter().collect::<Option<_>>().map(|operands| Number::Extreme(which, operands))
    }
}

fn miscounted(function: &str, count: usize) -> String {
    format!("`{function}` does not take {count} argument{}", if count == 1 { "" } else { "s" })
}

/// How a function is called.
fn usage(name: &str) -> &'static str {
    match name {
        "min" => "write `min(a, b)`, with two or more",
        "max" => "write `max(a, b)`, with two or more",
        "clamp" => "write `clamp(x, least, most)`",
        "abs" => "write `abs(x)`",
        "ceil" => "write `ceil(x)`",
        "floor" => "write `floor(x)`",
        "round" => "write `round(x)`",
        "has" => "write `has(x)`, of a name that is optional",
        "default" => "write `default(x, n)`: `n` where the optional `x` is missing",
        _ => "functions are: min, max, clamp, abs, ceil, floor, round, has, default",
    }
}
