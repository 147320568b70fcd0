//! The filter of requests, the same in a query string and in a body, parsed into the filter of the ledger.
//!
//! Words separated by commas match any of them. An unknown word is refused by its field.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Unexpected, Visitor},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{Problem, problem::FieldProblem},
    requests::views::{
        page,
        summary::{SOURCES, states_of},
    },
};
use postrider_domain::{
    ids::{CompanyId, Medium},
    lifecycle::{Reason, Status},
};
use postrider_ledger::list::ListFilter;

const WORDS_MAX: usize = 20;
const TEXT_CHARS_MAX: usize = 255;

/// The filter of requests; an absent field matches all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct RequestFilter {
    /// `queued`, `sent`, `delivered`, `failed`, `suppressed` or `canceled`; several separated by commas.
    pub status: Option<String>,
    /// Reason words, separated by commas.
    pub reason: Option<String>,
    /// `email` or `sms`.
    pub medium: Option<String>,
    /// Channels of the interaction, separated by commas.
    pub channel: Option<String>,
    /// Labels of brands, separated by commas.
    pub brand: Option<String>,
    /// A team member's email address or custom id.
    pub employee: Option<String>,
    /// One tag, exactly.
    pub tag: Option<String>,
    /// `amqp`, `http`, `operator` or `recipe` (a connector); several separated by commas.
    pub source: Option<String>,
    /// Accepted at this time or later: RFC 3339, or a date in UTC.
    pub from: Option<String>,
    /// Accepted before this time: RFC 3339, or a date in UTC.
    pub to: Option<String>,
    /// True: only test requests; false: none of them.
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    pub test: Option<Flag>,
    /// Exactly the email address, phone number or custom id of the customer, or the id of the interaction; together
    /// with `from` also the beginning of the customer's name.
    pub q: Option<String>,
}

/// `true` or `false`, as text of a query string or as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    True,
    False,
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Flag, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("true or false")
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Flag, E> {
                Ok(if value { Flag::True } else { Flag::False })
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Flag, E> {
                match text {
                    "true" => Ok(Flag::True),
                    "false" => Ok(Flag::False),
                    _ => Err(E::invalid_value(Unexpected::Other("another word"), &self)),
                }
            }
        }
        reader.deserialize_any(FlagVisitor)
    }
}

impl RequestFilter {
    /// The filter of the ledger for one company.
    ///
    /// # Errors
    /// 422 with every mistake by field.
    pub fn to_ledger(&self, company: CompanyId) -> Result<ListFilter, Problem> {
        let mut problems = Vec::new();
        let mut reader = Reader { problems: &mut problems };
        let statuses = reader.words("status", &self.status, Status::parse);
        let from = reader.time("from", &self.from);
        let filter = ListFilter {
            company: Some(company),
            states: states_of(&statuses),
            reasons: reader.words("reason", &self.reason, |word| {
                Reason::parse(word).map(|reason| reason.as_str().to_owned())
            }),
            mediums: reader.words("medium", &self.medium, |word| {
                Medium::ALL.into_iter().find(|medium| medium.as_str() == word)
            }),
            channels: reader.labels("channel", &self.channel),
            brands: reader.labels("brand", &self.brand),
            employee: reader.text("employee", &self.employee),
            tag: reader.text("tag", &self.tag),
            sources: reader.words("source", &self.source, |word| {
                SOURCES.iter().find(|(known, _)| *known == word).map(|(_, code)| *code)
            }),
            from,
            to: reader.time("to", &self.to),
            test: self.test.map(|test| test == Flag::True),
            search: reader.text("q", &self.q).map(|text| page::search(&text, from.is_some())),
            ..ListFilter::default()
        };
        match problems.is_empty() {
            true => Ok(filter),
            false => Err(Problem::unprocessable(problems)),
        }
    }
}

struct Reader<'a> {
    problems: &'a mut Vec<FieldProblem>,
}

impl Reader<'_> {
    fn words<T>(&mut self, field: &str, given: &Option<String>, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(text) = self.text(field, given) else { return Vec::new() };
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        if words.len() > WORDS_MAX {
            self.refuse(field, "too_many", format!("give at most {WORDS_MAX} words"));
            return Vec::new();
        }
        let read: Vec<T> = words.iter().filter_map(|word| read(word)).collect();
        if read.len() != words.len() {
            self.refuse(
                field,
                "unknown_word",
                "one of these words is unknown; see /docs for the words of this field",
            );
        }
        read
    }

    /// Labels of the company, which may contain commas themselves.
    fn labels(&mut self, field: &str, given: &Option<String>) -> Vec<String> {
        let mut labels = self.words(field, given, |word| Some(word.to_owned()));
        labels.extend(given.as_deref().map(str::trim).filter(|text| text.contains(',')).map(str::to_owned));
        labels
    }

    fn text(&mut self, field: &str, given: &Option<String>) -> Option<String> {
        let text = given.as_ref()?;
        if text.trim().is_empty() || text.contains('\0') || text.chars().count() > TEXT_CHARS_MAX {
            let message =
                format!("give 1 to {TEXT_CHARS_MAX} characters, or leave the field out to match all");
            self.refuse(field, "bad_length", message);
            return None;
        }
        Some(text.clone())
    }

    fn time(&mut self, field: &str, given: &Option<String>) -> Option<DateTime<Utc>> {
        let text = given.as_ref()?;
        // A query string turns a plus sign into a space.
        let time = DateTime::parse_from_rfc3339(&text.trim().replace(' ', "+")).map(|at| at.to_utc()).ok();
        let day = || {
            let day: NaiveDate = text.trim().parse().ok()?;
            Some(day.and_hms_opt(0, 0, 0)?.and_utc())
        };
        // The range of years that the ledger stores.
        let storable = |at: &DateTime<Utc>| (0..=253_402_300_799).contains(&at.timestamp());
        let read = time.or_else(day).filter(storable);
        if read.is_none() {
            self.refuse(field, "bad_time", "write it as 2030-12-31 or as 2030-12-31T12:00:00Z");
        }
        read
    }

    fn refuse(&mut self, field: &str, code: &str, message: impl Into<String>) {
        self.problems.push(FieldProblem::new(field, code, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_domain::lifecycle::State;

    #[test]
    fn words_are_any_of_them_and_times_may_be_days() {
        let filter = RequestFilter {
            status: Some("failed, sent".into()),
            reason: Some("stop".into()),
            source: Some("http".into()),
            from: Some("2030-01-02".into()),
            to: Some("2030-01-03T01:00:00 01:00".into()),
            test: Some(Flag::False),
            q: Some("Jane".into()),
            ..RequestFilter::default()
        };
        let filter = filter.to_ledger(CompanyId(7)).expect("it is fine");
        assert_eq!(filter.states, [State::Sent, State::PresumedFailed, State::Failed]);
        assert_eq!((filter.sources, filter.test), (vec![1], Some(false)));
        assert_eq!((filter.to.expect("given") - filter.from.expect("given")).num_hours(), 24);
        assert_eq!(filter.search.expect("given").names, ["JANE", "Jane", "jane"]);
    }

    #[test]
    fn every_mistake_is_named_by_its_field() {
        let filter = RequestFilter {
            status: Some("lost".into()),
            reason: Some("because".into()),
            medium: Some("fax".into()),
            source: Some("".into()),
            from: Some("yesterday".into()),
            tag: Some("x".repeat(300)),
            ..RequestFilter::default()
        };
        let problem = filter.to_ledger(CompanyId(7)).expect_err("it is not");
        let fields: Vec<&str> = problem.problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["status", "from", "reason", "medium", "tag", "source"]);
    }

    #[test]
    fn a_label_with_a_comma_is_found_and_too_many_words_are_called_so() {
        let filter = RequestFilter { brand: Some("Blanca, Inc".into()), ..RequestFilter::default() };
        let brands = filter.to_ledger(CompanyId(7)).expect("it is fine").brands;
        assert_eq!(brands, ["Blanca", "Inc", "Blanca, Inc"]);
        let many = RequestFilter { brand: Some("x,".repeat(20)), ..RequestFilter::default() };
        let problem = many.to_ledger(CompanyId(7)).expect_err("it is not");
        assert_eq!(problem.problems[0].code, "too_many");
    }
}
