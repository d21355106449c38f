//! Just enough of Rust's grammar to find the modules a file declares and the paths it names, outside comments,
//! strings and test code.

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) modules: Vec<Declared>,
    pub(super) paths: Vec<Named>,
    /// Every word, keywords included, with its line.
    pub(super) words: Vec<(usize, String)>,
}

/// `mod name;`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    /// Of `#[path = "…"]`.
    pub(super) path: Option<String>,
    /// Behind `#[cfg(test)]`, or `#[cfg(any(test, fuzzing))]`.
    pub(super) test: bool,
    /// The inline modules around it.
    pub(super) inside: Vec<String>,
}

/// A path of two segments or more. In one of ours, what `crate`, `self` and `super` stand for is written out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) ours: bool,
    pub(super) segments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    /// `::`
    Colons,
}

/// Reads `text`, the file of the module `module` (empty for a crate's root).
pub(super) fn scan(text: &str, module: &[String]) -> Scan {
    let mut reader = Reader { tokens: tokens(text), at: 0, module: module.to_vec(), scan: Scan::default() };
    reader.items(0);
    reader.scan
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// The module that the reader is in, inline ones included.
    module: Vec<String>,
    scan: Scan,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        if let Some(Token::Word(word)) = self.peek(ahead) { Some(word) } else { None }
    }

    fn sign(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(&Token::Sign(sign))
    }

    /// Reads to the brace that closes the block, or to the end; `inline` modules of this file are around it.
    fn items(&mut self, inline: usize) {
        let (mut test, mut path, mut depth) = (false, None, 0_usize);
        while self.at < self.tokens.len() {
            if self.sign(0, '#') && (self.sign(1, '[') || (self.sign(1, '!') && self.sign(2, '['))) {
                self.attribute(&mut test, &mut path);
            } else if let (Some("mod"), Some(name)) = (self.word(0), self.word(1).map(str::to_owned)) {
                let behind = (std::mem::take(&mut test), path.take());
                self.module_named(name, behind, inline);
            } else if matches!(self.word(0), Some("pub")) {
                self.at += 1;
                if self.sign(0, '(') {
                    self.skip_balanced();
                }
            } else if test {
                self.skip_item();
                test = false;
            } else if let Some(word) = self.word(0) {
                if self.peek(1) == Some(&Token::Colons) {
                    self.tree(&[]);
                } else {
                    self.scan.words.push((self.tokens[self.at].0, word.to_owned()));
                    self.at += 1;
                }
            } else {
                match self.peek(0) {
                    Some(Token::Sign('{')) => depth += 1,
                    Some(Token::Sign('}')) if depth == 0 => return,
                    Some(Token::Sign('}')) => depth -= 1,
                    _ => {}
                }
                self.at += 1;
            }
        }
    }

    fn attribute(&mut self, test: &mut bool, path: &mut Option<String>) {
        let start = self.at;
        self.at += if self.sign(1, '!') { 2 } else { 1 };
        self.skip_balanced();
        let inner = &self.tokens[start..self.at];
        let words: Vec<&str> = inner
            .iter()
            .filter_map(|(_, token)| if let Token::Word(word) = token { Some(word.as_str()) } else { None })
            .collect();
        *test |= words == ["cfg", "test"] || words == ["cfg", "any", "test", "fuzzing"];
        if words == ["path"] {
            *path = inner
                .iter()
                .find_map(|(_, token)| if let Token::Text(text) = token { Some(text.clone()) } else { None });
        }
    }

    fn module_named(&mut self, name: String, (test, path): (bool, Option<String>), inline: usize) {
        self.at += 2;
        if self.sign(0, ';') {
            let inside = self.module[self.module.len() - inline..].to_vec();
            self.scan.modules.push(Declared { name, path, test, inside });
        } else if test {
            self.skip_balanced();
        } else {
            self.at += 1;
            self.module.push(name);
            self.items(inline + 1);
            self.module.pop();
            self.at += 1;
        }
    }

    /// Skips from an opening bracket to behind the one that closes it.
    fn skip_balanced(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips one item, field or arm.
    fn skip_item(&mut self) {
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('{') => return self.skip_balanced(),
                Token::Sign('(' | '[') => self.skip_balanced(),
                Token::Sign(';' | ',') => return self.at += 1,
                Token::Sign('}') => return,
                _ => self.at += 1,
            }
        }
    }

    /// Reads a path, or the tree of paths of a `use`.
    fn tree(&mut self, prefix: &[String]) {
        let line = self.tokens[self.at].0;
        let mut segments = prefix.to_vec();
        loop {
            match self.peek(0).cloned() {
                Some(Token::Word(word)) => {
                    self.scan.words.push((self.tokens[self.at].0, word.clone()));
                    self.at += 1;
                    segments.push(word);
                    if self.peek(0) != Some(&Token::Colons) {
                        return self.name(line, segments);
                    }
                    self.at += 1;
                }
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    segments.push("*".to_owned());
                    return self.name(line, segments);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while self.at < self.tokens.len() && !self.sign(0, '}') {
                        if self.word(0).is_some() || self.sign(0, '*') || self.sign(0, '{') {
                            self.tree(&segments);
                        }
                        while self.at < self.tokens.len() && !self.sign(0, ',') && !self.sign(0, '}') {
                            self.at += 1;
                        }
                        self.at += usize::from(self.sign(0, ','));
                    }
                    self.at += 1;
                    return;
                }
                _ => return self.name(line, segments),
            }
        }
    }

    fn name(&mut self, line: usize, mut segments: Vec<String>) {
        if segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
            segments.pop();
        }
        let ours = matches!(segments[0].as_str(), "crate" | "self" | "super");
        if ours {
            let mut base = if segments[0] == "crate" { Vec::new() } else { self.module.clone() };
            let climbs = segments.iter().take_while(|segment| *segment == "super").count();
            base.truncate(base.len().saturating_sub(climbs));
            base.extend(
                segments
                    .into_iter()
                    .skip_while(|segment| matches!(segment.as_str(), "crate" | "self" | "super")),
            );
            segments = base;
        }
        self.scan.paths.push(Named { line, ours, segments });
    }
}

/// The tokens of a file, each with its line.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        let token = match (chars[i], at(i + 1)) {
            ('/', '/') => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
                None
            }
            ('/', '*') => {
                let mut depth = 0;
                while i < chars.len() {
                    match (chars[i], at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                None
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && chars[i] != '"' {
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                i += 1;
                let end = (i - 1).min(chars.len());
                Some(Token::Text(chars[start + 1..end].iter().collect()))
            }
            ('\'', next) if next == '\\' || at(i + 2) == '\'' => {
                i += if next == '\\' { 3 } else { 2 };
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
                i += 1;
                None
            }
            ('\'', _) => {
                i += 1;
                while is_word(at(i)) {
                    i += 1;
                }
                None
            }
            (':', ':') => {
                i += 2;
                Some(Token::Colons)
            }
            (c, _) if is_word(c) => {
                while is_word(at(i)) {
                    i += 1;
                }
                let word: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    i += hashes + 1;
                    let open = i;
                    while i < chars.len() && !(chars[i] == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                        i += 1;
                    }
                    let content = chars[open..i.min(chars.len())].iter().collect();
                    i += hashes + 1;
                    Some(Token::Text(content))
                } else {
                    Some(Token::Word(word))
                }
            }
            (c, _) => {
                i += 1;
                (!c.is_whitespace()).then_some(Token::Sign(c))
            }
        };
        found.extend(token.map(|token| (line, token)));
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let module = ["core".to_owned(), "time".to_owned()];
        scan(text, &module)
            .paths
            .into_iter()
            .map(|path| format!("{}{}", if path.ours { "crate::" } else { "" }, path.segments.join("::")))
            .collect()
    }

    #[test]
    fn paths_are_found_however_they_are_written() {
        for (text, expected) in [
            (
                "use crate::api::{self, status::{Status as S, self}, types::*};",
                "api api::status::Status api::status api::types::*",
            ),
            (
                "fn f(x: crate::api::Thing<'_>) -> u8 { super::super::engine::ask(x, '\"', 'a') }",
                "api::Thing engine::ask",
            ),
            (
                "mod inner { use super::super::super::source::Source; use self::x::Y; }",
                "source::Source core::time::inner::x::Y",
            ),
            ("pub(in crate::core) fn f() {} // crate::api\n/* crate::api /* nested */ crate::api */", ""),
            (r##"const X: &str = r#"crate::api " "#; const Y: &str = "\"crate::api";"##, ""),
            ("#[cfg(test)]\nmod tests { use crate::api::X; }\nuse crate::engine::E;", "engine::E"),
            (
                "#[cfg(any(test, fuzzing))]\nmod fuzz { use crate::api::X; }\n#[cfg(any(unix, test))]\nuse crate::engine::E;",
                "engine::E",
            ),
            (
                "#[cfg(test)]\nuse crate::api::X;\n#[cfg(test)] fn f() { crate::api::g() }\nuse crate::engine::E;",
                "engine::E",
            ),
        ] {
            let expected: Vec<String> =
                expected.split_whitespace().map(|path| format!("crate::{path}")).collect();
            assert_eq!(named(text), expected, "{text}");
        }
        assert_eq!(
            named("use std::{fs, time::{Duration, Instant}};"),
            ["std::fs", "std::time::Duration", "std::time::Instant"]
        );
        assert_eq!(named("fn f() { ::tokio::spawn(x); }"), ["tokio::spawn"]);
    }

    #[test]
    fn declarations_and_lines_are_found() {
        let text = "//! \"\nmod a;\n#[cfg(test)]\nmod tests;\n#[path = \"../b.rs\"]\npub(crate) mod b;\nmod c { mod d; }\nasync fn f() {}\n";
        let scan = scan(text, &[]);
        let declared: Vec<_> = scan
            .modules
            .iter()
            .map(|module| {
                (module.name.as_str(), module.path.as_deref(), module.test, module.inside.join("/"))
            })
            .collect();
        let none = String::new;
        assert_eq!(
            declared,
            [
                ("a", None, false, none()),
                ("tests", None, true, none()),
                ("b", Some("../b.rs"), false, none()),
                ("d", None, false, "c".to_owned()),
            ]
        );
        assert!(scan.words.contains(&(8, "async".to_owned())));
    }
}
