//! What the README claims is generated: states, metrics and the configuration's defaults.
//!
//! Each block stands between `<!-- name -->` and `<!-- /name -->`. Run with `UPDATE_README=1` to write
//! the blocks anew after a change of the code.

use std::{fs, path::PathBuf};

use postrider::{
    lifecycle::diagram,
    telemetry::names::{Kind, TABLE},
};

const UPDATE: &str = "UPDATE_README";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{text}```\n")
}

fn metrics() -> String {
    let mut table = String::from("| metric | kind | meaning |\n|---|---|---|\n");
    for (kind, name, meaning) in TABLE {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        table.push_str(&format!("| `{name}` | {kind} | {meaning} |\n"));
    }
    table
}

fn blocks() -> [(&'static str, String); 3] {
    [
        ("states", fenced("mermaid", &diagram::states())),
        ("metrics", metrics()),
        ("config", fenced("toml", include_str!("../src/default.toml"))),
    ]
}

/// The README around a block: what is before it, the block as it stands, what is after it.
fn split<'a>(readme: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    for marker in [&open, &close] {
        assert_eq!(
            readme.matches(marker.as_str()).count(),
            1,
            "README.md needs the marker {marker:?} exactly once"
        );
    }
    let start = readme.find(&open).expect("counted above") + open.len();
    let length = readme[start..].find(&close).expect("the closing marker comes after the opening one");
    (&readme[..start], &readme[start..start + length], &readme[start + length..])
}

/// One test for all blocks: they are written into one file.
#[test]
fn the_readme_shows_the_states_the_metrics_and_the_configuration_as_they_are() {
    let mut readme = fs::read_to_string(path()).expect("README.md is readable");
    if std::env::var_os(UPDATE).is_some() {
        for (name, block) in blocks() {
            let (before, _, after) = split(&readme, name);
            readme = format!("{before}{block}{after}");
        }
        fs::write(path(), &readme).expect("README.md is writable");
    }
    for (name, block) in blocks() {
        assert_eq!(split(&readme, name).1, block, "README.md's {name} are stale; run with {UPDATE}=1");
    }
}
