//! A body that is built once and served many times, with the tag that lets a client skip it.
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

use super::negotiate::{EncodeYamlError, encode_yaml};

/// A prebuilt JSON (or YAML) body and its entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    body: Bytes,
    // Kept with its quotes, as the header wants it: aggregators send back what they were given, byte for byte.
    etag: String,
}

impl Document {
    /// Serialises `value` and tags the result.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::from_body(json_line(value))
    }

    /// The same document in YAML, under a tag of its own: one strong tag must never name two byte sequences.
    pub fn to_yaml(&self) -> Result<Self, EncodeYamlError> {
        encode_yaml(&self.body).map(Self::from_body)
    }

    fn from_body(body: Bytes) -> Self {
        let mut etag = String::with_capacity(2 * 32 + 2);
        etag.push('"');
        for byte in Sha256::digest(&body) {
            // Writing to a String cannot fail.
            let _ = write!(etag, "{byte:02X}");
        }
        etag.push('"');
        Self { body, etag }
    }

    /// The body; cloning it copies no bytes.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The value of the `ETag` header, quotes included.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The digest within the tag, for a place where quotes do not belong (a URL).
    pub fn hash(&self) -> &str {
        self.etag.trim_matches('"')
    }

    /// Whether an `If-None-Match` header names this document, so that 304 is the right answer.
    ///
    /// Weak tags match too: the comparison for `If-None-Match` is the weak one (RFC 9110, 13.1.2), and a proxy
    /// that compressed the body will have weakened ours.
    pub fn matches(&self, if_none_match: &str) -> bool {
        if_none_match.split(',').map(str::trim).any(|tag| {
            // Our own tags hold no comma, so a foreign tag that does is split here without harm.
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag
        })
    }
}

/// Compact JSON and a line feed, the way Kubernetes' own encoder ends every body.
pub(super) fn json_line<T: Serialize + ?Sized>(value: &T) -> Bytes {
    // Serialising into memory fails only for a map whose keys are not strings or a type that refuses on its own;
    // no type of this module has either, and a default body in their stead would hide the mistake from the tests.
    let mut line = serde_json::to_vec(value).expect("the types of the Kubernetes surface always serialise");
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_quoted_hex_and_follows_the_content() {
        let one = Document::json(&["a"]);
        assert_eq!(one.body(), "[\"a\"]\n");
        assert_eq!(one.etag(), format!("\"{}\"", one.hash()));
        assert_eq!(one.hash().len(), 64);
        assert!(one.hash().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(one, Document::json(&["a"]));
        assert_ne!(one.etag(), Document::json(&["b"]).etag());
    }

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_the_star() {
        let document = Document::json("x");
        let tag = document.etag().to_owned();
        for matching in [tag.clone(), format!("W/{tag}"), "*".into(), format!("\"other\" , {tag}")] {
            assert!(document.matches(&matching), "{matching}");
        }
        for other in [String::new(), "\"other\"".into(), document.hash().into(), format!("w/{tag}")] {
            assert!(!document.matches(&other), "{other}");
        }
    }

    #[test]
    fn yaml_has_a_tag_of_its_own() {
        let json = Document::json(&["a"]);
        let yaml = json.to_yaml().unwrap();
        assert_eq!(yaml.body(), "- a\n");
        assert_ne!(json.etag(), yaml.etag());
    }
}
