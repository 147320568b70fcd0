//! An interaction put together from its notices, in whatever order and however often they come.
//!
//! PURE. What is known is a set of facts that only grows: joining two sets gives the same whichever comes
//! first, and joining one twice changes nothing. So nothing here depends on the order of notices. An
//! interaction is complete when it is closed and each agent who accepted it has wrapped it up since: in a
//! transfer the first agent's wrap-up is not the end. An offer that was rejected or ran out leaves no
//! trace here, and an interaction that nobody accepted is never complete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use postrider_domain::{
    address::{normalise_email, normalise_phone},
    company::{Connector, EightByEightSettings},
    job::parse::TAG_CHARS_MAX,
};

/// As long as a job's `external_url` may be.
const LINK_CHARS_MAX: usize = 2_000;

/// Everything known about one interaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interaction {
    /// When each agent last accepted it, and last ended its post-processing, in seconds since 1970.
    pub accepted: BTreeMap<String, i64>,
    pub wrapped_up: BTreeMap<String, i64>,
    pub closed: bool,
    /// The Gateway's channel, such as `Facebook`; and the stream's word for it.
    pub channel: Latest<String>,
    pub medium: Latest<String>,
    /// The customer's id at their channel.
    pub social_id: Latest<String>,
    pub name: Latest<String>,
    pub email: Latest<String>,
    pub phone: Latest<String>,
    pub language: Latest<String>,
    pub case: Latest<String>,
    /// Transaction codes, each `list|item`.
    pub codes: Latest<Vec<String>>,
}

/// What was said last, by the time of what said it; of one moment the greater.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latest<T>(Option<(i64, T)>);

impl<T> Default for Latest<T> {
    fn default() -> Latest<T> {
        Latest(None)
    }
}

impl<T: Ord> Latest<T> {
    #[must_use]
    pub fn of(at: i64, value: Option<T>) -> Latest<T> {
        Latest(value.map(|value| (at, value)))
    }

    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    fn join(&mut self, other: Latest<T>) {
        if other.0 > self.0 {
            *self = other;
        }
    }
}

/// How an interaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Something is still to come, or never will.
    Open,
    Complete,
}

/// The customer as far as an interaction tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// With its channel: two channels may use one id for two people.
    pub social_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
}

impl Interaction {
    /// Adds what another notice told.
    pub fn join(&mut self, other: Interaction) {
        let Interaction {
            accepted,
            wrapped_up,
            closed,
            channel,
            medium,
            social_id,
            name,
            email,
            phone,
            language,
            case,
            codes,
        } = other;
        join_times(&mut self.accepted, accepted);
        join_times(&mut self.wrapped_up, wrapped_up);
        self.closed |= closed;
        self.channel.join(channel);
        self.medium.join(medium);
        self.social_id.join(social_id);
        self.name.join(name);
        self.email.join(email);
        self.phone.join(phone);
        self.language.join(language);
        self.case.join(case);
        self.codes.join(codes);
    }

    /// Whether it may be asked about by now.
    #[must_use]
    pub fn standing(&self, settings: &EightByEightSettings) -> Standing {
        let social = [&self.channel, &self.medium].into_iter().filter_map(Latest::get).any(|channel| {
            settings.social_channels.iter().any(|social| social.eq_ignore_ascii_case(channel))
        });
        if social && self.is_over() { Standing::Complete } else { Standing::Open }
    }

    /// Whether it is closed and nobody is busy with it, wherever it came from.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let wrapped_up = |(agent, accepted): (&String, &i64)| {
            self.wrapped_up.get(agent).is_some_and(|wrapped_up| wrapped_up >= accepted)
        };
        // A wrap-up whose acceptance is still to come belongs to somebody later.
        let all_accepted = self.wrapped_up.keys().all(|agent| self.accepted.contains_key(agent));
        let handled = !self.accepted.is_empty() && all_accepted && self.accepted.iter().all(wrapped_up);
        self.closed && handled
    }

    /// Who accepted it last: whom the customer is asked about.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        let last = self.accepted.iter().max_by_key(|(agent, at)| (**at, *agent));
        last.map(|(agent, _)| agent.as_str())
    }

    /// What it tells about the customer. An address that is none, and a number that names no country, is left
    /// out: there may be another.
    #[must_use]
    pub fn person(&self) -> Person {
        let channel = self.channel.get().or(self.medium.get()).map(|channel| channel.to_lowercase());
        let social_id = self.social_id.get().zip(channel).map(|(id, channel)| format!("{channel}:{id}"));
        Person {
            social_id,
            name: self.name.get().cloned(),
            email: self.email.get().and_then(|email| normalise_email(email).ok()),
            phone: self.phone.get().and_then(|phone| normalise_phone(phone, None).ok()),
        }
    }

    /// The job of a complete interaction, for the customer as they are known by now. What is longer than a
    /// job's tag or link may be is left out: it would have the job refused.
    #[must_use]
    pub fn job(
        &self,
        id: &str,
        person: &Person,
        recipe: &Connector,
        settings: &EightByEightSettings,
    ) -> Vec<u8> {
        let job = Job {
            customer: Customer {
                name: person.name.as_deref(),
                email: person.email.as_deref(),
                phone: person.phone.as_deref(),
            },
            employee: Employee { custom_id: self.agent() },
            channel: &settings.channel,
            ext_interaction_id: id,
            external_url: self
                .case
                .get()
                .and_then(|case| case_link(case, settings))
                .filter(|link| link.chars().count() <= LINK_CHARS_MAX),
            tags: self.tags(settings),
            language: self.language.get().map(String::as_str).filter(|language| is_language(language)),
            brand: recipe.brand.as_deref(),
        };
        serde_json::to_vec(&job).expect("a job is plain data")
    }

    /// The codes' tags, each once: several codes may stand for one.
    fn tags<'t>(&'t self, settings: &'t EightByEightSettings) -> Vec<&'t str> {
        let mut tags: Vec<&str> = Vec::new();
        for code in self.codes.get().into_iter().flatten() {
            let tag = settings.transaction_codes.get(code).unwrap_or(code).as_str();
            if tag.chars().count() <= TAG_CHARS_MAX && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }
}

fn join_times(into: &mut BTreeMap<String, i64>, from: BTreeMap<String, i64>) {
    for (agent, at) in from {
        let known = into.entry(agent).or_insert(at);
        *known = at.max(*known);
    }
}

/// The page of a case: its id in the company's URL, or the id itself where that is a link already.
fn case_link(case: &str, settings: &EightByEightSettings) -> Option<String> {
    if case.starts_with("https://") || case.starts_with("http://") {
        return Some(case.to_owned());
    }
    let id = form_urlencoded::byte_serialize(case.as_bytes()).collect::<String>().replace('+', "%20");
    settings.case_url.as_ref().map(|url| url.replace("{case}", &id))
}

/// Whether it is worth handing on: a word that is no language would have the job refused.
fn is_language(text: &str) -> bool {
    oxilangtag::LanguageTag::parse(text.replace('_', "-")).is_ok() && text.len() <= 35
}

#[derive(Serialize)]
struct Job<'j> {
    customer: Customer<'j>,
    employee: Employee<'j>,
    channel: &'j str,
    ext_interaction_id: &'j str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<String>,
    tags: Vec<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'j str>,
}

#[derive(Serialize)]
struct Customer<'j> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'j str>,
}

#[derive(Serialize)]
struct Employee<'j> {
    custom_id: Option<&'j str>,
}

#[cfg(test)]
#[path = "interaction_tests.rs"]
mod tests;
