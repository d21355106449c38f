//! Any bytes, read as a server's reply, and the reply as each kind that is asked for.

use redis::parse_redis_value;

use super::{SLOTS, address, group, length, page, primaries, role, scanned};

/// Each reading is an error or what such a reply can say.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(reply) = parse_redis_value(bytes) else { return };
    let _ = (length(&reply), role(&reply));
    if let Ok(Some(group)) = group(&reply, "workers") {
        let next = group.delivered.next();
        assert!(next.is_none_or(|next| super::EntryId::parse(next.as_bytes()) > Some(group.delivered)));
    }
    if let Ok(page) = page(&reply) {
        assert!(page.bytes <= bytes.len() && page.last.is_some() == (page.entries > 0));
    }
    if let Ok(Some(count)) = primaries(&reply) {
        assert!((1..=usize::try_from(SLOTS).expect("it is small")).contains(&count));
    }
    if let Ok(Some(address)) = address(&reply) {
        assert!(address.host.len() <= bytes.len());
    }
    if let Ok((_, keys)) = scanned(reply) {
        assert!(keys.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    }
}
