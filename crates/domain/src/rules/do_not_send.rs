//! Rule 2: the producer's own wish. Recorded, never sent, whatever the address.
//!
//! Comes before the addresses are looked at: such a job may have none.

use crate::lifecycle::Reason;

use super::{Case, Finding};

pub(super) fn finding(case: &Case) -> Finding {
    if case.job.do_not_send {
        Finding::stop("do_not_send", Reason::DoNotSend, "the job says do_not_send")
    } else {
        Finding::pass("do_not_send", "")
    }
}
