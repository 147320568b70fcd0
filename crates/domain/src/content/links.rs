//! The survey link of one request.
//!
//! PURE. The brand's URL was checked when the company's file was read; here only the request's id is
//! put in. Nothing that a customer or a producer wrote gets into a link.

use crate::ids::RequestId;

/// `template` with `{request}` replaced, or with `r=<id>` added to its query.
#[must_use]
pub fn survey_url(template: &str, request: RequestId) -> String {
    let id = request.0.to_string();
    if template.contains("{request}") {
        return template.replace("{request}", &id);
    }
    let (address, fragment) = match template.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (template, String::new()),
    };
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{address}{joint}r={id}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_request_stands_where_the_brand_wants_it() {
        let request = RequestId(Uuid::from_u128(1));
        let id = "00000000-0000-0000-0000-000000000001";
        for (template, link) in [
            ("https://s.example/{request}", format!("https://s.example/{id}")),
            ("https://s.example/{request}?id={request}", format!("https://s.example/{id}?id={id}")),
            ("https://s.example", format!("https://s.example?r={id}")),
            ("https://s.example/?", format!("https://s.example/?r={id}")),
            ("https://s.example/?a=1", format!("https://s.example/?a=1&r={id}")),
            ("https://s.example/?a=1#top", format!("https://s.example/?a=1&r={id}#top")),
        ] {
            assert_eq!(survey_url(template, request), link, "{template}");
        }
    }
}
