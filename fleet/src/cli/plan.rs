//! `galmorph-fleet plan`: an archive to shards.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_output::readable;

use super::network::NetworkArguments;
use super::source::SourceArguments;
use super::{Outcome, print};
use crate::Failure;
use crate::plan::{Division, Draft, gather};

/// As many as names of five digits have, and more than any array.
const MOST_SHARDS: u32 = 100_000;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    source: SourceArguments,

    /// The number of shards. One of 100,000 files takes 12 minutes on one core with AVX-512
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    shards: u32,

    /// The folder that the plan is made in. All machines must reach it; it must not be there yet
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::DirPath)]
    out: PathBuf,

    /// How files are divided
    #[arg(long, value_enum, default_value_t)]
    by: Division,

    /// The most tasks that an array may have here (Slurm: MaxArraySize - 1). With more shards, a task takes several
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_array: u32,

    /// How many files a run answers for before it writes them down: what it loses at most when it is killed
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chunk: u32,

    #[command(flatten)]
    network: NetworkArguments,
}

impl PlanArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let framing = self.network.framing(self.source.is_table())?;
        let (_, model) = self.network.model()?;
        let files = gather(&self.source.source())?;
        let draft = Draft {
            model,
            framing,
            division: self.by,
            chunk: self.chunk as usize,
        };
        let plan = draft.write(
            &self.out,
            files,
            self.shards as usize,
            self.max_array as usize,
        )?;
        let files = plan.files();
        let out = readable(&self.out);
        print(&format!(
            "plan '{out}': {files} files in {} shards (sbatch {out}/run.sbatch, or galmorph-fleet run {out} 0 ...)",
            plan.shards.len()
        ))?;
        if files == 0 {
            log::warn!("the plan has no files");
            return Ok(Outcome::Incomplete);
        }
        Ok(Outcome::Fine)
    }
}
