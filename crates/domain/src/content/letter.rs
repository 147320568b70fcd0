//! A letter: an email to a company's own people whose text was made when it was decided.
//!
//! PURE. Stored with its request and sent as it is; its HTML is the same text, escaped.

use serde::{Deserialize, Serialize};

use crate::document::text::{one_line, several_lines};

/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainEmail {
    /// One line.
    pub subject: String,
    pub text: String,
}

impl PlainEmail {
    #[must_use]
    pub fn new(subject: &str, text: &str) -> PlainEmail {
        let text = several_lines(text);
        PlainEmail { subject: one_line(subject), text: text.chars().take(TEXT_CHARS_MAX).collect() }
    }

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
