//! The text as the library's parser reads it, which gets no more than it can bear, and where each part stands.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::parser::{ParseErrors, PrattParser};

use super::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Mistake, explain};

/// A tree of the parser's, which may hold anything of CEL.
pub(super) struct Parsed<'s> {
    pub(super) source: &'s str,
    pub(super) root: IdedExpr,
    places: Arc<SourceInfo>,
}

/// Reads `source`.
///
/// # Errors
/// The first mistake of syntax, or the limit that is exceeded.
pub(super) fn parse(source: &str) -> Result<Parsed<'_>, Mistake> {
    if source.len() > MAX_BYTES {
        return Err(explain::too_long(source));
    }
    let masked = masked(source);
    let root = run(&masked).map_err(|errors| explain::explain(&errors.errors, source))?;
    if nodes(&root).nth(MAX_NODES).is_some() {
        return Err(explain::too_large(source));
    }
    Ok(Parsed { source, root, places: places(&masked) })
}

/// Whether `name` is read as the name of a variable, and nothing else.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= MAX_BYTES
        && !name.starts_with('.')
        && run(&masked(name)).is_ok_and(|root| matches!(root.expr, Expr::Ident(read) if read == masked(name)))
}

/// To CEL `has` is a macro, which takes a field and no bare name, and this parser cannot be told to leave it.
/// In other letters it is a function like any. Its length is the same, so that places are too, and names are
/// always read from the source, so that nobody sees the mask.
fn masked(source: &str) -> String {
    source.replace("has", "HAS")
}

fn run(source: &str) -> Result<IdedExpr, ParseErrors> {
    PrattParser::new()
        .max_recursion_depth(MAX_DEPTH)
        .max_expression_node_count(MAX_NODES)
        .error_recovery_limit(0)
        .parse(source)
}

/// The parser tells places only beside its errors. So it reads the same text once more with an error behind
/// its end, on a line of its own, where it changes nothing before it.
fn places(masked: &str) -> Arc<SourceInfo> {
    run(&format!("{masked}\n)"))
        .err()
        .and_then(|errors| errors.errors.into_iter().find_map(|error| error.source_info))
        .unwrap_or_default()
}

impl Parsed<'_> {
    /// The operator, name or literal that `node` is, without its operands.
    pub(super) fn token(&self, node: &IdedExpr) -> Range<usize> {
        let place = self.places.offset_for(node.id).map(|(start, end)| start as usize..end as usize);
        place.filter(|place| self.source.get(place.clone()).is_some()).unwrap_or(0..self.source.len())
    }

    /// What [`token`](Self::token) reads.
    pub(super) fn text(&self, node: &IdedExpr) -> &str {
        &self.source[self.token(node)]
    }

    /// All of `node`, with its operands and parentheses.
    pub(super) fn span(&self, node: &IdedExpr) -> Range<usize> {
        let all = nodes(node).map(|node| self.extended(node));
        let span = all.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end));
        self.closed(span.unwrap_or_default())
    }

    /// The token, and what belongs to it without being a node: the digits after a minus, a call's parenthesis.
    fn extended(&self, node: &IdedExpr) -> Range<usize> {
        let token = self.token(node);
        let rest = &self.source[token.end..];
        let gap = rest.len() - rest.trim_start().len();
        let more = match &node.expr {
            Expr::Literal(_) if self.text(node) == "-" => gap + number_length(&rest[gap..]),
            Expr::Call(_) if rest[gap..].starts_with('(') => gap + 1,
            _ => 0,
        };
        token.start..token.end + more
    }

    /// The same with as many parentheses around as close what is open within.
    fn closed(&self, span: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = span;
        let (mut unopened, mut unclosed) = (0, 0);
        for byte in self.source[start..end].bytes() {
            match byte {
                b'(' => unclosed += 1,
                b')' if unclosed > 0 => unclosed -= 1,
                b')' => unopened += 1,
                _ => {}
            }
        }
        for _ in 0..unclosed {
            let Some(rest) = self.source[end..].trim_start().strip_prefix(')') else { break };
            end = self.source.len() - rest.len();
        }
        for _ in 0..unopened {
            let Some(rest) = self.source[..start].trim_end().strip_suffix('(') else { break };
            start = rest.len();
        }
        start..end
    }
}

/// The length of the number at the head of `text`, as the parser reads numbers.
fn number_length(text: &str) -> usize {
    let exponent = !text.starts_with("0x") && !text.starts_with("0X");
    let mut before = b' ';
    text.bytes()
        .take_while(|byte| {
            let sign = exponent && matches!(byte, b'+' | b'-') && matches!(before, b'e' | b'E');
            before = *byte;
            sign || *byte == b'.' || byte.is_ascii_alphanumeric()
        })
        .count()
}

/// `root` and everything below it, however deep, without recursion.
fn nodes(root: &IdedExpr) -> impl Iterator<Item = &IdedExpr> {
    let mut ahead = vec![root];
    std::iter::from_fn(move || {
        let node = ahead.pop()?;
        match &node.expr {
            Expr::Call(call) => ahead.extend(call.target.as_deref().into_iter().chain(&call.args)),
            Expr::Select(select) => ahead.push(&select.operand),
            Expr::List(list) => ahead.extend(&list.elements),
            Expr::Map(map) => ahead.extend(map.entries.iter().flat_map(|entry| entries(&entry.expr))),
            Expr::Struct(made) => ahead.extend(made.entries.iter().flat_map(|entry| entries(&entry.expr))),
            Expr::Comprehension(made) => ahead.extend([
                &made.iter_range,
                &made.accu_init,
                &made.loop_cond,
                &made.loop_step,
                &made.result,
            ]),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
        Some(node)
    })
}

fn entries(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The double that a literal is, if it is a number.
pub(super) fn number(literal: &LiteralValue) -> Option<f64> {
    match literal {
        LiteralValue::Int(number) => Some(*number.inner() as f64),
        LiteralValue::UInt(number) => Some(*number.inner() as f64),
        LiteralValue::Double(number) => Some(*number.inner()),
        LiteralValue::Boolean(_) | LiteralValue::Bytes(_) | LiteralValue::Null | LiteralValue::String(_) => {
            None
        }
    }
}
