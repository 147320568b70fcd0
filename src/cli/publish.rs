//! stub
//! stub
use crate::config::Config;
#[derive(Debug, clap::Args)]
pub struct Publish {}
impl Publish {
    pub async fn run(self, _c: Config) -> anyhow::Result<()> {
        Ok(())
    }
}
