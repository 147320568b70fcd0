//! `postrider blocks`: addresses that may not be written to; looked up, blocked and lifted, or in bulk.
//!
//! The same as the API's `/v1/blocks`, by the same functions and on record like it. An address is printed
//! only where a person blocked it by hand. What a customer asked for (STOP, unsubscribe, complaint) is
//! lifted only by who says that they know it. A command that could not do its work ends with status 1.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use uuid::Uuid;

use crate::{
    blocks::{
        bulk::{self, HEADING, PAGE},
        input::{BlockInput, parse_address, parse_kinds, parse_medium, parse_reason},
        view::BlockView,
    },
    cli::output::{self, Table, time},
    config::Config,
    csv_rows::BYTES_MAX,
    worker,
};
use postrider_domain::{
    document::{Problem, fields::Problems},
    hash_keys::IdentityKey,
    ids::{CompanyId, Medium},
};
use postrider_ledger::{
    Ledger,
    audit::Actor,
    manual_blocks::{BlockFilter, Lift, Lifted, kind_words},
};

use crate::cli::{publish::read, requests::company_of};

/// Look at blocked addresses, block one, and lift a block.
#[derive(Debug, clap::Subcommand)]
pub enum Blocks {
    /// List blocked addresses, the latest first; with --address, whether that one is blocked.
    List(List),
    /// Block an address by hand.
    Add(Add),
    /// Lift the block of an address.
    Remove(Remove),
    /// Block the addresses of a CSV file, all of them or none.
    Import(Import),
    /// Print everything that is blocked as CSV; addresses only where they were blocked by hand.
    Export {
        /// The company's slug.
        company: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// The company's slug.
    company: String,
    /// Exactly this email address or phone number (+ and country code).
    #[arg(long)]
    address: Option<String>,
    /// Only of this medium.
    #[arg(long, value_parser = ["email", "sms"])]
    medium: Option<String>,
    /// stop, unsubscribed, complained, hard_bounced or blocked_by_hand; several with commas between.
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// Most blocks shown.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// The company's slug.
    company: String,
    /// An email address, or a phone number with + and country code.
    address: String,
    /// Why; kept with the block and on record.
    #[arg(long)]
    reason: String,
    /// Left out: as the address looks.
    #[arg(long, value_parser = ["email", "sms"])]
    medium: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The company's slug.
    company: String,
    /// The blocked address, or the block's id.
    block: String,
    /// Why; kept on record.
    #[arg(long)]
    reason: String,
    /// Which kinds, with commas between; left out: all of them.
    #[arg(long, value_name = "KINDS")]
    kinds: Option<String>,
    /// Left out: as the address looks.
    #[arg(long, value_parser = ["email", "sms"])]
    medium: Option<String>,
    /// The customer asked for the block, and you know that they want it lifted.
    #[arg(long)]
    acknowledge_opt_out: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Import {
    /// The company's slug.
    company: String,
    /// File with a heading (address, and medium and reason where rows give them), or `-` for standard input.
    file: PathBuf,
    /// Of rows that give none.
    #[arg(long, default_value = "")]
    reason: String,
    /// Only check; nothing is written.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Blocks {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        ledger.check_schema().await?;
        let keys = worker::keys(&config)?;
        let slug = match &self {
            Blocks::List(List { company, .. })
            | Blocks::Add(Add { company, .. })
            | Blocks::Remove(Remove { company, .. })
            | Blocks::Import(Import { company, .. })
            | Blocks::Export { company } => company,
        };
        let company = company_of(&ledger, slug).await?;
        let of = CompanyBlocks { ledger: &ledger, keys: &keys.identity, company };
        match self {
            Blocks::List(list) => list.run(&of).await,
            Blocks::Add(add) => add.run(&of).await,
            Blocks::Remove(remove) => remove.run(&of).await,
            Blocks::Import(import) => import.run(&of).await,
            Blocks::Export { .. } => export(&of).await,
        }
    }
}

/// Whose blocks, and how an address of theirs is found.
struct CompanyBlocks<'a> {
    ledger: &'a Ledger,
    keys: &'a IdentityKey,
    company: CompanyId,
}

impl CompanyBlocks<'_> {
    /// The block of an address.
    fn id(&self, address: &str, medium: Option<&str>) -> anyhow::Result<Uuid> {
        let (medium, address) = parse_address(address, medium.and_then(parse_medium)).map_err(refused)?;
        Ok(self.keys.address_hash(self.company, medium, &address))
    }

    async fn page(&self, wish: BlockFilter) -> anyhow::Result<Vec<BlockView>> {
        let rows = self.ledger.blocks_page(self.company, &wish).await?;
        Ok(rows.into_iter().map(BlockView::from).collect())
    }
}

impl List {
    async fn run(self, of: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let id = self.address.as_deref().map(|address| of.id(address, self.medium.as_deref())).transpose()?;
        let medium: Option<Medium> = self.medium.as_deref().and_then(parse_medium);
        let kinds = self.kind.as_deref().map(parse_kinds).transpose().map_err(anyhow::Error::msg)?;
        let wish =
            BlockFilter { id, medium, kinds: kinds.unwrap_or_default(), before: None, max: self.limit };
        let blocks = of.page(wish).await?;
        if self.json {
            return output::json(&blocks);
        }
        match (blocks.is_empty(), id) {
            (true, Some(_)) => output::put("not blocked\n"),
            (true, None) => output::put("nothing is blocked\n"),
            (false, _) => table(&blocks).print(),
        }
    }
}

impl Add {
    async fn run(self, of: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let wanted =
            BlockInput { address: &self.address, medium: self.medium.as_deref(), reason: &self.reason };
        let block = wanted.read(of.keys, of.company).map_err(|problems| all(&problems))?;
        let id = block.id;
        let actor = Actor::at_the_command_line();
        let added = of.ledger.block_manually(of.company, &[block], "cli", &actor).await?;
        if self.json {
            let blocks = of.page(BlockFilter { id: Some(id), max: 1, ..BlockFilter::default() }).await?;
            return output::json(blocks.first().context("somebody lifted it at once")?);
        }
        match added {
            0 => output::put(&format!("{id} was blocked by hand before; the reason is the new one\n")),
            _ => output::put(&format!("{id} is blocked\n")),
        }
    }
}

impl Remove {
    async fn run(self, of: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let id = match Uuid::try_parse(&self.block) {
            Ok(id) => id,
            Err(_) => of.id(&self.block, self.medium.as_deref())?,
        };
        let kinds = self.kinds.as_deref().map(parse_kinds).transpose().map_err(anyhow::Error::msg)?;
        let reason = parse_reason(&self.reason).map_err(refused)?;
        let acknowledged = self.acknowledge_opt_out;
        let lift = Lift { id, kinds: kinds.unwrap_or(i32::MAX), reason: &reason, acknowledged };
        match of.ledger.lift_manually(of.company, &lift, &Actor::at_the_command_line()).await? {
            Lifted::Done { lifted, left } if self.json => {
                output::json(&serde_json::json!({ "lifted": kind_words(lifted), "left": kind_words(left) }))
            }
            Lifted::Done { lifted, left } => output::put(&lifted_text(lifted, left)),
            Lifted::Unknown => bail!("it is not blocked, or not by these kinds; nothing was lifted"),
            Lifted::Unacknowledged { opt_outs } => bail!(
                "the customer asked for it ({}); nothing was lifted; pass --acknowledge-opt-out if you know \
                 that they want messages again, or name the other kinds with --kinds",
                kind_words(opt_outs).join(", ")
            ),
        }
    }
}

impl Import {
    async fn run(self, of: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let bytes = read(&self.file)?;
        ensure!(bytes.len() <= BYTES_MAX, "the file is larger than {BYTES_MAX} bytes; split it");
        let mut problems = Problems::default();
        let blocks = bulk::read(&bytes, &self.reason, of.keys, of.company, &mut problems);
        let blocks = problems.settle(Some(blocks)).map_err(|problems| all(&problems))?;
        let rows = blocks.len();
        let added = match self.dry_run || blocks.is_empty() {
            true => None,
            false => {
                let actor = Actor::at_the_command_line();
                Some(of.ledger.block_manually(of.company, &blocks, "import", &actor).await?)
            }
        };
        if self.json {
            return output::json(&serde_json::json!({
                "dry_run": self.dry_run, "rows": rows, "added": added,
            }));
        }
        match added {
            Some(added) => output::put(&format!("{rows} addresses are blocked, {added} were not before\n")),
            None => output::put(&format!("{rows} addresses; nothing was changed\n")),
        }
    }
}

async fn export(of: &CompanyBlocks<'_>) -> anyhow::Result<()> {
    output::put(HEADING)?;
    let mut before = None;
    loop {
        let wish = BlockFilter { before, max: PAGE, ..BlockFilter::default() };
        let rows = of.ledger.blocks_page(of.company, &wish).await?;
        output::put(&bulk::to_csv(&rows))?;
        match rows.last().filter(|_| rows.len() as i64 == PAGE) {
            Some(last) => before = Some((last.since, last.id)),
            None => return Ok(()),
        }
    }
}

fn table(blocks: &[BlockView]) -> Table<7> {
    let mut table = Table::new(["Block", "Medium", "Kinds", "Blocked at", "Through", "Address", "Reason"]);
    for block in blocks {
        table.row([
            block.id.to_string(),
            block.medium.to_owned(),
            block.kinds.join(", "),
            time(block.blocked_at),
            block.source.clone(),
            block.address.clone().unwrap_or_default(),
            block.reason.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn lifted_text(lifted: i32, left: i32) -> String {
    let still = match kind_words(left) {
        left if left.is_empty() => "nothing blocks the address any more".to_owned(),
        left => format!("still blocked: {}", left.join(", ")),
    };
    format!("lifted: {}; {still}\n", kind_words(lifted).join(", "))
}

fn refused(problem: Problem) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", problem.path, problem.message)
}

/// Every problem, a line each.
pub(super) fn all(problems: &[Problem]) -> anyhow::Error {
    let line = |problem: &Problem| match problem.path.as_str() {
        "" => format!("  {}", output::clean(&problem.message)),
        path => format!("  {}: {}", output::clean(path), output::clean(&problem.message)),
    };
    let lines: Vec<String> = problems.iter().map(line).collect();
    anyhow::anyhow!("nothing was changed:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use postrider_domain::ids::BlockKind;

    #[test]
    fn what_still_blocks_is_told_with_what_was_lifted() {
        let (stop, hand) = (BlockKind::Stop.bit(), BlockKind::Manual.bit());
        assert_eq!(lifted_text(hand, stop), "lifted: blocked_by_hand; still blocked: stop\n");
        assert_eq!(
            lifted_text(hand | stop, 0),
            "lifted: stop, blocked_by_hand; nothing blocks the address any more\n"
        );
    }

    #[test]
    fn a_block_that_its_customer_asked_for_shows_no_address() {
        let block = BlockView {
            id: Uuid::from_u128(5),
            medium: "sms",
            kinds: vec!["stop"],
            opt_out: true,
            blocked_at: DateTime::UNIX_EPOCH,
            changed_at: DateTime::UNIX_EPOCH,
            source: "inbound".to_owned(),
            address: None,
            reason: None,
        };
        insta::assert_snapshot!(table(&[block]).render(false), @r#"
        Block                                 Medium  Kinds  Blocked at            Through  Address  Reason
        00000000-0000-0000-0000-000000000005  sms     stop   1970-01-01T00:00:00Z  inbound  -        -
        "#);
    }

    #[test]
    fn every_problem_of_a_file_is_a_line() {
        let problems =
            [Problem::new("line 3.address", "bad_address", "give one"), Problem::new("", "x", "y")];
        assert_eq!(all(&problems).to_string(), "nothing was changed:\n  line 3.address: give one\n  y");
    }
}
