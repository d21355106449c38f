//! Why a page cannot be read.

use super::{MAX_LABELS, MAX_LINE};

/// Why a page cannot be read, and where. Says nothing of what is written there, which may be
/// anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The line does not begin with a name that labels or a value follow, or it has two.
    #[error("no single metric name")]
    Name,
    /// The braces hold something other than labels, or do not close.
    #[error("labels are not as name=\"value\"")]
    Labels,
    /// A label is named twice or `__name__`.
    #[error("a label is named twice")]
    LabelTwice,
    /// More than [`MAX_LABELS`].
    #[error("more than {MAX_LABELS} labels")]
    TooManyLabels,
    /// No number where the value is expected.
    #[error("the value is not a number")]
    Value,
    /// What follows the value is not a time in milliseconds, or seconds in OpenMetrics.
    #[error("the time is not a number of the format's unit")]
    Time,
    /// Something follows the time.
    #[error("more than a value and a time")]
    Surplus,
    /// The line is not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Longer than [`MAX_LINE`].
    #[error("longer than {} KiB", MAX_LINE >> 10)]
    TooLong,
    /// An OpenMetrics page without its last line, as when it was cut short.
    #[error("the page ends without # EOF")]
    NoEndMark,
    /// The last line of an OpenMetrics page is not the last.
    #[error("something follows # EOF")]
    AfterEndMark,
}
