//! `postrider customers`: imports customers of a company from a CSV file.
//!
//! Imported customers are recognised like those of connectors and of manual requests (`ledger::customers`): a row
//! completes and corrects a known customer, and adds an unknown one. All rows are imported or none; the audit entry holds
//! their number only, because they are personal data.

use std::path::PathBuf;

use crate::{
    cli::{input, lookup, output},
    config::Config,
    csv_rows::{Columns, Row, each_row},
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

const COLUMNS: Columns = Columns {
    read: &["custom_id", "social_id", "name", "email", "phone", "country"],
    required: &["custom_id", "social_id", "email", "phone"],
    ignored: &[],
};

/// Import customers of a company.
#[derive(Debug, clap::Subcommand)]
pub enum Customers {
    /// Import the customers of a CSV file, all or none; later jobs may name them without an address.
    Import {
        /// The company's slug.
        company: String,
        /// CSV file, or `-` for standard input. Its heading names custom_id, social_id (as in facebook:4711), name,
        /// email, phone, country, or some of them.
        file: PathBuf,
        /// Only check the file; nothing is written.
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
        let ledger = lookup::ledger(&config).await?;
        let keys = worker::keys(&config)?;
        let company = lookup::company_id(&ledger, &company).await?;
        let bytes = input::read_csv(&file)?;
        let mut problems = Problems::default();
        let named = customers(&bytes, &mut problems);
        let named = problems
            .settle(Some(named))
            .map_err(|problems| input::problems("nothing was changed", &problems))?;
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
            Some(added) => output::put(&format!("{rows} customers imported, {added} of them new\n")),
            None => output::put(&format!("{rows} customers; nothing was changed\n")),
        }
    }
}

/// The customers of a file in its order: a later row about the same customer corrects an earlier one.
fn customers(bytes: &[u8], problems: &mut Problems) -> Vec<NamedCustomer> {
    let mut named = Vec::new();
    each_row(bytes, &COLUMNS, problems, |row, problems| named.extend(customer(row, problems)));
    named
}

/// The customer of one row, by the rules for the customer of a job.
fn customer(row: &Row<'_>, problems: &mut Problems) -> Option<NamedCustomer> {
    let cells = COLUMNS.read.iter().enumerate();
    let written = cells
        .filter_map(|(column, name)| Some(((*name).to_owned(), Node::Text(row.cell(column)?.to_owned()))));
    let node = Node::Object(written.collect());
    let fields = Fields::open(&row.place, &node, COLUMNS.read, problems)?;
    if COLUMNS.required.iter().all(|name| fields.get(name).is_none()) {
        let message = format!("give at least one of {}", COLUMNS.required.join(", "));
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

/// A social id as connectors write it: the channel in lower case, a colon, and the id within the channel.
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
