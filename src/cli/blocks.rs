//! `postrider blocks`: lists, adds and lifts blocked addresses, one by one or from a file.
//!
//! The same functions and audit entries as `/v1/blocks` of the API. An address is printed only if a person blocked it by
//! hand. A block that the customer asked for (STOP, unsubscribe, complaint) is lifted only with
//! `--acknowledge-opt-out`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use uuid::Uuid;

use crate::{
    blocks::{
        bulk::{self, HEADING, PAGE},
        input::{BlockInput, parse_address, parse_kinds, parse_medium, parse_reason},
        view::BlockView,
    },
    cli::{
        input, lookup,
        output::{self, Table, time},
    },
    config::Config,
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

/// List blocked addresses, block one, and lift a block.
#[derive(Debug, clap::Subcommand)]
pub enum Blocks {
    /// List blocked addresses, newest first; with --address, only that one.
    List(List),
    /// Block an address by hand.
    Add(Add),
    /// Lift the block of an address.
    Remove(Remove),
    /// Block the addresses of a CSV file, all or none.
    Import(Import),
    /// Print all blocks as CSV; only blocks by hand contain an address.
    Export {
        /// The company's slug.
        company: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// The company's slug.
    company: String,
    /// Only this email address or phone number (with + and country code).
    #[arg(long)]
    address: Option<String>,
    /// Only blocks of this medium.
    #[arg(long, value_parser = ["email", "sms"])]
    medium: Option<String>,
    /// Only stop, unsubscribed, complained, hard_bounced or blocked_by_hand; several separated by commas.
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// Most blocks to list.
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
    /// The reason; stored with the block and in the audit entry.
    #[arg(long)]
    reason: String,
    /// Medium of the address; derived from it by default.
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
    /// The blocked address, or the id of the block.
    block: String,
    /// The reason; stored in the audit entry.
    #[arg(long)]
    reason: String,
    /// Kinds to lift, separated by commas; all by default.
    #[arg(long, value_name = "KINDS")]
    kinds: Option<String>,
    /// Medium of the address; derived from it by default.
    #[arg(long, value_parser = ["email", "sms"])]
    medium: Option<String>,
    /// Lift a block that the customer asked for: the customer wants messages again.
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
    /// CSV file, or `-` for standard input. Its heading names address and optionally medium and reason.
    file: PathBuf,
    /// Reason of the rows without one.
    #[arg(long, default_value = "")]
    reason: String,
    /// Only check the file; nothing is written.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Blocks {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        let keys = worker::keys(&config)?;
        let slug = match &self {
            Blocks::List(List { company, .. })
            | Blocks::Add(Add { company, .. })
            | Blocks::Remove(Remove { company, .. })
            | Blocks::Import(Import { company, .. })
            | Blocks::Export { company } => company,
        };
        let company = lookup::company_id(&ledger, slug).await?;
        let blocks = CompanyBlocks { ledger: &ledger, keys: &keys.identity, company };
        match self {
            Blocks::List(list) => list.run(&blocks).await,
            Blocks::Add(add) => add.run(&blocks).await,
            Blocks::Remove(remove) => remove.run(&blocks).await,
            Blocks::Import(import) => import.run(&blocks).await,
            Blocks::Export { .. } => export(&blocks).await,
        }
    }
}

/// The blocks of one company.
struct CompanyBlocks<'a> {
    ledger: &'a Ledger,
    keys: &'a IdentityKey,
    company: CompanyId,
}

impl CompanyBlocks<'_> {
    /// The id of the block of an address.
    fn id(&self, address: &str, medium: Option<&str>) -> anyhow::Result<Uuid> {
        let (medium, address) = parse_address(address, medium.and_then(parse_medium)).map_err(invalid)?;
        Ok(self.keys.address_hash(self.company, medium, &address))
    }

    async fn page(&self, filter: BlockFilter) -> anyhow::Result<Vec<BlockView>> {
        let rows = self.ledger.blocks_page(self.company, &filter).await?;
        Ok(rows.into_iter().map(BlockView::from).collect())
    }
}

impl List {
    async fn run(self, blocks: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let id =
            self.address.as_deref().map(|address| blocks.id(address, self.medium.as_deref())).transpose()?;
        let medium: Option<Medium> = self.medium.as_deref().and_then(parse_medium);
        let kinds = self.kind.as_deref().map(parse_kinds).transpose().map_err(anyhow::Error::msg)?;
        let filter =
            BlockFilter { id, medium, kinds: kinds.unwrap_or_default(), before: None, max: self.limit };
        let found = blocks.page(filter).await?;
        if self.json {
            return output::json(&found);
        }
        match (found.is_empty(), id) {
            (true, Some(_)) => output::put("the address is not blocked\n"),
            (true, None) => output::put("no address is blocked\n"),
            (false, _) => table(&found).print(),
        }
    }
}

impl Add {
    async fn run(self, blocks: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let new = BlockInput { address: &self.address, medium: self.medium.as_deref(), reason: &self.reason };
        let block = new.parse(blocks.keys, blocks.company).map_err(|problems| unchanged(&problems))?;
        let id = block.id;
        let actor = Actor::at_the_command_line();
        let added = blocks.ledger.block_manually(blocks.company, &[block], "cli", &actor).await?;
        if self.json {
            let found = blocks.page(BlockFilter { id: Some(id), max: 1, ..BlockFilter::default() }).await?;
            return output::json(found.first().context("the block was lifted at once by another command")?);
        }
        match added {
            0 => output::put(&format!("{id} was blocked by hand before; its reason is replaced\n")),
            _ => output::put(&format!("{id} is blocked\n")),
        }
    }
}

impl Remove {
    async fn run(self, blocks: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let id = match Uuid::try_parse(&self.block) {
            Ok(id) => id,
            Err(_) => blocks.id(&self.block, self.medium.as_deref())?,
        };
        let kinds = self.kinds.as_deref().map(parse_kinds).transpose().map_err(anyhow::Error::msg)?;
        let reason = parse_reason(&self.reason).map_err(invalid)?;
        let acknowledged = self.acknowledge_opt_out;
        let lift = Lift { id, kinds: kinds.unwrap_or(i32::MAX), reason: &reason, acknowledged };
        match blocks.ledger.lift_manually(blocks.company, &lift, &Actor::at_the_command_line()).await? {
            Lifted::Done { lifted, left } if self.json => {
                output::json(&serde_json::json!({ "lifted": kind_words(lifted), "left": kind_words(left) }))
            }
            Lifted::Done { lifted, left } => output::put(&lifted_text(lifted, left)),
            Lifted::Unknown => bail!("the address is not blocked, or not by these kinds; nothing was lifted"),
            Lifted::Unacknowledged { opt_outs } => bail!(
                "the customer asked for this block ({}); nothing was lifted; pass --acknowledge-opt-out if the \
                 customer wants messages again, or name other kinds with --kinds",
                kind_words(opt_outs).join(", ")
            ),
        }
    }
}

impl Import {
    async fn run(self, blocks: &CompanyBlocks<'_>) -> anyhow::Result<()> {
        let bytes = input::read_csv(&self.file)?;
        let mut problems = Problems::default();
        let imported = bulk::from_csv(&bytes, &self.reason, blocks.keys, blocks.company, &mut problems);
        let imported = problems.settle(Some(imported)).map_err(|problems| unchanged(&problems))?;
        let rows = imported.len();
        let added = match self.dry_run || imported.is_empty() {
            true => None,
            false => {
                let actor = Actor::at_the_command_line();
                Some(blocks.ledger.block_manually(blocks.company, &imported, "import", &actor).await?)
            }
        };
        if self.json {
            return output::json(&serde_json::json!({
                "dry_run": self.dry_run, "rows": rows, "added": added,
            }));
        }
        match added {
            Some(added) => output::put(&format!("{rows} addresses are blocked, {added} of them new\n")),
            None => output::put(&format!("{rows} addresses; nothing was changed\n")),
        }
    }
}

async fn export(blocks: &CompanyBlocks<'_>) -> anyhow::Result<()> {
    output::put(HEADING)?;
    let mut before = None;
    loop {
        let filter = BlockFilter { before, max: PAGE, ..BlockFilter::default() };
        let rows = blocks.ledger.blocks_page(blocks.company, &filter).await?;
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
    let remaining = match kind_words(left) {
        left if left.is_empty() => "the address is not blocked any more".to_owned(),
        left => format!("still blocked: {}", left.join(", ")),
    };
    format!("lifted: {}; {remaining}\n", kind_words(lifted).join(", "))
}

fn invalid(problem: Problem) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", problem.path, problem.message)
}

fn unchanged(problems: &[Problem]) -> anyhow::Error {
    input::problems("nothing was changed", problems)
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
            "lifted: stop, blocked_by_hand; the address is not blocked any more\n"
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
}
