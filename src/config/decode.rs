//! Combinators that turn nodes into values, reporting everything wrong on the way.
//!
//! A decode function has the shape `fn(&mut Diagnostics, &Node) -> Option<T>`; `None` means that what is
//! wrong has been reported. Functions that take parameters return such a function.

pub use super::scalar::{
    boolean, byte_size, duration, http_url, integer, metric_name, number, one_of, path, series_name, string,
};

use super::diagnostic::Diagnostics;
use super::node::{Key, Node};
use super::source::{Span, quoted};
use super::suggest::did_you_mean;
use super::units::Refusal;

/// A value that still knows its place, for checks across several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

/// Keeps the place of what `decode` reads.
pub fn spanned<T>(
    mut decode: impl FnMut(&mut Diagnostics, &Node) -> Option<T>,
) -> impl FnMut(&mut Diagnostics, &Node) -> Option<Spanned<T>> {
    move |diags, node| decode(diags, node).map(|value| Spanned { value, span: node.span })
}

/// Checks or converts what `decode` reads.
pub fn checked<T, U>(
    mut decode: impl FnMut(&mut Diagnostics, &Node) -> Option<T>,
    mut check: impl FnMut(T) -> Result<U, Refusal>,
) -> impl FnMut(&mut Diagnostics, &Node) -> Option<U> {
    move |diags, node| {
        let value = decode(diags, node)?;
        accept(diags, node, check(value))
    }
}

/// A list of what `decode` reads. All items are read, so that all their problems are reported, but the list
/// is only returned if none has any: checks across items would otherwise complain about those left out.
pub fn list<T>(
    mut decode: impl FnMut(&mut Diagnostics, &Node) -> Option<T>,
) -> impl FnMut(&mut Diagnostics, &Node) -> Option<Vec<T>> {
    move |diags, node| all(node.items(diags, "a list")?.iter().map(|item| decode(diags, item)))
}

/// A mapping with free keys, as a list of what `decode` makes of each key and value; all or nothing, as
/// for [`list`].
pub fn entries<T>(
    mut decode: impl FnMut(&mut Diagnostics, &Key, &Node) -> Option<T>,
) -> impl FnMut(&mut Diagnostics, &Node) -> Option<Vec<T>> {
    move |diags, node| {
        all(node.entries(diags, "a mapping")?.iter().map(|(key, value)| decode(diags, key, value)))
    }
}

/// Unlike `collect`, goes on after a `None`.
fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}

/// Reports a refusal at the place in the scalar that it names.
pub(super) fn accept<T>(diags: &mut Diagnostics, node: &Node, result: Result<T, Refusal>) -> Option<T> {
    result
        .map_err(|refusal| {
            let span = refusal.place.map_or(node.span, |place| node.part(&place));
            let problem = diags.error_at(&span, refusal.message);
            if let Some(hint) = refusal.hint {
                problem.hint(hint);
            }
        })
        .ok()
}

impl Node {
    /// Starts decoding a mapping with known keys; `what` names it in reports, as in "a metric".
    pub fn mapping<'a>(&'a self, diags: &mut Diagnostics, what: &'a str) -> Option<MapDecoder<'a>> {
        let entries = self.entries(diags, what)?;
        let (asked, missing) = (Vec::new(), Vec::new());
        Some(MapDecoder { what, span: self.span, entries, asked, missing, others: None })
    }
}

/// Decodes a mapping field by field. [`MapDecoder::finish`] must be called before any field is unwrapped:
/// it reports the missing and the unknown ones.
#[derive(Debug)]
#[must_use = "without `finish`, missing and unknown fields go unreported"]
pub struct MapDecoder<'a> {
    what: &'a str,
    span: Span,
    entries: &'a [(Key, Node)],
    asked: Vec<&'static str>,
    /// Fields of which one is needed.
    missing: Vec<Vec<&'static str>>,
    others: Option<String>,
}

impl<'a> MapDecoder<'a> {
    /// Reads a field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        diags: &mut Diagnostics,
        decode: impl FnOnce(&mut Diagnostics, &'a Node) -> Option<T>,
    ) -> Option<T> {
        let Some((_, node)) = self.get(name) else {
            self.missing.push(vec![name]);
            return None;
        };
        decode(diags, node)
    }

    /// Reads a field if it is there. `None` can also mean that it is there and wrong, which is reported.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        diags: &mut Diagnostics,
        decode: impl FnOnce(&mut Diagnostics, &'a Node) -> Option<T>,
    ) -> Option<T> {
        let (_, node) = self.get(name)?;
        decode(diags, node)
    }

    /// Which one of several fields is there, with its node. None of them is reported by
    /// [`MapDecoder::finish`] if `needed`, a second one at once.
    pub fn choice(
        &mut self,
        names: &[&'static str],
        needed: bool,
        diags: &mut Diagnostics,
    ) -> Option<(&'static str, &'a Node)> {
        let present: Vec<_> = names.iter().filter_map(|name| Some((*name, self.get(name)?))).collect();
        let [(name, (_, node)), rest @ ..] = &present[..] else {
            if needed {
                self.missing.push(names.to_vec());
            }
            return None;
        };
        for (other, (key, _)) in rest {
            diags
                .error_at(&key.span, format!("`{name}` and `{other}` exclude each other"))
                .hint("remove one of them");
        }
        Some((name, node))
    }

    /// Notes that at least one of these fields must be there.
    pub fn some_of(&mut self, names: &[&'static str]) {
        if self.entries.iter().all(|(key, _)| !names.contains(&key.text.as_str())) {
            self.missing.push(names.to_vec());
        }
    }

    /// What to say of fields that nobody asked for, instead of listing those that somebody did.
    pub fn others(&mut self, hint: impl Into<String>) {
        self.others = Some(hint.into());
    }

    /// Keeps the values of fields nobody has asked for so far out of reports: where secrets are near,
    /// a misspelt field may hold one.
    pub fn conceal_unasked(&self, diags: &mut Diagnostics) {
        for (_, node) in self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.text.as_str())) {
            diags.conceal(&node.span);
        }
    }

    /// The keys that no decode function has asked for so far.
    pub fn unasked(&self) -> impl Iterator<Item = &'a Key> {
        self.entries.iter().map(|(key, _)| key).filter(|key| !self.asked.contains(&key.text.as_str()))
    }

    /// A field as it stands, to choose how to decode it or to compare it with others.
    pub fn get(&mut self, name: &'static str) -> Option<&'a (Key, Node)> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.text == name)
    }

    /// Where to report a problem with the mapping as a whole: at its first field, because underlining all
    /// of it would point at nothing.
    pub fn span(&self) -> Span {
        self.entries.first().map_or(self.span, |(key, _)| key.span)
    }

    /// Reports fields that are missing and fields nobody asked for.
    pub fn finish(mut self, diags: &mut Diagnostics) {
        let unasked: Vec<&Key> = self.unasked().collect();
        for key in unasked {
            // A field already there cannot be what was meant.
            let absent = |name: &&str| self.entries.iter().all(|(key, _)| key.text != **name);
            let suggestion = did_you_mean(&key.text, self.asked.iter().copied().filter(absent));
            let hint = match suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None if self.others.is_some() => self.others.clone().unwrap_or_default(),
                None if self.asked.is_empty() => "no fields are expected here".to_owned(),
                None => format!("valid fields: {}", self.asked.join(", ")),
            };
            diags.error_at(&key.span, format!("unknown field {}", quoted(&key.text))).hint(hint);
            // Misspelt is not missing; one mistake makes one report.
            self.missing.retain(|names| !suggestion.is_some_and(|suggestion| names.contains(&suggestion)));
        }
        for names in &self.missing {
            let names = names.join("` or `");
            diags.error_at(&self.span(), format!("{} needs the field `{names}`", self.what));
        }
    }
}
