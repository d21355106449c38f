//! Metrics that refer to others of the same file, in whatever order they stand there.

use std::cell::RefCell;

use super::composite::{MOST_DEEP, too_deep};
use super::metric::{self, Context, Fields};
use crate::config::decode::string;
use crate::config::source::quoted;
use crate::config::{Diagnostics, Node, Spanned, did_you_mean};
use crate::core::metric::Metric;

/// What was made of a metric: its name, which serves to find duplicates even if the rest is wrong, and the
/// metric if nothing is.
pub(super) type Made = Option<(Option<Spanned<String>>, Option<Metric>)>;

/// The metrics of a file, each decoded once: when it is first referred to, or else at its turn.
pub(super) struct Others<'n> {
    nodes: &'n [Node],
    states: RefCell<Vec<State>>,
}

#[derive(Clone)]
enum State {
    Untouched,
    /// Being decoded: whoever needs it now goes round in a circle.
    Busy,
    Made(Box<Made>),
}

impl<'n> Others<'n> {
    pub(super) fn new(nodes: &'n [Node]) -> Self {
        Self { nodes, states: RefCell::new(vec![State::Untouched; nodes.len()]) }
    }

    /// What is made of every metric, in the order of the file.
    pub(super) fn all(&self, diags: &mut Diagnostics, context: &Context<'_>) -> Vec<Made> {
        (0..self.nodes.len()).map(|index| self.make(diags, index, context).flatten()).collect()
    }

    /// `None` if it is being made already.
    fn make(&self, diags: &mut Diagnostics, index: usize, context: &Context<'_>) -> Option<Made> {
        match &self.states.borrow()[index] {
            State::Untouched => {}
            State::Busy => return None,
            State::Made(made) => return Some(made.as_ref().clone()),
        }
        self.states.borrow_mut()[index] = State::Busy;
        let made = metric::metric(diags, &self.nodes[index], context);
        self.states.borrow_mut()[index] = State::Made(Box::new(made.clone()));
        Some(made)
    }

    /// Whether so many are being made that another would be one too many.
    fn is_deep(&self) -> bool {
        let busy = |state: &&State| matches!(state, State::Busy);
        self.states.borrow().iter().filter(busy).count() > MOST_DEEP
    }

    fn names(&self) -> impl Iterator<Item = Option<&'n str>> {
        self.nodes.iter().map(|node| node.field("name").and_then(Node::text))
    }
}

/// The metric that `node` names, as it is.
pub(super) fn metric(
    diags: &mut Diagnostics,
    fields: &Fields<'_>,
    node: &Node,
    context: &Context<'_>,
) -> Option<Metric> {
    for (field, span) in fields.stated() {
        diags
            .error_at(&span, format!("`{field}` cannot be said of another metric, which is taken as it is"))
            .hint("say it where that metric is defined");
    }
    let name = string(diags, node)?;
    let others = context.others;
    let Some(index) = others.names().position(|other| other == Some(&name)) else {
        let problem = diags
            .error_at(&node.span, format!("no metric of this configuration is called {}", quoted(&name)));
        if context.catalog.resolve(&name).is_some() {
            problem.hint(format!("it is a built-in one: write `preset: {name}`"));
        } else if let Some(near) = did_you_mean(&name, others.names().flatten()) {
            problem.hint(format!("did you mean `{near}`?"));
        }
        return None;
    };
    if others.is_deep() {
        diags.error_at(&node.span, too_deep()).hint("let it refer to what is further down");
        return None;
    }
    let Some(made) = others.make(diags, index, context) else {
        diags
            .error_at(&node.span, format!("`{name}` is made of itself"))
            .hint("it refers to this one, directly or through others");
        return None;
    };
    made?.1
}
