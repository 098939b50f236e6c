//! `galmorph-fleet model`: which models have answered, and which is shown.

use clap::Args;

use super::{Outcome, print};
use crate::Failure;
use crate::rollout::{feed, models, switch};
use crate::server::ServerArguments;
use crate::stop::Stop;
use crate::stream::StreamArguments;

#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    /// Add the files that this model has not answered to its own stream, of which galmorph-fleet work --beside takes them
    #[arg(long, value_name = "NUMBER", conflicts_with = "use_model")]
    feed: Option<i32>,

    /// Show the answers of this model, in one step. Run it as the owner of the database
    #[arg(long = "use", id = "use_model", value_name = "NUMBER")]
    use_model: Option<i32>,

    /// Add nothing while that stream has this many files
    #[arg(long, value_name = "COUNT", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    longest: u64,

    #[command(flatten)]
    stream: StreamArguments,

    #[command(flatten)]
    server: ServerArguments,
}

impl ModelArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let stop = Stop::on_signals()?;
        let server = self.server.resolve()?;
        let site = &self.stream.site;
        if let Some(model) = self.use_model {
            let switched = switch(&server, site, model, &stop)?;
            for (other, used) in &switched.others {
                log::warn!(
                    "a switch at '{other}' is not at its end, so the views stay slow (galmorph-fleet model --site {other} --use {used} goes on)"
                );
            }
            let lacking = match switched.lacking {
                0 => String::new(),
                lacking => format!(", {lacking} lack it (--feed {model} has them answered)"),
            };
            return print(&format!("{} files show it now{lacking}", switched.shown))
                .map(|()| Outcome::Fine);
        }
        let mut client = server.connect_now()?;
        if let Some(model) = self.feed {
            let stream = self.stream.resolve()?;
            let added = feed(&mut client, stream, site, model, self.longest, &stop)?;
            return print(&format!("{added} added")).map(|()| Outcome::Fine);
        }
        print(&models(&mut client, site)?.to_string())?;
        Ok(Outcome::Fine)
    }
}
