//! The floors of the worker: a room of `src/` uses only rooms below it.
//!
//! A room is a folder or a file directly under `src/`; an import is a path to an item that a file of another
//! room declares (`resolve.rs`). The order is the journey of a request read backwards: the rooms that many
//! use stand at the bottom, the room that starts everything at the top.

use super::{Violation, modules::Crate, resolve::edges, source::Source};

/// From the bottom to the top.
const FLOORS: [&str; 25] = [
    "lib",
    "failpoint",
    "must_settle",
    "crash_isolation",
    "batching",
    "retry",
    "ticker",
    "http_server",
    "csv_rows",
    "config",
    "telemetry",
    "company_cache",
    "backtest",
    "blocks",
    "dispatch",
    "intake",
    "poison",
    "amqp",
    "webhooks",
    "connectors",
    "alerts",
    "requests",
    "api",
    "worker",
    "cli",
];

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(read) = Crate::read(sources, "src/lib.rs") else { return Vec::new() };
    let mut violations = Vec::new();
    for edge in edges(&read) {
        let (source, target) = (&sources[edge.from], &sources[edge.to]);
        let (from, to) = (room(&source.path), room(&target.path));
        let (problem, remedy) = match (floor(from), floor(to)) {
            _ if from == to => continue,
            (None, _) => {
                (format!("the room `{from}` has no floor"), "add it to FLOORS in tests/tidy/floors.rs")
            }
            (Some(above), Some(below)) if below < above => continue,
            _ => (
                format!("an import upwards, from `{from}` to `{to}`: `{}`", edge.item),
                "move the item down, or pass it from above as an argument or a trait",
            ),
        };
        violations.push(Violation::new(source, edge.line, problem, remedy.to_owned()));
    }
    violations
}

/// `src/intake/accept.rs` is in `intake`, `src/config.rs` in `config`.
fn room(path: &str) -> &str {
    let inner = path.trim_start_matches("src/");
    inner.split(['/', '.']).next().unwrap_or(inner)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| *floor == room)
}

#[test]
fn the_four_imports_that_ran_upward_are_refused() {
    let planted = |from: &str, text: &str| {
        let rooms = ["config", "dispatch", "intake", "telemetry", "worker"];
        let root: String = rooms.iter().map(|room| format!("pub mod {room};\n")).collect();
        let file = |room: &str| {
            let text = if room == from { text } else { "pub struct Item;" };
            Source::new(&format!("src/{room}.rs"), text)
        };
        let mut sources = vec![Source::new("src/lib.rs", &root)];
        sources.extend(rooms.iter().map(|room| file(room)));
        let found = check(&sources).into_iter();
        found.map(|violation| (violation.file, violation.line, violation.problem)).collect::<Vec<_>>()
    };
    for (from, to) in
        [("config", "intake"), ("dispatch", "worker"), ("dispatch", "intake"), ("telemetry", "intake")]
    {
        let problem = format!("an import upwards, from `{from}` to `{to}`: `crate::{to}::Item`");
        let found = planted(from, &format!("pub struct Item;\nuse crate::{to}::Item as Other;"));
        assert_eq!(found, [(format!("src/{from}.rs"), 2, problem)]);
    }
    assert_eq!(
        planted("worker", "use crate::{config::Item, dispatch, intake};\nfn f(x: intake::Item) {}"),
        []
    );
    let unknown = [
        Source::new("src/lib.rs", "mod new;\nmod config;"),
        Source::new("src/new.rs", "use crate::config::Item;"),
        Source::new("src/config.rs", "pub struct Item;"),
    ];
    assert_eq!(check(&unknown)[0].problem, "the room `new` has no floor");
}
