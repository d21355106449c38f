//! A true control plane: etcd, kube-apiserver with its aggregator, and kube-controller-manager with its
//! HPA controller, beside our built binary with the permissions that it is shipped with.
//!
//! They are ignored unless asked for, since nobody has these programs by chance: `tests/run` asks for
//! them where `KUBEBUILDER_ASSETS` names the directory that holds the three. Each test has a control
//! plane of its own. No kubelet and no controller of workloads runs, so `workload` plays them.

mod access;
mod admin;
mod autoscaler;
mod certificate;
mod control_plane;
mod decisions;
mod external;
mod faults;
mod installation;
mod manifests;
mod objects;
mod recipes;
mod registration;
mod restart;
mod soak;
mod workload;

use admin::{Admin, text};
use autoscaler::Autoscaler;
use control_plane::{ControlPlane, Options};
use installation::Installation;
use workload::{Load, Workload};
