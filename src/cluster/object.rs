//! Objects as they come over the wire: only what we keep is decoded, and one that cannot be decoded does
//! not take its page along.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Annotations that are kept begin with this.
const ANNOTATIONS: &str = "prometheus.io/";

/// A kind of object as the API server names it.
#[derive(Debug)]
pub(super) struct Kind {
    /// As owner references name it, in lower case.
    pub(super) name: &'static str,
    /// The path of all of them.
    pub(super) path: &'static str,
    /// Whether their metadata is enough.
    pub(super) metadata_only: bool,
    /// Whether every question depends on it, so that nothing is known without.
    pub(super) needed: bool,
}

/// What is kept of an object's content.
pub(super) trait Body: DeserializeOwned + Clone + Send + 'static {
    fn meta(&self) -> &Meta;
}

/// An object, or what little is known of one that cannot be decoded.
#[derive(Debug, Clone)]
pub(super) struct Object<T>(pub(super) Result<T, Malformed>);

/// An object that does not have the form that it should have.
#[derive(Debug, Clone)]
pub(super) struct Malformed {
    pub(super) namespace: String,
    pub(super) name: String,
    version: String,
    /// What is wrong with it.
    pub(super) error: String,
}

impl<T: Body> Object<T> {
    /// Its resource version; empty if it has none.
    pub(super) fn version(&self) -> &str {
        self.0.as_ref().map_or_else(|malformed| &malformed.version, |body| &body.meta().resource_version)
    }

    /// Its namespace and name.
    pub(super) fn key(&self) -> (&str, &str) {
        match &self.0 {
            Ok(body) => (&body.meta().namespace, &body.meta().name),
            Err(malformed) => (&malformed.namespace, &malformed.name),
        }
    }
}

impl<'de, T: Body> Deserialize<'de> for Object<T> {
    /// From JSON text only: the end of the object is found first, then its text is decoded.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(serde_json::from_str::<T>(text).map_err(|error| Malformed::of(text, &error))))
    }
}

impl Malformed {
    fn of(text: &str, error: &serde_json::Error) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let at = |path| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            namespace: at("/metadata/namespace"),
            name: at("/metadata/name"),
            version: at("/metadata/resourceVersion"),
            error: error.to_string(),
        }
    }
}

/// The metadata that we keep.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(default)]
    pub(super) labels: Pairs<Every>,
    #[serde(default)]
    pub(super) annotations: Pairs<Scraping>,
    #[serde(default)]
    owner_references: Option<Vec<Reference>>,
    #[serde(default)]
    pub(super) creation_timestamp: Option<Timestamp>,
    /// Only whether it is there.
    #[serde(default)]
    pub(super) deletion_timestamp: Option<IgnoredAny>,
}

impl Meta {
    /// The object that controls this one.
    pub(super) fn controller(&self) -> Option<&Reference> {
        self.owner_references.iter().flatten().find(|owner| owner.controller)
    }
}

/// A reference to an owner.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    controller: bool,
}

/// Which of the pairs of a map are kept.
pub(super) trait Keep {
    fn keeps(name: &str) -> bool;
}

/// All are kept.
#[derive(Debug, Clone)]
pub(super) struct Every;

impl Keep for Every {
    fn keeps(_: &str) -> bool {
        true
    }
}

/// Those about scraping are kept.
#[derive(Debug, Clone)]
pub(super) struct Scraping;

impl Keep for Scraping {
    fn keeps(name: &str) -> bool {
        name.starts_with(ANNOTATIONS)
    }
}

/// Names and values.
#[derive(Debug, Clone)]
pub(super) struct Pairs<K>(pub(super) Vec<(String, String)>, PhantomData<K>);

impl<K> Default for Pairs<K> {
    fn default() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<'de, K: Keep> Deserialize<'de> for Pairs<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<K>(PhantomData<K>);
        impl<'de, K: Keep> Visitor<'de> for Map<K> {
            type Value = Vec<(String, String)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    if K::keeps(&name) {
                        pairs.push((name.into_owned(), map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(pairs)
            }
        }
        Ok(Self(deserializer.deserialize_any(Map(PhantomData::<K>))?, PhantomData))
    }
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    metadata: PageMeta,
    /// `null` in place of an empty list, as servers written in Go send it.
    items: Option<Vec<T>>,
}

impl<T: Body> Page<Object<T>> {
    /// Decodes a page. Only if it is not well-formed as a whole, each object is looked at by itself: that
    /// reads the text twice.
    pub(super) fn decode(text: &str) -> Result<Self, serde_json::Error> {
        let Ok(Page { metadata, items }) = serde_json::from_str::<Page<T>>(text) else {
            return serde_json::from_str(text);
        };
        let items = items.map(|items| items.into_iter().map(|body| Object(Ok(body))).collect());
        Ok(Self { metadata, items })
    }

    /// What is on it, and how the list goes on.
    pub(super) fn into_parts(self) -> (Vec<Object<T>>, PageMeta) {
        (self.items.unwrap_or_default(), self.metadata)
    }
}

/// How a list goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageMeta {
    #[serde(default)]
    pub(super) resource_version: String,
    /// Where the next page begins; empty after the last.
    #[serde(default)]
    pub(super) r#continue: String,
}
