//! Reads an `Accept` header, range by range, borrowing from it.

/// One media range with the parameters that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// From 0 (refused) to 1.
    pub(super) quality: f32,
    g: &'a str,
    v: &'a str,
    r#as: &'a str,
}

impl<'a> Clause<'a> {
    /// Reads one range; `None` for what is no media range at all, which kube-apiserver passes over as well.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split(text, b';');
        let range = parts.next()?.trim();
        let (kind, subtype) = match range.split_once('/') {
            Some((kind, subtype)) => (kind.trim(), subtype.trim()),
            // Java's HTTP client of old sends a lone star.
            None if range == "*" => ("*", "*"),
            None => return None,
        };
        if kind.is_empty() || subtype.is_empty() || subtype.contains('/') {
            return None;
        }
        let mut clause = Self { kind, subtype, quality: 1.0, g: "", v: "", r#as: "" };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = unquoted(value.trim());
            match name.trim() {
                "q" | "Q" => clause.quality = quality(value),
                "g" => clause.g = value,
                "v" => clause.v = value,
                "as" => clause.r#as = value,
                // `charset`, `profile`, `pretty` and whatever comes next change nothing in what we have to offer.
                _ => {}
            }
        }
        Some(clause)
    }

    /// Whether this is exactly that range; media types do not tell case apart.
    pub(super) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether the object is wanted as something else than what it is. Like kube-apiserver, any one of the three
    /// parameters counts as such a wish.
    pub(super) fn transforms(&self) -> bool {
        !(self.g.is_empty() && self.v.is_empty() && self.r#as.is_empty())
    }

    /// Whether the wish is for aggregated discovery of that version.
    pub(super) fn asks_for_discovery(&self, version: &str) -> bool {
        self.g == "apidiscovery.k8s.io" && self.v == version && self.r#as == "APIGroupDiscoveryList"
    }
}

/// A weight. Junk is read as the least weight that is not a refusal: kube-apiserver too serves such a range, last.
fn quality(text: &str) -> f32 {
    match text.parse::<f32>() {
        Ok(weight) if weight >= 0.0 => weight.min(1.0),
        _ => f32::MIN_POSITIVE,
    }
}

/// The inside of a quoted string. Escapes are left as they stand: no value we look for holds a character that
/// needs one, so an escaped value matches nothing, and that is the safe side.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner))
}

/// The ranges of a header, in the order in which they stand.
pub(super) fn clauses(header: &str) -> impl Iterator<Item = Clause<'_>> {
    split(header, b',').filter_map(Clause::parse)
}

/// Splits at a separator that stands outside quotes.
fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

/// See [`split`].
struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (mut quoted, mut escaped) = (false, false);
        // Bytes will do: separators, quotes and backslashes are ASCII, which never occurs inside a longer character.
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == self.separator && !quoted => {
                    self.rest = Some(&rest[index + 1..]);
                    return Some(&rest[..index]);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(rest)
    }
}
