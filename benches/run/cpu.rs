//! CPU time and peak memory that process trees have used so far, as Linux counts them.
//!
//! A process that is gone counts as nothing: its parent has its time. Children are read before their
//! parent, so that one that ends in between is not lost.

use std::fs;

/// `USER_HZ`, the same on every Linux that Rust runs on.
const TICKS_PER_SEC: f64 = 100.0;
/// Fields of /proc/<pid>/stat after the name: utime, stime, cutime, cstime.
const TIMES: std::ops::Range<usize> = 11..15;

/// CPU seconds of a process, of its descendants, and of those of them that were waited for.
pub fn of_tree(process: u32) -> f64 {
    tree(process).into_iter().rev().map(of_one).sum()
}

/// Sum of the peak memory of a tree's processes, in MiB. Processes that ended before are not in it, so it is
/// read while they live. Memory that forked processes share counts for each.
pub fn peak_mib(process: u32) -> f64 {
    tree(process).into_iter().map(peak_of_one).sum()
}

/// Parents before children.
fn tree(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut at = 0;
    while at < all.len() {
        all.extend(children(all[at]));
        at += 1;
    }
    all
}

fn children(process: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

fn of_one(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may hold spaces and brackets.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0.0 };
    let fields: Vec<&str> = fields.split(' ').collect();
    let times = fields.get(TIMES).unwrap_or_default();
    times.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SEC
}

fn peak_of_one(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
