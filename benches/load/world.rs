//! The cluster that is asked about: which autoscalers and pods there are, what each pod's numbers are, and so what
//! every answer must say.

use std::collections::HashMap;
use std::str::FromStr;

use serde::Serialize;

/// How large the cluster is. Each workload has one signal, so there are as many series as pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct World {
    pub(crate) hpas: u32,
    pub(crate) pods: u32,
    pub(crate) signals: u32,
}

impl FromStr for World {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[hpas, pods, signals]) if hpas.min(pods).min(signals) > 0 => Ok(Self { hpas, pods, signals }),
            _ => Err("write three numbers above 0, as 1000,10000,10"),
        }
    }
}

/// What an autoscaler asks, and what it must be told.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Path and query.
    pub(crate) path: String,
    /// The value, or how many pods must have one.
    pub(crate) wanted: Wanted,
}

/// What an answer must hold.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// This quantity, as it stands in the body.
    Value(String),
    /// So many values, with this sum.
    Values(usize, u64),
    /// Any value: of an adapter whose numbers are not ours.
    Any,
}

/// The APIs that are asked.
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces";

/// Of larger workloads nobody is asked for each pod by itself: the answers would be megabytes.
const MOST_PODS_BY_THEMSELVES: u32 = 64;

impl World {
    /// Workloads: one for each autoscaler while there are pods for them.
    pub(crate) fn workloads(self) -> u32 {
        self.hpas.min(self.pods).max(1)
    }

    pub(crate) fn namespaces(self) -> u32 {
        (self.workloads() / 10).clamp(1, 200)
    }

    /// The workload of an autoscaler or of a pod.
    pub(crate) fn workload(self, number: u32) -> u32 {
        number % self.workloads()
    }

    /// The namespace of a workload.
    pub(crate) fn namespace(self, workload: u32) -> String {
        format!("team-{}", self.space(workload))
    }

    /// Neighbours share one, so that each namespace has workloads of all signals.
    fn space(self, workload: u32) -> u32 {
        workload / self.workloads().div_ceil(self.namespaces())
    }

    pub(crate) fn signal(self, workload: u32) -> u32 {
        workload % self.signals
    }

    /// A pod's number.
    pub(crate) fn value(pod: u32) -> u64 {
        u64::from(pod) * 7 % 13
    }

    /// The sum of each workload's pods.
    fn sums(self) -> Vec<u64> {
        let mut sums = vec![0; self.workloads() as usize];
        for pod in 0..self.pods {
            sums[self.workload(pod) as usize] += Self::value(pod);
        }
        sums
    }

    /// What every autoscaler asks.
    pub(crate) fn questions(self) -> Vec<Question> {
        let of = self.sums();
        let mut spaces = HashMap::<(u32, u32), u64>::new();
        for workload in 0..self.workloads() {
            *spaces.entry((self.space(workload), self.signal(workload))).or_default() +=
                of[workload as usize];
        }
        (0..self.hpas)
            .map(|hpa| {
                let workload = self.workload(hpa);
                let all = of[workload as usize];
                let everyone = spaces[&(self.space(workload), self.signal(workload))];
                self.question(hpa, workload, all, everyone)
            })
            .collect()
    }

    fn question(self, hpa: u32, workload: u32, all: u64, everyone: u64) -> Question {
        let (namespace, metric) = (self.namespace(workload), metric(self.signal(workload)));
        let external = |wanted: u64| Question {
            path: match selector(hpa, workload) {
                Some(selector) => {
                    format!("{EXTERNAL}/{namespace}/{metric}?labelSelector={}", encoded(&selector))
                }
                None => format!("{EXTERNAL}/{namespace}/{metric}"),
            },
            wanted: Wanted::Value(format!("\"value\":\"{wanted}\"")),
        };
        let pods = self.pods / self.workloads() + u32::from(workload < self.pods % self.workloads());
        match hpa % KINDS {
            0 => external(everyone),
            7 if pods <= MOST_PODS_BY_THEMSELVES => {
                let selector = encoded(&format!("app={}", name(workload)));
                Question {
                    path: format!("{CUSTOM}/{namespace}/pods/*/{metric}?labelSelector={selector}"),
                    wanted: Wanted::Values(pods as usize, all),
                }
            }
            _ => external(all),
        }
    }
}

/// Kinds of questions: seven selectors, and one for each pod by itself.
const KINDS: u32 = 8;

/// The selector of an autoscaler of this workload.
pub(crate) fn selector(hpa: u32, workload: u32) -> Option<String> {
    let name = name(workload);
    Some(match hpa % KINDS {
        0 => return None,
        1 | 7 => format!("deployment={name}"),
        2 => format!("app in ({name},nobody)"),
        3 => format!("app={name},tier notin (bronze,tin)"),
        4 => format!("app={name},tier"),
        5 => format!("app={name},!canary"),
        _ => format!("app={name},tier!=bronze"),
    })
}

/// The name of a workload, its Deployment and its label `app`.
pub(crate) fn name(workload: u32) -> String {
    format!("llama-3-70b-instruct-{workload}")
}

pub(crate) fn pod_name(workload: u32, pod: u32) -> String {
    format!("{}-7d4b9c6f58-{pod:05x}", name(workload))
}

/// The name of a signal's metric.
pub(crate) fn metric(signal: u32) -> String {
    format!("bench_{signal}_requests")
}

fn encoded(selector: &str) -> String {
    percent_encoding::utf8_percent_encode(selector, percent_encoding::NON_ALPHANUMERIC).to_string()
}
