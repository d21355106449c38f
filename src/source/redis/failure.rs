//! What a server or the network says, in a person's words.
//!
//! A server's own words are not repeated: they may quote what they were sent.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::source::SourceError;
use crate::source::body::root_cause;

/// The most characters of a cause or a key that are repeated.
const MAX_SHOWN: usize = 160;

/// Why a reading failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: SourceError,
    /// Whether the connection is of no more use.
    pub(super) lost: bool,
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self { error, lost: false }
    }
}

impl Failure {
    /// Of what `place` answered while it was asked to do something, such as `LLEN jobs`.
    pub(super) fn of(error: &RedisError, place: &str, doing: &str) -> Self {
        let told = match error.kind() {
            ErrorKind::Server(kind) => by_server(kind, error, place, doing),
            _ => by_code(error, place, doing),
        };
        if let Some(error) = told {
            let lost = matches!(error, SourceError::Credentials(_));
            return Self { error, lost };
        }
        let cause = shown(&root_cause(error));
        let error = match error.kind() {
            // The driver hides the reason for which it connects to no node in the text of another error.
            _ if is_about_login(&cause) => refused_login(place),
            ErrorKind::AuthenticationFailed => refused_login(place),
            ErrorKind::Parse => SourceError::Unusable(format!("{place} does not speak as Redis does")),
            ErrorKind::UnexpectedReturnType => SourceError::Unusable(format!("{place}, asked for {doing}")),
            _ if cause.contains("cluster support disabled") => SourceError::Refused(format!(
                "{place} is not part of a Redis Cluster: configure `url` instead of `cluster`"
            )),
            _ => SourceError::Unreachable(format!("{place}: {cause}")),
        };
        Self { error, lost: true }
    }
}

fn by_server(kind: ServerErrorKind, error: &RedisError, place: &str, doing: &str) -> Option<SourceError> {
    use ServerErrorKind as Kind;
    let unreachable = |what: &str| SourceError::Unreachable(format!("{place} {what}"));
    Some(match kind {
        Kind::NoPerm => SourceError::Refused(format!("the user of this source has no right to {doing}")),
        Kind::BusyLoading => unreachable("is loading its data"),
        Kind::MasterDown => unreachable("is a replica that has lost its primary"),
        Kind::ClusterDown => unreachable("is down: some slots are served by nobody"),
        Kind::TryAgain => unreachable("is moving slots at this moment"),
        Kind::Moved | Kind::Ask | Kind::CrossSlot => SourceError::Refused(format!(
            "{place} has not this key's slot: for a Redis Cluster, configure `cluster` instead of `url`"
        )),
        _ if error.to_string().contains("switch database") => SourceError::Refused(format!(
            "{place} refuses to select the database: it has none of this number, or the user has no right to"
        )),
        _ if error.detail().is_some_and(|detail| detail.contains("cluster support disabled")) => return None,
        Kind::ResponseError if error.detail().is_some_and(|detail| detail.contains("no such key")) => {
            SourceError::Refused(format!("no such key: {doing}"))
        }
        _ => refused_by_code(kind_code(error), doing),
    })
}

/// By the words in front of errors that the driver does not know.
fn by_code(error: &RedisError, place: &str, doing: &str) -> Option<SourceError> {
    Some(match error.code()? {
        "NOAUTH" => SourceError::Credentials(format!("{place} asks for a password: configure `auth`")),
        "WRONGPASS" => refused_login(place),
        "WRONGTYPE" => SourceError::Refused(format!("the key is of another type: {doing}")),
        "MISCONF" | "NOREPLICAS" => SourceError::Unreachable(format!("{place} is not well")),
        code => refused_by_code(code, doing),
    })
}

fn kind_code(error: &RedisError) -> &str {
    error.code().unwrap_or("ERR")
}

fn refused_by_code(code: &str, doing: &str) -> SourceError {
    let is_code = |code: &str| code.len() <= 32 && code.chars().all(|c| c.is_ascii_uppercase());
    SourceError::Refused(format!("{} to {doing}", if is_code(code) { code } else { "an error" }))
}

fn refused_login(place: &str) -> SourceError {
    SourceError::Credentials(format!("{place} refuses the user's name or password"))
}

fn is_about_login(cause: &str) -> bool {
    ["authentication failed", "NOAUTH", "WRONGPASS"].iter().any(|word| cause.contains(word))
}

/// A text of somebody else's on one line, and not long.
pub(super) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = chars.by_ref().take(MAX_SHOWN).map(printable).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
