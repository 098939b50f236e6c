//! `galmorph-fleet work`: files of a stream to PostgreSQL.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::network::NetworkArguments;
use super::{Outcome, print};
use crate::Failure;
use crate::rollout::lane;
use crate::server::{ServerArguments, model_key};
use crate::site;
use crate::stop::Stop;
use crate::stream::StreamArguments;
use crate::work::{Roots, WorkOptions, work};

#[derive(Debug, Args)]
pub(super) struct WorkArguments {
    /// Folders of which files are read; the stream's other files are left alone. NAMED=FOLDER for a folder that the stream
    /// knows by another name
    #[arg(value_name = "ROOT", value_hint = ValueHint::DirPath, required = true)]
    roots: Vec<PathBuf>,

    /// End when the stream is empty
    #[arg(long)]
    drain: bool,

    /// How many threads classify. Default: one for each core that this process may use
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZero<usize>>,

    /// How many files are taken, and written down, at once. Default: 16 for each thread, but 64 at least and 256 at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch: Option<u32>,

    /// How long a file that can't be read is tried again before it is written down as rejected
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,

    /// How long a worker may be silent before others take over what it holds. The same for all workers of a stream, and longer than
    /// a batch takes
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    claim: u64,

    /// Keep the answers beside those that are shown, for a model that is to be rolled out: takes the files that galmorph-fleet model
    /// --feed added for it, and writes no row until its model is in use
    #[arg(long)]
    beside: bool,

    #[command(flatten)]
    network: NetworkArguments,

    #[command(flatten)]
    stream: StreamArguments,

    #[command(flatten)]
    server: ServerArguments,
}

impl WorkArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let stop = Stop::on_signals()?;
        let workers = super::workers(self.workers)?;
        let server = self.server.resolve()?;
        // An item may come with its radius.
        let framing = self.network.framing(true)?;
        let machine = site::machine()?;
        let options = WorkOptions {
            site: self.stream.site.clone(),
            name: site::process(&machine),
            machine,
            roots: Roots::new(&self.roots)?,
            framing,
            workers,
            batch: self
                .batch
                .map_or_else(|| batch_for(workers.get()), |batch| batch as usize),
            patience: Duration::from_secs(self.patience),
            claim: Duration::from_secs(self.claim),
            drain: self.drain,
            beside: self.beside,
        };
        let (model, planned) = self.network.model()?;
        let address = self.stream.resolve()?;
        let site = if options.beside {
            lane(&options.site, &model_key(&planned.digest, &planned.card))
        } else {
            options.site.clone()
        };
        let mut stream = address.open(&site, &options.name, options.claim)?;
        log::info!("{} takes files of '{}'", options.name, options.site);
        let counts = work(&server, &mut *stream, (&model, &planned), &options, &stop)?;
        if let Err(failure) = stream.leave() {
            // It is a name in a list.
            log::debug!("{failure}");
        }
        print(&format!(
            "{} answered, {} rejected, {} known already",
            counts.answered, counts.rejected, counts.known
        ))?;
        Ok(Outcome::Fine)
    }
}

/// As much as these threads answer in about a second: a commit costs as much for a few files as for many.
fn batch_for(threads: usize) -> usize {
    (16 * threads).clamp(64, 256)
}
