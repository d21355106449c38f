use proptest::prelude::*;

use super::super::identity::User;
use super::*;

const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// `verb group/resource/subresource name@namespace selector` or `verb path`.
fn read(method: &str, target: &str) -> Result<String, PathError> {
    let method: Method = method.parse().unwrap();
    let uri: Uri = target.parse().unwrap();
    let attributes = Attributes::read(&method, &uri)?;
    Ok(match &attributes.subject {
        Subject::Path(path) => format!("{} {path}", attributes.verb),
        Subject::Resource(it) => {
            let part = |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or("-").to_owned();
            let mut text = format!(
                "{} {}.{}/{} {}@{}",
                attributes.verb,
                it.resource,
                it.group,
                part(&it.subresource),
                part(&it.name),
                part(&it.namespace)
            );
            if let Some(selector) = it.selector() {
                text.push(' ');
                text.push_str(&selector);
            }
            text
        }
    })
}

#[test]
fn the_paths_of_the_metrics_apis_read_as_kubernetes_reads_them() {
    let external = "external.metrics.k8s.io";
    let custom = "custom.metrics.k8s.io";
    let cases = [
        (EXTERNAL, "/namespaces/team/m", format!("list m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m/", format!("list m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/vllm:waiting", format!("list vllm:waiting.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/a%20b", format!("list a b.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m?watch=true", format!("watch m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m?watch", format!("watch m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m?watch=False", format!("list m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m?watch=0&watch=1", format!("list m.{external}/- -@team")),
        (EXTERNAL, "/namespaces/team/m?w%61tch=1", format!("watch m.{external}/- -@team")),
        (
            EXTERNAL,
            "/namespaces/team/m?limit=1&labelSelector=a%3Db%2Cc+in+%28d%29&labelSelector=x",
            format!("list m.{external}/- -@team a=b,c in (d)"),
        ),
        // A value may hold a bare `=`.
        (EXTERNAL, "/namespaces/team/m?labelSelector=a=b", format!("list m.{external}/- -@team a=b")),
        (EXTERNAL, "/namespaces/team/m?labelSelector=", format!("list m.{external}/- -@team")),
        (
            EXTERNAL,
            "/namespaces/team/m?fieldSelector=metadata.name%3Dx",
            format!("list m.{external}/- -@team"),
        ),
        (EXTERNAL, "/namespaces/team/status", format!("get namespaces.{external}/status team@team")),
        (EXTERNAL, "/namespaces/team", format!("get namespaces.{external}/- team@team")),
        (EXTERNAL, "/namespaces", format!("list namespaces.{external}/- -@-")),
        (CUSTOM, "/namespaces/team/pods/p1/m", format!("get pods.{custom}/m p1@team")),
        (CUSTOM, "/namespaces/team/pods/*/m", format!("get pods.{custom}/m *@team")),
        (CUSTOM, "/namespaces/team/pods/%2A/m", format!("get pods.{custom}/m *@team")),
        (CUSTOM, "/namespaces/team/pods/*/m?labelSelector=a", format!("get pods.{custom}/m *@team")),
        (CUSTOM, "/namespaces/team/deployments.apps/d/m", format!("get deployments.apps.{custom}/m d@team")),
        (CUSTOM, "/namespaces/team/metrics/m", format!("get metrics.{custom}/- m@team")),
        (CUSTOM, "/namespaces/*/metrics/m", format!("get metrics.{custom}/- m@*")),
        (CUSTOM, "/namespaces/team/pods", format!("list pods.{custom}/- -@team")),
        (CUSTOM, "/nodes/n1/m", format!("get nodes.{custom}/m n1@-")),
        (CUSTOM, "/nodes/*/m", format!("get nodes.{custom}/m *@-")),
        (CUSTOM, "/nodes", format!("list nodes.{custom}/- -@-")),
    ];
    for (base, path, expected) in cases {
        assert_eq!(read("GET", &format!("{base}{path}")).unwrap(), expected, "{path}");
    }
}

#[test]
fn methods_become_verbs() {
    let named = format!("{CUSTOM}/nodes/n1/m");
    let all = format!("{CUSTOM}/nodes");
    for (method, one, many) in [
        ("GET", "get", "list"),
        ("HEAD", "get", "list"),
        ("POST", "create", "create"),
        ("PUT", "update", "update"),
        ("PATCH", "patch", "patch"),
        ("DELETE", "delete", "deletecollection"),
        ("OPTIONS", "", ""),
        ("BREW", "", ""),
    ] {
        for (path, verb) in [(&named, one), (&all, many)] {
            let read = read(method, path).unwrap();
            assert_eq!(read.split(' ').next(), Some(verb), "{method} {path}");
        }
    }
    let selected = read("DELETE", &format!("{all}?labelSelector=a")).unwrap();
    assert_eq!(selected, "deletecollection nodes.custom.metrics.k8s.io/- -@- a");
}

#[test]
fn what_is_shorter_is_a_path() {
    for (method, path, expected) in [
        ("GET", "/", "get /"),
        ("GET", "/apis", "get /apis"),
        ("GET", "/apis/", "get /apis/"),
        ("GET", "/apis/custom.metrics.k8s.io", "get /apis/custom.metrics.k8s.io"),
        ("GET", EXTERNAL, "get /apis/external.metrics.k8s.io/v1beta1"),
        ("HEAD", "/version", "head /version"),
        ("POST", "/openapi/v3/apis/g/v?hash=1", "post /openapi/v3/apis/g/v"),
        ("DELETE", "/a%20b", "delete /a b"),
        ("BREW", "/metrics", "brew /metrics"),
        ("GET", "/api/v1/pods", "get /api/v1/pods"),
    ] {
        assert_eq!(read(method, path).unwrap(), expected);
    }
}

#[test]
fn paths_that_could_be_read_in_two_ways_are_refused() {
    for path in [
        "//",
        "//apis",
        "/apis//",
        "/apis//v1",
        "/apis/./v1",
        "/apis/../v1",
        "/apis/%2e%2e/v1",
        "/apis/%2E/v1",
        "/a%70is/g/v/r",
        "/apis/custom.metrics.k8s.io/v1beta2/n%61mespaces/team/pods",
        "/apis/custom%2Emetrics.k8s.io/v1beta2/nodes",
        "/apis/g/v/namespaces/team/a%2Fb",
        "/apis/g/v/namespaces/team/a%2fb",
        "/apis/g/v/namespaces/team/a%",
        "/apis/g/v/namespaces/team/a%4",
        "/apis/g/v/namespaces/team/a%+4",
        "/apis/g/v/namespaces/team/a%zz",
        "/apis/g/v/namespaces/team/%00",
        "/apis/g/v/namespaces/team/%0a",
        "/apis/g/v/namespaces/team/%ff",
        "/apis/g/v/nodes/n1/m/more/than/is/read/%ff",
        "/apis/g/v/namespaces/team/%2",
        "*",
    ] {
        assert_eq!(read("GET", path), Err(PathError::Ambiguous), "{path}");
    }
    for path in [
        "/watch/nodes",
        "/proxy/nodes/n1",
        "/watch",
        "/watch/namespaces/team/m",
        // More than is reviewed would be served unreviewed.
        "/namespaces/team/status/x/m",
        "/namespaces/team/finalize/*/m",
        "/namespaces/team/pods/p/m/x",
        "/nodes/n1/m/x",
    ] {
        assert_eq!(read("GET", &format!("{CUSTOM}{path}")), Err(PathError::Unknown), "{path}");
    }
}

#[test]
fn keys_tell_users_and_requests_apart() {
    let user = |name: &str, groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        User::new(name.to_owned(), None, groups, super::super::identity::Extra::new())
    };
    let users =
        [user("a", &[]), user("a", &["b"]), user("a", &["b", "c"]), user("a", &["bc"]), user("ab", &[])];
    let targets = [
        "/apis".to_owned(),
        "/apis/".to_owned(),
        format!("{EXTERNAL}/namespaces/team/m"),
        format!("{EXTERNAL}/namespaces/team/m?labelSelector=a"),
        format!("{EXTERNAL}/namespaces/team/m?labelSelector=b"),
        format!("{EXTERNAL}/namespaces/team/m?watch=1"),
        format!("{EXTERNAL}/namespaces/other/m"),
        format!("{CUSTOM}/namespaces/team/m"),
        format!("{CUSTOM}/namespaces/team/metrics/m"),
        format!("{CUSTOM}/metrics/m"),
    ];
    let mut keys = std::collections::HashSet::new();
    for target in &targets {
        let uri: Uri = target.parse().unwrap();
        let attributes = Attributes::read(&Method::GET, &uri).unwrap();
        for user in &users {
            let key = || super::super::access::key(user, &attributes.key());
            assert!(keys.insert(key()), "{target} {user:?}");
            assert!(!keys.insert(key()), "{target} {user:?}");
        }
    }
}

proptest! {
    /// Whatever is accepted gives the parts that a router sees: the same count, each decoded alike.
    #[test]
    fn an_accepted_path_has_the_parts_of_its_text(
        parts in proptest::collection::vec("[a-z%.*:/A-F0-9]{0,6}", 0..8),
        prefix in prop_oneof![Just(EXTERNAL), Just(CUSTOM), Just("")],
    ) {
        let path = format!("{prefix}/{}", parts.join("/"));
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let Ok(attributes) = Attributes::read(&Method::GET, &uri) else { return Ok(()) };
        let seen: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned())
            .collect();
        prop_assert!(seen.iter().all(|part| !part.contains('/') && part != "." && part != ".."));
        match attributes.subject {
            Subject::Path(path) => prop_assert_eq!(path.trim_matches('/'), seen.join("/")),
            Subject::Resource(it) => {
                prop_assert_eq!(&seen[1], &*it.group);
                prop_assert_eq!(&seen[2], &*it.version);
                if let Some(namespace) = it.namespace {
                    prop_assert_eq!(&seen[3], "namespaces");
                    prop_assert_eq!(&seen[4], &*namespace);
                }
                prop_assert!(seen.contains(&it.resource.into_owned()));
            }
        }
    }
}
