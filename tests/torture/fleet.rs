//! The workers: processes of `postrider run`, started again whenever they die, and their causes of death.
//!
//! While arming is on, most of them start with a failpoint that ends them at a random visit. It is chosen so
//! that every failpoint gets its share. Signals go only to processes that are checked to be ours. Read
//! `faults/process.rs` for the senders of signals.

use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use postrider::failpoint;
use tokio::{process::Command, task::JoinSet};

use crate::{dice::Dice, support::wait::elapse};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
/// A start that fails (the database is away) is tried again after so many milliseconds.
const AGAIN_MILLIS: (u32, u32) = (200, 500);
const RESTART_MILLIS: (u32, u32) = (0, 200);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Settings that all workers share.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub binary: PathBuf,
    pub config: PathBuf,
    /// Holds process ids and logs.
    pub folder: PathBuf,
    pub environment: Vec<(String, String)>,
    pub seed: u64,
}

/// The signal that we sent to a worker that must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Terminate,
    /// SIGKILL in the middle of its shutdown.
    TerminateThenKill,
}

#[derive(Debug)]
struct Running {
    pid: u32,
    frozen: bool,
    blow: Option<Blow>,
}

#[derive(Debug)]
struct Slot {
    /// Where it takes webhooks.
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

/// Causes of death of workers, with counts.
#[derive(Debug, Default, Clone)]
pub struct Deaths {
    /// By kind: `sigkill`, `shutdown_sigkill`, `crash_<point>`.
    pub kills: BTreeMap<String, u64>,
    pub clean_ends: u64,
    pub unclean_ends: u64,
    pub failed_starts: u64,
    /// Deaths without an injected cause.
    pub odd: Vec<String>,
}

impl Deaths {
    pub fn kills_count(&self) -> u64 {
        self.kills.values().sum()
    }
}

/// The workers of a run.
#[derive(Debug)]
pub struct Fleet {
    recipe: Recipe,
    slots: Vec<Slot>,
    arming: AtomicBool,
    ending: AtomicBool,
    deaths: Mutex<Deaths>,
    armed: Mutex<BTreeMap<&'static str, u64>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Fleet {
    /// So many workers, each on an address of its own.
    pub fn start(recipe: Recipe, count: usize) -> Arc<Fleet> {
        let slot = |place| Slot { address: address(place), running: Mutex::new(None) };
        let slots = (0..count).map(slot).collect();
        let fleet = Arc::new(Fleet {
            recipe,
            slots,
            arming: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            deaths: Mutex::default(),
            armed: Mutex::default(),
            tasks: Mutex::default(),
        });
        for place in 0..fleet.slots.len() {
            let shared = Arc::clone(&fleet);
            locked(&fleet.tasks).spawn(async move { shared.keep_alive(place).await });
        }
        fleet
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether workers are started with crash points from now on.
    pub fn arm(&self, on: bool) {
        self.arming.store(on, Ordering::SeqCst);
    }

    pub fn deaths(&self) -> Deaths {
        locked(&self.deaths).clone()
    }

    /// Where the workers that live and are not frozen take webhooks.
    pub fn open_addresses(&self) -> Vec<SocketAddr> {
        let open = |slot: &&Slot| locked(&slot.running).as_ref().is_some_and(|running| !running.frozen);
        self.slots.iter().filter(open).map(|slot| slot.address).collect()
    }

    /// Strikes the worker of a place, if it is up, not frozen and not struck already.
    pub async fn strike(&self, place: usize, blow: Blow, between: Duration) -> bool {
        let pid = {
            let mut running = locked(&self.slots[place].running);
            let Some(running) = running.as_mut().filter(|running| !running.frozen && running.blow.is_none())
            else {
                return false;
            };
            running.blow = Some(blow);
            running.pid
        };
        let struck = match blow {
            Blow::Kill => self.signal(pid, "-KILL").await,
            Blow::Terminate => self.signal(pid, "-TERM").await,
            Blow::TerminateThenKill => {
                let told = self.signal(pid, "-TERM").await;
                elapse(between).await;
                told && self.signal(pid, "-KILL").await
            }
        };
        // It died first, or ended in order: the next process may be struck.
        if let Some(running) = locked(&self.slots[place].running).as_mut().filter(|_| !struck)
            && running.pid == pid
            && blow != Blow::TerminateThenKill
        {
            running.blow = None;
        }
        struck
    }

    /// Stops a worker for so long, in the middle of whatever it does.
    pub async fn freeze(&self, place: usize, time: Duration) -> bool {
        let Some(pid) = self.set_frozen(place, true) else { return false };
        let stopped = self.signal(pid, "-STOP").await;
        elapse(time).await;
        self.signal(pid, "-CONT").await;
        self.set_frozen(place, false);
        stopped
    }

    fn set_frozen(&self, place: usize, frozen: bool) -> Option<u32> {
        let mut running = locked(&self.slots[place].running);
        let running = running.as_mut().filter(|running| running.blow.is_none())?;
        running.frozen = frozen;
        Some(running.pid)
    }

    /// Terminates every worker and starts none any more; gives how many did not end in order.
    pub async fn end(&self) -> u64 {
        let before = self.deaths().unclean_ends;
        self.ending.store(true, Ordering::SeqCst);
        let mut tasks = std::mem::take(&mut *locked(&self.tasks));
        // Again and again: one may be between two lives just now.
        while !tasks.is_empty() {
            for place in 0..self.slots.len() {
                self.strike(place, Blow::Terminate, Duration::ZERO).await;
            }
            drop(tokio::time::timeout(LOOK_AGAIN, tasks.join_next()).await);
        }
        self.deaths().unclean_ends - before
    }

    async fn signal(&self, pid: u32, signal: &str) -> bool {
        let ours = std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
            String::from_utf8_lossy(&line).contains(&*self.recipe.config.to_string_lossy())
        });
        let kill = || Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
        ours && kill().await.is_ok_and(|status| status.success())
    }

    async fn keep_alive(&self, place: usize) {
        let mut dice = Dice::new(self.recipe.seed, &format!("worker {place}"));
        while !self.ending.load(Ordering::SeqCst) {
            let point = self.choose_point(&mut dice);
            let status = self.live(place, point.as_ref()).await;
            let running = locked(&self.slots[place].running).take();
            let blow = running.and_then(|running| running.blow);
            let pause = self.note(status, blow, point.map(|(name, _)| name));
            let (least, most) = pause;
            elapse(dice.millis(least, most)).await;
        }
    }

    /// The point at which the fewest died so far, and the visit at which it ends the worker.
    fn choose_point(&self, dice: &mut Dice) -> Option<(&'static str, u32)> {
        if !self.arming.load(Ordering::SeqCst) || dice.falls(0.3) {
            return None;
        }
        let kills = self.deaths().kills;
        let mut armed = locked(&self.armed);
        let mut points = failpoint::POINTS;
        dice.shuffle(&mut points);
        let name = points.into_iter().min_by_key(|name| {
            let died = kills.get(&format!("crash_{name}")).copied().unwrap_or(0);
            (died, armed.get(name).copied().unwrap_or(0))
        })?;
        *armed.entry(name).or_default() += 1;
        let visits = match name {
            // Visited once a call; the others once a batch.
            "during_call" | "after_answer" => dice.between(1, 40),
            _ => dice.between(1, 12),
        };
        Some((name, visits))
    }

    async fn live(&self, place: usize, point: Option<&(&'static str, u32)>) -> Option<ExitStatus> {
        let (recipe, slot) = (&self.recipe, &self.slots[place]);
        let log = File::options().create(true).append(true).open(recipe.folder.join(format!("{place}.log")));
        let mut command = Command::new(&recipe.binary);
        command.arg("--config").arg(&recipe.config).arg("run");
        command.envs(recipe.environment.iter().cloned());
        command.env("POSTRIDER__WEB__LISTEN", slot.address.to_string());
        match point {
            Some((name, visits)) => command.env("POSTRIDER_CRASH", format!("{name}:{visits}")),
            None => command.env_remove("POSTRIDER_CRASH"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.ok()?);
        // A Ctrl-C in the terminal is for the torture to hear, not for the workers.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().ok()?;
        let pid = child.id()?;
        drop(std::fs::write(recipe.folder.join(format!("{place}.pid")), pid.to_string()));
        *locked(&slot.running) = Some(Running { pid, frozen: false, blow: None });
        child.wait().await.ok()
    }

    /// Writes a death down; gives the pause before the next life.
    fn note(&self, status: Option<ExitStatus>, blow: Option<Blow>, point: Option<&str>) -> (u32, u32) {
        let mut deaths = locked(&self.deaths);
        let Some(status) = status else {
            deaths.odd.push("a worker could not be started".to_owned());
            return AGAIN_MILLIS;
        };
        match (status.signal(), status.code(), blow, point) {
            (Some(SIGKILL), _, Some(Blow::Kill), _) => count(&mut deaths.kills, "sigkill"),
            (Some(SIGKILL), _, Some(_), _) => count(&mut deaths.kills, "shutdown_sigkill"),
            (Some(SIGABRT), _, _, Some(point)) => count(&mut deaths.kills, &format!("crash_{point}")),
            (_, Some(0), Some(_), _) => deaths.clean_ends += 1,
            (_, Some(_), Some(_), _) => deaths.unclean_ends += 1,
            // A SIGTERM that came before its handler was there.
            (Some(_), _, Some(Blow::Terminate | Blow::TerminateThenKill), _) => deaths.clean_ends += 1,
            (_, Some(1), None, _) => {
                deaths.failed_starts += 1;
                return AGAIN_MILLIS;
            }
            (..) => deaths.odd.push(status.to_string()),
        }
        RESTART_MILLIS
    }
}

/// On a loopback address of this run's own: while a worker is dead no other process takes its port, and with it
/// the webhooks that are for it.
fn address(place: usize) -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 64 | (high & 63), middle, low], 8_001 + place as u16))
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
