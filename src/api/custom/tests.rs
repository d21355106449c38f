use super::object::{Object, Wanted};

fn parsed(path: &str) -> Result<String, u16> {
    let path = format!("/apis/custom.metrics.k8s.io/{path}");
    let wanted = Wanted::parse(&path).map_err(|status| status.code().as_u16())?;
    let Wanted { namespace, object, name, metric, .. } = wanted;
    let or_all =
        |name: Option<std::borrow::Cow<'_, str>>| name.map_or("*".to_owned(), std::borrow::Cow::into_owned);
    Ok(format!("{} {} ({}) {} {metric}", or_all(namespace), object.resource(), object.key(), or_all(name)))
}

#[test]
fn paths_name_pods_objects_and_namespaces() {
    for (path, expected) in [
        ("v1beta1/namespaces/ai/pods/*/m", Ok("ai pods (pod) * m")),
        ("v1beta2/namespaces/ai/pods/a-0/vllm%3Am", Ok("ai pods (pod) a-0 vllm:m")),
        ("v1beta2/namespaces/ai/deployments.apps/a/m", Ok("ai deployments.apps (deployment) a m")),
        ("v1beta2/namespaces/ai/services/a/m", Ok("ai services (service) a m")),
        (
            "v1beta2/namespaces/ai/inferenceservices.serving.kserve.io/a/m",
            Ok("ai inferenceservices.serving.kserve.io (inferenceservice) a m"),
        ),
        (
            "v1beta2/namespaces/ai/ingresses.networking.k8s.io/a/m",
            Ok("ai ingresses.networking.k8s.io (ingress) a m"),
        ),
        ("v1beta2/namespaces/ai/networkpolicies/a/m", Ok("ai networkpolicies (networkpolicy) a m")),
        ("v1beta2/nodes/n1/m", Ok("* nodes (node) n1 m")),
        ("v1beta2/nodes/*/m", Ok("* nodes (node) * m")),
        ("v1beta2/namespaces/ai/metrics/m", Ok("* namespaces (namespace) ai m")),
        ("v1beta2/namespaces/*/metrics/m", Ok("* namespaces (namespace) * m")),
        ("v1/namespaces/ai/pods/*/m", Err(404)),
        ("v1beta2/namespaces/ai/m", Err(400)),
        ("v1beta2/namespaces/ai/pods/m", Err(400)),
        ("v1beta2/namespaces/ai/pods/a/m/x", Err(400)),
        ("v1beta2/namespaces/AI/pods/*/m", Err(400)),
        ("v1beta2/namespaces/ai/pods/a%2Fb/m", Err(400)),
        ("v1beta2/namespaces/ai/pods//m", Err(400)),
        ("v1beta2/namespaces/ai/pods/a/", Err(400)),
        ("v1beta2/namespaces/ai/Pods/a/m", Err(400)),
        ("v1beta2/namespaces/*/pods/a/m", Err(400)),
        ("v1beta2/pods/a/m", Err(400)),
        ("v1beta2/m", Err(400)),
    ] {
        assert_eq!(parsed(path).as_deref(), expected.as_deref(), "{path}");
    }
}

#[test]
fn known_objects_are_described_with_or_without_their_group() {
    let kind = |path: &str| {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/ai/{path}/a/m");
        let object: Object = Wanted::parse(&path).expect("a path").object;
        let (kind, version) = object.kind();
        format!("{kind} {version}")
    };
    assert_eq!(kind("deployments.apps"), "Deployment apps/v1");
    assert_eq!(kind("deployments"), "Deployment apps/v1");
    assert_eq!(kind("services"), "Service v1");
    assert_eq!(kind("gadgets.example.com"), " ");
}
