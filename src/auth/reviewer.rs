//! The API server's word on tokens and access.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
use kube::Api;
use kube::api::PostParams;

use super::attributes::{Attributes, Resource, Subject};
use super::identity::User;
use crate::core::selector::{Operator, Requirement, Selector};

/// Who answers reviews.
pub trait Reviewer: Send + Sync {
    /// Whose token this is.
    fn token(&self, spec: TokenReviewSpec) -> BoxFuture<'static, Result<TokenReviewStatus, ReviewError>>;

    /// Whether a user may.
    fn access(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'static, Result<SubjectAccessReviewStatus, ReviewError>>;
}

/// Why there is no answer. The text holds nothing of what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReviewError {
    /// The API server did not answer, or not for itself: no connection, no time, a code of 429 or 5xx.
    #[error("the API server did not answer: {0}")]
    Unreachable(Arc<str>),
    /// The API server will not answer us: we may not ask, or asked wrongly.
    #[error("the API server refused to answer: {0}")]
    Refused(Arc<str>),
}

impl ReviewError {
    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::Unreachable(format!("nothing within {} ms", limit.as_millis()).into())
    }

    pub(super) fn lost() -> Self {
        Self::Refused("the question was lost".into())
    }
}

impl From<kube::Error> for ReviewError {
    fn from(error: kube::Error) -> Self {
        match error {
            // The message might quote what was sent.
            kube::Error::Api(status) => {
                let told = format!("{} {}", status.code, status.reason).into();
                if status.code == 429 || status.code >= 500 {
                    Self::Unreachable(told)
                } else {
                    Self::Refused(told)
                }
            }
            kube::Error::HyperError(_) => Self::Unreachable("the connection failed".into()),
            kube::Error::Service(error) => Self::Unreachable(error.to_string().into()),
            _ => Self::Refused("the question could not be put".into()),
        }
    }
}

/// Asks through a client of the API server.
#[derive(Clone)]
pub struct ApiServer {
    client: kube::Client,
}

impl ApiServer {
    /// Asks in the name of this client, which needs the rights of ClusterRole `system:auth-delegator`.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

impl Reviewer for ApiServer {
    fn token(&self, spec: TokenReviewSpec) -> BoxFuture<'static, Result<TokenReviewStatus, ReviewError>> {
        let api = Api::<TokenReview>::all(self.client.clone());
        async move {
            let review = TokenReview { spec, ..TokenReview::default() };
            let answer = api.create(&PostParams::default(), &review).await?;
            answer.status.ok_or_else(|| ReviewError::Refused("no status in the answer".into()))
        }
        .boxed()
    }

    fn access(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'static, Result<SubjectAccessReviewStatus, ReviewError>> {
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        async move {
            let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
            let answer = api.create(&PostParams::default(), &review).await?;
            answer.status.ok_or_else(|| ReviewError::Refused("no status in the answer".into()))
        }
        .boxed()
    }
}

/// The question whether this user may do this.
pub(super) fn access_spec(user: &User, attributes: &Attributes<'_>) -> SubjectAccessReviewSpec {
    let verb = Some(attributes.verb.clone().into_owned());
    let (resource_attributes, non_resource_attributes) = match &attributes.subject {
        Subject::Path(path) => {
            (None, Some(NonResourceAttributes { path: Some(path.clone().into_owned()), verb }))
        }
        Subject::Resource(resource) => (Some(resource_spec(resource, verb)), None),
    };
    SubjectAccessReviewSpec {
        user: Some(user.name().to_owned()),
        uid: user.uid().map(str::to_owned),
        groups: Some(user.groups().to_vec()),
        extra: (!user.extra().is_empty()).then(|| user.extra().clone()),
        resource_attributes,
        non_resource_attributes,
    }
}

fn resource_spec(resource: &Resource<'_>, verb: Option<String>) -> ResourceAttributes {
    let owned = |part: &Option<std::borrow::Cow<'_, str>>| part.as_deref().map(str::to_owned);
    ResourceAttributes {
        verb,
        group: Some(resource.group.clone().into_owned()),
        version: Some(resource.version.clone().into_owned()),
        namespace: owned(&resource.namespace),
        resource: Some(resource.resource.clone().into_owned()),
        name: owned(&resource.name),
        subresource: owned(&resource.subresource),
        label_selector: resource.selector().and_then(selector_spec),
        field_selector: None,
    }
}

/// The selector in parts; as text if we cannot read it, for the API server may.
fn selector_spec(text: String) -> Option<LabelSelectorAttributes> {
    let Ok(selector) = Selector::parse(&text) else {
        return Some(LabelSelectorAttributes { raw_selector: Some(text), requirements: None });
    };
    let requirements: Vec<_> = selector.requirements().iter().map(requirement_spec).collect();
    (!requirements.is_empty())
        .then_some(LabelSelectorAttributes { raw_selector: None, requirements: Some(requirements) })
}

fn requirement_spec(requirement: &Requirement) -> LabelSelectorRequirement {
    let operator = match requirement.operator() {
        Operator::Equals | Operator::In => "In",
        Operator::NotEquals | Operator::NotIn => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
    };
    LabelSelectorRequirement {
        key: requirement.key().to_owned(),
        operator: operator.to_owned(),
        values: (!requirement.values().is_empty()).then(|| requirement.values().to_vec()),
    }
}
