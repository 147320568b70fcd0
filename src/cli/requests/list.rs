//! `postrider requests list`: the list of requests, newest first.
//!
//! The columns are stable: sent to, address, medium, sent by, date sent, status, retries (follow-ups), attempts, reason,
//! and the id of the request. JSON has one object per request with the same in snake case.

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use crate::{
    cli::{
        lookup,
        output::{self, Table, time},
    },
    requests::views::{
        page,
        status_text::{StatusText, address, quarantined, sent_by},
        summary::{RequestSummary, states_of},
    },
};
use postrider_domain::{ids::Medium, lifecycle::Status};
use postrider_ledger::{
    Ledger,
    list::{ListFilter, ListRow},
};

/// List requests, newest first.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only requests of the company with this slug.
    #[arg(long, value_name = "SLUG")]
    company: Option<String>,
    /// Only requests with this status; several separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = status_parser())]
    status: Vec<Status>,
    /// Most requests to list.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Continue before this request, the last one of the previous list.
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self, ledger: &Ledger) -> anyhow::Result<()> {
        let filter = ListFilter {
            company: lookup::optional_company_id(ledger, self.company.as_deref()).await?,
            states: states_of(&self.status),
            ..ListFilter::default()
        };
        let (mut rows, mut next) = (Vec::new(), self.before);
        // A page may be short; the list is filled up to the limit.
        loop {
            let page = page::fetch_page(ledger, &filter, next, self.limit - rows.len() as i64).await?;
            rows.extend(page.rows);
            next = page.next;
            if next.is_none() || rows.len() as i64 >= self.limit {
                break;
            }
        }
        if self.json {
            let lines: Vec<RequestSummary> = rows.into_iter().map(RequestSummary::from).collect();
            return output::json(&lines);
        }
        table(&rows, postrider_clock::wall()).print()?;
        if let Some(next) = next {
            eprintln!("there may be more requests; continue with --before {next}");
        }
        Ok(())
    }
}

fn status_parser() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str))
        .map(|word| Status::parse(&word).expect("only the words of statuses are possible values"))
}

fn table(rows: &[ListRow], now: DateTime<Utc>) -> Table<10> {
    let mut table = Table::new([
        "Sent to",
        "Address",
        "Medium",
        "Sent by",
        "Date sent",
        "Status",
        "Retries",
        "Attempts",
        "Reason",
        "Request",
    ]);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    for row in rows {
        let status = StatusText {
            state: row.state,
            paused: row.paused,
            quarantined: quarantined(row.reason.as_deref()),
            attempts: i16::try_from(row.attempts).unwrap_or(i16::MAX),
            due_at: Some(row.due_at),
        };
        table.row([
            text(row.customer.name.as_deref()),
            text(address(&row.customer, row.medium)),
            text(row.medium.map(Medium::as_str)),
            text(sent_by(&row.employee)),
            row.sent_at.map(time).unwrap_or_default(),
            with_answer(status.text(now), row.answered_at),
            row.follow_ups.to_string(),
            row.attempts.to_string(),
            text(row.reason.as_deref()),
            row.id.to_string(),
        ]);
    }
    table
}

/// The status, and whether the customer has answered.
fn with_answer(status: String, answered_at: Option<DateTime<Utc>>) -> String {
    match answered_at {
        Some(_) => format!("{status}, answered"),
        None => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use clap::Parser;
    use postrider_domain::{
        ids::MessageId,
        job::{Customer, Employee},
        lifecycle::State,
    };

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        list: List,
    }

    fn row(state: State) -> ListRow {
        let now = DateTime::UNIX_EPOCH;
        ListRow {
            id: Uuid::from_u128(7),
            message: MessageId(Uuid::from_u128(7)),
            company: "acme".into(),
            customer: Customer {
                name: Some("Jane Doe".into()),
                email: Some("jane@x.example".into()),
                phone: Some("+15550100".into()),
                custom_id: None,
            },
            employee: Employee { email: None, custom_id: Some("e-7".into()) },
            medium: Some(Medium::Sms),
            state,
            reason: None,
            attempts: 2,
            follow_ups: 1,
            paused: false,
            sent_at: Some(now),
            delivered_at: None,
            answered_at: None,
            due_at: now - Duration::hours(1),
            brand: "gold".into(),
            channel: "phone".into(),
            ext_interaction_id: None,
            source: 0,
            test: false,
            created_at: now,
        }
    }

    #[test]
    fn the_table_has_the_columns_that_people_know() {
        assert_eq!(
            table(&[row(State::Delivered)], DateTime::UNIX_EPOCH).render(false),
            "Sent to   Address    Medium  Sent by  Date sent             Status     Retries  Attempts  Reason  Request\n\
             Jane Doe  +15550100  sms     e-7      1970-01-01T00:00:00Z  delivered        1         2  -       \
             00000000-0000-0000-0000-000000000007\n"
        );
    }

    #[test]
    fn a_completed_request_shows_as_such() {
        let row = ListRow { answered_at: Some(DateTime::UNIX_EPOCH), ..row(State::Delivered) };
        assert!(table(&[row], DateTime::UNIX_EPOCH).render(false).contains("delivered, answered"));
    }

    #[test]
    fn programs_get_stable_keys() {
        let line = serde_json::to_value(RequestSummary::from(row(State::Unknown))).expect("plain data");
        let keys: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(
            keys,
            [
                "address",
                "answered_at",
                "attempts",
                "brand",
                "channel",
                "company",
                "created_at",
                "date_sent",
                "delivered_at",
                "detail",
                "ext_interaction_id",
                "first_due_at",
                "medium",
                "paused",
                "reason",
                "request_id",
                "retries",
                "sent_by",
                "sent_to",
                "source",
                "status",
                "test",
            ]
        );
        assert_eq!((line["status"].as_str(), line["detail"].as_str()), (Some("queued"), Some("unknown")));
    }

    #[test]
    fn a_status_word_stands_for_all_its_states() {
        assert_eq!(states_of(&[Status::Queued]), [State::Waiting, State::Sending, State::Unknown]);
        assert_eq!(
            states_of(&[Status::Failed, Status::Sent]),
            [State::Sent, State::PresumedFailed, State::Failed]
        );
        assert!(states_of(&[]).is_empty(), "none wanted means all");
    }

    #[test]
    fn statuses_may_be_repeated_and_an_unknown_one_is_refused_by_name() {
        let parsed =
            Command::try_parse_from(["x", "--status", "queued", "--status", "failed,sent"]).expect("parses");
        assert_eq!(parsed.list.status, [Status::Queued, Status::Failed, Status::Sent]);
        let error = Command::try_parse_from(["x", "--status", "lost"]).expect_err("is refused");
        assert!(error.to_string().contains("suppressed"), "{error}");
    }
}
