//! Refusals: every way not to know a number, in the sentence that a person reads in the HPA's
//! condition.

use std::time::Duration;

use super::quantity::QuantityError;
use super::time::Human;

/// Why there is no reading. The display is what `kubectl describe hpa` shows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nothing has been read yet and nothing went wrong yet.
    #[error("{metric}: waiting for the first reading of {signal} from source {source_name}")]
    Loading {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The source of the signal.
        source_name: String,
    },
    /// The source has never answered.
    #[error("{metric}: source {source_name} has not answered for {signal}: {cause}")]
    SourceDown {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The source of the signal.
        source_name: String,
        /// What the source did.
        cause: String,
    },
    /// The last sample is older than may be served.
    #[error("{metric}: last sample of {signal} is {} old (limit {}); source {source_name}{}", Human(*.age), Human(*.limit), because(.cause.as_ref()))]
    Stale {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The source of the signal.
        source_name: String,
        /// The age of the oldest sample among those selected.
        age: Duration,
        /// The age up to which a sample is served.
        limit: Duration,
        /// What keeps the source from answering, if anything does.
        cause: Option<String>,
    },
    /// After an outage or a restart, the source does not know enough yet.
    #[error("{metric}: {}since source {source_name} was first asked, restarted or came back; next value in {}", not_yet(signal, *.window), Human(*.remaining))]
    Recovering {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The source of the signal.
        source_name: String,
        /// The window to be covered; `None` for a signal that has none.
        window: Option<Duration>,
        /// How long until it is.
        remaining: Duration,
    },
    /// A target that may have such series has never told any.
    #[error(
        "{metric}: target {target} of source {source_name} gives no metrics, so {signal} is not known: {cause}"
    )]
    Silent {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The source of the signal.
        source_name: String,
        /// The target's address.
        target: String,
        /// What it did.
        cause: String,
    },
    /// The source is well and has no such series.
    #[error("{metric}: no series: {reason}")]
    NoSeries {
        /// The metric asked for.
        metric: String,
        /// What was looked for and what was found instead.
        reason: String,
        /// Whether the source is known to be well, so that there is none, and not only none seen.
        certain: bool,
    },
    /// What belongs to the metric cannot be told: the cluster's pods are not known, or what is asked for was scraped
    /// in two ways.
    #[error("{metric}: {reason}")]
    Unlisted {
        /// The metric asked for.
        metric: String,
        /// What is not known of them.
        reason: String,
    },
    /// Something selected lacks one of the numbers that the metric needs.
    #[error("{metric}: {element} has no {missing}")]
    Incomplete {
        /// The metric asked for.
        metric: String,
        /// The pod or device.
        element: String,
        /// The series that it lacks.
        missing: String,
    },
    /// A ratio or a distribution of nothing.
    #[error("{metric}: undefined, since {signal} saw no observations{}", in_window(*.window))]
    Idle {
        /// The metric asked for.
        metric: String,
        /// The signal behind it.
        signal: String,
        /// The window without observations.
        window: Option<Duration>,
    },
    /// A part of a composite is not known.
    #[error("{metric}: {part}: {cause}")]
    Part {
        /// The metric asked for.
        metric: String,
        /// What its expression calls the part.
        part: String,
        /// Why.
        cause: Box<Refusal>,
    },
    /// A budget holds back what the value would justify, and no value says so to everyone who asks.
    #[error("{metric}: budget {budget}: {reason}")]
    Budget {
        /// The metric asked for.
        metric: String,
        /// The budget's name.
        budget: String,
        /// Why there is no value that it allows.
        reason: String,
    },
    /// The value cannot be told to an HPA.
    #[error("{metric}: {cause}")]
    Unservable {
        /// The metric asked for.
        metric: String,
        /// Not finite, negative or too large.
        cause: QuantityError,
    },
    /// There is a fallback, and it has no value either.
    #[error("{refusal}; no fallback: {why}")]
    Unreplaced {
        /// Why the value is not known.
        refusal: Box<Refusal>,
        /// Why nothing stands in its place.
        why: String,
    },
}

impl Refusal {
    /// Whether there is nothing to be known: the source is well and has nothing, or nothing happened.
    /// Everything else is a failure to know.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::NoSeries { certain, .. } => *certain,
            Self::Idle { .. } => true,
            Self::Part { cause, .. } => cause.is_absence(),
            _ => false,
        }
    }

    /// A short word for our own metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Loading { .. } => "loading",
            Self::SourceDown { .. } => "source_down",
            // The source is well and what it has is old, or it does not answer any more: two things to look at.
            Self::Stale { cause: None, .. } => "stale",
            Self::Stale { .. } => "unanswered",
            Self::Recovering { .. } => "recovering",
            Self::Silent { .. } => "silent",
            Self::NoSeries { .. } => "no_series",
            Self::Unlisted { .. } => "unlisted",
            Self::Incomplete { .. } => "incomplete",
            Self::Idle { .. } => "idle",
            Self::Part { cause, .. } => cause.reason(),
            Self::Budget { .. } => "budget",
            Self::Unservable { .. } => "unservable",
            Self::Unreplaced { refusal, .. } => refusal.reason(),
        }
    }
}

fn because(cause: Option<&String>) -> String {
    cause.map_or_else(|| " answers".to_owned(), |cause| format!(": {cause}"))
}

fn in_window(window: Option<Duration>) -> String {
    window.map(|window| format!(" in the last {}", Human(window))).unwrap_or_default()
}

fn not_yet(signal: &str, window: Option<Duration>) -> String {
    match window {
        Some(window) => format!("the {} window of {signal} is not covered yet ", Human(window)),
        None => format!("not every series of {signal} is back yet "),
    }
}
