//! The documents are true where a test can tell: README.md and every page under `docs/`.
//!
//! Generated blocks (commands, states, metrics, configuration) equal the code, pages keep their size limits, relative
//! links and anchors resolve, and every Prometheus alert has a runbook section. A generated block stands
//! between `<!-- name -->` and `<!-- /name -->`; run with `UPDATE_DOCS=1` to write the blocks anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use postrider::telemetry::names::{Kind, TABLE};
use postrider_domain::lifecycle::diagram;

const UPDATE: &str = "UPDATE_DOCS";
const README_BYTES_MAX: usize = 8 * 1024;
const PAGE_BYTES_MAX: usize = 24 * 1024;
const ALERTS: &str = "deploy/prometheus/alerts.yml";
const RUNBOOKS: &str = "docs/operating.md";
/// Folders and files with texts that may name a page under `docs/`.
const CITING: [&str; 8] =
    ["src", "crates", "tests", "benches", "deploy", "Makefile", "CHANGELOG.md", "Cargo.toml"];
/// Folders of the repository that a path in a page begins with.
const FOLDERS: [&str; 6] = ["src", "crates", "tests", "deploy", "benches", "migrations"];
const TEXT_EXTENSIONS: [&str; 8] = ["rs", "md", "toml", "sql", "yml", "yaml", "sh", "py"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} is not readable: {error}"))
}

/// Every file below `path`, relative to the repository's root; build output and installed packages excluded.
fn files(path: &str, found: &mut Vec<String>) {
    let absolute = root().join(path);
    if absolute.is_file() {
        found.push(path.to_owned());
        return;
    }
    let Ok(entries) = fs::read_dir(&absolute) else { return };
    for entry in entries {
        let name = entry.expect("the folder is readable").file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && name != "target" && name != "node_modules" {
            files(&format!("{path}/{name}"), found);
        }
    }
}

/// README.md and every page under `docs/`.
fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    files("docs", &mut found);
    found.retain(|path| path.ends_with(".md"));
    found.sort();
    found
}

// ---------------------------------------------------------------- generated blocks

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

/// Every command with its usage, purpose and options, as `--help` prints them.
fn commands() -> String {
    let mut definition = postrider::cli::definition();
    definition.build();
    let mut text = String::new();
    describe(&definition, &mut text);
    text
}

fn describe(command: &clap::Command, text: &mut String) {
    let subcommands: Vec<&clap::Command> =
        command.get_subcommands().filter(|command| command.get_name() != "help").collect();
    if subcommands.is_empty() {
        let usage = command.clone().render_usage().to_string().replace("Usage: ", "");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n**`{usage}`** {about}\n\n"));
        let own =
            |argument: &&clap::Arg| !["help", "version", "config"].contains(&argument.get_id().as_str());
        for argument in command.get_arguments().filter(own) {
            text.push_str(&option(argument));
        }
    }
    for subcommand in subcommands {
        describe(subcommand, text);
    }
}

fn option(argument: &clap::Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let name = argument.to_string();
    let words = |values: Vec<String>| values.join(", ");
    let mut notes = Vec::new();
    if argument.get_action().takes_values() && !argument.is_hide_possible_values_set() {
        let possible = argument.get_possible_values();
        let possible: Vec<String> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
        notes.extend((!possible.is_empty()).then(|| format!("one of {}", words(possible))));
        let default = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
        let default: Vec<String> = default.filter(|value| !value.is_empty()).collect();
        notes.extend((!default.is_empty()).then(|| format!("default `{}`", default.join(","))));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    format!("* `{name}`: {help}{notes}\n")
}

/// Page, block name, text of each generated block.
fn blocks() -> [(&'static str, &'static str, String); 4] {
    [
        ("docs/cli.md", "commands", commands()),
        ("docs/concepts.md", "states", fenced("mermaid", &diagram::states())),
        ("docs/metrics.md", "metrics", metrics()),
        ("docs/configuration.md", "config", fenced("toml", include_str!("../src/default.toml"))),
    ]
}

/// The page before a block, the block as it stands, the page after it.
fn split<'a>(page: &'a str, path: &str, name: &str) -> (&'a str, &'a str, &'a str) {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    for marker in [&open, &close] {
        assert_eq!(
            page.matches(marker.as_str()).count(),
            1,
            "{path} needs the marker {marker:?} exactly once"
        );
    }
    let start = page.find(&open).expect("counted above") + open.len();
    let length = page[start..].find(&close).expect("the closing marker comes after the opening one");
    (&page[..start], &page[start..start + length], &page[start + length..])
}

#[test]
fn the_pages_show_the_commands_the_states_the_metrics_and_the_configuration_as_they_are() {
    for (path, name, block) in blocks() {
        let page = read(path);
        let (before, stands, after) = split(&page, path, name);
        if std::env::var_os(UPDATE).is_some() {
            fs::write(root().join(path), format!("{before}{block}{after}")).expect("the page is writable");
        } else {
            assert_eq!(stands, block, "the block {name} of {path} is stale; run with {UPDATE}=1");
        }
    }
}

// ---------------------------------------------------------------- sizes

#[test]
fn every_page_is_within_its_size() {
    for path in pages() {
        let limit = if path == "README.md" { README_BYTES_MAX } else { PAGE_BYTES_MAX };
        let bytes = read(&path).len();
        assert!(bytes <= limit, "{path} has {bytes} bytes, {limit} is the limit; shorten or split it");
    }
}

// ---------------------------------------------------------------- links

/// The lines outside of fenced code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// A line without the contents of its inline code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Targets of the inline links and images of a page.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        found.extend(line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

/// The anchors that GitHub gives to a page's headings, and those written as `<a id="…">`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in prose(text) {
        let written = line.split("<a id=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        found.extend(written.map(|(id, _)| id.to_owned()));
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let slug: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let slug = slug.replace(' ', "-");
        let before = seen.entry(slug.clone()).or_default();
        found.insert(if *before == 0 { slug } else { format!("{slug}-{before}") });
        *before += 1;
    }
    found
}

/// `docs/a/../b.md` as `docs/b.md`.
fn normalised(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().expect("paths are UTF-8").split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The file and the anchor that a link of `page` leads to; `None` for a link to elsewhere.
fn target(page: &str, link: &str) -> Option<(String, Option<String>)> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { page.to_owned() } else { normalised(&folder.join(path)) };
    Some((path, anchor.map(str::to_owned)))
}

#[test]
fn every_relative_link_and_anchor_resolves() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&read(&page)) {
            let Some((path, anchor)) = target(&page, &link) else { continue };
            let found = root().join(&path).exists()
                && anchor.is_none_or(|anchor| anchors(&read(&path)).contains(&anchor));
            if !found {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links that lead nowhere; name a file and a heading that exist:\n{}",
        broken.join("\n")
    );
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    let mut waiting = vec!["README.md".to_owned()];
    while let Some(page) = waiting.pop() {
        let leads = links(&read(&page)).into_iter().filter_map(|link| target(&page, &link));
        for (path, _) in leads.filter(|(path, _)| path.ends_with(".md") && root().join(path).is_file()) {
            if reached.insert(path.clone()) {
                waiting.push(path);
            }
        }
    }
    let unreached: Vec<String> = pages().into_iter().filter(|page| !reached.contains(page)).collect();
    assert!(unreached.is_empty(), "pages without a way from README.md; link them: {unreached:?}");
}

#[test]
fn every_page_that_the_tree_names_exists() {
    let mut citing = Vec::new();
    for path in CITING {
        files(path, &mut citing);
    }
    let mut missing = Vec::new();
    for path in citing {
        let named = Path::new(&path).extension().and_then(|extension| extension.to_str());
        if path == "tests/docs.rs" || named.is_some_and(|extension| !TEXT_EXTENSIONS.contains(&extension)) {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for rest in text.split("docs/").skip(1) {
            let part = |letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '/');
            let Some((page, after)) = rest.split_once(".md") else { continue };
            if page.contains(part) {
                continue;
            }
            let page = format!("docs/{page}.md");
            let anchor = after.strip_prefix('#').and_then(|anchor| anchor.split(part).next());
            let found = root().join(&page).exists()
                && anchor.is_none_or(|anchor| anchors(&read(&page)).contains(anchor));
            if !found {
                missing.push(format!("{path}: {page}#{}", anchor.unwrap_or_default()));
            }
        }
    }
    assert!(missing.is_empty(), "pages that are named and not there:\n{}", missing.join("\n"));
}

/// Paths of the repository in a page's inline code; patterns and placeholders (capitals) are no paths.
fn named_paths(text: &str) -> Vec<String> {
    let plain = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '/' | '.' | '_' | '-')
    };
    let code = prose(text).flat_map(|line| line.split('`').skip(1).step_by(2));
    let paths = code.filter(|code| {
        let folder = code.split('/').next().unwrap_or_default();
        code.contains('/') && FOLDERS.contains(&folder) && code.chars().all(plain)
    });
    paths.map(str::to_owned).collect()
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        let paths = named_paths(&read(&page)).into_iter().filter(|path| !root().join(path).exists());
        missing.extend(paths.map(|path| format!("{page}: {path}")));
    }
    assert!(missing.is_empty(), "paths that are named and not there:\n{}", missing.join("\n"));
}

#[test]
fn links_and_anchors_are_read_as_github_reads_them() {
    let page =
        "# One `two`, three\n```\n# no [x](y)\n```\n## One two three\n[a](b.md#c) `[d](e)` ![f](../g.svg)\n";
    assert_eq!(links(page), ["b.md#c", "../g.svg"]);
    let wanted = BTreeSet::from(["one-two-three".to_owned(), "one-two-three-1".to_owned()]);
    assert_eq!(anchors(page), wanted);
    let found = target("docs/decisions/001.md", "../concepts.md#lane");
    assert_eq!(found, Some(("docs/concepts.md".to_owned(), Some("lane".to_owned()))));
    assert_eq!(target("README.md", "https://example.com/a#b"), None);
}

// ---------------------------------------------------------------- words

/// Subjects that hide the thing that a sentence is about.
const VAGUE_SUBJECTS: [&str; 5] = ["who", "whoever", "whom", "nobody", "somebody"];

#[test]
fn every_sentence_has_a_noun_as_its_subject() {
    let mut found = Vec::new();
    for path in pages() {
        for line in prose(&read(&path)) {
            let words = without_code(line).to_lowercase();
            let mut words = words.split(|letter: char| !letter.is_alphanumeric());
            if words.any(|word| VAGUE_SUBJECTS.contains(&word)) {
                found.push(format!("{path}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "name the person or the thing instead:\n{}", found.join("\n"));
}

// ---------------------------------------------------------------- runbooks

#[test]
fn every_alert_has_a_runbook_section_and_names_it() {
    let alerts = read(ALERTS);
    let sections = anchors(&read(RUNBOOKS));
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!names.is_empty(), "{ALERTS} has no alert");
    for name in names {
        let anchor = name.to_lowercase();
        assert!(sections.contains(&anchor), "{RUNBOOKS} needs the heading {name}");
        let runbook = format!("runbook: {RUNBOOKS}#{anchor}");
        assert!(alerts.contains(&runbook), "{ALERTS} needs the annotation {runbook:?}");
    }
}
