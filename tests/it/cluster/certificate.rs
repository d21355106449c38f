//! The certificate that replicas make and share: lost and made anew, and never untrusted for long.

use tokio::time::Instant;

use super::installation::trusts;
use super::{ControlPlane, Installation, text};
use crate::support::{seconds, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_certificate() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let admin = &inferometer.admin;
    // Together, so that they race for the Secret.
    let (one, other) = tokio::join!(inferometer.replica(&[]), inferometer.replica(&[]));
    let took = inferometer.register(&one).await;
    println!("available {took:?} after the registrations were applied");

    let bundle = inferometer.bundle().await;
    for replica in [&one, &other] {
        until("a replica has the shared certificate", seconds(20), async || trusts(replica, &bundle).await)
            .await;
    }
    let first = admin.get(&Installation::secret()).await;
    assert_eq!(text(&first, "/type"), "kubernetes.io/tls");

    admin.delete(&Installation::secret()).await;
    let began = Instant::now();
    let second = until("the Secret is made anew", seconds(90), async || {
        admin.find(&Installation::secret()).await.ok_or("not there")
    })
    .await;
    println!("the Secret was there again {:?} after its deletion", began.elapsed());
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);

    // Both answer so that the aggregator believes them, whatever it was that they made.
    for replica in [&one, &other] {
        until("the aggregator trusts a replica", seconds(60), async || {
            trusts(replica, &inferometer.bundle().await).await
        })
        .await;
    }
    inferometer.until_available().await;
    println!("all is well {:?} after the deletion", began.elapsed());

    // Registrations written by somebody who knows of no bundle: ours is put back.
    let took = inferometer.register(&other).await;
    println!("available {took:?} after they were applied again");
    assert_eq!(inferometer.unavailable().await, None);
}
