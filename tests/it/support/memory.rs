//! What a process takes of the machine's memory.

use std::path::PathBuf;

/// MiB of the process `pid` that are resident now.
pub(crate) fn resident(pid: u32) -> f64 {
    status(pid, "VmRSS:")
}

/// The most that ever were, or since [`forget_peak`].
pub(crate) fn peak(pid: u32) -> f64 {
    status(pid, "VmHWM:")
}

/// Begins to look for the peak anew.
pub(crate) fn forget_peak(pid: u32) {
    std::fs::write(of(pid, "clear_refs"), "5").expect("one's own child can be told to forget");
}

fn of(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn status(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(of(pid, "status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("KiB");
    kib / 1024.0
}
