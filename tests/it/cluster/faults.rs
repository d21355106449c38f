//! The reliability matrix's faults of a true control plane: what a fake one could only pretend.

mod replicas;
mod silence;

use super::{Admin, ControlPlane, Installation};
use crate::support::front::{Answer, Front};

const METRIC: &str = "inference_requests_waiting";

/// Pods of this name wait with five requests each.
async fn engines(admin: &Admin, front: &Front, names: &[&str]) {
    for name in names {
        let pod = crate::support::objects::pod("ai", name, &[("app", name)]);
        if admin.find(&pod).await.is_none() {
            admin.create(&pod).await;
        }
    }
    let one = |name: &&str| (crate::support::of_pod("ai", name), 5.0);
    front.set(Answer::Series(names.iter().map(one).collect()));
}
