//! stub
//! stub
use crate::config::Config;
#[derive(Debug, clap::Subcommand)]
pub enum Rejected {
    List,
}
impl Rejected {
    pub async fn run(self, _c: Config) -> anyhow::Result<()> {
        Ok(())
    }
}
