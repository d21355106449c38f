//! What is worth knowing the cost of: each case does one thing, whose time `benches/core.rs` takes and whose
//! instructions `benches/instructions.rs` has counted.

use std::sync::Arc;

use inferometer::core::series::{Builder, Column, Labels};
use inferometer::core::time::Timestamp;

mod pure;
mod request;
mod source;

/// One thing to measure.
#[allow(dead_code, reason = "each crate that includes this file uses a part of it")]
pub(crate) struct Case {
    /// Short, and unlike all others; a file of counts is kept by it.
    pub(crate) name: &'static str,
    /// How often it is done where its instructions are counted.
    pub(crate) times: u32,
    /// Makes ready, which may take longer than the case itself.
    pub(crate) make: fn() -> Run,
}

/// Does it once.
pub(crate) type Run = Box<dyn FnMut()>;

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    pure::CASES.iter().chain(&source::CASES).chain(&request::CASES)
}

fn run<T>(mut once: impl FnMut() -> T + 'static) -> Run {
    Box::new(move || drop(std::hint::black_box(once())))
}

/// When numbers are sampled that do not age.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The labels that vLLM's series of a pod have.
fn labels(namespace: usize, pod: usize) -> [(&'static str, String); 7] {
    [
        ("namespace", format!("ai-{namespace}")),
        ("pod", format!("vllm-{pod}")),
        ("container", "vllm".to_owned()),
        ("instance", format!("10.0.{namespace}.{pod}:8000")),
        ("job", "vllm".to_owned()),
        ("model_name", "meta-llama/Llama-3.1-8B-Instruct".to_owned()),
        ("engine", "0".to_owned()),
    ]
}

/// A signal with one series for each pod, sampled at this time.
fn samples(namespaces: usize, pods: usize, at: Timestamp) -> Builder {
    let mut builder = Builder::default();
    for namespace in 0..namespaces {
        for pod in 0..pods {
            let pairs = labels(namespace, pod).map(|(name, value)| (Arc::from(name), Arc::from(value)));
            let labels = Labels::new(pairs.to_vec());
            builder.time(labels.clone(), at);
            builder.number(labels, Column::Term(0), (namespace + pod) as f64);
        }
    }
    builder
}
