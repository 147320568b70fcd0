//! The text of a digest, without I/O: the number of rejected jobs, the most frequent problems, an example of each.
//!
//! It contains field paths, codes and ids only, because a job holds personal data. Field names that a producer made up
//! are part of the job: a path is cut before the first part that is no field of ours.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use postrider_domain::{
    company::Policy,
    content::PlainEmail,
    job::{
        manual::OVERRIDE_FIELDS,
        parse::{CUSTOMER_FIELDS, EMPLOYEE_FIELDS, JOB_FIELDS},
    },
};

/// Every field name of a job.
const KNOWN_FIELDS: [&[&str]; 4] = [JOB_FIELDS, CUSTOMER_FIELDS, EMPLOYEE_FIELDS, OVERRIDE_FIELDS];
/// Problems of a connector's notification: their paths are constants of our code and no fields of a job.
const NOTIFICATION_CODES: [&str; 2] = ["unreadable_notice", "not_found"];

/// The counts of the last hour before `now`.
#[derive(Debug, Clone, Copy)]
pub struct JobCounts {
    pub rejected: u64,
    pub accepted: u64,
    pub now: DateTime<Utc>,
}

/// One kind of problem with its count and the id of one rejected job.
#[derive(Debug, Clone)]
pub struct ProblemSummary {
    /// Empty for the job as a whole.
    pub path: String,
    pub code: String,
    pub message: String,
    pub times: u64,
    pub example: Uuid,
}

/// The letter with the counts and the most frequent problems.
pub fn digest(policy: &Policy, counts: JobCounts, problems: &[ProblemSummary]) -> PlainEmail {
    let JobCounts { rejected, accepted, now } = counts;
    let jobs = rejected + accepted;
    let subject = format!("{}: {rejected} of {jobs} jobs were rejected within an hour", policy.name);
    let mut text = format!(
        "In the hour before {}, {rejected} of {jobs} jobs of {} were rejected.\n\nProblems, most frequent first:\n",
        now.to_rfc3339_opts(SecondsFormat::Secs, true),
        policy.name,
    );
    for (place, problem) in merged(problems).iter().enumerate() {
        let ProblemSummary { path, code, message, times, example } = problem;
        let field = if path.is_empty() { "the job" } else { path };
        let _ = write!(
            text,
            "\n{}. {field}: {code} ({times} times)\n   {message}\n   for example rejected job {example}\n",
            place + 1
        );
    }
    let share = policy.alerts.rejected_share_percent;
    let slug = &policy.slug;
    let _ = write!(
        text,
        "\nRejected jobs are kept: `postrider rejected list --company {slug}` lists them, and they can be corrected and replayed.\n\
         This is sent at most once an hour, while more than {share} % of an hour's jobs are rejected.\n"
    );
    PlainEmail::new(&subject, &text)
}

/// The problems with their cut paths, the most frequent first; equal ones are merged.
fn merged(problems: &[ProblemSummary]) -> Vec<ProblemSummary> {
    let mut merged: Vec<ProblemSummary> = Vec::with_capacity(problems.len());
    for problem in problems {
        let path = known_path(&problem.path, &problem.code);
        let same = |one: &&mut ProblemSummary| {
            one.path == path && one.code == problem.code && one.message == problem.message
        };
        match merged.iter_mut().find(same) {
            Some(one) => one.times = one.times.saturating_add(problem.times),
            None => merged.push(ProblemSummary { path: path.to_owned(), ..problem.clone() }),
        }
    }
    merged.sort_by_key(|one| std::cmp::Reverse(one.times));
    merged
}

/// The path up to its last known field; for an unknown field and for free names of the producer, its parent.
fn known_path<'p>(path: &'p str, code: &str) -> &'p str {
    if NOTIFICATION_CODES.contains(&code) {
        return path;
    }
    let (mut end, mut above) = (0, 0);
    for part in path.split('.') {
        if !is_known_part(part) {
            return &path[..end];
        }
        above = end;
        end = if end == 0 { part.len() } else { end + 1 + part.len() };
        if part == "custom_properties" {
            break;
        }
    }
    if code == "unknown_field" { &path[..above] } else { &path[..end] }
}

/// Whether a part is a field of a job, or an item of such a list.
fn is_known_part(part: &str) -> bool {
    let (name, place) = part.split_once('[').unwrap_or((part, "0]"));
    let is_place = place
        .strip_suffix(']')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    is_place && KNOWN_FIELDS.iter().any(|names| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_domain::{
        company::file,
        job::parse::{parse, parse_call},
    };

    fn text(problems: &[(&str, &str, &str, u64)]) -> String {
        let policy = file::parse(include_str!("../../deploy/example-company.toml")).expect("is valid").policy;
        let counts = JobCounts { rejected: 9, accepted: 1, now: DateTime::UNIX_EPOCH };
        let problem = |(path, code, message, times): &(&str, &str, &str, u64)| ProblemSummary {
            path: (*path).to_owned(),
            code: (*code).to_owned(),
            message: (*message).to_owned(),
            times: *times,
            example: Uuid::nil(),
        };
        let problems: Vec<ProblemSummary> = problems.iter().map(problem).collect();
        digest(&policy, counts, &problems).text
    }

    #[test]
    fn what_a_producer_named_is_told_by_where_it_stands() {
        for (path, code, shown) in [
            ("janes_phone_+14155550000 jane.secret@x.example", "unknown_field", ""),
            ("jane.secret@x.example", "duplicate_field", ""),
            ("jane.secret@x.example", "control_character", ""),
            ("customer.jane.secret@x.example", "unknown_field", "customer"),
            ("customer.channel", "unknown_field", "customer"),
            ("channel.", "unknown_field", "channel"),
            ("email", "unknown_field", ""),
            ("custom_properties", "too_many", "custom_properties"),
            ("custom_properties.jane", "wrong_type", "custom_properties"),
            ("custom_properties.email", "too_long", "custom_properties"),
            ("custom_properties.a.b[0].c", "control_character", "custom_properties"),
            ("tags[jane]", "control_character", ""),
            ("tags[]", "control_character", ""),
            ("tags[3]", "too_long", "tags[3]"),
            ("customer.email", "bad_address", "customer.email"),
            ("override.reason", "missing", "override.reason"),
            ("", "not_json", ""),
            ("data.attributes.tags", "unreadable_notice", "data.attributes.tags"),
        ] {
            assert_eq!(known_path(path, code), shown, "{path}: {code}");
        }
    }

    #[test]
    fn no_name_of_a_refused_job_is_mailed_but_ours() {
        let job = r#"{"secret.a@x.example": "\r", "secret.a@x.example": 2, "secret b": {"secret c": "\r"},
            "customer": {"secret d": 1}, "employee": {"secret.e": "x\r"}, "override": {"secret": 1},
            "custom_properties": {"secret.f": 1, "secret\u0000": 1, "secret g": 1}, "tags": [7],
            "requested_by": "secret h"}"#;
        for found in [parse(job.as_bytes()), parse_call(job.as_bytes())] {
            let found = found.expect_err("it is refused");
            assert!(found.iter().any(|problem| problem.path.contains("secret")), "{found:?}");
            let problems: Vec<_> = found
                .iter()
                .map(|problem| (problem.path.as_str(), problem.code.as_str(), problem.message.as_str(), 1))
                .collect();
            let text = text(&problems);
            assert!(!text.contains("secret"), "{text}");
            assert!(text.contains("tags[0]: wrong_type (1 times)"), "{text}");
        }
    }

    #[test]
    fn what_no_longer_differs_is_one_mistake_and_counts_for_all() {
        let unknown = "the field is unknown";
        let text = text(&[
            ("customer.email", "bad_address", "give another", 5),
            ("jane", "unknown_field", unknown, 4),
            ("joe", "unknown_field", unknown, 3),
        ]);
        assert!(text.contains("\n1. the job: unknown_field (7 times)"), "{text}");
        assert!(text.contains("\n2. customer.email: bad_address (5 times)"), "{text}");
        assert!(!text.contains("\n3. "), "{text}");
    }
}
