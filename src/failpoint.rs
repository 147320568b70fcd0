//! Crash points: named places where a test lets its own worker die, to see what is left behind.
//!
//! Only in builds with debug assertions; a release build has none of it. `POSTRIDER_CRASH=after_begin:37`
//! dies at the 37th visit of that point; `POSTRIDER_CRASH_ON=compose:word` dies wherever that place meets
//! a text with that word in it: a poison; several are set apart by commas. `POSTRIDER_PANIC_ON`, alike, is a
//! mistake of ours that only panics. Dying is `abort`: as with SIGKILL, nothing is said good-bye to.

/// Every point, in the order of a request's way; a test that names another fails.
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

/// Dies here if this visit is the one that the test chose.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is in the list");
    #[cfg(debug_assertions)]
    chosen::visit(name);
}

/// Dies here if the test chose this place and the text holds its word.
pub fn on_word(place: &'static str, text: Option<&str>) {
    #[cfg(debug_assertions)]
    chosen::meet(place, text);
    #[cfg(not(debug_assertions))]
    let _ = (place, text);
}

#[cfg(debug_assertions)]
mod chosen {
    use std::{
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    const IN_THE_CALL: Duration = Duration::from_millis(10);

    /// The point and how many visits are left.
    static POINT: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let (name, visits) = split("POSTRIDER_CRASH")?;
        Some((name, AtomicU64::new(visits.parse().ok()?)))
    });
    static KILLING: LazyLock<Vec<(String, String)>> = LazyLock::new(|| split_all("POSTRIDER_CRASH_ON"));
    static PANICKING: LazyLock<Vec<(String, String)>> = LazyLock::new(|| split_all("POSTRIDER_PANIC_ON"));

    fn split(variable: &str) -> Option<(String, String)> {
        split_all(variable).into_iter().next()
    }

    fn split_all(variable: &str) -> Vec<(String, String)> {
        let value = std::env::var(variable).unwrap_or_default();
        let pairs = value.split(',').filter_map(|pair| pair.split_once(':'));
        pairs.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    }

    pub(super) fn visit(name: &str) {
        let Some((wanted, left)) = &*POINT else { return };
        if wanted == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            if name == "during_call" {
                // Not before the call but in it: the provider has it by then, or not, or in part.
                drop(std::thread::spawn(|| {
                    std::thread::park_timeout(IN_THE_CALL);
                    die("during_call")
                }));
            } else {
                die(name);
            }
        }
    }

    pub(super) fn meet(place: &str, text: Option<&str>) {
        let met = |words: &[(String, String)]| {
            let meets = |word: &str| text.is_some_and(|text| text.contains(word));
            words.iter().any(|(wanted, word)| wanted == place && meets(word))
        };
        if met(&KILLING) {
            die(place);
        }
        if met(&PANICKING) {
            std::panic::panic_any("crash point: as asked");
        }
    }

    fn die(place: &str) -> ! {
        eprintln!("crash point {place}: as asked");
        std::process::abort()
    }
}
