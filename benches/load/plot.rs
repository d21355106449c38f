//! Throughput and latency by the size of the cluster, drawn.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use super::measure::Point;
use super::world::World;

const GREY: RGBColor = RGBColor(128, 128, 128);
const BLUE_LINE: RGBColor = RGBColor(0, 130, 200);

/// What is varied, and how much of it a world has.
type Axis = (&'static str, fn(World) -> u32);

/// One chart for each thing that grows while the others stay.
pub(crate) fn draw(file: &Path, sizes: &[Point]) -> Result<()> {
    let Some(usual) = sizes.first().map(|point| point.world) else { return Ok(()) };
    let area = SVGBackend::new(file, (960, 300)).into_drawing_area();
    let panels = area.split_evenly((1, 3));
    let most = sizes.iter().map(|point| point.per_core).fold(1.0, f64::max) * 1.15;
    let axes: [Axis; 3] =
        [("HPAs", |world| world.hpas), ("pods", |world| world.pods), ("signals", |world| world.signals)];
    for (panel, (name, of)) in panels.iter().zip(axes) {
        // All but the one that grows are the usual.
        let is_meant = |world: World| axes.iter().all(|(other, of)| *other == name || of(world) == of(usual));
        let mut points: Vec<(f64, f64)> = sizes
            .iter()
            .filter(|point| is_meant(point.world))
            .map(|point| (f64::from(of(point.world)), point.per_core))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ends = (points.first().map_or(1.0, |at| at.0), points.last().map_or(10.0, |at| at.0));
        let mut chart = ChartBuilder::on(panel)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((ends.0 * 0.7..ends.1 * 1.4).log_scale(), 0.0..most)?;
        let text = ("sans-serif", 13, &GREY).into_text_style(panel);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(GREY)
            .light_line_style(GREY.mix(0.0))
            .bold_line_style(GREY.mix(0.25))
            .y_labels(5)
            .x_desc(name)
            .y_desc(if name == "HPAs" { "answers a second of a core" } else { "" })
            .x_label_formatter(&|at| format!("{at:.0}"))
            .y_label_formatter(&|at| format!("{:.0}k", at / 1000.0))
            .label_style(text)
            .draw()?;
        chart.draw_series(LineSeries::new(points.iter().copied(), BLUE_LINE.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|at| Circle::new(*at, 4, BLUE_LINE.filled())))?;
    }
    area.present()?;
    Ok(())
}
