//! `galmorph-fleet feed`: files that are not done, to a stream.

use std::time::Duration;

use clap::Args;

use super::source::SourceArguments;
use super::{Outcome, print};
use crate::Failure;
use crate::feed::{FeedOptions, feed};
use crate::server::ServerArguments;
use crate::site;
use crate::stop::Stop;
use crate::stream::StreamArguments;

#[derive(Debug, Args)]
pub(super) struct FeedArguments {
    #[command(flatten)]
    source: SourceArguments,

    /// Go on, and look at all files again every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,

    /// Add nothing while the stream has this many files; each takes about 100 bytes of the server's memory
    #[arg(long, value_name = "COUNT", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    longest: u64,

    #[command(flatten)]
    stream: StreamArguments,

    #[command(flatten)]
    server: ServerArguments,
}

impl FeedArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        if self.watch.is_some() && self.source.is_standard_input() {
            return Err(Failure::Usage(
                "standard input can be read once only: --watch needs a file".to_owned(),
            ));
        }
        let stop = Stop::on_signals()?;
        let server = self.server.resolve()?;
        let machine = site::machine()?;
        let name = site::process(&machine);
        // It takes nothing, so it has nothing to claim.
        let mut stream = (self.stream.resolve()?).open(&self.stream.site, &name, Duration::ZERO)?;
        let options = FeedOptions {
            site: self.stream.site,
            machine,
            source: self.source.source(),
            longest: self.longest,
            watch: self.watch.map(Duration::from_secs),
        };
        let fed = feed(&server, &mut *stream, &options, &stop)?;
        print(&format!(
            "{} files: {} answered, {} rejected, {} waiting, {} added",
            fed.files(),
            fed.answered,
            fed.rejected,
            fed.waiting,
            fed.added
        ))?;
        Ok(Outcome::Fine)
    }
}
