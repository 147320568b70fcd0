//! Which of our languages a customer gets (RFC 4647 section 3.4, "lookup").
//!
//! PURE. `fr-CA` finds `fr`; what finds nothing falls back to the brand's language and then to English.

/// The languages that there are texts in; the names of the folders in `templates/`.
pub const LANGUAGES: [&str; 2] = ["en", "fr"];

/// The language of `LANGUAGES` for the first of the wishes that finds one.
#[must_use]
pub fn choose(language: Option<&str>, fallback: &str) -> &'static str {
    language.and_then(look_up).or_else(|| look_up(fallback)).unwrap_or(LANGUAGES[0])
}

/// Takes subtags off the right until a language fits; a single letter (`-x-`, `-u-`) goes with what it
/// introduced.
fn look_up(tag: &str) -> Option<&'static str> {
    let mut range = tag;
    loop {
        if let Some(known) = LANGUAGES.into_iter().find(|known| known.eq_ignore_ascii_case(range)) {
            return Some(known);
        }
        let (rest, _) = range.rsplit_once('-')?;
        range = match rest.rsplit_once('-') {
            Some((shorter, single)) if single.len() == 1 => shorter,
            Some(_) | None => rest,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_gets_the_nearest_language_then_the_brands_then_english() {
        for (language, fallback, chosen) in [
            (Some("fr-CA"), "en", "fr"),
            (Some("FR-Latn-CA-x-old"), "en", "fr"),
            (Some("fr-u-nu-latn"), "en", "fr"),
            (Some("de"), "fr-CA", "fr"),
            (Some("de-AT"), "it", "en"),
            (Some("fro"), "en", "en"),
            (None, "fr", "fr"),
            (Some(""), "", "en"),
        ] {
            assert_eq!(choose(language, fallback), chosen, "{language:?} {fallback}");
        }
    }
}
