//! Simulations: today's policy gives history again, and a changed one what it would really have made.
//!
//! The histories are real: the worker accepted, sent, was refused, expired and was overtaken.

mod history;

use crate::support::sql::with_states;
use std::{collections::BTreeMap, time::Duration};

use postrider::backtest::{BacktestError, BacktestLimits, BacktestQuery, run_backtest};
use postrider_domain::{
    backtest::{BacktestReport, report::Standing},
    company::{Binding, Company, Policy, SuppressionScope},
    ids::{CompanyId, Medium},
};

use crate::support::TestEnv;
use history::History;

type Change = fn(&mut Policy);

const BOUNDS: BacktestLimits = BacktestLimits { requests_max: 100_000, timeout: Duration::from_secs(60) };

fn bound(policy: &mut Policy) {
    let binding = |name: &str, test| Binding { user: format!("{}-{name}", policy.slug), test };
    policy.bindings = vec![binding("crm", false), binding("staging", true)];
    policy.suppression_days = 7;
    policy.test_email = Some("tests@blancapeak.example".to_owned());
    for channel in &mut policy.channels {
        if channel.name == "chat" {
            channel.delay_secs = Some(7_200);
        }
    }
}

async fn company(env: &TestEnv, id: CompanyId) -> Company {
    let companies = env.ledger.companies().await.expect("asked");
    companies.into_iter().find(|company| company.id == id).expect("the company is there")
}

async fn asked(env: &TestEnv, id: CompanyId, days: u32, change: impl FnOnce(&mut Policy)) -> BacktestReport {
    let current = company(env, id).await;
    let mut changed = current.policy.clone();
    change(&mut changed);
    let question = BacktestQuery { current, changed, days };
    run_backtest(&env.ledger, &env.keys.identity, &question, BOUNDS, |_, _| {}).await.expect("an answer")
}

/// Requests of a company by what became of them, as the ledger says: (went out, reason) → count.
async fn truth(env: &TestEnv, id: CompanyId, days: f64) -> BTreeMap<(bool, String), i64> {
    let rows: Vec<(bool, String, i64)> = sqlx::query_as(with_states(
        "select went_out, case when went_out then '' else coalesce(m.reason, '') end, count(*)
         from request r join message m on m.id = r.id, lateral (select m.may_have_been_sent
            or m.state in ({Waiting}, {Sending}, {Unknown}, {Sent}, {Delivered}) as went_out) o
         where r.company = $1 and not r.test and r.created_at >= now() - make_interval(secs => $2 * 86400)
         group by 1, 2",
    ))
    .bind(id.0)
    .bind(days)
    .fetch_all(&env.pool)
    .await
    .expect("asked");
    rows.into_iter().map(|(sent, reason, count)| ((sent, reason), count)).collect()
}

fn told(report: &BacktestReport, after: bool) -> BTreeMap<(bool, String), i64> {
    let counts = if after { report.after } else { report.before };
    let mut told = BTreeMap::from([((true, String::new()), (counts.sent + counts.waiting) as i64)]);
    for line in &report.by_reason {
        let count = if after { line.after } else { line.before };
        told.insert((false, line.reason.clone()), count as i64);
    }
    told.retain(|_, count| *count > 0);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_policy_gives_a_rich_history_again_request_by_request() {
    let env = TestEnv::new().await;
    let id = env.company("blanca", bound).await;
    for person in 0..2 {
        env.simulator.set_recipient_fault(&format!("+1415555{:04}", 3_000 + person), "invalid");
    }
    let worker = env.worker_with("database.intake_connections = 8").await;
    History::new(&env, &worker, &[("blanca", id)], 7).unfold().await;

    for days in [366, 30, 12] {
        let report = asked(&env, id, days, |_| {}).await;
        assert_eq!(report.not_replayable, [], "of {days} days");
        assert_eq!(report.samples, [], "of {days} days");
        assert_eq!(report.changed, Default::default());
        assert_eq!(told(&report, false), truth(&env, id, f64::from(days)).await, "of {days} days");
        assert_eq!(told(&report, true), told(&report, false));
    }
    // The history is as rich as its name says.
    let seen = truth(&env, id, 366.0).await;
    for reason in [
        "suppression_period",
        "do_not_send",
        "unsubscribed",
        "stop",
        "expired",
        "overtaken",
        "recipient_refused",
    ] {
        assert!(seen.contains_key(&(false, reason.to_owned())), "{reason} is not in {seen:?}");
    }
    let (recoveries, raced, late): (i64, i64, i64) = sqlx::query_as(
        with_states(r#"select count(*) filter (where r.original_request is not null),
            count(*) filter (where m.state = {Suppressed} and m.ended_at = r.created_at and r.decision like '{"verdict":"send"%'),
            count(*) filter (where m.begun_at > r.created_at + interval '1 day')
         from request r join message m on m.id = r.id"#),
    )
    .fetch_one(&env.pool)
    .await
    .expect("asked");
    assert!(recoveries > 0 && raced > 0 && late > 0, "{recoveries} recoveries, {raced} races, {late} late");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_gives_what_it_really_makes_of_the_same_jobs() {
    let changes: [(&str, Change); 3] = [
        ("shorter", |policy| policy.suppression_days = 3),
        ("longer", |policy| policy.suppression_days = 14),
        ("brands", |policy| {
            policy.suppression_scope = SuppressionScope::Brand;
            policy.medium_preference = vec![Medium::Sms];
        }),
    ];
    let env = TestEnv::new().await;
    let mut companies = vec![("blanca", env.company("blanca", bound).await)];
    for (slug, change) in changes {
        let changed = |policy: &mut Policy| {
            bound(policy);
            change(policy);
        };
        companies.push((slug, env.company(slug, changed).await));
    }
    // Mailgun's receipts go to the first company alone; the others' are looked up.
    let worker = env.worker_with("receipts.email_looks_secs = [0.3, 20.0]").await;
    let mut past = History::new(&env, &worker, &companies, 11);
    past.plain(false).await;

    let id = companies[0].1;
    for ((slug, change), (_, twin)) in changes.iter().zip(&companies[1..]) {
        let report = asked(&env, id, 366, change).await;
        assert_eq!(report.not_replayable, [], "{slug}");
        let mut simulated = told(&report, true);
        // Jobs that would have been refused never became a request there.
        simulated.retain(|(_, reason), _| reason != "no_address");
        assert_eq!(simulated, truth(&env, *twin, 366.0).await, "{slug}");
        assert!(!report.samples.is_empty() && !report.changes.is_empty(), "{slug}");
        let sent_before = (report.before.sent + report.before.waiting) as i64;
        let sent_after = (report.after.sent + report.after.waiting) as i64;
        let difference = report.changed.newly_sent as i64 - report.changed.no_longer_sent as i64;
        assert_eq!(sent_after - sent_before, difference, "{slug}");
        let weeks: u64 = report.by_week.iter().map(|week| week.after.sent + week.after.not_sent).sum();
        let brands: u64 = report.by_brand.iter().map(|brand| brand.after.sent + brand.after.not_sent).sum();
        assert_eq!((weeks, brands), (report.after.sent + report.after.not_sent, weeks), "{slug}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_changed_policy_would_refuse_or_time_otherwise_is_counted_by_its_own_reason() {
    let env = TestEnv::new().await;
    let id = env.company("blanca", bound).await;
    let worker = env.worker().await;
    History::new(&env, &worker, &[("blanca", id)], 3).plain(true).await;

    let off = asked(&env, id, 366, |policy| policy.channels.retain(|channel| channel.name != "chat")).await;
    let rejected = off.by_reason.iter().find(|line| line.reason == "unknown_channel").expect("some are");
    assert_eq!((rejected.before, rejected.after), (0, off.after.rejected));
    let sample = off.samples.iter().find(|sample| sample.after.standing == Standing::Rejected);
    assert!(sample.is_some_and(|sample| !sample.before.goes_out() || sample.after.reason.is_some()));

    let later = asked(&env, id, 366, |policy| policy.delay_secs = 60).await;
    assert!(later.changed.other_time > 0, "{:?}", later.changed);
    let never = asked(&env, id, 366, |policy| policy.suppression_days = 0).await;
    assert!(never.by_reason.iter().all(|line| line.reason != "suppression_period" || line.after == 0));
    assert_eq!(never.changed.no_longer_sent, 0);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_is_left_out_and_said() {
    let env = TestEnv::new().await;
    let id = env.company("blanca", bound).await;
    let worker = env.worker().await;
    let mut past = History::new(&env, &worker, &[("blanca", id)], 5);
    past.expire_one().await;
    let longer = asked(&env, id, 30, |policy| policy.expires_after_secs = 30 * 86_400).await;
    let why: Vec<&str> = longer.not_replayable.iter().map(|one| one.why).collect();
    assert_eq!((why, longer.requests), (vec!["expiry_extended"], 1));
    assert_eq!(longer.before, Default::default());

    // Decided by something that is not stored: as if a block had gone lost.
    past.plain(true).await;
    let broken = sqlx::query(
        r#"update request set decision = replace(decision, '{"suppress":"do_not_send"}', '{"suppress":"stop"}')
        where id = (select id from message where reason = 'do_not_send' order by id limit 1)"#,
    );
    assert_eq!(broken.execute(&env.pool).await.expect("changed").rows_affected(), 1);
    let report = asked(&env, id, 366, |_| {}).await;
    let why: Vec<_> = report.not_replayable.iter().map(|one| (one.why, one.requests)).collect();
    assert_eq!(why, [("history_differs", 1)]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_keeps_its_bounds() {
    let env = TestEnv::new().await;
    let id = env.company("blanca", bound).await;
    let worker = env.worker().await;
    History::new(&env, &worker, &[("blanca", id)], 5).plain(true).await;
    let current = company(&env, id).await;
    let question = BacktestQuery { changed: current.policy.clone(), current, days: 366 };
    let few = BacktestLimits { requests_max: 3, ..BOUNDS };
    let refused = run_backtest(&env.ledger, &env.keys.identity, &question, few, |_, _| {}).await;
    assert!(matches!(refused, Err(BacktestError::TooManyRequests { max: 3 })), "{refused:?}");
    let short = BacktestLimits { timeout: Duration::ZERO, ..BOUNDS };
    let refused = run_backtest(&env.ledger, &env.keys.identity, &question, short, |_, _| {}).await;
    assert!(matches!(refused, Err(BacktestError::TooSlow { .. })), "{refused:?}");
    env.nothing_left(worker).await;
}
