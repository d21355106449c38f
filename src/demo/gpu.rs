//! What a replica's GPU and CPU look like from outside, worked out from what the replica has done.

use super::counters::Work;

/// Of the board: an A100 with 40 GB, as its data sheet has it.
const TFLOPS: f64 = 312.0;
const BYTES_PER_SECOND: f64 = 1.555e12;
const WATTS: (f64, f64) = (55.0, 400.0);
const MEMORY_MIB: u32 = 40_960;
const RESERVED_MIB: u32 = 622;
/// Of the model: two operations a parameter and token, two bytes a parameter and step.
const PARAMETERS: f64 = 8.03e9;

/// Gauges of the last sampling interval, and the energy counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gpu {
    /// Share of the time in which a step ran, 0 to 1. Near 1 with a single request.
    pub busy: f64,
    /// Share of the tensor cores' peak, 0 to 1: prefill drives it.
    pub tensor: f64,
    /// Share of the memory bandwidth, 0 to 1: each step reads all weights once.
    pub dram: f64,
    /// Watts.
    pub power: f64,
    /// Memory in use, MiB. The engine reserves it when it starts, so it never falls.
    pub memory_used: u32,
    /// Memory free, MiB.
    pub memory_free: u32,
    /// Memory that the driver keeps, MiB.
    pub memory_reserved: u32,
    /// Millijoules since the board began.
    pub energy: f64,
    /// Percent of the pod's CPU request. Inference leaves the CPU almost idle: reports of vLLM pods
    /// at full load speak of 5 to 15 %.
    pub cpu: f64,
    at: f64,
    seen: Work,
}

impl Gpu {
    /// An idle board at `now`, seconds since midnight, the model's memory taken.
    pub fn new(now: f64) -> Self {
        let memory_used = MEMORY_MIB / 100 * 92;
        Self {
            busy: 0.0,
            tensor: 0.0,
            dram: 0.0,
            power: WATTS.0,
            memory_used,
            memory_free: MEMORY_MIB - RESERVED_MIB - memory_used,
            memory_reserved: RESERVED_MIB,
            energy: 0.0,
            cpu: CPU_IDLE,
            at: now,
            seen: Work::default(),
        }
    }

    /// Sets the gauges to what was done since they were last set, which as with DCGM is at most once a
    /// second.
    pub fn sample(&mut self, now: f64, work: &Work) {
        let seconds = now - self.at;
        if seconds < 1.0 {
            return;
        }
        let steps = (work.steps - self.seen.steps) as f64;
        let tokens = (work.tokens - self.seen.tokens) as f64;
        // A step is counted when it ends, so a short interval may show more than its own time.
        self.busy = ((work.busy - self.seen.busy) / seconds).min(1.0);
        self.tensor = (2.0 * PARAMETERS * tokens / (TFLOPS * 1e12 * seconds)).min(1.0);
        self.dram = (2.0 * PARAMETERS * steps / (BYTES_PER_SECOND * seconds)).min(1.0);
        let effort = (0.2 * self.busy + 0.35 * self.dram + 1.2 * self.tensor).min(1.0);
        self.power = WATTS.0 + (WATTS.1 - WATTS.0) * effort;
        self.energy += self.power * seconds * 1000.0;
        self.cpu = CPU_IDLE + CPU_BUSY * self.busy;
        self.at = now;
        self.seen = *work;
    }

    /// Degrees Celsius of the chip.
    pub fn temperature(&self) -> f64 {
        28.0 + 40.0 * self.power / WATTS.1
    }
}

/// Percent of the CPU request while nothing runs, and what one busy scheduler loop of eight requested
/// cores adds.
const CPU_IDLE: f64 = 2.0;
const CPU_BUSY: f64 = 10.0;
/// Percent of the CPU request while a replica loads its model and compiles its graphs: one core of eight.
pub const CPU_LOADING: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sequence_keeps_the_gpu_busy_and_the_memory_bus_at_three_quarters() {
        let mut gpu = Gpu::new(0.0);
        let mut work = Work::default();
        work.add(0.0133, 1_000, 1_000);
        gpu.sample(13.3, &work);
        assert!((gpu.busy - 1.0).abs() < 1e-9);
        assert!((gpu.dram - 0.776).abs() < 0.001, "{}", gpu.dram);
        assert!(gpu.tensor < 0.01);
        assert!(gpu.cpu < 15.0);
        assert!((150.0..300.0).contains(&gpu.power), "{}", gpu.power);
        assert!((gpu.energy - gpu.power * 13_300.0).abs() < 1e-6);
        gpu.sample(26.6, &work);
        assert_eq!((gpu.busy, gpu.dram, gpu.power), (0.0, 0.0, WATTS.0));
    }

    #[test]
    fn memory_adds_up_to_the_board() {
        let gpu = Gpu::new(0.0);
        assert_eq!(gpu.memory_used + gpu.memory_free + gpu.memory_reserved, MEMORY_MIB);
    }
}
