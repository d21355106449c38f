//! Lines over a day, as SVG. Colours are chosen to be told apart on white and on black; text takes the
//! colour of the page around it.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

/// Drawing into memory failed.
pub type PlotError = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// Width and height of a chart that has the page's width, and of one that shares it with another.
pub const WHOLE: (u32, u32) = (1000, 220);
/// See [`WHOLE`].
pub const HALF: (u32, u32) = (490, 130);
/// After Okabe and Ito, brightened or darkened to the middle; the first is for what is compared with.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x8a, 0x8f, 0x98),
    RGBColor(0xe0, 0x4f, 0x4f),
    RGBColor(0xe6, 0x8a, 0x00),
    RGBColor(0x2f, 0x86, 0xeb),
    RGBColor(0x12, 0xa1, 0x7a),
    RGBColor(0xb0, 0x5c, 0xd6),
    RGBColor(0xa0, 0x7a, 0x3c),
    RGBColor(0xd6, 0x5c, 0x9e),
];
const LINES: RGBColor = RGBColor(0x80, 0x80, 0x80);

/// The colour of series `index`, as CSS writes it.
pub fn css(index: usize) -> String {
    let RGBColor(red, green, blue) = colour(index);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

const fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// How a value's height is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// From zero to this.
    Linear(f64),
    /// In decades between these; what lies below or above is drawn on the edge.
    Log(f64, f64),
}

/// A chart of one quantity.
#[derive(Debug)]
pub struct Chart<'a> {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What is drawn over which height.
    pub scale: Scale,
    /// What the labels of the heights end with.
    pub unit: &'a str,
    /// Seconds that the chart is wide.
    pub seconds: f64,
    /// Series by colour: seconds since midnight and value, in order of time.
    pub lines: Vec<(usize, Vec<(f64, f64)>)>,
    /// Values hold until the next one, rather than changing steadily.
    pub steps: bool,
    /// A height worth a dashed line.
    pub mark: Option<f64>,
}

impl Chart<'_> {
    /// The chart as an `<svg>` element.
    pub fn svg(&self) -> Result<String, PlotError> {
        match self.scale {
            Scale::Linear(most) => self.draw(0.0..most, (0.0, most)),
            Scale::Log(least, most) => self.draw((least..most).log_scale(), (least, most)),
        }
    }

    fn draw<Y>(&self, y: Y, (least, most): (f64, f64)) -> Result<String, PlotError>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut svg = String::new();
        // Hours have round numbers of their own; a short day is told in minutes.
        let (unit, name) = if self.seconds >= 7200.0 { (3600.0, "h") } else { (60.0, "min") };
        let text = ("sans-serif", 13).into_font().color(&LINES);
        {
            let area = SVGBackend::with_string(&mut svg, self.size).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .margin_right(22)
                .x_label_area_size(24)
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..self.seconds / unit, y)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(LINES.mix(0.25))
                .axis_style(LINES.mix(0.6))
                .label_style(text)
                .x_labels(self.size.0 as usize / 75)
                .y_labels(self.size.1 as usize / 35)
                .x_label_formatter(&|x| format!("{} {name}", short(*x)))
                .y_label_formatter(&|y| format!("{}{}", short(*y), self.unit))
                .draw()?;
            let place = |(at, value): (f64, f64)| (at / unit, value.clamp(least, most));
            for (index, points) in &self.lines {
                let points: Vec<_> = if self.steps { steps(points) } else { points.clone() };
                let style = colour(*index).stroke_width(2);
                chart.draw_series(LineSeries::new(points.into_iter().map(place), style))?;
            }
            if let Some(mark) = self.mark {
                let ends = [(0.0, mark), (self.seconds, mark)].map(place);
                let style = LINES.stroke_width(1);
                chart.draw_series(DashedLineSeries::new(ends, 12, 8, style))?;
            }
            area.present()?;
        }
        Ok(svg)
    }
}

/// Each value held until the next one.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded >= 1000.0 { format!("{:.0}k", rounded / 1000.0) } else { rounded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_their_value() {
        assert_eq!(steps(&[(0.0, 1.0), (1.0, 3.0)]), [(0.0, 1.0), (1.0, 1.0), (1.0, 3.0)]);
        assert_eq!(steps(&[]), []);
    }

    #[test]
    fn a_chart_draws_each_line_in_its_colour_and_nothing_outside() {
        let line = |height| vec![(0.0, 1.0), (86_400.0, height)];
        let chart = Chart {
            size: WHOLE,
            scale: Scale::Log(0.1, 10.0),
            unit: " s",
            seconds: 86_400.0,
            lines: vec![(0, line(1.0)), (1, line(f64::INFINITY))],
            steps: false,
            mark: Some(2.0),
        };
        let svg = chart.svg().unwrap();
        for index in [0, 1] {
            assert!(svg.contains(&format!("stroke=\"{}\"", css(index).to_uppercase())), "{svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("10 s") && svg.contains("12 h"), "{svg}");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.1, 2.0, 12.5, 1000.0].map(short);
        assert_eq!(numbers, ["0", "0.1", "2", "12.5", "1k"]);
    }
}
