//! Reads answers with a bound, whatever their headers promise.

use std::time::Duration;

use super::SourceError;
use crate::core::time::Human;

/// What is read is kept in pieces of this size until it is known how much it is.
const PIECE: usize = 256 << 10;

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
    // One buffer that grows would at times be there twice.
    let (mut full, mut piece) = (Vec::new(), Vec::with_capacity(announced));
    let (mut length, mut free) = (0, announced.max(PIECE));
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            if error.is_timeout() {
                SourceError::Timeout(Human(timeout).to_string())
            } else {
                SourceError::Unreachable(format!("answer broke off: {}", root_cause(&error)))
            }
        })?;
        let Some(chunk) = chunk else { return Ok(joined(full, piece, length)) };
        length += chunk.len();
        if length > limit {
            return Err(too_large());
        }
        if chunk.len() > free {
            full.push(std::mem::take(&mut piece));
            free = PIECE.max(chunk.len());
        }
        free -= chunk.len();
        piece.extend_from_slice(&chunk);
    }
}

/// The pieces in one, each gone as soon as it is copied.
fn joined(full: Vec<Vec<u8>>, last: Vec<u8>, length: usize) -> Vec<u8> {
    if full.is_empty() {
        return last;
    }
    let mut body = Vec::with_capacity(length);
    full.into_iter().chain([last]).for_each(|piece| body.extend_from_slice(&piece));
    body
}

/// The innermost message of an error: the outer ones repeat the URL, which may carry secrets.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
