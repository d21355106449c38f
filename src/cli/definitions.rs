//! From flags and files to what the engine works with.

use std::path::Path;
use std::sync::Arc;

use reqwest::Url;

use super::serve::http_url;
use crate::catalog::Catalog;
use crate::config::{self, Configuration, Diagnostics, Report};
use crate::core::series::Labels;
use crate::core::workload::Inventory;
use crate::engine::Definitions;
use crate::source::schedule::Clock;
use crate::source::scrape::discover::Endpoint;
use crate::source::{Definition, Source, prometheus, scrape};

/// The sources that `--prometheus-url` and `--scrape` ask for.
pub(super) fn flag_sources(url: Option<&Url>, targets: Vec<Endpoint>) -> Vec<Definition> {
    let prometheus = url.map(|url| prometheus::Settings::new("prometheus", url.clone()));
    let scrape = (!targets.is_empty()).then(|| (scrape::Settings::new("scrape"), targets));
    let prometheus = prometheus.map(Definition::Prometheus);
    prometheus
        .into_iter()
        .chain(scrape.map(|(settings, targets)| Definition::Scrape(settings, targets, Vec::new())))
        .collect()
}

/// A target given by flag: `ai=http://10.0.0.5:8000`.
pub(super) fn target(text: &str) -> Result<Endpoint, String> {
    let (namespace, url) = text
        .split_once('=')
        .filter(|(namespace, _)| !namespace.contains('/'))
        .ok_or("the namespace is missing: write it like ai=http://10.0.0.5:8000/metrics")?;
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if namespace.is_empty() || namespace.len() > 63 || !namespace.chars().all(within) {
        return Err(format!("no namespace can be called {namespace:?}"));
    }
    if !url.contains("://") {
        return Err(format!("a URL is needed: write {namespace}=http://{url}"));
    }
    let url = http_url(url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a target's URL has no query or fragment".to_owned());
    }
    let url = config::target_url(url);
    let labels = Labels::new(vec![("namespace".into(), namespace.into())]);
    Ok(Endpoint { url, labels, engine: None })
}

/// Reads a configuration file.
///
/// # Errors
/// The report, with at least one error in it.
pub(super) fn read(path: &Path, catalog: &Catalog) -> Result<(Configuration, Report), Report> {
    read_for(path, catalog, true)
}

/// Reads it for a server: pods are refused if there is no cluster.
fn read_for(path: &Path, catalog: &Catalog, has_pods: bool) -> Result<(Configuration, Report), Report> {
    let mut diagnostics = Diagnostics::default();
    let configuration = config::read(path, &mut diagnostics)
        .and_then(|text| config::load(&path.display().to_string(), &text, catalog, &mut diagnostics));
    let needs_pods = configuration.as_ref().and_then(|configuration| configuration.pods_at);
    if let Some(place) = needs_pods.filter(|_| !has_pods) {
        diagnostics
            .error_at(&place, "this server is in no cluster, so it cannot find pods")
            .hint("run it without --standalone, or name addresses in `targets`");
    }
    let needs_autoscalers = configuration.as_ref().and_then(|configuration| configuration.budgets_at);
    if let Some(place) = needs_autoscalers.filter(|_| !has_pods) {
        diagnostics
            .error_at(&place, "this server is in no cluster, so it knows no HPA that a budget could hold")
            .hint("run it without --standalone, or remove the budget");
    }
    let report = diagnostics.finish();
    match configuration {
        Some(configuration) if !report.has_errors() => Ok((configuration, report)),
        _ => Err(report),
    }
}

/// Sources that were built before, so that a reload keeps their connections and numbers.
#[derive(Default)]
pub(super) struct Sources {
    built: Vec<(Definition, Arc<dyn Source>)>,
    /// What reads schedules, configured or not.
    clock: Arc<Clock>,
    /// The pods of the cluster, if there is one.
    inventory: Option<Arc<dyn Inventory>>,
}

impl Sources {
    /// None yet. Those to come find their pods in `inventory`.
    pub(super) fn new(inventory: Option<Arc<dyn Inventory>>) -> Self {
        Self { inventory, ..Self::default() }
    }

    /// Reads a configuration file for a server with these sources.
    ///
    /// # Errors
    /// The report, with at least one error in it.
    pub(super) fn read(&self, path: &Path, catalog: &Catalog) -> Result<(Configuration, Report), Report> {
        read_for(path, catalog, self.inventory.is_some())
    }

    /// The names of the sources that were asked for.
    pub(super) fn names(&self) -> Vec<String> {
        self.built.iter().map(|(definition, _)| definition.name().to_owned()).collect()
    }

    /// The definitions of a configuration, the sources given by flag first. Of a source in both, the
    /// flag's wins.
    pub(super) fn definitions(&mut self, flags: &[Definition], configuration: Configuration) -> Definitions {
        let is_flag = |one: &Definition| flags.iter().any(|flag| flag.name() == one.name());
        let configured = configuration.sources.into_iter().filter(|one| !is_flag(one));
        let wanted: Vec<Definition> = flags.iter().cloned().chain(configured).collect();
        self.built = wanted
            .into_iter()
            .map(|definition| {
                let known = self.built.iter().find(|(known, _)| *known == definition);
                let source = known.map(|(_, source)| Arc::clone(source));
                let source = source.unwrap_or_else(|| definition.clone().build(self.inventory.as_ref()));
                (definition, source)
            })
            .collect();
        let clock = Arc::clone(&self.clock) as Arc<dyn Source>;
        // Last: the first one is the default.
        let sources = self.built.iter().map(|(_, source)| Arc::clone(source)).chain([clock]).collect();
        Definitions { sources, metrics: configuration.metrics, budgets: configuration.budgets }
    }
}

#[cfg(test)]
mod tests;
