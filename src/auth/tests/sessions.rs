//! Identity belongs to a request and never to a connection (S4).
use super::*;

#[tokio::test]
async fn users_interleaved_on_one_connection_get_their_own_decisions() {
    let rig = Rig::new();
    rig.fake.deny("bob");
    let server = rig.serve().await;
    let client = client(Some(&rig.proxy()), true);
    let requests = (0..40).map(|index| {
        let (client, url) = (client.clone(), server.url(METRIC));
        tokio::spawn(async move {
            let name = if index % 2 == 0 { "alice" } else { "bob" };
            (name, get(&client, url, &[("x-remote-user", name)]).await)
        })
    });
    let mut peers = std::collections::HashSet::new();
    for request in requests.collect::<Vec<_>>() {
        let (name, (code, told)) = request.await.unwrap();
        if name == "alice" {
            assert_eq!((code, user(&told)), (200, "alice"));
            peers.insert(peer(&told).to_owned());
        } else {
            assert_eq!(code, 403, "{told}");
            assert!(told.contains(r#"User \"bob\" cannot list resource \"waiting\""#), "{told}");
            assert!(told.contains("no role lets them"), "{told}");
        }
    }
    assert_eq!(peers.len(), 1);
    assert_eq!(rig.fake.reviews(), (0, 2));
    // The next request without a user is nobody's, whoever spoke before.
    assert_eq!(get(&client, server.url(METRIC), &[]).await.0, 401);
}

#[tokio::test]
async fn an_upgrade_is_refused_and_smuggles_nothing() {
    let rig = Rig::new();
    rig.fake.deny("bob");
    let server = rig.serve().await;
    let client = client(Some(&rig.proxy()), false);
    let alice = [("x-remote-user", "alice")];
    let before = get(&client, server.url(METRIC), &alice).await.1;
    let upgrade = [("x-remote-user", "alice"), ("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(get(&client, server.url(METRIC), &upgrade).await.0, 400);
    assert_eq!(get(&client, server.url(METRIC), &[("x-remote-user", "bob")]).await.0, 403);
    let after = get(&client, server.url(METRIC), &alice).await.1;
    assert_eq!(peer(&after), peer(&before));
}
