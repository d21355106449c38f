//! Which form of an answer a client takes: the `Accept` header.
//!
//! The outcome is kube-apiserver's (`negotiation.NegotiateMediaTypeOptions`) for what its clients send, and
//! RFC 9110's where kube-apiserver is loose (it serves a type that the client refused with `q=0`).
use bytes::Bytes;
use thiserror::Error;

mod accept;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use accept::{Clause, clauses};

/// A form we can answer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// JSON, what everyone gets who does not ask for something else.
    Json,
    /// YAML, a courtesy to people with curl.
    Yaml,
    /// All groups, versions and resources in one document, below `/apis` only.
    AggregatedDiscovery(DiscoveryVersion),
}

/// The version of `apidiscovery.k8s.io` that a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryVersion {
    /// Kubernetes 1.30 and later.
    V2,
    /// Kubernetes from 1.26 on, until it knew v2.
    V2Beta1,
}

/// The client accepts none of the forms we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no acceptable media type")]
pub struct NotAcceptable;

/// A JSON body could not be turned into YAML.
#[derive(Debug, Error)]
pub enum EncodeYamlError {
    /// The body was not JSON.
    #[error("failed to read the JSON body")]
    Read(#[from] serde_json::Error),
    /// The YAML could not be written.
    #[error("failed to write YAML")]
    Write(#[from] serde_saphyr::ser::Error),
}

/// All that may be offered, in our own order of preference, for clients that like several equally.
const OFFERS: [MediaType; 4] = [
    MediaType::AggregatedDiscovery(DiscoveryVersion::V2),
    MediaType::AggregatedDiscovery(DiscoveryVersion::V2Beta1),
    MediaType::Json,
    MediaType::Yaml,
];

/// Chooses the form to answer in. `accept` is the first `Accept` header field, which is all that kube-apiserver
/// reads; `offers_discovery` is true for `/apis`, the one path with an aggregated form.
///
/// - A range that asks for a transformation (`as=Table`, `as=PartialObjectMetadata`) matches nothing: we have none
///   on offer. kubectl adds plain `application/json` behind its Table ranges and gets that; a client that insists
///   on a Table gets 406, as from kube-apiserver for any resource without a table converter.
/// - Wildcards never stand for the aggregated form, which is a different object under the same path.
///
/// Nothing is allocated.
pub fn negotiate(accept: Option<&str>, offers_discovery: bool) -> Result<MediaType, NotAcceptable> {
    let header = accept.unwrap_or_default().trim();
    // The HPA and most others end here.
    if matches!(header, "" | "*/*" | "application/json" | "application/json, */*") {
        return Ok(MediaType::Json);
    }
    let mut best: [Option<Match>; OFFERS.len()] = [None; OFFERS.len()];
    for (position, clause) in clauses(header).enumerate() {
        for (offer, best) in OFFERS.iter().zip(&mut best) {
            let Some(specificity) = specificity(&clause, *offer) else { continue };
            // What is said of a type most exactly is what counts for it: `*/*, application/json;q=0` refuses JSON.
            if best.is_none_or(|known| specificity > known.specificity) {
                *best = Some(Match { specificity, quality: clause.quality, position });
            }
        }
    }
    let offered = if offers_discovery { 0 } else { 2 };
    let mut chosen: Option<(Match, MediaType)> = None;
    for (offer, found) in OFFERS.into_iter().zip(best).skip(offered) {
        let Some(found) = found.filter(|found| found.quality > 0.0) else { continue };
        if chosen.is_none_or(|(known, _)| found.beats(known)) {
            chosen = Some((found, offer));
        }
    }
    chosen.map(|(_, media_type)| media_type).ok_or(NotAcceptable)
}

/// How a header speaks of one offer.
#[derive(Clone, Copy)]
struct Match {
    specificity: u8,
    quality: f32,
    position: usize,
}

impl Match {
    /// Weight first; then the more exact range, as kube-apiserver sorts them; then the one written first.
    fn beats(self, other: Self) -> bool {
        self.quality
            .total_cmp(&other.quality)
            .then(self.specificity.cmp(&other.specificity))
            .then(other.position.cmp(&self.position))
            .is_gt()
    }
}

/// How exactly a range names an offer; `None` when it does not.
fn specificity(clause: &Clause<'_>, offer: MediaType) -> Option<u8> {
    let version = match offer {
        MediaType::AggregatedDiscovery(DiscoveryVersion::V2) => Some("v2"),
        MediaType::AggregatedDiscovery(DiscoveryVersion::V2Beta1) => Some("v2beta1"),
        MediaType::Json | MediaType::Yaml => None,
    };
    if let Some(version) = version {
        let named = clause.is("application", "json") && clause.asks_for_discovery(version);
        return named.then_some(3);
    }
    let subtype = if offer == MediaType::Yaml { "yaml" } else { "json" };
    match () {
        () if clause.transforms() => None,
        () if clause.is("application", subtype) => Some(2),
        () if clause.is("application", "*") => Some(1),
        () if clause.is("*", "*") => Some(0),
        () => None,
    }
}

/// The `Content-Type` of an answer in that form.
///
/// The aggregator compares g, v and as with what it asked for, and on a difference falls back to one request for
/// each version.
pub fn content_type(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Json => "application/json",
        MediaType::Yaml => "application/yaml",
        MediaType::AggregatedDiscovery(DiscoveryVersion::V2) => {
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        }
        MediaType::AggregatedDiscovery(DiscoveryVersion::V2Beta1) => {
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
        }
    }
}

/// Turns a JSON body into YAML with sorted keys, as Kubernetes does.
pub fn encode_yaml(json: &[u8]) -> Result<Bytes, EncodeYamlError> {
    let value: serde_json::Value = serde_json::from_slice(json)?;
    Ok(serde_saphyr::to_string(&value)?.into())
}

#[cfg(test)]
mod tests;
