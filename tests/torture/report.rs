//! The report: what was done, what came of it, and the verdict; for people as a table, for programs as JSON.
//!
//! Says what a zero is worth: no duplicate in N kills bounds the rate at about 3/N (95 %), and no better.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use serde_json::{Value, json};

use crate::{
    audit::{Class, Finding},
    facts::Facts,
    faults::Tally,
    fleet::Deaths,
    publish::Entries,
    summary::{ByProvider, GIVEN_UP, Summary, Table},
    trial::Trial,
    world::World,
};

const EXAMPLES: usize = 5;
const PROVIDERS: [&str; 3] = ["mailgun", "twilio", "smtp"];
/// Kills between an attempt's begin and its outcome's commit: where a duplicate would come from.
const CALL_UNDER_WAY: [&str; 5] = [
    "crash_after_begin",
    "crash_during_call",
    "crash_after_answer",
    "crash_before_settle",
    "crash_after_settle",
];

/// Everything that a report is made of.
pub struct Report<'a> {
    pub world: &'a World,
    pub facts: &'a Facts,
    pub findings: &'a [Finding],
    /// Empty where something was found: then there is nothing to try the audit on.
    pub trials: &'a [Trial],
    pub ledgers: &'a [Entries],
    pub deaths: &'a Deaths,
    pub tally: &'a Tally,
    /// Faults that came less often than they should have.
    pub missing: Vec<String>,
    pub replayed: usize,
    pub faults_took: Duration,
    pub took: Duration,
}

impl Report<'_> {
    /// Nothing is wrong, every fault came, and the audit has shown that it would have said so.
    pub fn adds_up(&self) -> bool {
        self.findings.is_empty()
            && (self.missing.is_empty() || !self.world.arguments.is_demanding())
            && !self.trials.is_empty()
            && self.trials.iter().all(|trial| trial.found)
    }

    fn count(&self, class: Class) -> usize {
        self.findings.iter().filter(|one| one.class == class).map(|one| one.who.len()).sum()
    }

    pub fn print(&self) {
        let summary = Summary::of(self.facts);
        self.print_load(&summary);
        self.print_faults();
        table("requests by end", &summary.ends);
        table("attempts with an unknown outcome, by code", &summary.unknown_codes);
        table("messages that were unknown, by how it ended", &summary.unknown_ends);
        print_given_up(&summary);
        println!("\nmessages that providers have");
        println!("{}", row("accepted", &summary.accepted));
        println!("\npeople's acts: {}", words(&summary.acts));
        self.print_verdict(&summary);
    }

    fn print_load(&self, summary: &Summary) {
        let keys = &summary.keys;
        let copies: u64 = self.ledgers.iter().map(|one| one.copies).sum();
        println!("\nload");
        println!(
            "  {} jobs in {copies} copies over {} connections in {:.0} s of faults ({:.0} jobs/s), {:.0} s in all",
            keys.published,
            self.ledgers.len(),
            self.faults_took.as_secs_f64(),
            keys.published as f64 / self.faults_took.as_secs_f64(),
            self.took.as_secs_f64(),
        );
        for (number, one) in self.ledgers.iter().enumerate() {
            println!(
                "  connection {number}: {} copies, {} confirmed, {} repeated without a confirm, {} left so",
                one.copies, one.confirmed, one.repeated, one.unknown
            );
        }
        println!(
            "  confirmed {} + unconfirmed and there {} = requests {} + rejected {} + in queues {}",
            keys.confirmed, keys.unconfirmed_arrived, keys.requests, keys.rejected, keys.left_in_queues
        );
        println!(
            "  of the rejected, quarantined {}; quarantined copies of jobs that are requests {}",
            keys.quarantined, keys.quarantined_copies
        );
        println!(
            "  unconfirmed and not there {}; parked and replayed {}",
            keys.unconfirmed - keys.unconfirmed_arrived,
            self.replayed
        );
    }

    fn print_faults(&self) {
        println!("\nworkers killed: {}", self.deaths.kills_count());
        for (kind, count) in &self.deaths.kills {
            println!("  {kind:<34}{count:>8}");
        }
        println!(
            "  ended in order {}, not in order {}, starts that failed {}",
            self.deaths.clean_ends, self.deaths.unclean_ends, self.deaths.failed_starts
        );
        println!("\nother faults");
        for (fault, count) in self.tally.counts() {
            println!("  {fault:<34}{count:>8}");
        }
        println!("  {:<34}{:>8}", "of these, answers lost", self.world.answers.lost());
    }

    fn print_verdict(&self, summary: &Summary) {
        println!("\nverdict");
        for class in [Class::Lost, Class::Duplicated, Class::Stuck, Class::Wrong] {
            println!("  {:<12}{:>8}", class_label(class), self.count(class));
        }
        let kills = self.deaths.kills_count();
        let aimed: u64 = CALL_UNDER_WAY.iter().filter_map(|kind| self.deaths.kills.get(*kind)).sum();
        let sent: u64 = summary.accepted.values().sum();
        if self.count(Class::Duplicated) == 0 && self.count(Class::Lost) == 0 {
            println!(
                "  no loss and no duplicate in {kills} kills, {aimed} of them between begin and settle: either is rarer"
            );
            println!(
                "  than about {} a kill, {} a kill at those points, {} a message sent (3/N, 95 %)",
                bound(kills),
                bound(aimed),
                bound(sent)
            );
        }
        for finding in self.findings {
            let examples: Vec<&str> = finding.who.iter().take(EXAMPLES).map(String::as_str).collect();
            println!(
                "  {}: {} ({}): {}",
                class_label(finding.class),
                finding.rule,
                finding.who.len(),
                examples.join(", ")
            );
        }
        if !self.missing.is_empty() {
            println!("  these faults came less often than they should have: {}", self.missing.join(", "));
        }
        for trial in self.trials {
            let found = if trial.found { "found" } else { "NOT FOUND: this audit proves nothing" };
            println!("  the audit was told a lie ({}): {found}", trial.lie);
        }
        println!("\n{}", if self.adds_up() { "everything adds up" } else { "IT DOES NOT ADD UP" });
    }

    pub fn json(&self) -> Value {
        let finding =
            |one: &Finding| json!({ "class": class_label(one.class), "rule": one.rule, "who": one.who });
        let arguments = &self.world.arguments;
        json!({
            "adds_up": self.adds_up(),
            "seed": self.world.plan.seed,
            "again": arguments.again(self.world.plan.seed),
            "seconds": { "faults": self.faults_took.as_secs_f64(), "all": self.took.as_secs_f64() },
            "lost": self.count(Class::Lost),
            "duplicated": self.count(Class::Duplicated),
            "stuck": self.count(Class::Stuck),
            "wrong": self.count(Class::Wrong),
            "kills": self.deaths.kills,
            "faults": self.tally.counts(),
            "fault_log": self.tally.all(),
            "answers_lost": self.world.answers.lost(),
            "missing": self.missing,
            "replayed": self.replayed,
            "summary": Summary::of(self.facts),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "trials": self.trials,
        })
    }
}

pub fn class_label(class: Class) -> &'static str {
    match class {
        Class::Lost => "lost",
        Class::Duplicated => "duplicated",
        Class::Stuck => "stuck",
        Class::Wrong => "wrong",
    }
}

fn bound(trials: u64) -> String {
    if trials == 0 { "anything".to_owned() } else { format!("{:.1e}", 3.0 / trials as f64) }
}

fn words(counts: &BTreeMap<&'static str, u64>) -> String {
    let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn table(title: &str, table: &Table) {
    println!("\n{title:<44}{:>10}{:>10}{:>10}{:>10}", PROVIDERS[0], PROVIDERS[1], PROVIDERS[2], "all");
    for (name, counts) in &table.0 {
        println!("{}", row(name, counts));
    }
    if table.0.is_empty() {
        println!("  none");
    }
}

fn print_given_up(summary: &Summary) {
    table("ended as outcome_unknown, by cause", &summary.given_up);
    let given_up = summary.ends.0.get(GIVEN_UP).cloned().unwrap_or_default();
    let share = |part: u64, of: u64| format!("{:.2} %", 100.0 * part as f64 / of.max(1) as f64);
    let of = |counts: &ByProvider, provider: &str| counts.get(provider).copied().unwrap_or(0);
    let [mail, text, relay] =
        PROVIDERS.map(|provider| share(of(&given_up, provider), of(&summary.begun, provider)));
    let all = share(given_up.values().sum(), summary.begun.values().sum());
    println!("{}", line("share of all that were begun", [mail, text, relay, all]));
    let lost = &summary.lost;
    println!(
        "  {} attempts were lost with {} workers, {} with one at most",
        lost.attempts, lost.workers, lost.most
    );
}

fn row(name: &str, counts: &ByProvider) -> String {
    let of = |provider: &str| counts.get(provider).copied().unwrap_or(0);
    let all: u64 = counts.values().sum();
    let [mail, text, relay] = PROVIDERS.map(of);
    line(name, [mail, text, relay, all])
}

fn line(name: &str, [mail, text, relay, all]: [impl Display; 4]) -> String {
    format!("  {name:<42}{mail:>10}{text:>10}{relay:>10}{all:>10}")
}
