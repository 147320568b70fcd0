//! Comments name the thing that they speak of: no `who`, `whoever`, `whose`, `nobody`, `somebody` or
//! `everybody`, and no sentence that begins with `What`.
//!
//! Comments of Rust, of SQL (`--`) and of the files that comment with `#`. Code between backticks is not read.

use super::{Text, Violation, source::Source};

/// Words that hide the subject of a sentence.
const VAGUE: [&str; 7] = ["who", "whoever", "whose", "whom", "nobody", "somebody", "everybody"];

pub fn check(sources: &[Source], texts: &[Text]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        check_lines(
            &source.path,
            source.comments.iter().map(|(line, text)| (*line, text.as_str())),
            &mut violations,
        );
    }
    for text in texts {
        let mark = if text.path.ends_with(".sql") { "--" } else { "#" };
        let lines = text.text.lines().enumerate();
        let comments = lines.filter_map(|(at, line)| Some((at + 1, comment(line, mark)?)));
        check_lines(&text.path, comments, &mut violations);
    }
    violations
}

fn check_lines<'a>(
    path: &str,
    lines: impl Iterator<Item = (usize, &'a str)>,
    violations: &mut Vec<Violation>,
) {
    for (line, text) in lines {
        let Some(word) = vague(text) else { continue };
        violations.push(Violation {
            file: path.to_owned(),
            line,
            problem: format!("`{word}` in a comment: {text}"),
            remedy: "name the thing or the role: a noun as the subject".to_owned(),
        });
    }
}

/// The comment at the end of a line, if there is one outside of quotes.
fn comment<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let start = line.match_indices(mark).map(|(at, _)| at).find(|&at| {
        let before = &line[..at];
        let opens = before.is_empty() || before.ends_with([' ', '\t']);
        opens && ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0)
    })?;
    Some(line[start..].trim_start_matches(['#', '-', ' ', '!']))
}

/// The first word of a comment's line that hides a subject.
fn vague(text: &str) -> Option<&str> {
    let mut opens = true;
    for prose in text.split('`').step_by(2) {
        for word in prose.split(' ') {
            let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
            let bare = bare.split_once(['\'', '’']).map_or(bare, |(before, _)| before);
            if VAGUE.contains(&bare.to_lowercase().as_str()) || opens && bare == "What" {
                return Some(bare);
            }
            if !word.is_empty() {
                opens = word.ends_with(['.', ':', '?', '!', ';']);
            }
        }
        // Code opens a sentence as a noun does.
        opens = false;
    }
    None
}

#[test]
fn a_comment_with_a_hidden_subject_is_refused() {
    let found = |path: &str, text: &str| {
        let violations = if path.ends_with(".rs") {
            check(&[Source::new(path, text)], &[])
        } else {
            check(&[], &[Text { path: path.to_owned(), text: text.to_owned() }])
        };
        violations.into_iter().map(|violation| violation.line).collect::<Vec<_>>()
    };
    let refused = [
        "//! What nobody held.",
        "/// Whoever waits.",
        "// a job, whose key",
        "f(); // It rests. What is left goes.",
        "/* a\n * who */",
        "// (somebody's)",
    ];
    for text in refused {
        assert_eq!(found("src/a.rs", text), [text.lines().count()], "{text}");
    }
    let clean = [
        "// Says what is missing, and\n// what is left.",
        "/// `who` and `whoami`, whole",
        "let who = \"nobody // who\";",
        "//! The page: what",
    ];
    for text in clean {
        assert_eq!(found("src/a.rs", text), [], "{text}");
    }
    assert_eq!(found("migrations/1.sql", "a int, -- Who asks\n--what\nb text default '-- who'\n"), [1]);
    assert_eq!(found("deploy/a.toml", "# What\na = \"# who\" # nobody\nb = 1#who\n"), [1, 2]);
}
