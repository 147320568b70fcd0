//! The search: every world that some sequence of steps leads to, breadth first, each once.
//!
//! Breadth first, so that a counterexample is as short as there is one. Afterwards the steps that must
//! come are looked at alone: they may not go round, and where they end everything must be decided.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    fmt,
    hash::{BuildHasherDefault, Hasher},
};

use postrider_domain::lifecycle::{State, transition::state_changes};

use super::{
    environment,
    model_state::World,
    properties::{Breach, of_rest, of_step, of_world},
    reconciler,
    scenario::Conditions,
    step::{Edge, Next, Step},
    worker,
};

/// What a search saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub worlds: usize,
    pub steps: usize,
    /// The provider's acceptances of one message, at most.
    pub sends: usize,
    pub attempts: u8,
    /// Where messages came to rest, with their acceptances.
    pub ends: BTreeSet<(State, usize)>,
}

/// A way to something that must not be.
pub struct Counterexample {
    pub breach: Breach,
    pub steps: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(formatter, "{number:3}. {step}")?;
        }
        write!(formatter, "     => {}", self.breach)
    }
}

/// How a world was first reached: from where, and by which of its steps.
type Origin = Option<(u32, u16)>;

struct Search<'a> {
    conditions: &'a Conditions,
    worlds: Vec<World>,
    origins: Vec<Origin>,
    numbers: HashMap<World, u32, BuildHasherDefault<Mixer>>,
    /// By world: where the steps that must come lead.
    musts: Vec<Vec<u32>>,
}

/// Looks at everything that can happen under these conditions.
pub fn explore(conditions: &Conditions) -> Result<Seen, Counterexample> {
    let mut search = Search {
        conditions,
        worlds: Vec::new(),
        origins: Vec::new(),
        numbers: HashMap::default(),
        musts: Vec::new(),
    };
    for handed_over in [false, true] {
        search.number(World::accepted(handed_over, conditions.left), None);
    }
    let seen = search.run()?;
    search.everything_ends()?;
    Ok(seen)
}

impl Search<'_> {
    fn run(&mut self) -> Result<Seen, Counterexample> {
        let changes = state_changes();
        let mut seen = Seen::default();
        let mut edges = Vec::new();
        let mut at = 0;
        while at < self.worlds.len() {
            let from = self.worlds[at];
            if let Some(breach) = of_world(&from, self.conditions.sends_max) {
                return Err(self.counterexample(at, None, breach));
            }
            seen.sends = seen.sends.max(from.acceptances());
            seen.attempts = seen.attempts.max(from.row.attempt);
            if from.row.state.is_terminal() || from.row.state == State::Sent {
                seen.ends.insert((from.row.state, from.acceptances()));
            }
            edges.clear();
            steps(&from, self.conditions, &mut edges);
            seen.steps += edges.len();
            let mut musts = Vec::new();
            for (place, edge) in edges.iter().enumerate() {
                if let Some(breach) = of_step(&from, &edge.step, &edge.world, &changes) {
                    return Err(self.counterexample(at, Some(place), breach));
                }
                let mut world = edge.world;
                world.settle_names(self.conditions);
                let number = self.number(world, Some((at as u32, place as u16)));
                if edge.must && number as usize != at {
                    musts.push(number);
                }
            }
            self.musts.push(musts);
            at += 1;
        }
        seen.worlds = self.worlds.len();
        Ok(seen)
    }

    fn number(&mut self, world: World, origin: Origin) -> u32 {
        let next = self.worlds.len() as u32;
        match self.numbers.entry(world) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(next);
                self.worlds.push(world);
                self.origins.push(origin);
                next
            }
        }
    }

    /// Takes away, again and again, what only leads to what was taken away already.
    fn everything_ends(&self) -> Result<(), Counterexample> {
        let mut sources = vec![Vec::new(); self.worlds.len()];
        let mut open: Vec<usize> = self.musts.iter().map(Vec::len).collect();
        for (from, musts) in self.musts.iter().enumerate() {
            musts.iter().for_each(|to| sources[*to as usize].push(from));
        }
        let mut rest: Vec<usize> = (0..open.len()).filter(|at| open[*at] == 0).collect();
        for at in &rest {
            if let Some(breach) = of_rest(&self.worlds[*at]) {
                return Err(self.counterexample(*at, None, breach));
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
        match open.iter().position(|left| *left > 0) {
            Some(at) => Err(self.round(at, &open)),
            None => Ok(()),
        }
    }

    /// The way to a world, and from there once round by steps that must come.
    fn round(&self, start: usize, open: &[usize]) -> Counterexample {
        let mut way = self.way_to(start);
        let mut at = start;
        let mut visits = HashMap::new();
        while !visits.contains_key(&at) {
            visits.insert(at, way.len());
            let next = self.musts[at].iter().find(|to| open[**to as usize] > 0);
            let next = *next.expect("what is left leads to what is left");
            let mut edges = Vec::new();
            steps(&self.worlds[at], self.conditions, &mut edges);
            let leads_on = |edge: &Edge| {
                let mut world = edge.world;
                world.settle_names(self.conditions);
                edge.must && self.numbers[&world] == next
            };
            way.push(edges.iter().position(leads_on).expect("that step was found before") as u16);
            at = next as usize;
        }
        let mut steps = self.told(start, &way);
        steps.insert(visits[&at], "and then round and round:".to_owned());
        Counterexample { breach: Breach::GoesRound, steps }
    }

    /// The steps to a world, and one more.
    fn counterexample(&self, at: usize, last: Option<usize>, breach: Breach) -> Counterexample {
        let mut way = self.way_to(at);
        way.extend(last.map(|place| place as u16));
        Counterexample { breach, steps: self.told(at, &way) }
    }

    /// The shortest way to a world: each step by its place among those of its world.
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

    /// A way, told from the beginning that it has in common with the way to `at`.
    fn told(&self, at: usize, way: &[u16]) -> Vec<String> {
        let mut number = at;
        while let Some((from, _)) = self.origins[number] {
            number = from as usize;
        }
        let mut world = self.worlds[number];
        // The search calls the workers by their places; a reader wants to know them by name.
        let mut swapped = false;
        let mut told = Vec::new();
        for place in way {
            let mut edges = Vec::new();
            steps(&world, self.conditions, &mut edges);
            let Edge { step, world: after, .. } = edges.swap_remove(usize::from(*place));
            let named = Step { worker: step.worker.map(|worker| worker ^ usize::from(swapped)), ..step };
            let (was, state) = (world.row.state, after.row.state);
            told.push(match was == state {
                true => named.to_string(),
                false => format!("{named}: {was:?} -> {state:?}"),
            });
            world = after;
            swapped ^= world.settle_names(self.conditions);
        }
        told
    }
}

fn steps(from: &World, conditions: &Conditions, edges: &mut Vec<Edge>) {
    let mut next = Next { from, conditions, edges };
    worker::steps(&mut next);
    environment::steps(&mut next);
    reconciler::steps(&mut next);
}

/// Worlds are small and many: a hash of a few multiplications instead of one against attackers.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
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
