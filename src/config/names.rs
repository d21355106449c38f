//! Names of metrics that do not exist, and what was probably meant.

use super::source::quoted;
use super::suggest::did_you_mean;
use super::units::Refusal;
use crate::catalog::{AGGREGATES, Catalog, STATISTICS};

/// The longest name repeated in full.
const LONGEST: usize = 120;

/// Says that nothing has this name. `others` are names beside the catalog's.
pub(super) fn unknown<'a>(
    catalog: &'a Catalog,
    what: &str,
    name: &str,
    others: impl Iterator<Item = &'a str>,
) -> Refusal {
    // Names in full, for they differ at their ends.
    let is_name = name.len() <= LONGEST && name.chars().all(|c| c.is_ascii_graphic());
    let shown = if is_name { format!("`{name}`") } else { quoted(name) };
    let refusal = Refusal::new(format!("no {what} is called {shown}"));
    let (rest, aggregate) = split(name, AGGREGATES.iter().map(|(suffix, _)| *suffix));
    let (base, statistic) = split(rest, STATISTICS.iter().map(|(suffix, _)| *suffix));
    let presets = catalog.presets(base);
    if let Some(preset) = presets.first() {
        if !statistic.is_empty() && !preset.is_distribution() {
            let why = format!("`{base}` is not a distribution, so it has no `{statistic}`");
            return refusal.hint(why);
        }
        if aggregate == "_sum" {
            return refusal.hint(format!("a sum of ratios or quantiles means nothing: use `{base}`"));
        }
    }
    let names = || catalog.names().map(AsRef::as_ref).chain(catalog.raw_names());
    if let Some(near) = did_you_mean(base, names()) {
        let whole = format!("{near}{statistic}{aggregate}");
        // Suffixes make sense for some bases only.
        let meant = if catalog.resolve(&whole).is_some() { whole } else { near.to_owned() };
        return refusal.hint(format!("did you mean `{meant}`?"));
    }
    match did_you_mean(name, others) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal,
    }
}

fn split(name: &str, mut suffixes: impl Iterator<Item = &'static str>) -> (&str, &'static str) {
    suffixes.find_map(|suffix| name.strip_suffix(suffix).map(|rest| (rest, suffix))).unwrap_or((name, ""))
}
