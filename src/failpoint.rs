//! Failpoints: named places where a test makes its worker abort, to check the state that it leaves.
//!
//! Only in builds with debug assertions; a release build has none. `POSTRIDER_CRASH=after_begin:37` aborts at the 37th
//! hit of that failpoint. `POSTRIDER_CRASH_ON=compose:word` aborts at a place that handles a text with that word, as a
//! poison job does; commas separate several. `POSTRIDER_PANIC_ON` does the same with a panic. An abort, like SIGKILL,
//! runs no destructor.

/// All failpoints, in the order of a request; tests select from this list.
pub const POINTS: [&str; 10] = [
    "before_commit",
    "before_ack",
    "before_begin",
    "after_begin",
    "during_call",
    "after_answer",
    "before_settle",
    "after_settle",
    "before_receipt",
    "after_receipt",
];

/// Aborts if the test selected this hit of this failpoint.
pub fn hit(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is in the list");
    #[cfg(debug_assertions)]
    selected::hit(name);
}

/// Aborts or panics if the test selected this place and a word of this text.
pub fn on_word(place: &'static str, text: Option<&str>) {
    #[cfg(debug_assertions)]
    selected::check_text(place, text);
    #[cfg(not(debug_assertions))]
    let _ = (place, text);
}

#[cfg(debug_assertions)]
mod selected {
    use std::{
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    /// Delay of the abort at `during_call`, which is hit just before the call.
    const INTO_THE_CALL: Duration = Duration::from_millis(10);

    /// The failpoint, and the hits until it aborts.
    static POINT: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let (name, visits) = split("POSTRIDER_CRASH")?;
        Some((name, AtomicU64::new(visits.parse().ok()?)))
    });
    static ABORT_WORDS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| split_all("POSTRIDER_CRASH_ON"));
    static PANIC_WORDS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| split_all("POSTRIDER_PANIC_ON"));

    fn split(variable: &str) -> Option<(String, String)> {
        split_all(variable).into_iter().next()
    }

    fn split_all(variable: &str) -> Vec<(String, String)> {
        let value = std::env::var(variable).unwrap_or_default();
        let pairs = value.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    }

    pub(super) fn hit(name: &str) {
        let Some((wanted, left)) = &*POINT else { return };
        if wanted == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            if name == "during_call" {
                // The provider has the call by then, or not, or in part.
                drop(std::thread::spawn(|| {
                    std::thread::park_timeout(INTO_THE_CALL);
                    abort("during_call")
                }));
            } else {
                abort(name);
            }
        }
    }

    pub(super) fn check_text(place: &str, text: Option<&str>) {
        let is_selected = |words: &[(String, String)]| {
            let has = |word: &str| text.is_some_and(|text| text.contains(word));
            words.iter().any(|(wanted, word)| wanted == place && has(word))
        };
        if is_selected(&ABORT_WORDS) {
            abort(place);
        }
        if is_selected(&PANIC_WORDS) {
            std::panic::panic_any("crash point: as asked");
        }
    }

    fn abort(place: &str) -> ! {
        eprintln!("crash point {place}: as asked");
        std::process::abort()
    }
}
