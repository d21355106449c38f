//! New authorities on connections that are open.
use super::super::authenticate::{Standing, Verdict};
use super::*;
use pki::Flaw;

#[tokio::test]
async fn both_authorities_rotate_under_live_connections() {
    let rig = Rig::new();
    let server = rig.serve().await;
    let (old_proxy, old_alice) =
        (client(Some(&rig.proxy()), true), client(Some(&rig.clients.issue("alice", &[])), true));
    let ask = async |client: &reqwest::Client| {
        let (code, told) = get(client, server.url(METRIC), &[("x-remote-user", "root")]).await;
        (code, user(&told).to_owned())
    };
    let was = |name: &str| (200, name.to_owned());
    assert_eq!(ask(&old_proxy).await, was("root"));
    assert_eq!(ask(&old_alice).await, was("alice"));

    let (clients, proxies) = (Authority::new("new clients"), Authority::new("new proxies"));
    let (new_proxy, new_alice) = (
        client(Some(&proxies.issue("front-proxy-client", &[])), true),
        client(Some(&clients.issue("alice", &[])), true),
    );
    // A peer may come early; its certificate says nothing yet.
    assert_eq!(ask(&new_proxy).await.0, 401);
    let both = config_map(
        &format!("{}{}", rig.clients.pem, clients.pem),
        &format!("{}{}", rig.proxies.pem, proxies.pem),
    );
    rig.trust.update(&both).unwrap();
    for client in [&old_proxy, &new_proxy] {
        assert_eq!(ask(client).await, was("root"));
    }
    for client in [&old_alice, &new_alice] {
        assert_eq!(ask(client).await, was("alice"));
    }
    rig.trust.update(&config_map(&clients.pem, &proxies.pem)).unwrap();
    for (client, code) in [(&old_proxy, 401), (&old_alice, 401), (&new_proxy, 200), (&new_alice, 200)] {
        assert_eq!(ask(client).await.0, code);
    }
}

#[tokio::test]
async fn a_certificate_that_expires_on_an_open_connection_is_not_believed_any_more() {
    let rig = Rig::new();
    let server = rig.serve().await;
    let alice = rig.clients.issue_flawed("alice", &[], Flaw::EndsSoon);
    let client = client(Some(&alice), true);
    for (after, code) in [(0, 200), (10, 200), (11, 401)] {
        rig.seconds.store(BEGIN + after, Ordering::Relaxed);
        assert_eq!(get(&client, server.url(METRIC), &[]).await.0, code, "after {after} s");
    }
}

/// A verdict is kept with the connection: a planted one, which no authority would give, is believed until
/// the next version of trust.
#[tokio::test]
async fn a_certificate_is_judged_once_for_each_version_of_trust() {
    let rig = Rig::new();
    let stranger = Credential::self_signed("stranger", &[]);
    let presented = Arc::new(Presented::new(&stranger.chain).unwrap());
    let planted = User::new("planted".to_owned(), None, Vec::new(), BTreeMap::new());
    let standing = Standing { front_proxy: false, user: Some(Arc::new(planted)) };
    presented.judge(Verdict { generation: 1, until: None, standing });
    let ask = async || {
        let mut asking = rig.request(METRIC, None);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let presented = Some(Arc::clone(&presented));
        asking
            .request
            .extensions_mut()
            .insert(ConnectionInfo::presenting(peer, presented));
        asking.send().await
    };
    assert_eq!(user(&ask().await.1), "planted");
    rig.trust.update(&config_map(&rig.proxies.pem, &rig.clients.pem)).unwrap();
    assert_eq!(ask().await.0, 401);
}
