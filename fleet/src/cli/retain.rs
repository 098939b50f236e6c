//! `galmorph-fleet retain`: old months go.

use clap::Args;

use super::{Outcome, print};
use crate::Failure;
use crate::server::{ServerArguments, retain};

#[derive(Debug, Args)]
pub(super) struct RetainArguments {
    /// Keep files that were found in this many months before the present one, and in the present one. The others are removed from
    /// the PostgreSQL catalog, and not shipped again; the catalogs of the machines keep them
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=12_000))]
    months: u32,

    #[command(flatten)]
    server: ServerArguments,
}

impl RetainArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let mut client = self.server.resolve()?.connect_now()?;
        let dropped = retain(&mut client, self.months)?;
        match &*dropped.join(", ") {
            "" => print("nothing is that old"),
            dropped => print(&format!("removed {dropped}")),
        }?;
        Ok(Outcome::Fine)
    }
}
