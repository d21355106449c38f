//! From the parser's tree to ours: names, functions, types, and what may be missing. Every mistake is
//! collected, so a part that is mistaken yields nothing and its neighbours are checked all the same.

mod call;

use std::collections::BTreeSet;
use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

pub(super) use call::FUNCTIONS;

use super::explain::{LANGUAGE, quote};
use super::facts::Facts;
use super::parse::{self, Parsed};
use super::tree::{Binary, Comparison, Number, Place, Truth, Unary};
use super::{Mistake, Variable};

/// The tree that `parsed` says, and the variables it names.
///
/// # Errors
/// Every mistake, in the order of the source.
pub(super) fn check(
    parsed: &Parsed<'_>,
    variables: &[Variable],
) -> Result<(Number, Box<[usize]>), Vec<Mistake>> {
    let mut check = Check { parsed, variables, uses: BTreeSet::new(), mistakes: Vec::new() };
    match check.number(&parsed.root, &Facts::new(variables)) {
        Some(root) if check.mistakes.is_empty() => Ok((root, check.uses.into_iter().collect())),
        _ => {
            check.mistakes.sort_by_key(|mistake| (mistake.at.start, mistake.at.end));
            Err(check.mistakes)
        }
    }
}

struct Check<'a> {
    parsed: &'a Parsed<'a>,
    variables: &'a [Variable],
    uses: BTreeSet<usize>,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint) = (message.into(), Some(hint.into()));
        self.mistakes.push(Mistake { message, hint, at, unknown: None });
    }

    fn number(&mut self, node: &IdedExpr, facts: &Facts<'_>) -> Option<Number> {
        match &node.expr {
            Expr::Literal(literal) if let Some(number) = parse::number(literal) => {
                Some(Number::Constant(number))
            }
            Expr::Ident(name) if !name.starts_with('.') => {
                let index = self.variable(node)?;
                if !facts.has(index) {
                    let name = &self.variables[index].name;
                    let hint = format!("write `default({name}, 0)` or `has({name}) ? {name} : 0`");
                    self.mistake(self.parsed.span(node), format!("`{name}` may be missing here"), hint);
                    return None;
                }
                Some(Number::Variable(index))
            }
            _ if is_truth(self.parsed, node) => {
                let at = self.parsed.span(node);
                let message = format!(
                    "a number is wanted here, and {} is true or false",
                    quote(&self.parsed.source[at.clone()])
                );
                self.mistake(at, message, "make a number of it: `condition ? 1 : 0`");
                // For the mistakes within.
                self.truth(node, facts);
                None
            }
            Expr::Call(call) if call.target.is_none() => self.numeric_call(node, call, facts),
            _ => self.foreign(node),
        }
    }

    fn numeric_call(&mut self, node: &IdedExpr, call: &CallExpr, facts: &Facts<'_>) -> Option<Number> {
        let binary = |operation| move |operands| Number::Binary(operation, Box::new(operands));
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::ADD, [left, right]) => self.pair(left, right, facts).map(binary(Binary::Add)),
            (operators::SUBSTRACT, [left, right]) => {
                self.pair(left, right, facts).map(binary(Binary::Subtract))
            }
            (operators::MULTIPLY, [left, right]) => {
                self.pair(left, right, facts).map(binary(Binary::Multiply))
            }
            (operators::DIVIDE, [left, right]) => {
                let place = Place(self.parsed.span(right));
                self.pair(left, right, facts).map(|operands| Number::Divide(Box::new(operands), place))
            }
            (operators::NEGATE, [operand]) => {
                self.number(operand, facts).map(|operand| Number::Unary(Unary::Negate, Box::new(operand)))
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let condition = self.truth(condition, facts);
                let yes = self.number(yes, &given(facts, condition.as_ref(), true));
                let no = self.number(no, &given(facts, condition.as_ref(), false));
                Some(Number::If(Box::new((condition?, yes?, no?))))
            }
            (operators::MODULO | operators::INDEX | operators::IN, _) => self.foreign(node),
            (name, _) if name.starts_with('.') => self.foreign(node),
            (_, arguments) => self.function(node, arguments, facts),
        }
    }

    fn pair(&mut self, left: &IdedExpr, right: &IdedExpr, facts: &Facts<'_>) -> Option<[Number; 2]> {
        let (left, right) = (self.number(left, facts), self.number(right, facts));
        Some([left?, right?])
    }

    fn truth(&mut self, node: &IdedExpr, facts: &Facts<'_>) -> Option<Truth> {
        if !is_truth(self.parsed, node) {
            let found = self.mistakes.len();
            self.number(node, facts);
            // What is no number either has been said already.
            if found == self.mistakes.len() {
                let at = self.parsed.span(node);
                let message = format!(
                    "a condition is wanted here, and {} is a number",
                    quote(&self.parsed.source[at.clone()])
                );
                self.mistake(at, message, "compare it, as in `x > 0`");
            }
            return None;
        }
        let call = match &node.expr {
            Expr::Literal(LiteralValue::Boolean(truth)) => return Some(Truth::Constant(*truth.inner())),
            Expr::Call(call) => call,
            _ => return self.foreign(node),
        };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [operand]) => {
                self.truth(operand, facts).map(|operand| Truth::Not(Box::new(operand)))
            }
            (operators::LOGICAL_AND, [left, right]) => {
                let left = self.truth(left, facts);
                let right = self.truth(right, &given(facts, left.as_ref(), true));
                Some(Truth::And(Box::new([left?, right?])))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                let left = self.truth(left, facts);
                let right = self.truth(right, &given(facts, left.as_ref(), false));
                Some(Truth::Or(Box::new([left?, right?])))
            }
            (name, [left, right]) if let Some(comparison) = comparison(name) => {
                self.pair(left, right, facts).map(|operands| Truth::Compare(comparison, Box::new(operands)))
            }
            (_, arguments) => self.has(node, arguments),
        }
    }

    /// The index of the variable that `node` names.
    fn variable(&mut self, node: &IdedExpr) -> Option<usize> {
        let name = self.parsed.text(node);
        if let Some(index) = self.variables.iter().position(|variable| &*variable.name == name) {
            self.uses.insert(index);
            return Some(index);
        }
        let known: Vec<&str> = self.variables.iter().map(|variable| &*variable.name).collect();
        let hint = match known.as_slice() {
            _ if FUNCTIONS.contains(&name) => format!("it is a function: write `{name}(…)`"),
            [] => "there is nothing that could be named here".to_owned(),
            known => format!("known are: {}", known.join(", ")),
        };
        let unknown = Some(name.to_owned());
        let message = format!("{} is unknown", quote(name));
        self.mistakes.push(Mistake { message, hint: Some(hint), at: self.parsed.token(node), unknown });
        None
    }

    /// Refuses what CEL has and we have not.
    fn foreign<T>(&mut self, node: &IdedExpr) -> Option<T> {
        let what = match &node.expr {
            Expr::Literal(LiteralValue::Null) => "`null` is",
            Expr::Literal(_) => "texts are",
            Expr::List(_) => "lists are",
            Expr::Map(_) | Expr::Struct(_) => "maps are",
            Expr::Select(_) => "fields, and dots in names, are",
            Expr::Comprehension(_) => "macros over lists are",
            Expr::Call(call) if call.target.is_some() => "calls after a dot are",
            Expr::Call(call) if call.func_name == operators::MODULO => "`%` is",
            Expr::Call(call) if call.func_name == operators::IN => "`in` is",
            Expr::Call(call) if call.func_name == operators::INDEX => "lists and `[…]` are",
            Expr::Call(_) | Expr::Ident(_) => "a dot before a name is",
            Expr::Unspecified => "this is",
        };
        self.mistake(self.parsed.span(node), format!("{what} not part of expressions here"), LANGUAGE);
        None
    }
}

/// What is known where `condition` holds or does not.
fn given<'t>(facts: &Facts<'t>, condition: Option<&'t Truth>, holds: bool) -> Facts<'t> {
    let mut facts = facts.clone();
    if let Some(condition) = condition {
        return facts.given(condition, holds);
    }
    facts.presume_all_present();
    facts
}

/// Whether `node` is a condition by its outermost part.
fn is_truth(parsed: &Parsed<'_>, node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => true,
        Expr::Call(call) if call.target.is_none() => {
            let name = call.func_name.as_str();
            matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT)
                || comparison(name).is_some()
                || parsed.text(node) == "has"
        }
        _ => false,
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        _ => return None,
    })
}
