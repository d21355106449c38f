//! The outline of an expression: where its calls, selectors and operators stand.
//!
//! The parser yields a tree without places. Both see the same things in the same order, so the n-th
//! call of the tree is the n-th call of the outline.

use std::ops::Range;

use super::token::{Kind, Token, Tokens};
use crate::config::units::Refusal;

/// Functions over a vector, written like calls.
const AGGREGATORS: [&str; 14] = [
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// A call or a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What to underline: a function's name, or a series with its matchers.
    pub(super) name: Range<usize>,
    /// All of it, to be parsed alone.
    pub(super) whole: Range<usize>,
}

/// Everything that has a place, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Functions and aggregations.
    pub(super) calls: Vec<Part>,
    /// Series, with or without a range.
    pub(super) selectors: Vec<Part>,
    /// Contents of parentheses that only group.
    pub(super) groups: Vec<Range<usize>>,
    /// Operators between two operands.
    pub(super) operators: Vec<Range<usize>>,
    /// What seems wrong with the order of operands and operators. Only believed when the parser
    /// refuses the expression too.
    pub(super) fault: Option<Refusal>,
}

/// Walks over the words, knowing at each whether an operand or an operator is due.
struct Walk<'a, 't> {
    tokens: &'a Tokens<'t>,
    outline: Outline,
    index: usize,
    /// Whether an operand has just ended.
    complete: bool,
}

pub(super) fn outline(tokens: &Tokens<'_>) -> Outline {
    let mut walk = Walk { tokens, outline: Outline::default(), index: 0, complete: false };
    while let Some(token) = walk.peek(0) {
        match token.kind {
            Kind::Number | Kind::Text => walk.operand(token, 1),
            Kind::Name => walk.name(token),
            Kind::Symbol => walk.symbol(token),
        }
    }
    if !walk.complete
        && let Some(last) = tokens.all.last()
    {
        walk.blame(last, format!("something is missing after `{}`", last.text));
    }
    walk.outline
}

impl<'t> Walk<'_, 't> {
    fn peek(&self, ahead: usize) -> Option<Token<'t>> {
        self.tokens.all.get(self.index + ahead).copied()
    }

    fn next_is(&self, ahead: usize, symbol: &str) -> bool {
        self.peek(ahead).is_some_and(|token| token.is(symbol))
    }

    fn blame(&mut self, token: &Token<'_>, message: String) {
        self.outline.fault.get_or_insert_with(|| Refusal::new(message).over(token.range()));
    }

    /// Takes `count` words as one operand.
    fn operand(&mut self, token: Token<'_>, count: usize) {
        self.expect_operand(&token);
        self.index += count;
        self.complete = true;
    }

    fn expect_operand(&mut self, token: &Token<'_>) {
        if self.complete {
            self.blame(token, format!("an operator is missing before `{}`", token.text));
        }
    }

    /// Past the bracket that closes the one `ahead` of here.
    fn behind(&self, ahead: usize) -> usize {
        self.tokens.closes[self.index + ahead] + 1
    }

    fn end_of(&self, index: usize) -> usize {
        self.tokens.all[index - 1].range().end
    }

    fn name(&mut self, token: Token<'_>) {
        let word = token.text.to_ascii_lowercase();
        match word.as_str() {
            "and" | "or" | "unless" | "atan2" => self.operator(token),
            "by" | "without" if self.next_is(1, "(") => self.index = self.behind(1),
            "on" | "ignoring" | "group_left" | "group_right" => {
                self.index = if self.next_is(1, "(") { self.behind(1) } else { self.index + 1 };
                self.complete = false;
            }
            "bool" => self.index += 1,
            "offset" => {
                self.index += 1;
                self.skip_time();
            }
            "inf" | "nan" => self.operand(token, 1),
            _ if self.next_is(1, "(") => self.call(token, 1),
            _ if AGGREGATORS.contains(&word.as_str()) && self.groups_before(1) => {
                let ahead = self.behind(2) - self.index;
                self.call(token, ahead);
            }
            _ => self.selector(token),
        }
    }

    /// Whether `by (…) (` follows.
    fn groups_before(&self, ahead: usize) -> bool {
        let is_keyword = self
            .peek(ahead)
            .is_some_and(|token| ["by", "without"].iter().any(|word| token.text.eq_ignore_ascii_case(word)));
        is_keyword && self.next_is(ahead + 1, "(") && self.next_is(self.behind(ahead + 1) - self.index, "(")
    }

    /// A call whose arguments are in the parentheses `ahead` of its name.
    fn call(&mut self, token: Token<'_>, ahead: usize) {
        self.expect_operand(&token);
        let mut end = self.behind(ahead);
        // `sum(x) by (y)`: the grouping belongs to the call.
        if let [keyword, open, ..] = &self.tokens.all[end..]
            && ["by", "without"].iter().any(|word| keyword.text.eq_ignore_ascii_case(word))
            && open.is("(")
        {
            end = self.tokens.closes[end + 1] + 1;
        }
        self.outline.calls.push(Part { name: token.range(), whole: token.start..self.end_of(end) });
        self.index += ahead + 1;
        // Some functions take nothing.
        self.complete = self.next_is(0, ")");
    }

    fn selector(&mut self, token: Token<'_>) {
        self.expect_operand(&token);
        let start = self.index;
        if token.kind == Kind::Name {
            self.index += 1;
        }
        if self.next_is(0, "{") {
            self.index = self.behind(0);
        }
        let name = token.start..self.end_of(self.index.max(start + 1));
        if self.next_is(0, "[") {
            self.index = self.behind(0);
        }
        self.outline.selectors.push(Part { whole: token.start..self.end_of(self.index), name });
        self.complete = true;
    }

    fn symbol(&mut self, token: Token<'_>) {
        match token.text {
            "(" => {
                self.expect_operand(&token);
                let close = self.tokens.all[self.behind(0) - 1].start;
                self.outline.groups.push(token.start + 1..close);
                self.index += 1;
                self.complete = false;
            }
            ")" | "," => {
                if !self.complete {
                    self.blame(&token, format!("something is missing before `{}`", token.text));
                }
                self.index += 1;
                self.complete = token.text == ")";
            }
            "{" => self.selector(token),
            // The range of a subquery; one of a series has been taken with it.
            "[" => self.index = self.behind(0),
            "@" => {
                self.index += 1;
                self.skip_time();
            }
            "+" | "-" if !self.complete => self.index += 1,
            _ => self.operator(token),
        }
    }

    fn operator(&mut self, token: Token<'_>) {
        if !self.complete {
            self.blame(&token, format!("something is missing before `{}`", token.text));
        }
        self.outline.operators.push(token.range());
        self.index += 1;
        self.complete = false;
    }

    /// A time after `offset` or `@`: a number with a sign, or `start()`.
    fn skip_time(&mut self) {
        if self.next_is(0, "-") || self.next_is(0, "+") {
            self.index += 1;
        }
        self.index += 1;
        if self.next_is(0, "(") && self.next_is(1, ")") {
            self.index += 2;
        }
        self.index = self.index.min(self.tokens.all.len());
    }
}
