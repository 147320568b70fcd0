//! Which file a path leads to: imports, re-exports, globs, `crate`, `super` and `self` are followed to the
//! file that declares the item.
//!
//! A re-export is no use of an item: a path through it leads to the declaring file. Two uses are not seen,
//! because no path shows them: a method called on a value, and a name that a macro composes. Next:
//! `circles.rs`.

use std::collections::BTreeSet;

use super::modules::{Crate, Mention};

/// One file of a crate uses an item of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Indexes into the sources.
    pub from: usize,
    pub to: usize,
    /// The first line of `from` that does.
    pub line: usize,
    pub item: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Module(usize),
    /// An item that this module declares.
    Item(usize),
}

/// The places (module, name) that a search has asked already: circles of re-exports end there.
type Asked = BTreeSet<(usize, String)>;

/// Every use of another file's item, one for each pair of files.
pub fn edges(read: &Crate) -> Vec<Edge> {
    let mut found: Vec<Edge> = Vec::new();
    for (module, content) in read.modules.iter().enumerate() {
        let private = content.imports.iter().filter(|import| !import.exported);
        for mention in private.map(|import| &import.mention).chain(&content.mentions) {
            for to in files(read, module, mention) {
                let edge = Edge { from: content.file, to, line: mention.line, item: mention.path.join("::") };
                match found.iter_mut().find(|known| known.from == edge.from && known.to == edge.to) {
                    Some(known) if edge.line < known.line => *known = edge,
                    Some(_) => {}
                    None if edge.from != edge.to => found.push(edge),
                    None => {}
                }
            }
        }
    }
    found.sort();
    found
}

/// The files that declare what a path names; none for a module, and for what is not of this crate.
fn files(read: &Crate, module: usize, mention: &Mention) -> BTreeSet<usize> {
    let found = resolve(read, module, &mention.path, &mut Asked::new());
    let items = found.into_iter().filter_map(|found| match found {
        Found::Item(module) => Some(read.modules[module].file),
        Found::Module(_) => None,
    });
    items.collect()
}

fn resolve(read: &Crate, module: usize, path: &[String], asked: &mut Asked) -> Vec<Found> {
    let mut rest = path;
    let mut from = module;
    let mut rooted = false;
    while let Some((head, tail)) = rest.split_first() {
        match head.as_str() {
            "crate" => from = 0,
            "self" => {}
            "super" => from = read.modules[from].parent.unwrap_or(from),
            _ => break,
        }
        rooted = true;
        rest = tail;
    }
    let Some((head, tail)) = rest.split_first() else { return vec![Found::Module(from)] };
    let mut found = lookup(read, from, head, asked);
    if found.is_empty() && rooted && head != "*" {
        found.push(Found::Item(from));
    }
    for name in tail {
        let step = |step: Found| match step {
            Found::Module(inner) if name == "*" => vec![Found::Module(inner)],
            Found::Module(inner) => {
                let inside = lookup(read, inner, name, asked);
                // A macro may have declared it: the module is known, so its file is.
                if inside.is_empty() { vec![Found::Item(inner)] } else { inside }
            }
            // A variant, or an associated item: it stands where its type does.
            item @ Found::Item(_) => vec![item],
        };
        found = found.into_iter().flat_map(step).collect();
    }
    found
}

/// The modules and items that a name stands for inside a module: by declaration, by import, or through its globs.
fn lookup(read: &Crate, module: usize, name: &str, asked: &mut Asked) -> Vec<Found> {
    if !asked.insert((module, name.to_owned())) {
        return Vec::new();
    }
    let content = &read.modules[module];
    let mut found: Vec<Found> =
        content.children.get(name).map(|&child| Found::Module(child)).into_iter().collect();
    if content.items.contains(name) {
        found.push(Found::Item(module));
    }
    for import in content.imports.iter().filter(|import| import.name == name && name != "*") {
        found.extend(resolve(read, module, &import.mention.path, asked));
    }
    if found.is_empty() {
        for glob in content.imports.iter().filter(|import| import.name == "*") {
            for target in resolve(read, module, &glob.mention.path, asked) {
                if let Found::Module(inner) = target {
                    found.extend(lookup(read, inner, name, asked));
                }
            }
        }
    }
    found
}
