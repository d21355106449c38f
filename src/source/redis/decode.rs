//! Replies, as numbers. Whatever a server sends, it is a number that it can be, or an error.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::HashSet;

use redis::Value;

use crate::source::SourceError;

/// The slots of a Redis Cluster.
const SLOTS: i64 = 16_384;

/// A place in a stream: milliseconds, and a number within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(u64, u64);

impl EntryId {
    /// Before every entry.
    pub(super) const START: Self = Self(0, 0);

    fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }

    /// The place after it, as `XRANGE` wants it; none after the last there can be.
    pub(super) fn next(self) -> Option<String> {
        let (millis, number) = match self.1.checked_add(1) {
            Some(number) => (self.0, number),
            None => (self.0.checked_add(1)?, 0),
        };
        Some(format!("{millis}-{number}"))
    }
}

/// What a consumer group has before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The entries that it was not given yet, if the server knows.
    pub(super) lag: Option<u64>,
    /// Those that it was given and has not acknowledged.
    pub(super) pending: u64,
    /// The last one that it was given.
    pub(super) delivered: EntryId,
}

fn unusable(what: &str) -> SourceError {
    SourceError::Unusable(what.to_owned())
}

/// A number of members.
pub(super) fn length(reply: &Value) -> Result<u64, SourceError> {
    whole(reply).ok_or_else(|| unusable("something that is no length"))
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// The group of this name in the reply to `XINFO GROUPS`; `None` if it is not there.
pub(super) fn group(reply: &Value, name: &str) -> Result<Option<Group>, SourceError> {
    let Value::Array(groups) = reply else { return Err(unusable("something that is no list of groups")) };
    for fields in groups {
        let field = |name: &str| field(fields, name);
        let found = field("name").and_then(bytes).ok_or_else(|| unusable("a group without a name"))?;
        if found != name.as_bytes() {
            continue;
        }
        let pending = field("pending").and_then(whole);
        let pending = pending.ok_or_else(|| unusable("a group without pending entries"))?;
        let delivered = field("last-delivered-id").and_then(bytes).and_then(EntryId::parse);
        let delivered = delivered.ok_or_else(|| unusable("a group without a last entry"))?;
        return Ok(Some(Group { lag: field("lag").and_then(whole), pending, delivered }));
    }
    Ok(None)
}

/// The value of a field, in either version of the protocol.
fn field<'v>(fields: &'v Value, wanted: &str) -> Option<&'v Value> {
    let is_it = |name: &Value| bytes(name) == Some(wanted.as_bytes());
    match fields {
        Value::Map(pairs) => pairs.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value),
        Value::Array(flat) => flat.chunks_exact(2).find(|pair| is_it(&pair[0])).map(|pair| &pair[1]),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A page of a stream's entries.
pub(super) struct Page {
    pub(super) entries: usize,
    /// What they take in bytes.
    pub(super) bytes: usize,
    /// The last of them.
    pub(super) last: Option<EntryId>,
}

/// The reply to `XRANGE`.
pub(super) fn page(reply: &Value) -> Result<Page, SourceError> {
    let entry = |entry: &Value| match entry {
        Value::Array(parts) => parts.first().and_then(bytes).and_then(EntryId::parse),
        _ => None,
    };
    let Value::Array(entries) = reply else { return Err(unusable("something that is no page of entries")) };
    let last = entries.last().map(|last| entry(last).ok_or_else(|| unusable("an entry without its place")));
    Ok(Page { entries: entries.len(), bytes: size(reply), last: last.transpose()? })
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(size).sum(),
        value => bytes(value).map_or(0, <[u8]>::len),
    }
}

/// The reply to `SCAN`: where to go on (0 at the end), and keys.
pub(super) fn scanned(reply: Value) -> Result<(u64, Vec<Vec<u8>>), SourceError> {
    let wrong = || unusable("something that is no page of keys");
    let Value::Array(parts) = reply else { return Err(wrong()) };
    let Ok([cursor, Value::Array(keys)]) = <[Value; 2]>::try_from(parts) else { return Err(wrong()) };
    let cursor = bytes(&cursor).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let keys = keys.into_iter().map(|key| match key {
        Value::BulkString(key) => Some(key),
        _ => None,
    });
    Ok((cursor.ok_or_else(wrong)?, keys.collect::<Option<_>>().ok_or_else(wrong)?))
}

/// How many primaries serve all slots, by the reply to `CLUSTER SLOTS`; `None` if some slot is served by
/// nobody.
pub(super) fn primaries(reply: &Value) -> Result<Option<usize>, SourceError> {
    let wrong = || unusable("something that is no map of slots");
    let Value::Array(ranges) = reply else { return Err(wrong()) };
    let (mut slots, mut primaries) = (0_i64, HashSet::new());
    for range in ranges {
        let Value::Array(parts) = range else { return Err(wrong()) };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &parts[..] else {
            return Err(wrong());
        };
        let [_, Value::Int(_), Value::BulkString(id), ..] = &primary[..] else { return Err(wrong()) };
        if !(0..SLOTS).contains(first) || !(*first..SLOTS).contains(last) {
            return Err(wrong());
        }
        slots += last - first + 1;
        primaries.insert(id);
    }
    Ok((slots == SLOTS).then_some(primaries.len()))
}

/// What a server says that it is, by the reply to `HELLO`: `master` or `replica`.
pub(super) fn role(reply: &Value) -> Option<&str> {
    field(reply, "role").and_then(bytes).and_then(|role| std::str::from_utf8(role).ok())
}

/// The reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`; `None` if there is none of this name.
pub(super) fn address(reply: &Value) -> Result<Option<super::Address>, SourceError> {
    let parts = match reply {
        Value::Nil => return Ok(None),
        Value::Array(parts) => &parts[..],
        _ => &[],
    };
    let [host, port] = parts else { return Err(unusable("something that is no address of a primary")) };
    let text = |value| bytes(value).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match (text(host), text(port).and_then(|port| port.parse().ok())) {
        (Some(host), Some(port)) => Ok(Some(super::Address { host: host.to_owned(), port })),
        _ => Err(unusable("something that is no address of a primary")),
    }
}

#[cfg(test)]
mod tests;
