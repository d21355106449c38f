//! From flags and files to what the engine works with.

use std::path::Path;
use std::sync::Arc;

use reqwest::Url;

use crate::catalog::Catalog;
use crate::config::{self, Configuration, Diagnostics, Report};
use crate::engine::Definitions;
use crate::source::Source;
use crate::source::prometheus::{Prometheus, Settings};

/// The name of the source given by flag.
const FLAG_SOURCE: &str = "prometheus";

/// The source that `--prometheus-url` asks for.
pub(super) fn flag_source(url: Option<&Url>) -> Option<Settings> {
    url.map(|url| Settings::new(FLAG_SOURCE, url.clone()))
}

/// Reads a configuration file.
///
/// # Errors
/// The report, with at least one error in it.
pub(super) fn read(path: &Path, catalog: &Catalog) -> Result<(Configuration, Report), Report> {
    let mut diagnostics = Diagnostics::default();
    let configuration = config::read(path, &mut diagnostics)
        .and_then(|text| config::load(&path.display().to_string(), &text, catalog, &mut diagnostics));
    let report = diagnostics.finish();
    match configuration {
        Some(configuration) if !report.has_errors() => Ok((configuration, report)),
        _ => Err(report),
    }
}

/// Sources that were built before, so that a reload keeps their connections and numbers.
#[derive(Default)]
pub(super) struct Sources(Vec<(Settings, Arc<Prometheus>)>);

impl Sources {
    /// The definitions of a configuration, the source given by flag first. Of a source in both, the
    /// flag's wins.
    pub(super) fn definitions(
        &mut self,
        flag: Option<Settings>,
        configuration: Configuration,
    ) -> Definitions {
        let flag_name = flag.as_ref().map(|settings| settings.name.clone());
        let configured =
            configuration.sources.into_iter().filter(|settings| Some(&settings.name) != flag_name.as_ref());
        let wanted: Vec<Settings> = flag.into_iter().chain(configured).collect();
        self.0 = wanted
            .into_iter()
            .map(|settings| {
                let known = self.0.iter().find(|(known, _)| *known == settings);
                let source = known.map(|(_, source)| Arc::clone(source));
                let source = source.unwrap_or_else(|| Arc::new(Prometheus::new(settings.clone())));
                (settings, source)
            })
            .collect();
        let sources = self.0.iter().map(|(_, source)| Arc::clone(source) as Arc<dyn Source>).collect();
        Definitions { sources, metrics: configuration.metrics }
    }
}
