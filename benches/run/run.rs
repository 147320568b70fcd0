//! The order of everything: servers, the peers' settings, then each part that was asked for.
//!
//! Each part is kept as soon as it is measured.

use anyhow::Context;

use crate::{
    arguments::{Arguments, Share, What},
    growth::{self, Grower},
    ingress, machine,
    report::{Medium, Origin, POSTRIDER, Part, Parts},
    results_dir::ResultsDir,
    rounds,
    rows::{self, Row},
    servers::Servers,
    sweep::{self, Contestant},
};

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut kept = ResultsDir::open(&arguments.results)?;
    if arguments.write_only {
        return kept.write();
    }
    let rows = rows::chosen(&arguments)?;
    let growing = postrider_row(&arguments, &rows, What::Growth)?;
    let entered = postrider_row(&arguments, &rows, What::Entrance)?;
    let servers = Servers::start(&arguments).await?;
    // Growth has no use for the peers.
    let all = arguments.does(What::Throughput) || arguments.does(What::Latency);
    let sweep = sweep::run(&arguments, &servers, if all { rows } else { Vec::new() }).await;
    let origin = machine::look(&arguments, &servers, &sweep.versions).await?;
    let compared =
        Compared { arguments: &arguments, servers: &servers, peers: sweep.peers(), origin: &origin };
    if !sweep.tried.is_empty() || !sweep.left_out.is_empty() {
        let sweep = compared.part((sweep.tried, sweep.left_out));
        kept.keep(Parts { sweep: Some(sweep), ..Parts::default() })?;
    }
    compared.measure(&sweep.contestants, &mut kept).await?;
    if let Some(row) = entered {
        let runs = ingress::measure(&arguments, &servers, &row).await?;
        kept.keep(Parts { entrance: Some(compared.part(runs)), ..Parts::default() })?;
    }
    if let Some(row) = growing {
        grow(&Grower { arguments: &arguments, servers: &servers, row: &row }, &origin, &mut kept).await?;
    }
    kept.print_targets();
    Ok(())
}

/// Our own row, for a part that is about it alone; `None` where that was not asked for.
fn postrider_row(arguments: &Arguments, rows: &[Row], part: What) -> anyhow::Result<Option<Row>> {
    if !arguments.does(part) {
        return Ok(None);
    }
    let row = rows.iter().find(|row| row.name == POSTRIDER).cloned();
    row.map(Some).with_context(|| format!("{part:?} is about the row {POSTRIDER}, which was not named"))
}

/// The yardstick of all rows.
struct Compared<'a> {
    arguments: &'a Arguments,
    servers: &'a Servers,
    peers: Vec<String>,
    origin: &'a Origin,
}

impl Compared<'_> {
    async fn measure(&self, contestants: &[Contestant], kept: &mut ResultsDir) -> anyhow::Result<()> {
        let Compared { arguments, servers, .. } = *self;
        let media = if arguments.does(What::Throughput) { arguments.media() } else { Vec::new() };
        for medium in media {
            let rates = self.part(rounds::rates(servers, contestants, medium, arguments.rounds).await?);
            kept.keep(match medium {
                Medium::Sms => Parts { sms: Some(rates), ..Parts::default() },
                Medium::Email => Parts { email: Some(rates), ..Parts::default() },
            })?;
        }
        if arguments.does(What::Latency) {
            let latency = self.part(rounds::latencies(arguments, servers, contestants).await?);
            kept.keep(Parts { latency: Some(latency), ..Parts::default() })?;
        }
        Ok(())
    }

    fn part<T>(&self, (runs, troubles): (Vec<T>, Vec<String>)) -> Part<Vec<T>> {
        Part { troubles, ..Part::new(self.origin, &self.peers, runs) }
    }
}

async fn grow(grower: &Grower<'_>, origin: &Origin, kept: &mut ResultsDir) -> anyhow::Result<()> {
    let [waiting, claims, drain, bloat] = [Share::Waiting, Share::Claims, Share::Drain, Share::Bloat]
        .map(|share| grower.arguments.grows(share));
    if waiting || claims {
        let (beside, explained) = growth::beside_waiting(grower).await?;
        kept.keep(Parts {
            waiting: waiting.then(|| Part::new(origin, &[], beside)),
            claims: claims.then(|| Part::new(origin, &[], explained)),
            ..Parts::default()
        })?;
    }
    if drain {
        let runs = vec![growth::drain(grower).await.context("drain")?];
        kept.keep(Parts { drain: Some(Part::new(origin, &[], runs)), ..Parts::default() })?;
    }
    if bloat {
        let runs = growth::bloat(grower).await.context("bloat")?;
        kept.keep(Parts { bloat: Some(Part::new(origin, &[], runs)), ..Parts::default() })?;
    }
    Ok(())
}
