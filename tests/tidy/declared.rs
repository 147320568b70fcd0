//! Every identifier that a file declares: types, functions, modules, constants, variants and fields; for
//! SQL, tables and columns.
//!
//! Read from tokens, so a macro's own syntax may hide a declaration. Next: `names.rs` (the rules for them).

use super::source::{Source, is_identifier};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// struct, enum, trait or type alias
    Type,
    /// fn, mod, const, static
    Other,
    Variant,
    /// A struct's field, or a table's column.
    Field,
}

/// How far a declaration is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Crate,
    Module,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Declared<'a> {
    pub line: usize,
    pub kind: Kind,
    pub name: &'a str,
    /// The enum of a variant, the struct of a field; else empty.
    pub owner: &'a str,
    pub seen: Seen,
}

pub fn declared(source: &Source) -> Vec<Declared<'_>> {
    let words = super::modules::tokens(&source.code);
    let word = |at: usize| words.get(at).map_or("", |(_, word)| *word);
    let mut found = Vec::new();
    let mut seen = Seen::Module;
    let mut at = 0;
    while at < words.len() {
        let token = word(at);
        let next = word(at + 1);
        let named = next.starts_with(|first: char| first.is_alphabetic() || first == '_');
        let kind = match token {
            "pub" => {
                let wide = next != "(" || word(at + 2) == "crate";
                seen = if wide { Seen::Crate } else { Seen::Module };
                at += if next == "(" {
                    1 + (at + 1..).position(|at| [")", ""].contains(&word(at))).unwrap_or(0)
                } else {
                    0
                };
                at += 1;
                continue;
            }
            "struct" | "enum" | "union" | "trait" | "type" => Kind::Type,
            "fn" | "mod" | "const" | "static" => Kind::Other,
            _ => {
                if !["unsafe", "async", "extern"].contains(&token) {
                    seen = Seen::Module;
                }
                at += 1;
                continue;
            }
        };
        // `const fn`, `fn(usize)`: the name comes later, or there is none.
        if !named || next == "fn" || next == "mut" {
            at += 1;
            continue;
        }
        let line = source.line_at(words[at].0);
        found.push(Declared { line, kind, name: next, owner: "", seen });
        seen = Seen::Module;
        at += 2;
        if ["struct", "enum"].contains(&token) {
            members(source, &words, at, token == "enum", next, &mut found);
        }
    }
    found
}

/// The fields or variants of the type named `owner`; its name ends before `at`.
fn members<'a>(
    source: &Source,
    words: &[(usize, &'a str)],
    at: usize,
    variants: bool,
    owner: &'a str,
    found: &mut Vec<Declared<'a>>,
) {
    let Some(open) = (at..words.len()).find(|&at| ["{", ";", "("].contains(&words[at].1)) else { return };
    if words[open].1 != "{" {
        return;
    }
    let (mut depth, mut first) = (0_usize, true);
    for place in open..words.len() {
        let (byte, word) = words[place];
        let next = words.get(place + 1).map_or("", |(_, word)| word);
        match word {
            "{" | "(" | "[" | "<" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            ">" if words[place - 1].1 != "-" => depth -= 1,
            "," if depth == 1 => first = true,
            word if depth == 1 && word.starts_with(is_identifier) => {
                let is_name = if variants { first } else { next == ":" };
                if is_name {
                    let kind = if variants { Kind::Variant } else { Kind::Field };
                    let line = source.line_at(byte);
                    found.push(Declared { line, kind, name: word, owner, seen: Seen::Module });
                }
                first = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// Tables and columns of a migration: `create table t (` and the first word of each line in it, `add column c`,
/// `rename … to c`.
pub fn columns(text: &str) -> Vec<Declared<'_>> {
    let mut found = Vec::new();
    let mut table = "";
    for (at, line) in text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or(line);
        let words: Vec<&str> =
            code.split(|letter: char| !is_identifier(letter)).filter(|word| !word.is_empty()).collect();
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let after = |phrase: &[&str]| {
            let starts = |window: &[String]| window.iter().zip(phrase).all(|(word, wanted)| word == wanted);
            let start = lower.windows(phrase.len()).position(starts)?;
            let skipped = lower[start + phrase.len()..]
                .iter()
                .take_while(|word| ["if", "not", "exists"].contains(&word.as_str()));
            words.get(start + phrase.len() + skipped.count()).copied()
        };
        let mut declare = |kind, name, owner| {
            found.push(Declared { line: at + 1, kind, name, owner, seen: Seen::Crate });
        };
        if let Some(name) = after(&["create", "table"]) {
            declare(Kind::Type, name, "");
            table = name;
            continue;
        }
        if code.starts_with(')') {
            table = "";
        }
        for phrase in [&["add", "column"] as &[&str], &["to"]] {
            let renames = phrase.len() > 1 || lower.iter().any(|word| word == "rename");
            if let Some(name) = after(phrase).filter(|_| renames) {
                declare(Kind::Field, name, table);
            }
        }
        let indented =
            code.starts_with("    ") && code[4..].starts_with(|first: char| first.is_ascii_lowercase());
        let keyword = ["primary", "unique", "check", "constraint", "foreign", "exclude"];
        if let Some(name) =
            words.first().filter(|_| indented && !table.is_empty() && !keyword.contains(&lower[0].as_str()))
        {
            declare(Kind::Field, name, table);
        }
    }
    found
}

#[test]
fn declarations_are_read_with_their_kinds() {
    let code = "pub(crate) struct A<T> { pub b: Vec<(T, u8)>, c: fn(u8) -> u8 }\n\
        enum D { #[x(y)] E(F), G { h: u8 }, I = 2 }\n\
        pub const fn j(k: u8) {}\npub(super) type L = u8;\npub unsafe trait M { type N; }\nfn f(g: fn(u8)) {}";
    let source = Source::new("src/a.rs", code);
    let read: Vec<_> = declared(&source);
    let read: Vec<_> = read.iter().map(|item| (item.line, item.kind, item.name, item.owner)).collect();
    let wanted = [
        (1, Kind::Type, "A", ""),
        (1, Kind::Field, "b", "A"),
        (1, Kind::Field, "c", "A"),
        (2, Kind::Type, "D", ""),
        (2, Kind::Variant, "E", "D"),
        (2, Kind::Variant, "G", "D"),
        (2, Kind::Variant, "I", "D"),
        (3, Kind::Other, "j", ""),
        (4, Kind::Type, "L", ""),
        (5, Kind::Type, "M", ""),
        (5, Kind::Type, "N", ""),
        (6, Kind::Other, "f", ""),
    ];
    assert_eq!(read, wanted);
    let seen: Vec<_> =
        declared(&source).into_iter().filter(|item| item.seen == Seen::Crate).map(|item| item.name).collect();
    assert_eq!(seen, ["A", "j", "M"]);
}

#[test]
fn tables_and_columns_are_read() {
    let text = "create table a (\n    b int not null, -- c\n    check (b > 0),\n    primary key (b)\n);\n\
        alter table a\n    add column if not exists d int;\nalter table a rename column d to e;\n";
    let read: Vec<_> = columns(text).into_iter().map(|column| (column.line, column.name)).collect();
    assert_eq!(read, [(1, "a"), (2, "b"), (7, "d"), (8, "e")]);
}
