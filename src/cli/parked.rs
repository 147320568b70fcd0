//! stub
//! stub
use crate::config::Config;
#[derive(Debug, clap::Subcommand)]
pub enum Parked {
    List,
}
impl Parked {
    pub async fn run(self, _c: Config) -> anyhow::Result<()> {
        Ok(())
    }
}
