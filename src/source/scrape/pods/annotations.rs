//! What a pod's annotations ask for: `prometheus.io/scrape`, `port`, `path` and `scheme`.

use super::Scheme;
use crate::core::workload::Pod;

/// The longest path that an annotation can name.
const LONGEST: usize = 512;

/// Where a pod says that its page is, in place of what is configured.
#[derive(Debug, Default)]
pub(super) struct Annotations<'a> {
    pub(super) port: Option<u16>,
    pub(super) path: Option<&'a str>,
    pub(super) scheme: Option<Scheme>,
}

impl<'a> Annotations<'a> {
    /// Those of a pod that asks to be scraped. What is written wrongly is remarked, without its text, and
    /// counts as absent.
    pub(super) fn of(pod: &'a Pod, remark: &mut dyn FnMut(String)) -> Option<Self> {
        if pod.annotations.get("prometheus.io/scrape") != Some("true") {
            return None;
        }
        let mut refuse = |name: &str, why: &str| remark(format!("its annotation {name} is ignored: {why}"));
        let mut asked = Self::default();
        if let Some(text) = pod.annotations.get("prometheus.io/port") {
            asked.port = text.parse().ok().filter(|port| *port > 0);
            // Its node's address has ports of others, which are none of its business.
            let is_own = |port| pod.ip.is_some() || pod.ports.iter().any(|declared| declared.number == port);
            if asked.port.is_none() {
                refuse("prometheus.io/port", "it is no number from 1 to 65535");
            } else if !asked.port.is_some_and(is_own) {
                asked.port = None;
                refuse(
                    "prometheus.io/port",
                    "on its node's network a pod can name ports that it declares only",
                );
            }
        }
        if let Some(text) = pod.annotations.get("prometheus.io/path") {
            asked.path = Some(text).filter(|text| is_path(text) && text.len() <= LONGEST);
            if asked.path.is_none() {
                refuse("prometheus.io/path", "it is no plain path from / on");
            }
        }
        if let Some(text) = pod.annotations.get("prometheus.io/scheme") {
            asked.scheme = match text {
                "http" => Some(Scheme::Http),
                "https" => Some(Scheme::Https),
                _ => None,
            };
            if asked.scheme.is_none() {
                refuse("prometheus.io/scheme", "it is neither http nor https");
            }
        }
        Some(asked)
    }
}

/// Whether this can be the path of a page: from `/` on, of printable ASCII, without query and fragment.
pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic() && c != '?' && c != '#')
}
