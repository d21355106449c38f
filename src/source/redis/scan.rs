//! Keys by a pattern, never without bounds.

use std::collections::BTreeSet;

use super::decode;
use super::failure::{Failure, shown};
use super::link::{Link, Wire};
use crate::source::SourceError;

/// The most keys that a pattern may have.
const MAX_KEYS: usize = 1_000;
/// How many keys a server looks at in one round, and is busy meanwhile: less than a millisecond.
const PER_ROUND: usize = 1_000;
/// The most rounds of one reading, all servers together.
const MAX_ROUNDS: usize = 100;

/// The keys that match `pattern` and are of this type.
///
/// # Errors
/// `TooLarge` beyond the bounds: what was seen until then is not all there is.
pub(super) async fn keys(link: &mut Link, pattern: &str, kind: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let doing = format!("SCAN MATCH {} TYPE {kind}", shown(pattern));
    let command = |cursor: u64| {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PER_ROUND).arg("TYPE").arg(kind);
        command
    };
    let mut found = BTreeSet::new();
    let first = link.ask_each(command(0), &doing).await?;
    let mut rounds = first.len();
    if let Wire::Cluster(_) = link.wire {
        all_answered(link, rounds).await?;
    }
    for (node, reply) in first {
        let mut reply = reply;
        loop {
            let (cursor, keys) = decode::scanned(reply)?;
            found.extend(keys);
            if found.len() > MAX_KEYS {
                return Err(too_large(pattern, &format!("more than {MAX_KEYS} keys match")));
            }
            if cursor == 0 {
                break;
            }
            if rounds >= MAX_ROUNDS {
                let seen = MAX_ROUNDS * PER_ROUND;
                return Err(too_large(pattern, &format!("there are more than {seen} keys to look at")));
            }
            rounds += 1;
            reply = link.ask_node(&node, command(cursor), &doing).await?;
        }
    }
    Ok(found.into_iter().collect())
}

/// Refuses the answers of a part of a cluster: the keys of the rest would count as gone.
async fn all_answered(link: &mut Link, answered: usize) -> Result<(), Failure> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let reply = link.ask(command, "CLUSTER SLOTS").await?;
    match decode::primaries(&reply)? {
        Some(primaries) if primaries == answered => Ok(()),
        Some(primaries) => {
            let what = format!("{answered} of {primaries} primaries of the cluster were asked");
            Err(SourceError::Partial(what).into())
        }
        None => {
            Err(SourceError::Partial("some slots are served by no node of the cluster".to_owned()).into())
        }
    }
}

fn too_large(pattern: &str, why: &str) -> Failure {
    SourceError::TooLarge(format!("pattern {}: {why}; name the keys instead", shown(pattern))).into()
}
