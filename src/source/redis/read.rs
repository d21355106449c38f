//! One signal's keys, read.

use redis::{Cmd, RedisResult, Value};

use super::failure::{Failure, shown};
use super::link::Link;
use super::{decode, lag, scan};
use crate::core::signal::{RedisKeys, RedisMeasure, RedisSignal};
use crate::source::SourceError;

/// The longest key that is used as a label's value, in bytes.
const MAX_KEY: usize = 1_024;

/// One number, and what it is of: the label's name and value.
pub(super) struct Number {
    pub(super) name: (&'static str, String),
    pub(super) value: f64,
}

/// Reads all keys of a signal.
pub(super) async fn read(link: &mut Link, signal: &RedisSignal) -> Result<Vec<Number>, Failure> {
    let (keys, are_named) = match &signal.keys {
        RedisKeys::Named(keys) => (keys.iter().map(|key| key.clone().into_bytes()).collect(), true),
        RedisKeys::Matching(pattern) => {
            let keys = scan::keys(link, pattern, kind_of(&signal.measure)).await?;
            if keys.is_empty() {
                return Ok(vec![none(pattern, &signal.measure)?]);
            }
            (keys, false)
        }
    };
    if let Some(key) = keys.iter().find(|key: &&Vec<u8>| key.len() > MAX_KEY) {
        let key = shown(&String::from_utf8_lossy(key));
        return Err(SourceError::TooLarge(format!("key {key} is longer than {MAX_KEY} bytes")).into());
    }
    let commands = keys.iter().map(|key| command(&signal.measure, key)).collect();
    let replies = link.ask_all(commands).await;
    let replies = replies.map_err(|error| link.failed(&error, command_of(&signal.measure)))?;
    let mut numbers = Vec::with_capacity(keys.len());
    for (key, reply) in keys.iter().zip(replies) {
        // Gone since it was found.
        if !are_named && is_no_such_key(&reply) {
            continue;
        }
        let value = number(link, &signal.measure, key, reply).await?;
        numbers.push(Number { name: ("key", String::from_utf8_lossy(key).into_owned()), value });
    }
    if numbers.is_empty()
        && let RedisKeys::Matching(pattern) = &signal.keys
    {
        numbers.push(none(pattern, &signal.measure)?);
    }
    Ok(numbers)
}

/// What it means that no key matches. An empty list or sorted set is no key, so there is nothing in those
/// of the pattern; an empty stream is one, so there is no such stream at all.
fn none(pattern: &str, measure: &RedisMeasure) -> Result<Number, SourceError> {
    match measure {
        RedisMeasure::ListLength | RedisMeasure::SortedSetCardinality => {
            Ok(Number { name: ("pattern", pattern.to_owned()), value: 0.0 })
        }
        _ => Err(SourceError::Refused(format!("no stream matches {}", shown(pattern)))),
    }
}

async fn number(
    link: &mut Link,
    measure: &RedisMeasure,
    key: &[u8],
    reply: RedisResult<Value>,
) -> Result<f64, Failure> {
    let name = shown(&String::from_utf8_lossy(key));
    let doing = format!("{} {name}", command_of(measure));
    let reply = reply.map_err(|error| link.failed(&error, &doing))?;
    let (RedisMeasure::StreamLag { group } | RedisMeasure::StreamPending { group }) = measure else {
        return Ok(decode::length(&reply)? as f64);
    };
    let found = decode::group(&reply, group)?;
    let no_group = || SourceError::Refused(format!("stream {name} has no group {}", shown(group)));
    let found = found.ok_or_else(no_group)?;
    let count = match (measure, found.lag) {
        (RedisMeasure::StreamPending { .. }, _) => found.pending,
        (_, Some(lag)) => lag,
        (_, None) => lag::counted(link, key, group, &found).await?,
    };
    Ok(count as f64)
}

fn is_no_such_key(reply: &RedisResult<Value>) -> bool {
    reply.as_ref().is_err_and(|error| error.detail().is_some_and(|detail| detail.contains("no such key")))
}

fn command(measure: &RedisMeasure, key: &[u8]) -> Cmd {
    let mut command = Cmd::new();
    for word in command_of(measure).split(' ') {
        command.arg(word);
    }
    command.arg(key);
    command
}

/// The command that reads a key.
pub(super) fn command_of(measure: &RedisMeasure) -> &'static str {
    match measure {
        RedisMeasure::ListLength => "LLEN",
        RedisMeasure::SortedSetCardinality => "ZCARD",
        RedisMeasure::StreamLag { .. } | RedisMeasure::StreamPending { .. } => "XINFO GROUPS",
    }
}

/// The type of such keys, as `SCAN` has it.
pub(super) fn kind_of(measure: &RedisMeasure) -> &'static str {
    match measure {
        RedisMeasure::ListLength => "list",
        RedisMeasure::SortedSetCardinality => "zset",
        RedisMeasure::StreamLag { .. } | RedisMeasure::StreamPending { .. } => "stream",
    }
}
