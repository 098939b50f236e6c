//! `galmorph-train learning-curve`

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use galmorph_output::{Output, readable};

use super::adapting::{AdaptingArgs, Views};
use super::{ForceArgs, print};
use crate::error::{Error, Result};
use crate::tuning::{Curve, LEAST_LABELS, Way, curve, measured};

/// The arguments of `learning-curve`.
#[derive(Debug, Args)]
pub(super) struct LearningCurveArgs {
    #[command(flatten)]
    adapting: AdaptingArgs,
    /// Numbers of labels to adapt to
    #[arg(long, value_name = "N", num_args = 1.., default_values_t = [50, 100, 250, 1000])]
    sizes: Vec<usize>,
    /// Number of random draws of the labels
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    draws: u16,
    /// JSON file for the curve; - is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

pub(super) fn run(args: &LearningCurveArgs) -> Result<()> {
    let adapting = &args.adapting;
    let output = (args.output.as_ref())
        .map(|path| Output::at(path, args.force.force, &adapting.inputs()))
        .transpose()?;
    if let Some(size) = args.sizes.iter().find(|size| **size < LEAST_LABELS) {
        return Err(Error::Input(format!(
            "--sizes {size}: at least {LEAST_LABELS} labels are needed to adapt a model"
        )));
    }
    let prepared = adapting.prepare(Views::Left, |galaxies| {
        measured(galaxies, &args.sizes).map(|_| ())
    })?;
    let found = curve(
        &prepared.examples,
        &prepared.layer,
        &prepared.log_prior,
        &args.sizes,
        (usize::from(args.draws), adapting.seed),
        adapting.machine.threads(),
    )?;
    let mut is_told = false;
    if let (Some(path), Some(output)) = (&args.output, output) {
        is_told = output.target().is_none();
        let json = serde_json::to_vec_pretty(&found).map_err(Error::internal("write a curve"))?;
        output.write(".galmorph-curve-", &json)?;
        log::info!("wrote '{}'", readable(path));
    }
    if is_told {
        // Standard output has the curve.
        log::info!("{}", table(&found));
        return Ok(());
    }
    print(&table(&found))
}

/// The curve for people.
fn table(curve: &Curve) -> String {
    let mut text = format!(
        "{} draws from {} galaxies; accuracy on {} that the draw did not adapt to, in percent, and the difference \
         to the unchanged model on the same galaxies, in points (95 % intervals)\n\n\
         {:>7}  {:<13}{:>21}{:>8}{:>13}  {}\n",
        curve.draws,
        curve.galaxies,
        curve.measured,
        "labels",
        "last layer",
        "accuracy",
        "spread",
        "mean recall",
        "difference"
    );
    for point in &curve.points {
        let way = match point.way {
            Way::Unchanged => "unchanged",
            Way::Adapted => "adapted",
            Way::FromNothing => "from nothing",
        };
        let percent = |value: f64| 100.0 * value;
        let accuracy = format!(
            "{:.1} ({:.1} to {:.1})",
            percent(point.accuracy.value),
            percent(point.accuracy.low),
            percent(point.accuracy.high)
        );
        let difference = match point.way {
            Way::Unchanged => "-".to_owned(),
            Way::Adapted | Way::FromNothing => format!(
                "{:+.1} ({:+.1} to {:+.1})",
                percent(point.advantage.value),
                percent(point.advantage.low),
                percent(point.advantage.high)
            ),
        };
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{:>7}  {way:<13}{accuracy:>21}{:>8.1}{:>13.1}  {difference}",
            point.labels,
            percent(point.deviation),
            percent(point.mean_recall)
        );
    }
    text
}
