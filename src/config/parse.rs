//! From YAML text to located nodes.

use super::diagnostic::Diagnostics;
use super::node::{Key, Mark, Node, Value, align};
use super::source::{Span, quoted};
use super::syntax::{explain, too_deep};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use std::collections::HashMap;

/// Far more than a configuration needs, and little enough to be refused or read at once.
const MAX_BYTES: usize = 1024 * 1024;
/// Bounds the recursion over nodes, here and in everything that walks them.
pub(super) const MAX_DEPTH: usize = 64;
/// After this many documents with syntax errors, the rest of the file will not be any better.
const MAX_ABANDONED: usize = 20;

/// Reads the documents of a YAML file. One with a syntax error is left out, because fields that follow the
/// error would be reported as missing; the others are read all the same. So ask
/// [`Diagnostics::has_errors`] before taking the absence of a document for an empty file.
///
/// What makes YAML surprising is refused: anchors, aliases, merge keys, tags outside the core schema,
/// duplicate keys and keys that are not words.
pub fn parse(file: &str, text: &str, diags: &mut Diagnostics) -> Vec<Node> {
    if text.len() > MAX_BYTES {
        diags.error_in(file, format!("the file has {} bytes, more than 1 MiB", text.len()));
        return Vec::new();
    }
    // A byte order mark is not part of the first line's columns.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut options = granit_parser::options! {
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        // One more than allowed here, so that the limit is noticed by the code that words it well.
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let source = diags.add_source(file, text);
    Reader { parser, text, source, diags }.documents()
}

/// The rest of the document cannot be read, and the reason has been reported.
struct Abandoned;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    source: usize,
    diags: &'a mut Diagnostics,
}

impl<'a> Reader<'a> {
    fn documents(mut self) -> Vec<Node> {
        let mut documents = Vec::new();
        let mut abandoned = 0;
        loop {
            let document = match self.next() {
                Ok((Event::StreamEnd, _)) => return documents,
                Ok((Event::DocumentStart(..), _)) => self.node(1).map(Some),
                Ok(_) => Ok(None),
                Err(Abandoned) => Err(Abandoned),
            };
            if let Ok(document) = document {
                documents.extend(document);
                continue;
            }
            abandoned += 1;
            let hopeless = abandoned == MAX_ABANDONED || self.diags.is_full();
            if hopeless || self.parser.proceed_next_document() != Ok(true) {
                return documents;
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, granit_parser::Span), Abandoned> {
        loop {
            if self.diags.is_full() {
                return Err(Abandoned);
            }
            match self.parser.next_event().ok_or(Abandoned)? {
                Ok((Event::Anchor(..), span)) => {
                    let span = self.span(&span);
                    self.diags.error_at(&span, "anchors are not supported").hint("write the value out");
                }
                Ok(event) => return Ok(event),
                Err(error) => {
                    self.syntax_error(&error);
                    return Err(Abandoned);
                }
            }
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Abandoned> {
        let (event, span) = self.next()?;
        self.node_from(event, &span, depth)
    }

    fn node_from(
        &mut self,
        event: Event<'a>,
        at: &granit_parser::Span,
        depth: usize,
    ) -> Result<Node, Abandoned> {
        let span = self.span(at);
        if depth > MAX_DEPTH {
            self.diags.error_at(&span, too_deep());
            return Err(Abandoned);
        }
        Ok(match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = self.check_tag(tag.as_deref(), at, &["str", "int", "float", "bool", "null"]);
                let plain = plain.unwrap_or(style == ScalarStyle::Plain);
                if plain && (at.is_empty() || matches!(&*text, "~" | "null" | "Null" | "NULL")) {
                    Node::new(Value::Null, span)
                } else {
                    let marks = self.marks(&text, style, at).unwrap_or_default();
                    Node { value: Value::Scalar { text: text.into_owned(), plain }, span, marks }
                }
            }
            Event::SequenceStart(_, _, tag) => {
                self.check_tag(tag.as_deref(), at, &["seq"]);
                self.sequence(span, depth)?
            }
            Event::MappingStart(_, _, tag) => {
                self.check_tag(tag.as_deref(), at, &["map"]);
                self.mapping(span, depth)?
            }
            // The parser yields nothing else here but aliases, known or not.
            _ => {
                self.diags.error_at(&span, "aliases are not supported").hint("write the value out");
                Node::new(Value::Invalid, span)
            }
        })
    }

    fn sequence(&mut self, mut span: Span, depth: usize) -> Result<Node, Abandoned> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                self.close(&mut span, &at, items.last());
                return Ok(Node::new(Value::Sequence(items), span));
            }
            items.push(self.node_from(event, &at, depth + 1)?);
        }
    }

    fn mapping(&mut self, mut span: Span, depth: usize) -> Result<Node, Abandoned> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut first_lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                self.close(&mut span, &at, entries.last().map(|(_, node)| node));
                return Ok(Node::new(Value::Mapping(entries), span));
            }
            let key = self.key(event, &at, depth)?;
            let node = self.node(depth + 1)?;
            let Some(key) = key else { continue };
            if let Some(line) = first_lines.get(&key.text) {
                self.diags
                    .error_at(&key.span, format!("duplicate field {}", quoted(&key.text)))
                    .hint(format!("it is already set on line {line}"));
            } else {
                first_lines.insert(key.text.clone(), key.span.line);
                entries.push((key, node));
            }
        }
    }

    /// A key, or `None` if it was refused and its field is to be left out.
    fn key(
        &mut self,
        event: Event<'a>,
        at: &granit_parser::Span,
        depth: usize,
    ) -> Result<Option<Key>, Abandoned> {
        let span = self.span(at);
        let (message, hint) = match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) if at.is_empty() => {
                ("a field has no name", "write one before the `:`")
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                ("merge keys are not supported", "write the fields out")
            }
            Event::Scalar(text, _, _, tag) => {
                self.check_tag(tag.as_deref(), at, &["str"]);
                return Ok(Some(Key { text: text.into_owned(), span }));
            }
            event => {
                let key = self.node_from(event, at, depth + 1)?;
                if key.value == Value::Invalid {
                    return Ok(None);
                }
                ("a field's name must be a word", "quote it if it starts with `{` or `[`")
            }
        };
        self.diags.error_at(&span, message).hint(hint);
        Ok(None)
    }

    /// Refuses tags that do not belong. Returns whether an accepted tag makes a scalar more than a string.
    fn check_tag(&mut self, tag: Option<&Tag>, at: &granit_parser::Span, fits: &[&str]) -> Option<bool> {
        let tag = tag?;
        if tag.parts() == ("", "!") {
            return Some(false);
        }
        if let Some(suffix) = tag.core_suffix().filter(|suffix| fits.contains(suffix)) {
            return Some(suffix != "str");
        }
        let span = self.span(&at.tag_span().unwrap_or(*at));
        self.diags
            .error_at(&span, format!("the tag {} is not supported here", quoted(&tag.original())))
            .hint("remove it");
        None
    }

    fn marks(&self, text: &str, style: ScalarStyle, at: &granit_parser::Span) -> Option<Box<[Mark]>> {
        let quote = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        let source = self.text.get(at.start.byte_offset()? + quote..)?;
        align(text, source, at.start.line(), at.start.col() + 1 + quote)
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        Span {
            source: self.source,
            line: span.start.line(),
            column: span.start.col() + 1,
            end_line: span.end.line(),
            end_column: span.end.col() + 1,
        }
    }

    /// Ends a collection's span: at its bracket, or where its last item ends, since the parser notices the
    /// end of a block only at whatever comes next.
    fn close(&self, span: &mut Span, end: &granit_parser::Span, last: Option<&Node>) {
        let end = match last {
            Some(last) if end.is_empty() => last.span,
            _ => self.span(end),
        };
        (span.end_line, span.end_column) = (end.end_line, end.end_column);
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let marker = error.marker();
        let place = self.span(&granit_parser::Span::empty(*marker));
        let (message, hint) = explain(error);
        let problem = self.diags.error_at(&place.at(place.line, place.column), message);
        if let Some(hint) = hint {
            problem.hint(hint);
        }
    }
}
