//! The outcomes of a day as one HTML page that needs nothing else: no script, no font, no picture.

use std::fmt::Write as _;

use super::outcome::{COLUMNS, Outcome, cells, grouped};
use super::plot::{Chart, HALF, PlotError, Scale, WHOLE, css};
use super::simulation::Point;
use super::verdict;

/// What a page is made from.
#[derive(Debug)]
pub struct Report<'a> {
    /// Each policy's day, all on the same trace.
    pub outcomes: &'a [Outcome],
    /// The policies that are recommended, as indices.
    pub recommended: &'a [usize],
    /// Settings of the run: what, and how much.
    pub parameters: &'a [(String, String)],
    /// Seconds of the day.
    pub day_seconds: f64,
    /// Seconds to the first token that are soon enough.
    pub target: f64,
    /// Seconds that clients wait for a first token.
    pub patience: f64,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5d636b;--line:#d9dce0;--page:#fcfcfd}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa1ab;--line:#34383e;--page:#16181b}}\
body{max-width:1000px;margin:2.5rem auto;padding:0 1rem;background:var(--page);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}\
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:2.2rem 0 .4rem}\
p,li{max-width:50rem}.soft,dt{color:var(--soft)}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft)}\
i{display:inline-block;width:.9rem;height:.28rem;border-radius:2px;margin-right:.45rem;vertical-align:middle}\
h2 .soft{font-weight:400;font-size:.95rem}\
.pairs{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:.4rem 1.2rem}\
figure{margin:.4rem 0;min-width:0}figcaption{font-size:.9rem}\
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-family:system-ui,sans-serif}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dd{margin:0}";

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> Result<String, PlotError> {
        let mut page = String::new();
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Inferometer demo</title>\
             <style>{STYLE}</style></head><body>\n<h1>One day, {} ways to scale</h1>\n\
             <p class=\"soft\">A simulated fleet. Every policy met the same {} requests; every HPA ran the same \
             algorithm, on numbers as old as is said below.</p>\n",
            self.outcomes.len(),
            grouped(self.outcomes.first().map_or(0, |outcome| outcome.arrived)),
        );
        self.table(&mut page);
        page.push_str("<h2>Who beats whom</h2>\n<ul>\n");
        for sentence in verdict::sentences(self.outcomes, self.recommended) {
            let _ = writeln!(page, "<li>{}</li>", escaped(&sentence));
        }
        page.push_str("</ul>\n");
        self.charts(&mut page)?;
        page.push_str("<h2>Policies</h2>\n<dl>\n");
        for outcome in self.outcomes {
            let _ =
                writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&outcome.name), escaped(&outcome.settings));
        }
        page.push_str("</dl>\n<h2>Parameters</h2>\n<dl>\n");
        for (name, value) in self.parameters {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
        }
        page.push_str("</dl>\n</body></html>\n");
        Ok(page)
    }

    fn table(&self, page: &mut String) {
        page.push_str("<div class=\"wide\"><table><thead><tr>");
        for column in COLUMNS {
            let _ = write!(page, "<th>{column}</th>");
        }
        page.push_str("</tr></thead><tbody>\n");
        for (index, outcome) in self.outcomes.iter().enumerate() {
            page.push_str("<tr>");
            for (column, cell) in cells(outcome).iter().enumerate() {
                let swatch = if column == 0 { swatch(index) } else { String::new() };
                let _ = write!(page, "<td>{swatch}{}</td>", escaped(cell));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody></table></div>\n");
    }

    fn charts(&self, page: &mut String) -> Result<(), PlotError> {
        let most = |value: fn(&Point) -> f64| {
            let points = self.outcomes.iter().flat_map(|outcome| &outcome.points);
            points.map(value).filter(|value| value.is_finite()).fold(0.0, f64::max)
        };
        heading(page, "Arrivals", "requests per second, the same for all");
        let scale = Scale::Linear(most(|p| p.arrivals).max(1.0) * 1.05);
        figure(
            page,
            "",
            &self.chart(WHOLE, self.outcomes.iter().enumerate().take(1), scale, |p| Some(p.arrivals)),
        )?;

        heading(page, "Replicas", "as wanted, those that load included");
        let scale = Scale::Linear(most(|p| f64::from(p.wanted)) + 1.0);
        self.each(page, |one| Chart {
            steps: true,
            ..self.chart(HALF, one, scale, |p| Some(f64::from(p.wanted)))
        })?;

        heading(
            page,
            "Time to first token, p95",
            "logarithmic; the target is dashed, and at the top clients hang up",
        );
        let scale = Scale::Log(0.1, self.patience.max(self.target) * 1.2);
        self.each(page, |one| Chart {
            unit: " s",
            mark: Some(self.target),
            ..self.chart(HALF, one, scale, |p| p.ttft_p95)
        })?;

        heading(page, "Waiting requests", "in all queues; logarithmic, an empty queue lies on the ground");
        let scale = Scale::Log(1.0, most(|p| p.waiting as f64).max(10.0) * 1.2);
        self.each(page, |one| self.chart(HALF, one, scale, |p| Some(p.waiting as f64)))?;

        heading(page, "KV cache in use", "mean over the replicas that serve");
        let scale = Scale::Linear((most(|p| p.kv_usage) * 110.0).clamp(10.0, 100.0));
        self.each(page, |one| Chart {
            unit: " %",
            ..self.chart(HALF, one, scale, |p| Some(100.0 * p.kv_usage))
        })
    }

    /// A chart for each policy, side by side.
    fn each<'a>(
        &self,
        page: &mut String,
        chart: impl Fn(std::iter::Once<(usize, &Outcome)>) -> Chart<'a>,
    ) -> Result<(), PlotError> {
        page.push_str("<div class=\"pairs\">\n");
        for (index, outcome) in self.outcomes.iter().enumerate() {
            let caption = format!("{}{}", swatch(index), escaped(&outcome.name));
            figure(page, &caption, &chart(std::iter::once((index, outcome))))?;
        }
        page.push_str("</div>\n");
        Ok(())
    }

    fn chart<'a, 'b>(
        &self,
        size: (u32, u32),
        outcomes: impl Iterator<Item = (usize, &'b Outcome)>,
        scale: Scale,
        value: fn(&Point) -> Option<f64>,
    ) -> Chart<'a> {
        let line = |outcome: &Outcome| {
            outcome.points.iter().filter_map(|point| Some((point.at, value(point)?))).collect()
        };
        let lines = outcomes.map(|(index, outcome)| (index, line(outcome))).collect();
        Chart { size, scale, unit: "", seconds: self.day_seconds, lines, steps: false, mark: None }
    }
}

fn heading(page: &mut String, title: &str, rest: &str) {
    let _ = writeln!(page, "<h2>{title} <span class=\"soft\">{rest}</span></h2>");
}

fn figure(page: &mut String, caption: &str, chart: &Chart<'_>) -> Result<(), PlotError> {
    let svg = chart.svg()?;
    let _ = writeln!(page, "<figure><figcaption>{caption}</figcaption>{svg}</figure>");
    Ok(())
}

fn swatch(index: usize) -> String {
    format!("<i style=\"background:{}\"></i>", css(index))
}

/// Text that cannot end an element or an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
