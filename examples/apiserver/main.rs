//! Plays the API server of a large cluster, for measuring what watching it costs: pods of inference servers with their
//! owners and autoscalers, lists in pages, watches with bookmarks, and so many changes of pods a second. It trusts and
//! allows everyone.
//!
//! ```text
//! cargo run --release --example apiserver -- --pods 150000 --autoscalers 10000 --events 500 --kubeconfig kubeconfig
//! ```

mod render;
mod world;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clap::Parser;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use render::Kind;
use world::{Event, World};

/// Plays the API server of a large cluster.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Pods, five to a workload.
    #[arg(long, default_value_t = 150_000)]
    pods: u32,
    /// Autoscalers, at most one for each workload.
    #[arg(long, default_value_t = 10_000)]
    autoscalers: u32,
    /// Namespaces.
    #[arg(long, default_value_t = 200)]
    namespaces: u32,
    /// ReplicaSets of former revisions that each Deployment keeps.
    #[arg(long, default_value_t = 5)]
    revisions: u32,
    /// Changes of pods a second: 18 of 20 are of a status, the others replace a pod.
    #[arg(long, default_value_t = 0)]
    events: u32,
    /// A kubeconfig that leads here is written to this file.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { listen, pods, autoscalers, namespaces, revisions, events, kubeconfig } = Args::parse();
    let world = Arc::new(World::new(pods, autoscalers.min(pods / 5), namespaces, revisions));
    tokio::spawn(Arc::clone(&world).change(events));
    let app = Router::new().fallback(answer).with_state(world);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let server = format!("http://{}", listener.local_addr()?);
    if let Some(file) = kubeconfig {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "only",
            "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
            "clusters": [{"name": "only", "cluster": {"server": &server}}],
            "users": [{"name": "only", "user": {}}],
        });
        std::fs::write(file, config.to_string())?;
    }
    println!("API server of {pods} pods on {server}");
    axum::serve(listener, app).await?;
    Ok(())
}

type Parameters = HashMap<String, String>;

async fn answer(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    body: Bytes,
) -> Response {
    if let Some(kind) = Kind::at(uri.path()).filter(|_| method == Method::GET) {
        let is_watch = parameters.get("watch").is_some_and(|value| value == "true" || value == "1");
        return if is_watch { watch(world, kind, &parameters) } else { list(&world, kind, &parameters) };
    }
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let mut sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (&method, last) {
        (&Method::GET, "version") => json_with(StatusCode::OK, &json!({"major": "1", "minor": "33"})),
        (&Method::GET, "extension-apiserver-authentication") => {
            json_with(StatusCode::OK, &render::authentication())
        }
        (&Method::GET, "configmaps") if parameters.contains_key("watch") => quiet(),
        (&Method::GET, "configmaps") => {
            let items = [render::authentication()];
            json_with(
                StatusCode::OK,
                &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
            )
        }
        (&Method::POST, "tokenreviews") => {
            let user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
            sent["status"] = json!({"authenticated": true, "user": {"username": user}});
            json_with(StatusCode::CREATED, &sent)
        }
        (&Method::POST, "subjectaccessreviews") => {
            sent["status"] = json!({"allowed": true});
            json_with(StatusCode::CREATED, &sent)
        }
        (&Method::POST, _) => json_with(StatusCode::CREATED, &sent),
        (&Method::PUT | &Method::PATCH, _) => json_with(StatusCode::OK, &sent),
        _ => status(StatusCode::NOT_FOUND, "NotFound"),
    }
}

/// A page: it begins where the token says and holds as many as wanted.
fn list(world: &World, kind: Kind, parameters: &Parameters) -> Response {
    let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    // All pages bear the version of the first: what happened since is told again by the watch.
    let token = parameters.get("continue").and_then(|token| token.split_once('-'));
    let (version, from) = token.map_or_else(
        || (world.version(), 0),
        |(version, from)| (version.parse().unwrap_or_default(), from.parse().unwrap_or_default()),
    );
    let count = world.count(kind);
    let end = count.min(limit.saturating_add(from));
    let more = if end < count { format!("{version}-{end}") } else { String::new() };
    let mut page = Vec::with_capacity((end - from) * kind.size() + 256);
    page.extend_from_slice(
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version.to_string(), "continue": more}})
            .to_string()
            .trim_end_matches('}')
            .as_bytes(),
    );
    // The object was closed by two braces, the first of which ended its metadata.
    page.extend_from_slice(b"},\"items\":[");
    for number in from..end {
        if number > from {
            page.push(b',');
        }
        world.render(kind, number, &mut page);
    }
    page.extend_from_slice(b"]}");
    ([(header::CONTENT_TYPE, "application/json")], page).into_response()
}

/// Events from a version on, ended by a bookmark when the time is over.
fn watch(world: Arc<World>, kind: Kind, parameters: &Parameters) -> Response {
    let from = parameters.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default();
    let seconds = parameters.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let Some(missed) = world.since(from) else { return status(StatusCode::GONE, "Expired") };
    let state = Some((missed, world));
    let lines = stream::unfold(state, move |state| async move {
        let (mut events, world) = state?;
        let mut lines = Vec::new();
        // Of other kinds nothing ever happens.
        let next = async {
            match kind {
                Kind::Pod => events.next(&world).await,
                _ => std::future::pending::<Vec<Event>>().await,
            }
        };
        let state = if let Ok(some) = timeout_at(deadline, next).await {
            for event in some {
                event.line(&world, &mut lines);
            }
            Some((events, world))
        } else {
            kind.bookmark(world.version(), &mut lines);
            None
        };
        Some((Ok::<_, Infallible>(Bytes::from(lines)), state))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

/// A watch in which nothing happens.
fn quiet() -> Response {
    Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()).into_response()
}

fn json_with(code: StatusCode, value: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn status(code: StatusCode, reason: &str) -> Response {
    let value = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16()});
    json_with(code, &value)
}
