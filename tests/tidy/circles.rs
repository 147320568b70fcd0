//! No circles: the files of a crate can be read in an order in which each uses only what was read before.
//!
//! An edge is a path from one file to an item that another declares (`resolve.rs`). Tests are left out.

use super::{
    Violation,
    modules::Crate,
    resolve::{Edge, edges},
    source::Source,
};

/// The roots of all crates that are held to it.
pub fn crates(sources: &[Source]) -> Vec<Crate<'_>> {
    let is_root = |path: &str| {
        let crate_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        crate_root && !path.starts_with("tests/")
            || path.starts_with("benches/") && path.ends_with("/main.rs")
    };
    sources
        .iter()
        .filter(|source| is_root(&source.path))
        .filter_map(|source| Crate::read(sources, &source.path))
        .collect()
}

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for read in crates(sources) {
        let edges = edges(&read);
        for edge in edges.iter().filter(|edge| reaches(&edges, edge.to, edge.from)) {
            let source = &sources[edge.from];
            let way = way(&edges, edge.to, edge.from);
            let way: Vec<&str> = way.into_iter().map(|file| sources[file].path.as_str()).collect();
            let problem = format!("`{}` closes a circle: {} → here", edge.item, way.join(" → "));
            let remedy = "move what both need to a file below both, or pass it as an argument";
            violations.push(Violation::new(source, edge.line, problem, remedy.to_owned()));
        }
    }
    violations
}

fn reaches(edges: &[Edge], from: usize, to: usize) -> bool {
    !way(edges, from, to).is_empty()
}

/// The shortest way along the edges, without its end; empty if there is none.
fn way(edges: &[Edge], from: usize, to: usize) -> Vec<usize> {
    let mut ways = vec![vec![from]];
    let mut seen = vec![from];
    let mut at = 0;
    while at < ways.len() {
        let last = ways[at][ways[at].len() - 1];
        for edge in edges.iter().filter(|edge| edge.from == last) {
            if edge.to == to {
                return ways.swap_remove(at);
            }
            if !seen.contains(&edge.to) {
                seen.push(edge.to);
                let mut longer = ways[at].clone();
                longer.push(edge.to);
                ways.push(longer);
            }
        }
        at += 1;
    }
    Vec::new()
}

#[cfg(test)]
fn planted(files: &[(&str, &str)]) -> Vec<(String, usize, String)> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let found = check(&sources).into_iter();
    found.map(|violation| (violation.file, violation.line, violation.problem)).collect()
}

#[cfg(test)]
fn places(files: &[(&str, &str)]) -> Vec<(String, usize)> {
    planted(files).into_iter().map(|(file, line, _)| (file, line)).collect()
}

#[test]
fn a_circle_is_found_in_every_way_of_writing_a_path() {
    let root = ("src/lib.rs", "mod a;\nmod b;");
    let a = ("src/a.rs", "pub struct A;\nfn f(x: crate::b::B) {}");
    let ways = [
        "use crate::a::A;\npub struct B;",
        "use crate::{a::{self, A}};\npub struct B;",
        "use super::a::A as Other;\npub struct B;",
        "pub struct B { a: Vec<super::a::A> }",
        "pub struct B;\nuse crate::a;\nfn f(x: a::A) {}",
        "pub struct B;\nmod inner {\n    use super::super::a::A;\n}",
        "pub struct B;\nfn f() {\n    use crate::a::*;\n    drop(A);\n}",
        "pub struct B;\nfn f() -> impl Sized { crate::a::A::new::<B>() }",
        "pub struct B;\n#[x(crate::a::A)]\nstruct C;",
        "pub struct B;\nimpl From<crate::a::A> for B {}",
    ];
    for way in ways {
        let line = way.lines().position(|line| line.contains("A")).map_or(0, |at| at + 1);
        let wanted = [("src/a.rs".to_owned(), 2), ("src/b.rs".to_owned(), line)];
        assert_eq!(places(&[root, a, ("src/b.rs", way)]), wanted, "{way}");
    }
}

#[test]
fn a_circle_is_found_through_re_exports_and_longer_ways() {
    let through_a_front_page = [
        ("src/lib.rs", "mod room;"),
        ("src/room/mod.rs", "mod a;\nmod b;\npub use a::A;\npub(crate) use self::b::*;"),
        ("src/room/a.rs", "use super::B;\npub struct A;"),
        ("src/room/b.rs", "use crate::room::A;\npub struct B;"),
    ];
    let problem = |item: &str, way: &str| format!("`{item}` closes a circle: {way} → here");
    let wanted = [
        ("src/room/a.rs".to_owned(), 1, problem("super::B", "src/room/b.rs")),
        ("src/room/b.rs".to_owned(), 1, problem("crate::room::A", "src/room/a.rs")),
    ];
    assert_eq!(planted(&through_a_front_page), wanted);

    let through_a_parent = [
        ("crates/x/src/lib.rs", "pub mod a;\npub use a::A;\npub struct Own(A);"),
        ("crates/x/src/a.rs", "pub struct A;\nfn f(own: super::Own) {}"),
    ];
    assert_eq!(places(&through_a_parent).len(), 2);

    let of_three = [
        ("src/main.rs", "mod a;\nmod b;\nmod c;"),
        ("src/a.rs", "pub struct A(crate::b::B);"),
        ("src/b.rs", "pub struct B(crate::c::C);"),
        ("src/c.rs", "pub struct C(Box<crate::a::A>);"),
    ];
    assert_eq!(places(&of_three).len(), 3);
}

#[test]
fn what_is_no_circle_is_left_alone() {
    let clean = [
        ("src/lib.rs", "mod a;\nmod b;\nmod room;\npub use b::B;"),
        // A name of another crate, a field, a method, a label, a visibility, a comment, a text.
        (
            "src/a.rs",
            "pub struct A { pub b: u8 }\nfn f(a: A) { a.b.b(); 'b: loop {} }\n// crate::b::B\npub(in crate::b) fn g() { h(\"crate::b::B\") }\nuse other::b::B;",
        ),
        (
            "src/b.rs",
            "use crate::a::A;\npub struct B(A);\n#[cfg(test)]\nmod tests {\n    use crate::room::R;\n}",
        ),
        // The parent only declares and re-exports; its test and its child's test may use everything.
        (
            "src/room/mod.rs",
            "mod r;\npub use r::R;\n#[cfg(test)]\nuse crate::b::B;\n#[cfg(test)]\nfn t(b: B) {}",
        ),
        ("src/room/r.rs", "pub struct R(crate::B);\n#[cfg(test)]\n#[path = \"r_tests.rs\"]\nmod tests;"),
        ("src/room/r_tests.rs", "use super::*;"),
    ];
    assert_eq!(planted(&clean), []);
}
