//! `postrider customers`: customers whom a company knows from elsewhere, brought in from a file.
//!
//! They are recognised as recipes and people's requests recognise them (`ledger::customers`): a row
//! completes and corrects a customer who is known, and makes one who is not. All rows or none, on record by
//! count alone: who they are is nobody's to read in an audit.

use std::path::PathBuf;

use anyhow::ensure;

use crate::{
    cli::output,
    config::Config,
    csv_rows::{BYTES_MAX, Columns, Row, each_row},
    worker,
};
use postrider_domain::{
    address::normalise_phone,
    country::normalise_country,
    document::{
        fields::{Fields, LABEL_CHARS_MAX, Problems},
        node::Node,
    },
    job::parse::{read_email, read_name},
};
use postrider_ledger::{audit::Actor, customers::NamedCustomer};

use crate::cli::{blocks::all, publish::read, requests::company_of};

const COLUMNS: Columns = Columns {
    read: &["custom_id", "social_id", "name", "email", "phone", "country"],
    required: &["custom_id", "social_id", "email", "phone"],
    ignored: &[],
};

/// Bring in customers.
#[derive(Debug, clap::Subcommand)]
pub enum Customers {
    /// Take up the customers of a CSV file, all of them or none: jobs that name one go to their addresses.
    Import {
        /// The company's slug.
        company: String,
        /// File with a heading of custom_id, social_id (as in facebook:4711), name, email, phone, country, or
        /// some of them; `-` for standard input.
        file: PathBuf,
        /// Only check; nothing is written.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Customers {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let Customers::Import { company, file, dry_run, json } = self;
        let ledger = worker::admin_ledger(&config)?;
        ledger.check_schema().await?;
        let keys = worker::keys(&config)?;
        let company = company_of(&ledger, &company).await?;
        let bytes = read(&file)?;
        ensure!(bytes.len() <= BYTES_MAX, "the file is larger than {BYTES_MAX} bytes; split it");
        let mut problems = Problems::default();
        let named = customers(&bytes, &mut problems);
        let named = problems.settle(Some(named)).map_err(|problems| all(&problems))?;
        let rows = named.len();
        let added = match dry_run || named.is_empty() {
            true => None,
            false => {
                let actor = Actor::at_the_command_line();
                Some(ledger.import_customers(company, &named, &keys.identity, &actor).await?)
            }
        };
        if json {
            return output::json(&serde_json::json!({ "dry_run": dry_run, "rows": rows, "added": added }));
        }
        match added {
            Some(added) => output::put(&format!("{rows} customers are known, {added} were not before\n")),
            None => output::put(&format!("{rows} customers; nothing was changed\n")),
        }
    }
}

/// The customers of a file in its order: of two rows about one, the later corrects.
fn customers(bytes: &[u8], problems: &mut Problems) -> Vec<NamedCustomer> {
    let mut named = Vec::new();
    each_row(bytes, &COLUMNS, problems, |row, problems| named.extend(customer(row, problems)));
    named
}

/// By the rules of a job's customer.
fn customer(row: &Row<'_>, problems: &mut Problems) -> Option<NamedCustomer> {
    let cells = COLUMNS.read.iter().enumerate();
    let written = cells
        .filter_map(|(column, name)| Some(((*name).to_owned(), Node::Text(row.cell(column)?.to_owned()))));
    let node = Node::Object(written.collect());
    let fields = Fields::open(&row.place, &node, COLUMNS.read, problems)?;
    if COLUMNS.required.iter().all(|name| fields.get(name).is_none()) {
        let message = format!("give one of {}", COLUMNS.required.join(", "));
        problems.add(&row.place, "missing", message);
    }
    Some(NamedCustomer {
        custom_id: fields.text("custom_id", LABEL_CHARS_MAX, problems),
        social_id: social_id(&fields, problems),
        name: read_name(&fields, "name", problems),
        email: read_email(&fields, "email", problems),
        phone: phone(&fields, problems),
    })
}

/// As recipes write it: the channel in lower case, a colon, and the channel's own id.
fn social_id(fields: &Fields, problems: &mut Problems) -> Option<String> {
    let text = fields.text("social_id", LABEL_CHARS_MAX, problems)?;
    match text.split_once(':') {
        Some((channel, id)) if !channel.is_empty() && !id.is_empty() => {
            Some(format!("{}:{id}", channel.to_lowercase()))
        }
        _ => {
            let message = "write it with its channel, as in facebook:4711";
            problems.add(fields.at("social_id"), "bad_id", message);
            None
        }
    }
}

fn phone(fields: &Fields, problems: &mut Problems) -> Option<String> {
    let country = fields.text("country", LABEL_CHARS_MAX, problems).and_then(|text| {
        let country = normalise_country(&text);
        if country.is_none() {
            let message = "give the ISO 3166-1 alpha-2 code, as in CA or GB";
            problems.add(fields.at("country"), "bad_country", message);
        }
        country
    });
    let text = fields.text("phone", LABEL_CHARS_MAX, problems)?;
    let phone = normalise_phone(&text, country.as_deref());
    phone.map_err(|problem| problems.add(fields.at("phone"), "bad_address", problem.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<NamedCustomer>, Vec<(String, String)>> {
        let mut problems = Problems::default();
        let named = customers(text.as_bytes(), &mut problems);
        let found = |problems: Vec<postrider_domain::document::Problem>| {
            problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
        };
        problems.settle(Some(named)).map_err(found)
    }

    #[test]
    fn a_customer_is_read_by_the_rules_of_a_jobs_customer() {
        let text = "custom_id,social_id,name,email,phone,country\n\
                    C-1,Facebook:U-1, Jane  Customer,Jane@Example.COM,(415) 555-2671,us\n\
                    ,,,,+14155552672,\n";
        let named = read_text(text).expect("is valid");
        let text = |text: &str| Some(text.to_owned());
        let jane = NamedCustomer {
            custom_id: text("C-1"),
            social_id: text("facebook:U-1"),
            name: text("Jane Customer"),
            email: text("Jane@example.com"),
            phone: text("+14155552671"),
        };
        assert_eq!(named, [jane, NamedCustomer { phone: text("+14155552672"), ..NamedCustomer::default() }]);
    }

    #[test]
    fn every_problem_is_named_by_its_line_and_column() {
        let text = "custom_id,name,email,phone,country,social_id\n,Jane,,,,\nC-1,,nobody,1,xx,4711\n";
        let found = read_text(text).expect_err("is refused");
        let pair = |path: &str, code: &str| (path.to_owned(), code.to_owned());
        assert_eq!(
            found,
            [
                pair("line 2", "missing"),
                pair("line 3.social_id", "bad_id"),
                pair("line 3.email", "bad_address"),
                pair("line 3.country", "bad_country"),
                pair("line 3.phone", "bad_address"),
            ]
        );
        assert_eq!(read_text("name\nJane\n").expect_err("is refused")[0].1, "missing");
    }
}
