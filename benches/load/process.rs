//! Processes that end with us, and what they cost.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A child that ends with us.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first, so that it ends its own children; and so that it does not linger, as on SIGTERM.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        for _ in 0..50 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts `program` on one processor, if there is `taskset`, and its output goes to a file of `folder`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        folder: &Path,
        on: Option<usize>,
    ) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = match on {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &processor.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Fails with its last words if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let from = log.len().saturating_sub(2000);
            bail!("it has ended ({status}): {}", log.get(from..).unwrap_or(&log));
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

/// Processor time that a process has used so far, in seconds, that of its children included while they live.
pub(crate) fn cpu(process: u32) -> Result<f64> {
    let own = ticks(process)?;
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| ticks(child.parse().ok()?).ok());
    // The unit of these files is the same on every Linux that Rust knows.
    Ok((own + children.sum::<u64>()) as f64 / 100.0)
}

fn ticks(process: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, which comes second, may have spaces.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(&*stat, |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| fields.get(number).and_then(|text| text.parse::<u64>().ok());
    field(11).zip(field(12)).map(|(user, system)| user + system).context("an unusual /proc/PID/stat")
}

/// Resident memory of a process in MiB.
pub(crate) fn memory(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Puts ourselves and what we started of threads on one processor.
pub(crate) fn pin_ourselves(processor: usize) -> bool {
    let own = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-a", "-p", "-c", &processor.to_string(), &own])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
