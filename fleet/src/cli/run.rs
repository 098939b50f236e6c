//! `galmorph-fleet run`: a shard to its part.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{Outcome, print};
use crate::Failure;
use crate::plan::parts_folder;
use crate::shard::{RunOptions, run};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The folder of the plan
    #[arg(value_name = "PLAN", value_hint = ValueHint::DirPath)]
    plan: PathBuf,

    /// The number of the shard, from 0 on
    #[arg(value_name = "SHARD")]
    shard: usize,

    /// Where parts go. Default: the folder parts in the plan
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    parts: Option<PathBuf>,

    /// How many threads classify. Default: one for each core that this process may use
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZero<usize>>,

    /// Where the model's file is on this machine, if it isn't where it was planned
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model: Option<PathBuf>,

    /// How long to wait before files that could not be read are tried once more
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
}

impl RunArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let workers = super::workers(self.workers)?;
        let options = RunOptions {
            parts: self.parts.unwrap_or_else(|| parts_folder(&self.plan)),
            model: self.model,
            workers,
            patience: Duration::from_secs(self.patience),
        };
        let counts = run(&self.plan, self.shard, &options)?;
        print(&format!(
            "shard {}: {} files have a row, {} could not be read",
            self.shard, counts.rows, counts.unread
        ))?;
        Ok(if counts.unread == 0 {
            Outcome::Fine
        } else {
            Outcome::Incomplete
        })
    }
}
