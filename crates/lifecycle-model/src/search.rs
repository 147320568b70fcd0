//! The search: every state that some sequence of steps reaches, breadth first, each once.
//!
//! Breadth first gives the shortest counterexample. Afterwards the steps that must come are checked alone: they may
//! not form a cycle, and where they end everything must be decided.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    fmt,
    hash::{BuildHasherDefault, Hasher},
};

use postrider_domain::lifecycle::{State, transition::state_changes};

use super::{
    environment,
    model_state::ModelState,
    properties::{Violation, rest_violation, state_violation, step_violation},
    reconciler,
    scenario::Scenario,
    step::{Edge, Step, StepCollector},
    worker,
};

/// The extent of a search without a violation.
#[derive(Debug, Default)]
pub struct Coverage {
    pub states: usize,
    pub steps: usize,
    /// Most acceptances of one message by the provider.
    pub sends: usize,
    pub attempts: u8,
    /// The final states, each with the number of acceptances.
    pub ends: BTreeSet<(State, usize)>,
}

/// The steps to a violation.
pub struct Counterexample {
    pub violation: Violation,
    pub steps: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(formatter, "{number:3}. {step}")?;
        }
        write!(formatter, "     => {}", self.violation)
    }
}

/// The predecessor of a state and the index of the step from it.
type Origin = Option<(u32, u16)>;

struct Search<'a> {
    scenario: &'a Scenario,
    states: Vec<ModelState>,
    origins: Vec<Origin>,
    numbers: HashMap<ModelState, u32, BuildHasherDefault<StateHasher>>,
    /// By state: the targets of the steps that must come.
    musts: Vec<Vec<u32>>,
}

/// Explores every state of a scenario; the error is the shortest way to a violation.
pub fn explore(scenario: &Scenario) -> Result<Coverage, Counterexample> {
    let mut search = Search {
        scenario,
        states: Vec::new(),
        origins: Vec::new(),
        numbers: HashMap::default(),
        musts: Vec::new(),
    };
    for leased in [false, true] {
        search.number(ModelState::accepted(leased, scenario.budget), None);
    }
    let seen = search.run()?;
    search.check_everything_ends()?;
    Ok(seen)
}

impl Search<'_> {
    fn run(&mut self) -> Result<Coverage, Counterexample> {
        let changes = state_changes();
        let mut seen = Coverage::default();
        let mut edges = Vec::new();
        let mut at = 0;
        while at < self.states.len() {
            let from = self.states[at];
            if let Some(violation) = state_violation(&from, self.scenario.sends_max) {
                return Err(self.counterexample(at, None, violation));
            }
            seen.sends = seen.sends.max(from.acceptances());
            seen.attempts = seen.attempts.max(from.row.attempt);
            if from.row.state.is_terminal() || from.row.state == State::Sent {
                seen.ends.insert((from.row.state, from.acceptances()));
            }
            edges.clear();
            steps(&from, self.scenario, &mut edges);
            seen.steps += edges.len();
            let mut musts = Vec::new();
            for (place, edge) in edges.iter().enumerate() {
                if let Some(violation) = step_violation(&from, &edge.step, &edge.model, &changes) {
                    return Err(self.counterexample(at, Some(place), violation));
                }
                let mut model = edge.model;
                model.canonicalize(self.scenario);
                let number = self.number(model, Some((at as u32, place as u16)));
                if edge.must && number as usize != at {
                    musts.push(number);
                }
            }
            self.musts.push(musts);
            at += 1;
        }
        seen.states = self.states.len();
        Ok(seen)
    }

    fn number(&mut self, model: ModelState, origin: Origin) -> u32 {
        let next = self.states.len() as u32;
        match self.numbers.entry(model) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(next);
                self.states.push(model);
                self.origins.push(origin);
                next
            }
        }
    }

    /// Removes, repeatedly, the states with required steps to removed states only; remaining states form a cycle.
    fn check_everything_ends(&self) -> Result<(), Counterexample> {
        let mut sources = vec![Vec::new(); self.states.len()];
        let mut open: Vec<usize> = self.musts.iter().map(Vec::len).collect();
        for (from, musts) in self.musts.iter().enumerate() {
            musts.iter().for_each(|to| sources[*to as usize].push(from));
        }
        let mut rest: Vec<usize> = (0..open.len()).filter(|at| open[*at] == 0).collect();
        for at in &rest {
            if let Some(violation) = rest_violation(&self.states[*at]) {
                return Err(self.counterexample(*at, None, violation));
            }
        }
        while let Some(at) = rest.pop() {
            for from in &sources[at] {
                open[*from] -= 1;
                if open[*from] == 0 {
                    rest.push(*from);
                }
            }
        }
        match open.iter().position(|budget| *budget > 0) {
            Some(at) => Err(self.cycle(at, &open)),
            None => Ok(()),
        }
    }

    /// The way to a state, and from there once round the cycle of required steps.
    fn cycle(&self, start: usize, open: &[usize]) -> Counterexample {
        let mut way = self.way_to(start);
        let mut at = start;
        let mut visits = HashMap::new();
        while !visits.contains_key(&at) {
            visits.insert(at, way.len());
            let next = self.musts[at].iter().find(|to| open[**to as usize] > 0);
            let next = *next.expect("a state of a cycle has a step within it");
            let mut edges = Vec::new();
            steps(&self.states[at], self.scenario, &mut edges);
            let leads_on = |edge: &Edge| {
                let mut model = edge.model;
                model.canonicalize(self.scenario);
                edge.must && self.numbers[&model] == next
            };
            way.push(edges.iter().position(leads_on).expect("the search found this step") as u16);
            at = next as usize;
        }
        let mut steps = self.trace(start, &way);
        steps.insert(visits[&at], "and then this cycle repeats:".to_owned());
        Counterexample { violation: Violation::Cycle, steps }
    }

    /// The steps to a state, and one more.
    fn counterexample(&self, at: usize, last: Option<usize>, violation: Violation) -> Counterexample {
        let mut way = self.way_to(at);
        way.extend(last.map(|place| place as u16));
        Counterexample { violation, steps: self.trace(at, &way) }
    }

    /// The shortest way to a state, each step by its index among the steps of its state.
    fn way_to(&self, at: usize) -> Vec<u16> {
        let mut way = Vec::new();
        let mut number = at;
        while let Some((from, place)) = self.origins[number] {
            way.push(place);
            number = from as usize;
        }
        way.reverse();
        way
    }

    /// The texts of the steps of a way, from the initial state of `at`.
    fn trace(&self, at: usize, way: &[u16]) -> Vec<String> {
        let mut number = at;
        while let Some((from, _)) = self.origins[number] {
            number = from as usize;
        }
        let mut model = self.states[number];
        // `canonicalize` may swap the workers; the trace names each consistently.
        let mut swapped = false;
        let mut trace = Vec::new();
        for place in way {
            let mut edges = Vec::new();
            steps(&model, self.scenario, &mut edges);
            let Edge { step, model: after, .. } = edges.swap_remove(usize::from(*place));
            let named = Step { worker: step.worker.map(|worker| worker ^ usize::from(swapped)), ..step };
            let (previous_state, state) = (model.row.state, after.row.state);
            trace.push(match previous_state == state {
                true => named.to_string(),
                false => format!("{named}: {previous_state:?} -> {state:?}"),
            });
            model = after;
            swapped ^= model.canonicalize(self.scenario);
        }
        trace
    }
}

fn steps(from: &ModelState, scenario: &Scenario, edges: &mut Vec<Edge>) {
    let mut next = StepCollector { from, scenario, edges };
    worker::steps(&mut next);
    environment::steps(&mut next);
    reconciler::steps(&mut next);
}

/// States are small and many: a hash of a few multiplications, not one that resists attackers.
#[derive(Default)]
struct StateHasher(u64);

impl Hasher for StateHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}
