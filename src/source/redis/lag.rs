//! A group's lag where the server does not tell it: before Redis 7, and where entries between were
//! deleted.

use super::decode::{self, EntryId, Group};
use super::failure::{Failure, shown};
use super::link::Link;
use crate::source::SourceError;

/// The most entries that are counted.
const MAX_COUNTED: usize = 10_000;
/// They come with what they hold, so few at a time.
const PER_PAGE: usize = 100;
/// The most bytes of entries that are read to count them.
const MAX_BYTES: usize = 8 << 20;

/// How many entries of the stream `key` come after the last that `group` was given.
///
/// # Errors
/// `TooLarge` if that takes more than the bounds allow: a part of a lag is no lag.
pub(super) async fn counted(link: &mut Link, key: &[u8], name: &str, group: &Group) -> Result<u64, Failure> {
    let stream = shown(&String::from_utf8_lossy(key));
    if group.delivered == EntryId::START {
        let mut command = redis::cmd("XLEN");
        command.arg(key);
        return Ok(decode::length(&link.ask(command, &format!("XLEN {stream}")).await?)?);
    }
    let doing = format!("XRANGE {stream}");
    let (mut entries, mut bytes) = (0, 0);
    let mut after = group.delivered;
    while let Some(from) = after.next() {
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg(from).arg("+").arg("COUNT").arg(PER_PAGE);
        let page = decode::page(&link.ask(command, &doing).await?)?;
        entries += page.entries;
        bytes += page.bytes;
        match page.last {
            Some(last) if page.entries >= PER_PAGE && last > after => after = last,
            Some(last) if last <= after => {
                return Err(SourceError::Unusable(format!("{doing} goes back")).into());
            }
            _ => break,
        }
        if entries >= MAX_COUNTED || bytes >= MAX_BYTES {
            return Err(SourceError::TooLarge(format!(
                "the server does not tell the lag of group {} in stream {stream}, and to count it takes more \
                 than {MAX_COUNTED} entries or {} MiB",
                shown(name),
                MAX_BYTES >> 20,
            ))
            .into());
        }
    }
    Ok(entries as u64)
}
