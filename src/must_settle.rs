//! `MustSettle`: a marker inside values that may not be forgotten, such as claims, chunks and deliveries.
//!
//! Debug builds log an error when such a value is dropped unsettled; nothing is lost then, because the lease or
//! the broker's redelivery brings the work back, but later than necessary. The check stays silent while a
//! thread unwinds. Release builds carry a marker of no size and no check.

/// A debt of the value that holds it; `settle` pays it.
#[derive(Debug)]
#[must_use]
pub struct MustSettle {
    #[cfg(debug_assertions)]
    holder: &'static str,
}

impl MustSettle {
    /// `holder`: the kind of value, for the log line, as "claim".
    #[cfg_attr(
        not(debug_assertions),
        expect(unused_variables, reason = "only the debug check names the holder")
    )]
    pub fn new(holder: &'static str) -> MustSettle {
        MustSettle {
            #[cfg(debug_assertions)]
            holder,
        }
    }

    /// Marks the value as settled.
    pub fn settle(self) {
        std::mem::forget(self);
    }
}

#[cfg(debug_assertions)]
impl Drop for MustSettle {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            tracing::error!(
                holder = self.holder,
                "a value was dropped unsettled; its lease or redelivery brings it back"
            );
        }
    }
}
