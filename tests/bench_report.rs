//! The arithmetic of `make bench`, which cargo does not test where it stands: percentiles, rates, targets, and
//! which run's figures are shown.
//!
//! It is benches/run/report, which does no I/O; figures are made up here.

#[expect(dead_code, reason = "shared with the benchmark, which uses all of it")]
#[path = "../benches/run/report/mod.rs"]
mod report;

use chrono::{DateTime, TimeDelta, Utc};

use report::{
    Bloat, Claims, Delays, Drain, Entrance, Figures, Goal, Latency, Load, Machine, Medium, Origin, Part,
    Parts, Percentiles, Rate, Sheet, Size, Spread, Tried, Waiting, Way, kept_up, page, picture, plain,
    steady_rate, target_sheet,
};

const OLD: &str = "0000000old00";
const NEW: &str = "0000000new00";
const TIMES_PREFORK: &str = "SMS to *sent*, times Celery prefork";
const EMAIL: &str = "email to *sent*, of the limit";
const AGAINST_PEERS: &str = "p99 at 1,000 requests/s, ms, against the best peer's";
const MEMORY: &str = "worker's peak RSS in any part, MiB";

fn origin(commit: &str) -> Origin {
    let days = TimeDelta::days(i64::from(commit == NEW));
    Origin {
        commit: commit.to_owned(),
        at: DateTime::<Utc>::UNIX_EPOCH + days,
        machine: Machine {
            processor: "a processor".to_owned(),
            cores: 2,
            memory_gib: 8,
            kernel: "6.1".to_owned(),
            versions: vec![("Rust".to_owned(), "1.95".to_owned())],
        },
    }
}

fn part<T>(commit: &str, runs: Vec<T>) -> Option<Part<Vec<T>>> {
    Some(Part::new(&origin(commit), &[], runs))
}

fn figures(per_sec: f64) -> Figures {
    Figures {
        per_sec,
        worker_micros: 30.0,
        postgres_micros: 60.0,
        broker_micros: 50.0,
        wal_bytes: 700.0,
        statements: 0.02,
        round_trips: Some(0.03),
        peak_rss_mib: 50.0,
    }
}

fn rate(medium: Medium, row: &str, round: usize, per_sec: f64) -> Rate {
    let row = row.to_owned();
    Rate { round, medium, goal: Goal::Sent, row, requests: 1_000, figures: figures(per_sec) }
}

fn rates(medium: Medium, rows: &[(&str, f64)]) -> Vec<Rate> {
    rows.iter().map(|(row, per_sec)| rate(medium, row, 1, *per_sec)).collect()
}

fn delays(p99: Option<f64>) -> Delays {
    let all = |p99: f64| Percentiles { p50: p99 / 2.0, p99, p999: p99, max: p99 };
    let (behind, missing) = if p99.is_none() { (4_000, 0) } else { (0, 0) };
    let to_provider = p99.map(all);
    Delays { jobs: 20_000, behind, missing, to_provider, to_confirm: all(1.0), publisher_late: all(0.5) }
}

fn latency(row: &str, p99: Option<f64>) -> Latency {
    Latency { round: 1, load: Load { per_sec: 1_000, secs: 20 }, row: row.to_owned(), delays: delays(p99) }
}

fn waiting(waiting: usize, per_sec: f64) -> Waiting {
    Waiting {
        waiting,
        round: 1,
        requests: 1_000,
        figures: Figures { round_trips: None, ..figures(per_sec) },
        load: Load { per_sec: 1_000, secs: 20 },
        delays: delays(Some(5.0)),
    }
}

fn drain(peak_rss_mib: f64) -> Drain {
    Drain { due: 1_000_000, figures: Figures { peak_rss_mib, ..figures(9_000.0) } }
}

fn entrance(way: Way, per_sec: f64, answers: Option<Percentiles>) -> Entrance {
    Entrance { round: 1, way, requests: 1_000, figures: figures(per_sec), answers }
}

/// Everything that is measured, some of it at an older commit.
fn everything() -> Parts {
    let size = Size { table: "due".to_owned(), mib: 3.0, dead: 7, updates: 4, hot: 1, vacuums: 2 };
    let bloat =
        |snapshot| Bloat { sends: 1_000, snapshot, figures: figures(5_000.0), tables: vec![size.clone()] };
    let tried = |figures| Tried {
        row: "node".to_owned(),
        setting: "CONCURRENCY=64".to_owned(),
        requests: 1_000,
        kept: true,
        figures,
    };
    let claims = Claims {
        waiting: 0,
        due: 5_000,
        at_once: 100,
        millis: vec![1.0, 2.0, 3.0],
        buffers_hit: 10,
        buffers_read: 0,
        reads: ["due: Index Scan by due_lane".to_owned()].into(),
    };
    let mut email = part(OLD, rates(Medium::Email, &[("limit", 10_000.0), ("postrider", 5_000.0)]));
    email.as_mut().expect("made above").troubles.push("node fell over".to_owned());
    Parts {
        sms: part(NEW, rates(Medium::Sms, &[("limit", 10_000.0), ("postrider", 9_000.0), ("node", 1_000.0)])),
        email,
        latency: part(NEW, vec![latency("postrider", Some(12.0)), latency("node", None)]),
        entrance: part(
            NEW,
            vec![
                entrance(Way::Amqp, 8_000.0, None),
                entrance(Way::Http, 2_000.0, Percentiles::of(vec![0.007])),
            ],
        ),
        waiting: part(OLD, vec![waiting(0, 8_000.0), waiting(1_000_000, 7_000.0)]),
        claims: part(OLD, vec![claims]),
        drain: part(OLD, vec![drain(120.0)]),
        bloat: part(OLD, vec![bloat(false), bloat(true)]),
        sweep: part(NEW, vec![tried(Ok(figures(1_000.0))), tried(Err("it did not start".to_owned()))]),
    }
}

/// A target's line: wanted, measured, verdict, commit.
fn target(parts: &Parts, what: &str) -> [String; 4] {
    let Sheet { lines, .. } = target_sheet(parts);
    let line = lines.into_iter().find(|line| line[0] == what).expect("the target is listed");
    line[1..].to_vec().try_into().expect("a target has five cells")
}

#[test]
fn a_percentile_is_a_value_that_was_measured() {
    let Percentiles { p50, p99, p999, max } =
        Percentiles::of((1..=1_000).rev().map(|n| f64::from(n) / 1e3).collect()).expect("there are values");
    assert_eq!([p50, p99, p999, max], [500.0, 990.0, 999.0, 1_000.0]);
    assert_eq!(Percentiles::of(vec![0.007]).expect("there is a value").p50, 7.0);
    assert!(Percentiles::of(Vec::new()).is_none());
}

#[test]
fn a_median_lies_between_the_two_in_the_middle() {
    let spread = Spread::of([4.0, 1.0, 2.0, 9.0]);
    assert_eq!(spread, Some(Spread { median: 3.0, least: 1.0, most: 9.0 }));
    assert_eq!(Spread::of([]), None);
}

#[test]
fn a_rate_is_that_of_the_steady_part() {
    // A slow start and a slow end, each a tenth; a thousand per second in between.
    let times = [0.0, 5.0, 5.8, 15.8];
    let points: Vec<(f64, usize)> = times.into_iter().zip([0, 100, 900, 1_000]).collect();
    assert!((steady_rate(&points, 1.0) - 1_000.0).abs() < 1e-6);
    assert!((steady_rate(&points, 2.0) - 500.0).abs() < 1e-6, "two of the count make a request");
    assert!(steady_rate(&[(0.0, 1), (0.0, 2)], 1.0).is_nan(), "at one instant there is no rate");
    assert!(steady_rate(&[], 1.0).is_nan());
}

#[test]
fn a_row_whose_backlog_grows_has_not_kept_up() {
    let every = 0.001;
    let slow = |n: usize| Some(n as f64 * every);
    let (behind, kept) = kept_up(&(0..10_000).map(slow).collect::<Vec<_>>(), every);
    assert!(!kept && behind > 4_000, "at half the rate half of them are behind, not {behind}");

    let late: Vec<Option<f64>> = vec![Some(0.5); 10_000];
    let (behind, kept) = kept_up(&late, every);
    assert!(kept && (499..=501).contains(&behind), "half a second late all along, {behind} behind");

    let lost: Vec<Option<f64>> = (0..10_000).map(|n| (n != 5_000).then_some(0.001)).collect();
    assert!(!kept_up(&lost, every).1, "one never came");
}

#[test]
fn a_target_is_judged_by_one_part_alone() {
    let mut parts = everything();
    assert_eq!(target(&parts, EMAIL), ["≥ 0.60", "0.50", "**missed by 16.7 %**", OLD]);
    parts.email = part(NEW, rates(Medium::Email, &[("postrider", 5_000.0)]));
    assert_eq!(target(&parts, EMAIL), ["≥ 0.60", "–", "not measured", "–"], "the limit is another run's");
    assert_eq!(target(&parts, TIMES_PREFORK), ["≥ 10.0", "–", "not measured", "–"]);

    parts.sms = part(NEW, rates(Medium::Sms, &[("postrider", 9_000.0), ("celery-prefork", 450.0)]));
    assert_eq!(target(&parts, TIMES_PREFORK), ["≥ 10.0", "20.0", "met", NEW]);

    let beside = "rate with 1,000,000 requests waiting, of that with none";
    assert_eq!(target(&parts, beside), ["≥ 0.95", "0.88", "**missed by 7.9 %**", OLD]);
    parts.waiting = part(NEW, vec![waiting(1_000_000, 7_000.0)]);
    assert_eq!(target(&parts, beside), ["≥ 0.95", "–", "not measured", "–"]);
}

#[test]
fn who_does_not_keep_up_has_no_latency_to_be_compared_with() {
    let mut parts = everything();
    assert_eq!(target(&parts, AGAINST_PEERS), ["did not keep up", "12.0", "met", NEW]);
    parts.latency = part(NEW, vec![latency("postrider", Some(12.0)), latency("node", Some(8.0))]);
    assert_eq!(target(&parts, AGAINST_PEERS), ["≤ 8.0", "12.0", "**missed by 50.0 %**", NEW]);
    parts.latency = part(NEW, vec![latency("postrider", None), latency("node", None)]);
    assert_eq!(target(&parts, AGAINST_PEERS), ["did not keep up", "did not keep up", "**missed**", NEW]);
    parts.latency = None;
    assert_eq!(target(&parts, AGAINST_PEERS), ["–", "–", "not measured", "–"]);
}

#[test]
fn the_http_entrance_stands_beside_amqp_with_what_a_call_waited() {
    let page = page(&everything(), "");
    let line = page.lines().find(|line| line.starts_with("| HTTP, 64 calls at once")).expect("it is shown");
    assert!(line.contains("| 2000 | 0.25 |"), "{line}");
    assert!(line.ends_with("| 7.00 | 7.00 |"), "{line}");
}

#[test]
fn memory_is_the_highest_of_all_parts() {
    let mut parts = everything();
    assert_eq!(target(&parts, MEMORY), ["≤ 100", "120", "**missed by 20.0 %**", OLD]);
    parts.drain = part(NEW, vec![drain(40.0)]);
    assert_eq!(target(&parts, MEMORY)[1..3], ["50", "met"]);
}

#[test]
fn a_run_replaces_only_what_it_measured() {
    let mut parts = everything();
    parts.take(Parts { drain: part(NEW, vec![drain(40.0)]), ..Parts::default() });
    let commits = [&parts.drain.expect("was taken").origin, &parts.bloat.expect("was kept").origin];
    assert_eq!(commits.map(|origin| origin.commit.as_str()), [NEW, OLD]);
}

#[test]
fn the_page_says_where_each_part_comes_from() {
    let page = page(&everything(), "the notes");
    let section = |title: &str| {
        let from = page.find(&format!("\n## {title}")).expect("the section is there");
        page[from + 1..].split("\n## ").next().unwrap_or_default()
    };
    assert!(section("SMS, to *sent*").contains(&format!("Measured at {NEW} on 1970-01-02.")));
    let hint = format!("Measured at {OLD} on 1970-01-01; **other parts are newer** ({NEW}).");
    for title in
        ["Email, to *sent*", "Growth: 3 claims", "Growth: SMS, to *sent*, of messages", "Growth: tables"]
    {
        assert!(section(title).contains(&hint), "{}", section(title));
    }
    assert!(section("What did not work").contains("- node fell over"));
    assert!(page.ends_with("\nthe notes"));
    assert!(
        !section("Growth: 1,000 SMS, to *sent*, beside requests").contains("round trips"),
        "nobody counted them"
    );
}

#[test]
fn a_part_names_its_peers_settings_where_the_sweep_shown_kept_others() {
    let mut parts = everything();
    let set = |part: &mut Option<Part<Vec<_>>>, setting: &str| {
        part.as_mut().expect("was measured").peers = vec![setting.to_owned()];
    };
    set(&mut parts.sms, "node CONCURRENCY=256");
    parts.sweep.as_mut().expect("was measured").peers = vec!["node CONCURRENCY=64".to_owned()];
    let hint = "Other settings than those kept below: node CONCURRENCY=256.";
    assert!(page(&parts, "").contains(hint));
    set(&mut parts.sms, "node CONCURRENCY=64");
    assert!(!page(&parts, "").contains("Other settings"));
}

#[test]
fn what_is_kept_is_shown_as_it_was() {
    let parts = everything();
    let json = serde_json::to_string(&parts).expect("parts become JSON");
    let read: Parts = serde_json::from_str(&json).expect("and come back");
    assert_eq!(page(&read, ""), page(&parts, ""));
    assert_eq!(picture(&read), picture(&parts));
    assert!(picture(&parts).contains(">did not keep up</text>"));
}

#[test]
fn an_error_on_the_page_names_no_path_and_no_address() {
    let error = "install: \"/home/me/run\" said | (https://packages.example/x) is away\nand more";
    assert_eq!(plain(error), "install: … said / … is away");
}
