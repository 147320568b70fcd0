//! Fields that several parts of a company's file have in common: slugs, choices, environment variables, URLs.
//!
//! PURE. Each reader adds its problems under the field's path and returns a stand-in, so that one bad field
//! hides no other. Values are judged by `syntax`; next: `file`, `accounts` and `recipes` use these.

use crate::document::{
    fields::{Fields, LABEL_CHARS_MAX, Problems},
    node::Node,
};

use super::syntax::{base_url_problem, is_env_name, is_slug};

const URL_CHARS_MAX: usize = 1_000;

/// An item that is no table is named once, not for each of its fields.
pub(super) fn open_or_empty<'n>(
    path: &str,
    item: &'n Node,
    known: &[&str],
    problems: &mut Problems,
) -> Fields<'n> {
    Fields::open(path, item, known, problems).unwrap_or_else(|| Fields::empty(path))
}

/// A word of `[a-z0-9-]{1,63}`.
pub(super) fn read_slug(fields: &Fields, name: &str, problems: &mut Problems) -> String {
    let slug = fields.required_text(name, LABEL_CHARS_MAX, problems).unwrap_or_default();
    if !slug.is_empty() && !is_slug(&slug) {
        let message = "only a-z, 0-9 and - are allowed, at most 63 of them";
        problems.add(fields.at(name), "bad_slug", message);
    }
    slug
}

/// One of a closed set of words.
pub(super) fn read_choice<T: Copy>(
    fields: &Fields,
    name: &str,
    choices: &[(&str, T)],
    problems: &mut Problems,
) -> Option<T> {
    let word = fields.text(name, LABEL_CHARS_MAX, problems)?;
    let chosen = choices.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice);
    if chosen.is_none() {
        let words: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
        problems.add(fields.at(name), "bad_choice", format!("give one of {}", words.join(", ")));
    }
    chosen
}

/// The field `base_url` without a slash at its end; `usual` if it is left out.
pub(super) fn read_base_url(fields: &Fields, usual: &str, problems: &mut Problems) -> String {
    let Some(url) = fields.text("base_url", URL_CHARS_MAX, problems) else { return usual.to_owned() };
    if let Some(problem) = base_url_problem(&url) {
        problems.add(fields.at("base_url"), "bad_url", problem);
    }
    url.trim_end_matches('/').to_owned()
}

/// The name of an environment variable that holds a secret.
pub(super) fn read_env(fields: &Fields, name: &str, problems: &mut Problems) -> String {
    let variable = fields.required_text(name, LABEL_CHARS_MAX, problems).unwrap_or_default();
    if !variable.is_empty() && !is_env_name(&variable) {
        let message = "give the name of an environment variable (A-Z, 0-9, _), never the secret itself";
        problems.add(fields.at(name), "bad_env", message);
    }
    variable
}
