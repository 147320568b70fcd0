//! Reads the fields of a document and collects every problem by field path.
//!
//! PURE. Jobs and company files are read by the same rules: `null` means absent, unknown and duplicate
//! fields are refused with the nearest known name, types are strict, lengths are counted in characters,
//! nothing is cut silently. Messages hold lengths, types and field names, never values. Read `job::parse`
//! for the fields of a job.

use std::{borrow::Cow, collections::BTreeSet, ops::RangeInclusive};

use crate::document::{
    Problem,
    node::Node,
    text::{is_control, several_lines, shown_name},
};

/// Longest delay, wait or expiry that anything may ask for: 366 days.
pub const SPAN_SECS_MAX: i64 = 31_622_400;

/// Longest id, label, name or key, in characters.
pub const LABEL_CHARS_MAX: usize = 255;

/// Most problems that one document may earn: 64 KiB of nonsense must not become a megabyte of answer.
pub const PROBLEMS_MAX: usize = 100;

/// Up to this number of names, comparing each with each is faster than a set.
const FEW: usize = 24;

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds a problem; past `PROBLEMS_MAX` problems are only counted.
    pub fn add(&mut self, path: impl Into<String>, code: &str, message: impl Into<String>) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push(Problem::new(path, code, message));
        } else {
            self.left_out += 1;
        }
    }

    /// Whether a problem with exactly this path was added.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        self.found.iter().any(|problem| problem.path == path)
    }

    /// Whether further problems are only counted.
    fn is_full(&self) -> bool {
        self.found.len() >= PROBLEMS_MAX
    }

    /// `value` if there is one and no problem was added.
    ///
    /// # Errors
    /// Every problem, in the order in which they were added.
    pub fn settle<T>(mut self, value: Option<T>) -> Result<T, Vec<Problem>> {
        if self.left_out > 0 {
            let message = format!("{} more problems are not listed; mend these first", self.left_out);
            self.found.push(Problem::new("", "more_problems", message));
        }
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            Some(_) | None => Err(self.found),
        }
    }
}

/// The lines that a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Control characters are refused.
    One,
    /// Line breaks and tabs stay, NUL is refused, other control characters are dropped.
    Several,
}

/// An object of the document with its place in it.
pub struct Fields<'n> {
    /// Path of the object; empty for the document itself.
    pub path: String,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Opens `node` as an object that may have the `known` fields; `None` if it is no object.
    pub fn open(path: &str, node: &'n Node, known: &[&str], problems: &mut Problems) -> Option<Fields<'n>> {
        let fields = Fields::open_any(path, node, problems)?;
        for (name, _) in &fields.entries {
            if !known.contains(name) {
                // The search for the nearest name is expensive; past the limit problems are only counted.
                let full = problems.is_full();
                let remedy = if full { String::new() } else { unknown_field_remedy(name, known) };
                problems.add(fields.at(name), "unknown_field", remedy);
            }
        }
        Some(fields)
    }

    /// An object without fields, standing in for one that could not be read.
    #[must_use]
    pub fn empty(path: &str) -> Fields<'n> {
        Fields { path: path.to_owned(), entries: Vec::new() }
    }

    /// Opens `node` as an object with fields of any name.
    pub fn open_any(path: &str, node: &'n Node, problems: &mut Problems) -> Option<Fields<'n>> {
        let Node::Object(written) = node else {
            problems.add(path, "wrong_type", format!("expected an object, found {}", node.kind()));
            return None;
        };
        let mut fields = Fields { path: path.to_owned(), entries: Vec::with_capacity(written.len()) };
        let mut seen = BTreeSet::new();
        for (name, value) in written {
            let again = match written.len() {
                0..=FEW => fields.entries.iter().any(|(known, _)| *known == name.as_str()),
                _ => !seen.insert(name.as_str()),
            };
            if again {
                problems.add(fields.at(name), "duplicate_field", "the field is given twice, keep one");
            } else {
                fields.entries.push((name, value));
            }
        }
        Some(fields)
    }

    /// The path of field `name`.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        let name = shown_name(name);
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    /// The value of `name`; `null` is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.present().find(|(known, _)| *known == name).map(|(_, node)| node)
    }

    /// Every field with a value.
    pub fn present(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.entries.iter().copied().filter(|(_, node)| **node != Node::Null)
    }

    /// A text of one line of 1 to `chars_max` characters.
    pub fn text(&self, name: &str, chars_max: usize, problems: &mut Problems) -> Option<String> {
        let text = text_of(self.get(name)?, chars_max);
        text.map_err(|flaw| problems.add(self.at(name), flaw.code, flaw.message)).ok()
    }

    /// Like `text`, and a problem if absent.
    pub fn required_text(&self, name: &str, chars_max: usize, problems: &mut Problems) -> Option<String> {
        if self.get(name).is_none() {
            problems.add(self.at(name), "missing", format!("the field is required, give {name}"));
        }
        self.text(name, chars_max, problems)
    }

    /// A boolean; anything else is a problem.
    pub fn flag(&self, name: &str, problems: &mut Problems) -> Option<bool> {
        match self.get(name)? {
            Node::Flag(flag) => Some(*flag),
            other => {
                problems.add(self.at(name), "wrong_type", expected("true or false", other));
                None
            }
        }
    }

    /// A whole number within `range`.
    pub fn number(&self, name: &str, range: RangeInclusive<i64>, problems: &mut Problems) -> Option<u32> {
        match self.get(name)? {
            Node::Integer(number) if range.contains(number) => u32::try_from(*number).ok(),
            Node::Integer(_) => {
                let message = format!("the number must be from {} to {}", range.start(), range.end());
                problems.add(self.at(name), "out_of_range", message);
                None
            }
            other => {
                problems.add(self.at(name), "wrong_type", expected("a whole number", other));
                None
            }
        }
    }

    /// Seconds, at most 366 days.
    pub fn secs(&self, name: &str, problems: &mut Problems) -> Option<u32> {
        self.number(name, 0..=SPAN_SECS_MAX, problems)
    }

    /// The items of a list with their paths; absent is empty, `null` items are absent.
    pub fn list(&self, name: &str, items_max: usize, problems: &mut Problems) -> Vec<(String, &'n Node)> {
        let items = match self.get(name) {
            None => return Vec::new(),
            Some(Node::List(items)) => items,
            Some(other) => {
                problems.add(self.at(name), "wrong_type", expected("a list", other));
                return Vec::new();
            }
        };
        if items.len() > items_max {
            let message = format!("{} items, at most {items_max} are allowed", items.len());
            problems.add(self.at(name), "too_many", message);
            return Vec::new();
        }
        let path = self.at(name);
        let placed = items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item));
        placed.filter(|(_, item)| **item != Node::Null).collect()
    }
}

/// A text of one line of 1 to `chars_max` characters.
pub fn read_text(path: &str, node: &Node, chars_max: usize, problems: &mut Problems) -> Option<String> {
    text_of(node, chars_max).map_err(|flaw| problems.add(path, flaw.code, flaw.message)).ok()
}

/// A text of at most `chars_max` characters, possibly empty.
pub fn read_any_text(
    path: &str,
    node: &Node,
    chars_max: usize,
    lines: Lines,
    problems: &mut Problems,
) -> Option<String> {
    any_text_of(node, chars_max, lines).map_err(|flaw| problems.add(path, flaw.code, flaw.message)).ok()
}

/// A problem without its path, which is formatted only when there is a problem.
struct Flaw {
    code: &'static str,
    message: Cow<'static, str>,
}

fn text_of(node: &Node, chars_max: usize) -> Result<String, Flaw> {
    let text = any_text_of(node, chars_max, Lines::One)?;
    if text.trim().is_empty() {
        return Err(Flaw { code: "empty", message: "the text is empty, leave the field out instead".into() });
    }
    Ok(text)
}

fn any_text_of(node: &Node, chars_max: usize, lines: Lines) -> Result<String, Flaw> {
    let Node::Text(text) = node else {
        return Err(Flaw { code: "wrong_type", message: expected("a string", node).into() });
    };
    let refused = |character| match lines {
        Lines::One => is_control(character),
        Lines::Several => character == '\0',
    };
    if text.contains(refused) {
        let message = "the text holds a control character, take it out".into();
        return Err(Flaw { code: "control_character", message });
    }
    let text = match lines {
        Lines::One => text.clone(),
        Lines::Several => several_lines(text),
    };
    match too_long(&text, chars_max) {
        Some(flaw) => Err(flaw),
        None => Ok(text),
    }
}

/// Adds `too_long` if `text` has more than `chars_max` characters.
pub fn is_short_enough(path: &str, text: &str, chars_max: usize, problems: &mut Problems) -> bool {
    let flaw = too_long(text, chars_max);
    let fits = flaw.is_none();
    flaw.into_iter().for_each(|flaw| problems.add(path, flaw.code, flaw.message));
    fits
}

fn too_long(text: &str, chars_max: usize) -> Option<Flaw> {
    let chars = text.chars().count();
    (chars > chars_max).then(|| {
        let message = format!("{chars} characters, at most {chars_max} are allowed");
        Flaw { code: "too_long", message: message.into() }
    })
}

/// The sentence of a wrong type.
#[must_use]
pub fn expected(wanted: &str, found: &Node) -> String {
    format!("expected {wanted}, found {}", found.kind())
}

fn unknown_field_remedy(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("the field is unknown, did you mean {near}?"),
        None => format!("the field is unknown, known here are {}", known.join(", ")),
    }
}

/// The known name that `name` was probably meant to be.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |text: &str| -> Vec<char> {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        letters.take(64).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    let distances = known.iter().map(|candidate| (edits(&wanted, &plain(candidate)), *candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= wanted.len() / 3 + 1 && distance < wanted.len()).then_some(candidate)
}

/// Levenshtein distance.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, wanted) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, found) in right.iter().enumerate() {
            let swapped = diagonal + usize::from(wanted != found);
            diagonal = row[column + 1];
            row[column + 1] = swapped.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

/// A field's text, turned into a value by `read`; the error of `read` is the code and message of a problem.
pub(crate) fn read_with<T>(
    fields: &Fields,
    name: &str,
    chars_max: usize,
    problems: &mut Problems,
    read: impl FnOnce(&str) -> Result<T, (&'static str, &'static str)>,
) -> Option<T> {
    let text = fields.text(name, chars_max, problems)?;
    read(&text).map_err(|(code, message)| problems.add(fields.at(name), code, message)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(json: &str, known: &[&str]) -> Vec<Problem> {
        let node: Node = serde_json::from_str(json).expect("the test writes JSON");
        let mut problems = Problems::default();
        Fields::open("", &node, known, &mut problems);
        problems.settle(None::<()>).unwrap_err()
    }

    #[test]
    fn an_unknown_field_is_answered_with_the_name_that_was_meant() {
        let known = ["custom_id", "external_url", "do_not_send"];
        for (written, meant) in
            [("customId", "custom_id"), ("external-URL", "external_url"), ("do_not_sent", "do_not_send")]
        {
            let problems = open(&format!("{{\"{written}\": 1}}"), &known);
            assert_eq!(problems[0].code, "unknown_field");
            assert_eq!(problems[0].message, format!("the field is unknown, did you mean {meant}?"));
        }
        assert!(open("{\"zzzzzz\": 1}", &known)[0].message.ends_with("custom_id, external_url, do_not_send"));
    }

    #[test]
    fn a_field_given_twice_is_refused_even_with_equal_values() {
        let problems = open("{\"a\": 1, \"a\": 1}", &["a"]);
        assert_eq!((problems[0].path.as_str(), problems[0].code.as_str()), ("a", "duplicate_field"));
    }

    #[test]
    fn a_flood_of_problems_is_counted_not_listed() {
        let fields: Vec<String> = (0..300).map(|number| format!("\"f{number}\": 1")).collect();
        let problems = open(&format!("{{{}}}", fields.join(",")), &["a"]);
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert!(problems[PROBLEMS_MAX].message.starts_with("200 more"));
    }
}
