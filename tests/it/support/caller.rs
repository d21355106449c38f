//! On whose behalf the aggregator asks.

use std::fmt::Write as _;

/// Asks for the metrics of every HPA.
pub(crate) const HPA_CONTROLLER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

/// A user as the front proxy describes one in headers.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    user: String,
    groups: Vec<String>,
    extra: Vec<(String, String)>,
}

impl Caller {
    pub(crate) fn new(user: &str) -> Self {
        Self { user: user.to_owned(), groups: Vec::new(), extra: Vec::new() }
    }

    pub(crate) fn group(mut self, group: &str) -> Self {
        self.groups.push(group.to_owned());
        self
    }

    pub(crate) fn extra(mut self, key: &str, value: &str) -> Self {
        self.extra.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A user that has logged in.
    pub(crate) fn user(name: &str) -> Self {
        Self::new(name).group("system:authenticated")
    }

    pub(crate) fn hpa_controller() -> Self {
        Self::new(HPA_CONTROLLER)
            .group("system:serviceaccounts")
            .group("system:serviceaccounts:kube-system")
            .group("system:authenticated")
    }

    /// The aggregator for itself, when it asks whether we are available.
    pub(crate) fn aggregator() -> Self {
        Self::new("system:kube-aggregator").group("system:masters")
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![pair("x-remote-user", &self.user)];
        headers.extend(self.groups.iter().map(|group| pair("x-remote-group", group)));
        for (key, value) in &self.extra {
            headers.push(pair(&format!("x-remote-extra-{}", escaped(key)), value));
        }
        headers
    }
}

/// What no header name may hold travels percent-encoded.
fn escaped(key: &str) -> String {
    key.bytes().fold(String::new(), |mut name, byte| {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            name.push(byte.into());
        } else {
            let _ = write!(name, "%{byte:02x}");
        }
        name
    })
}
