//! The jobs of a run, all made of the seed: customer, purpose, number of publications of each.
//!
//! No I/O. A customer is one number; its addresses, company and peculiarity follow from it, so that each
//! message at a provider leads back to its job.

use serde_json::{Value, json};

use crate::{arguments::Emphasis, dice::Dice};

/// A company with one account, and so one provider and one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Mail,
    Text,
    Relay,
}

impl Lane {
    pub const ALL: [Lane; 3] = [Lane::Mail, Lane::Text, Lane::Relay];

    /// The company's slug.
    pub fn slug(self) -> &'static str {
        match self {
            Lane::Mail => "mail",
            Lane::Text => "text",
            Lane::Relay => "relay",
        }
    }

    pub fn account(self) -> &'static str {
        match self {
            Lane::Mail => "mail-mailgun",
            Lane::Text => "text-twilio",
            Lane::Relay => "relay-smtp",
        }
    }

    pub fn routing(self) -> String {
        format!("requests.{}", self.slug())
    }
}

/// The defect of a job that must be rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    NotJson,
    UnknownField,
    NoAddress,
    UnknownChannel,
    UnknownEmployee,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    DoNotSend,
    Invalid(Flaw),
    /// Waits long enough to lose its person to the job after it.
    Overtaken,
    /// Published by hand once the one before it has waited past its window.
    Overtaker,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Job {
    pub index: u32,
    pub lane: Lane,
    pub person: u32,
    pub kind: Kind,
    pub delay_secs: u32,
    /// How often it is published, each time by another connection.
    pub copies: u32,
}

/// The words by which a recipient chooses what its provider does.
const MAGIC: [&str; 9] =
    ["flaky", "busy", "invalid", "bounce", "early", "twice", "silent", "latebounce", "unsubscribe"];
const FLAWS: [Flaw; 5] =
    [Flaw::NotJson, Flaw::UnknownField, Flaw::NoAddress, Flaw::UnknownChannel, Flaw::UnknownEmployee];

/// All jobs of a run, in the order of publishing.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub jobs: Vec<Job>,
    /// By person.
    magic: Vec<Option<&'static str>>,
}

/// How many of a thousand draws are what.
struct Shares {
    group: usize,
    delayed: usize,
    overtaken: usize,
}

impl Plan {
    pub fn new(seed: u64, count: u32, publishers: usize, emphasis: Option<Emphasis>) -> Plan {
        let shares = match emphasis {
            None => Shares { group: 40, delayed: 140, overtaken: 10 },
            Some(Emphasis::Fence) => Shares { group: 20, delayed: 600, overtaken: 10 },
            Some(Emphasis::Epoch) => Shares { group: 5, delayed: 50, overtaken: 0 },
            Some(Emphasis::Reservation) => Shares { group: 300, delayed: 100, overtaken: 100 },
        };
        let mut plan = Plan { seed, jobs: Vec::with_capacity(count as usize), magic: Vec::new() };
        let mut dice = Dice::new(seed, "plan");
        while plan.jobs.len() < count as usize {
            plan.draw(&mut dice, &shares, count as usize, publishers as u32);
        }
        plan
    }

    fn draw(&mut self, dice: &mut Dice, shares: &Shares, most: usize, publishers: u32) {
        let person = self.magic.len() as u32;
        self.magic.push(None);
        let lane = *dice.pick(&[Lane::Mail, Lane::Mail, Lane::Text, Lane::Text, Lane::Relay]);
        let copies = |dice: &mut Dice| dice.pick(&[1, 1, 1, 2, 2, 3]).min(&publishers).to_owned();
        let delayed = |dice: &mut Dice| match dice.below(1_000) < shares.delayed {
            true => dice.between(1, 6),
            false => 0,
        };
        let mut job = Job {
            index: 0,
            lane,
            person,
            kind: Kind::Plain,
            delay_secs: delayed(dice),
            copies: copies(dice),
        };
        let drawn = dice.below(1_000);
        if drawn < shares.group {
            let size = *dice.pick(&[2, 2, 3, 4, 8, 16, 64]);
            for _ in 0..size.min(most - self.jobs.len()) {
                job.copies = copies(dice);
                self.push(job.clone());
            }
            return;
        }
        match drawn - shares.group {
            0..30 => job.kind = Kind::DoNotSend,
            30..60 => job.kind = Kind::Invalid(*dice.pick(&FLAWS)),
            60..110 => self.magic[person as usize] = Some(*dice.pick(&MAGIC)),
            other if other < 110 + shares.overtaken => {
                job.kind = Kind::Overtaken;
                job.delay_secs = dice.between(4, 6);
                self.push(job.clone());
                job.kind = Kind::Overtaker;
                (job.delay_secs, job.copies) = (0, 1);
            }
            _ => {}
        }
        self.push(job);
    }

    fn push(&mut self, job: Job) {
        let index = self.jobs.len() as u32;
        self.jobs.push(Job { index, ..job });
    }

    /// The message id that a job is published with; for valid jobs also its interaction's id.
    pub fn key(&self, index: u32) -> String {
        format!("job-{}-{index}", self.seed)
    }

    /// The job of a key.
    pub fn index(&self, key: &str) -> Option<u32> {
        let index = key.strip_prefix("job-")?.strip_prefix(&self.seed.to_string())?.strip_prefix('-')?;
        index.parse().ok().filter(|index| (*index as usize) < self.jobs.len())
    }

    /// Where a person is written to in its company's medium.
    pub fn address(&self, lane: Lane, person: u32) -> String {
        match lane {
            Lane::Text => format!("+1415{person:07}"),
            Lane::Mail | Lane::Relay => {
                let word = self.magic[person as usize].unwrap_or("customer");
                format!("{word}+{person}@people.example")
            }
        }
    }

    pub fn magic(&self, person: u32) -> Option<&'static str> {
        self.magic[person as usize]
    }

    /// The phone numbers that choose for themselves what happens: addresses that cannot say it.
    pub fn magic_phones(&self) -> impl Iterator<Item = (String, &'static str)> {
        let texts = self.jobs.iter().filter(|job| job.lane == Lane::Text);
        texts.filter_map(|job| Some((self.address(job.lane, job.person), self.magic(job.person)?)))
    }

    pub fn body(&self, job: &Job) -> Vec<u8> {
        let address = self.address(job.lane, job.person);
        let field = if job.lane == Lane::Text { "phone" } else { "email" };
        let mut body = json!({
            "customer": { "name": format!("Person {}", job.person), field: address },
            "employee": { "email": "paulagent@blancapeak.com" },
            "channel": "phone",
            "ext_interaction_id": self.key(job.index),
        });
        // Some name the person in two ways, so that reservations overlap and are not the same.
        if job.index.is_multiple_of(2) {
            body["customer"]["custom_id"] = json!(format!("person-{}", job.person));
        }
        if job.delay_secs > 0 {
            body["delay_secs"] = json!(job.delay_secs);
        }
        match job.kind {
            Kind::Plain | Kind::Overtaken | Kind::Overtaker => {}
            Kind::DoNotSend => body["do_not_send"] = json!(true),
            Kind::Invalid(flaw) => return spoiled(body, flaw),
        }
        body.to_string().into_bytes()
    }
}

fn spoiled(mut body: Value, flaw: Flaw) -> Vec<u8> {
    match flaw {
        Flaw::NotJson => return b"{ this is no job".to_vec(),
        Flaw::UnknownField => body["costumer"] = json!("a word misspelt"),
        Flaw::NoAddress => body["customer"] = json!({ "name": "Nobody" }),
        Flaw::UnknownChannel => body["channel"] = json!("smoke signals"),
        Flaw::UnknownEmployee => body["employee"] = json!({ "email": "nobody@blancapeak.com" }),
    }
    body.to_string().into_bytes()
}
