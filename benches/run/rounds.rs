//! Rounds: for each medium and goal, and for each rate of latency, every row in turn.
//!
//! Alternating within a round means that what the machine does meanwhile hits all rows alike. Before the first
//! round of a goal each row runs once through the relay that counts round trips: how many there are to a call is
//! the same without it, how large batches become is not.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::{
    arguments::Arguments,
    latency,
    report::{Goal, Latency, Load, Medium, Rate, plain},
    servers::Servers,
    sweep::Contestant,
    throughput::{self, Task},
};

/// Jobs of a slow row's run through the relay; it asks the same for each of them.
const RELAYED_REQUESTS: usize = 2_000;

/// Rates of one medium, and what did not work.
pub async fn rates(
    servers: &Servers,
    contestants: &[Contestant],
    medium: Medium,
    rounds: usize,
) -> anyhow::Result<(Vec<Rate>, Vec<String>)> {
    let (mut rates, mut troubles) = (Vec::new(), Vec::new());
    for goal in Goal::of(medium).iter().copied() {
        let mut per_call = BTreeMap::new();
        for round in 0..=rounds {
            for contestant in contestants.iter().filter(|contestant| round <= contestant.rounds) {
                let task = task(contestant, medium, goal, round);
                let row = contestant.row.name.clone();
                let name = format!("{:<6}{:<10} round {round}  {row:<16}", medium.as_str(), goal.as_str());
                let figures = throughput::measure(servers, &contestant.row, task, None).await;
                let Some(mut figures) = worked(contestant, &name, figures, &mut troubles)? else { continue };
                println!("{name} {figures}");
                if task.relayed {
                    per_call.insert(row, figures.round_trips.map(|asked| asked / figures.statements));
                    continue;
                }
                let per_call = per_call.get(&row).copied().flatten();
                figures.round_trips = per_call.map(|per_call| per_call * figures.statements);
                rates.push(Rate { round, medium, goal, row, requests: task.requests, figures });
            }
        }
    }
    Ok((rates, troubles))
}

/// Round 0 is the relay's.
fn task(contestant: &Contestant, medium: Medium, goal: Goal, round: usize) -> Task {
    let relayed = round == 0;
    let slow = relayed && contestant.row.external().is_some();
    let requests = if slow { contestant.requests.min(RELAYED_REQUESTS) } else { contestant.requests };
    Task { medium, goal, requests, relayed }
}

/// Latency at each rate, and what did not work.
pub async fn latencies(
    arguments: &Arguments,
    servers: &Servers,
    contestants: &[Contestant],
) -> anyhow::Result<(Vec<Latency>, Vec<String>)> {
    let (mut runs, mut troubles) = (Vec::new(), Vec::new());
    for load in arguments.loads() {
        for round in 1..=arguments.latency_rounds {
            for contestant in contestants {
                let Load { per_sec, secs } = load;
                let row = contestant.row.name.clone();
                let name = format!("latency at {per_sec}/s, {secs} s, round {round}  {row:<16}");
                let delays = latency::measure(servers, &contestant.row, load, None).await;
                let Some(delays) = worked(contestant, &name, delays, &mut troubles)? else { continue };
                println!("{name} {}", delays.shown());
                runs.push(Latency { round, load, row, delays });
            }
        }
    }
    Ok((runs, troubles))
}

/// `None` where a peer failed: what the others gave in all these minutes is worth keeping.
fn worked<T>(
    contestant: &Contestant,
    name: &str,
    outcome: anyhow::Result<T>,
    troubles: &mut Vec<String>,
) -> anyhow::Result<Option<T>> {
    match outcome.with_context(|| name.trim().to_owned()) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(error) if contestant.row.external().is_some() => {
            println!("{error:#}");
            troubles.push(plain(&format!("{error:#}")));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
