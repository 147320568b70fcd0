//! An interaction merged from its notifications, in any order and with repeats.
//!
//! PURE. The facts are a set that only grows: merging two sets is commutative and idempotent, so the order of
//! notifications has no effect. An interaction is complete when it is closed and each agent with an acceptance has
//! wrapped it up since: in a transfer the first agent's wrap-up is not the end. A rejected or expired offer adds no
//! fact; an interaction without an acceptance is never complete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use postrider_domain::{
    address::{normalise_email, normalise_phone},
    company::{Connector, EightByEightSettings},
    job::parse::TAG_CHARS_MAX,
};

/// Bound of a job's `external_url`.
const LINK_CHARS_MAX: usize = 2_000;

/// All facts about one interaction, as stored (JSON).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interaction {
    /// Time of each agent's last acceptance, in seconds since 1970.
    pub accepted: BTreeMap<String, i64>,
    /// Time of each agent's last end of post-processing, in seconds since 1970.
    pub wrapped_up: BTreeMap<String, i64>,
    pub closed: bool,
    /// The Gateway's channel, such as `Facebook`.
    pub channel: Latest<String>,
    /// The stream's word for the channel.
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

/// The latest value of a fact, by the time of its notification; of equal times the greater value.
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
    pub fn new(at: i64, value: Option<T>) -> Latest<T> {
        Latest(value.map(|value| (at, value)))
    }

    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    fn merge(&mut self, other: Latest<T>) {
        if other.0 > self.0 {
            *self = other;
        }
    }
}

/// Whether an interaction can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractionState {
    /// Facts are missing, or its channel is none of `social_channels`.
    Open,
    Complete,
}

/// Facts about the customer of an interaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFacts {
    /// `channel:id`, because two channels may use one id for two people.
    pub social_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
}

impl Interaction {
    /// Merges the facts of another notification.
    pub fn merge(&mut self, other: Interaction) {
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
        merge_times(&mut self.accepted, accepted);
        merge_times(&mut self.wrapped_up, wrapped_up);
        self.closed |= closed;
        self.channel.merge(channel);
        self.medium.merge(medium);
        self.social_id.merge(social_id);
        self.name.merge(name);
        self.email.merge(email);
        self.phone.merge(phone);
        self.language.merge(language);
        self.case.merge(case);
        self.codes.merge(codes);
    }

    /// Whether the customer can be asked about it.
    #[must_use]
    pub fn state(&self, settings: &EightByEightSettings) -> InteractionState {
        let is_social = [&self.channel, &self.medium].into_iter().filter_map(Latest::get).any(|channel| {
            settings.social_channels.iter().any(|social| social.eq_ignore_ascii_case(channel))
        });
        if is_social && self.is_over() { InteractionState::Complete } else { InteractionState::Open }
    }

    /// Whether it is closed and wrapped up by every agent, on any channel.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let wrapped_up = |(agent, accepted): (&String, &i64)| {
            self.wrapped_up.get(agent).is_some_and(|wrapped_up| wrapped_up >= accepted)
        };
        // A wrap-up without an acceptance: the notification of a later acceptance has not arrived yet.
        let all_accepted = self.wrapped_up.keys().all(|agent| self.accepted.contains_key(agent));
        let handled = !self.accepted.is_empty() && all_accepted && self.accepted.iter().all(wrapped_up);
        self.closed && handled
    }

    /// The agent with the last acceptance: the customer is asked about this one.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        let last = self.accepted.iter().max_by_key(|(agent, at)| (**at, *agent));
        last.map(|(agent, _)| agent.as_str())
    }

    /// The facts about the customer. An invalid address, or a number without a country, is left out: the known
    /// customer may have another.
    #[must_use]
    pub fn customer(&self) -> CustomerFacts {
        let channel = self.channel.get().or(self.medium.get()).map(|channel| channel.to_lowercase());
        let social_id = self.social_id.get().zip(channel).map(|(id, channel)| format!("{channel}:{id}"));
        CustomerFacts {
            social_id,
            name: self.name.get().cloned(),
            email: self.email.get().and_then(|email| normalise_email(email).ok()),
            phone: self.phone.get().and_then(|phone| normalise_phone(phone, None).ok()),
        }
    }

    /// The job of a complete interaction, as JSON. Tags and links beyond a job's limits are left out: they would make
    /// the job invalid.
    #[must_use]
    pub fn job(
        &self,
        id: &str,
        customer: &CustomerFacts,
        connector: &Connector,
        settings: &EightByEightSettings,
    ) -> Vec<u8> {
        let job = Job {
            customer: Customer {
                name: customer.name.as_deref(),
                email: customer.email.as_deref(),
                phone: customer.phone.as_deref(),
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
            brand: connector.brand.as_deref(),
        };
        serde_json::to_vec(&job).expect("a job is plain data")
    }

    /// The tags of the codes, without repeats: several codes may map to one tag.
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

fn merge_times(into: &mut BTreeMap<String, i64>, from: BTreeMap<String, i64>) {
    for (agent, at) in from {
        let known = into.entry(agent).or_insert(at);
        *known = at.max(*known);
    }
}

/// The URL of a case: the company's URL with its id, or the id itself if that is a URL already.
fn case_link(case: &str, settings: &EightByEightSettings) -> Option<String> {
    if case.starts_with("https://") || case.starts_with("http://") {
        return Some(case.to_owned());
    }
    let id = form_urlencoded::byte_serialize(case.as_bytes()).collect::<String>().replace('+', "%20");
    settings.case_url.as_ref().map(|url| url.replace("{case}", &id))
}

/// Whether it is a language tag: any other word would make the job invalid.
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
