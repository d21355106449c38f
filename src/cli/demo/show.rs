//! The demo on the terminal: a block that is drawn over, or a line now and then.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use tokio::time::Instant;

use super::stage::Stage;
use super::{Play, is_terminal};
use crate::cli::{colour, print};
use crate::demo::screen::{Row, State, line, lines};
use crate::demo::simulation::{Point, Simulation};

/// Where lines cannot be drawn over, one comes this often.
const LINE_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// What is shown, and how.
pub(super) struct Show {
    stage: Arc<Stage>,
    day_seconds: f64,
    speed: f64,
    target: f64,
    is_terminal: bool,
    /// Lines that the latest drawing took.
    drawn: usize,
    last_line: Option<Instant>,
}

impl Show {
    pub(super) fn new(play: &Play, stage: &Arc<Stage>) -> Self {
        Self {
            stage: Arc::clone(stage),
            day_seconds: play.trace.day.seconds,
            speed: play.speed,
            target: play.setup.engine.target,
            is_terminal: is_terminal(),
            drawn: 0,
            last_line: None,
        }
    }

    /// Draws the moment.
    pub(super) fn draw(&mut self) {
        let (state, latest) = self.state();
        if !self.is_terminal {
            if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                self.last_line = Some(Instant::now());
                print(&format!("{}\n", line(&state)));
            }
            return;
        }
        let mut lines = lines(&state);
        let latest: String = latest.chars().take(crate::demo::screen::WIDTH - 18).collect();
        lines.push(format!("the live HPA read {latest}"));
        let mut text = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        for line in &lines {
            let _ = writeln!(text, "\x1b[2K{line}");
        }
        self.drawn = lines.len();
        print(&text);
        let _ = std::io::stdout().flush();
    }

    fn state(&self) -> (State, String) {
        let scene = self.stage.scene();
        let live = &scene.fleets[0];
        let fleet = live.fleet();
        let of = |value: fn(&Point) -> f64| live.points().iter().map(value).collect();
        let state = State {
            clock: fleet.clock(),
            day_seconds: self.day_seconds,
            speed: self.speed,
            arrivals: of(|point| point.arrivals),
            waiting: of(|point| point.waiting as f64),
            kv_usage: of(|point| point.kv_usage),
            ttft_p95: of(|point| point.ttft_p95.unwrap_or(0.0)),
            target: self.target,
            ready: fleet.ready(),
            loading: fleet.replicas().saturating_sub(fleet.ready()),
            wanted: fleet.replicas(),
            cost: fleet.cost(),
            rows: scene.fleets.iter().map(row).collect(),
            colour: self.is_terminal && colour(),
        };
        (state, scene.latest.clone())
    }
}

fn row(simulation: &Simulation) -> Row {
    let (fleet, tally) = (simulation.fleet(), simulation.fleet().tally());
    Row {
        name: simulation.policy().name.clone(),
        ready: fleet.ready(),
        wanted: fleet.replicas(),
        waiting: fleet.waiting(),
        within: if tally.arrived == 0 { 1.0 } else { tally.within as f64 / tally.arrived as f64 },
        cost: fleet.cost(),
    }
}
