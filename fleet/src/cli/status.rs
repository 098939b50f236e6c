//! `galmorph-fleet status`: how far a stream is.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::{Outcome, print};
use crate::server::ServerArguments;
use crate::site;
use crate::status::report;
use crate::stream::StreamArguments;
use crate::{Failure, whole_file};

/// How it is said.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum StatusFormat {
    /// For people.
    #[default]
    Text,
    Json,
    /// The text format of Prometheus, for the textfile collector of node_exporter.
    Prometheus,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[arg(long, value_enum, default_value_t)]
    format: StatusFormat,

    /// Write it to this file, which is whole at any time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    stream: StreamArguments,

    #[command(flatten)]
    server: ServerArguments,
}

impl StatusArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let server = self.server.resolve()?;
        let name = site::process(&site::machine()?);
        let site = self.stream.site.clone();
        let mut stream = (self.stream.resolve()?).open(&site, &name, Duration::ZERO)?;
        let report = report(&server, &mut *stream, &site)?;
        let text = match self.format {
            StatusFormat::Text => report.to_string(),
            StatusFormat::Json => report.json(),
            StatusFormat::Prometheus => report.prometheus(),
        };
        match &self.out {
            None => print(text.trim_end())?,
            Some(path) => {
                let mut file = whole_file::begin(path)?;
                let wrote = writeln!(file, "{}", text.trim_end());
                wrote.map_err(|error| Failure::io("write", path, &error))?;
                whole_file::keep(file, path)?;
            }
        }
        Ok(if report.is_short() {
            Outcome::Incomplete
        } else {
            Outcome::Fine
        })
    }
}
