//! `galmorph-fleet merge`: counts, and one catalog of many.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_catalog::export::Format;
use galmorph_catalog::{Collision, files_of};
use galmorph_output::{Output, readable};

use super::{Outcome, print};
use crate::Failure;
use crate::merge::{Machine, Report, check, write_catalog, write_table};
use crate::plan::{Plan, part_path, parts_folder};

#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// The folder of a plan, or catalogs. SITE=CATALOG says which machine a catalog comes from; its paths become SITE:/path
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath, required = true)]
    sources: Vec<PathBuf>,

    /// Count only: say whether every file of the plan is in its part, and what is missing
    #[arg(long, conflicts_with = "out")]
    check: bool,

    /// What to write: a catalog (.sqlite), or the classified cutouts as a table (.parquet, .fits, .vot, .csv...)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "check")]
    out: Option<PathBuf>,

    /// Replace the FILE of --out, and that of --missing, if it exists
    #[arg(long)]
    force: bool,

    /// Where the parts are. Default: the folder parts in the plan
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    parts: Option<PathBuf>,

    /// Write the paths of the files that are missing or could not be read to this file, one a line: galmorph-fleet plan
    /// --list takes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    missing: Option<PathBuf>,

    /// Merge what is there, even if something is missing
    #[arg(long)]
    incomplete: bool,

    /// Where two catalogs have different rows of one path, take the one that was written last. Default: refuse
    #[arg(long)]
    newest: bool,
}

impl MergeArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        match &*self.sources {
            [plan] if Plan::is_one(plan) => self.merge_plan(plan),
            sources => {
                if let Some(plan) = sources.iter().find(|path| Plan::is_one(path)) {
                    return Err(Failure::Usage(format!(
                        "'{}' is a plan: merge one plan, or catalogs",
                        readable(plan)
                    )));
                }
                self.merge_machines(sources)
            }
        }
    }

    fn merge_plan(&self, folder: &Path) -> Result<Outcome, Failure> {
        let plan = Plan::read(folder)?;
        let parts = self.parts.clone().unwrap_or_else(|| parts_folder(folder));
        let mut inputs = plan.inputs(folder);
        inputs
            .extend((0..plan.shards.len()).flat_map(|number| files_of(&part_path(&parts, number))));
        let output = |path: &PathBuf| Output::at(path, self.force, &inputs);
        let out = self.out.as_ref().map(output).transpose()?;
        let list = self.missing.as_ref().map(output).transpose()?;
        match (&out, &list) {
            (_, Some(list)) if list.target().is_none() => {
                let fault = "--missing needs the name of a file: standard output has the counts";
                return Err(Failure::Usage(fault.to_owned()));
            }
            (Some(out), Some(list)) if out.is_same_as(list) => {
                let fault = "--out and --missing name the same output";
                return Err(Failure::Usage(fault.to_owned()));
            }
            _ => {}
        }
        let report = count(folder, &plan, &parts, list)?;
        let mut text = Vec::new();
        report
            .write(&mut text)
            .expect("a list of bytes takes any text");
        print(String::from_utf8_lossy(&text).trim_end())?;
        let outcome = if report.is_complete() {
            Outcome::Fine
        } else {
            Outcome::Incomplete
        };
        let Some(out) = out else {
            return Ok(outcome);
        };
        if report.foreign > 0 || (!self.incomplete && outcome == Outcome::Incomplete) {
            log::error!("nothing was written (--incomplete writes what is there)");
            return Ok(Outcome::Incomplete);
        }
        let parts: Vec<PathBuf> = (0..plan.shards.len())
            .map(|number| part_path(&parts, number))
            .filter(|part| part.exists())
            .collect();
        let target = self.out.as_deref().expect("an output has a name");
        self.write(&parts, target, out)?;
        Ok(outcome)
    }

    fn merge_machines(&self, sources: &[PathBuf]) -> Result<Outcome, Failure> {
        let Some(out) = &self.out else {
            return Err(Failure::Usage(
                "--check needs the folder of a plan".to_owned(),
            ));
        };
        let machines = sources.iter().map(|source| machine(source));
        let machines = machines.collect::<Result<Vec<_>, _>>()?;
        if self.missing.is_some() {
            let fault = "--missing needs the folder of a plan";
            return Err(Failure::Usage(fault.to_owned()));
        }
        if table_format(out)?.is_some() {
            return Err(Failure::Usage(
                "merge catalogs into a catalog (.sqlite) first: then `galmorph export` writes any table".to_owned(),
            ));
        }
        let inputs = machines
            .iter()
            .flat_map(|machine| files_of(&machine.catalog));
        let output = Output::at(out, self.force, &inputs.collect::<Vec<_>>())?;
        self.write_machines(&machines, out, output)?;
        Ok(Outcome::Fine)
    }

    fn write(&self, parts: &[PathBuf], out: &Path, output: Output) -> Result<(), Failure> {
        if let Some(format) = table_format(out)? {
            let rows = write_table(parts, output, format)?;
            return print(&format!("wrote '{}': {rows} rows", readable(out)));
        }
        let machines: Vec<Machine> = parts
            .iter()
            .map(|part| Machine {
                site: None,
                catalog: part.clone(),
            })
            .collect();
        self.write_machines(&machines, out, output)
    }

    fn write_machines(
        &self,
        machines: &[Machine],
        out: &Path,
        output: Output,
    ) -> Result<(), Failure> {
        let collision = if self.newest {
            Collision::Newest
        } else {
            Collision::Refuse
        };
        let taken = write_catalog(machines, output, collision)?;
        let out = readable(out);
        print(&format!(
            "wrote '{out}': {} files of {} catalogs",
            taken.files - taken.again,
            machines.len()
        ))
    }
}

/// Counts, and writes the paths of the files without an answer to `list`, one a line.
fn count(
    folder: &Path,
    plan: &Plan,
    parts: &Path,
    list: Option<Output>,
) -> Result<Report, Failure> {
    let Some(list) = list else {
        return check(folder, plan, parts, |_| Ok(()));
    };
    let mut file = list.begin(".galmorph-missing-")?;
    let mut out = BufWriter::new(file.as_file_mut());
    let fault = |error: &std::io::Error| Failure::Transient(list.refusal(error).to_string());
    let report = check(folder, plan, parts, |item| {
        use std::os::unix::ffi::OsStrExt as _;
        let path = item.file();
        out.write_all(path.as_os_str().as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| fault(&error))
    })?;
    out.flush().map_err(|error| fault(&error))?;
    drop(out);
    list.keep(file)?;
    Ok(report)
}

/// The format of a table; none for a catalog.
fn table_format(out: &Path) -> Result<Option<Format>, Failure> {
    let ending = out.extension().and_then(|ending| ending.to_str());
    if matches!(ending, Some("sqlite" | "sqlite3" | "db")) {
        return Ok(None);
    }
    Format::of_file(out).map(Some).ok_or_else(|| {
        let out = readable(out);
        Failure::Usage(format!(
            "the ending of '{out}' is that of no format (.sqlite, .parquet, .fits, .vot, .csv, .ecsv, .jsonl)"
        ))
    })
}

/// `SITE=CATALOG`, or `CATALOG`.
fn machine(source: &Path) -> Result<Machine, Failure> {
    let plain = || Machine {
        site: None,
        catalog: source.to_owned(),
    };
    let Some((site, catalog)) = source.to_str().and_then(|text| text.split_once('=')) else {
        return Ok(plain());
    };
    if source.exists() {
        return Ok(plain());
    }
    let site = crate::site::name(site).map_err(|what| {
        let source = readable(source);
        Failure::Usage(format!("'{source}': the name of a site has {what}"))
    })?;
    Ok(Machine {
        site: Some(site),
        catalog: PathBuf::from(catalog),
    })
}
