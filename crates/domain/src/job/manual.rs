//! The fields of a request by hand: the person, the role and the override of the suppression period.
//!
//! PURE. Such a job comes over HTTP or from the command line, where the caller vouches for the name; over AMQP
//! these fields are refused by name, never ignored. `rules::requester` decides whether the person may ask.

use crate::{
    document::{
        fields::{Fields, LABEL_CHARS_MAX, Problems, read_with},
        text::one_line,
    },
    job::{Manual, RequesterRole},
};

const REQUESTED_BY_CHARS_MAX: usize = 200;
const REASON_CHARS_MAX: usize = 500;
const MANUAL_FIELDS: [&str; 3] = ["requested_by", "requested_by_role", "override"];
/// Every field of an override.
pub const OVERRIDE_FIELDS: &[&str] = &["reason"];

/// The source of a body; it decides on manual fields and on strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodySource {
    /// A broker or a connector: the manual fields are refused.
    System,
    /// The command line: the manual fields are allowed.
    Operator,
    /// HTTP: the manual fields are allowed, NUL and carriage return are refused, because the caller gets the
    /// problems at once.
    HttpCall,
}

pub(super) fn read_manual(fields: &Fields, source: BodySource, problems: &mut Problems) -> Option<Manual> {
    let given: Vec<&str> = MANUAL_FIELDS.into_iter().filter(|name| fields.get(name).is_some()).collect();
    if given.is_empty() {
        return None;
    }
    if source == BodySource::System {
        for name in given {
            let remedy = "a person's request comes over HTTP (POST /v1/requests), not over AMQP";
            problems.add(name, "manual_only", remedy);
        }
        return None;
    }
    if fields.get("requested_by").is_none() {
        problems.add("requested_by", "missing", "name the person who asks, by name or email address");
    }
    let requested_by = fields.text("requested_by", REQUESTED_BY_CHARS_MAX, problems);
    let role = read_with(fields, "requested_by_role", LABEL_CHARS_MAX, problems, |text| {
        let known = RequesterRole::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or(("bad_choice", "the role must be team_member, team_leader or company_admin"))
    });
    let override_reason = fields.get("override").and_then(|node| {
        let fields = Fields::open("override", node, OVERRIDE_FIELDS, problems)?;
        fields.required_text("reason", REASON_CHARS_MAX, problems)
    });
    Some(Manual { requested_by: one_line(&requested_by?), role, override_reason })
}

#[cfg(test)]
mod tests {
    use crate::job::{
        RequesterRole,
        parse::{parse, parse_manual},
    };

    fn body_with(more: &str) -> Vec<u8> {
        let job =
            r#"{"customer": {"email": "a@example.com"}, "employee": {"custom_id": "7"}, "channel": "chat""#;
        format!("{job}, {more}}}").into_bytes()
    }

    fn problems(more: &str) -> Vec<(String, String)> {
        let problems = parse_manual(&body_with(more)).expect_err("it is refused");
        problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
    }

    #[test]
    fn a_persons_job_names_the_person_the_role_and_the_reason() {
        let body = body_with(
            r#""requested_by": "ann@example.com", "requested_by_role": "company_admin",
            "override": {"reason": "she called again and asked for the survey"}"#,
        );
        let manual = parse_manual(&body).expect("it is fine").manual.expect("a person asks");
        assert_eq!(manual.requested_by, "ann@example.com");
        assert_eq!(manual.role, Some(RequesterRole::CompanyAdmin));
        assert_eq!(manual.override_reason.as_deref(), Some("she called again and asked for the survey"));
        assert_eq!(parse_manual(&body_with(r#""requested_by": null"#)).expect("it is fine").manual, None);
    }

    #[test]
    fn over_amqp_a_persons_fields_are_refused_by_name_and_never_ignored() {
        let body = body_with(r#""requested_by": "Ann", "override": {"reason": "x"}"#);
        let codes: Vec<_> =
            parse(&body).expect_err("it is refused").into_iter().map(|p| (p.path, p.code)).collect();
        let wanted = ["requested_by", "override"].map(|path| (path.to_owned(), "manual_only".to_owned()));
        assert_eq!(codes, wanted);
    }

    #[test]
    fn nobody_overrides_without_a_name_and_a_written_reason() {
        let pair = |path: &str, code: &str| (path.to_owned(), code.to_owned());
        assert_eq!(problems(r#""override": {"reason": "x"}"#), [pair("requested_by", "missing")]);
        assert_eq!(problems(r#""requested_by_role": "team_leader""#), [pair("requested_by", "missing")]);
        assert_eq!(
            problems(r#""requested_by": "Ann", "override": {}"#),
            [pair("override.reason", "missing")]
        );
        assert_eq!(
            problems(r#""requested_by": "Ann", "override": {"reason": " "}"#),
            [pair("override.reason", "empty")]
        );
        assert_eq!(problems(r#""requested_by": "Ann", "override": true"#), [pair("override", "wrong_type")]);
        assert_eq!(
            problems(r#""requested_by": "Ann", "requested_by_role": "boss""#),
            [pair("requested_by_role", "bad_choice")]
        );
        assert_eq!(
            problems(&format!(r#""requested_by": "{}""#, "a".repeat(201))),
            [pair("requested_by", "too_long")]
        );
    }

    #[test]
    fn who_asks_and_why_is_part_of_the_content() {
        let content = |more: &str| parse_manual(&body_with(more)).expect("it is fine").content_bytes();
        let ann = content(r#""requested_by": "Ann""#);
        assert_ne!(ann, content(r#""requested_by": "Bob""#));
        assert_ne!(ann, content(r#""requested_by": "Ann", "override": {"reason": "x"}"#));
        assert_ne!(ann, content(r#""tags": []"#));
    }
}
