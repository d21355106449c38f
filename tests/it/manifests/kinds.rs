//! Fields that an API server does not know are dropped without a word, so a misspelt one is as good as
//! missing. Here every field must be known.
//!
//! The types of k8s-openapi ignore what they do not know: an object is decoded, encoded again, and must
//! have kept all that it had. Kinds that others define are held against the fields that their definitions
//! have, as far as they are used here.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, core::v1 as core, networking::v1 as networking,
    policy::v1 as policy, rbac::v1 as rbac,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::render::{name, text};

/// What is wrong with the fields of an object.
pub(super) fn faults(object: &Json) -> Vec<String> {
    let mut faults = Vec::new();
    match (text(object, "/apiVersion"), text(object, "/kind")) {
        ("v1", "Namespace") => kept::<core::Namespace>(object, &mut faults),
        ("v1", "ServiceAccount") => kept::<core::ServiceAccount>(object, &mut faults),
        ("v1", "ConfigMap") => kept::<core::ConfigMap>(object, &mut faults),
        ("v1", "Service") => kept::<core::Service>(object, &mut faults),
        ("v1", "ResourceQuota") => kept::<core::ResourceQuota>(object, &mut faults),
        ("v1", "PersistentVolumeClaim") => kept::<core::PersistentVolumeClaim>(object, &mut faults),
        ("apps/v1", "Deployment") => kept::<apps::Deployment>(object, &mut faults),
        ("apps/v1", "DaemonSet") => kept::<apps::DaemonSet>(object, &mut faults),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => {
            kept::<autoscaling::HorizontalPodAutoscaler>(object, &mut faults);
        }
        ("policy/v1", "PodDisruptionBudget") => kept::<policy::PodDisruptionBudget>(object, &mut faults),
        ("networking.k8s.io/v1", "NetworkPolicy") => kept::<networking::NetworkPolicy>(object, &mut faults),
        ("rbac.authorization.k8s.io/v1", "Role") => kept::<rbac::Role>(object, &mut faults),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => kept::<rbac::RoleBinding>(object, &mut faults),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => kept::<rbac::ClusterRole>(object, &mut faults),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
            kept::<rbac::ClusterRoleBinding>(object, &mut faults);
        }
        ("apiregistration.k8s.io/v1", "APIService") => kept::<APIService>(object, &mut faults),
        (version, kind) => custom(version, kind, object, &mut faults),
    }
    faults.iter().map(|fault| format!("{}: {fault}", name(object))).collect()
}

/// Decodes and encodes again; whatever was lost on the way is a fault.
fn kept<T: Serialize + DeserializeOwned>(object: &Json, faults: &mut Vec<String>) {
    match serde_json::from_value::<T>(object.clone()) {
        Ok(decoded) => {
            let again = serde_json::to_value(decoded).expect("it can be encoded");
            lost(object, &again, "", faults);
        }
        Err(error) => faults.push(error.to_string()),
    }
}

fn lost(had: &Json, has: &Json, path: &str, faults: &mut Vec<String>) {
    match (had, has) {
        (Json::Object(had), Json::Object(has)) => {
            for (field, value) in had {
                match has.get(field) {
                    Some(kept) => lost(value, kept, &format!("{path}.{field}"), faults),
                    None => faults.push(format!("{path}.{field} is unknown or says nothing")),
                }
            }
        }
        (Json::Array(had), Json::Array(has)) if had.len() == has.len() => {
            for (index, (had, has)) in had.iter().zip(has).enumerate() {
                lost(had, has, &format!("{path}[{index}]"), faults);
            }
        }
        _ if had == has => {}
        _ => faults.push(format!("{path} is {had} and is read as {has}")),
    }
}

/// A kind of somebody else's, by the fields in `custom.yaml`.
fn custom(version: &str, kind: &str, object: &Json, faults: &mut Vec<String>) {
    let known: Json = serde_saphyr::from_str(include_str!("custom.yaml")).expect("the fields can be read");
    let Some(fields) = known.get(format!("{version} {kind}")) else {
        faults.push(format!("nothing is known of {version} {kind}"));
        return;
    };
    let object = object.as_object().expect("an object");
    kept::<ObjectMeta>(&object["metadata"], faults);
    for field in
        object.keys().filter(|field| !["apiVersion", "kind", "metadata", "spec"].contains(&field.as_str()))
    {
        faults.push(format!(".{field} is unknown"));
    }
    fits(&object["spec"], fields, ".spec", faults);
}

/// A mapping of known fields, a list of one form, or a word for a type.
fn fits(value: &Json, form: &Json, path: &str, faults: &mut Vec<String>) {
    match form {
        Json::Object(fields) => {
            let Some(object) = value.as_object() else {
                return faults.push(format!("{path} is no mapping"));
            };
            for (field, value) in object {
                let path = format!("{path}.{field}");
                match fields.get(field) {
                    Some(form) => fits(value, form, &path, faults),
                    None => faults.push(format!("{path} is unknown")),
                }
            }
        }
        Json::Array(forms) => match value.as_array() {
            Some(list) => list.iter().for_each(|value| fits(value, &forms[0], path, faults)),
            None => faults.push(format!("{path} is no list")),
        },
        Json::String(kind) => match kind.as_str() {
            "text" if value.is_string() => {}
            "number" if value.is_number() => {}
            "boolean" if value.is_boolean() => {}
            "texts" if value.as_object().is_some_and(|map| map.values().all(Json::is_string)) => {}
            "Affinity" => kept::<core::Affinity>(value, faults),
            "Toleration" => kept::<core::Toleration>(value, faults),
            "TopologySpreadConstraint" => kept::<core::TopologySpreadConstraint>(value, faults),
            "EnvVar" => kept::<core::EnvVar>(value, faults),
            "ContainerPort" => kept::<core::ContainerPort>(value, faults),
            "Probe" => kept::<core::Probe>(value, faults),
            "Lifecycle" => kept::<core::Lifecycle>(value, faults),
            "LabelSelector" => kept::<LabelSelector>(value, faults),
            "ResourceRequirements" => kept::<core::ResourceRequirements>(value, faults),
            other => faults.push(format!("{path} should be {other}")),
        },
        _ => unreachable!("a form is a mapping, a list or a word"),
    }
}

#[test]
fn a_misspelt_field_would_be_noticed() {
    let said = |yaml: &str| faults(&super::render::objects(yaml)[0]);
    let pod =
        "spec: { selector: {}, template: { spec: { containers: [{ name: a, imagePullPolcy: Always }] } } }";
    let deployment = format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: a }}\n{pod}");
    assert_eq!(
        said(&deployment),
        ["Deployment /a: .spec.template.spec.containers[0].imagePullPolcy is unknown or says nothing"]
    );
    let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: a }\n\
                   spec: { selector: {}, endpoints: [{ port: b, intervall: 15s }] }";
    assert_eq!(said(monitor), ["ServiceMonitor /a: .spec.endpoints.intervall is unknown"]);
    assert_eq!(said("apiVersion: v2\nkind: Thing"), ["Thing /: nothing is known of v2 Thing"]);
}
