//! stub
//! stub
use crate::config::Config;
#[derive(Debug, clap::Subcommand)]
pub enum Requests {
    List,
}
impl Requests {
    pub async fn run(self, _c: Config) -> anyhow::Result<()> {
        Ok(())
    }
}
