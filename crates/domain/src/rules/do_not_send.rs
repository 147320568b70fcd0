//! Rule 2: the producer's `do_not_send`. The request is recorded, never sent.
//!
//! Comes before the media, because such a job may have no address.

use crate::lifecycle::Reason;

use super::{Case, Finding};

pub(super) fn finding(case: &Case) -> Finding {
    if case.job.do_not_send {
        Finding::stop("do_not_send", Reason::DoNotSend, "the job says do_not_send")
    } else {
        Finding::pass("do_not_send", "")
    }
}
