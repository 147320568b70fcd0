//! Promises to customers and mail clients about rendered messages: the texts themselves (as
//! snapshots), and that no name can break them.

use super::*;
use crate::document::text::{is_control, is_invisible};
use proptest::prelude::*;

const NONE: &BTreeMap<String, String> = &BTreeMap::new();

fn facts(language: &'static str) -> RenderFacts<'static> {
    RenderFacts {
        language: Some(language),
        fallback_language: "en",
        brand_name: "Blanca Peak",
        customer_name: Some("Jane"),
        survey_url: "https://survey.blancapeak.com/?lang=x&r=00000000-0000-0000-0000-000000000001",
        unsubscribe_url: "https://ask.example/u/00000000000000000000000000000001",
        postal_address: Some("Blanca Peak Inc.\n1 Summit Road\nAlamosa, CO 81101"),
        custom_properties: NONE,
    }
}

fn page(email: &RenderedEmail) -> String {
    format!("Subject: {}\n\n{}\n\n=====\n\n{}", email.subject, email.text, email.html)
}

#[test]
fn english_customers_read_english() {
    let renderer = Renderer::new();
    insta::assert_snapshot!("email_en", page(&renderer.render_email(&facts("en-GB")).unwrap()));
    insta::assert_snapshot!("sms_en", renderer.render_sms(&facts("en-GB")).unwrap().text);
}

#[test]
fn french_customers_read_french() {
    let renderer = Renderer::new();
    insta::assert_snapshot!("email_fr", page(&renderer.render_email(&facts("fr-CA")).unwrap()));
    insta::assert_snapshot!("sms_fr", renderer.render_sms(&facts("fr-CA")).unwrap().text);
}

#[test]
fn customers_without_a_name_and_brands_without_an_address_read_well_too() {
    let bare = RenderFacts { customer_name: None, postal_address: None, ..facts("en") };
    let renderer = Renderer::new();
    insta::assert_snapshot!("email_en_bare", page(&renderer.render_email(&bare).unwrap()));
    insta::assert_snapshot!("sms_en_bare", renderer.render_sms(&bare).unwrap().text);
}

#[test]
fn every_letter_of_our_text_messages_is_in_the_gsm_alphabet_and_they_end_with_the_way_out() {
    for (language, way_out) in [("en", "Reply STOP to opt out"), ("fr", "Répondez STOP pour vous désabonner")]
    {
        for customer_name in [None, Some("Zoé")] {
            let sms = Renderer::new().render_sms(&RenderFacts { customer_name, ..facts(language) }).unwrap();
            assert_eq!(sms.encoding, Encoding::Gsm7, "{}", sms.text);
            assert!(sms.text.ends_with(way_out), "{}", sms.text);
            assert!(sms.segments <= 2, "{} {}", sms.segments, sms.text);
        }
    }
}

#[test]
fn a_name_that_would_make_the_text_message_dearer_is_left_out() {
    let renderer = Renderer::new();
    let sms = |name, brand_name| {
        renderer.render_sms(&RenderFacts { customer_name: Some(name), brand_name, ..facts("en") }).unwrap()
    };
    assert!(sms("O’Neill", "Blanca Peak").text.starts_with("Hi O'Neill, how"));
    for name in ["Łukasz", "李", "Jane 😀", "\u{0}"] {
        let sms = sms(name, "Blanca Peak");
        assert!(sms.text.starts_with("How was"), "{}", sms.text);
        assert_eq!(sms.encoding, Encoding::Gsm7);
    }
    let dear = sms("Łukasz", "Żabka");
    assert!(dear.text.starts_with("Hi Łukasz, how"), "the brand needs UCS-2 anyway");
    assert_eq!((dear.encoding, dear.segments), (Encoding::Ucs2, 3));
    let long_name = "Ł".repeat(100);
    assert!(sms(&long_name, "Żabka").text.starts_with("How was"), "a fourth segment is too many");
}

#[test]
fn a_text_message_that_is_too_long_without_a_name_is_an_error() {
    let survey_url = format!("https://s.example/{}", "x".repeat(500));
    let too_long = RenderFacts { survey_url: &survey_url, ..facts("en") };
    assert_eq!(Renderer::new().render_sms(&too_long), Err(RenderError::TooLong { segments: 4 }));
}

#[test]
fn links_that_are_no_web_links_are_never_rendered() {
    for link in ["javascript:alert(1)", "data:text/html,x", "www.example.com", "https://x.example/\r\nBcc: y"]
    {
        let renderer = Renderer::new();
        let survey = RenderFacts { survey_url: link, ..facts("en") };
        assert_eq!(renderer.render_email(&survey), Err(RenderError::BadLink), "{link}");
        assert_eq!(renderer.render_sms(&survey), Err(RenderError::BadLink), "{link}");
        let unsubscribe = RenderFacts { unsubscribe_url: link, ..facts("en") };
        assert_eq!(renderer.render_email(&unsubscribe), Err(RenderError::BadLink), "{link}");
    }
}

#[test]
fn a_template_that_runs_wild_is_stopped_and_tells_no_values() {
    let render = |source: &'static str| {
        let mut renderer = Renderer::new();
        renderer.environment.add_template("xx/wild.txt", source).unwrap();
        renderer.render("xx", "wild.txt", &context! { name => "Secretname" }).unwrap_err().to_string()
    };
    let steps = render("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}");
    assert!(steps.contains("xx/wild.txt failed in line 1: engine ran out of fuel"), "{steps}");
    let size = render("{% for a in range(9000) %}................................{% endfor %}");
    assert!(size.contains("failed to write"), "{size}");
    let undefined = render("{{ nobody }}");
    assert!(undefined.contains("undefined"), "{undefined}");
    assert!(![steps, size, undefined].iter().any(|text| text.contains("Secretname")));
}

#[test]
fn a_rendering_has_a_greatest_size() {
    use std::io::Write;
    let mut output = Bounded::default();
    assert!(output.write_all(&vec![b'x'; OUTPUT_BYTES_MAX]).is_ok());
    assert!(output.write_all(b"x").is_err());
}

/// Everything of one message for one customer's name, checked for what must hold for any name.
fn assert_harmless(name: &str) {
    let renderer = Renderer::new();
    for language in ["en", "fr"] {
        let named = RenderFacts { customer_name: Some(name), ..facts(language) };
        let plain = RenderFacts { customer_name: Some("Jane"), ..facts(language) };
        let email = renderer.render_email(&named).unwrap();
        let usual = renderer.render_email(&plain).unwrap();
        assert_eq!(email.subject, usual.subject);
        let tags = |html: &str| html.matches('<').count();
        assert_eq!(tags(&email.html), tags(&usual.html), "{name:?}");
        assert_eq!(email.text.lines().count(), usual.text.lines().count(), "{name:?}");
        let sms = renderer.render_sms(&named).unwrap();
        assert!(sms.segments <= SEGMENTS_MAX && sms.encoding == Encoding::Gsm7);
        for text in [&email.subject, &email.text, &email.html, &sms.text] {
            let bad = |character| character != '\n' && (is_control(character) || is_invisible(character));
            assert!(!text.contains(bad), "{name:?}");
            assert!(!text.contains("49") || name.contains("49"), "a name is never a template: {name:?}");
        }
        assert!(!email.subject.contains('\n') && !sms.text.contains('\n'));
    }
}

#[test]
fn hostile_names_are_rendered_inert() {
    let tower = format!("Z{}", "\u{336}\u{489}".repeat(100));
    let endless = "x".repeat(1_000_000);
    for name in [
        "{{7*7}}",
        "{% for x in range(9) %}",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=y>",
        "Bob\r\nBcc: all@example.com",
        "\u{0}",
        "\u{202e}txet\u{2066}",
        "=cmd()",
        "'; DROP TABLE request; --",
        "👩‍👩‍👧‍👦",
        "http://evil.example",
        "",
        &tower,
        &endless,
    ] {
        assert_harmless(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_is_rendered_inert(name in any::<String>()) {
        assert_harmless(&name);
    }

    #[test]
    fn a_name_is_in_the_text_message_just_where_it_makes_it_no_dearer(
        name in "[a-zA-Z é’ŁŻ€😀]{0,120}",
        brand_name in "[a-zA-Z éŻ€]{1,100}",
    ) {
        let renderer = Renderer::new();
        let facts = RenderFacts { customer_name: Some(&name), brand_name: &brand_name, ..facts("fr") };
        let nameless = renderer.compose_sms(&facts, None).unwrap();
        let named = display_name(&name).map(|name| plain_punctuation(&name));
        let named = named.map(|name| renderer.compose_sms(&facts, Some(&name)).unwrap());
        let no_dearer = |sms: &RenderedSms| sms.encoding == nameless.encoding && sms.segments <= SEGMENTS_MAX;
        let too_long = RenderError::TooLong { segments: nameless.segments };
        let expected = match named.filter(no_dearer) {
            Some(named) => Ok(named),
            None if nameless.segments <= SEGMENTS_MAX => Ok(nameless),
            None => Err(too_long),
        };
        prop_assert_eq!(renderer.render_sms(&facts), expected);
    }

    #[test]
    fn any_brand_gives_a_subject_of_one_line(brand in any::<String>()) {
        let email = Renderer::new().render_email(&RenderFacts { brand_name: &brand, ..facts("en") }).unwrap();
        prop_assert!(!email.subject.contains(|character| is_control(character) || is_invisible(character)));
        prop_assert!(email.subject.chars().count() <= SUBJECT_CHARS_MAX);
    }
}
