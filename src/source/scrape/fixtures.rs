//! For tests: what is wanted, and pages as text.

use std::sync::Arc;

use super::exposition::Format;
use super::history::History;
use super::layout::Layouts;
use super::page::{Page, Unfit};
use super::wanted::{Wanted, Wants};
use crate::core::fixtures::{at, series_signal};
use crate::core::signal::{Element, Kind, Signal};
use crate::core::time::Timestamp;

/// The gauge `g` of each pod.
pub(super) fn gauge() -> Signal {
    series_signal(Kind::Gauge, &["g"], None, Element::Pod)
}

/// The counter `c` of each pod, over so many seconds.
pub(super) fn counter(window: u64) -> Signal {
    series_signal(Kind::Counter, &["c"], Some(window), Element::Pod)
}

/// What is wanted when these are asked for.
pub(super) fn wanted<'a>(signals: impl IntoIterator<Item = &'a Signal>) -> Arc<Wanted> {
    let wants = Wants::default();
    for signal in signals {
        wants.ask(&Arc::new(signal.clone()), Timestamp::default());
    }
    wants.wanted()
}

/// The pages of one target.
pub(super) struct Pages {
    pub(super) history: History,
    pub(super) layouts: Arc<Layouts>,
    pub(super) wanted: Arc<Wanted>,
}

impl Pages {
    /// None yet; of those to come, what `signals` are made of.
    pub(super) fn of<'a>(signals: impl IntoIterator<Item = &'a Signal>) -> Self {
        Self { history: History::default(), layouts: Arc::default(), wanted: wanted(signals) }
    }

    /// Reads one more page, unless it is unfit or has more than `most` series.
    pub(super) fn try_take(&mut self, seconds: f64, text: &str, most: usize) -> Result<(), Unfit> {
        self.try_take_between((seconds, seconds), text, most)
    }

    /// The same of a page that was asked for and received at these seconds.
    pub(super) fn try_take_between(
        &mut self,
        (asked, received): (f64, f64),
        text: &str,
        most: usize,
    ) -> Result<(), Unfit> {
        let (layout, layouts) = (self.history.layout(), &*self.layouts);
        let page = (text.as_bytes(), Format::Text);
        let read = Page::read(page, (at(asked), at(received)), &self.wanted, (layout, layouts), most)?;
        self.history.add(read, &self.wanted, &self.layouts);
        Ok(())
    }

    /// Reads one more page.
    pub(super) fn take(&mut self, seconds: f64, text: &str) {
        // No page is empty.
        self.try_take(seconds, &format!("{text}unwanted 1\n"), usize::MAX).expect("a page");
    }

    /// Where the series with this name and these labels stands; it must be known.
    pub(super) fn place(&self, name: &str, labels: &str) -> usize {
        let labels = crate::core::fixtures::labels(labels);
        let mut series = self.history.layout().series();
        series.position(|one| &*one.name == name && one.labels == labels).expect("a known series")
    }
}
