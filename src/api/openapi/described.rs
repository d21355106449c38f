//! What is described: the paths, parameters and models of each group version, as data.
//!
//! One path stands for each shape that a URL can have, rather than one for each metric, so that the description
//! stays as small with a thousand metrics.

use super::schema::{Field, Form, Model};
use crate::api::types::{
    CUSTOM_GROUP, CUSTOM_LIST_KIND, CUSTOM_VERSIONS, EXTERNAL_GROUP, EXTERNAL_LIST_KIND, EXTERNAL_VERSION,
};

/// A group version.
#[derive(Debug)]
pub(super) struct GroupVersion {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    /// Upstream's Go package, which its models are named after.
    pub(super) package: &'static str,
    /// The group in the names of operations and tags.
    pub(super) tag: &'static str,
    /// What reading a value is to an authorizer: `get` or `list`.
    pub(super) action: &'static str,
    /// The kind of one value.
    pub(super) value: &'static str,
    /// The kind of the answer.
    pub(super) list: &'static str,
    pub(super) operations: &'static [Operation],
    pub(super) models: &'static [Model],
}

/// A path that can be read.
#[derive(Debug)]
pub(super) struct Operation {
    /// Below the group version.
    pub(super) path: &'static str,
    /// What it is called among the group version's operations.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) parameters: &'static [Parameter],
}

/// A variable part of a path or query.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `path`, where it must be there, or `query`, where it need not.
    pub(super) place: &'static str,
    /// A type of JSON.
    pub(super) form: &'static str,
    pub(super) text: &'static str,
}

impl GroupVersion {
    /// The name of its document: `apis/{group}/{version}`.
    pub(super) fn name(&self) -> String {
        format!("apis/{}/{}", self.group, self.version)
    }
}

/// Every group version that is served.
pub(super) const DESCRIBED: [GroupVersion; 3] =
    [EXTERNAL, custom(CUSTOM_VERSIONS[0], V1BETA2), custom(CUSTOM_VERSIONS[1], V1BETA1)];

const EXTERNAL: GroupVersion = GroupVersion {
    group: EXTERNAL_GROUP,
    version: EXTERNAL_VERSION,
    package: "external_metrics",
    tag: "externalMetrics",
    action: "list",
    value: "ExternalMetricValue",
    list: EXTERNAL_LIST_KIND,
    operations: &[Operation {
        path: "namespaces/{namespace}/{metricName}",
        name: "NamespacedExternalMetricValue",
        text: "read the value of an external metric",
        parameters: &[
            in_path("namespace", "the namespace whose workloads are measured"),
            METRIC_NAME,
            in_query(
                "labelSelector",
                "Restricts the series that the value is computed from, and the pods that they belong to, by \
                 their labels. Defaults to everything in the namespace.",
            ),
            EXPLAIN,
        ],
    }],
    models: &[
        Model {
            kind: "ExternalMetricValue",
            is_top_level: true,
            text: "The value of an external metric at one time.",
            fields: &[
                KIND,
                API_VERSION,
                NAME.called("metricName"),
                Field::required(
                    "metricLabels",
                    Form::Labels,
                    "What tells this value from others of the same metric",
                ),
                TIMESTAMP,
                WINDOW,
                VALUE,
            ],
        },
        Model {
            kind: EXTERNAL_LIST_KIND,
            is_top_level: true,
            text: "The values of an external metric for one label selector: always exactly one.",
            fields: &[KIND, API_VERSION, METADATA, items("ExternalMetricValue")],
        },
    ],
};

const fn custom(version: &'static str, models: &'static [Model]) -> GroupVersion {
    GroupVersion {
        group: CUSTOM_GROUP,
        version,
        package: "custom_metrics",
        tag: "customMetrics",
        action: "get",
        value: "MetricValue",
        list: CUSTOM_LIST_KIND,
        operations: CUSTOM_OPERATIONS,
        models,
    }
}

const CUSTOM_OPERATIONS: &[Operation] = &[
    Operation {
        path: "namespaces/{namespace}/{resource}/{name}/{metricName}",
        name: "NamespacedMetricValue",
        text: "read the values of a metric of pods or other objects in a namespace",
        parameters: &[
            in_path("namespace", "the namespace that the objects are in"),
            RESOURCE,
            OBJECT_NAME,
            METRIC_NAME,
            in_query(
                "labelSelector",
                "Restricts all pods (*) to those with such labels. Defaults to every pod.",
            ),
            METRIC_LABEL_SELECTOR,
            EXPLAIN,
        ],
    },
    Operation {
        path: "namespaces/{namespace}/metrics/{metricName}",
        name: "NamespaceMetricValue",
        text: "read the value of a metric of a namespace as a whole",
        parameters: &[
            in_path("namespace", "the name of a namespace, or * for each of them"),
            METRIC_NAME,
            METRIC_LABEL_SELECTOR,
            EXPLAIN,
        ],
    },
    Operation {
        path: "{resource}/{name}/{metricName}",
        name: "MetricValue",
        text: "read the values of a metric of objects that are in no namespace",
        parameters: &[RESOURCE, OBJECT_NAME, METRIC_NAME, METRIC_LABEL_SELECTOR, EXPLAIN],
    },
];

const V1BETA1: &[Model] = &[
    Model {
        kind: "MetricValue",
        is_top_level: true,
        text: "The value of a metric of one object at one time.",
        fields: &[
            KIND,
            API_VERSION,
            DESCRIBED_OBJECT,
            NAME.called("metricName"),
            TIMESTAMP,
            WINDOW,
            VALUE,
            SELECTOR,
        ],
    },
    CUSTOM_LIST,
];

const V1BETA2: &[Model] = &[
    Model {
        kind: "MetricIdentifier",
        is_top_level: false,
        text: "A metric by its name, and which of its series were asked for.",
        fields: &[NAME, SELECTOR],
    },
    Model {
        kind: "MetricValue",
        is_top_level: true,
        text: "The value of a metric of one object at one time.",
        fields: &[
            KIND,
            API_VERSION,
            DESCRIBED_OBJECT,
            Field::required("metric", Form::Model("MetricIdentifier"), "The metric"),
            TIMESTAMP,
            WINDOW.called("windowSeconds"),
            VALUE,
        ],
    },
    CUSTOM_LIST,
];

const CUSTOM_LIST: Model = Model {
    kind: CUSTOM_LIST_KIND,
    is_top_level: true,
    text: "The values of a metric, one for each object that has one.",
    fields: &[KIND, API_VERSION, METADATA, items("MetricValue")],
};

const METRIC_NAME: Parameter = in_path("metricName", "the name of the metric");
const RESOURCE: Parameter =
    in_path("resource", "the kind of object as a plural, with its group: pods, deployments.apps");
const OBJECT_NAME: Parameter = in_path("name", "the name of an object, or * for each of them");
const METRIC_LABEL_SELECTOR: Parameter = in_query(
    "metricLabelSelector",
    "Restricts the series that the values are computed from, and the pods that they belong to, by their labels. \
     Defaults to every series.",
);
const EXPLAIN: Parameter = Parameter {
    name: "explain",
    place: "query",
    form: "boolean",
    text: "With true, the answer is not the value but each step that leads to it, for people.",
};

const fn in_path(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, place: "path", form: "string", text }
}

const fn in_query(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, place: "query", form: "string", text }
}

const KIND: Field = Field::optional("kind", Form::Text, "The kind of the object");
const API_VERSION: Field =
    Field::optional("apiVersion", Form::Text, "The group and version of the object's schema");
const METADATA: Field = Field::optional("metadata", Form::Empty, "Empty; there for the form's sake");
const NAME: Field = Field::required("name", Form::Text, "The name of the metric");
const DESCRIBED_OBJECT: Field =
    Field::required("describedObject", Form::Object, "The object that the value belongs to");
const TIMESTAMP: Field = Field::required(
    "timestamp",
    Form::Time,
    "The time of the oldest sample that the value was computed from",
);
const WINDOW: Field = Field::optional(
    "window",
    Form::Seconds,
    "The seconds before the timestamp that a rate was taken over; none otherwise",
);
const VALUE: Field =
    Field::required("value", Form::Quantity, "The value, as a Kubernetes quantity such as 5 or 1500m");
const SELECTOR: Field = Field::optional(
    "selector",
    Form::Selector,
    "Which series were asked for; null for every one of the metric",
);

const fn items(kind: &'static str) -> Field {
    Field::required("items", Form::Models(kind), "The values")
}
