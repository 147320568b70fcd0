//! Fills the built-in templates: subject, text and HTML of an email, or the text of an SMS.
//!
//! PURE. Compiled once, cheap per message, bounded in steps and size. Undefined values are errors, HTML
//! is escaped by the template's file name, and everything a stranger wrote goes through `clean` first.
//! Errors name template and place, never values. Read `language` for the choice of texts.

use std::{collections::BTreeMap, io};

use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::{
    clean::{display_name, joined_lines, label, plain_punctuation},
    language,
    sms::{self, Encoding},
};
use crate::document::text::one_line;

/// Steps that one rendering may take.
const FUEL: u64 = 50_000;
/// Longest rendering, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Most segments that one text message may take.
pub const SEGMENTS_MAX: usize = 3;
const SUBJECT_CHARS_MAX: usize = 200;

const TEMPLATES: [(&str, &str); 8] = [
    ("en/subject.txt", include_str!("templates/en/subject.txt")),
    ("en/email.txt", include_str!("templates/en/email.txt")),
    ("en/email.html", include_str!("templates/en/email.html")),
    ("en/sms.txt", include_str!("templates/en/sms.txt")),
    ("fr/subject.txt", include_str!("templates/fr/subject.txt")),
    ("fr/email.txt", include_str!("templates/fr/email.txt")),
    ("fr/email.html", include_str!("templates/fr/email.html")),
    ("fr/sms.txt", include_str!("templates/fr/sms.txt")),
];

/// Everything that a message may show.
#[derive(Debug, Clone, Copy)]
pub struct RenderFacts<'f> {
    /// The customer's language (BCP 47), where the job named one.
    pub language: Option<&'f str>,
    /// The brand's language.
    pub fallback_language: &'f str,
    /// The name that customers read.
    pub brand_name: &'f str,
    /// Cleaned again before rendering.
    pub customer_name: Option<&'f str>,
    /// http or https.
    pub survey_url: &'f str,
    /// http or https; not used in text messages, which are stopped by answering STOP.
    pub unsubscribe_url: &'f str,
    /// Shown at the foot of email.
    pub postal_address: Option<&'f str>,
    /// Values for templates, by name.
    pub custom_properties: &'f BTreeMap<String, String>,
}

/// The parts of a rendered email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedEmail {
    /// One line.
    pub subject: String,
    /// Text part.
    pub text: String,
    /// HTML part.
    pub html: String,
}

/// A rendered text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedSms {
    /// The whole text.
    pub text: String,
    /// Billed segments, at most `SEGMENTS_MAX`.
    pub segments: usize,
    /// The encoding that the text needs.
    pub encoding: Encoding,
}

/// The reason for which a message could not be rendered; permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template broke its bounds or used an undefined value.
    #[error("template {template} failed in line {line}: {kind}")]
    Template {
        /// File name of the template.
        template: String,
        /// Line of the error, 0 if unknown.
        line: usize,
        /// Kind of the error; never a value.
        kind: String,
    },
    /// A link that is not http or https.
    #[error("a link must be http or https, mend the brand's survey_url or the public URL")]
    BadLink,
    /// More than `SEGMENTS_MAX` segments, even without the name.
    #[error("the text message takes {segments} segments, shorten the brand's name or survey_url")]
    TooLong {
        /// Segments without the name.
        segments: usize,
    },
}

/// The compiled templates.
#[derive(Debug)]
pub struct Renderer {
    environment: Environment<'static>,
}

impl Default for Renderer {
    fn default() -> Renderer {
        Renderer::new()
    }
}

impl Renderer {
    /// Compiles the built-in templates.
    #[must_use]
    pub fn new() -> Renderer {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).expect("a test compiles the built-in templates");
        }
        Renderer { environment }
    }

    /// Renders all parts of an email.
    ///
    /// # Errors
    /// When a link is not http(s) or a template breaks its bounds.
    pub fn render_email(&self, facts: &RenderFacts) -> Result<RenderedEmail, RenderError> {
        check_links(&[facts.survey_url, facts.unsubscribe_url])?;
        let language = language::choose(facts.language, facts.fallback_language);
        let name = facts.customer_name.and_then(display_name);
        let values = values_of(facts, &label(facts.brand_name), name.as_deref());
        let subject = one_line(&self.render(language, "subject.txt", &values)?);
        Ok(RenderedEmail {
            subject: subject.chars().take(SUBJECT_CHARS_MAX).collect(),
            text: self.render(language, "email.txt", &values)?,
            html: self.render(language, "email.html", &values)?,
        })
    }

    /// Renders a text message of at most `SEGMENTS_MAX` segments. The customer's name is left out where
    /// it alone would force the dearer encoding or too many segments.
    ///
    /// # Errors
    /// When the link is not http(s), the text is too long without a name, or a template breaks its
    /// bounds.
    pub fn render_sms(&self, facts: &RenderFacts) -> Result<RenderedSms, RenderError> {
        check_links(&[facts.survey_url])?;
        let name = facts.customer_name.and_then(display_name).map(|name| plain_punctuation(&name));
        let fits = |sms: &RenderedSms| sms.segments <= SEGMENTS_MAX;
        let named = name.map(|name| self.compose_sms(facts, Some(&name))).transpose()?.filter(fits);
        let named = match named {
            // Our own texts are in the GSM alphabet: what is with a name is without it too.
            Some(named) if named.encoding == Encoding::Gsm7 => return Ok(named),
            named => named,
        };
        let nameless = self.compose_sms(facts, None)?;
        match named {
            Some(named) if named.encoding == nameless.encoding => Ok(named),
            _ if fits(&nameless) => Ok(nameless),
            _ => Err(RenderError::TooLong { segments: nameless.segments }),
        }
    }

    fn compose_sms(&self, facts: &RenderFacts, name: Option<&str>) -> Result<RenderedSms, RenderError> {
        let language = language::choose(facts.language, facts.fallback_language);
        let brand = plain_punctuation(&label(facts.brand_name));
        let text = self.render(language, "sms.txt", &values_of(facts, &brand, name))?;
        let size = sms::size(&text);
        Ok(RenderedSms { text, segments: size.segments, encoding: size.encoding })
    }

    fn render(&self, language: &str, part: &str, values: &Value) -> Result<String, RenderError> {
        let name = format!("{language}/{part}");
        let failed = |error: &minijinja::Error| RenderError::Template {
            template: name.clone(),
            line: error.line().unwrap_or_default(),
            kind: error.kind().to_string(),
        };
        let template = self.environment.get_template(&name).map_err(|error| failed(&error))?;
        let mut output = Bounded::default();
        template.render_captured_to(values, &mut output).map_err(|error| failed(&error))?;
        Ok(String::from_utf8(output.bytes).expect("templates and values are UTF-8"))
    }
}

fn values_of(facts: &RenderFacts, brand: &str, name: Option<&str>) -> Value {
    let custom: BTreeMap<&str, String> =
        facts.custom_properties.iter().map(|(key, value)| (key.as_str(), one_line(value))).collect();
    context! {
        brand,
        name,
        survey_url => facts.survey_url,
        unsubscribe_url => facts.unsubscribe_url,
        postal_address => facts.postal_address.map(joined_lines),
        custom,
    }
}

/// Links come from configuration, checked there; this is the last door before a customer's screen.
fn check_links(links: &[&str]) -> Result<(), RenderError> {
    let is_web = |link: &&str| {
        let is_http = link.starts_with("https://") || link.starts_with("http://");
        is_http && !link.contains(|character: char| character.is_whitespace() || character.is_control())
    };
    if links.iter().all(is_web) { Ok(()) } else { Err(RenderError::BadLink) }
}

/// Memory that refuses to grow beyond `OUTPUT_BYTES_MAX`.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other("the rendering is too long"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
