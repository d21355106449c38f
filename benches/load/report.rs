//! The figures, as tables in Markdown.

use std::fmt::Write as _;
use std::fs;

use serde::Serialize;

use super::lag;
use super::measure::{Latency, PERIOD, Paced, Point, Set, Throughput};

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: String,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) paced: Vec<Paced>,
    pub(crate) set: Option<Set>,
    pub(crate) sizes: Vec<Point>,
    pub(crate) lag: Vec<lag::Way>,
}

impl Report {
    pub(crate) fn new(processors: usize, is_pinned: bool) -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or("unknown processors", |(_, model)| model);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let pinning = if is_pinned {
            "servers on the first, all else on the last"
        } else {
            "shared by servers and all else"
        };
        let machine = format!("{processors} processors ({model}, Linux {}), {pinning}", kernel.trim());
        Self {
            machine,
            throughput: Vec::new(),
            paced: Vec::new(),
            set: None,
            sizes: Vec::new(),
            lag: Vec::new(),
        }
    }

    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        let mut page = format!("{}.\n", self.machine);
        self.throughput_table(&mut page);
        self.paced_table(&mut page);
        if let Some(set) = &self.set {
            set_table(set, &mut page);
        }
        if !self.sizes.is_empty() {
            sizes_table(&self.sizes, &mut page);
        }
        if !self.lag.is_empty() {
            lag::table(&self.lag, &mut page);
        }
        page
    }

    fn throughput_table(&self, page: &mut String) {
        if self.throughput.is_empty() {
            return;
        }
        let of = |one: &Throughput| one.per_core.unwrap_or(one.rate);
        let yardstick = self.throughput.iter().find(|one| one.name.starts_with("nginx")).map(of);
        page.push_str(
            "\n| as fast as they answer | answers/s of a core | of nginx's | answers/s | p50 | p99 | p99.9 |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for one in &self.throughput {
            let Latency { p50, p99, p999, .. } = one.latency;
            let per_core = one.per_core.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
            let ratio = yardstick
                .map_or_else(String::new, |yardstick| format!("{:.0} %", 100.0 * of(one) / yardstick));
            let _ = writeln!(
                page,
                "| {} | {per_core} | {ratio} | {:.0} | {p50} µs | {p99} µs | {p999} µs |",
                one.name, one.rate
            );
        }
    }

    fn paced_table(&self, page: &mut String) {
        if self.paced.is_empty() {
            return;
        }
        page.push_str("\n| at a pace | answers | answers/s | processor, of one core | p50 | p99 | p99.9 | latest request |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for one in &self.paced {
            let Latency { p50, p99, p999, answers } = one.latency;
            let late = one.late * 1e3;
            let share = one.share.map_or_else(|| "unknown".to_owned(), |share| format!("{share:.1} %"));
            let _ = writeln!(
                page,
                "| {} | {answers} | {:.0} | {share} | {p50} µs | {p99} µs | {p999} µs | {late:.1} ms |",
                one.name, one.rate
            );
        }
    }
}

fn set_table(set: &Set, page: &mut String) {
    let _ = write!(
        page,
        "\n| one signal of {} series | |\n| --- | ---: |\n| processor time of a refresh | {:.0} ms |\n| resident memory for 100,000 series | {:.1} MiB |\n| resident memory, and at rest before | {:.1} MiB, {:.1} MiB |\n",
        set.series,
        set.refresh * 1e3,
        (set.memory - set.rest) * 100_000.0 / f64::from(set.series),
        set.memory,
        set.rest
    );
}

fn sizes_table(sizes: &[Point], page: &mut String) {
    page.push_str("\n| HPAs | pods | signals | ready after | answers/s of a core | p50, p99, p99.9 at a question every 15 s | processor at that, of one core | for 1,000 HPAs | queries a minute | resident memory |\n");
    page.push_str("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for point in sizes {
        let Latency { p50, p99, p999, .. } = point.calm;
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.2} s | {:.0} | {p50}, {p99}, {p999} µs | {:.1} % | {:.2} % | {:.0} | {:.1} MiB |",
            point.world.hpas,
            point.world.pods,
            point.world.signals,
            point.ready,
            point.per_core,
            point.share,
            point.asking(),
            point.queries,
            point.memory,
        );
    }
}

impl Point {
    /// What answering 1,000 autoscalers takes of one core, in percent, refreshes left out.
    fn asking(&self) -> f64 {
        100.0 * 1_000.0 / PERIOD / self.per_core
    }
}
