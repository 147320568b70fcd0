//! A plain email to a company's own people, with a text that is fixed when the email is decided.
//!
//! PURE. Stored with its request and sent unchanged; its HTML is the same text, escaped.

use serde::{Deserialize, Serialize};

use crate::document::text::{one_line, several_lines};

/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 20_000;

/// A stored email without a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainEmail {
    /// One line.
    pub subject: String,
    /// At most 20,000 characters.
    pub text: String,
}

impl PlainEmail {
    /// An email with a subject on one line and a cleaned, bounded text.
    #[must_use]
    pub fn new(subject: &str, text: &str) -> PlainEmail {
        let text = several_lines(text);
        PlainEmail { subject: one_line(subject), text: text.chars().take(TEXT_CHARS_MAX).collect() }
    }

    /// The text as an HTML document.
    #[must_use]
    pub fn html(&self) -> String {
        let escaped = self.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let escaped = escaped.replace('"', "&quot;");
        format!(
            "<!DOCTYPE html>\n<html>\n<body>\n<pre style=\"white-space: pre-wrap\">{escaped}</pre>\n</body>\n</html>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_harmless_in_headers_and_in_html() {
        let letter = PlainEmail::new("Jobs\r\nBcc: all@example.com", "a <b> & \"c\"\n\u{7}d");
        assert_eq!(letter.subject, "Jobs Bcc: all@example.com");
        assert!(letter.html().contains("a &lt;b&gt; &amp; &quot;c&quot;\nd</pre>"), "{}", letter.html());
    }
}
