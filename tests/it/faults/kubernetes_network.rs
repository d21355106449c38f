//! The network between an API server and a replica swallows everything: R47.
//!
//! That we drop a peer that answers no PING is tested beside the listener, whose limits are short there.

use tokio::time::{Instant, sleep};

use super::kubernetes::read;
use crate::support::cluster::Aggregator;
use crate::support::{Service, Site, WAITING, seconds, until, value_path};

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_costs_a_connection_and_no_more() {
    let site = Site::start().await;
    let (second, _) = site.cluster.serve(&["--prometheus-url", &site.front.url()]).await;
    let service = Service::of(&[&site.server]).await;
    let identity = site.cluster.front_proxy();
    // kube-apiserver asks after 30 s whether we are there, and waits 15 s for an answer. We cannot.
    let client = Aggregator::through(service.port(), &identity, seconds(2)).hpa_controller();
    let path = value_path("ai", WAITING, "");
    read(&client).await;
    // Every PING is answered, so an idle connection stays.
    sleep(seconds(5)).await;
    read(&client).await;
    assert_eq!(service.connections(&site.server), 1, "it had to connect anew");

    service.silence(&site.server, true);
    service.join(&second);
    let began = Instant::now();
    let lost = client.try_send(http::Method::GET, &path, &[]).await;
    assert!(lost.is_err(), "an answer came through a network that swallows everything: {lost:?}");
    until("the other replica is asked", seconds(10), async || {
        let reply = client.try_send(http::Method::GET, &path, &[]).await;
        reply.map(drop).map_err(|error| format!("{error:?}"))
    })
    .await;
    println!("asked again {:?} after the network fell silent", began.elapsed());
    assert_eq!(service.connections(&second), 1);

    // Who is heard again is there for whoever comes.
    service.silence(&site.server, false);
    service.leave(&second);
    service.until_ready(1).await;
    let fresh = Aggregator::through(service.port(), &identity, seconds(1)).hpa_controller();
    read(&fresh).await;
}
