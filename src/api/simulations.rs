//! `POST /v1/simulations`: a backtest of the last days' requests under changed settings.
//!
//! It writes nothing. It reads through the pool of lists, a few backtests at a time in each worker, within limits of
//! requests and time; the command line runs larger ones.

use std::{sync::Arc, time::Duration};

use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Caller, Problem, Scope, extract, problem::FieldProblem};
use crate::backtest::{BacktestError, BacktestLimits, BacktestQuery, DAYS_MAX, run_backtest};
use postrider_domain::{
    backtest::BacktestReport,
    company::{Company, Policy, file, json},
    document::{self, node::Node},
};

const LIMITS: BacktestLimits = BacktestLimits { requests_max: 50_000, timeout: Duration::from_secs(20) };
const DAYS_DEFAULT: u32 = 30;
const BUSY_SECS: u64 = 5;
const REMEDY: &str = "ask for fewer days, or run `postrider simulate-rules`";

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(simulated))
}

/// The settings to replay: `changes`, `company`, or neither for those in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulationRequest)]
struct BacktestRequest {
    /// How many days to go back; 30 where it is left out.
    #[schema(minimum = 1, maximum = 366)]
    days: Option<u32>,
    /// A merge patch (RFC 7396) of the company's settings, as in `{"suppression_days": 60}`.
    #[schema(value_type = Option<Object>)]
    changes: Option<Node>,
    /// The company's whole changed settings; team members are ignored.
    #[schema(value_type = Option<Object>)]
    company: Option<Node>,
}

/// Replays the requests of the last days in order under changed settings and counts how many would have been
/// sent or not, by reason, brand and week, with samples. Nothing is written.
#[utoipa::path(post, path = "/v1/simulations", tag = "simulations", request_body = BacktestRequest,
    responses((status = 200, description = "The outcomes under the changed settings", body = BacktestReport)))]
async fn simulated(
    axum::extract::State(api): axum::extract::State<Arc<ApiState>>,
    caller: Caller,
    extract::Json(request): extract::Json<BacktestRequest>,
) -> Result<Json<BacktestReport>, Problem> {
    caller.require(Scope::Read)?;
    let days = request.days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        let message = format!("give a number from 1 to {DAYS_MAX}");
        return Err(Problem::unprocessable([FieldProblem::new("days", "out_of_range", message)]));
    }
    let snapshot = api.company_cache.snapshot();
    let current: Company =
        snapshot.company_by_id(caller.company).map(|one| (**one).clone()).ok_or_else(Problem::not_found)?;
    let changed = changed(&current, &request)?;
    let Ok(_permit) = api.simulations.try_acquire() else { return Err(Problem::unavailable(BUSY_SECS)) };
    let question = BacktestQuery { current, changed, days };
    match run_backtest(&api.reads, &api.keys.identity, &question, LIMITS, |_, _| {}).await {
        Ok(report) => Ok(Json(report)),
        Err(BacktestError::Ledger(error)) => Err(error.into()),
        Err(error @ BacktestError::TooManyRequests { .. }) => Err(refused("too_many_requests", &error)),
        Err(error @ BacktestError::TooSlow { .. }) => Err(refused("too_slow", &error)),
    }
}

fn refused(code: &str, error: &BacktestError) -> Problem {
    Problem::unprocessable([FieldProblem::new("days", code, format!("{error}; {REMEDY}"))])
}

fn changed(current: &Company, request: &BacktestRequest) -> Result<Policy, Problem> {
    let read = match (&request.changes, &request.company) {
        (None, None) => return Ok(current.policy.clone()),
        (Some(changes), None) => ("changes", json::read_patched(&current.policy, None, changes)),
        (None, Some(company)) => ("company", file::read(company)),
        (Some(_), Some(_)) => {
            let message = "give either changes or company";
            return Err(Problem::unprocessable([FieldProblem::new("company", "one_too_many", message)]));
        }
    };
    let (field, read) = read;
    let within = |problem: document::Problem| {
        let path =
            if problem.path.is_empty() { field.to_owned() } else { format!("{field}.{}", problem.path) };
        FieldProblem::new(path, &problem.code, problem.message)
    };
    let policy = read.map_err(|problems| Problem::unprocessable(problems.into_iter().map(within)))?.policy;
    if policy.slug != current.policy.slug {
        let message = "the slug must be that of the key's company";
        return Err(Problem::unprocessable([FieldProblem::new(
            format!("{field}.slug"),
            "other_company",
            message,
        )]));
    }
    Ok(policy)
}
