//! Asking: from a name, a namespace and a selector to a reading.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::gather::{Gathered, Read};
use super::generation::Binding;
use super::guarding::Whose;
use crate::core::autoscaler::Autoscaler;
use crate::core::budget::{Asked, Ledger};
use crate::core::evaluate::{Facts, Question, Whom, compose, compose_each};
use crate::core::guard::GuardStep;
use crate::core::justify::Asker;
use crate::core::population;
use crate::core::reading::{Derivation, Reading};
use crate::core::refusal::Refusal;
use crate::core::selector::Selector;
use crate::core::time::Timestamp;
use crate::core::workload::Inventory;

/// How long a signal that an autoscaler will ask for may take to be read first.
const WARM_WITHIN: Duration = Duration::from_secs(10);

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The metric's name as the HPA writes it.
    pub metric: &'a str,
    /// The request's namespace; empty for all of them.
    pub namespace: &'a str,
    /// The series wanted.
    pub selector: &'a Selector,
    /// Whose series.
    pub whom: Whom<'a>,
    /// How long to wait for a signal that has never been read.
    pub patience: Duration,
}

/// A reading with what it was made from.
#[derive(Debug)]
pub struct Answer {
    /// The reading.
    pub reading: Reading,
    /// Tells how long the answer stays the same.
    pub stamp: Stamp,
}

/// Readings by the names of pods or objects.
#[derive(Debug)]
pub struct Answers {
    /// Sorted by name, at least one.
    pub readings: Vec<(String, Reading)>,
    /// Tells how long the answer stays the same.
    pub stamp: Stamp,
}

/// What an answer was made from: it stays right until any of it changes.
#[derive(Debug)]
pub struct Stamp {
    namespace: Box<str>,
    /// Whether more than the namespace matters.
    everywhere: bool,
    generation: u64,
    slots: Box<[Read]>,
    /// The version of what was known of the cluster.
    inventory: u64,
    expires: Timestamp,
}

/// By what it was made from: that of the same question is the same until any of it changes.
impl Hash for Stamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.generation.hash(state);
        self.inventory.hash(state);
        self.slots.iter().for_each(|read| read.version().hash(state));
    }
}

/// An answer or refusal with every step that led to it.
#[derive(Debug)]
pub struct Explained {
    /// The name's metric, source and slots.
    pub binding: Arc<Binding>,
    /// What an HPA would get.
    pub outcome: Result<Reading, Refusal>,
    /// How it came about.
    pub derivation: Derivation,
    /// The autoscalers that name the metric.
    pub autoscalers: Vec<Arc<Autoscaler>>,
    /// When, by our clock.
    pub now: Timestamp,
}

/// What a question is answered with beside the numbers.
struct Context<'a> {
    question: Question<'a>,
    now: Timestamp,
    /// The version of what is known of the cluster.
    inventory: u64,
    /// Whether the whole cluster matters, and not only the question's namespace.
    everywhere: bool,
    facts: Facts,
    /// The autoscalers that ask just this, where it matters who does.
    askers: Vec<Asker>,
    /// The autoscalers of the namespace that name the metric, where it matters who does.
    autoscalers: Vec<Arc<Autoscaler>>,
    /// The budgets, where one may hold the answer.
    ledger: Option<Arc<Ledger>>,
    /// Whether the answer stays the same while numbers and pods do.
    is_lasting: bool,
}

/// Whether only budgets read it: then its name has a space, which no configured one can have.
fn is_internal(metric: &str) -> bool {
    metric.contains(' ')
}

impl Context<'_> {
    /// The question as budgets see it.
    fn held<'a>(&'a self, ask: Ask<'a>) -> Asked<'a> {
        let Self { askers, autoscalers, .. } = self;
        Asked { metric: ask.metric, namespace: ask.namespace, askers, autoscalers }
    }
}

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no metric of this name.
    #[error("no such metric")]
    Unknown,
    /// No source is configured to read it from.
    #[error("{0}: no source is configured; start with --prometheus-url or --config")]
    NoSource(String),
    /// The value is not known.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Engine {
    /// Answers from memory; waits only for a signal that nobody asked for before.
    ///
    /// # Errors
    /// [`AskError`], in a person's words.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, AskError> {
        if is_internal(ask.metric) {
            return Err(AskError::Unknown);
        }
        self.ask_any(ask).await
    }

    /// The same, also of metrics that nobody else may ask for.
    pub(super) async fn ask_any(&self, ask: Ask<'_>) -> Result<Answer, AskError> {
        // Read before the binding is made: of a reload in between, the answer counts as outdated.
        let generation = self.generation.load().number();
        let (binding, gathered) = self.gather(ask).await?;
        let context = self.context(ask, &binding);
        let known = gathered.known(&binding);
        let evaluated = compose(&known, context.question, &context.facts, context.now, None);
        drop(known);
        let reading = self.guarded(ask, &binding, &context, evaluated, None)?;
        let stamp = Self::stamp(ask, generation, gathered, &context, reading.expires);
        Ok(Answer { reading, stamp })
    }

    /// Answers for each pod or object by itself: those that `key` names.
    ///
    /// # Errors
    /// [`AskError`] where nothing is known of any of them.
    pub async fn ask_each(&self, ask: Ask<'_>, key: &str) -> Result<Answers, AskError> {
        if is_internal(ask.metric) {
            return Err(AskError::Unknown);
        }
        let generation = self.generation.load().number();
        let (binding, gathered) = self.gather(ask).await?;
        let context = self.context(ask, &binding);
        let known = gathered.known(&binding);
        let each = compose_each(&known, context.question, &context.facts, key, context.now)?;
        drop(known);
        let mut readings = Vec::with_capacity(each.len());
        let mut refused = None;
        for (name, outcome) in each {
            match outcome {
                Ok(reading) => readings.push((name, reading.as_told())),
                // What has no number of its own is left out; the HPA counts it the cautious way.
                Err(refusal) => refused = Some(refusal),
            }
        }
        let Some(expires) = readings.iter().map(|(_, reading)| reading.expires).min() else {
            let metric = ask.metric.to_owned();
            let nothing = || Refusal::NoSeries { metric, reason: String::new(), certain: false };
            return Err(refused.unwrap_or_else(nothing).into());
        };
        // A number that is missing now may be there before the others change.
        let expires = if refused.is_some() { context.now } else { expires };
        binding.metric.guards.apply_to_each(&mut readings);
        if let Some(ledger) = &context.ledger {
            readings = ledger.apply_each(context.held(ask), readings)?;
        }
        let stamp = Self::stamp(ask, generation, gathered, &context, expires);
        Ok(Answers { readings, stamp })
    }

    /// Reads what `metric` needs for `namespace` before anyone asks; returns without waiting for it.
    pub fn warm(self: &Arc<Self>, namespace: &str, metric: &str) {
        let engine = Arc::clone(self);
        let (namespace, metric) = (namespace.to_owned(), metric.to_owned());
        tokio::spawn(async move {
            let selector = Selector::everything();
            let ask = Ask {
                metric: &metric,
                namespace: &namespace,
                selector: &selector,
                whom: Whom::All,
                patience: WARM_WITHIN,
            };
            // Whoever asks for it is told what is wrong.
            let _ = engine.gather(ask).await;
        });
    }

    /// The autoscalers that name this metric.
    pub fn autoscalers(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>> {
        self.inventory.as_ref().map(|known| known.autoscalers(namespace, metric)).unwrap_or_default()
    }

    /// What a question is answered with beside the numbers.
    fn context<'a>(&'a self, ask: Ask<'a>, binding: &Binding) -> Context<'a> {
        let Ask { namespace, selector, whom, .. } = ask;
        let question = Question { namespace, selector, whom, pods: self.inventory.as_deref() };
        let everywhere = namespace.is_empty() || binding.reads_everywhere;
        let place = (!everywhere).then_some(namespace);
        // Before anything is looked up there: a change in between makes the answer outdated.
        let inventory = self.inventory.as_ref().map_or(0, |known| known.version(place));
        let now = self.clock.now();
        let needs_facts = binding.needs_facts;
        let is_guarded = !binding.metric.guards.is_empty();
        let ledger = Some(self.ledger()).filter(|ledger| ledger.may_concern(ask.metric, namespace));
        let is_lasting = !needs_facts && !is_guarded && ledger.is_none();
        let autoscalers = if is_lasting { Vec::new() } else { self.autoscalers(namespace, ask.metric) };
        let asking = population::asking(&autoscalers, ask.metric, &question);
        let facts = if needs_facts { population::facts(&asking, &question, now) } else { Facts::default() };
        let matters_who = is_guarded || ledger.is_some();
        let askers = if matters_who { population::askers(&asking, &question) } else { Vec::new() };
        Context { question, now, inventory, everywhere, facts, askers, autoscalers, ledger, is_lasting }
    }

    /// What is left of an evaluated value once the metric's guards have seen it.
    fn guarded(
        &self,
        ask: Ask<'_>,
        binding: &Binding,
        context: &Context<'_>,
        evaluated: Result<Reading, Refusal>,
        mut told: Option<&mut Vec<GuardStep>>,
    ) -> Result<Reading, Refusal> {
        let is_guarded = !binding.metric.guards.is_empty();
        let evaluated =
            if is_guarded || context.ledger.is_some() { evaluated.map(Reading::as_told) } else { evaluated };
        let guarded = if is_guarded {
            let whose = Whose { metric: &binding.metric, ask, askers: &context.askers };
            self.memories.apply(whose, evaluated, context.now, told.as_deref_mut(), &self.telemetry)
        } else {
            evaluated
        };
        match &context.ledger {
            Some(ledger) => ledger.apply(context.held(ask), guarded, told),
            None => guarded,
        }
    }

    fn stamp(
        ask: Ask<'_>,
        generation: u64,
        gathered: Gathered,
        context: &Context<'_>,
        expires: Timestamp,
    ) -> Stamp {
        Stamp {
            namespace: ask.namespace.into(),
            everywhere: context.everywhere,
            generation,
            slots: gathered.reads(),
            inventory: context.inventory,
            expires: if context.is_lasting { expires } else { context.now },
        }
    }

    /// The same with every step, for people.
    ///
    /// # Errors
    /// Only when there is no such metric or no source for it; a refusal is part of the explanation.
    pub async fn explain(&self, ask: Ask<'_>) -> Result<Explained, AskError> {
        if is_internal(ask.metric) {
            return Err(AskError::Unknown);
        }
        let (binding, gathered) = self.gather(ask).await?;
        let context = self.context(ask, &binding);
        let now = context.now;
        let mut derivation = Derivation::default();
        let known = gathered.known(&binding);
        let evaluated = compose(&known, context.question, &context.facts, now, Some(&mut derivation));
        drop(known);
        let mut steps = Vec::new();
        let outcome = self.guarded(ask, &binding, &context, evaluated, Some(&mut steps));
        derivation.guards = steps;
        let autoscalers = self.autoscalers(ask.namespace, ask.metric);
        Ok(Explained { binding, outcome, derivation, autoscalers, now })
    }

    /// Whether an answer with this stamp may be given again at all.
    pub fn lasts(&self, stamp: &Stamp) -> bool {
        self.clock.now() < stamp.expires
    }

    /// Whether an answer with this stamp is still what would be answered now. Counts as a question.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        let now = self.clock.now();
        if now >= stamp.expires || self.generation.load().number() != stamp.generation {
            return false;
        }
        // A slot that was given up meanwhile has another version: the long way starts it again.
        let is_known = |known: &Arc<dyn Inventory>| {
            known.version((!stamp.everywhere).then_some(&*stamp.namespace)) == stamp.inventory
        };
        let is_current =
            stamp.slots.iter().all(Read::is_current) && self.inventory.as_ref().is_none_or(is_known);
        if is_current {
            stamp.slots.iter().for_each(|read| read.touch(&stamp.namespace, now));
        }
        is_current
    }
}
