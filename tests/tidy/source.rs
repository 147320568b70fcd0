//! A Rust file as the layout rules see it: code without comments and texts, and the texts by line.
//!
//! Not a parser: just enough of Rust's lexical rules that a word inside a comment or a string is never
//! taken for code. Blanked characters become spaces, so that lines keep their numbers. Next: `imports.rs`.

/// One file, read once and asked by every rule.
pub struct Source {
    /// From the repository's root, with forward slashes.
    pub path: String,
    pub text: String,
    /// The text with the contents of comments and literals blanked.
    pub code: String,
    /// Every string literal with the line on which it begins.
    pub literals: Vec<(usize, String)>,
    /// The comments line by line, without their slashes, each with its line.
    pub comments: Vec<(usize, String)>,
    /// Where each line of `code` ends.
    line_ends: Vec<usize>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let lexer = Lexer::new(text).run();
        let Lexer { code, literals, comments, .. } = lexer;
        let line_ends = code.match_indices('\n').map(|(at, _)| at).collect();
        Self { path: path.to_owned(), text: text.to_owned(), code, literals, comments, line_ends }
    }

    /// The line (from 1) of a byte of `code`.
    pub fn line_at(&self, byte: usize) -> usize {
        self.line_ends.partition_point(|&end| end < byte) + 1
    }

    /// Every place in the code where `word` stands as a whole identifier.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            !self.code[..at].ends_with(is_identifier)
                && !self.code[at + word.len()..].starts_with(is_identifier)
        })
    }
}

pub fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    literals: Vec<(usize, String)>,
    comments: Vec<(usize, String)>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        let code = String::with_capacity(text.len());
        Self { rest: text, line: 1, code, literals: Vec::new(), comments: Vec::new() }
    }

    fn run(mut self) -> Self {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                self.comment(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.comment(block_comment_length(self.rest));
            } else if let Some((hashes, open)) = raw_string_opening(self.rest).filter(|_| !self.inside_word())
            {
                let close = format!("\"{}", "#".repeat(hashes));
                let length = self.rest[open..].find(&close).unwrap_or(self.rest.len() - open);
                self.literal(open, length, close.len());
            } else if first == '"' {
                self.literal(1, string_length(&self.rest[1..]), 1);
            } else if let Some(length) = character_length(self.rest) {
                self.blank(length);
            } else {
                self.keep(first.len_utf8());
            }
        }
        self
    }

    fn inside_word(&self) -> bool {
        self.code.ends_with(is_identifier)
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.line += kept.matches('\n').count();
        self.code.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.line += gone.matches('\n').count();
        self.code.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    fn comment(&mut self, length: usize) {
        let lines = self.rest[..length].lines().enumerate();
        let bare = |line: &str| line.trim_start_matches(['/', '!', '*', ' ', '\t']).trim_end().to_owned();
        self.comments.extend(lines.map(|(at, line)| (self.line + at, bare(line))));
        self.blank(length);
    }

    fn literal(&mut self, open: usize, length: usize, close: usize) {
        self.literals.push((self.line, self.rest[open..open + length].to_owned()));
        self.keep(open);
        self.blank(length);
        self.keep(close.min(self.rest.len()));
    }
}

/// Block comments nest in Rust.
fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `r"`, `r##"`, `br#"`, `cr"`: the number of hashes and the length of the opening.
fn raw_string_opening(text: &str) -> Option<(usize, usize)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].bytes().take_while(|&byte| byte == b'#').count();
    let quote = prefix.len() + hashes;
    text[quote..].starts_with('"').then_some((hashes, quote + 1))
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// `'x'`, `'\n'`, `'\u{1F4EE}'`; nothing for a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let content = if let Some(escape) = inner.strip_prefix('\\') {
        let named = escape.chars().next()?.len_utf8();
        1 + named + escape[named..].find('\'')?
    } else {
        inner.chars().next()?.len_utf8()
    };
    inner[content..].starts_with('\'').then_some(content + 2)
}
