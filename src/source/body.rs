//! Reads answers with a bound, whatever their headers promise.

use std::time::Duration;

use super::SourceError;
use crate::core::time::Human;

/// The body, up to `limit` bytes after decompression. `timeout` is the request's, for the message.
///
/// # Errors
/// `TooLarge` as soon as the bound is passed; `Timeout` when the body does not end in time;
/// `Unreachable` when it breaks off.
pub(crate) async fn read_limited(
    mut response: reqwest::Response,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, SourceError> {
    let too_large = || SourceError::TooLarge(format!("more than {} MiB", limit.div_ceil(1 << 20)));
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            if error.is_timeout() {
                SourceError::Timeout(Human(timeout).to_string())
            } else {
                SourceError::Unreachable(format!("answer broke off: {}", root_cause(&error)))
            }
        })?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
}

/// The innermost message of an error: the outer ones repeat the URL, which may carry secrets.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
