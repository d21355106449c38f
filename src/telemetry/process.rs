//! What the process itself takes: memory, processor time, open files. Read when scraped, from where Linux tells
//! it; elsewhere nothing is shown.
//!
//! The names are those that every exporter has, so without our prefix: `process_cpu_seconds_total` and so on.
//! The limit of memory is no part of that convention and bears our name.

use std::fmt;
use std::fs::{read_dir, read_to_string};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType::{self, Gauge};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Ticks a second in what the kernel tells of processes: the same on every machine that Rust has Linux for.
const TICKS: f64 = 100.0;

/// Where a control group's limit of memory is: of the second version, and of the first.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// From here on a limit is the first version's word for none.
const NO_LIMIT: f64 = (1_u64 << 60) as f64;

/// A registry of it, to be encoded beside our own.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process));
    registry
}

#[derive(Debug)]
struct Process;

/// The fields of `/proc/self/stat` behind the name, which may hold spaces and parentheses: the third is first.
struct Stat(Vec<String>);

impl Stat {
    fn read() -> Option<Self> {
        let text = read_to_string("/proc/self/stat").ok()?;
        let (_, fields) = text.rsplit_once(") ")?;
        Some(Self(fields.split_whitespace().map(str::to_owned).collect()))
    }

    /// A field in ticks, by the number that the kernel's documentation gives it, in seconds.
    fn seconds(&self, number: usize) -> Option<f64> {
        Some(self.0.get(number - 3)?.parse::<f64>().ok()? / TICKS)
    }
}

/// The number behind a word at the start of a line.
fn number_after(path: &str, word: &str) -> Option<f64> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

fn resident_bytes() -> Option<f64> {
    Some(number_after("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn started(stat: Option<&Stat>) -> Option<f64> {
    Some(number_after("/proc/stat", "btime ")? + stat?.seconds(22)?)
}

fn processor_seconds(stat: Option<&Stat>) -> Option<f64> {
    Some(stat?.seconds(14)? + stat?.seconds(15)?)
}

fn open_files() -> Option<f64> {
    // One of them is the listing itself.
    Some(read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn memory_limit() -> Option<f64> {
    let limit = |path: &&str| read_to_string(path).ok()?.trim().parse::<f64>().ok();
    LIMITS.iter().find_map(limit).filter(|limit| *limit < NO_LIMIT)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stat = Stat::read();
        let gauges = [
            ("process_resident_memory_bytes", "Memory that the process has, in bytes", resident_bytes()),
            ("process_start_time_seconds", "When the process began, in Unix time", started(stat.as_ref())),
            ("process_open_fds", "Open files and connections", open_files()),
            (
                "process_max_fds",
                "How many files and connections may be open",
                number_after("/proc/self/limits", "Max open files"),
            ),
            (
                "inferometer_memory_limit_bytes",
                "Memory that the container may have; absent without a limit",
                memory_limit(),
            ),
        ];
        for (name, help, value) in gauges {
            // What is not known is named all the same.
            let gauge = encoder.encode_descriptor(name, help, None, Gauge)?;
            if let Some(value) = value {
                ConstGauge::new(value).encode(gauge)?;
            }
        }
        if let Some(seconds) = processor_seconds(stat.as_ref()) {
            let help = "Processor time that the process has taken";
            let counter =
                encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(counter)?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_tells_what_it_takes() {
        let mut text = String::new();
        prometheus_client::encoding::text::encode_registry(&mut text, &registry()).unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name}\n{text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 500_000.0);
        assert!(value("process_open_fds") >= 3.0, "the standard ones");
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_cpu_seconds_total") >= 0.0);
        let file = std::fs::metadata("/proc/self/stat").unwrap().modified().unwrap();
        let now = file.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "it began {age} s ago");
    }
}
