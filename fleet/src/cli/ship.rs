//! `galmorph-fleet ship`: a machine's catalog to PostgreSQL.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{Outcome, print};
use crate::Failure;
use crate::server::ServerArguments;
use crate::ship::{ShipOptions, ship};
use crate::site::name;

#[derive(Debug, Args)]
pub(super) struct ShipArguments {
    /// The catalog of this machine (galmorph watch makes it)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalog: PathBuf,

    /// The name of this machine, or of the survey. Files are known by it and their paths. Never give two machines one name
    #[arg(long, value_name = "NAME", value_parser = name)]
    site: String,

    /// Which catalog of the site this is, if it has several: the parts of an archive, for example
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    name: String,

    /// Ship what is there, and end
    #[arg(long)]
    once: bool,

    /// How often every row is looked at. New rows are shipped at once; this finds those that were overwritten
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    sweep: u64,

    /// Ship a catalog that took the place of the one that was shipped before
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    server: ServerArguments,
}

impl ShipArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let server = self.server.resolve()?;
        let options = ShipOptions {
            catalog: self.catalog,
            site: self.site,
            name: self.name,
            once: self.once,
            sweep: Duration::from_secs(self.sweep),
            replace: self.replace,
        };
        let shipped = ship(&server, &options)?;
        print(&format!(
            "shipped {} files, {} other answers and {} reviews",
            shipped.files, shipped.other_answers, shipped.reviews
        ))?;
        Ok(Outcome::Fine)
    }
}
