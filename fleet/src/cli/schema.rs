//! `galmorph-fleet schema`: the tables and roles of the PostgreSQL catalog.

use clap::Args;

use super::{Outcome, print};
use crate::Failure;
use crate::server::{ServerArguments, migrate, roles};

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Leave the roles galmorph_writer and galmorph_reader alone: this user may not make roles
    #[arg(long)]
    no_roles: bool,

    #[command(flatten)]
    server: ServerArguments,
}

impl SchemaArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let mut client = self.server.resolve()?.connect_now()?;
        let applied = migrate(&mut client)?;
        if !self.no_roles {
            roles(&mut client)?;
        }
        match &*applied.join(", ") {
            "" => print("the schema is up to date"),
            applied => print(&format!("applied {applied}")),
        }?;
        Ok(Outcome::Fine)
    }
}
