//! The order of everything: servers, the peers' settings, then each part that was asked for.
//!
//! Each part is kept as soon as it is measured.

use anyhow::Context;

use crate::{
    arguments::{Arguments, Share, What},
    growth::{self, Grower},
    kept::Kept,
    machine,
    report::{Medium, Origin, POSTRIDER, Part, Parts, Rate},
    rounds,
    rows::{self, Row},
    servers::Servers,
    sweep::{self, Contestant},
};

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut kept = Kept::open(&arguments.results)?;
    if arguments.write_only {
        return kept.write();
    }
    let rows = rows::chosen(&arguments)?;
    let growing = growing(&arguments, &rows)?;
    let servers = Servers::start(&arguments).await?;
    let compared = arguments.does(What::Throughput) || arguments.does(What::Latency);
    let sweep = sweep::run(&arguments, &servers, if compared { rows } else { Vec::new() }).await;
    let origin = machine::look(&arguments, &servers, &sweep.versions).await?;
    let contestants = sweep.contestants;
    if !sweep.tried.is_empty() || !sweep.left_out.is_empty() {
        let sweep = Part { origin: origin.clone(), troubles: sweep.left_out, runs: sweep.tried };
        kept.keep(Parts { sweep: Some(sweep), ..Parts::default() })?;
    }
    if arguments.does(What::Throughput) {
        for medium in arguments.media() {
            let rates = rates(&arguments, &servers, (&contestants, medium), &origin).await?;
            kept.keep(match medium {
                Medium::Sms => Parts { sms: Some(rates), ..Parts::default() },
                Medium::Email => Parts { email: Some(rates), ..Parts::default() },
            })?;
        }
    }
    if arguments.does(What::Latency) {
        let (runs, troubles) = rounds::latencies(&arguments, &servers, &contestants).await?;
        let latency = Part { origin: origin.clone(), troubles, runs };
        kept.keep(Parts { latency: Some(latency), ..Parts::default() })?;
    }
    if let Some(row) = growing {
        grow(&Grower { arguments: &arguments, servers: &servers, row: &row }, &origin, &mut kept).await?;
    }
    kept.print_targets();
    Ok(())
}

/// The row that growth is about; `None` where it was not asked for.
fn growing(arguments: &Arguments, rows: &[Row]) -> anyhow::Result<Option<Row>> {
    if !arguments.does(What::Growth) {
        return Ok(None);
    }
    let row = rows.iter().find(|row| row.name == POSTRIDER).cloned();
    row.map(Some).with_context(|| format!("growth is about the row {POSTRIDER}, which was not named"))
}

async fn rates(
    arguments: &Arguments,
    servers: &Servers,
    (contestants, medium): (&[Contestant], Medium),
    origin: &Origin,
) -> anyhow::Result<Part<Vec<Rate>>> {
    let (runs, troubles) = rounds::rates(servers, contestants, medium, arguments.rounds).await?;
    Ok(Part { origin: origin.clone(), troubles, runs })
}

async fn grow(grower: &Grower<'_>, origin: &Origin, kept: &mut Kept) -> anyhow::Result<()> {
    let [waiting, claims, drain, bloat] = [Share::Waiting, Share::Claims, Share::Drain, Share::Bloat]
        .map(|share| grower.arguments.grows(share));
    if waiting || claims {
        let (beside, explained) = growth::beside_waiting(grower).await?;
        kept.keep(Parts {
            waiting: waiting.then(|| part(origin, beside)),
            claims: claims.then(|| part(origin, explained)),
            ..Parts::default()
        })?;
    }
    if drain {
        let runs = vec![growth::drain(grower).await.context("drain")?];
        kept.keep(Parts { drain: Some(part(origin, runs)), ..Parts::default() })?;
    }
    if bloat {
        let runs = growth::bloat(grower).await.context("bloat")?;
        kept.keep(Parts { bloat: Some(part(origin, runs)), ..Parts::default() })?;
    }
    Ok(())
}

fn part<T>(origin: &Origin, runs: Vec<T>) -> Part<Vec<T>> {
    Part { origin: origin.clone(), troubles: Vec::new(), runs }
}
