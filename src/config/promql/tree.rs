//! The parsed expression, every node with its place.

use std::ops::Range;
use std::slice::Iter;

use promql_parser::parser::Expr;

use super::outline::{Outline, Part};

/// A node of an expression. Parentheses are left out: the shape says what they said.
#[derive(Debug)]
pub(in crate::config) struct Tree<'e> {
    /// What it is.
    pub(in crate::config) expr: &'e Expr,
    /// What to underline: a name or an operator. Numbers and strings have none.
    pub(in crate::config) at: Option<Range<usize>>,
    /// Its operands or arguments in the order of the text. The last one of an aggregation is what
    /// is aggregated.
    pub(in crate::config) children: Vec<Tree<'e>>,
}

struct Places<'o> {
    calls: Iter<'o, Part>,
    selectors: Iter<'o, Part>,
    operators: Iter<'o, Range<usize>>,
}

impl<'e> Tree<'e> {
    pub(super) fn new(expr: &'e Expr, outline: &Outline) -> Self {
        let mut places = Places {
            calls: outline.calls.iter(),
            selectors: outline.selectors.iter(),
            operators: outline.operators.iter(),
        };
        let tree = Self::build(expr, &mut places);
        let rest = (places.calls.len(), places.selectors.len(), places.operators.len());
        if rest == (0, 0, 0) && tree.is_placed() {
            return tree;
        }
        // The two disagree on what is there, so no place can be trusted.
        let none = Outline::default();
        let mut places = Places {
            calls: none.calls.iter(),
            selectors: none.selectors.iter(),
            operators: none.operators.iter(),
        };
        Self::build(expr, &mut places)
    }

    fn build(expr: &'e Expr, places: &mut Places<'_>) -> Self {
        match expr {
            Expr::Paren(paren) => Self::build(&paren.expr, places),
            Expr::Aggregate(aggregate) => {
                let at = places.calls.next().map(|call| call.name.clone());
                let inner = aggregate.param.iter().chain([&aggregate.expr]);
                Self { expr, at, children: inner.map(|child| Self::build(child, places)).collect() }
            }
            Expr::Call(call) => {
                let at = places.calls.next().map(|call| call.name.clone());
                let children = call.args.args.iter().map(|child| Self::build(child, places)).collect();
                Self { expr, at, children }
            }
            Expr::Binary(binary) => {
                let left = Self::build(&binary.lhs, places);
                let at = places.operators.next().cloned();
                let right = Self::build(&binary.rhs, places);
                Self { expr, at, children: vec![left, right] }
            }
            Expr::Unary(unary) => Self { expr, at: None, children: vec![Self::build(&unary.expr, places)] },
            Expr::Subquery(query) => {
                Self { expr, at: None, children: vec![Self::build(&query.expr, places)] }
            }
            Expr::VectorSelector(_) | Expr::MatrixSelector(_) => {
                let at = places.selectors.next().map(|selector| selector.name.clone());
                Self { expr, at, children: Vec::new() }
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {
                Self { expr, at: None, children: Vec::new() }
            }
        }
    }

    fn is_placed(&self) -> bool {
        let needs = matches!(
            self.expr,
            Expr::Aggregate(_)
                | Expr::Call(_)
                | Expr::Binary(_)
                | Expr::VectorSelector(_)
                | Expr::MatrixSelector(_)
        );
        (self.at.is_some() || !needs) && self.children.iter().all(Self::is_placed)
    }

    /// The place of this node, or of the first below it that has one.
    pub(in crate::config) fn place(&self) -> Option<Range<usize>> {
        self.at.clone().or_else(|| self.children.iter().find_map(Self::place))
    }

    /// Visits every node, those above before those below, with the nodes above it, outermost first.
    pub(in crate::config) fn walk<'t>(&'t self, visit: &mut impl FnMut(&'t Tree<'e>, &[&'t Tree<'e>])) {
        self.walk_below(&mut Vec::new(), visit);
    }

    fn walk_below<'t>(
        &'t self,
        above: &mut Vec<&'t Tree<'e>>,
        visit: &mut impl FnMut(&'t Tree<'e>, &[&'t Tree<'e>]),
    ) {
        visit(self, above);
        above.push(self);
        for child in &self.children {
            child.walk_below(above, visit);
        }
        above.pop();
    }
}
