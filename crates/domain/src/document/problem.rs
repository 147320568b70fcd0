//! One mistake in a document, named so that its author can fix it.
//!
//! A refused document carries all of its problems, never only the first.

use serde::{Deserialize, Serialize};

/// A mistake in a document: its place, its kind and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Field path as in `customer.email` or `tags[3]`; empty for the body as a whole.
    pub path: String,
    /// A stable word for programs, such as `unknown_field`.
    pub code: String,
    /// A sentence for people that names the remedy; holds no personal data.
    pub message: String,
}

impl Problem {
    /// A problem at `path`; `code` is a stable word, `message` names the remedy.
    pub fn new(path: impl Into<String>, code: &str, message: impl Into<String>) -> Problem {
        Problem { path: path.into(), code: code.to_owned(), message: message.into() }
    }
}
