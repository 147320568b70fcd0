//! The modules of one crate as they are written: what each declares, imports and mentions.
//!
//! A reader of tokens, not a compiler: enough of Rust's grammar to follow `mod`, `use` and paths. Code under
//! `#[cfg(test)]` and modules named `tests` are left out. Next: `resolve.rs` (which file a path leads to).

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_identifier};

/// A path into some module, and the line on which it stands.
#[derive(Debug, Clone)]
pub struct Mention {
    pub line: usize,
    pub path: Vec<String>,
}

/// One leaf of a `use`.
#[derive(Debug)]
pub struct Import {
    /// The name that the module knows it by; `*` for a glob.
    pub name: String,
    /// `pub use` in any form.
    pub exported: bool,
    pub mention: Mention,
}

/// One module: a file, or an inline `mod name { … }` of a file.
#[derive(Debug)]
pub struct Module {
    /// Index into the crate's sources.
    pub file: usize,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    pub mentions: Vec<Mention>,
    /// The folder of the module's children.
    folder: String,
}

/// All modules that are reached from one crate root; the first is the root itself.
pub struct Crate<'a> {
    pub sources: &'a [Source],
    pub modules: Vec<Module>,
}

impl<'a> Crate<'a> {
    /// Reads a crate from its root file; `None` if there is no file at `root`.
    pub fn read(sources: &'a [Source], root: &str) -> Option<Self> {
        let file = sources.iter().position(|source| source.path == root)?;
        let mut read = Self { sources, modules: Vec::new() };
        read.add_file(file, None, folder_of(root).to_owned());
        Some(read)
    }

    pub fn path(&self, module: usize) -> &str {
        &self.sources[self.modules[module].file].path
    }

    fn add_file(&mut self, file: usize, parent: Option<usize>, folder: String) -> usize {
        let module = self.add(file, parent, folder);
        let source = &self.sources[file];
        Reader { tokens: &tokens(&source.code), source, at: 0 }.body(self, module);
        module
    }

    fn add(&mut self, file: usize, parent: Option<usize>, folder: String) -> usize {
        self.modules.push(Module {
            file,
            parent,
            folder,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: Vec::new(),
            mentions: Vec::new(),
        });
        self.modules.len() - 1
    }

    /// `mod name;`, with the path of a `#[path]` before it.
    fn declare(&mut self, parent: usize, name: &str, given: Option<String>) {
        let folder = &self.modules[parent].folder;
        let own = folder_of(self.path(parent));
        let candidates = match given {
            Some(given) => vec![normalised(&format!("{own}/{given}"))],
            None => vec![format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")],
        };
        let file = self.sources.iter().position(|source| candidates.contains(&source.path));
        let Some(file) = file else { return };
        let path = &self.sources[file].path;
        let below = if path.ends_with("/mod.rs") { folder_of(path) } else { path.trim_end_matches(".rs") };
        let child = self.add_file(file, Some(parent), below.to_owned());
        self.modules[parent].children.insert(name.to_owned(), child);
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A word, `::`, or one sign, with its place in the code.
pub type Token<'a> = (usize, &'a str);

pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = if is_identifier(first) {
            rest.find(|character| !is_identifier(character)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push((at, &rest[..length]));
        }
        at += length;
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

const DECLARING: [&str; 8] = ["struct", "enum", "union", "trait", "type", "fn", "const", "static"];
/// Words that cannot head a path.
const KEYWORDS: [&str; 30] = [
    "as", "async", "await", "break", "continue", "dyn", "else", "extern", "false", "for", "if", "impl", "in",
    "let", "loop", "match", "move", "mut", "pub", "ref", "return", "Self", "true", "unsafe", "where",
    "while", "_", "use", "mod", "box",
];
/// Words with which an item or a statement begins; what else stands under an attribute is a field or a variant.
const OPENING: [&str; 17] = [
    "pub",
    "use",
    "mod",
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "impl",
    "async",
    "unsafe",
    "extern",
    "macro_rules",
    "let",
];

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    source: &'a Source,
    at: usize,
}

impl<'a> Reader<'a> {
    fn word(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |(_, token)| token)
    }

    fn line(&self, at: usize) -> usize {
        self.source.line_at(self.tokens[at.min(self.tokens.len() - 1)].0)
    }

    /// Reads until the brace that closes the module, or the file's end.
    fn body(&mut self, read: &mut Crate, module: usize) {
        let mut depth = 0_usize;
        let mut exported = false;
        let mut given = None;
        while self.at < self.tokens.len() {
            let token = self.word(self.at);
            match token {
                "#" => given = self.attribute(read, module).or(given),
                "pub" => {
                    exported = true;
                    self.at += 1;
                    if self.word(self.at) == "("
                        && ["crate", "super", "self", "in"].contains(&self.word(self.at + 1))
                    {
                        self.at = self.closing(self.at) + 1;
                    }
                    continue;
                }
                "use" => self.import(read, module, exported),
                "mod" if is_word(self.word(self.at + 1)) => self.module(read, module, given.take()),
                "macro_rules" => {
                    read.modules[module].items.insert(self.word(self.at + 2).to_owned());
                    self.at += 3;
                }
                _ if DECLARING.contains(&token) => self.declaration(read, module, depth == 0),
                "{" => {
                    depth += 1;
                    self.at += 1;
                }
                "}" if depth == 0 => return,
                "}" => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => self.mention(read, module),
            }
            if token != "#" {
                exported = false;
            }
        }
    }

    /// The bracket that closes the one at `at`.
    fn closing(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for place in at..self.tokens.len() {
            match self.word(place) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return place;
            }
        }
        self.tokens.len()
    }

    /// An attribute: its paths are mentions; `#[cfg(test)]` leaves out what it stands on. The value of `path`.
    fn attribute(&mut self, read: &mut Crate, module: usize) -> Option<String> {
        let open = if self.word(self.at + 1) == "!" { self.at + 2 } else { self.at + 1 };
        if self.word(open) != "[" {
            self.at += 1;
            return None;
        }
        let close = self.closing(open);
        if self.word(open + 1) == "cfg" && self.word(open + 3) == "test" {
            self.at = close + 1;
            self.skip_item();
            return None;
        }
        if self.word(open + 1) == "path" {
            let line = self.line(open);
            self.at = close + 1;
            return self.source.literals.iter().find(|(at, _)| *at == line).map(|(_, text)| text.clone());
        }
        self.at = open + 1;
        while self.at < close {
            self.mention(read, module);
        }
        self.at = close + 1;
        None
    }

    /// Steps over what follows `#[cfg(test)]`: an item, a statement, a field, a variant or a block.
    fn skip_item(&mut self) {
        while self.word(self.at) == "#" {
            self.at = self.closing(self.at + 1) + 1;
        }
        let is_item = OPENING.contains(&self.word(self.at)) || self.word(self.at) == "{";
        let is_use = (self.at..self.at + 6).find(|&at| self.word(at) == "use").is_some_and(|at| {
            self.word(self.at) == "use" || self.word(self.at) == "pub" && at <= self.at + 4
        });
        while self.at < self.tokens.len() {
            match self.word(self.at) {
                "}" | ")" | "]" => return,
                "{" if is_item && !is_use => {
                    self.at = self.closing(self.at) + 1;
                    return;
                }
                "(" | "[" | "{" => self.at = self.closing(self.at),
                ";" => break,
                "," if !is_item => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
    }

    fn module(&mut self, read: &mut Crate, parent: usize, given: Option<String>) {
        let name = self.word(self.at + 1);
        let inline = self.word(self.at + 2) == "{";
        let open = self.at + 2;
        self.at += 3;
        match (inline, name == "tests") {
            (true, true) => self.at = self.closing(open) + 1,
            (true, false) => {
                let folder = format!("{}/{name}", read.modules[parent].folder);
                let child = read.add(read.modules[parent].file, Some(parent), folder);
                read.modules[parent].children.insert(name.to_owned(), child);
                self.body(read, child);
                self.at += 1;
            }
            (false, true) => {}
            (false, false) => read.declare(parent, name, given),
        }
    }

    /// The name after `fn`, `struct`, …; only a module's own items are remembered.
    fn declaration(&mut self, read: &mut Crate, module: usize, own: bool) {
        self.at += 1;
        if self.word(self.at) == "mut" {
            self.at += 1;
        }
        let name = self.word(self.at);
        // `const fn`, `fn(usize)`, `const { … }`: no name stands here.
        if !is_word(name) || DECLARING.contains(&name) || KEYWORDS.contains(&name) {
            return;
        }
        if own {
            read.modules[module].items.insert(name.to_owned());
        }
        self.at += 1;
    }

    fn import(&mut self, read: &mut Crate, module: usize, exported: bool) {
        self.at += 1;
        // `impl Trait + use<'a>` imports nothing.
        if self.word(self.at) != "<" {
            self.tree(&mut read.modules[module], exported, &mut Vec::new());
        }
    }

    /// One branch of a `use`, from after its prefix to its comma, brace or semicolon.
    fn tree(&mut self, module: &mut Module, exported: bool, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        let line = self.line(self.at);
        while self.at < self.tokens.len() {
            let token = self.word(self.at);
            self.at += 1;
            match token {
                "::" => continue,
                "{" => {
                    while !["}", ""].contains(&self.word(self.at)) {
                        self.tree(module, exported, prefix);
                        if self.word(self.at) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "self" if depth > 0 && prefix.len() == depth => {}
                word => prefix.push(word.to_owned()),
            }
            if self.word(self.at) == "::" {
                continue;
            }
            let mut name = prefix.last().cloned().unwrap_or_default();
            if self.word(self.at) == "as" {
                name = self.word(self.at + 1).to_owned();
                self.at += 2;
            }
            module.imports.push(Import { name, exported, mention: Mention { line, path: prefix.clone() } });
            break;
        }
        prefix.truncate(depth);
    }

    /// A path, or any other token.
    fn mention(&mut self, read: &mut Crate, module: usize) {
        let (start, token) = (self.at, self.word(self.at));
        self.at += 1;
        if !is_word(token) || KEYWORDS.contains(&token) {
            return;
        }
        let mut path = vec![token.to_owned()];
        while self.word(self.at) == "::" && is_word(self.word(self.at + 1)) {
            path.push(self.word(self.at + 1).to_owned());
            self.at += 2;
        }
        let before = if start == 0 { "" } else { self.word(start - 1) };
        let range = start > 1 && self.word(start - 2) == ".";
        let names_field = self.word(self.at) == ":" && path.len() == 1;
        if ["::", "'"].contains(&before) || before == "." && !range || names_field {
            return;
        }
        read.modules[module].mentions.push(Mention { line: self.line(start), path });
    }
}
