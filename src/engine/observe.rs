//! What the engine holds, as metrics of our own: read when scraped, so that nothing is counted twice.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Engine, Slot};
use crate::core::freshness::Snapshot;
use crate::core::time::{Human, Timestamp};
use crate::source::Vitals;

/// Encodes an engine's signals and sources.
pub struct Signals(pub Arc<Engine>);

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

type Value = fn(&Snapshot, Timestamp) -> Option<f64>;

/// One gauge for each signal that is being read.
const GAUGES: [(&str, &str, Value); 7] = [
    ("signal_series", "Series held for a signal", |snapshot, _| {
        Some(snapshot.set.as_ref().map_or(0.0, |set| set.all().len() as f64))
    }),
    ("signal_namespaces", "Namespaces that have series of a signal", |snapshot, _| {
        Some(snapshot.set.as_ref().map_or(0.0, |set| set.namespace_count() as f64))
    }),
    ("signal_sample_age_seconds", "Age of the newest sample of a signal", |snapshot, now| {
        Some(now.since(snapshot.set.as_ref()?.newest()?).as_secs_f64())
    }),
    ("signal_oldest_sample_age_seconds", "Age of the oldest sample of a signal", |snapshot, now| {
        Some(now.since(snapshot.set.as_ref()?.oldest()?).as_secs_f64())
    }),
    ("signal_read_age_seconds", "Time since a signal was last read", |snapshot, now| {
        Some(now.since(snapshot.refreshed_at?).as_secs_f64())
    }),
    ("signal_refresh_interval_seconds", "How often a signal is read", |snapshot, _| {
        snapshot.refreshed_at.map(|_| snapshot.interval.as_secs_f64())
    }),
    ("signal_up", "Whether the latest read of a signal succeeded", |snapshot, _| {
        Some(f64::from(u8::from(snapshot.failure.is_none() && snapshot.set.is_some())))
    }),
];

type Vital = fn(&Vitals) -> f64;

/// One gauge for each source that reads targets by itself.
const VITALS: [(&str, &str, Vital); 6] = [
    ("scrape_targets", "Targets that are read directly", |vitals| vitals.targets as f64),
    ("scrape_targets_silent", "Targets that did not answer when they were last asked", |vitals| {
        vitals.silent as f64
    }),
    ("scrape_series", "Series held of targets", |vitals| vitals.series as f64),
    ("scrape_bytes", "Memory that they take, about", |vitals| vitals.bytes as f64),
    ("scrape_duration_seconds", "The longest that a target took for its latest answer", |vitals| {
        vitals.longest.as_secs_f64()
    }),
    ("scrape_delay_seconds", "The most by which a latest scrape began later than it was due", |vitals| {
        vitals.latest.as_secs_f64()
    }),
];

impl Collector for Signals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // A signal read at two paces is one to the operator; a label set may come once only, and
        // must mean the same slot at every scrape.
        let mut slots = self.0.generation().slots();
        slots.retain(|slot| slot.is_refreshing());
        slots.sort_by_cached_key(|slot| (labels(slot), slot.fixed_interval));
        slots.dedup_by_key(|slot| labels(slot));
        let snapshots: Vec<_> = slots.iter().map(|slot| (slot, slot.snapshot())).collect();
        let now = self.0.clock().now();
        for (name, help, value) in GAUGES {
            let mut gauges = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (slot, snapshot) in &snapshots {
                let Some(value) = value(snapshot, now) else { continue };
                ConstGauge::new(value).encode(gauges.encode_family(&labels(slot))?)?;
            }
        }
        let generation = self.0.generation();
        let vitals = generation.sources().iter().filter_map(|source| Some((source.name(), source.vitals()?)));
        let vitals: Vec<_> = vitals.collect();
        for (name, help, value) in VITALS {
            let mut gauges = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (source, vitals) in &vitals {
                ConstGauge::new(value(vitals)).encode(gauges.encode_family(&[("source", *source)])?)?;
            }
        }
        let mut acting = encoder.encode_descriptor(
            "guard_acting",
            "Questions whose answer a guard changes",
            None,
            MetricType::Gauge,
        )?;
        for of in self.0.acting().chunk_by(|one, next| one == next) {
            let labels = [("metric", of[0].0.to_string()), ("guard", of[0].1.clone())];
            ConstGauge::new(of.len() as f64).encode(acting.encode_family(&labels)?)?;
        }
        let total: usize =
            snapshots.iter().filter_map(|(_, known)| Some(known.set.as_ref()?.all().len())).sum();
        let store =
            encoder.encode_descriptor("store_series", "Series held in all", None, MetricType::Gauge)?;
        ConstGauge::new(total as f64).encode(store)
    }
}

fn labels(slot: &Slot) -> [(&'static str, String); 3] {
    let window = slot.signal().window().map(|window| Human(window).to_string()).unwrap_or_default();
    [("source", slot.source_name().to_owned()), ("signal", slot.signal().to_string()), ("window", window)]
}
